"""What the demo looks at: inodes, link counts, extents and contents. Never what uv prints."""

from __future__ import annotations

import errno
import os
import struct
import sys

from uvx_policy.errors import LinkPolicyError

_EDIT = b"GREETING = 'edited by accident'\n"


class CannotTell(LinkPolicyError):
    """The file system does not say. `str()` is one line for people."""


def edit(path: str) -> None:
    """Change a file in place, as `echo ... >> file` and some editors do: its inode stays."""
    with open(path, "ab") as stream:
        stream.write(_EDIT)


def is_edited(path: str) -> bool:
    """Does the file hold what `edit` writes?"""
    with open(path, "rb") as stream:
        return _EDIT in stream.read()


def private_bytes(directory: str) -> int:
    """Bytes on disk of the files in a tree that nothing else shares, as far as links can tell.

    A file counts in full unless it has another name or shares an extent with another file.
    Raises `CannotTell` where shared extents cannot be seen.
    """
    total = 0
    for parent, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(parent, name)
            status = os.lstat(path)
            if status.st_nlink == 1 and os.path.isfile(path) and not os.path.islink(path):
                total += 0 if _shares_extents(path) else status.st_blocks * 512
    return total


#: linux/fiemap.h: _IOWR('f', 11, struct fiemap); the struct, then one for each extent
_FS_IOC_FIEMAP = 0xC020660B
_HEAD = struct.Struct("=QQLLLL")
_EXTENT = struct.Struct("=QQQQQLLLL")
_FLAG_SYNC = 0x1
_EXTENT_SHARED = 0x2000
#: extents asked for: an unshared one beside a shared one does not change the answer
_ASKED = 32


def _shares_extents(path: str) -> bool:
    if sys.platform != "linux":
        raise CannotTell("shared blocks can be seen on Linux only")
    import fcntl

    request = bytearray(_HEAD.size + _ASKED * _EXTENT.size)
    _HEAD.pack_into(request, 0, 0, 2**64 - 1, _FLAG_SYNC, 0, _ASKED, 0)
    with open(path, "rb") as stream:
        try:
            fcntl.ioctl(stream, _FS_IOC_FIEMAP, request)
        except OSError as error:
            if error.errno in (errno.EOPNOTSUPP, errno.ENOTTY):
                why = f"the file system of `{path}` does not tell its extents"
                raise CannotTell(why) from error
            raise
    found = _HEAD.unpack_from(request)[3]
    flags = (_EXTENT.unpack_from(request, _HEAD.size + n * _EXTENT.size)[5] for n in range(found))
    return any(flag & _EXTENT_SHARED for flag in flags)
