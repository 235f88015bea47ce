"""Every error that we raise on purpose, and our own exit codes.

Expected absence is a value, not an error.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from uvx_policy.faults import Fault
    from uvx_policy.terminal.command import Command

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


class Unreadable(LinkPolicyError):
    """A file or directory exists, or may exist, and cannot be read: its state is unknown."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"cannot read `{path}`: {reason}")
        self.path = path
        self.reason = reason


class CannotWrite(LinkPolicyError):
    """A file cannot be written, or is not what it was when the change was planned."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"cannot write `{path}`: {reason}")


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
