"""Private files in the state directory: read if ours alone, written whole or not at all."""

from __future__ import annotations

import errno

from uvx_policy.minimal_os import os

_TEMPORARY = ".new-"
_STALE_NS = 3600 * 10**9


def read(path: str, most: int) -> bytes:
    """Content of a file that is ours alone, in a directory that is; b"" when it is longer.

    Raises `OSError` (absent, say) and, for what is not ours alone, `PermissionError`.
    """
    if not is_ours(os.lstat(os.path.dirname(path)), 0o040000):
        raise PermissionError(path)
    # O_NONBLOCK: a FIFO must not hang us.
    flags = os.O_RDONLY | _flag("O_NOFOLLOW") | _flag("O_NONBLOCK") | _flag("O_CLOEXEC")
    handle = os.open(path, flags | _flag("O_BINARY"))
    try:
        if not is_ours(os.fstat(handle), 0o100000):
            raise PermissionError(path)
        content = os.read(handle, most + 1)
    finally:
        os.close(handle)
    return content if len(content) <= most else b""


def write(state: str, directory: str, name: str, content: bytes) -> None:
    """Put the file `name` into `directory` below `state`, instead of what was there.

    Both directories are made with mode 0700 where missing. Raises `OSError`: then nothing changed.
    """
    path = _make_directory(state, directory)
    temporary = os.path.join(path, f"{_TEMPORARY}{os.getpid()}-{os.urandom(6).hex()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _flag("O_NOFOLLOW") | _flag("O_CLOEXEC")
    handle = os.open(temporary, flags | _flag("O_BINARY"), 0o600)
    try:
        try:
            _write_all(handle, content)
        finally:
            os.close(handle)
        # No fsync: after a power cut the file may be short, and then it lacks its end.
        os.replace(temporary, os.path.join(path, name))
    except BaseException:
        unlink(temporary)
        raise


def forget_oldest(state: str, directory: str, *, prefix: str, most: int) -> None:
    """Keep at most `most` files whose names start with `prefix`. Raises `OSError`.

    A quarter more goes at once, so that a full directory is not sorted again on the next call.
    Files that a killed process left half written go after an hour.
    """
    path = os.path.join(state, directory)
    names = os.listdir(path)
    kept = [name for name in names if name.startswith(prefix) and not name.startswith(_TEMPORARY)]
    if len(kept) > most:
        aged = sorted((_age(os.path.join(path, name)), name) for name in kept)
        for _, name in aged[: len(kept) - most * 3 // 4]:
            unlink(os.path.join(path, name))
    for name in names:
        if name.startswith(_TEMPORARY):
            newest = os.lstat(path).st_mtime_ns
            if 0 < _age(os.path.join(path, name)) < newest - _STALE_NS:
                unlink(os.path.join(path, name))


def remove_directory(state: str, directory: str) -> None:
    """Remove the directory and all files in it, as far as possible."""
    path = os.path.join(state, directory)
    try:
        for name in os.listdir(path):
            unlink(os.path.join(path, name))
        os.rmdir(path)
    except OSError:
        pass


def is_ours(told: os.stat_result, file_type: int) -> bool:
    """Tell whether this is of the given type (`S_IFMT` bits), our own, and closed to all others."""
    if told.st_mode & 0o170000 != file_type:
        return False
    if not hasattr(os, "geteuid"):  # Windows: the profile directory's access list protects it
        return True
    return told.st_uid == os.geteuid() and not told.st_mode & 0o077


def unlink(path: str) -> None:
    """Remove a file if it can be."""
    try:  # noqa: SIM105 (contextlib costs more to import than all of this)
        os.unlink(path)
    except OSError:
        pass


def _write_all(handle: int, content: bytes) -> None:
    """A disk that fills up takes a part, and says why only when asked for the rest."""
    while content:
        taken = os.write(handle, content)
        if not taken:  # and does not say why: never ask for ever
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        content = content[taken:]


def _age(path: str) -> int:
    try:
        return os.lstat(path).st_mtime_ns
    except OSError:  # forgotten by another process meanwhile
        return 0


def _make_directory(state: str, name: str) -> str:
    """Make both directories where missing. Raises `OSError`, also when it is not ours alone."""
    directory = os.path.join(state, name)
    try:
        os.mkdir(directory, 0o700)
    except FileExistsError:
        pass
    except FileNotFoundError:
        _make_all(directory)
    if not is_ours(os.lstat(directory), 0o040000):
        raise PermissionError(directory)
    return directory


def _make_all(directory: str) -> None:
    """Make `directory` and what is missing above it with mode 0700, as XDG demands."""
    parent = os.path.dirname(directory)
    if parent == directory:  # a relative path, which is never asked for
        raise FileNotFoundError(directory)
    if not os.path.isdir(parent):
        _make_all(parent)
    elif hasattr(os, "geteuid") and os.stat(parent).st_uid != os.geteuid():
        # `sudo` with the HOME of the invoking user: leave nothing of root's there.
        raise PermissionError(parent)
    try:  # noqa: SIM105
        os.mkdir(directory, 0o700)
    except FileExistsError:  # by another process, this moment
        pass


def _flag(name: str) -> int:
    return int(getattr(os, name, 0))
