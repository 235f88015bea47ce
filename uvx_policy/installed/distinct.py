"""Bytes of files that several environments share, each counted once, in bounded memory.

The inodes of 1,000 environments do not fit into flat memory, and adding up what each one shares
counts a file of the cache a thousand times. So a sample is kept for each environment, and samples
are merged: priority sampling (Duffield, Lund, Thorup, "Priority sampling for estimation of
arbitrary subset sums", J. ACM 54(6), 2007). Each file has a fixed pseudo-random number u in (0, 1],
made from its inode, and the priority bytes / u; the `MOST` files with the highest priorities stay.
The same file has the same priority in every environment, so the sample of a union is found from
the samples alone. Up to `MOST` files the sum is exact; beyond it the standard error is at most
1 / sqrt(MOST - 1) of it, 4 percent, and less where a few large files make most of the bytes.
"""

from __future__ import annotations

import contextlib
import heapq
import os
from typing import TYPE_CHECKING, NamedTuple

from uvx_policy.installed.extents import extents_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from uvx_policy.installed.extents import Extent

#: files in one sample; one more is kept, whose priority is the threshold
MOST = 512

_BITS = 64
_ALL = (1 << _BITS) - 1
_EXTENT = 0x9E6C63D0876A9A47  # in the place of a file system, for keys of extents


class Bytes(NamedTuple):
    """A sum of bytes; `exact` or an estimate."""

    bytes: int
    exact: bool


class Distinct:
    """The sum of the bytes of all things added, each once."""

    def __init__(self) -> None:
        #: (priority, key, bytes), lowest priority first
        self._heap: list[tuple[float, int, int]] = []
        self._keys: set[int] = set()

    def add(self, key: int, size: int) -> None:
        """Add a thing of `size` bytes; `key` is one of `inode_key` or `extent_key`."""
        if size <= 0 or key in self._keys:
            return
        entry = (size * 2.0**_BITS / (key + 1), key, size)
        if len(self._heap) <= MOST:
            heapq.heappush(self._heap, entry)
        elif entry > self._heap[0]:
            self._keys.discard(heapq.heapreplace(self._heap, entry)[1])
        else:
            return
        self._keys.add(key)

    def merge(self, sample: str) -> None:
        """Add what another one's `sample` stands for. What is no sample is passed over."""
        try:
            numbers = [int(word, 16) for word in sample.split()]
        except ValueError:
            return
        for key, size in zip(numbers[::2], numbers[1::2], strict=False):
            self.add(key & _ALL, size)

    def sample(self) -> str:
        """At most `MOST` + 1 pairs of key and bytes, in hexadecimal: all that `merge` needs."""
        return " ".join(f"{key:x} {size:x}" for _, key, size in self._heap)

    def total(self) -> Bytes:
        """The sum of all that was added and merged."""
        if len(self._heap) <= MOST:
            return Bytes(sum(size for _, _, size in self._heap), exact=True)
        threshold = self._heap[0][0]
        known = (max(size, threshold) for _, _, size in self._heap[1:])
        return Bytes(round(sum(known)), exact=False)


class SharedFiles:
    """What one environment shares, for `Survey.shared_sample`.

    Where files can be cloned, the same bytes may have several names here and be cloned there: then
    extents are counted, whatever the file shares with others. Elsewhere inodes are.
    """

    def __init__(self, directories: Sequence[str]) -> None:
        """`directories`: one on each file system that files with several names may lie on."""
        self._distinct = Distinct()
        #: (device, inode) -> bytes, and the path when extents are to be asked for
        self._named: dict[tuple[int, int], tuple[int, str]] = {}
        #: `st_dev` -> `f_fsid`
        self._file_systems: dict[int, int] = {}
        for directory in directories:
            with contextlib.suppress(OSError):
                self._learn(os.stat(directory).st_dev, directory)

    def add_file(self, told: os.stat_result, size: int, path: str) -> None:
        """A file with several names; `path` is "" where no two files can share blocks."""
        self._named[told.st_dev, told.st_ino] = (size, path)

    def drop_file(self, told: os.stat_result) -> None:
        """All names of a file have been found in the environment: it is not shared after all."""
        self._named.pop((told.st_dev, told.st_ino), None)

    def add_target(
        self, told: os.stat_result, size: int, link: str, *, may_be_cloned: bool
    ) -> None:
        """A file in a cache that the symbolic link `link` leads to. Raises `OSError`."""
        self._learn(told.st_dev, link)
        path = os.path.realpath(link) if may_be_cloned else ""
        self._named[told.st_dev, told.st_ino] = (size, path)

    def add_extents(self, extents: Sequence[Extent], size: int) -> None:
        """Extents that take `size` bytes on the disk."""
        total = sum(one.length for one in extents)
        for one in extents:
            self._distinct.add(extent_key(one.physical), one.length * size // total)

    def sample(self) -> str:
        """As `Distinct.sample`."""
        for (device, inode), (size, path) in self._named.items():
            extents = _extents(path) if path else []
            if extents:
                self.add_extents(extents, size)
            else:
                key = inode_key(self._file_systems.get(device, device), inode)
                self._distinct.add(key, size)
        self._named.clear()
        return self._distinct.sample()

    def _learn(self, device: int, path: str) -> None:
        if device not in self._file_systems:
            self._file_systems[device] = file_system_of(path, device)


def file_system_of(path: str, device: int) -> int:
    """`f_fsid` of what `path` lies on, which outlives a reboot. Raises `OSError`.

    Where the file system has none, or the system no such call, the device (`st_dev`) has to do.
    """
    return (os.statvfs(path).f_fsid if hasattr(os, "statvfs") else 0) or device


def _extents(path: str) -> list[Extent]:
    """Where a file lies; [] when that cannot be told."""
    try:
        return [one for one in extents_of(path) or () if one.is_placed and one.length]
    except OSError:
        return []


def inode_key(file_system: int, inode: int) -> int:
    """Key of a file. `file_system`: `f_fsid`, which outlives a reboot; `st_dev` does not."""
    return _mixed(_mixed(file_system & _ALL) ^ inode)


def extent_key(physical: int) -> int:
    """Key of an extent, by its place on its file system."""
    return _mixed(_EXTENT ^ physical)


def _mixed(number: int) -> int:
    """Spread over 64 bits: neighbours get unrelated keys (the finalizer of MurmurHash3)."""
    number = (number ^ number >> 33) * 0xFF51AFD7ED558CCD & _ALL
    number = (number ^ number >> 33) * 0xC4CEB9FE1A85EC53 & _ALL
    return number ^ number >> 33
