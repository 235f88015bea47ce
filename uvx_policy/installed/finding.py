"""What is wrong with an installed file, or with a RECORD: plain values, no code that reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from uvx_policy.value import Value

if TYPE_CHECKING:
    from typing_extensions import Self

    from uvx_policy.installed.distributions import Distribution
    from uvx_policy.installed.record import Row
    from uvx_policy.installed.tree import Tree

#: "edited": the content has another hash or size; "missing": RECORD names it, and it is not there;
#: "extra": it is in a package, and in no RECORD; "mode": permissions that uv never gives;
#: "unreadable": what it holds cannot be read; "record": the RECORD itself is damaged or gone;
#: "unlisted": part of the wheel, and missing from the RECORD that the wheel was published with;
#: "published": it has another hash than its RECORD, as published. The last two are not faults
State: TypeAlias = Literal[
    "edited", "missing", "extra", "mode", "unreadable", "record", "unlisted", "published"
]
#: what somebody who edits packages on purpose does to files
INTENDED: tuple[State, ...] = ("edited", "missing", "extra", "mode")

#: "same-inode": one file with two names, or a symbolic link to it; "same-bytes": another file with
#: the same wrong content
How: TypeAlias = Literal["same-inode", "same-bytes"]


class Place(Value):
    """Another file that has what an edited file has."""

    path: str
    tree: Tree
    how: How


class Finding(Value):
    """One file that is not what its RECORD says, or one RECORD that is damaged."""

    #: absolute path, spelled from `tree.path` on
    path: str
    state: State
    tree: Tree
    #: name and version as the `.dist-info` has them
    distribution: str
    version: str = ""
    #: absolute path of the `.dist-info`
    dist_info: str = ""
    #: what RECORD says of the file; `None` for "extra", "unlisted" and "record"
    row: Row | None = None
    #: one sentence more, "" for none: why a RECORD is damaged, which permissions are odd
    detail: str = ""
    #: where the same wrong file is known to be as well; filled in by `verify.elsewhere`
    elsewhere: tuple[Place, ...] = ()
    #: names of the inode that were not found anywhere (`st_nlink` minus what is known)
    unknown_names: int = 0
    #: why it is intended, such as "hackable (pyproject.toml:12)"; "" when it is not
    intended: str = ""

    @classmethod
    def of(
        cls,
        tree: Tree,
        distribution: Distribution,
        path: str,
        state: State,
        *,
        row: Row | None = None,
        detail: str = "",
    ) -> Self:
        """What is wrong with a file of this distribution."""
        return cls(
            path=path,
            state=state,
            tree=tree,
            distribution=distribution.name,
            version=distribution.version,
            dist_info=distribution.dist_info,
            row=row,
            detail=detail,
        )

    @property
    def is_fault(self) -> bool:
        """Is there anything to do about it? Not about how a wheel was published."""
        return not self.intended and self.state not in ("unlisted", "published")

    @property
    def is_shared(self) -> bool:
        """Does somebody else have the same wrong file?"""
        return bool(self.elsewhere or self.unknown_names)
