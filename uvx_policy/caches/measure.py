"""How large a cache is, how much of it would be free without it, and when it was used."""

from __future__ import annotations

import math
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING

from uvx_policy.caches import contents
from uvx_policy.installed.extents import devices_that_never_share, shared_bytes
from uvx_policy.installed.tree import ARCHIVES
from uvx_policy.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_BLOCK = 512
_TYPE, _DIRECTORY, _FILE = 0o170000, 0o040000, 0o100000
#: directories that one job of a worker goes through
_BATCH = 64


class Measure(Value):
    """What lies in one cache. Each file counts once, however many names it has."""

    #: as the files say (`st_size`)
    logical_bytes: int = 0
    #: as the disk says (`st_blocks`), directories included, like du(1). Blocks that two files of
    #: the cache share count twice: no file system tells that apart cheaply
    physical_bytes: int = 0
    #: those of `physical_bytes` that something else holds as well (environments, by hard link or
    #: clone): cleaning the cache does not free them
    shared_bytes: int = 0
    #: "no": clones were not asked for or cannot be told, and `shared_bytes` is "at least"
    extents_known: bool = True
    files: int = 0
    #: unpacked archives: wheels, and environments of tools and scripts
    archives: int = 0
    #: those of them that are wheels
    wheels: int = 0
    #: seconds since the epoch: the newest read, write or link of a file; 0.0 when there is none.
    #: Reads count to the day (`relatime`), or not at all (`noatime`)
    last_used: float = 0.0
    #: directories and files that could not be looked at
    unreadable: int = 0
    #: False: there was no time for all, and every number is "at least"
    is_complete: bool = True

    @property
    def own_bytes(self) -> int:
        """What cleaning would free; with `extents_known` false, at most that."""
        return self.physical_bytes - self.shared_bytes


def measure(
    cache: str,
    *,
    workers: int = 4,
    extents: bool = False,
    progress: Callable[[int], None] | None = None,
    seconds: float = math.inf,
) -> Measure:
    """Look at every file below `cache`, no symbolic link followed. Never raises.

    `extents`: ask the file system which blocks of a file are shared, at about 10 us for each.
    `progress` is called with the number of files so far, from any thread. After `seconds` no
    further directory is opened. What vanishes meanwhile is passed over.
    """
    totals = _Totals(extents=extents, progress=progress, until=time.monotonic() + seconds)
    archives = os.path.join(cache, ARCHIVES)
    with ThreadPoolExecutor(max_workers=workers) as pool:
        jobs = pool.map(totals.look_below, _batches(_parts(cache, archives, totals)))
        for _ in jobs:
            pass
    return totals.result()


