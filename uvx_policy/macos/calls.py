"""Calls of macOS that Python lacks: statfs(2), getattrlist(2), renameatx_np(2) and others.

The layouts are those of sys/mount.h and sys/attr.h. This has been tested with answers in these
layouts, and has not been run on macOS.
"""

from __future__ import annotations

import os
import struct
import sys

from uvx_policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: struct statfs with 64-bit inodes: block size, blocks, free, free for us, f_fsid, flags, and the
#: names of the file system's type, of where it is mounted, and of what is mounted
_STATFS = struct.Struct("=I4xQQQ16xQ8xI4x16s1024s1024s32x")
#: sys/mount.h
MNT_RDONLY, MNT_NOEXEC, MNT_LOCAL, MNT_IGNORE_OWNERSHIP = 0x1, 0x4, 0x1000, 0x200000
_MNT_NOWAIT = 2
#: sys/attr.h
_ATTR_CMN_CRTIME, _ATTR_CMN_FULLPATH = 0x200, 0x08000000
_ATTR_VOL_INFO, _ATTR_VOL_UUID = 0x80000000, 0x00040000
_ATTR_CMNEXT_CLONEID, _FSOPT_ATTR_CMN_EXTENDED = 0x100, 0x20
#: sys/stdio.h, copyfile.h
_RENAME_SWAP, _RENAME_EXCL = 0x2, 0x4
_COPYFILE_METADATA = 0x7
_ATTRIBUTES = struct.Struct("=HHIIIII")
_BITMAP_COUNT = 5
_LONGEST = 4096


class Statfs(Value):
    """What statfs(2) says."""

    #: f_fsid, of 64 bits: no two file systems that are mounted have the same
    number: int
    #: bytes in all, and those that are free for this user
    total: int
    free: int
    flags: int
    #: "apfs", "smbfs" ...
    kind: str
    #: the mount point, never the path of a firmlink; and what is mounted, such as "/dev/disk3s5"
    point: str
    source: str


def statfs(path: str | bytes) -> Statfs:
    """The file system of what is at `path`, links followed. Raises `OSError`."""
    import ctypes

    answer = ctypes.create_string_buffer(_STATFS.size)
    _check(_function("statfs")(os.fsencode(path), answer), path)
    return _parsed(answer.raw)


def mounted() -> list[Statfs]:
    """All file systems, as far as the kernel knows them without asking a server.

    Raises `OSError`.
    """
    import ctypes

    call = _function("getfsstat")
    count = _check(call(None, ctypes.c_int(0), ctypes.c_int(_MNT_NOWAIT)), "/")
    size = (count + 8) * _STATFS.size  # some more may be mounted this moment
    answer = ctypes.create_string_buffer(size)
    count = _check(call(answer, ctypes.c_int(size), ctypes.c_int(_MNT_NOWAIT)), "/")
    content = answer.raw[: count * _STATFS.size]
    return [_parsed(content[at : at + _STATFS.size]) for at in range(0, len(content), _STATFS.size)]


def spelled(path: str | bytes) -> str:
    """The path of what is at `path` as its volume spells it, without links. Raises `OSError`.

    A volume may find `/users/Me` for `/Users/me`. What lies behind a firmlink has that in its path.
    """
    content = _attributes(path, common=_ATTR_CMN_FULLPATH)
    start, length = struct.unpack_from("=iI", content)
    return os.fsdecode(content[start : start + length].partition(b"\0")[0])


def volume_id(point: str | bytes) -> bytes:
    """The UUID of the volume that is mounted at `point`. Raises `OSError` where it has none."""
    return _attributes(point, volume=_ATTR_VOL_INFO | _ATTR_VOL_UUID)[:16]


def born(path: str | bytes) -> int:
    """When what is at `path` was made, in ns. Raises `OSError`."""
    seconds, nanoseconds = struct.unpack_from("=qq", _attributes(path, common=_ATTR_CMN_CRTIME))
    return int(seconds * 10**9 + nanoseconds)


def clone_id(path: str | bytes) -> int:
    """A number that files have in common as long as they are clones. Raises `OSError`."""
    content = _attributes(path, extended=_ATTR_CMNEXT_CLONEID)
    return int.from_bytes(content[:8], sys.byteorder)


def copy_metadata(source: int, target: int, path: str) -> None:
    """Give an open file the permissions, times, access list and attributes of another, and no more.

    Those that it had are removed (copyfile(3)). Raises `OSError`.
    """
    import ctypes

    call = _function("fcopyfile")
    _check(call(source, target, None, ctypes.c_uint32(_COPYFILE_METADATA)), path)


def exchange(first: int, name: str, second: int, other: str, *, only_move: bool = False) -> None:
    """Exchange two names in directories that are open, or rename where nothing is, in one step.

    Raises `OSError`: ENOTSUP where the file system cannot.
    """
    import ctypes

    flags = ctypes.c_uint(_RENAME_EXCL if only_move else _RENAME_SWAP)
    call = _function("renameatx_np")
    _check(call(first, os.fsencode(name), second, os.fsencode(other), flags), name)


def sysctl(name: str) -> bytes:
    """A text that the kernel has by this name, without the NUL at its end. Raises `OSError`."""
    import ctypes

    answer = ctypes.create_string_buffer(256)
    size = ctypes.c_size_t(len(answer))
    call = _function("sysctlbyname")
    _check(call(name.encode(), answer, ctypes.byref(size), None, ctypes.c_size_t(0)), name)
    return answer.raw[: size.value].rstrip(b"\0")


def _attributes(path: str | bytes, *, common: int = 0, volume: int = 0, extended: int = 0) -> bytes:
    """What getattrlist(2) says behind the length of its answer."""
    import ctypes

    asked = _ATTRIBUTES.pack(_BITMAP_COUNT, 0, common, volume, 0, 0, extended)
    answer = ctypes.create_string_buffer(_LONGEST)
    call = _function("getattrlist")
    size = ctypes.c_size_t(len(answer))
    # The words of `forkattr` mean the newer attributes with this option (an unsigned long).
    options = ctypes.c_ulong(_FSOPT_ATTR_CMN_EXTENDED if extended else 0)
    _check(call(os.fsencode(path), asked, answer, size, options), path)
    (length,) = struct.unpack_from("=I", answer.raw)
    return answer.raw[4 : min(length, _LONGEST)]


def _parsed(content: bytes) -> Statfs:
    block, blocks, _, free, number, flags, *names = _STATFS.unpack(content)
    kind, point, source = (os.fsdecode(name.partition(b"\0")[0]) for name in names)
    return Statfs(
        number=number, total=blocks * block, free=free * block, flags=flags, kind=kind, point=point,
        source=source,
    )  # fmt: skip


def _check(result: int, path: str | bytes) -> int:
    if result < 0:
        import ctypes

        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), path)
    return result


def _function(name: str) -> Any:
    libc = _libc()
    # On x86-64 the plain names are those of the structs with 32-bit inodes; on arm64 there are no
    # others.
    return getattr(libc, f"{name}$INODE64", None) or getattr(libc, name)


def _libc() -> Any:
    import ctypes

    return ctypes.CDLL(None, use_errno=True)
