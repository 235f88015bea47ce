"""A file that only one process can have open, and that is gone when that one ends."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_GENERIC_WRITE, _DELETE = 0x40000000, 0x10000
_OPEN_ALWAYS = 4
_FILE_ATTRIBUTE_HIDDEN, _FILE_FLAG_DELETE_ON_CLOSE = 0x2, 0x04000000
#: somebody has it open; or had, and Windows has not removed it yet
_BUSY = (32, 5)


@contextlib.contextmanager
def alone(path: str) -> Iterator[bool]:
    """Have the file open, shared with nobody. Yields False when another process has it.

    Windows itself deletes it, also after a kill. Raises `OSError` when it cannot be made.
    """
    if sys.platform == "win32":
        import ctypes

        api = ctypes.WinDLL("kernel32", use_last_error=True)
        api.CreateFileW.restype = ctypes.c_void_p
        handle = api.CreateFileW(
            ctypes.c_wchar_p(path), _GENERIC_WRITE | _DELETE, 0, None, _OPEN_ALWAYS,
            _FILE_ATTRIBUTE_HIDDEN | _FILE_FLAG_DELETE_ON_CLOSE, None,
        )  # fmt: skip
        if handle == ctypes.c_void_p(-1).value:
            code = ctypes.get_last_error()
            if code not in _BUSY:
                raise ctypes.WinError(code)
            yield False
            return
        try:
            yield True
        finally:
            api.CloseHandle(ctypes.c_void_p(handle))
    else:
        raise NotImplementedError(path)
