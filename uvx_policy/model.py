"""The vocabulary: every value that passes between facts, decision and edits.

Nothing here reads or writes anything. Words are uv's own (docs/reference/glossary.md).
Paths are `str` in the file system encoding with surrogateescape, so that every byte survives.
"""

from __future__ import annotations

from uvx_policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from typing import Literal, TypeAlias

    PathKind: TypeAlias = Literal["file", "directory", "symlink", "other", "absent"]

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


#: FS_*_FL of linux/fs.h (ioctl_iflags(2)): fscrypt; chattr +C
_ENCRYPTED, _NOCOW = 0x800, 0x800000
#: FS_XFLAG_* (ioctl_xfs_fsgetxattr(2)): the real-time device; chattr +P, and what ZFS says for it;
#: no page cache
_REALTIME, _PROJECT, _ZFS_PROJECT, _DAX = 0x100, 0x200, 0x20000000, 0x8000


class Attributes(Value):
    """What new files in one directory inherit, as far as it decides what links (Linux)."""

    #: the flags above
    bits: int = 0
    #: quota project of new files, 0 for none
    project: int = 0
    #: fingerprint of their encryption policy, 0 for none
    policy: int = 0

    @classmethod
    def of(cls, numbers: tuple[int, int, int] | None) -> Attributes:
        """From what was read (`replay.witness`); `None` where the file system tells of none."""
        if numbers is None:
            return cls()
        return cls(bits=numbers[0], project=numbers[1], policy=numbers[2])

    @property
    def inherits_project(self) -> bool:
        """Tell whether files of another quota project are refused (0 is one as well)."""
        return bool(self.bits & (_PROJECT | _ZFS_PROJECT))

    def clones(self, other: Attributes) -> bool:
        """Tell whether a file that was made in one of the two may share blocks with the other's.

        Otherwise FICLONE says EINVAL: "the filesystem does not support reflinking the ranges".
        """
        return not (self.bits ^ other.bits) & (_NOCOW | _REALTIME | _DAX)

    def admits(self, other: Attributes) -> bool:
        """Tell whether a file that was made in `other` may get a name in this directory.

        Otherwise link(2) says EXDEV. The other direction may well be allowed.
        """
        if self.inherits_project and self.project != other.project:
            return False
        return not self.bits & _ENCRYPTED or self.policy == other.policy

    def describe(self) -> str:
        """What `clones` and `admits` look at, for people: `NOCOW (chattr +C)`, "" for nothing."""
        said = (
            (self.bits & _NOCOW, "NOCOW (chattr +C)"),
            (self.bits & _REALTIME, "on the real-time device"),
            (self.bits & _DAX, "DAX"),
            (self.inherits_project, f"in quota project {self.project}"),
            (self.bits & _ENCRYPTED, "encrypted (fscrypt)"),
        )
        return ", ".join(words for is_so, words in said if is_so)


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


class Program(Value):
    """A Python interpreter that this call of uv descends from."""

    #: its process
    number: int
    #: path of what it runs, as the system names it
    path: str
    #: a compiled module of its own environment that is a hard link on the device that files are
    #: linked on, such as `speedy/_speedups.pyd`; "": none, or not looked for
    module: str = ""
    #: the distribution that it belongs to, such as `speedy 1.0`
    package: str = ""


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


#: inode(7): the file type bits of st_mode
_KINDS: dict[int, PathKind] = {0o100000: "file", 0o040000: "directory", 0o120000: "symlink"}


class Status(Value):
    """What stat(2) or lstat(2) says.

    Of a directory, size and times are 0: no decision may depend on an entry that comes or goes.
    """

    kind: PathKind
    #: permission bits, `st_mode & 0o7777`
    mode: int
    uid: int
    gid: int
    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, told: os.stat_result) -> Status:
        """What the system says, without what comes and goes in a directory."""
        kind = _KINDS.get(told.st_mode & 0o170000, "other")
        stays = kind != "directory"
        return cls(
            kind=kind,
            mode=told.st_mode & 0o7777,
            uid=told.st_uid,
            gid=told.st_gid,
            device=told.st_dev,
            inode=told.st_ino,
            size=told.st_size if stays else 0,
            mtime_ns=told.st_mtime_ns if stays else 0,
            ctime_ns=told.st_ctime_ns if stays else 0,
        )


class FileSystem(Value):
    """What statvfs(3) says that stays."""

    #: bytes, at most 32 GiB
    total: int
    identity: str
