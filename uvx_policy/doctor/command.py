"""`linkpolicy doctor`: its arguments, what it prints, its exit code (docs/reference/doctor.md)."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import uvx_policy
from uvx_policy import errors
from uvx_policy.terminal.command import Shell, shell_of
from uvx_policy.terminal.console import Console, check_can_ask
from uvx_policy.terminal.progress import progress

# What runs and reports is imported where it is needed: every command imports this module.

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from uvx_policy.doctor.case import Case
    from uvx_policy.doctor.diagnostic import Check, Finding
    from uvx_policy.doctor.engine import Fixed, Result
    from uvx_policy.doctor.redact import Redaction
    from uvx_policy.doctor.report import Report

SCHEMA = 1


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    doctor = commands.add_parser("doctor")
    doctor.add_argument("checks", nargs="*", metavar="ID", help="only these checks, or groups")
    doctor.add_argument("--json", action="store_true", help="machine-readable output")
    doctor.add_argument("--list", action="store_true", help="list the checks and run none")
    doctor.add_argument("--fix", action="store_true", help="apply the safe fixes; asks first")
    doctor.add_argument("-y", "--yes", action="store_true", help="with --fix: do not ask")
    doctor.add_argument(
        "--dry-run", action="store_true", help="with --fix: show what would be done"
    )
    doctor.add_argument("--strict", action="store_true", help="exit 1 for warnings as well")
    doctor.add_argument(
        "--redact", action="store_true", help="remove names of people and of the machine"
    )
    doctor.add_argument("--verify", action="store_true", help="also compare file contents; slow")
    doctor.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Run the command; returns its exit code. Raises `UsageError`."""
    from uvx_policy.doctor import engine

    _refuse_contradictions(options)
    if options.list:
        _print_list(engine.select(options.checks), as_json=options.json)
        return 0
    case = _case(options)
    if not options.checks:
        case.begin()  # before anything is imported that it has no need of
    checks = engine.select(options.checks)
    if not case.verify:  # which reads on for as long as it takes
        engine.begin(checks, case)
    if options.json:
        return _run_for_machines(options, checks, case)
    return _run_for_people(options, checks, case)


def _refuse_contradictions(options: argparse.Namespace) -> None:
    if (options.yes or options.dry_run) and not options.fix:
        raise errors.UsageError("--yes and --dry-run need --fix", hint="add --fix")
    if options.fix and not (options.yes or options.dry_run):
        check_can_ask(json=options.json)


def _run_for_people(options: argparse.Namespace, checks: Sequence[Check], case: Case) -> int:
    from uvx_policy.doctor import engine
    from uvx_policy.doctor.report import Report

    hide = _redaction() if options.redact else str
    report = Report(Console(), everything=bool(options.checks), hide=hide)
    results = engine.results(checks, case, watched=_shown_while_running)
    found = report.print_results(checks, results)
    _clean_up(case, options)
    fixed = list(_fix(found, options, report)) if options.fix else []
    if fixed and not options.dry_run:
        before = found
        found = list(engine.results(checks, _case(options), watched=_shown_while_running))
        fixed = engine.judge(fixed, found)
        _print_outcome(report, found, before, fixed)
    undone = sum(bool(each.fault.text) for each in fixed)
    report.print_summary(found, offer_fix=not options.fix, undone=undone)
    return exit_code(found, fixed, strict=options.strict)


def _run_for_machines(options: argparse.Namespace, checks: Sequence[Check], case: Case) -> int:
    from uvx_policy.doctor import engine

    found = list(engine.results(checks, case, watched=_shown_while_running))
    _clean_up(case, options)
    fixed = list(_fix(found, options)) if options.fix else []
    if fixed and not options.dry_run:
        case = _case(options)
        found = list(engine.results(checks, case, watched=_shown_while_running))
        fixed = engine.judge(fixed, found)
    report = as_object(found, case)
    if options.fix:
        report["mended"] = [
            {
                "ids": [check.id for check in each.checks],
                "done": list(each.done),
                "fault": each.fault.text,
            }
            for each in fixed
        ]
    if options.redact:
        report = _redaction().value(report)
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    return exit_code(found, fixed, strict=options.strict)


