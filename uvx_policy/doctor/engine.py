"""Run checks and their fixes, one after the other: whatever one does, the rest is still run."""

from __future__ import annotations

import importlib
import time
from contextlib import nullcontext, suppress
from functools import partial
from typing import TYPE_CHECKING, NoReturn, get_args

from uvx_policy.doctor import crash_log
from uvx_policy.doctor.diagnostic import Check, Diagnostic, Finding, Group, Status, fine, skip, warn
from uvx_policy.errors import ConfigError, LinkPolicyError, Unreadable, UsageError
from uvx_policy.terminal.command import command
from uvx_policy.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from uvx_policy.doctor.case import Case

#: in the order of the report: each group's module ends with `CHECKS`
GROUPS: tuple[Group, ...] = get_args(Group)
#: worst first
STATUSES: tuple[Status, ...] = get_args(Status)


class Result(Value):
    """What one check found."""

    check: Check
    #: at least one: a check that has nothing to say gives one of status "pass"
    findings: tuple[Finding, ...]

    @property
    def worst(self) -> Status:
        """Of the findings."""
        return min((finding.status for finding in self.findings), key=STATUSES.index)

    @property
    def is_well(self) -> bool:
        """Is there nothing that anybody has to know?"""
        return self.worst in ("pass", "skip")


def every_check() -> tuple[Check, ...]:
    """All checks, in the order of their groups. One that cannot be loaded is there and crashes."""
    return tuple(check for group in GROUPS for check in _checks_of(group))


def select(wanted: Sequence[str]) -> tuple[Check, ...]:
    """The checks of these ids or groups, in their own order; all when none is named.

    Raises `UsageError` for a name that is neither.
    """
    checks = every_check()
    names = {*GROUPS, *(check.id for check in checks)}
    for name in wanted:
        if name not in names:
            import difflib

            near = difflib.get_close_matches(name, sorted(names), n=1, cutoff=0.5)
            raise UsageError(
                f"there is no check `{name}`",
                hint=f"a similar check exists: `{near[0]}`" if near else "list all checks",
                commands=() if near else (command("linkpolicy", "doctor", "--list"),),
            )
    return tuple(
        check for check in checks if not wanted or check.id in wanted or check.group in wanted
    )


def begin(checks: Sequence[Check], case: Case) -> None:
    """Begin what the checks have to wait for. Raises nothing: each tells in its turn."""
    for check in checks:
        if check.begin is not None:
            with suppress(Exception):
                case.once(check.begin)


def results(
    checks: Sequence[Check],
    case: Case,
    *,
    watched: Callable[[Check], AbstractContextManager[object]] = nullcontext,
) -> Iterator[Result]:
    """Run the checks; each result as soon as it is there. Raises nothing of theirs.

    `watched`: entered for as long as a check runs.
    """
    tracebacks: list[str] = []
    for check in checks:
        started = time.perf_counter()
        with watched(check):
            diagnostics = tuple(_diagnostics(check, case, tracebacks))
        ms = round((time.perf_counter() - started) * 1000, 3)
        yield Result(
            check=check,
            findings=tuple(
                Finding(id=check.id, title=check.title, group=check.group, ms=ms, **each._asdict())
                for each in diagnostics or (fine(),)
            ),
        )


def _diagnostics(check: Check, case: Case, tracebacks: list[str]) -> Iterator[Diagnostic]:
    """What the check says, also when it breaks down in the middle."""
    if check.thorough and not case.verify:
        yield skip("reads every byte: only with --verify")
        return
    try:
        yield from check.look(case)
    except ConfigError as error:
        # The check of the settings tells the faults, once; here they only stand in the way.
        yield skip(f"needs settings without faults: {error}")
    except Unreadable as error:
        # Not "pass": what could not be looked at may be wrong.
        yield warn(f"could not be checked: {error}.", paths=(error.path,))
    except (Exception, SystemExit) as error:  # noqa: BLE001 (a check must not end the report)
        kept = crash_log.keep(case, check.id, error, tracebacks)
        yield Diagnostic(
            "crash",
            f"The check itself failed: {type(error).__name__}: {error}.",
            paths=(kept,) if kept else (),
        )


def _checks_of(group: Group) -> Iterator[Check]:
    try:
        checks: tuple[Check, ...] = importlib.import_module(f"uvx_policy.doctor.{group}").CHECKS
    except Exception as error:  # noqa: BLE001 (one broken module must not end the report)
        look = partial(_raise, error)
        checks = (Check(f"{group}-checks", "The checks of this group load", look),)
    return (check._replace(group=group) for check in checks)


def _raise(error: Exception, _: Case) -> NoReturn:
    raise error


# Fixes -------------------------------------------------------------------------------------------


class Offer(Value):
    """One fix that can be applied; several checks may share it."""

    checks: tuple[Check, ...]
    #: what would be done, for people
    text: str


class Fixed(Value):
    """The outcome of one fix that was applied."""

    checks: tuple[Check, ...]
    #: a line for each thing done, or that would be done
    done: tuple[str, ...]
    #: why it could not be done, "" when it was
    fault: str = ""
    #: it crashed: a bug of ours
    crashed: bool = False


def offers(results: Sequence[Result]) -> list[Offer]:
    """Every fix that can be applied, in the order of the report."""
    found: dict[Callable[[Case, bool], Iterable[str]], Offer] = {}
    for result in results:
        fix = result.check.fix
        safe = [
            finding.fix.text
            for finding in result.findings
            if finding.status in ("fail", "warn") and finding.fix is not None and finding.fix.safe
        ]
        if fix is None or not safe:
            continue
        earlier = found.get(fix, Offer(checks=(), text=safe[0]))
        found[fix] = earlier.replace(checks=(*earlier.checks, result.check))
    return list(found.values())


def apply(offer: Offer, case: Case, *, dry_run: bool) -> Fixed:
    """Fix it, or with `dry_run` find out what would be done. Raises nothing of the deed's."""
    fix = offer.checks[0].fix
    done: list[str] = []
    fault, crashed = "", False
    try:
        for line in fix(case, dry_run) if fix is not None else ():
            done.append(line)  # noqa: PERF402 (keeps what was done before an error)
    except (LinkPolicyError, OSError) as error:
        fault = str(error)
    except Exception as error:  # noqa: BLE001 (one broken fix must not keep others from being done)
        crash_log.keep(case, f"fixing {offer.checks[0].id}", error, [])
        fault, crashed = f"{type(error).__name__}: {error}", True
    return Fixed(checks=offer.checks, done=tuple(done), fault=fault, crashed=crashed)
