"""Read private files in the state directory, if they are ours alone. All that a replay needs."""

from __future__ import annotations

from uvx_policy.minimal_os import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from uvx_policy.state.layout import Store


def read(state: str, store: Store, name: str) -> bytes:
    """Content of a file that is ours alone, in a directory that is; b"" when it is too long.

    Raises `OSError` (absent, say) and, for what is not ours alone, `PermissionError`.
    """
    directory = os.path.join(state, store.directory)
    if not is_ours(os.lstat(directory), 0o040000):
        raise PermissionError(directory)
    # O_NONBLOCK: a FIFO must not hang us.
    flags = os.O_RDONLY | flag("O_NOFOLLOW") | flag("O_NONBLOCK") | flag("O_CLOEXEC")
    handle = os.open(os.path.join(directory, name), flags | flag("O_BINARY"))
    try:
        if not is_ours(os.fstat(handle), 0o100000):
            raise PermissionError(name)
        content = os.read(handle, store.longest + 1)
    finally:
        os.close(handle)
    return content if len(content) <= store.longest else b""


def is_ours(told: os.stat_result, file_type: int) -> bool:
    """Tell whether this is of the given type (`S_IFMT` bits), our own, and closed to all others."""
    if told.st_mode & 0o170000 != file_type:
        return False
    if not hasattr(os, "geteuid"):  # Windows: the profile directory's access list protects it
        return True
    return told.st_uid == os.geteuid() and not told.st_mode & 0o077


def flag(name: str) -> int:
    """A flag of open(2), 0 where there is none of this name."""
    return int(getattr(os, name, 0))
