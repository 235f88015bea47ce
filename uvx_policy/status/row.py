"""One row of `linkpolicy status`, and the totals of one file system. Nothing here reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from uvx_policy.installed.distinct import Distinct
from uvx_policy.machine.policy import Policy
from uvx_policy.terminal import words
from uvx_policy.value import Value

if TYPE_CHECKING:
    from uvx_policy.installed.model import Survey

#: "gone": nothing is at its path any more; "unreadable": whether there is cannot be told
State: TypeAlias = Literal["present", "gone", "unreadable"]
#: how most files are stored; "mixed": no way prevails; "none": no installed files
InFact: TypeAlias = Literal["hardlink", "clone", "symlink", "copy", "mixed", "none"]

#: a way prevails that holds for this part
_MOST = 0.75
#: samples that are remembered, of 15 kB at most
_MOST_SAMPLES = 64


class Where(Value):
    """The file system that something lies on."""

    #: "major:minor" of the mount table, which is the same for all subvolumes of one btrfs; where
    #: there is no mount table the number of the device; "" when it cannot be told
    device: str = ""
    #: where it is mounted; "" when it cannot be told
    mount_point: str = ""
    #: "ext4", "btrfs" ...; "" when it cannot be told
    file_system: str = ""


class Row(Value):
    """One environment. Bytes are blocks on the disk, as in `Survey`."""

    #: absolute path as uv names it
    path: str
    #: directory of its project, "" when there is none
    project: str = ""
    state: State = "present"
    where: Where = Where()
    #: cache directory that the last decision chose, "" when it is not known
    cache: str = ""
    policy: Policy = Policy()
    in_fact: InFact = "none"
    #: how the environment differs from its policy: one short phrase, "" when it does not
    drift: str = ""
    files: int = 0
    shared_bytes: int = 0
    #: the file system tells everything: otherwise `shared_bytes` are "at least"
    shared_exact: bool = True
    private_bytes: int = 0
    #: those of `private_bytes` that its policy could save, at most
    save_bytes: int = 0
    edited_files: int = 0
    #: the first of them, as their packages name them
    edited: tuple[str, ...] = ()
    #: one of them has another name: a cache or another environment has the edit as well
    edits_shared: bool = False
    #: edits were looked for now, also where the numbers are kept ones
    edits_looked_for: bool = True
    dangling_files: int = 0
    unreadable_files: int = 0
    #: seconds since the epoch when the files were counted
    counted_at: float = 0.0
    #: the numbers are kept ones
    kept: bool = False
    #: another path to an environment that another row has: the totals count that one
    is_counted_elsewhere: bool = False


class Total:
    """All environments of one file system together."""

    def __init__(self) -> None:
        self.where = Where()
        self.environments = 0
        self.files = 0
        self.private_bytes = 0
        self.save_bytes = 0
        self.edited_files = 0
        self.shared_exact = True
        self._shared = Distinct()
        self._merged: set[str] = set()
        #: what one environment shares is counted with it, and needs no estimate
        self._of_last = 0

    def add(self, row: Row, sample: str) -> None:
        """Add one environment; `sample` says which bytes it shares (`environments.distinct`)."""
        if not self.environments or _height(row.where) < _height(self.where):
            # By its highest mount point: others are bind mounts, or subvolumes.
            self.where = row.where
        self.environments += 1
        self.files += row.files
        self.private_bytes += row.private_bytes
        self.save_bytes += row.save_bytes
        self.edited_files += row.edited_files
        self.shared_exact &= row.shared_exact
        # What was linked from the same wheels has the same sample, and adds nothing to it.
        if sample not in self._merged:
            self._shared.merge(sample)
            if len(self._merged) < _MOST_SAMPLES:
                self._merged.add(sample)
        self._of_last = row.shared_bytes

    @property
    def shared_bytes(self) -> int:
        """Bytes of shared files, each once, however many environments it is in."""
        return self._of_last if self.environments == 1 else self._shared.total().bytes

    @property
    def estimated(self) -> bool:
        """Tell whether `shared_bytes` is an estimate (`environments.distinct`)."""
        return self.environments > 1 and not self._shared.total().exact


def in_fact(survey: Survey) -> InFact:
    """How most files of an environment are stored.

    Copies are told from the rest by bytes, not by files: empty files, and on btrfs those of less
    than 2 kB, have no blocks to share, whatever the link mode was.
    """
    ways: dict[InFact, int] = {
        "hardlink": survey.shared_inode_files,
        "clone": survey.shared_extent_files,
        "symlink": survey.symlink_files,
    }
    linked = sum(ways.values())
    if not linked:
        return "copy" if survey.saveable_bytes else "none"
    copied = survey.saveable_bytes / ((survey.saveable_bytes + survey.shared_bytes) or 1)
    if copied >= _MOST:
        return "copy"
    name = max(ways, key=lambda way: ways[way])
    return name if ways[name] >= _MOST * linked and copied <= 1 - _MOST else "mixed"


def drift(policy: str, survey: Survey) -> str:
    """Say how the files differ from the policy, "" when they do not.

    Shared extents are no difference to `hackable` and `copy`: an edit of one side stays there.
    `auto` and a mode that does not work here are no promise, so that copies are no difference
    either: they are what could be saved.
    """
    inodes, links = survey.shared_inode_files, survey.symlink_files
    if policy in ("hackable", "copy", "clone") and inodes:
        share = words.verb(inodes, "shares", "share")
        return f"{policy}, but {words.count(inodes, 'file')} {share} an inode with others"
    if policy not in ("symlink", "unknown") and links:
        link = words.verb(links, "links", "link")
        return f"{policy}, but {words.count(links, 'file')} {link} into a cache"
    return ""


def may_save(policy: str, decided: str, survey: Survey) -> int:
    """Bytes that could be saved, at most: what the policy would link, and is private.

    `decided` is the link mode of the last decision: when it was "copy" although the policy would
    link, nothing links there.
    """
    if policy in ("hackable", "copy", "unknown") or decided == "copy":
        return 0
    return survey.saveable_bytes


def _height(where: Where) -> tuple[int, str]:
    return len(where.mount_point), where.mount_point
