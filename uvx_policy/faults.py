"""What is wrong in a configuration file, as a value. Not in `errors`: replays need none."""

from __future__ import annotations

from uvx_policy.errors import Unreadable
from uvx_policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    FaultKind: TypeAlias = Literal[
        "unreadable",  # a file that may exist and cannot be read
        "toml",  # a file that is not TOML
        "unknown-key",
        "bad-value",
        "missing-key",
        "contradiction",  # of two settings, or of two files
        "duplicate",
        "not-owned",  # a file that may name free paths and belongs to another user
        "writable-by-all",  # the same, writable by everybody
        "not-editable",  # `linkpolicy init` cannot write into it
    ]


class Fault(Value):
    """One thing that is wrong in a configuration file. `str()` is one line with all of it."""

    kind: FaultKind
    #: absolute path of the file, "" for none
    path: str = ""
    #: from 1, 0 when it is about the file as a whole
    line: int = 0
    #: keys from the top of the document, numbers for elements of arrays
    keys: tuple[str | int, ...] = ()
    #: what is wrong; a stranger's text in it is short and safe to show
    message: str
    #: what to do about it, "" when the message says all
    advice: str = ""

    @property
    def statement(self) -> str:
        """What is wrong and where, without the advice."""
        if self.kind == "unreadable":
            return str(Unreadable(self.path, self.message))
        place = f"{self.path}:{self.line}" if self.line else self.path
        return f"{place}: {self.message}" if place else self.message

    def __str__(self) -> str:
        return f"{self.statement}; {self.advice}" if self.advice else self.statement


def unreadable(error: Unreadable) -> Fault:
    """The fault that such an error is."""
    return Fault(kind="unreadable", path=error.path, message=error.reason)
