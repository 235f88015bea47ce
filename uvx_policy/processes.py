"""The processes that this one descends from, and which of them may be Python programs."""

from __future__ import annotations

import os
from itertools import islice

from uvx_policy import guard, recursion
from uvx_policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


class Process(Value):
    """One process that lives now."""

    number: int
    #: when it was started, in a unit of the system's own: an ancestor was not started later
    started: int
    #: path of what it runs, as the system names it
    image: str
    #: what to open to read that file, even when it has been replaced since
    file: str


#: how the files that uv takes for interpreters are called (uv-python, `ImplementationName`)
_NAMES = ("python", "pypy", "graalpy")
#: more than anybody nests; the tree may change while it is read
MOST_GENERATIONS = 100


def may_be_python(path: str) -> bool:
    """Tell whether what a process runs is called as an interpreter is.

    No evidence that it is one. What is called otherwise is none.
    """
    name = path.replace("\\", "/").rpartition("/")[2].lower()
    return name.startswith(_NAMES)


def is_redirector(parent: str, *, own: str, executable: str) -> bool:
    r"""Is this the part of a virtual environment that has started this very interpreter?

    On Windows `Scripts\python.exe` starts the base interpreter and waits for it, which takes that
    path for its `sys.executable`. `parent` and `own` are what the two processes run.
    """
    return _folded(own) != _folded(executable) == _folded(parent)


def _folded(path: str) -> str:
    return path.replace("/", "\\").lower()


def ancestors_in_proc() -> Iterator[Process]:
    """The processes that this one descends from, the nearest first, as far as /proc shows them.

    What belongs to another user or another pid namespace, or has ended, ends the list, as does a
    process that was started later than its child: its number was given to another. None where
    there is no /proc.
    """
    try:
        child = _started(guard.see_process("self")[0])
        for number, identity in islice(recursion.ancestors(), MOST_GENERATIONS):
            started = _started(identity)
            if started > child:
                return
            file = f"/proc/{number}/exe"
            yield Process(number=int(number), started=started, image=os.readlink(file), file=file)
            child = started
    except (OSError, ValueError, IndexError):
        return


def _started(identity: str) -> int:
    """The second part of `guard.process_identity`: ticks since the machine was started."""
    return int(identity.split(".")[1])
