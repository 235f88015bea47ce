"""Read a file that somebody else has put there: it may be a FIFO, a directory, or endless."""

from __future__ import annotations

import os
import stat
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: O_NONBLOCK: a FIFO of that name must not hang us
FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_CLOEXEC", "O_BINARY", "O_NONBLOCK"))
DIRECTORY = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_LEAST, _CHUNK = 4096, 1 << 20


def read_foreign(path: str, most: int, *, cut: bool = False) -> bytes:
    """The bytes of a regular file, at most so many; `cut`: of a larger one, the first.

    Raises `OSError`: absent, not a file, too large, or no path (with a NUL in it).
    """
    try:
        handle = os.open(path, FLAGS)
    except ValueError as error:
        raise OSError(str(error)) from error
    # Not `open(handle)`: it does not close the handle of a directory, which it refuses.
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise OSError("it is not a file")
        if status.st_size > most and not cut:
            raise OSError(f"it is larger than {most >> 20} MiB")
        pieces = []
        while most > 0 and (piece := os.read(handle, min(most, max(status.st_size + 1, _LEAST)))):
            pieces.append(piece)
            most -= len(piece)
        return b"".join(pieces)
    finally:
        os.close(handle)


def pieces(path: str, most: int | None = None) -> Iterator[bytes]:
    """The bytes of a regular file, some at a time, at most so many. Raises `OSError`."""
    handle = os.open(path, FLAGS)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(f"`{path}` is not a file")
        while most is None or most > 0:
            piece = os.read(handle, _CHUNK if most is None else min(_CHUNK, most))
            if not piece:
                return
            most = None if most is None else most - len(piece)
            yield piece
    finally:
        os.close(handle)


def status_of_entry(entry: os.DirEntry[str]) -> os.stat_result:
    """What lstat(2) says of an entry of `os.scandir`. Raises `OSError`.

    On Windows the entry itself has 0 for `st_dev`, `st_ino` and `st_nlink`.
    """
    return os.lstat(entry.path) if sys.platform == "win32" else entry.stat(follow_symlinks=False)


def real_path(path: str) -> str:
    """`os.path.realpath`, also while somebody exchanges what is on the way. Never raises.

    It asks first whether something is a link and reads it then: EINVAL when that changed meanwhile
    (CPython 3.11 to 3.13).
    """
    import contextlib

    for _ in range(_TRIES):
        with contextlib.suppress(OSError):
            return os.path.realpath(path)
    return path


_TRIES = 100
