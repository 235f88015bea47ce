"""Run checks and their fixes, one after the other: whatever one does, the rest is still run."""

from __future__ import annotations

import importlib
import time
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from typing import TYPE_CHECKING, NoReturn, get_args

from uvx_policy.doctor import crash_log
from uvx_policy.doctor.diagnostic import Check, Diagnostic, Finding, Group, Status, fine, skip, warn
from uvx_policy.errors import ConfigError, LinkPolicyError, Unreadable, UsageError
from uvx_policy.replace.foreign import Foreign
from uvx_policy.terminal.command import command
from uvx_policy.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from uvx_policy.doctor.case import Case
    from uvx_policy.doctor.diagnostic import Deed

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
        yield skip("reads every byte; needs --verify")
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


class Undone(Value):
    """Why something of a fix was not done."""

    #: "" when all was
    text: str = ""
    #: it crashed: a bug of ours
    crashed: bool = False
    #: the user who may do it, where root does not; 0 for nobody
    whose: int = 0


class Offer(Value):
    """One fix that can be applied; several checks may share it."""

    checks: tuple[Check, ...]
    #: what would be done, for people
    text: str


class Planned(Value):
    """What an offer would change, as it was seen when the user was asked."""

    checks: tuple[Check, ...]
    deeds: tuple[Deed, ...]
    #: why there are not more
    fault: Undone

    @property
    def would(self) -> tuple[str, ...]:
        """A line for each thing that would be done."""
        return tuple(line for deed in self.deeds for line in deed.would)


class Fixed(Value):
    """The outcome of one fix that was applied."""

    checks: tuple[Check, ...]
    #: a line for each thing done, or that would be done
    done: tuple[str, ...]
    fault: Undone


def offers(results: Sequence[Result]) -> list[Offer]:
    """Every fix that can be applied, in the order of the report."""
    found: dict[Callable[[Case], Iterable[Deed]], Offer] = {}
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


def plan(offer: Offer, case: Case) -> Planned:
    """Look at what is to be changed. Raises nothing of the fix's."""
    fix = offer.checks[0].fix
    deeds, faults = [], _Faults(offer.checks[0], case)
    with faults.noted():
        for deed in fix(case) if fix is not None else ():
            deeds.append(deed)  # noqa: PERF402 (keeps what was planned before an error)
    return Planned(checks=offer.checks, deeds=tuple(deeds), fault=faults.all)


def carry_out(planned: Planned, case: Case) -> Fixed:
    """Do all of it; one deed that fails keeps no other from being done. Raises nothing of theirs.

    `case`: for the log of crashes.
    """
    done: list[str] = []
    faults = _Faults(planned.checks[0], case, planned.fault)
    for deed in planned.deeds:
        with faults.noted():
            for line in deed.do():
                done.append(line)  # noqa: PERF402 (keeps what was done before an error)
    return Fixed(checks=planned.checks, done=tuple(done), fault=faults.all)


def judge(fixed: Sequence[Fixed], results: Sequence[Result]) -> list[Fixed]:
    """What came of the fixes, now that their checks have looked again.

    What was done without a fault, and is found as before, is not fixed.
    """
    still = {check.id for offer in offers(results) for check in offer.checks}
    text = "the problem is still there"
    return [
        each.replace(fault=Undone(text=text))
        if not each.fault.text and any(check.id in still for check in each.checks)
        else each
        for each in fixed
    ]


class _Faults:
    """Collects what goes wrong while a fix is planned or carried out."""

    def __init__(self, check: Check, case: Case, earlier: Undone = Undone()) -> None:  # noqa: B008
        self._check = check
        self._case = case
        self.all = earlier

    @contextmanager
    def noted(self) -> Iterator[None]:
        try:
            yield
        except Foreign as error:
            self._add(_words(error), whose=error.uid)
        except (LinkPolicyError, OSError) as error:
            self._add(_words(error))
        except Exception as error:  # noqa: BLE001 (one broken fix must not keep others from being done)
            crash_log.keep(self._case, f"fixing {self._check.id}", error, [])
            self._add(f"{type(error).__name__}: {error}", crashed=True)

    def _add(self, text: str, *, crashed: bool = False, whose: int = 0) -> None:
        before = self.all
        self.all = Undone(
            text=f"{before.text}; {text}" if before.text else text,
            crashed=crashed or before.crashed,
            whose=whose or before.whose,
        )


def _words(error: LinkPolicyError | OSError) -> str:
    if isinstance(error, OSError) and error.strerror and isinstance(error.filename, str):
        return f"`{error.filename}`: {error.strerror}"
    return str(error)
