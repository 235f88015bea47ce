"""What is known about one environment. Plain values, no code that reads."""

from __future__ import annotations

from uvx_policy.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    #: how one file of an environment is stored
    #: "shared-inode": more than one name (st_nlink > 1); "shared-extents": shares blocks with
    #: another file (FIEMAP_EXTENT_SHARED); "symlink": a symbolic link into a cache; "private"
    Linked: TypeAlias = Literal["shared-inode", "shared-extents", "symlink", "private"]


class Environment(Record):
    """One environment that a decision was made for, as the register keeps it."""

    #: absolute path as uv names it; a symbolic link stays one
    path: str
    #: directory of the project that decides the policy, "" when there is none
    project: str = ""
    #: `project`, `environment`, `target`, `prefix`, `new` or `tool`, as in `Destination.kind`
    kind: str = "project"
    #: cache directory that the last decision chose, uv's own included; "" when not known
    cache: str = ""
    #: link mode that the last decision said, "" when uv was left alone
    link_mode: str = ""
    #: seconds since the epoch of the last decision
    seen: int = 0


class Survey(Record):
    """How the installed files of one environment are stored. Bytes are `st_blocks` * 512."""

    environment: str
    #: all files that were looked at, symbolic links included
    files: int = 0
    shared_inode_files: int = 0
    shared_extent_files: int = 0
    symlink_files: int = 0
    private_files: int = 0
    #: bytes whose blocks another file uses as well: by inode or by extent
    shared_bytes: int = 0
    #: bytes that deleting the environment would free
    private_bytes: int = 0
    #: "no" where the file system cannot tell shared extents: then `shared_bytes` is "at least"
    extents_known: bool = True
    #: symbolic links whose target is gone
    dangling: int = 0
    #: files whose time of change says that they were edited after they were installed
    edited: tuple[str, ...] = ()
    #: directories and files that could not be read
    unreadable: tuple[str, ...] = ()
    #: seconds since the epoch when this was found out
    at: float = 0.0
