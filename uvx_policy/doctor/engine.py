"""Run checks, one after the other: whatever one of them does, the rest is still run."""

from __future__ import annotations

import importlib
import time
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, get_args

from uvx_policy.doctor import crash_log
from uvx_policy.doctor.diagnostic import Check, Diagnostic, Finding, Group, Status, fine, skip, warn
from uvx_policy.errors import ConfigError, Unreadable, UsageError
from uvx_policy.terminal.command import command
from uvx_policy.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
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
        checks = (_unloadable(group, error),)
    return (check._replace(group=group) for check in checks)


def _unloadable(group: Group, error: Exception) -> Check:
    def look(_: Case) -> Iterator[Diagnostic]:
        raise error

    return Check(f"{group}-checks", "The checks of this group load", look)
