"""Every error that we raise on purpose, and our own exit codes.

Expected absence is a value, not an error.
"""

from __future__ import annotations

from uvx_policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    from uvx_policy.terminal.command import Command

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

#: policy refuses to start uv, or bad usage of `linkpolicy`
EXIT_REFUSED = 2
#: `linkpolicy` found something wrong
EXIT_FINDINGS = 1
#: the real uv cannot be executed, or the shim was started by itself
EXIT_CANNOT_EXECUTE = 126
#: no real uv anywhere
EXIT_NOT_FOUND = 127
#: interrupted by Ctrl-C
EXIT_INTERRUPTED = 130


class LinkPolicyError(Exception):
    """Base of all our errors; never raised itself. `str()` is one line: what, where."""

    exit_code = EXIT_FINDINGS
    #: what to do next, "" for nothing
    hint = ""
    #: what to type for it
    commands: tuple[Command, ...] = ()

    def __init__(self, message: str, *, hint: str = "", commands: tuple[Command, ...] = ()) -> None:
        super().__init__(message)
        self.hint = hint or self.hint
        self.commands = commands or self.commands


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
            return f"cannot read `{self.path}`: {self.message}"
        place = f"{self.path}:{self.line}" if self.line else self.path
        return f"{place}: {self.message}" if place else self.message

    def __str__(self) -> str:
        return f"{self.statement}; {self.advice}" if self.advice else self.statement


class Unreadable(LinkPolicyError):
    """A file or directory exists, or may exist, and cannot be read: its state is unknown."""

    def __init__(self, path: str, reason: str) -> None:
        self.fault = Fault(kind="unreadable", path=path, message=reason)
        super().__init__(str(self.fault))
        self.path = path
        self.reason = reason


class ConfigError(LinkPolicyError, ValueError):
    """One or more faults in configuration files."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(map(str, faults)))
        self.faults = faults


class UsageError(LinkPolicyError, ValueError):
    """`linkpolicy` was called wrongly."""

    exit_code = EXIT_REFUSED


class RealUvNotFound(LinkPolicyError):
    """No uv on PATH but ours, and none embedded."""

    exit_code = EXIT_NOT_FOUND
    hint = "install uv, or install `uvx-policy[uv]`, which comes with its own"

    def __init__(self) -> None:
        super().__init__("there is no uv on PATH")
