"""What is done before uv starts: directories are made, and a cache is filled."""

from __future__ import annotations

import os

from uvx_policy.edits import LINK_MODE_VARIABLE, NOTHING, Edits
from uvx_policy.errors import LinkPolicyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from uvx_policy.pipeline import Plan


def make_directories(edits: Edits) -> None:
    """Make the directories that the edits rely on. Raises `LinkPolicyError`: then apply nothing."""
    if edits.make_directory:
        try:
            os.mkdir(edits.make_directory)
        except FileExistsError:
            pass
        except OSError as error:
            message = f"cannot make `{edits.make_directory}`: {error.strerror}"
            raise LinkPolicyError(message) from error
    if edits.make_cache:
        from uvx_policy.filesystem.cache_directory import make_cache_directory

        make_cache_directory(edits.make_cache)


def without_directories(edits: Edits) -> Edits:
    """What still holds when a directory cannot be made: private copies, from whichever cache."""
    if edits.variables.get(LINK_MODE_VARIABLE) != "copy":
        return NOTHING
    return Edits(variables={LINK_MODE_VARIABLE: "copy"})


def filled(plan: Plan, program: str, arguments: list[str], *, environ: dict[str, str]) -> Plan:
    """The plan, after the cache was filled as it says; where that fails, the plan without.

    Raises `LinkPolicyError`.
    """
    seed = plan.edits.seed
    if seed is None:
        return plan
    from uvx_policy import pipeline
    from uvx_policy.host import Host
    from uvx_policy.seed import before_uv

    try:
        make_directories(plan.edits)
        why_not = before_uv.carry_out(seed, Host(environ=environ), plan.state)
    except LinkPolicyError as error:
        why_not = str(error)
    if not why_not:
        return plan
    return pipeline.make_plan(program, arguments, environ=environ, uv=plan.uv, why_not_seed=why_not)
