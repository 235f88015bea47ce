"""The entry point of the shims `uv` and `uvx`. Fails open: no fault of ours stops uv.

Everything is imported where it is needed: `uv --version` loads three small modules of ours.
"""

from __future__ import annotations

import errno
import os
import sys

from uvx_policy import guard, launch, locate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import NoReturn

    from uvx_policy.edits import Edits
    from uvx_policy.errors import LinkPolicyError
    from uvx_policy.pipeline import Plan

#: First words after which uv links nothing, whatever follows: no need to understand the rest.
#: `invocation.parse` would say the same, a few milliseconds later.
QUICK = frozenset(
    ("--version", "-V", "--help", "-h", "help", "self", "auth", "cache", "init", "publish")
)

#: faults of settings that one warning tells
_MOST_FAULTS = 3


def main(program: str, shim: str, embedded: Sequence[str] = ()) -> NoReturn:
    """What the files on PATH call: become the real `program` with this process's own words."""
    become(program, sys.argv[1:], shim=shim, embedded=embedded)


def become(program: str, arguments: list[str], *, shim: str, embedded: Sequence[str]) -> NoReturn:
    """Become the real `program` ("uv" or "uvx") under policy. `shim` is our own path.

    `embedded`: directories to search after PATH. Exits 127 when there is no real uv, 126 when it
    cannot be executed or starts the shim again, 2 when the policy refuses; else uv's own code.
    """
    launch.become_invisible()
    environ = guard.without_ours(os.environ)
    try:  # noqa: SIM105 (contextlib costs the hot path 1 ms)
        shim = os.path.abspath(shim)
    except OSError:  # a relative path from a directory that is nowhere any more (umount -l)
        pass
    uv, mark = _real_program(program, arguments, shim=shim, embedded=embedded)
    edits = None
    if uv and not is_quick(arguments, environ):
        edits = _edits(program, arguments, environ=environ, uv=uv)
    elif environ.get("LINKPOLICY_LOG"):
        from uvx_policy import trace

        trace.debug(environ, f"real {program}: `{uv}`, left alone: links nothing, or bypassed")
    _enter(program, uv, arguments, environ=environ, edits=edits, mark=mark)


def _real_program(  # noqa: RET503 (_stop never returns)
    program: str, arguments: list[str], *, shim: str, embedded: Sequence[str]
) -> tuple[str, guard.Guard]:
    """Path of the program to become, and the guard to leave for what it starts. Exits when none."""
    mark = _mark(program, arguments)
    for path in candidates(program, shim=shim, embedded=embedded):
        if path not in mark.tried:
            return path, mark.replace(tried=(*mark.tried, path))
    from uvx_policy import errors

    if mark.tried:
        _stop(
            errors.EXIT_CANNOT_EXECUTE,
            f"`{mark.tried[-1]}` starts this shim (`{shim}`) again, "
            f"and PATH has no other {program}",
            "put the directory of the real uv on PATH",
        )
    blocked = locate.not_executable(program, search_path=os.environ.get("PATH"))
    if blocked:
        _stop(errors.EXIT_CANNOT_EXECUTE, f"`{blocked}` may not be executed", f"chmod +x {blocked}")
    _stop(
        errors.EXIT_NOT_FOUND,
        f"no {program} on PATH but this shim (`{shim}`)",
        "install uv, or linkpolicy with its own: pip install 'uvx-policy[uv]'",
    )


def _mark(program: str, arguments: list[str]) -> guard.Guard:
    """Our guard. `tried` holds what came straight back to us, so that it is not started again."""
    pid = os.getpid()
    try:
        cwd = os.getcwd()
    except OSError:  # vanished
        cwd = ""
    words = guard.checksum(program, arguments, cwd)
    mark = guard.Guard(process=guard.process_identity(pid), words=words)
    outer = guard.read(os.environ)
    if outer is None:
        return mark
    if guard.came_back(outer, words=words, pid=pid, parent=os.getppid()):
        mark = mark.replace(tried=outer.tried)
    return mark.replace(turn=outer.turn + 1 if outer.words == words else 0)


def candidates(program: str, *, shim: str, embedded: Sequence[str]) -> Iterator[str]:
    """What may be started, best first: PATH before embedded, and for `uvx` also a uv alone."""
    names = ("uvx", "uv") if program == "uvx" else ("uv",)
    for search_path, directories in ((os.environ.get("PATH"), ()), ("", embedded)):
        for name in names:
            yield from locate.real_programs(
                name, search_path=search_path, shim=shim, embedded=directories
            )


