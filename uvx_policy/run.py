"""`linkpolicy run`: become any program, with the decision for what it installs into."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from uvx_policy import errors, guard, launch, locate, shim, trace, under_policy
from uvx_policy.edits import ENVIRONMENT_VARIABLE, Edits
from uvx_policy.machine.clients import Place, client_of, is_known, where_installs
from uvx_policy.machine.machine import machine_here
from uvx_policy.machine.programs import environment_of, own_uv
from uvx_policy.state.remembered import after_path

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

    from uvx_policy.machine.machine import Machine

_UV = ("uv", "uvx")


def run(words: Sequence[str], directory: str = "") -> NoReturn:
    """Become the program that the words name. Raises `UsageError`.

    `directory`: decide for what is installed there. Else uv itself gets the decision for its own
    words, as from the shim, and every other program that for what it installs into.
    """
    place = Place(os.path.abspath(directory)) if directory else None
    if not words:
        hint = "for example, `linkpolicy run uv sync`"
        raise errors.UsageError("no command to run was given", hint=hint)
    program = words[0]
    own, embedded = os.path.abspath(sys.argv[0]), after_path(os.environ, program)
    if program in _UV and place is None and not is_known(client_of(words)[0]):
        shim.become(program, [*words[1:]], shim=own, embedded=embedded)
    launch.become_invisible()
    if program in _UV:
        # A shim on PATH would decide anew, for its own words.
        path = next(shim.candidates(program, shim=own, embedded=embedded), "")
    else:
        path = _found(program)
    if not path:
        trace.stop(errors.EXIT_NOT_FOUND, f"`{program}`: command not found", "")
    environ = guard.without_ours(os.environ)
    edits = None if shim.is_bypassed(environ) else _edits(machine_here(), words, place)
    # What an outer shim knows of recursion holds on: we may be what comes straight back to it.
    mark = guard.read(os.environ) or (guard.Guard() if edits else None)
    shim.enter(program, path, [*words[1:]], environ=environ, edits=edits, mark=mark)


def _found(program: str) -> str:
    """What a shell starts for this word; "" for nothing, and a file that is not executable."""
    if os.sep in program:
        return program if os.path.lexists(program) else ""
    listed = os.environ.get("PATH", os.defpath)
    for directory in locate.directories_on(listed):
        path = os.path.join(directory or ".", program)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return locate.not_executable(program, search_path=listed)


def _edits(  # noqa: RET503 (stop never returns)
    machine: Machine, words: Sequence[str], place: Place | None
) -> Edits | None:
    """What the policy changes; `None` when nothing. Never raises; may exit 2 (refused)."""
    try:
        if place is None:
            client, behind = client_of(words)
            place = where_installs(client, environ=machine.environ, cwd=machine.cwd, words=behind)
        search_path = machine.environ.get("PATH", "")
        plan = machine.plan_into(place, own_uv(environment_of(words[0], search_path=search_path)))
        if plan is None:
            trace.warn(f"there is no uv on PATH; `{words[0]}` runs without a policy")
            return None
        if trace.debugging(machine.environ):
            for line in plan.story():
                trace.warn(line)
        refusal = plan.outcome.refusal
        if refusal is None:
            edits = under_policy.prepared(plan.edits)
            variables = {**edits.variables}
            # It would empty that environment when another project is synced.
            variables.pop(ENVIRONMENT_VARIABLE, None)
            return Edits(variables=variables) if variables else None
    except Exception as error:  # noqa: BLE001 (fail open: a fault of ours stops no program)
        trace.warn(f"{str(error) or type(error).__name__}; `{words[0]}` runs without a policy")
        trace.debug_exception(machine.environ)
        return None
    trace.stop(
        errors.EXIT_REFUSED,
        f"refused: {refusal.because}",
        f'`fallback = "error"` in {refusal.origin}; LINKPOLICY_BYPASS=1 runs it anyway',
    )
