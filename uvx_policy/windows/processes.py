"""The processes that this one descends from, on Windows."""

from __future__ import annotations

import ctypes
import os
import sys
from ctypes import wintypes

from uvx_policy.processes import MOST_GENERATIONS, Process, is_redirector, may_be_python

assert sys.platform == "win32"  # noqa: S101 (type checkers take it from here)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def ancestors() -> Iterator[Process]:
    """The processes that this one descends from, the nearest first, as far as they can be seen.

    Without the redirector that has started this interpreter. What belongs to another user or has
    ended ends the list, as does a process that was started later than its child: its number was
    given to another.
    """
    parents = {number: parent for number, parent, _ in _snapshot()}
    number, (started, _) = _first_above(parents)
    for _ in range(MOST_GENERATIONS):
        above, image = _seen(number) if number else (0, "")
        if not image or above > started:
            return
        yield Process(number=number, started=above, image=image, file=image)
        number, started = parents.get(number, 0), above


def python_above() -> bool:
    """Tell whether a process above, by the name of its program, may be a Python program.

    It may be none all the same, and no ancestor: the launcher looks no closer, either
    (`shims/windows.c`).
    """
    listed = {number: (parent, name) for number, parent, name in _snapshot()}
    number, _ = _first_above({each: parent for each, (parent, _) in listed.items()})
    for _ in range(MOST_GENERATIONS):
        parent, name = listed.get(number, (0, ""))
        if may_be_python(name):
            return True
        if parent in (0, number):
            return False
        number = parent
    return False


def _first_above(parents: dict[int, int]) -> tuple[int, tuple[int, str]]:
    """The parent, or the redirector's; and when its child was started, and what that runs."""
    child = _seen(os.getpid())
    number = parents.get(os.getpid(), 0)
    parent = _seen(number) if number else (0, "")
    if is_redirector(parent[1], own=child[1], executable=sys.executable):
        return parents.get(number, 0), parent
    return number, child


def _snapshot() -> Iterator[tuple[int, int, str]]:
    """Number, parent's number, and name of the program's file, of each process."""
    snapshot = _create_snapshot(_ALL_PROCESSES, 0)
    if snapshot == _INVALID_HANDLE:
        return
    try:
        entry = _Entry(size=ctypes.sizeof(_Entry))
        there = _first(snapshot, ctypes.byref(entry))
        while there:
            yield entry.number, entry.parent, entry.name
            there = _next(snapshot, ctypes.byref(entry))
    finally:
        _close(snapshot)


def _seen(number: int) -> tuple[int, str]:
    """When a process was started, in 100 ns, and what it runs; 0 and "" for one we may not see."""
    handle = _open_process(_QUERY_LIMITED, False, number)
    if not handle:
        return 0, ""
    try:
        times = [wintypes.FILETIME() for _ in range(4)]
        size = wintypes.DWORD(_LONGEST)
        image = ctypes.create_unicode_buffer(_LONGEST)
        if not _process_times(handle, *map(ctypes.byref, times)):
            return 0, ""
        if not _image_name(handle, 0, image, ctypes.byref(size)):
            return 0, ""
        return times[0].dwHighDateTime << 32 | times[0].dwLowDateTime, image.value
    finally:
        _close(handle)


class _Entry(ctypes.Structure):
    """PROCESSENTRY32W (tlhelp32.h)."""

    _fields_ = (
        ("size", wintypes.DWORD),
        ("usage", wintypes.DWORD),
        ("number", wintypes.DWORD),
        ("heap", ctypes.c_size_t),
        ("module", wintypes.DWORD),
        ("threads", wintypes.DWORD),
        ("parent", wintypes.DWORD),
        ("priority", wintypes.LONG),
        ("flags", wintypes.DWORD),
        ("name", ctypes.c_wchar * 260),
    )


# tlhelp32.h, winnt.h
_ALL_PROCESSES, _QUERY_LIMITED = 2, 0x1000
_INVALID_HANDLE = ctypes.c_void_p(-1).value
#: characters of a path
_LONGEST = 32768

_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_close = _kernel32.CloseHandle
_close.argtypes = (ctypes.c_void_p,)
_create_snapshot = _kernel32.CreateToolhelp32Snapshot
_create_snapshot.argtypes = (wintypes.DWORD, wintypes.DWORD)
_create_snapshot.restype = ctypes.c_void_p
_first, _next = _kernel32.Process32FirstW, _kernel32.Process32NextW
_first.argtypes = _next.argtypes = (ctypes.c_void_p, ctypes.c_void_p)
_open_process = _kernel32.OpenProcess
_open_process.argtypes = (wintypes.DWORD, wintypes.BOOL, wintypes.DWORD)
_open_process.restype = ctypes.c_void_p
_process_times = _kernel32.GetProcessTimes
_process_times.argtypes = (ctypes.c_void_p, *(ctypes.c_void_p,) * 4)
_image_name = _kernel32.QueryFullProcessImageNameW
_image_name.argtypes = (ctypes.c_void_p, wintypes.DWORD, ctypes.c_wchar_p, ctypes.c_void_p)
