"""Private files in the state directory, written whole or not at all; read by `state.reading`."""

from __future__ import annotations

import errno

from uvx_policy.minimal_os import os
from uvx_policy.state.reading import flag, is_ours

TYPE_CHECKING = False
if TYPE_CHECKING:
    from uvx_policy.state.layout import Store

#: how the name of a file starts that is being written
UNFINISHED = ".new-"
_STALE_NS = 3600 * 10**9


def path_of(state: str, store: Store, name: str = "") -> str:
    """Where a file of this kind lies, or their directory."""
    directory = os.path.join(state, store.directory)
    return os.path.join(directory, name) if name else directory


def names(state: str, store: Store) -> list[str]:
    """Names of all files of this kind, sorted; none when `state` is "". Never raises."""
    try:
        found = os.listdir(os.path.join(state, store.directory)) if state else []
    except (OSError, ValueError):
        return []
    return sorted(name for name in found if _is_of(store.prefix, name))


def write(state: str, store: Store, name: str, content: bytes, *, prefix: str = "") -> None:
    """Put the file `name` in place of what was there, and forget the oldest beyond `store.most`.

    Both directories are made with mode 0700 where missing. `prefix`: of the files that count for
    `store.most`, where those of a store are of several kinds. Raises `OSError`, and `ValueError`
    for what is too long or no name: then nothing changed.
    """
    if len(content) > store.longest:
        raise ValueError(f"longer than {store.longest} bytes")
    directory = _make_directory(state, store.directory)
    path = os.path.join(directory, name)
    is_new = not _age(path)
    replace(path, content)
    if is_new:
        _forget_oldest(directory, prefix or store.prefix, store.most)


def replace(path: str, content: bytes, *, durable: bool = False) -> None:
    """Put a file that is ours alone (0600) in place of what is at `path`, whole or not at all.

    `durable`: it is on the disk when this returns. Without, the file may be short after a power
    cut: its format must tell. Raises `OSError`.
    """
    directory = os.path.dirname(path)
    unfinished = os.path.join(directory, f"{UNFINISHED}{os.getpid()}-{os.urandom(6).hex()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | flag("O_NOFOLLOW") | flag("O_CLOEXEC")
    handle = os.open(unfinished, flags | flag("O_BINARY"), 0o600)
    try:
        try:
            write_all(handle, content)
            if durable:
                os.fsync(handle)
        finally:
            os.close(handle)
        os.replace(unfinished, path)
    except BaseException:
        _unlink(unfinished)
        raise
    if durable:
        flush(directory)


def delete(state: str, store: Store, name: str) -> None:
    """Remove a file if it can be."""
    if state:
        _unlink(path_of(state, store, name))


def flush(path: str) -> None:
    """Have a file, or the names in a directory, written to the disk. Raises `OSError`."""
    if not hasattr(os, "O_DIRECTORY") and os.path.isdir(path):  # Windows: no handle for it
        return
    # Windows flushes only what may be written to.
    access = os.O_RDWR if os.name == "nt" else os.O_RDONLY
    handle = os.open(path, access | flag("O_CLOEXEC"))
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # FUSE, of a directory
            raise
    finally:
        os.close(handle)


def make_private(directory: str, *, anywhere: bool = False) -> None:
    """Make `directory` and what is missing above it with mode 0700, as XDG demands.

    What it is made in must be ours, unless it may be `anywhere`. Raises `OSError`.
    """
    if os.path.isdir(directory):
        return
    parent = os.path.dirname(directory)
    if parent == directory:  # a relative path, which is never asked for
        raise FileNotFoundError(directory)
    make_private(parent, anywhere=anywhere)
    if not anywhere and hasattr(os, "geteuid") and os.stat(parent).st_uid != os.geteuid():
        # `sudo` with the HOME of the invoking user: leave nothing of root's there.
        raise PermissionError(parent)
    try:  # noqa: SIM105 (contextlib costs more to import than all of this)
        os.mkdir(directory, 0o700)
    except FileExistsError:  # by another process, this moment
        pass


def _make_directory(state: str, name: str) -> str:
    """Make both directories where missing. Raises `OSError`, also when it is not ours alone."""
    directory = os.path.join(state, name)
    try:
        os.mkdir(directory, 0o700)
    except FileExistsError:
        pass
    except FileNotFoundError:
        make_private(directory)
    if not is_ours(os.lstat(directory), 0o040000):
        raise PermissionError(directory)
    return directory


def write_all(handle: int, content: bytes) -> None:
    """Write all of it. Raises `OSError`.

    A disk that fills up takes a part, and says why only when asked for the rest.
    """
    while content:
        taken = os.write(handle, content)
        if not taken:  # and does not say why: never ask for ever
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        content = content[taken:]


def _forget_oldest(directory: str, prefix: str, most: int) -> None:
    """Keep at most `most` files (0: all) whose names start with `prefix`. Never raises.

    A quarter more goes at once, so that a full directory is not sorted again on the next call.
    Files that a killed process left half written go after an hour.
    """
    try:
        found = os.listdir(directory)
        newest = os.lstat(directory).st_mtime_ns
    except OSError:
        return
    kept = [name for name in found if _is_of(prefix, name)]
    if most and len(kept) > most:
        aged = sorted((_age(os.path.join(directory, name)), name) for name in kept)
        for _, name in aged[: len(kept) - most * 3 // 4]:
            _unlink(os.path.join(directory, name))
    for name in found:
        path = os.path.join(directory, name)
        if name.startswith(UNFINISHED) and 0 < _age(path) < newest - _STALE_NS:
            _unlink(path)


def _is_of(prefix: str, name: str) -> bool:
    return name.startswith(prefix) and not name.startswith(UNFINISHED)


def _age(path: str) -> int:
    """When it was written, 0 when it is not there."""
    try:
        return os.lstat(path).st_mtime_ns
    except OSError:
        return 0


def _unlink(path: str) -> None:
    try:  # noqa: SIM105
        os.unlink(path)
    except (OSError, ValueError):
        pass
