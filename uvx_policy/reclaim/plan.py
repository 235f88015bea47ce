"""What would be done: which files of which environments, by file system. Nothing is written."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from uvx_policy.installed.tree import trees_of_cache, trees_of_environment
from uvx_policy.reclaim.candidates import Candidates
from uvx_policy.reclaim.volume import Volume
from uvx_policy.replace import foreign
from uvx_policy.replace.opened import Group
from uvx_policy.replace.place import Root
from uvx_policy.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from uvx_policy.installed.tree import Tree
    from uvx_policy.machine.machine import Machine
    from uvx_policy.replace.outcome import Outcome

#: policies under which no file may be another one's, by the words of the settings
_REASONS = {
    "hackable": "hackable",
    "unknown": "hackable",
    "symlink": "symlink-mode",
    "copy": "copy-mode",
    "clone": "copy-mode",
}
#: what is to be done with a file
_NOTHING, _SOURCE, _TARGET = 0, 1, 2
#: groups between two reports
_OFTEN = 512


class Wanted(Value):
    """What was asked for."""

    environments: tuple[str, ...]
    #: "auto", "dedupe", "hardlink"
    method: str = "auto"
    within_cache: bool = False
    #: bytes of the smallest file
    least: int = 1


class _Place(Value):
    """What holds for all files of one tree."""

    #: number of its volume
    volume: int
    is_target: bool
    #: why its files are left: of both methods, and of hard links
    reason: str = ""
    reason_for_links: str = ""


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
        self._places: list[_Place] = []
        #: environments and caches of other users: who root would work for
        self.foreign: dict[str, int] = {}
        trees = self._trees()
        for volume in self.volumes:
            volume.choose(wanted.method)
        advance("reading the lists of installed files")
        self.candidates = Candidates(trees)
        self._owners = [tree.owner for tree in trees]
        #: for each file what is to be done with it
        self._todo = bytearray(self.candidates.files)
        for group in range(len(self.candidates)):
            if not group % _OFTEN:
                advance(f"looking at installed files: {group * 100 // len(self.candidates)} %")
            self._look_at(group)

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

    @property
    def size(self) -> int:
        """Bytes that this frees at most."""
        return sum(volume.size for volume in self.volumes)

    def leave(self, owner: str, reason: str) -> None:
        """Leave the files of this environment or cache for that reason."""
        self._places = [
            place.replace(reason=reason) if tree.owner == owner else place
            for tree, place in zip(self.candidates.trees, self._places, strict=True)
        ]

    def groups(self, volume: Volume, numbers: Iterable[int], outcome: Outcome) -> Iterator[Group]:
        """What is to be done of these groups on a volume; what is left of it goes to `outcome`."""
        here = self.volumes.index(volume)
        places, owners = self._places, self._owners
        for number in numbers:
            members: list[tuple[int, str, str]] = []
            for index, tree, below in self.candidates.members(number):
                todo, place = self._todo[index], places[tree]
                if not todo or place.volume != here:
                    continue
                if not place.reason:
                    members.append((todo, owners[tree], below))
                elif todo == _TARGET:
                    outcome.leave(
                        place.reason, os.path.join(owners[tree], below),
                        self.candidates.size(number),
                    )  # fmt: skip
            members.sort(key=_by_todo)
            yield Group(
                self.candidates.size(number), self.candidates.hash(number),
                [(owner, below, todo == _TARGET) for todo, owner, below in members],
            )  # fmt: skip

    # Trees ---------------------------------------------------------------------------------------

    def _trees(self) -> list[Tree]:
        """Those of caches first: their files are what the others become."""
        of_environments: list[tuple[Tree, _Place]] = []
        for path in self._wanted.environments:
            of_environments += self._environment(path)
        of_caches: list[tuple[Tree, _Place]] = []
        for cache in self._machine.caches:
            if cache.exists and not cache.problem:
                of_caches += self._cache(cache.path)
        both = [*of_caches, *of_environments]
        self._places = [place for _, place in both]
        return [tree for tree, _ in both]

    def _environment(self, path: str) -> Iterator[tuple[Tree, _Place]]:
        trees = trees_of_environment(path)
        number = self._volume(path, make=True)
        if number is None or not trees:
            return
        volume = self.volumes[number]
        volume.environments.append(path)
        policy = self._machine.policy_at(path).name
        place = _Place(
            volume=number, is_target=True, reason=self._why_left(path),
            reason_for_links=_REASONS.get(policy, ""),
        )  # fmt: skip
        yield from ((tree, place) for tree in trees)

    def _cache(self, path: str) -> Iterator[tuple[Tree, _Place]]:
        number = self._volume(path, make=False)
        if number is None or self._why_left(path) == "foreign":
            return
        volume = self.volumes[number]
        volume.caches.append(path)
        place = _Place(volume=number, is_target=False)
        for tree in trees_of_cache(path):
            if tree.kind == "archive":
                yield tree, place

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

    def _look_at(self, group: int) -> None:
        """Note what is to be done with the files of a group."""
        size = self.candidates.size(group)
        if not size:
            return
        owners, places, lstat = self._owners, self._places, os.lstat
        seen: dict[int, list[_Seen]] = {}
        for index, tree, below in self.candidates.members(group):
            path = f"{owners[tree]}{os.sep}{below}"
            place = places[tree]
            try:
                status = lstat(path)
            except OSError:
                if place.is_target:
                    self.volumes[place.volume].planned.leave("missing", path, size)
                continue
            if stat.S_ISLNK(status.st_mode):
                continue
            if status.st_size != size or not stat.S_ISREG(status.st_mode):
                self.volumes[place.volume].planned.leave("edited", path, status.st_size)
                continue
            seen.setdefault(place.volume, []).append((index, place, path, status))
        for number, files in seen.items():
            volume = self.volumes[number]
            if len({(status.st_dev, status.st_ino) for _, _, _, status in files}) > 1:
                self._plan(volume, group, files, size)

    def _plan(self, volume: Volume, group: int, files: list[_Seen], size: int) -> None:
        allowed = []
        inodes = {status.st_ino for _, place, _, status in files if not self._why(volume, place)}
        for file in files:
            why = self._why(volume, file[1])
            if not why:
                allowed.append(file)
            elif inodes and file[3].st_ino not in inodes:
                volume.planned.leave(why, file[2], file[3].st_blocks * 512)
        least = max(self._wanted.least, 1)
        if size < least or (volume.method == "dedupe" and size <= volume.inline):
            reason = "small" if size < least else "inline"
            self._leave_all(volume, allowed, reason)
        elif volume.method == "dedupe":
            self._plan_sharing(volume, group, allowed)
        elif volume.method == "hardlink":
            self._plan_links(volume, group, allowed)

    def _why(self, volume: Volume, place: _Place) -> str:
        if volume.is_read_only and place.is_target:
            return "read-only"
        return place.reason or (place.reason_for_links if volume.method == "hardlink" else "")

    def _leave_all(self, volume: Volume, files: list[_Seen], reason: str) -> None:
        known = {status.st_ino for _, place, _, status in files if not place.is_target}
        for _, place, path, status in files:
            if place.is_target and known and status.st_ino not in known:
                volume.planned.leave(reason, path, status.st_blocks * 512)
            known.add(status.st_ino)

    def _plan_sharing(self, volume: Volume, group: int, files: list[_Seen]) -> None:
        known: set[tuple[int, int]] = set()
        for index, _, _, status in files:
            inode = (status.st_dev, status.st_ino)
            if inode in known:
                continue
            self._todo[index] = _TARGET if known else _SOURCE
            if known:
                volume.files += 1
                volume.size += status.st_blocks * 512
            known.add(inode)
        if len(known) > 1:
            volume.groups.append(group)

    def _plan_links(self, volume: Volume, group: int, files: list[_Seen]) -> None:
        """Only what has one mode and one owner can be one file."""
        kinds: dict[tuple[int, int, int, int], list[_Seen]] = {}
        for file in files:
            status = file[3]
            key = (status.st_mode, status.st_uid, status.st_gid, status.st_dev)
            kinds.setdefault(key, []).append(file)
        before = volume.files
        for key, some in kinds.items():
            sources = [file for file in some if not file[1].is_target]
            if self._wanted.within_cache:
                sources = sources[:1]
            if not sources:
                sources = [_most_common(some)]
                if len(kinds) > 1 and len({file[3].st_ino for file in some}) == 1:
                    others = {other[1:3] for other in kinds if other != key}
                    reason = "mode" if key[1:3] in others else "owner"
                    self._leave_all_of(volume, some, reason)
                    continue
            self._plan_kind(volume, some, sources)
        if volume.files > before:
            volume.groups.append(group)

    def _plan_kind(self, volume: Volume, files: list[_Seen], sources: list[_Seen]) -> None:
        inodes = {file[3].st_ino for file in sources}
        names: dict[int, int] = {}
        for index, place, _, status in files:
            if status.st_ino in inodes or not (place.is_target or self._wanted.within_cache):
                continue
            self._todo[index] = _TARGET
            volume.files += 1
            names[status.st_ino] = names.get(status.st_ino, 0) + 1
            if names[status.st_ino] == status.st_nlink:
                volume.size += status.st_blocks * 512
        if names:
            for file in sources:
                self._todo[file[0]] = _SOURCE

    def _leave_all_of(self, volume: Volume, files: list[_Seen], reason: str) -> None:
        for _, place, path, status in files:
            if place.is_target:
                volume.planned.leave(reason, path, status.st_blocks * 512)


def _by_todo(member: tuple[int, str, str]) -> int:
    return member[0]


def _most_common(files: list[_Seen]) -> _Seen:
    """One of those that are one file already, if there are any."""
    counts: dict[int, int] = {}
    for file in files:
        counts[file[3].st_ino] = counts.get(file[3].st_ino, 0) + 1
    return max(files, key=lambda file: counts[file[3].st_ino])


if TYPE_CHECKING:
    from typing import TypeAlias

    #: number of a file, its place, its path, lstat(2)
    _Seen: TypeAlias = tuple[int, _Place, str, os.stat_result]
