"""What is wrong with an installed file, or with a RECORD: plain values, no code that reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from uvx_policy.value import Value

if TYPE_CHECKING:
    from uvx_policy.installed.distributions import Row
    from uvx_policy.installed.tree import Tree

#: "edited": the content has another hash; "missing": RECORD names it, and it is not there;
#: "extra": it lies in a package, and no RECORD names it; "mode": permissions that uv never gives;
#: "unreadable": what it holds cannot be told; "record": the RECORD itself is no good
State: TypeAlias = Literal["edited", "missing", "extra", "mode", "unreadable", "record"]

#: "same-inode": one file with two names, or a symbolic link to it; "same-bytes": another file with
#: the same wrong content
How: TypeAlias = Literal["same-inode", "same-bytes"]


class Place(Value):
    """Another file that has what an edited file has."""

    path: str
    tree: Tree
    how: How


class Finding(Value):
    """One file that is not what its RECORD says, or one RECORD that is no good."""

    #: absolute path, spelled from `tree.path` on
    path: str
    state: State
    tree: Tree
    #: name and version as the `.dist-info` has them
    distribution: str
    version: str = ""
    #: absolute path of the `.dist-info`
    dist_info: str = ""
    #: what RECORD says of the file; `None` for "extra" and "record"
    row: Row | None = None
    #: one sentence more, "" for none: why a RECORD is no good, which permissions are odd
    detail: str = ""
    #: where the same wrong file is known to be as well; filled in by `verify.elsewhere`
    elsewhere: tuple[Place, ...] = ()
    #: names of the inode that were not found anywhere (`st_nlink` minus what is known)
    unknown_names: int = 0
