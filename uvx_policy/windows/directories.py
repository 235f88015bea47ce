r"""Files by their names in directories that are held open, as `dir_fd` of `os` has it elsewhere.

A directory is held without FILE_SHARE_DELETE: while it is open, neither it nor what lies above it
can be renamed or removed. So a path through it leads to it, and each function here is that of `os`
with such a path. Files are opened so that others may rename and remove them meanwhile, as POSIX
has it, and never through a link of their own.
"""

from __future__ import annotations

import ctypes
import os
import sys
from ctypes import wintypes

from uvx_policy.windows import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

assert sys.platform == "win32"  # noqa: S101 (type checkers take it from here)

#: of `open`: hold a directory
O_DIRECTORY = 0x40000000
O_RDWR = os.O_RDWR


def open(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:  # noqa: A001, ARG001
    """See `os.open`; what is made is for whom the directory's access list says."""
    whole = _at(path, dir_fd)
    if flags & O_DIRECTORY:
        return files.hold_directory(whole)
    return files.open_shared(whole, flags)


def stat(path: str, *, dir_fd: int | None = None, follow_symlinks: bool = True) -> os.stat_result:
    """See `os.stat`."""
    return os.stat(_at(path, dir_fd), follow_symlinks=follow_symlinks)


def lstat(path: str, *, dir_fd: int | None = None) -> os.stat_result:
    """See `os.lstat`."""
    return os.lstat(_at(path, dir_fd))


def rename(
    old: str, new: str, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None
) -> None:
    """See `os.rename`, which replaces nothing on Windows."""
    os.rename(_at(old, src_dir_fd), _at(new, dst_dir_fd))


def link(
    old: str,
    new: str,
    *,
    src_dir_fd: int | None = None,
    dst_dir_fd: int | None = None,
    follow_symlinks: bool = True,
) -> None:
    """See `os.link`."""
    os.link(_at(old, src_dir_fd), _at(new, dst_dir_fd), follow_symlinks=follow_symlinks)


def unlink(path: str, *, dir_fd: int | None = None) -> None:
    """See `os.unlink`."""
    os.unlink(_at(path, dir_fd))


def mkdir(path: str, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
    """See `os.mkdir`."""
    os.mkdir(_at(path, dir_fd), mode)


def rmdir(path: str, *, dir_fd: int | None = None) -> None:
    """See `os.rmdir`."""
    os.rmdir(_at(path, dir_fd))


def symlink(text: str, path: str, *, dir_fd: int | None = None) -> None:
    """See `os.symlink`."""
    os.symlink(text, _at(path, dir_fd))


def readlink(path: str, *, dir_fd: int | None = None) -> str:
    """See `os.readlink`."""
    return os.readlink(_at(path, dir_fd))


def listdir(path: int | str) -> list[str]:
    """See `os.listdir`."""
    return os.listdir(_path(path))


def scandir(path: int | str) -> Iterator[os.DirEntry[str]]:
    """See `os.scandir`."""
    return os.scandir(_path(path))


def utime(handle: int, *, ns: tuple[int, int]) -> None:
    """See `os.utime`, of a file that is open for writing."""
    import msvcrt

    read, written = (
        wintypes.FILETIME(time & 0xFFFFFFFF, time >> 32)
        for time in (each // 100 + files.EPOCH for each in ns)
    )
    file = ctypes.c_void_p(msvcrt.get_osfhandle(handle))
    if not _set_time(file, None, ctypes.byref(read), ctypes.byref(written)):
        raise ctypes.WinError(ctypes.get_last_error())


def pread(handle: int, size: int, offset: int) -> bytes:
    """See `os.pread`; nobody else uses the handle's position."""
    os.lseek(handle, offset, os.SEEK_SET)
    return os.read(handle, size)


def pwrite(handle: int, content: bytes, offset: int) -> int:
    """See `os.pwrite`; nobody else uses the handle's position."""
    os.lseek(handle, offset, os.SEEK_SET)
    return os.write(handle, content)


def _at(path: str, directory: int | None) -> str:
    return path if directory is None else os.path.join(files.path_of(directory), path)


def _path(path: int | str) -> str:
    return files.path_of(path) if isinstance(path, int) else path


_set_time = ctypes.WinDLL("kernel32", use_last_error=True).SetFileTime
