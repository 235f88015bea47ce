"""What `repair` and `detach` know and decide: plain values, no code that reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from uvx_policy.installed.hash import NO_HASH, Hash
from uvx_policy.value import Value

if TYPE_CHECKING:
    from uvx_policy.installed.finding import Finding
    from uvx_policy.installed.tree import Tree
    from uvx_policy.replace.build import Way
    from uvx_policy.replace.place import Seen
    from uvx_policy.verify.originals import Original

#: "fetch": uv fetches the package; in plans alone. "record": the RECORD, or one row of it, is
#: written again; "restore": the original is written; "apply": a saved edit is written; "relink":
#: the file takes what the restored file of a cache has; "detach": the file gets an inode of its own
#: with the same bytes; "remove": a file that is in no RECORD; "reinstall": uv installs the package
#: again; "leave": nothing is done
Action: TypeAlias = Literal[
    "fetch", "record", "restore", "apply", "relink", "detach", "remove", "reinstall", "leave"
]
#: "": planned; "done"; "kept": nothing had to be done, or it was left on purpose; "failed"
ResultState: TypeAlias = Literal["", "done", "kept", "failed"]


def release_of(distribution: str) -> str:
    """For people: "rich 15.0.0" of "rich-15.0.0"."""
    return distribution.replace("-", " ", 1)


class Location(Value):
    """One path of a file, and how it is stored there."""

    #: absolute
    path: str
    #: the archive or the site directory; in the content store of a cache (uv's `files-v0`) the
    #: whole cache
    tree: Tree
    #: absolute path of its `.dist-info`, "" when unknown
    dist_info: str = ""
    #: (`st_dev`, `st_ino`), symbolic links followed; `None` when it is missing
    identity: tuple[int, int] | None = None
    #: what lies at the path when the plan is made, links not followed
    seen: Seen | None = None
    #: the same of RECORD in `dist_info`: the package is the one that was planned for
    package: Seen | None = None
    #: it has another name, or is a symbolic link: somebody else sees an edit of it
    shared: bool = False
    #: it is a symbolic link into a cache: it is restored there
    follows: bool = False
    #: the RECORD here has another hash than the file is to have
    contradicts: bool = False
    #: how the rest of its distribution was linked, the best first; for environments
    ways: tuple[Way, ...] = ("copy",)

    @property
    def in_cache(self) -> bool:
        """Does it belong to a cache, and not to an environment?"""
        return self.tree.kind == "archive"

    @property
    def in_archive(self) -> bool:
        """Does it belong to an unpacked wheel, to be linked from there?"""
        return self.in_cache and self.tree.path != self.tree.owner

    @property
    def owner(self) -> str:
        """Absolute path of its cache or environment."""
        return self.tree.owner


class Damage(Value):
    """A finding, and every place where the same is wrong."""

    finding: Finding
    #: the finding's own first
    locations: tuple[Location, ...]
    #: of the content that it is to have; `NO_HASH` where it is not known
    hash: Hash = NO_HASH
    #: where that content is; of a RECORD: that of the wheel. `None` when it was not found
    original: Original | None = None
    #: why nothing is done about it, "" when something is
    because: str = ""
    #: "extra": nobody can tell whether the wheel brought the file along
    is_unknown: bool = False


class Step(Value):
    """One thing that is done, or deliberately not done, at one place; and what came of it."""

    action: Action
    location: Location
    #: such as "rich-15.0.0"
    distribution: str
    #: as in its RECORD
    name: str = ""
    #: a state of a finding: why it is done; "" for what is not damaged
    state: str = ""
    #: "record": of one row, `NO_HASH` for the whole RECORD
    hash: Hash = NO_HASH
    size: int | None = None
    original: Original | None = None
    #: "apply": hash of what is there, and need not be saved; `None` for what has to be
    replaces: Hash | None = None
    #: "relink": the file of a cache that has the right content by then; "reinstall": the cache
    #: that has to forget the package first, "" for none
    source: str = ""
    #: why nothing is done
    because: str = ""
    #: nothing is done because the project intends the edit
    is_intended: bool = False
    result: ResultState = ""
    #: the user who may do it, where root may not; 0 for none
    whose: int = 0
    #: how it was linked, or why it failed
    detail: str = ""

    @property
    def is_change(self) -> bool:
        """Does it change something on the disk?"""
        return self.action not in ("fetch", "leave")

    @property
    def release(self) -> str:
        """For people: "rich 15.0.0"."""
        return release_of(self.distribution)


class Outcome(Value):
    """What came of all steps."""

    #: with their results
    steps: tuple[Step, ...] = ()
    #: directory in which edits were saved, "" when there were none
    saved: str = ""
    #: what differs from a RECORD now, intended or not
    findings: tuple[Finding, ...] = ()
    #: names of edited inodes that were not found
    unknown_names: int = 0

    @property
    def left(self) -> tuple[Finding, ...]:
        """What is still wrong."""
        return tuple(each for each in self.findings if each.is_fault)

    @property
    def is_well(self) -> bool:
        """Is there nothing left to do?"""
        failed = any(step.result == "failed" for step in self.steps if step.action != "fetch")
        return not (self.left or self.unknown_names or failed)
