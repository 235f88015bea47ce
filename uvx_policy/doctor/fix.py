"""`doctor --fix`: what can be fixed safely, and doing it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvx_policy.doctor import crash_log
from uvx_policy.errors import LinkPolicyError
from uvx_policy.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from uvx_policy.doctor.case import Case
    from uvx_policy.doctor.diagnostic import Check
    from uvx_policy.doctor.engine import Result


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