def _edits(  # noqa: RET503 (_stop never returns)
    program: str, arguments: list[str], *, environ: dict[str, str], uv: str
) -> Edits | None:
    """What the policy changes; `None` when nothing. Never raises; may exit 2 (refused)."""
    from uvx_policy import trace

    try:
        from uvx_policy.errors import EXIT_REFUSED, LinkPolicyError

        key = b""
        if not trace.debugging(environ):
            from uvx_policy import layout
            from uvx_policy.replay import records
            from uvx_policy.replay.key import key_of_call

            key = key_of_call(program, arguments, environ=environ, uv=uv)
            known = records.replay(layout.state_home(environ, sys.platform), key)
            if known is not None:
                return known
        from uvx_policy import pipeline

        try:
            plan = pipeline.make_plan(program, arguments, environ=environ, uv=uv)
            if trace.debugging(environ):
                for line in plan.story():
                    trace.warn(line)
            if plan.outcome.refusal is None:
                _keep(plan, key)
                return _prepared(plan.edits)
            refusal = plan.outcome.refusal
        except LinkPolicyError as error:
            trace.warn(f"{_in_short(error)}; uv runs without policy")
            return None
    except Exception as error:  # noqa: BLE001 (fail open: a fault of ours stops no uv)
        trace.warn(
            f"internal error ({type(error).__name__}: {error}); uv runs without policy "
            "(LINKPOLICY_LOG=debug shows more)"
        )
        trace.debug_exception(environ)
        return None
    _stop(
        EXIT_REFUSED,
        f"refused: {refusal.because}",
        f'`fallback = "error"` in {refusal.origin}; LINKPOLICY_BYPASS=1 runs uv all the same',
    )


def _keep(plan: Plan, key: bytes) -> None:
    """Record the decision, if it can be repeated from what it has seen."""
    if key:
        from uvx_policy.replay import recording

        recording.keep(plan.state, key, plan.edits, plan.witnesses)


def _prepared(edits: Edits) -> Edits:
    """The edits that can be applied, after their directories were made as far as possible."""
    from uvx_policy import pipeline, trace
    from uvx_policy.errors import LinkPolicyError

    try:
        pipeline.prepare(edits)
    except LinkPolicyError as error:
        trace.warn(f"{error}; uv runs without it")
        return pipeline.without_directories(edits)
    return edits


def _in_short(error: LinkPolicyError) -> str:
    """The error in one line that can be read; `linkpolicy explain` tells all of it."""
    faults: tuple[str, ...] = getattr(error, "faults", (str(error),))
    more = len(faults) - _MOST_FAULTS
    told = "; ".join(faults[:_MOST_FAULTS])
    return f"{told}; {more} faults more" if more > 0 else told


def _enter(
    program: str,
    uv: str,
    arguments: list[str],
    *,
    environ: dict[str, str],
    edits: Edits | None,
    mark: guard.Guard,
) -> NoReturn:
    """Apply the edits to this process and become uv."""
    for name in [name for name in os.environ if name not in environ]:
        del os.environ[name]
    words = [program, *arguments]
    if program == "uvx" and os.path.basename(uv) in ("uv", "uv.exe"):
        words = ["uv", "tool", "uvx", *arguments]
    added: dict[str, str] = {}
    if edits is not None:
        added = edits.variables
        mark = mark.replace(values=tuple(added.items()))
    os.environ.update(added)
    os.environ[guard.NAME] = guard.render(mark)
    try:
        try:
            launch.execute(uv, [*words, *edits.words] if edits else words)
        except OSError as error:
            if error.errno != errno.E2BIG:
                raise
        # The kernel's limit for words and variables together: uv alone may still be below it.
        for name in (*added, guard.NAME):
            del os.environ[name]
        os.environ.update({name: environ[name] for name in added if name in environ})
        launch.execute(uv, words)
    except OSError as error:
        from uvx_policy import errors

        _stop(errors.EXIT_CANNOT_EXECUTE, f"cannot execute `{uv}`: {error.strerror}", "")


def is_quick(arguments: list[str], environ: dict[str, str]) -> bool:
    """Tell whether uv is started without any decision: it links nothing, or we are bypassed."""
    return not arguments or arguments[0] in QUICK or _bypassed(environ)


def _bypassed(environ: dict[str, str]) -> bool:
    return environ.get("LINKPOLICY_BYPASS", "").lower() not in ("", "0", "false", "no", "off")


def _stop(code: int, message: str, hint: str) -> NoReturn:
    from uvx_policy import trace

    trace.warn(f"{message} (hint: {hint})" if hint else message)
    os._exit(code)
