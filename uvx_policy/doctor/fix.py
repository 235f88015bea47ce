"""Mend what is safe to mend: ask, do, and say what was done."""

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
    """One thing that can be mended; several checks may be mended by the same deed."""

    checks: tuple[Check, ...]
    #: what would be done, for people
    text: str


class Mended(Value):
    """What became of one offer that was taken."""

    checks: tuple[Check, ...]
    #: a line for each thing done, or that would be done
    done: tuple[str, ...]
    #: why it could not be done, "" when it was
    fault: str = ""
    #: it broke down by a fault of ours
    crashed: bool = False


def offers(results: Sequence[Result]) -> list[Offer]:
    """What there is to mend, in the order of the report."""
    found: dict[Callable[[Case, bool], Iterable[str]], Offer] = {}
    for result in results:
        mend = result.check.mend
        safe = [
            finding.fix.text
            for finding in result.findings
            if finding.status in ("fail", "warn") and finding.fix is not None and finding.fix.safe
        ]
        if mend is None or not safe:
            continue
        earlier = found.get(mend, Offer(checks=(), text=safe[0]))
        found[mend] = earlier.replace(checks=(*earlier.checks, result.check))
    return list(found.values())


def take(offer: Offer, case: Case, *, dry_run: bool) -> Mended:
    """Mend it, or with `dry_run` find out what would be done. Raises nothing of the deed's."""
    mend = offer.checks[0].mend
    done: list[str] = []
    try:
        for line in mend(case, dry_run) if mend is not None else ():
            done.append(line)  # noqa: PERF402 (what was done before an error must be told)
    except (LinkPolicyError, OSError) as error:
        return Mended(checks=offer.checks, done=tuple(done), fault=str(error))
    except Exception as error:  # noqa: BLE001 (one broken fix must not keep others from being done)
        crash_log.keep(case, f"mending {offer.checks[0].id}", error, [])
        fault = f"{type(error).__name__}: {error}"
        return Mended(checks=offer.checks, done=tuple(done), fault=fault, crashed=True)
    return Mended(checks=offer.checks, done=tuple(done))
