"""What the policy changes for one call of the shim: replayed from its record, or decided now."""

from __future__ import annotations

import sys

from uvx_policy import trace
from uvx_policy.errors import EXIT_REFUSED, ConfigError, LinkPolicyError
from uvx_policy.replay import records
from uvx_policy.replay.key import key_of_call
from uvx_policy.state import layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from uvx_policy.edits import Edits
    from uvx_policy.pipeline import Plan

#: faults of settings that one warning tells
_MOST_FAULTS = 3


def edits_for(  # noqa: RET503 (stop never returns)
    program: str, arguments: list[str], *, environ: dict[str, str], uv: str
) -> Edits | None:
    """What the policy changes; `None` when nothing. Never raises; may exit 2 (refused)."""
    try:
        keys = (b"", b"")
        if not trace.debugging(environ):
            keys = key_of_call(program, arguments, environ=environ, uv=uv)
            for key in keys:
                known = records.replay(layout.state_home(environ, sys.platform), key)
                if known is not None:
                    return known
        from uvx_policy import pipeline, prepare

        try:
            plan = pipeline.make_plan(program, arguments, environ=environ, uv=uv)
            plan = prepare.filled(plan, program, arguments, environ=environ)
            if trace.debugging(environ):
                for line in plan.story():
                    trace.warn(line)
            if plan.outcome.refusal is None:
                if any(keys):
                    from uvx_policy.replay import recording

                    recording.see_own_code(plan.witnesses)
                    key = keys[plan.witnesses.is_detailed]
                    recording.keep(plan.state, key, plan.edits, plan.witnesses)
                _register(plan)
                return prepared(plan.edits)
            refusal = plan.outcome.refusal
        except LinkPolicyError as error:
            trace.warn(f"{_in_short(error)}; uv runs without a policy")
            return None
    except Exception as error:  # noqa: BLE001 (fail open: a fault of ours stops no uv)
        trace.warn(
            f"internal error ({type(error).__name__}: {error}); uv runs without a policy "
            "(LINKPOLICY_LOG=debug shows more)"
        )
        trace.debug_exception(environ)
        return None
    trace.stop(
        EXIT_REFUSED,
        f"refused: {refusal.because}",
        f'`fallback = "error"` in {refusal.origin}; LINKPOLICY_BYPASS=1 runs uv anyway',
    )


def _register(plan: Plan) -> None:
    """Remember the environment, so that `linkpolicy status` knows it."""
    if plan.facts is None or plan.facts.purpose != "link":
        return
    from time import time

    from uvx_policy.state import register

    environment = register.Environment(
        path=plan.destination.path,
        project=plan.destination.project,
        kind=plan.destination.kind,
        cache=plan.outcome.cache_dir.value or plan.facts.cache,
        link_mode=plan.outcome.link_mode.value or "",
        seen=int(time()),
    )
    register.remember(plan.state, environment)


def prepared(edits: Edits) -> Edits:
    """The edits that can be applied, after their directories were made as far as possible."""
    from uvx_policy import prepare

    try:
        prepare.make_directories(edits)
    except LinkPolicyError as error:
        trace.warn(f"{error}; uv runs without it")
        return prepare.without_directories(edits)
    return edits


def _in_short(error: LinkPolicyError) -> str:
    """The error in one line that can be read; `linkpolicy explain` tells all of it."""
    if not isinstance(error, ConfigError):
        return str(error)
    more = len(error.faults) - _MOST_FAULTS
    told = "; ".join(map(str, error.faults[:_MOST_FAULTS]))
    return f"{told}; and {more} more fault{'s' * (more > 1)}" if more > 0 else told
