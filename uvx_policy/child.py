"""A child of this process on Windows that ends with it, as what is executed in its place would."""

from __future__ import annotations

import ctypes
import sys
from ctypes import wintypes

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess

assert sys.platform == "win32"  # noqa: S101 (type checkers take it from here)


def tie(process: subprocess.Popen[bytes]) -> None:
    """Let whoever ends this process end the child as well; what that starts may live on."""
    job = _job()  # closed by Windows when we end
    if job:
        _assign(job, int(process._handle))  # type: ignore[attr-defined] # noqa: SLF001


def leave(code: int) -> None:
    """End this process with all 32 bits of an exit code; `sys.exit` keeps 31."""
    _exit_process(code)


class _BasicLimits(ctypes.Structure):
    _fields_ = (
        ("process_time", ctypes.c_int64), ("job_time", ctypes.c_int64), ("flags", wintypes.DWORD),
        ("least_set", ctypes.c_size_t), ("largest_set", ctypes.c_size_t),
        ("most_processes", wintypes.DWORD), ("affinity", ctypes.c_size_t),
        ("priority", wintypes.DWORD), ("scheduling", wintypes.DWORD),
    )  # fmt: skip


class _Limits(ctypes.Structure):
    _fields_ = (
        ("basic", _BasicLimits), ("io", ctypes.c_uint64 * 6), ("memory", ctypes.c_size_t * 4),
    )  # fmt: skip


# winnt.h
_KILL_ON_CLOSE, _SILENT_BREAKAWAY, _EXTENDED_LIMITS = 0x2000, 0x1000, 9

_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_create_job = _kernel32.CreateJobObjectW
_create_job.argtypes = (ctypes.c_void_p, wintypes.LPCWSTR)
_create_job.restype = wintypes.HANDLE
_set_job = _kernel32.SetInformationJobObject
_set_job.argtypes = (wintypes.HANDLE, ctypes.c_int, ctypes.c_void_p, wintypes.DWORD)
_assign = _kernel32.AssignProcessToJobObject
_assign.argtypes = (wintypes.HANDLE, wintypes.HANDLE)
_exit_process = _kernel32.ExitProcess
_exit_process.argtypes = (wintypes.UINT,)


def _job() -> int | None:
    """`None` where there can be none: then the program may outlive us."""
    job = _create_job(None, None)
    limits = _Limits()
    limits.basic.flags = _KILL_ON_CLOSE | _SILENT_BREAKAWAY
    if job and _set_job(job, _EXTENDED_LIMITS, ctypes.byref(limits), ctypes.sizeof(limits)):
        return int(job)
    return None
