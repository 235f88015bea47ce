"""Blocks that a file shares with another one, as the file system tells (FIEMAP, Linux).

Documentation/filesystems/fiemap.rst of the kernel says what the numbers here mean. Delayed
allocation is not flushed first: what is not on the disk yet is shared with nobody.
"""

from __future__ import annotations

import errno
import os
import struct
import sys
from typing import TYPE_CHECKING, NamedTuple

from uvx_policy.filesystem.mounted import mounted
from uvx_policy.filesystem.mounts import NEVER_SHARE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from uvx_policy.model import Mount

if sys.platform == "linux":
    import fcntl

#: the file system cannot tell, for this file or for all
_CANNOT = (errno.EOPNOTSUPP, errno.ENOTTY, errno.ENOSYS, errno.EINVAL)

#: linux/fiemap.h: _IOWR('f', 11, struct fiemap); the struct, then one for each extent
_FS_IOC_FIEMAP = 0xC020660B
_HEAD = struct.Struct("=QQLLLL")
_EXTENT = struct.Struct("=QQQQQLLLL")
_LAST = 0x1
_UNKNOWN = 0x2
_DELAYED = 0x4
_INLINE = 0x200
_SHARED = 0x2000
#: extents asked for at once: most files have one
_FEW = 4
_MANY = 512
_END_OF_FILE = 2**64 - 1


class Extent(NamedTuple):
    """A part of a file that lies in one piece on its file system."""

    #: where it lies; means something when `is_placed`
    physical: int
    #: bytes of the file, not of the disk: of a compressed extent they are more
    length: int
    flags: int

    @property
    def is_shared(self) -> bool:
        """Tell whether another file has it as well, or another place of the same."""
        return bool(self.flags & _SHARED)

    @property
    def is_inline(self) -> bool:
        """Tell whether it lies among the metadata (btrfs): no link can save it but a name."""
        return bool(self.flags & _INLINE)

    @property
    def is_placed(self) -> bool:
        """Tell whether it has a place on the disk of its own."""
        return not self.flags & (_UNKNOWN | _DELAYED | _INLINE)


def shared_bytes(path: str) -> int | None:
    """Bytes of a file in shared extents. As `extents_of`, which says more."""
    found = extents_of(path)
    return None if found is None else sum(one.length for one in found if one.is_shared)


def extents_of(path: str) -> list[Extent] | None:
    """Extents of a file, no link; `None` where nobody can tell. Raises `OSError` if unreadable."""
    if sys.platform != "linux":
        return None
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return _ask(handle)
    finally:
        os.close(handle)


def devices_that_never_share(rows: Iterable[Mount] | None = None) -> frozenset[int]:
    """`st_dev` of mounted file systems on which no two files can share blocks.

    `rows`: of the mount table, by default read now. What is not in the answer must be asked: the
    mount table does not know the numbers that btrfs gives its subvolumes.
    """
    if sys.platform != "linux":
        return frozenset()
    rows = mounted() if rows is None else rows
    numbers = [row.device.partition(":") for row in rows if row.fstype in NEVER_SHARE]
    return frozenset(os.makedev(int(major), int(minor)) for major, _, minor in numbers)


def _ask(handle: int) -> list[Extent] | None:
    extents = []
    start, count = 0, _FEW
    while True:
        request = bytearray(_HEAD.size + count * _EXTENT.size)
        _HEAD.pack_into(request, 0, start, _END_OF_FILE - start, 0, 0, count, 0)
        try:
            fcntl.ioctl(handle, _FS_IOC_FIEMAP, request)
        except OSError as error:
            if error.errno in _CANNOT:
                return None
            raise
        found = _HEAD.unpack_from(request)[3]
        flags = _LAST
        for number in range(found):
            row = _EXTENT.unpack_from(request, _HEAD.size + number * _EXTENT.size)
            logical, physical, length, flags = row[0], row[1], row[2], row[5]
            extents.append(Extent(physical, length, flags))
            start = logical + length
        if flags & _LAST:
            return extents
        count = _MANY
