"""The drives of Windows: which there are, and whether one may hold a cache."""

from __future__ import annotations

import ctypes
import sys
from ctypes import wintypes

from uvx_policy.windows import files

assert sys.platform == "win32"  # noqa: S101 (type checkers take it from here)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def roots() -> Iterator[str]:
    r"""Give the root of each local, lasting drive that has a letter: `D:\`."""
    letters = _logical_drives()
    for number in range(26):
        root = f"{chr(ord('A') + number)}:\\"
        if letters >> number & 1 and _drive_type(root) == _FIXED:
            yield root


def why_unfit(directory: str) -> str:
    """Why no cache is put on the drive of an existing directory, "" for a local, lasting one."""
    buffer = ctypes.create_unicode_buffer(_LONGEST)
    if not _volume_path(directory, buffer, _LONGEST):
        return "its drive is not known"
    root = buffer.value
    kind = _drive_type(root)
    if kind != _FIXED:
        return f"`{root}` is {_KINDS.get(kind, 'not known to be a local disk')}"
    try:
        volume = files.volume(directory)
    except OSError:
        return "its file system is not known"
    # Not whether it says that it has hard links: they are tried.
    return f"`{root}` is read-only" if volume.flags & _READ_ONLY else ""


# winbase.h, winnt.h
_FIXED = 3
_KINDS = {2: "a removable drive", 4: "a network drive", 5: "a CD drive", 6: "in memory"}
_READ_ONLY = 0x80000
_LONGEST = 32768

_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_logical_drives = _kernel32.GetLogicalDrives
_logical_drives.restype = wintypes.DWORD
_drive_type = _kernel32.GetDriveTypeW
_drive_type.argtypes = (wintypes.LPCWSTR,)
_drive_type.restype = wintypes.UINT
_volume_path = _kernel32.GetVolumePathNameW
_volume_path.argtypes = (wintypes.LPCWSTR, wintypes.LPWSTR, wintypes.DWORD)
