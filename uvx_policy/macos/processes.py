"""Which files the processes of a Mac have open for writing, by libproc (sys/proc_info.h).

Written from Apple's headers and tested with answers in their layouts, not run on macOS: `is_sure`
has it find files that this process itself has open, and what it does not find it does not tell.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
import tempfile
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_LISTFDS, _FDVNODEINFO, _REGIONPATHINFO = 1, 1, 8
_VNODE = 1
_FWRITE, _VM_PROT_WRITE = 2, 2
#: sizes of struct proc_fdinfo, vnode_fdinfo, proc_regionwithpathinfo; where st_dev is in the latter
_FD, _OPENED, _REGION = 8, 176, 1272
_DEVICE_OF_OPENED, _DEVICE_OF_REGION = 24, 96
_ADDRESS = 80


def written() -> Iterator[tuple[int, int]]:
    """Device and inode of what is open for writing, or mapped so, by processes of this user.

    A library that is loaded counts, for its data is mapped so. What ends meanwhile is passed over.
    """
    libc = _libc()
    most = 2 * max(libc.proc_listallpids(None, 0), 64)
    numbers = (ctypes.c_int * most)()
    count = libc.proc_listallpids(numbers, ctypes.sizeof(numbers))
    for number in numbers[: max(count, 0)]:
        yield from _written_by(number)


@cache
def is_sure() -> bool:
    """Is a file found that this process has open for writing, and one that it has only mapped?"""
    try:
        with tempfile.TemporaryFile() as opened, tempfile.TemporaryFile() as other:
            other.write(b"x")
            other.flush()
            first, second = os.fstat(opened.fileno()), os.fstat(other.fileno())
            with mmap.mmap(other.fileno(), 1):
                other.close()
                found = set(_written_by(os.getpid()))
    except (OSError, AttributeError, ValueError):
        return False
    return {(first.st_dev, first.st_ino), (second.st_dev, second.st_ino)} <= found


def _written_by(process: int) -> Iterator[tuple[int, int]]:
    libc = _libc()
    zero = ctypes.c_uint64(0)
    size = libc.proc_pidinfo(process, _LISTFDS, zero, None, 0)
    if size <= 0:
        return
    listed = ctypes.create_string_buffer(2 * size)
    size = libc.proc_pidinfo(process, _LISTFDS, zero, listed, len(listed))
    opened = ctypes.create_string_buffer(_OPENED)
    for at in range(0, size, _FD):
        if _number(listed, at + 4) != _VNODE:
            continue
        told = libc.proc_pidfdinfo(process, _number(listed, at), _FDVNODEINFO, opened, _OPENED)
        if told == _OPENED and _number(opened, 0) & _FWRITE:
            yield _file(opened, _DEVICE_OF_OPENED)
    region, address = ctypes.create_string_buffer(_REGION), 0
    while True:
        asked = ctypes.c_uint64(address)
        told = libc.proc_pidinfo(process, _REGIONPATHINFO, asked, region, _REGION)
        if told != _REGION:
            return
        if _number(region, 0) & _VM_PROT_WRITE and _number(region, _DEVICE_OF_REGION + 8, 8):
            yield _file(region, _DEVICE_OF_REGION)
        after = _number(region, _ADDRESS, 8) + _number(region, _ADDRESS + 8, 8)
        if after <= address:
            return
        address = after


def _file(answer: Any, at: int) -> tuple[int, int]:
    return _number(answer, at), _number(answer, at + 8, 8)


def _number(answer: Any, at: int, size: int = 4) -> int:
    return int.from_bytes(answer.raw[at : at + size], sys.byteorder)


def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)
