"""What repairing knows and decides: plain values, no code that reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from uvx_policy.installed.hash import NO_HASH, Hash
from uvx_policy.value import Value

if TYPE_CHECKING:
    from uvx_policy.installed.finding import Finding
    from uvx_policy.repair.restore import Way
    from uvx_policy.verify.originals import Original

#: "archive": an unpacked wheel of a cache; "store": elsewhere in a cache (uv's `files-v0`);
#: "site": an environment
SpotKind: TypeAlias = Literal["archive", "store", "site"]

#: "restore": write the original; "relink": take what the restored file of a cache has;
#: "detach": a copy of its own with the same, edited bytes; "remove": a file that no RECORD names;
#: "record": put one row of a RECORD back; "reinstall": uv has to; "leave": nothing is done
Action: TypeAlias = Literal["restore", "relink", "detach", "remove", "record", "reinstall", "leave"]


#: "done": as planned; "kept": nothing had to be done, or it was left on purpose; "failed"
ResultState: TypeAlias = Literal["done", "kept", "failed"]


class Spot(Value):
    """One path of a wrong file."""

    #: absolute
    path: str
    kind: SpotKind
    #: absolute path of its cache or environment
    owner: str
    #: absolute path of the archive, or of the site directory
    tree: str
    #: absolute path of its `.dist-info`, "" when it is not known
    dist_info: str = ""
    #: (`st_dev`, `st_ino`) of the file, links followed; `None` when it is missing
    identity: tuple[int, int] | None = None
    #: has it another name, or is it a symbolic link: does somebody else see an edit of it?
    shared: bool = False
    #: is it a symbolic link into a cache: then nothing is to be done but there
    follows: bool = False
    #: its own RECORD has another digest than the one that is restored
    contradicts: bool = False
    #: how the rest of its distribution was put there, the best first; for "site"
    ways: tuple[Way, ...] = ("copy",)


class Damage(Value):
    """One file that is not what its RECORD says, at every place where it is known to be."""

    finding: Finding
    #: the finding's own path first
    spots: tuple[Spot, ...]
    #: `None` when it is nowhere to be found
    original: Original | None = None
    #: its RECORD names a file that is not in its environment or archive
    is_outside: bool = False
    #: "extra": its RECORD was changed, or another one names the file: it may well belong there
    is_doubtful: bool = False


class Policy(Value):
    """What holds for one environment."""

    #: its edits are meant
    keeps_edits: bool = False
    #: why, for people: "hackable (pyproject.toml:12)"
    because: str = ""


class Wishes(Value):
    """What was asked for on the command line."""

    #: restore environments as well whose edits are meant
    also_hackable: bool = False
    #: remove files that no RECORD names from environments, too
    remove_extra: bool = False


class Step(Value):
    """One thing to do, or to say that it is not done."""

    action: Action
    spot: Spot
    #: such as "rich-15.0.0"
    distribution: str
    #: as in its RECORD
    name: str
    #: a `verify.model.State`
    state: str
    #: what its RECORD says of it, or should say
    hash: Hash = NO_HASH
    size: int | None = None
    original: Original | None = None
    #: "relink": path of a file of a cache that has the right content when its turn comes;
    #: "reinstall": the cache that has to forget the package first, "" for none
    source: str = ""
    #: why it is left, or kept as it is
    because: str = ""
    #: it is kept because the edits of its environment are meant
    meant: bool = False


class Package(Value):
    """One distribution that uv has to fetch."""

    #: as its `.dist-info` says
    name: str
    version: str
    #: an environment that has it, whose project says from where it comes; "" if only caches have it
    environment: str
    #: its `.dist-info` there
    dist_info: str

    @property
    def release(self) -> str:
        """Such as "rich 15.0.0"."""
        return f"{self.name} {self.version}"


class Plan(Value):
    """Everything that is to be done, in this order."""

    steps: tuple[Step, ...] = ()
    #: packages without whose originals something would be left
    fetch: tuple[Package, ...] = ()


class Result(Value):
    """What became of one step."""

    step: Step
    state: ResultState
    #: how it was linked, or why it failed
    text: str = ""


class Outcome(Value):
    """What became of everything."""

    results: tuple[Result, ...] = ()
    #: where edits were saved, "" when nothing had to be
    saved: str = ""
    #: what is still not what its RECORD says, and is not meant to be
    left: tuple[Finding, ...] = ()
    #: files whose edits are meant
    meant: int = 0
    #: names of edited inodes that were found nowhere
    unknown_names: int = 0

    @property
    def is_well(self) -> bool:
        """Is everything as it shall be?"""
        failed = any(result.state == "failed" for result in self.results)
        return not (self.left or self.unknown_names or failed)
