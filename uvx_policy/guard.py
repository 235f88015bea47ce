"""The one variable of ours that uv and its children see: which values we set, and who we are.

`_LINKPOLICY_ACTIVE` holds fields separated by `;` (`%` and `;` escaped in values):

    1;process=<identity>;turn=<n>;depth=<n>;uv=<path>;tried=<path>...;set=<NAME>=<value>...

It answers two questions for a shim that is entered below another one:
which environment variables are our own old answers (they are dropped and decided afresh: what fits
one project may ruin another), and whether what we started came straight back to us (`recursion`).
"""

import sys

from uvx_policy.minimal_os import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "_LINKPOLICY_ACTIVE"
_VERSION = "1"
#: of a number; int() raises for thousands
_MOST_DIGITS = 9
_OWNER_MAY_EXECUTE = 0o100


class Guard:
    """The parsed variable of an outer shim. No `Record`: that is one import less for each call."""

    def __init__(
        self,
        *,
        process: str = "",
        turn: int = 0,
        depth: int = 0,
        uv: str = "",
        tried: tuple[str, ...] = (),
        values: tuple[tuple[str, str], ...] = (),
    ) -> None:
        #: `process_identity` of the process that wrote it
        self.process = process
        #: how many shims are above it: see `recursion.follow`
        self.turn = turn
        #: the values of UV_RUN_RECURSION_DEPTH and UV that it was started with
        self.depth = depth
        self.uv = uv
        #: what it became, behind what it had become before and came back
        self.tried = tried
        #: variable -> the value that we gave it
        self.values = values


def read(environ: "Mapping[str, str]") -> Guard | None:
    """The outer shim's guard; `None` when there is none or it is not of our making."""
    fields = environ.get(NAME, "").split(";")
    if fields[0] != _VERSION:
        return None
    single = {"process": "", "turn": "", "depth": "", "uv": ""}
    tried = []
    values = []
    for field in fields[1:]:
        name, _, value = field.partition("=")
        if name == "tried":
            tried.append(_unescape(value))
        elif name == "set":
            variable, _, given = value.partition("=")
            values.append((variable, _unescape(given)))
        elif name in single:
            single[name] = value
    return Guard(
        process=single["process"],
        turn=_number(single["turn"]),
        depth=_number(single["depth"]),
        uv=_unescape(single["uv"]),
        tried=tuple(tried),
        values=tuple(values),
    )


def render(guard: Guard) -> str:
    """The variable's value. `read` gives the same guard back."""
    fields = [_VERSION, f"process={guard.process}", f"turn={guard.turn}", f"depth={guard.depth}"]
    fields.append(f"uv={_escape(guard.uv)}")
    fields += [f"tried={_escape(path)}" for path in guard.tried]
    fields += [f"set={name}={_escape(value)}" for name, value in guard.values]
    return ";".join(fields)


def without_ours(environ: "Mapping[str, str]") -> dict[str, str]:
    """A copy of the environment variables without those that still hold our own value.

    A value that somebody changed since is somebody's explicit choice and stays.
    """
    outer = read(environ)
    ours = dict(outer.values) if outer else {}
    return {
        name: value
        for name, value in environ.items()
        if name != NAME and not (name in ours and ours[name] == value)
    }


def fresh(environ: "Mapping[str, str]") -> Guard:
    """The guard of this process, which was started with these environment variables.

    Below an outer shim `recursion.follow` has more to say.
    """
    return Guard(
        process=process_identity(),
        depth=_number(environ.get("UV_RUN_RECURSION_DEPTH", "")),
        uv=environ.get("UV", ""),
    )


def process_identity() -> str:
    """What no other process is called that lives now; "" when nothing of that kind can be seen.

    A pid alone is reused. It repeats in every pid namespace, and is soon the first of the next one:
    within one tick of start times.
    """
    try:
        return see_process("self")[0]
    except (OSError, ValueError, IndexError):
        return _identity_without_proc()


def see_process(number: str) -> tuple[str, str]:
    """`<pid>.<start time>.<device of /proc>` of a process, and its parent's number.

    Each pid namespace has a /proc of its own, which numbers the processes.

    Raises `OSError`, `ValueError` or `IndexError` when /proc does not have it.
    """
    with open(f"/proc/{number}/stat", "rb", buffering=0) as stream:
        text = stream.read()
        device = os.stat(stream.fileno()).st_dev
    # proc_pid_stat(5): the command name may hold spaces and parentheses; fields 1, 4 and 22
    fields = text.rpartition(b")")[2].split()
    pid = int(text.partition(b" ")[0])
    return f"{pid}.{int(fields[19])}.{device}", f"{int(fields[1])}"


def _identity_without_proc() -> str:
    if sys.platform != "linux":
        return str(os.getpid())  # no pid namespaces
    try:
        handle = os.pidfd_open(os.getpid())
    except (AttributeError, OSError):
        return ""
    try:
        status = os.stat(handle)
    finally:
        os.close(handle)
    # Since Linux 6.9; before, all have one inode, which nobody may execute.
    return f"pidfd.{status.st_ino}" if status.st_mode & _OWNER_MAY_EXECUTE else ""


def _number(text: str) -> int:
    digits = text[:_MOST_DIGITS]
    return int(digits) if digits.isascii() and digits.isdigit() else 0


def _escape(text: str) -> str:
    return text.replace("%", "%25").replace(";", "%3b")


def _unescape(text: str) -> str:
    return text.replace("%3b", ";").replace("%25", "%")
