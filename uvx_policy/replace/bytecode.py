"""Keep compiled Python valid when its source becomes another file with the same bytes.

Python compares the source's time in seconds, and its size, with what the `.pyc` has in its header
(PEP 552); the kind with a hash of the source needs nothing.
"""

from __future__ import annotations

import contextlib
import os
import stat
import struct
from functools import partial
from typing import TYPE_CHECKING

from uvx_policy.foreign_file import NO_FOLLOW
from uvx_policy.installed.hash import NO_HASH
from uvx_policy.replace.build import copied
from uvx_policy.replace.held import at
from uvx_policy.replace.place import Place, Seen, put

if TYPE_CHECKING:
    from uvx_policy.replace.opened import Directories
    from uvx_policy.replace.shop import Shop

#: after the magic number: flags, time, size
_HEADER = struct.Struct("<LLL")
_AFTER_MAGIC, _TIME_AT = 4, 8
_TIME = struct.Struct("<L")
_32_BITS = 0xFFFFFFFF
_BILLION = 10**9
_MOST_LISTED = 512
_WRITE = os.O_RDWR | NO_FOLLOW | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)


class Bytecode:
    """The `__pycache__` directories of one run."""

    def __init__(self, directories: Directories) -> None:
        self._directories = directories
        #: root and directory -> name of a module -> its files
        self._listed: dict[tuple[str, str], dict[str, list[str]]] = {}

    def follow(
        self, root: str, below: str, before: os.stat_result, mtime_ns: int, shop: Shop | None
    ) -> int:
        """Make valid again what was compiled from `before`; how many files that were.

        `root`, `below`: the source. `shop`: to build in what must be replaced, as it has several
        names; without one it is left. Never raises: Python compiles again what is not valid.
        """
        old, new = int(before.st_mtime_ns // _BILLION), int(mtime_ns // _BILLION)
        if old == new:
            return 0
        name, cached = _cached(below)
        count = 0
        with contextlib.suppress(OSError):
            header = _HEADER.pack(0, old & _32_BITS, before.st_size & _32_BITS)
            for each in self._names(root, cached).get(name, ()):
                with contextlib.suppress(OSError):
                    place = Place(
                        self._directories.handle(root, cached), each,
                        os.path.join(root, cached, each),
                    )  # fmt: skip
                    count += _changed(place, header, _TIME.pack(new & _32_BITS), shop)
        return count

    def _names(self, root: str, directory: str) -> dict[str, list[str]]:
        key = (root, directory)
        names = self._listed.get(key)
        if names is None:
            if len(self._listed) >= _MOST_LISTED:
                self._listed.clear()
            names = self._listed[key] = {}
            with contextlib.suppress(OSError):
                for name in at.listdir(self._directories.handle(root, directory)):
                    if name.endswith(".pyc"):
                        # `a.b.cpython-311.opt-1.pyc` is of `a.b.py`: nobody imports that.
                        names.setdefault(name.partition(".")[0], []).append(name)
        return names


def _cached(below: str) -> tuple[str, str]:
    """The name of a module, and the directory of what was compiled from it."""
    directory, _, name = below.rpartition(os.sep)
    cached = f"{directory}{os.sep}__pycache__" if directory else "__pycache__"
    return name[:-3], cached


def _changed(place: Place, header: bytes, time: bytes, shop: Shop | None) -> bool:
    """Raises `OSError`."""
    handle = at.open(place.name, _WRITE, dir_fd=place.directory)
    try:
        if at.pread(handle, _HEADER.size, _AFTER_MAGIC) != header:
            return False
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            return False
        if status.st_nlink == 1:
            at.pwrite(handle, time, _TIME_AT)
            return True
    finally:
        os.close(handle)
    if shop is None:
        return False
    # Its other names belong to others, whose sources have other times.
    new = shop.free("part")
    try:
        copied(place, new)
        handle = at.open(new.name, _WRITE, dir_fd=new.directory)
        try:
            at.pwrite(handle, time, _TIME_AT)
        finally:
            os.close(handle)
        put(
            new.renamed(shop.free("part")), place, Seen.of(status), NO_HASH,
            partial(shop.retire, place.path),
        )  # fmt: skip
    finally:
        new.unlink()
    return True
