"""Does what `linkpolicy adopt` did still hold? Not after `uv tool install --force`, for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvx_policy.doctor.case import Case, once
from uvx_policy.doctor.diagnostic import Diagnostic, Fix, warn
from uvx_policy.errors import LinkPolicyError
from uvx_policy.setup import adoption
from uvx_policy.terminal.command import command

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from uvx_policy.setup.record import Adopted
    from uvx_policy.terminal.command import Command


def look(case: Case) -> Iterator[Diagnostic]:
    """Does each uv on record run through its shim?"""
    for each, why in _judged(case).items():
        if not why:
            continue
        again = command_for(case, each.environment)
        if again is not None:
            fix = Fix.by("Adopt it again", again)
        else:
            undo = command("linkpolicy", "adopt", "--undo", each.environment)
            fix = Fix.by("Remove it from the list", undo)
        yield warn(
            f"The uv of `{each.environment}` was adopted, and now runs without a policy: {why}.",
            fix,
            (each.environment, *each.files),
        )


def intact(case: Case) -> frozenset[str]:
    """The environments whose uv runs through a shim, without links."""
    return frozenset(each.environment for each, why in _judged(case).items() if not why)


def command_for(case: Case, environment: str) -> Command | None:
    """What adopts an environment, `None` where that would be refused."""
    try:
        adoption.wanted(environment, case.environ)
    except (LinkPolicyError, OSError):
        return None
    return command("linkpolicy", "adopt", environment)


@once
def _judged(case: Case) -> Mapping[Adopted, str]:
    """What is on record, and why it does not hold."""
    known = adoption.on_record(case.environ)
    return {each: adoption.why_lost(each, case.environ) for each in known}
