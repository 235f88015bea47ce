"""flock(2) on an open file: for one process alone, or for all who take it shared.

On Windows LockFileEx on all of the file, as Rust's `File::lock` has it, which uv uses.
"""

from __future__ import annotations

import sys


def take_alone(handle: int) -> bool:
    """Take the lock for this handle alone; `False` when somebody holds it.

    Where there are no locks (some file systems, directories of Windows) it counts as taken.
    """
    return _take(handle, alone=True)


def take_shared(handle: int) -> bool:
    """Take the lock with all who take it shared; `False` when somebody holds it alone.

    Where there are no locks (some file systems, directories of Windows) it counts as taken.
    """
    return _take(handle, alone=False)


def _take(handle: int, *, alone: bool) -> bool:
    if sys.platform == "win32":
        return _take_on_windows(handle, alone=alone)
    import fcntl

    try:
        fcntl.flock(handle, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def _take_on_windows(handle: int, *, alone: bool) -> bool:
    if sys.platform == "win32":
        import ctypes
        import msvcrt

        api = ctypes.WinDLL("kernel32", use_last_error=True)
        flags = _FAIL_IMMEDIATELY | (_EXCLUSIVE if alone else 0)
        # OVERLAPPED: from the first byte on
        overlapped = ctypes.create_string_buffer(_SIZE_OF_OVERLAPPED)
        file = ctypes.c_void_p(msvcrt.get_osfhandle(handle))
        # Whoever holds a lock shared gets it alone only when he has given it back.
        api.UnlockFileEx(file, 0, _ALL, _ALL, overlapped)
        if not api.LockFileEx(file, flags, 0, _ALL, _ALL, overlapped):
            return ctypes.get_last_error() not in _HELD
    return True


# minwinbase.h, winerror.h: ERROR_LOCK_VIOLATION, ERROR_IO_PENDING
_FAIL_IMMEDIATELY, _EXCLUSIVE, _ALL, _SIZE_OF_OVERLAPPED = 1, 2, 0xFFFFFFFF, 32
_HELD = (33, 997)
