"""Small facts that are dear to find out, remembered in the state directory between two calls.

One file for each fact, holding its whole key: its name is a checksum of the key and may collide.
A file is believed when it and its directory are ours alone (0600, 0700) and it is complete.
Nothing here ever raises: a fact that cannot be remembered is found out again.
"""

from __future__ import annotations

import os

#: directory below the state directory
DIRECTORY = "remembered"
#: facts of one kind; the oldest are forgotten beyond it
LIMIT = 128

_FORMAT = b"linkpolicy-memory-v1\n"
_END = b"\nend\n"
_MAX_SIZE = 65536
_TEMPORARY = ".new-"
_STALE_SECONDS = 3600


def recall(state: str, kind: str, key: tuple[str, ...]) -> str | None:
    """Give the value that was remembered for exactly this `key`, `None` when there is none.

    `state` is `layout.state_home(...)` ("" remembers nothing), `kind` a short word of [a-z-].
    """
    if not state:
        return None
    try:
        directory = os.path.join(state, DIRECTORY)
        if not _is_ours(os.lstat(directory), 0o040000):
            return None
        content = _read(os.path.join(directory, _file_name(kind, key)))
        head = _head(kind, key)
        if not content.startswith(head) or not content.endswith(_END):
            return None
        return _unescape(content[len(head) : -len(_END)])
    except (OSError, ValueError):
        return None


def remember(state: str, kind: str, key: tuple[str, ...], value: str) -> None:
    """Keep `value` for `key`, instead of what was kept for it. Fails silently."""
    if not state:
        return
    try:
        directory = _make_directory(state)
        content = _head(kind, key) + _escape(value) + _END
        if directory and len(content) <= _MAX_SIZE:
            _write(directory, _file_name(kind, key), content)
            _forget_oldest(directory, kind)
    except (OSError, ValueError):
        pass


def forget_everything(state: str) -> None:
    """Remove what `remember` wrote, and the directories that are empty then. Fails silently."""
    if not state:
        return
    directory = os.path.join(state, DIRECTORY)
    try:
        for name in os.listdir(directory):
            _unlink(os.path.join(directory, name))
        os.rmdir(directory)
        os.rmdir(state)
    except OSError:
        pass


def _head(kind: str, key: tuple[str, ...]) -> bytes:
    lines = b"".join(b"key " + _escape(part) + b"\n" for part in key)
    return _FORMAT + b"kind " + _escape(kind) + b"\n" + lines + b"value "


def _escape(text: str) -> bytes:
    return os.fsencode(text.replace("\\", "\\\\").replace("\n", "\\n"))


def _unescape(line: bytes) -> str:
    return "\\".join(part.replace("\\n", "\n") for part in os.fsdecode(line).split("\\\\"))


def _file_name(kind: str, key: tuple[str, ...]) -> str:
    import binascii

    return f"{kind}-{binascii.crc32(_head(kind, key)):08x}"


def _is_ours(told: os.stat_result, file_type: int) -> bool:
    if told.st_mode & 0o170000 != file_type:
        return False
    if not hasattr(os, "geteuid"):  # Windows: the profile directory's access list protects it
        return True
    return told.st_uid == os.geteuid() and not told.st_mode & 0o077


def _read(path: str) -> bytes:
    # O_NONBLOCK: a FIFO must not hang us.
    flags = os.O_RDONLY | _flag("O_NOFOLLOW") | _flag("O_NONBLOCK") | _flag("O_CLOEXEC")
    handle = os.open(path, flags | _flag("O_BINARY"))
    try:
        if not _is_ours(os.fstat(handle), 0o100000):
            return b""
        return os.read(handle, _MAX_SIZE + 1)
    finally:
        os.close(handle)


def _make_directory(state: str) -> str:
    """Make both directories where missing; "" when the inner one is not ours alone."""
    directory = os.path.join(state, DIRECTORY)
    try:
        os.mkdir(directory, 0o700)
    except FileExistsError:
        pass
    except FileNotFoundError:
        _make_all(directory)
    return directory if _is_ours(os.lstat(directory), 0o040000) else ""


def _make_all(directory: str) -> None:
    """Make `directory` and what is missing above it with mode 0700, as XDG demands."""
    parent = os.path.dirname(directory)
    if not os.path.isdir(parent):
        _make_all(parent)
    elif hasattr(os, "geteuid") and os.stat(parent).st_uid != os.geteuid():
        # `sudo` with the HOME of the invoking user: leave nothing of root's there.
        raise PermissionError
    try:  # noqa: SIM105 (contextlib costs more to import than all of this)
        os.mkdir(directory, 0o700)
    except FileExistsError:  # by another process, this moment
        pass


def _write(directory: str, name: str, content: bytes) -> None:
    temporary = os.path.join(directory, f"{_TEMPORARY}{os.getpid()}-{os.urandom(6).hex()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _flag("O_NOFOLLOW") | _flag("O_CLOEXEC")
    handle = os.open(temporary, flags | _flag("O_BINARY"), 0o600)
    try:
        try:
            os.write(handle, content)
        finally:
            os.close(handle)
        # No fsync: after a power cut the file may be short, and then it lacks its end.
        os.replace(temporary, os.path.join(directory, name))
    except BaseException:
        _unlink(temporary)
        raise


def _forget_oldest(directory: str, kind: str) -> None:
    names = os.listdir(directory)
    ages = []
    for name in names:
        if name.startswith((f"{kind}-", _TEMPORARY)):
            try:
                ages.append((os.lstat(os.path.join(directory, name)).st_mtime_ns, name))
            except OSError:  # forgotten by another process meanwhile
                continue
    newest = max((age for age, _ in ages), default=0)
    kept = sorted(entry for entry in ages if not entry[1].startswith(_TEMPORARY))
    for _, name in kept[: max(0, len(kept) - LIMIT)]:
        _unlink(os.path.join(directory, name))
    for age, name in ages:
        # Left by a process that was killed between its write and its rename.
        if name.startswith(_TEMPORARY) and newest - age > _STALE_SECONDS * 10**9:
            _unlink(os.path.join(directory, name))


def _unlink(path: str) -> None:
    try:  # noqa: SIM105
        os.unlink(path)
    except OSError:
        pass


def _flag(name: str) -> int:
    return int(getattr(os, name, 0))
