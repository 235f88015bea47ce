"""Did what an outer shim started come straight back, or was a real uv in between?

Only evidence counts: uv's variables, and the processes in between. Other words, another directory
and other variables prove nothing, and neither do the same: a wrapper may change them all, and what
`uv run` starts may start the very same again. For a shim below another one only.
"""

from uvx_policy import guard, locate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from uvx_policy.guard import Guard

#: Shims below one another, since `uv run` last counted itself: it allows 100 of its own.
MOST_TURNS = 200
#: What an entry counts of which nothing shows whether a uv was in between.
UNKNOWN_TURNS = 8
#: more than anybody nests; the tree may change while it is read
_MOST_GENERATIONS = 1000


def follow(mark: "Guard", outer: "Guard") -> None:
    """Complete the guard of this process, which is below the shim that left `outer`.

    `tried` gets what came straight back to us, so that it is not started again. Nothing else is
    left out: what a real uv starts gets the same uv as it would without us. `turn` bounds the rest:
    exits 126 where a real uv and this shim have started each other too often.
    """
    if mark.depth > outer.depth:
        return  # `uv run` was in between, and stops its own recursion
    was_uv = _uv_between(mark, outer)
    mark.turn = outer.turn + (UNKNOWN_TURNS if was_uv is None else 1)
    if was_uv and mark.turn > MOST_TURNS:
        from uvx_policy import errors, trace

        trace.stop(
            errors.EXIT_CANNOT_EXECUTE,
            f"`{outer.tried[-1] if outer.tried else 'uv'}` keeps starting this shim",
            "a script with `uv run` in its first line may need `uv run --script` there",
        )
    if was_uv is False or mark.turn > MOST_TURNS:
        mark.tried = outer.tried


def _uv_between(mark: "Guard", outer: "Guard") -> bool | None:
    """Was there a uv between the outer shim and this one? `None` when nothing shows it."""
    # `exec` keeps the process, and no uv becomes another program.
    if mark.process and mark.process == outer.process:
        return False
    seen = _uv_above(outer.process, named=mark.uv)
    # Each uv from 0.6.0 on sets it, for all that it starts.
    return True if seen is None and mark.uv not in ("", outer.uv) else seen


def _uv_above(oldest: str, *, named: str) -> bool | None:
    """Is one of our ancestors a uv, up to the one whose `guard.process_identity` is `oldest`?

    `named`: what UV says is one; a process that runs this file is. `None` when that cannot be seen:
    an ancestor has ended, belongs to another user or pid namespace, or there is no /proc.
    """
    uv = locate.identity(named) if named else None
    programs = []
    for number, identity in ancestors():
        program = f"/proc/{number}/exe"
        if uv is not None and locate.identity(program) == uv:
            return True
        programs.append(program)
        if identity == oldest:
            answers = [_is_uv(program) for program in programs]
            return True if True in answers else None if None in answers else False
    return None


def ancestors() -> "Iterator[tuple[str, str]]":
    """Number and `guard.process_identity` of each, the nearest first, as far as /proc shows them.

    What belongs to another user or another pid namespace, or has ended, ends it. Never raises.
    """
    try:
        number = guard.see_process("self")[1]
        for _ in range(_MOST_GENERATIONS):
            identity, parent = guard.see_process(number)
            yield number, identity
            number = parent
    except (OSError, ValueError, IndexError):
        return


def _is_uv(program: str) -> bool | None:
    """Is this file a uv? `None` when it cannot be read."""
    from uvx_policy.real_uv import is_uv

    try:
        with open(program, "rb", buffering=0):
            return is_uv(program)
    except OSError:
        return None
