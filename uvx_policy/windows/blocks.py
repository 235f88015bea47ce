"""Files that share their blocks: ReFS, and what a Dev Drive is made of."""

from __future__ import annotations

import ctypes
import msvcrt
import sys
from ctypes import wintypes

from uvx_policy.windows import files

assert sys.platform == "win32"  # noqa: S101 (type checkers take it from here)


def may_be_shared(directory: str) -> bool:
    """Does the volume of an existing directory say that files can share blocks?

    Raises `OSError`.
    """
    return bool(files.volume(directory).flags & _BLOCK_REFCOUNTING)


def share(source: int, target: int, size: int) -> None:
    """Let the first `size` bytes of one open file be those of another, as uv's `clone` does.

    `target` must be as long; `size` a multiple of the volume's clusters. Raises `OSError`.
    """
    asked = _DuplicateExtents(msvcrt.get_osfhandle(source), 0, 0, size)
    returned = wintypes.DWORD()
    if not _device_control(
        msvcrt.get_osfhandle(target), _DUPLICATE_EXTENTS, ctypes.byref(asked),
        ctypes.sizeof(asked), None, 0, ctypes.byref(returned), None,
    ):  # fmt: skip
        raise ctypes.WinError(ctypes.get_last_error())


class _DuplicateExtents(ctypes.Structure):
    """DUPLICATE_EXTENTS_DATA (winioctl.h)."""

    _fields_ = (
        ("source", ctypes.c_void_p),
        ("from_offset", ctypes.c_longlong),
        ("to_offset", ctypes.c_longlong),
        ("count", ctypes.c_longlong),
    )


# FILE_SUPPORTS_BLOCK_REFCOUNTING of winnt.h and FSCTL_DUPLICATE_EXTENTS_TO_FILE of winioctl.h
_BLOCK_REFCOUNTING, _DUPLICATE_EXTENTS = 0x08000000, 0x00098344

_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_device_control = _kernel32.DeviceIoControl
_device_control.argtypes = (
    ctypes.c_void_p, wintypes.DWORD, ctypes.c_void_p, wintypes.DWORD,
    ctypes.c_void_p, wintypes.DWORD, ctypes.c_void_p, ctypes.c_void_p,
)  # fmt: skip
