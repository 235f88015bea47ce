"""How large a cache is, how much of it would be free without it, and when it was used."""

from __future__ import annotations

import contextlib
import math
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING

from uvx_policy.caches import contents
from uvx_policy.foreign_file import status_of_entry
from uvx_policy.installed.extents import devices_that_never_share, shared_bytes
from uvx_policy.installed.tree import ARCHIVES, archives
from uvx_policy.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_BLOCK = 512
_TYPE, _FILE = 0o170000, 0o100000
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
    progress: Callable[[int], object] = lambda _: None,
    seconds: float = math.inf,
) -> Measure:
    """Look at every file below `cache`, no symbolic link followed. Never raises.

    `extents`: ask the file system which blocks of a file are shared, at about 10 us for each.
    `progress` is called with the number of files so far, from any thread. After `seconds` no
    further directory is opened. What vanishes meanwhile is passed over.
    """
    totals = _Totals(extents=extents, progress=progress, until=time.monotonic() + seconds)
    parts = _parts(cache, totals.sum)
    batches = iter(lambda: list(islice(parts, _BATCH)), [])
    with ThreadPoolExecutor(max_workers=workers) as pool:
        for _ in pool.map(totals.look_below, batches):
            pass
    return totals.result()


class _Totals:
    """Sums over all workers. A worker counts alone and adds what it found at the end of a batch."""

    def __init__(self, *, extents: bool, progress: Callable[[int], object], until: float) -> None:
        self._until = until
        self._lock = threading.Lock()
        self._extents = extents
        self._progress = progress
        self._never_share = devices_that_never_share()
        self.sum = _Sum()
        #: (device, inode) -> [names seen, names in all, bytes] of files with several names
        self._named: dict[tuple[int, int], list[int]] = {}

    def look_below(self, tops: list[tuple[str, bool]]) -> None:
        """Look at all below some directories; with `False` only at what lies right in it."""
        mine = _Sum()
        waiting = list(tops)
        while waiting:
            if time.monotonic() > self._until:
                mine.is_complete = False
                break
            directory, deeper = waiting.pop()
            try:
                mine.physical_bytes += getattr(os.lstat(directory), "st_blocks", 0) * _BLOCK
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
            self.sum.add(mine)
            self._progress(self.sum.files)

    def _look_at(self, entry: os.DirEntry[str], mine: _Sum) -> None:
        try:
            told = status_of_entry(entry)
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
        mine.logical_bytes += told.st_size
        mine.physical_bytes += physical
        if told.st_nlink == 1 and physical and told.st_mode & _TYPE == _FILE:
            self._ask_for_extents(entry.path, told, physical, mine)

    def _ask_for_extents(self, path: str, told: os.stat_result, physical: int, mine: _Sum) -> None:
        if told.st_dev in self._never_share:
            return
        shared = None
        with contextlib.suppress(OSError):
            shared = shared_bytes(path) if self._extents else None
        if shared is None:
            mine.extents_known = False
        else:
            mine.shared_bytes += min(shared, physical)

    def result(self) -> Measure:
        """The sums, when all workers are done."""
        for seen, names, size in self._named.values():
            self.sum.shared_bytes += size if seen < names else 0
        return Measure(**vars(self.sum))


class _Sum:
    """Counts of one worker for one batch, or of all; what they are, `Measure` says."""

    def __init__(self) -> None:
        self.logical_bytes = self.physical_bytes = self.shared_bytes = 0
        self.files = self.unreadable = 0
        #: counted while the batches are made, by one thread alone
        self.archives = self.wheels = 0
        self.last_used = 0.0
        self.extents_known = self.is_complete = True

    def add(self, other: _Sum) -> None:
        for name in ("logical_bytes", "physical_bytes", "shared_bytes", "files", "unreadable"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.last_used = max(self.last_used, other.last_used)
        self.extents_known &= other.extents_known
        self.is_complete &= other.is_complete


def _parts(cache: str, totals: _Sum) -> Iterator[tuple[str, bool]]:
    """The cache cut into directories to be looked below: each bucket, and each archive.

    `False`: only at the files right in it, because its directories are parts of their own.
    """
    yield cache, False
    for name in contents.names_in(cache):
        path = os.path.join(cache, name)
        if os.path.islink(path) or not os.path.isdir(path):
            continue
        yield path, name != ARCHIVES
        for archive in sorted(archives(cache)) if name == ARCHIVES else ():
            names = contents.names_in(archive)
            totals.archives += 1
            totals.wheels += any(name.endswith(".dist-info") for name in names)
            yield archive, True
