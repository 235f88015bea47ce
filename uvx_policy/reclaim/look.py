"""Which files of a group are to be worked on: what shares its bytes already is not."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from uvx_policy.reclaim.remembered import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeAlias

    from uvx_policy.reclaim.remembered import Remembered
    from uvx_policy.reclaim.volume import Volume

    #: number of a file, whether it may be replaced, its path, lstat(2)
    Seen: TypeAlias = tuple[int, bool, str, os.stat_result]
    _Kind: TypeAlias = tuple[int, int, int, int]

#: what is to be done with a file; 0: nothing
SOURCE, TARGET = 1, 2


class Directories:
    """Which directories lie where their paths say: through a link they are another one's."""

    def __init__(self, owners: Iterable[str]) -> None:
        """`owners`: environments and caches, which may be behind links themselves."""
        self._are_real = dict.fromkeys(owners, True)

    def has(self, path: str) -> bool:
        """Does a file of one of the owners lie in a directory of its own?"""
        directory, _, _ = path.rpartition(os.sep)
        is_real = self._are_real.get(directory)
        if is_real is None:
            is_real = self.has(directory) and not os.path.islink(directory)
            self._are_real[directory] = is_real
        return is_real


class Linking:
    """Equal files of one mode and one owner become one."""

    def __init__(
        self, volume: Volume, todo: bytearray, directories: Directories, *, within_cache: bool
    ) -> None:
        """`todo`: for each file what is to be done."""
        self._volume = volume
        self._directories = directories
        self._todo = todo
        self._within_cache = within_cache

    def plan(self, group: int, files: list[Seen]) -> None:
        """Note what is to be done with the files of a group."""
        if len({file[3].st_ino for file in files}) == 1:
            return
        kinds: dict[_Kind, list[Seen]] = {}
        for file in files:
            status = file[3]
            key = (status.st_mode, status.st_uid, status.st_gid, status.st_dev)
            some = kinds.get(key)
            if some is None:
                kinds[key] = [file]
            else:
                some.append(file)
        before = self._volume.files
        for key, some in kinds.items():
            sources = [file for file in some if not file[1]]
            if sources:
                self._plan_kind(some, sources)
            elif len({file[3].st_ino for file in some}) > 1:
                self._plan_kind(some, [some[0] if self._within_cache else _most_common(some)])
            elif len(kinds) > 1:
                self._leave(key, some, kinds)
        if self._volume.files > before:
            self._volume.groups.append(group)

    def _plan_kind(self, files: list[Seen], sources: list[Seen]) -> None:
        volume, todo = self._volume, self._todo
        inodes = {file[3].st_ino for file in sources}
        names: dict[int, int] = {}
        paths = set()
        for index, may_change, path, status in files:
            inode = status.st_ino
            if inode in inodes or not may_change or not self._directories.has(path):
                continue
            if path in paths:  # two rows of one file
                continue
            paths.add(path)
            todo[index] = TARGET
            volume.files += 1
            count = names[inode] = names.get(inode, 0) + 1
            if count == status.st_nlink:
                volume.size += status.st_blocks * 512
        if names:
            for file in sources:
                todo[file[0]] = SOURCE

    def _leave(self, key: _Kind, files: list[Seen], kinds: dict[_Kind, list[Seen]]) -> None:
        """What is alone with its mode or its owner; the first of all is what others differ from."""
        if key == next(iter(kinds)):
            return
        reason = "mode" if sum(key[1:3] == other[1:3] for other in kinds) > 1 else "owner"
        for _, _, path, status in files:
            self._volume.planned.leave(reason, path, status.st_blocks * 512)


class Sharing:
    """Equal files share their blocks, and stay files of their own."""

    def __init__(
        self,
        volume: Volume,
        todo: bytearray,
        directories: Directories,
        remembered: Remembered,
    ) -> None:
        """`todo`: for each file what is to be done."""
        self._volume = volume
        self._directories = directories
        self._todo = todo
        self._remembered = remembered

    def plan(self, group: int, files: list[Seen]) -> None:
        """Note what is to be done with the files of a group."""
        inodes: dict[tuple[int, int], Seen] = {}
        for file in files:
            if self._directories.has(file[2]):
                inodes.setdefault((file[3].st_dev, file[3].st_ino), file)
        if len(inodes) <= 1:
            return
        different = list(inodes.values())
        try:
            places = self._places(different)
        except OSError:  # it is left to who works on it
            places = [UNKNOWN] * len(different)
        first = _source(places)
        volume, todo = self._volume, self._todo
        before = volume.files
        for file, place in zip(different, places, strict=True):
            if place == places[first] != UNKNOWN or file is different[first]:
                continue
            todo[file[0]] = TARGET
            volume.files += 1
            volume.size += file[3].st_blocks * 512
        if volume.files > before:
            todo[different[first][0]] = SOURCE
            volume.groups.append(group)
            volume.places.append(places[first])

    def _places(self, files: list[Seen]) -> list[int]:
        """Where each lies, as far as it matters. Raises `OSError`."""
        remembered = self._remembered
        tokens = [remembered.token(file[3], file[2]) for file in files]
        places = [remembered.place(token) for token in tokens]
        is_shared = any(places)
        for number, file in enumerate(files):
            # What shares nothing shares nothing with the others: they need not be asked.
            if places[number] == UNKNOWN and (number == 0 or is_shared):
                places[number], shares = remembered.look(file[2], tokens[number])
                is_shared = is_shared or shares
        return places


class Cloning:
    """Equal files become clones of one, and stay files of their own."""

    def __init__(
        self, volume: Volume, todo: bytearray, directories: Directories, place: Callable[[str], int]
    ) -> None:
        """`todo`: for each file what is to be done; `place`: as `clones.place_of_clone`."""
        self._volume = volume
        self._directories = directories
        self._todo = todo
        self._place = place

    def plan(self, group: int, files: list[Seen]) -> None:
        """Note what is to be done with the files of a group."""
        inodes: dict[int, Seen] = {}
        for file in files:
            if self._directories.has(file[2]):
                inodes.setdefault(file[3].st_ino, file)
        if len(inodes) <= 1:
            return
        fixed = [file for file in inodes.values() if not file[1]]
        # What has several names frees nothing when one of them becomes another file.
        first = fixed[0] if fixed else max(inodes.values(), key=lambda file: file[3].st_nlink)
        place = self._place(first[2])
        volume, todo = self._volume, self._todo
        before = volume.files
        for file in inodes.values():
            status = file[3]
            if file is first or not file[1] or status.st_nlink > 1:
                continue
            if place != UNKNOWN and self._place(file[2]) == place:
                continue
            todo[file[0]] = TARGET
            volume.files += 1
            volume.size += status.st_blocks * 512
        if volume.files > before:
            todo[first[0]] = SOURCE
            volume.groups.append(group)


def _most_common(files: list[Seen]) -> Seen:
    """One of those that are one file already, if there are any."""
    counts: dict[int, int] = {}
    for file in files:
        counts[file[3].st_ino] = counts.get(file[3].st_ino, 0) + 1
    return max(files, key=lambda file: counts[file[3].st_ino])


def _source(places: list[int]) -> int:
    """The number of one of those that share already, if there are any."""
    counts: dict[int, int] = {}
    for place in places:
        if place != UNKNOWN:
            counts[place] = counts.get(place, 0) + 1
    if not counts:
        return 0
    return max(range(len(places)), key=lambda number: counts.get(places[number], 0))
