"""Clone a file: the only code that asks a file system for it.

Linux: ioctl_ficlone(2), into a file that is open. Windows: FSCTL_DUPLICATE_EXTENTS_TO_FILE, the
same. macOS: fclonefileat(2), which makes the file. The last two are written from documentation: no
volume that can clone was at hand.
"""

from __future__ import annotations

import errno
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: linux/fs.h: _IOW(0x94, 9, int)
FICLONE = 0x40049409
#: sys/fcntl.h of macOS: "relative to the working directory" in place of a handle
_AT_FDCWD = -2
#: sys/clonefile.h: for root too the clone belongs to who makes it
_CLONE_NOOWNERCOPY = 0x0002
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)


def clone_to(source: int, name: str, *, directory: int | None = None) -> None:
    """Make the file `name`, which must not exist, as a clone of what `source` is open for.

    `directory`: a handle that `name` is relative to. On macOS the clone has the mode and the times
    of the source, on Linux it is 0600 and new. Raises `OSError`: ENOTSUP where there are no clones.
    After an error on Linux an empty file may be there.
    """
    if sys.platform == "darwin":
        place = _AT_FDCWD if directory is None else directory
        if _libc().fclonefileat(source, place, os.fsencode(name), _CLONE_NOOWNERCOPY):
            import ctypes

            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), name)
        return
    if sys.platform != "linux":
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP), name)
    handle = os.open(name, _NEW | os.O_CLOEXEC, 0o600, dir_fd=directory)
    try:
        clone_into(source, handle)
    finally:
        os.close(handle)


def clone_into(source: int, target: int) -> None:
    """Let the open file `target` have what `source` has (Linux, Windows). Raises `OSError`."""
    if sys.platform == "win32":
        from uvx_policy.windows import blocks

        size = os.fstat(source).st_size
        os.ftruncate(target, size)
        blocks.share(source, target, size)
        return
    import fcntl

    fcntl.ioctl(target, FICLONE, source)


def _libc() -> Any:
    import ctypes

    return ctypes.CDLL(None, use_errno=True)
