"""What would be done: which files of which environments, by file system. Nothing is written."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from uvx_policy.installed.tree import trees_of_cache, trees_of_environment
from uvx_policy.reclaim.candidates import Candidates
from uvx_policy.reclaim.look import TARGET, Cloning, Directories, Linking, Sharing
from uvx_policy.reclaim.remembered import Remembered
from uvx_policy.reclaim.volume import Volume
from uvx_policy.replace import foreign
from uvx_policy.replace.clones import place_of_clone
from uvx_policy.replace.opened import Group
from uvx_policy.replace.place import Root
from uvx_policy.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from uvx_policy.installed.tree import Tree
    from uvx_policy.machine.machine import Machine
    from uvx_policy.reclaim.look import Seen
    from uvx_policy.replace.outcome import Outcome

#: policies under which no file may be another one's as well -> why it is left
_REASONS = {
    "hackable": "hackable",
    "unknown": "hackable",
    "symlink": "symlink-mode",
    "copy": "copy-mode",
    "clone": "copy-mode",
}
#: groups between two reports
_OFTEN = 512


class Wanted(Value):
    """What was asked for."""

    #: absolute paths
    environments: tuple[str, ...]
    #: "auto", "dedupe", "hardlink"
    method: str = "auto"
    within_cache: bool = False
    #: bytes of the smallest file
    least: int = 0


class Plan:
    """The plan, and what can be asked of it in another process."""

    def __init__(
        self, machine: Machine, wanted: Wanted, advance: Callable[[str], None] = lambda _: None
    ) -> None:
        """Look at all files. Never raises `OSError`."""
        self._machine = machine
        self._wanted = wanted
        self.volumes: list[Volume] = []
        self._by_device: dict[str, int] = {}
        #: directories of other users: who they are
        self.foreign: dict[str, int] = {}
        self.remembered = Remembered(machine.state)
        #: of each tree: its volume, whether its files may be replaced, and why they are left
        self._at: list[int] = []
        self._may_change: list[bool] = []
        self._why: list[str] = []
        advance("reading the lists of installed files")
        self.candidates = Candidates(self._trees())
        #: for each file what is to be done with it
        self._todo = bytearray(self.candidates.files)
        self._look(advance)

    @property
    def environments(self) -> list[str]:
        """Absolute paths."""
        return [path for volume in self.volumes for path in volume.environments]

    @property
    def caches(self) -> list[str]:
        """Absolute paths."""
        return [path for volume in self.volumes for path in volume.caches]

    @property
    def files(self) -> int:
        """How many files there are to do."""
        return sum(volume.files for volume in self.volumes)

    def leave(self, owner: str, reason: str) -> None:
        """Leave the files of this environment or cache for that reason."""
        for number, tree in enumerate(self.candidates.trees):
            if tree.owner == owner:
                self._why[number] = reason

    def groups(self, volume: Volume, numbers: Iterable[int], outcome: Outcome) -> Iterator[Group]:
        """What is to be done of these groups on a volume; what is left of it goes to `outcome`."""
        here = self.volumes.index(volume)
        todos, at, why, candidates = self._todo, self._at, self._why, self.candidates
        owners = [tree.owner for tree in candidates.trees]
        for number in numbers:
            first: list[tuple[str, str, bool]] = []
            rest: list[tuple[str, str, bool]] = []
            for index, tree, below in candidates.members(number):
                todo = todos[index]
                if not todo or at[tree] != here:
                    continue
                if not why[tree]:
                    (rest if todo == TARGET else first).append(
                        (owners[tree], below, todo == TARGET)
                    )
                elif todo == TARGET:
                    path = os.path.join(owners[tree], below)
                    outcome.leave(why[tree], path, candidates.size(number))
            yield Group(
                candidates.size(number), candidates.hash(number), volume.place(number),
                [*first, *rest],
            )  # fmt: skip

    # Trees ---------------------------------------------------------------------------------------

    def _trees(self) -> list[Tree]:
        """Those of caches first: their files are what the others become."""
        trees: list[Tree] = []
        environments = [(path, self._volume(path, make=True)) for path in self._wanted.environments]
        for volume in self.volumes:
            volume.choose(self._wanted.method)
        for cache in self._machine.caches:
            number = self._volume(cache.path, make=False)
            if number is None or cache.problem or self._why_left(cache.path):
                continue
            volume = self.volumes[number]
            volume.caches.append(cache.path)
            may_change = self._wanted.within_cache or volume.method == "dedupe"
            some = [tree for tree in trees_of_cache(cache.path) if tree.kind == "archive"]
            trees += some
            self._note(len(some), number, "", may_change=may_change)
        for path, number in environments:
            sites = trees_of_environment(path)
            if number is None or not sites:
                continue
            volume = self.volumes[number]
            volume.environments.append(path)
            why = self._why_left(path) or ("read-only" if volume.is_read_only else "")
            if volume.method == "hardlink":
                why = why or _REASONS.get(self._machine.policy_at(path).name, "")
                if not why and not self._machine.may_hard_link(path):
                    why = "copy-mode"
            trees += sites
            self._note(len(sites), number, why, may_change=True)
        return trees

    def _note(self, count: int, volume: int, why: str, *, may_change: bool) -> None:
        self._at += [volume] * count
        self._why += [why] * count
        self._may_change += [may_change] * count

    def _volume(self, path: str, *, make: bool) -> int | None:
        """The number of the volume that a directory lies on, `None` for none."""
        try:
            device = os.stat(path).st_dev
        except OSError:
            return None
        mount = self._machine.mount_of(path)
        key = mount.device if mount is not None else str(device)
        number = self._by_device.get(key)
        if number is None:
            if not make:
                return None
            number = self._by_device[key] = len(self.volumes)
            self.volumes.append(Volume(mount, path))
        self.volumes[number].devices.add(device)
        return number

    def _why_left(self, path: str) -> str:
        try:
            Root(path).close()
        except foreign.Foreign as error:
            self.foreign[path] = error.uid
            return "foreign"
        except OSError:
            return "error"
        return ""

    # Files ---------------------------------------------------------------------------------------

    def _look(self, advance: Callable[[str], None]) -> None:
        """Note what is to be done with each file."""
        directories = Directories(tree.owner for tree in self.candidates.trees)
        ways = [self._way(volume, directories) for volume in self.volumes]
        candidates, may_change = self.candidates, self._may_change
        least = max(self._wanted.least, 1)
        for group in range(len(candidates)):
            if not group % _OFTEN:
                advance(f"looking at installed files: {group * 100 // len(candidates)} %")
            size = candidates.size(group)
            if not size or not candidates.has_tree(group, may_change):
                continue
            for number, (allowed, held) in self._seen(group, size).items():
                volume = self.volumes[number]
                _leave_held(volume, allowed, held)
                if len(allowed) < 2 or not volume.method:  # noqa: PLR2004 (two to be equal)
                    continue
                if size < least:
                    _leave_copies(volume, allowed, "small")
                elif size <= volume.inline and volume.method == "dedupe":
                    _leave_copies(volume, allowed, "inline")
                else:
                    ways[number].plan(group, allowed)

    def _way(self, volume: Volume, directories: Directories) -> Linking | Sharing | Cloning:
        if volume.method == "dedupe":
            return Sharing(volume, self._todo, directories, self.remembered)
        if volume.method == "clone":
            return Cloning(volume, self._todo, directories, place_of_clone)
        within_cache = self._wanted.within_cache
        return Linking(volume, self._todo, directories, within_cache=within_cache)

    def _seen(self, group: int, size: int) -> dict[int, tuple[list[Seen], list[tuple[str, Seen]]]]:
        """The files of a group that are there and of the right size, by volume.

        Those that may be shared, and those that are left, with the reason.
        """
        at, why, may_change, lstat = self._at, self._why, self._may_change, os.lstat
        found: dict[int, tuple[list[Seen], list[tuple[str, Seen]]]] = {}
        for index, tree, path in self.candidates.paths(group):
            number = at[tree]
            try:
                status = lstat(path)
            except OSError:
                if self.candidates.trees[tree].kind == "site":
                    self.volumes[number].planned.leave("missing", path, size)
                continue
            if status.st_size != size or not stat.S_ISREG(status.st_mode):
                # A link leads into a cache, or was put there by somebody: there is nothing to save.
                if not stat.S_ISLNK(status.st_mode):
                    self.volumes[number].planned.leave("edited", path, status.st_size)
                continue
            seen = (index, may_change[tree], path, status)
            both = found.get(number)
            if both is None:
                both = found[number] = ([], [])
            if why[tree]:
                both[1].append((why[tree], seen))
            else:
                both[0].append(seen)
        return found


def _leave_held(volume: Volume, allowed: list[Seen], held: list[tuple[str, Seen]]) -> None:
    """Count what is a copy of what could be shared, and must not be."""
    if not held:
        return
    inodes = {file[3].st_ino for file in allowed}
    for reason, (_, _, path, status) in held:
        if inodes and status.st_ino not in inodes:
            volume.planned.leave(reason, path, status.st_blocks * 512)


def _leave_copies(volume: Volume, files: list[Seen], reason: str) -> None:
    inodes: set[tuple[int, int]] = set()
    for _, _, path, status in files:
        inode = (status.st_dev, status.st_ino)
        if inodes and inode not in inodes:
            volume.planned.leave(reason, path, status.st_blocks * 512)
        inodes.add(inode)