class _Totals:
    """Sums over all workers. A worker counts alone and adds what it found at the end of a batch."""

    def __init__(
        self, *, extents: bool, progress: Callable[[int], None] | None, until: float
    ) -> None:
        self._until = until
        self._is_complete = True
        self._lock = threading.Lock()
        self._extents = extents
        self._progress = progress
        self._never_share = devices_that_never_share()
        self._sum = _Sum()
        #: (device, inode) -> [names seen, names in all, bytes] of files with several names
        self._named: dict[tuple[int, int], list[int]] = {}
        self.archives = 0
        self.wheels = 0

    def look_below(self, tops: list[tuple[str, bool]]) -> None:
        """Look at all below some directories; with `False` only at what lies right in it."""
        mine = _Sum()
        waiting = list(tops)
        while waiting:
            if time.monotonic() > self._until:
                self._is_complete = False
                break
            directory, deeper = waiting.pop()
            try:
                mine.add_directory(os.lstat(directory))
                with os.scandir(directory) as entries:
                    for entry in entries:
                        if entry.is_dir(follow_symlinks=False):
                            if deeper:
                                waiting.append((entry.path, True))
                        else:
                            self._look_at(entry, mine)
            except FileNotFoundError:
                continue
            except OSError:
                mine.unreadable += 1
        with self._lock:
            self._sum.add(mine)
            if self._progress is not None:
                self._progress(self._sum.files)

    def _look_at(self, entry: os.DirEntry[str], mine: _Sum) -> None:
        try:
            told = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            return
        except OSError:
            mine.unreadable += 1
            return
        if told.st_mode & _TYPE == _FILE:  # who looks where a link leads has read the link
            mine.last_used = max(mine.last_used, told.st_atime, told.st_mtime, told.st_ctime)
        physical = getattr(told, "st_blocks", -(-told.st_size // _BLOCK)) * _BLOCK
        if told.st_nlink > 1:
            with self._lock:
                seen = self._named.setdefault((told.st_dev, told.st_ino), [0, 0, 0])
                seen[0] += 1
                seen[1:] = told.st_nlink, physical
                if seen[0] > 1:
                    return
        mine.files += 1
        mine.logical += told.st_size
        mine.physical += physical
        if told.st_nlink == 1 and physical and told.st_mode & _TYPE == _FILE:
            self._ask_for_extents(entry.path, told, physical, mine)

    def _ask_for_extents(self, path: str, told: os.stat_result, physical: int, mine: _Sum) -> None:
        if told.st_dev in self._never_share:
            return
        if not self._extents:
            mine.extents_known = False
            return
        try:
            shared = shared_bytes(path)
        except OSError:
            shared = None
        if shared is None:
            mine.extents_known = False
        else:
            mine.shared += min(shared, physical)

    def result(self) -> Measure:
        """The sums, when all workers are done."""
        elsewhere = sum(size for seen, names, size in self._named.values() if seen < names)
        return Measure(
            logical_bytes=self._sum.logical,
            physical_bytes=self._sum.physical,
            shared_bytes=self._sum.shared + elsewhere,
            extents_known=self._sum.extents_known,
            files=self._sum.files,
            archives=self.archives,
            wheels=self.wheels,
            last_used=self._sum.last_used,
            unreadable=self._sum.unreadable,
            is_complete=self._is_complete,
        )


class _Sum:
    """Counts of one worker for one batch, or of all."""

    def __init__(self) -> None:
        self.files = 0
        self.logical = 0
        self.physical = 0
        self.shared = 0
        self.unreadable = 0
        self.last_used = 0.0
        self.extents_known = True

    def add_directory(self, told: os.stat_result) -> None:
        self.physical += getattr(told, "st_blocks", 0) * _BLOCK

    def add(self, other: _Sum) -> None:
        self.files += other.files
        self.logical += other.logical
        self.physical += other.physical
        self.shared += other.shared
        self.unreadable += other.unreadable
        self.last_used = max(self.last_used, other.last_used)
        self.extents_known = self.extents_known and other.extents_known


def _parts(cache: str, archives: str, totals: _Totals) -> Iterator[tuple[str, bool]]:
    """The cache cut into directories to be looked below: each bucket, and each archive.

    `False`: only at the files right in it, because its directories are parts of their own.
    """
    yield cache, False
    for name in contents.names_in(cache):
        path = os.path.join(cache, name)
        if not _is_directory(path):
            continue
        yield path, path != archives
        if path == archives:
            for archive in contents.names_in(archives):
                part = os.path.join(archives, archive)
                if _is_directory(part):
                    totals.archives += 1
                    totals.wheels += _is_wheel(part)
                    yield part, True


def _is_wheel(archive: str) -> bool:
    return any(name.endswith(".dist-info") for name in contents.names_in(archive))


def _is_directory(path: str) -> bool:
    try:
        return os.lstat(path).st_mode & _TYPE == _DIRECTORY
    except OSError:
        return False


def _batches(parts: Iterable[tuple[str, bool]]) -> Iterator[list[tuple[str, bool]]]:
    waiting = iter(parts)
    while batch := list(islice(waiting, _BATCH)):
        yield batch