def exit_code(results: Iterable[Result], fixed: Iterable[Fixed], *, strict: bool) -> int:
    """0 fine, 1 findings or a fix that was not done, 2 when a check or a fix failed itself."""
    found = {finding.status for result in results for finding in result.findings}
    faults = [each.fault for each in fixed if each.fault.text]
    if "crash" in found or any(fault.crashed for fault in faults):
        return errors.EXIT_REFUSED
    wrong = "fail" in found or (strict and "warn" in found)
    return errors.EXIT_FINDINGS if wrong or faults else 0


def as_object(results: Sequence[Result], case: Case) -> dict[str, Any]:
    """The documented JSON object (docs/reference/doctor-json.md)."""
    shell = shell_of(case.environ)
    return {
        "schema": SCHEMA,
        "linkpolicy": uvx_policy.__version__,
        "python": ".".join(map(str, sys.version_info[:3])),
        "platform": sys.platform,
        "findings": [
            finding_object(finding, shell) for result in results for finding in result.findings
        ],
        "facts": _facts(case),
    }


def finding_object(finding: Finding, shell: Shell) -> dict[str, Any]:
    """One finding as plain values, its commands as they are typed in `shell`."""
    fix = finding.fix
    fields = finding.as_dict()
    fields["fix"] = fix and {
        "text": fix.text,
        "command": fix.typed(shell),
        "safe": fix.safe,
        "otherwise": fix.otherwise
        and {"text": fix.otherwise.text, "command": fix.otherwise.typed(shell)},
    }
    fields["paths"] = list(finding.paths)
    return fields


def _clean_up(case: Case, options: argparse.Namespace) -> None:
    """What killed runs left; a dry run changes nothing."""
    if not options.dry_run:
        from uvx_policy.doctor import leftovers

        leftovers.clean_up(case, after_fixes=options.fix)


def _facts(case: Case) -> dict[str, Any] | None:
    from uvx_policy.doctor import facts_report

    try:
        plan = case.sound_plan
    except Exception:  # noqa: BLE001 (the checks that need the plan have told it)
        return None
    return facts_report.to_object(plan) if plan is not None else None


def _fix(
    results: Sequence[Result], options: argparse.Namespace, report: Report | None = None
) -> Iterator[Fixed]:
    """Take each offer that the user agrees to, and print what was done; without a report, all."""
    from uvx_policy.doctor import engine
    from uvx_policy.doctor.engine import Fixed

    for offer in engine.offers(results):
        # A fresh case: what was fixed before has changed the machine.
        case = _case(options)
        planned = engine.plan(offer, case)
        if options.dry_run:
            fixed = Fixed(checks=planned.checks, done=planned.would, fault=planned.fault)
        else:
            is_asked = report is not None and bool(planned.deeds) and not options.yes
            if report and is_asked and not report.ask(offer, planned):
                continue
            fixed = engine.carry_out(planned, case)
        if report:
            report.print_fixed(fixed, offer, dry_run=options.dry_run)
        yield fixed


def _print_outcome(
    report: Report, results: Sequence[Result], before: Sequence[Result], fixed: Sequence[Fixed]
) -> None:
    """What is now true of the checks that were fixed, and what came to light only now."""
    ids = {check.id for each in fixed for check in each.checks}
    known = {result.check.id for result in before if not result.is_well}
    report.print_again(
        [
            result
            for result in results
            if result.check.id in ids or not (result.is_well or result.check.id in known)
        ]
    )


def _print_list(checks: Sequence[Check], *, as_json: bool) -> None:
    if as_json:
        listed = [
            {
                "id": check.id,
                "title": check.title,
                "group": check.group,
                "fixable": check.fix is not None,
                "thorough": check.thorough,
            }
            for check in checks
        ]
        sys.stdout.write(json.dumps({"schema": SCHEMA, "checks": listed}, indent=2) + "\n")
        return
    from uvx_policy.doctor.report import Report

    Report(Console()).print_list(checks)


def _case(options: argparse.Namespace) -> Case:
    from uvx_policy.doctor.case import Case

    try:
        cwd = os.getcwd()
    except OSError as error:
        raise errors.UsageError("the working directory is gone", hint="cd somewhere") from error
    return Case(environ=os.environ, cwd=cwd, verify=options.verify)


def _redaction() -> Redaction:
    from uvx_policy.doctor.redact import Redaction

    return Redaction(os.environ)


def _shown_while_running(check: Check) -> AbstractContextManager[object]:
    return progress(f"{check.title} ({check.id})")
