"""The vocabulary: every value that passes between facts, decision and edits.

Nothing here reads or writes anything. Words are uv's own (docs/reference/glossary.md).
Paths are `str` in the file system encoding with surrogateescape, so that every byte survives.
"""

from __future__ import annotations

from uvx_policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    LinkMode: TypeAlias = Literal["clone", "copy", "hardlink", "symlink"]
    Support: TypeAlias = Literal["yes", "no", "unknown"]
    OriginKind: TypeAlias = Literal["flag", "variable", "file", "default", "receipt"]
    DestinationKind: TypeAlias = Literal[
        "project",  # the project environment (`uv sync`, `add`, `run` ...)
        "environment",  # an environment that `uv pip` finds or is told
        "interpreter",  # a prefix that is no virtual environment (`--system`, `-p /usr/bin/python`)
        "target",  # `uv pip install --target DIR`
        "prefix",  # `uv pip install --prefix DIR`
        "new",  # what `uv venv` creates
        "tool",  # the tool directory
        "cache",  # in uv's cache: same device by construction
        "none",  # this command links nothing
        "unknown",  # cannot be told
    ]
    #: the real uv's version, for example (0, 10, 12)
    UvVersion: TypeAlias = tuple[int, int, int]


class Origin(Value):
    """Where one value came from. `str()` gives what a person reads."""

    kind: OriginKind
    #: flag or variable name, or the path of the file; "" for `default`
    name: str = ""
    #: 1-based line in the file, 0 where there is none
    line: int = 0

    def __str__(self) -> str:
        """`--link-mode`, `UV_LINK_MODE`, `/p/pyproject.toml:12` or `default`."""
        if self.kind == "default":
            return "default"
        return f"{self.name}:{self.line}" if self.line else self.name


DEFAULT = Origin(kind="default")


class Sourced(Value):
    """A value of uv's or the user's, with its origin."""

    value: str
    origin: Origin


class Mount(Value):
    """One row of `/proc/self/mountinfo` (proc_pid_mountinfo(5))."""

    mount_id: int
    #: "major:minor" of the mounted superblock; a btrfs subvolume's `st_dev` differs from it
    device: str
    #: the directory inside the file system that is mounted (not "/" for bind mounts, subvolumes)
    root: str
    #: where it is mounted, unescaped
    point: str
    #: per-mount options, such as "rw", "noexec"
    options: tuple[str, ...]
    #: "ext4", "btrfs", "fuse.sshfs" ...
    fstype: str
    source: str
    super_options: tuple[str, ...]


class Capability(Value):
    """What really works from a cache directory into a destination. Never guessed."""

    clone: Support
    hardlink: Support
    #: one line for people: errno and paths of the try, or why it could not be tried
    detail: str = ""


UNTRIED = Capability(clone="unknown", hardlink="unknown", detail="not tried")


class Destination(Value):
    """The directory that this invocation will link files into."""

    kind: DestinationKind
    #: absolute, as uv will name it (symbolic links kept); "" when kind is none, cache or unknown
    path: str = ""
    #: why this one: one short sentence for people
    because: str = ""
    #: the directory of the project that the environment belongs to, "" when there is none
    project: str = ""
    #: that project's workspace root (the project itself when it is no member), "" when no project
    workspace: str = ""
    #: what named the destination, for example `UV_PROJECT_ENVIRONMENT` or `--target`
    origin: Origin = DEFAULT


class Decision(Value):
    """The outcome for one variable: what to set it to, or `None` to leave uv alone, and why."""

    value: str | None
    #: stable word; every one of them is in docs/reference/reason-codes.md
    code: str
    #: one sentence for people
    because: str
    origin: Origin = DEFAULT


class Refusal(Value):
    """The policy says: do not start uv (exit 2)."""

    code: str
    because: str
    origin: Origin
