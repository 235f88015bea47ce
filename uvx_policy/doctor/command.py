"""`linkpolicy doctor`: its arguments, what it prints, its exit code (docs/reference/doctor.md)."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import uvx_policy
from uvx_policy import errors
from uvx_policy.terminal.command import Shell, shell_of

# What runs and reports is imported where it is needed: every command imports this module.

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Sequence

    from rich.console import Console

    from uvx_policy.doctor.case import Case
    from uvx_policy.doctor.diagnostic import Check, Finding
    from uvx_policy.doctor.engine import Result
    from uvx_policy.doctor.fix import Fixed, Offer
    from uvx_policy.doctor.redact import Redaction
    from uvx_policy.doctor.report import Report

SCHEMA = 1


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    doctor = commands.add_parser("doctor", help="say what is wrong here, and how to fix it")
    doctor.add_argument("checks", nargs="*", metavar="ID", help="only these checks, or groups")
    doctor.add_argument("--json", action="store_true", help="for machines, stable")
    doctor.add_argument("--list", action="store_true", help="show every check, and run none")
    doctor.add_argument("--fix", action="store_true", help="fix what is safe to fix; asks first")
    doctor.add_argument("--yes", action="store_true", help="with --fix: do not ask")
    doctor.add_argument(
        "--dry-run", action="store_true", help="with --fix: show what would be done"
    )
    doctor.add_argument("--strict", action="store_true", help="exit 1 for warnings, too")
    doctor.add_argument(
        "--redact", action="store_true", help="leave out names of people and of the machine"
    )
    doctor.add_argument("--verify", action="store_true", help="read every byte; takes its time")
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
        case.look_ahead()  # before anything is imported that it has no need of
    checks = engine.select(options.checks)
    if not case.verify:  # which reads on for as long as it takes
        engine.look_ahead(checks, case)
    if options.json:
        return _run_for_machines(options, checks, case)
    return _run_for_people(options, checks, case)


def _refuse_contradictions(options: argparse.Namespace) -> None:
    if (options.yes or options.dry_run) and not options.fix:
        raise errors.UsageError("--yes and --dry-run say how to --fix", hint="add --fix")
    if options.fix and not (options.yes or options.dry_run):
        if options.json:
            raise errors.UsageError("--json cannot ask", hint="add --yes or --dry-run")
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise errors.UsageError(
                "there is no terminal to ask on", hint="--yes does not ask, --dry-run only shows"
            )


def _run_for_people(options: argparse.Namespace, checks: Sequence[Check], case: Case) -> int:
    from uvx_policy.doctor import engine
    from uvx_policy.doctor.report import Report
    from uvx_policy.doctor.waiting import told_when_slow

    hide = _redaction(options)
    shell = shell_of(case.environ)
    report = Report(_console(), shell, everything=bool(options.checks), hide=hide)
    found: list[Result] = []
    results = engine.results(checks, case, watched=told_when_slow)
    report.print_results(checks, _kept(results, found))
    crashed = False
    if options.fix:
        fixed = list(_fix(found, report, options))
        crashed = any(each.crashed for each in fixed)
        if fixed and not options.dry_run:
            before = found
            found = list(engine.results(checks, _case(options), watched=told_when_slow))
            _print_outcome(report, found, before, fixed)
    report.print_summary(found, offer_fix=not options.fix)
    return errors.EXIT_REFUSED if crashed else exit_code(found, strict=options.strict)


def _run_for_machines(options: argparse.Namespace, checks: Sequence[Check], case: Case) -> int:
    from uvx_policy.doctor import engine, fix
    from uvx_policy.doctor.waiting import told_when_slow

    hide = _redaction(options)
    found = list(engine.results(checks, case, watched=told_when_slow))
    fixed: list[Fixed] = []
    if options.fix:
        # A fresh case for each: what was fixed before has changed the machine.
        fixed = [
            fix.apply(offer, _case(options), dry_run=options.dry_run) for offer in fix.offers(found)
        ]
        if fixed and not options.dry_run:
            case = _case(options)
            found = list(engine.results(checks, case, watched=told_when_slow))
    told = as_object(found, case)
    if options.fix:
        told["mended"] = [_fixed_object(each) for each in fixed]
    if hide is not None:
        told = hide.value(told)
    sys.stdout.write(json.dumps(told, indent=2) + "\n")
    crashed = any(each.crashed for each in fixed)
    return errors.EXIT_REFUSED if crashed else exit_code(found, strict=options.strict)


def exit_code(results: Iterable[Result], *, strict: bool) -> int:
    """0 fine, 1 findings, 2 when a check failed itself: then nobody knows."""
    found = {finding.status for result in results for finding in result.findings}
    if "crash" in found:
        return errors.EXIT_REFUSED
    return errors.EXIT_FINDINGS if "fail" in found or (strict and "warn" in found) else 0


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
    fields["fix"] = fix and {"text": fix.text, "command": fix.typed(shell), "safe": fix.safe}
    fields["paths"] = list(finding.paths)
    return fields


def _facts(case: Case) -> dict[str, Any] | None:
    from uvx_policy.doctor import facts_report

    try:
        plan = case.sound_plan
    except Exception:  # noqa: BLE001 (the checks that need the plan have told it)
        return None
    return facts_report.to_object(plan) if plan is not None else None


def _fixed_object(fixed: Fixed) -> dict[str, Any]:
    return {
        "ids": [check.id for check in fixed.checks],
        "done": list(fixed.done),
        "fault": fixed.fault,
    }


def _fix(results: Sequence[Result], report: Report, options: argparse.Namespace) -> Iterator[Fixed]:
    """Take each offer that the user agrees to, and print what was done."""
    from uvx_policy.doctor import fix

    for offer in fix.offers(results):
        if not (options.yes or options.dry_run) and not _agreed(report, offer):
            continue
        # A fresh case: what was fixed before has changed the machine.
        fixed = fix.apply(offer, _case(options), dry_run=options.dry_run)
        report.print_fixed(fixed, offer, dry_run=options.dry_run)
        yield fixed


def _agreed(report: Report, offer: Offer) -> bool:
    report.ask(offer)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


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

    Report(_console(), Shell()).print_list(checks)


def _case(options: argparse.Namespace) -> Case:
    from uvx_policy.doctor.case import Case

    try:
        cwd = os.getcwd()
    except OSError as error:
        raise errors.UsageError("the working directory is gone", hint="cd somewhere") from error
    return Case(environ=os.environ, cwd=cwd, verify=options.verify)


def _redaction(options: argparse.Namespace) -> Redaction | None:
    if not options.redact:
        return None
    from uvx_policy.doctor.redact import Redaction

    return Redaction(os.environ)


def _kept(results: Iterable[Result], into: list[Result]) -> Iterator[Result]:
    for result in results:
        into.append(result)
        yield result


def _console() -> Console:
    from rich.console import Console

    class Plain(Console):
        def on_broken_pipe(self) -> None:
            # rich ends with 1, which is a finding here; `cli.main` knows better.
            raise BrokenPipeError

    # emoji: to look for names of pictures in a text imports all of them.
    return Plain(highlight=False, emoji=False)
