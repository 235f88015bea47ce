"""The one variable of ours that uv and its children see: which values we set, and who we are.

`_LINKPOLICY_ACTIVE` holds fields separated by `;` (`%` and `;` escaped in values):

    1;process=<pid>.<start time>;words=<fingerprint>;turn=<n>;tried=<path>...;set=<NAME>=<value>...

It answers two questions for a shim that is entered below another one:
which environment variables are our own old answers (they are dropped and decided afresh: what fits
one project may ruin another), and whether what we started came straight back to us (recursion).
"""

from uvx_policy.fingerprint import fingerprint
from uvx_policy.minimal_os import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "_LINKPOLICY_ACTIVE"
_VERSION = "1"
#: Same words again and again through other processes: nobody does that on purpose.
_MAX_TURNS = 8


class Guard:
    """The parsed variable of an outer shim. No `Record`: that is one import less for each call."""

    def __init__(
        self,
        *,
        process: str = "",
        words: str = "",
        turn: int = 0,
        tried: tuple[str, ...] = (),
        values: tuple[tuple[str, str], ...] = (),
    ) -> None:
        #: identity of the process that wrote it: "<pid>.<start time>"
        self.process = process
        #: checksum of its words and cwd
        self.words = words
        #: how many shims in a row had the very same words
        self.turn = turn
        #: programs started so far that came back
        self.tried = tried
        #: variable -> the value that we gave it
        self.values = values


def read(environ: "Mapping[str, str]") -> Guard | None:
    """The outer shim's guard; `None` when there is none or it is not of our making."""
    fields = environ.get(NAME, "").split(";")
    if fields[0] != _VERSION:
        return None
    single = {"process": "", "words": "", "turn": ""}
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
    # Never longer than ours: int() raises for thousands of digits.
    digits = single.pop("turn")[:9]
    turn = int(digits) if digits.isdecimal() else 0
    return Guard(**single, turn=turn, tried=tuple(tried), values=tuple(values))


def render(guard: Guard) -> str:
    """The variable's value. `read` gives the same guard back."""
    fields = [_VERSION, f"process={guard.process}", f"words={guard.words}", f"turn={guard.turn}"]
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


def came_back(outer: Guard, *, words: str, pid: int, parent: int) -> bool:
    """Is this shim entered by what the outer shim started, without a real uv in between?

    `exec` keeps the process: our own identity in the variable means that we started ourselves.
    A parent with the same words in the same cwd is a foreign shim that forked instead. A real uv
    never starts its own words again, it starts what stands behind `uv run`.
    """
    if outer.process == process_identity(pid):
        return True
    if outer.words != words:
        return False
    return outer.process.partition(".")[0] == str(parent) or outer.turn >= _MAX_TURNS


def process_identity(pid: int) -> str:
    """`<pid>.<start time>`: a pid alone is reused, and repeats in every pid namespace."""
    try:
        with open("/proc/self/stat", "rb") as stream:
            # proc_pid_stat(5): the command name may hold spaces and parentheses; field 22
            return f"{pid}.{int(stream.read().rpartition(b')')[2].split()[19])}"
    except (OSError, ValueError, IndexError):
        return f"{pid}."


def checksum(program: str, arguments: list[str], cwd: str) -> str:
    """Short identity of one call's words and place."""
    return f"{fingerprint(os.fsencode(chr(0).join([program, cwd, *arguments]))):016x}"


def _escape(text: str) -> str:
    return text.replace("%", "%25").replace(";", "%3b")


def _unescape(text: str) -> str:
    return text.replace("%3b", ";").replace("%25", "%")
