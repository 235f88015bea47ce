"""The entry point of the shims `uv` and `uvx`. Fails open: no fault of ours stops uv.

Everything is imported where it is needed: `uv --version` loads a handful of small modules.
They go without `from __future__ import annotations`, which is one more file to read.
"""

import errno
import sys

from uvx_policy import guard, launch, locate
from uvx_policy.minimal_os import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import NoReturn

    from uvx_policy.edits import Edits

#: First words after which uv links nothing and needs no cache, whatever follows: no need to
#: understand the rest. `invocation.parse` would say the same, a few milliseconds later.
QUICK = frozenset(("--version", "-V", "--help", "-h", "help"))
_INSTALL = "install uv, or linkpolicy with its own: pip install 'uvx-policy[uv]'"


def main(
    program: str, shim: str, embedded: "Sequence[str]" = (), first: "Sequence[str]" = ()
) -> "NoReturn":
    """What the files on PATH call: become the real `program` with this process's own words."""
    become(program, sys.argv[1:], shim=shim, embedded=embedded, first=first)


def become(
    program: str,
    arguments: list[str],
    *,
    shim: str,
    embedded: "Sequence[str]",
    first: "Sequence[str]" = (),
) -> "NoReturn":
    """Become the real `program` ("uv" or "uvx") under policy. `shim` is our own path.

    `first`, `embedded`: directories to search before and after PATH, best first. Exits 127 when
    there is no real uv, 126 when it cannot be executed or starts the shim again, 2 when the policy
    refuses; else uv's own code.
    """
    launch.become_invisible()
    environ = guard.without_ours(os.environ)
    try:  # noqa: SIM105 (contextlib costs the hot path 1 ms)
        shim = os.path.abspath(shim)
    except OSError:  # a relative path from a directory that is nowhere any more (umount -l)
        pass
    uv, mark = _real_program(program, shim=shim, embedded=embedded, first=first)
    edits = edits_for_call(program, arguments, environ=environ, uv=uv)
    enter(program, uv, arguments, environ=environ, edits=edits, mark=mark)


def edits_for_call(
    program: str, arguments: list[str], *, environ: dict[str, str], uv: str
) -> "Edits | None":
    """What changes for this call of `uv`, the real one; `None`: nothing. May exit 2 (refused)."""
    if not is_quick(arguments, environ):
        from uvx_policy.under_policy import edits_for

        return edits_for(program, arguments, environ=environ, uv=uv)
    if environ.get("LINKPOLICY_LOG"):
        from uvx_policy import trace

        if trace.debugging(environ):
            trace.warn(f"real {program}: `{uv}`, left alone: links nothing, or bypassed")
    return None


def _real_program(  # noqa: RET503 (stop never returns)
    program: str, *, shim: str, embedded: "Sequence[str]", first: "Sequence[str]"
) -> tuple[str, guard.Guard]:
    """Path of the program to become, and the guard to leave for what it starts. Exits when none."""
    mark = guard.fresh(os.environ)
    outer = guard.read(os.environ)
    if outer is not None:
        from uvx_policy import recursion

        recursion.follow(mark, outer)
    for path in candidates(program, shim=shim, embedded=embedded, first=first):
        if path not in mark.tried:
            mark.tried = (*mark.tried, path)
            return path, mark
    from uvx_policy import errors, trace

    if mark.tried:
        trace.stop(
            errors.EXIT_CANNOT_EXECUTE,
            f"`{mark.tried[-1]}` starts this shim (`{shim}`) again, "
            f"and PATH has no other {program}",
            _INSTALL,
        )
    blocked = locate.not_executable(program, search_path=os.environ.get("PATH"))
    if blocked:
        because = f"`{blocked}` is not executable"
        trace.stop(errors.EXIT_CANNOT_EXECUTE, because, f"chmod +x {blocked}")
    trace.stop(
        errors.EXIT_NOT_FOUND,
        f"no {program} on PATH but this shim (`{shim}`)",
        _INSTALL,
    )


def candidates(
    program: str, *, shim: str, embedded: "Sequence[str]", first: "Sequence[str]" = ()
) -> "Iterator[str]":
    """What may be started, best first: in `first`, on PATH, then in each of `embedded`.

    For `uvx` also a uv alone: in all of PATH, and in each directory, after the `uvx` there.
    """
    names = ("uvx", "uv") if program == "uvx" else ("uv",)
    before, after = [[("", (path,)) for path in each] for each in (first, embedded)]
    for search_path, directories in (*before, (os.environ.get("PATH"), ()), *after):
        for name in names:
            yield from locate.real_programs(
                name, search_path=search_path, shim=shim, embedded=directories
            )


def enter(
    program: str,
    uv: str,
    arguments: list[str],
    *,
    environ: dict[str, str],
    edits: "Edits | None",
    mark: "guard.Guard | None",
) -> "NoReturn":
    """Apply the edits to this process and become uv. `mark`: tells whose values these are."""
    for name in [name for name in os.environ if name not in environ]:
        del os.environ[name]
    words = [program, *arguments]
    if program == "uvx" and os.path.basename(uv) in ("uv", "uv.exe"):
        words = ["uv", "tool", "uvx", *arguments]
    added = edits.variables if edits else {}
    os.environ.update(added)
    if mark is not None:
        mark.values = tuple(added.items())
        os.environ[guard.NAME] = guard.render(mark)
    try:
        try:
            launch.execute(uv, [*words, *edits.words] if edits else words)
        except OSError as error:
            if error.errno != errno.E2BIG:
                raise
        # The kernel's limit for words and variables together: uv alone may still be below it.
        for name in (*added, guard.NAME):
            if name in os.environ:
                del os.environ[name]
        os.environ.update({name: environ[name] for name in added if name in environ})
        launch.execute(uv, words)
    except OSError as error:
        from uvx_policy import errors, trace

        trace.stop(errors.EXIT_CANNOT_EXECUTE, f"cannot execute `{uv}`: {error.strerror}", "")


def is_quick(arguments: list[str], environ: dict[str, str]) -> bool:
    """Tell whether uv is started without any decision: it links nothing, or we are bypassed."""
    return not arguments or arguments[0] in QUICK or is_bypassed(environ)


def is_bypassed(environ: dict[str, str]) -> bool:
    """Did the user switch the policy off?"""
    return environ.get("LINKPOLICY_BYPASS", "").lower() not in ("", "0", "false", "no", "off")
