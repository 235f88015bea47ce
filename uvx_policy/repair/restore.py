"""Replace one file: build the new one aside, compare it with its digest, rename it into place.

Whatever happens on the way, and whenever we are killed, the path holds the old file or the new one.
No inode is ever written through: who has the old file open, mapped, or under another name keeps it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import sys
from typing import TYPE_CHECKING, Literal, TypeAlias

from uvx_policy.filesystem.probe import FICLONE
from uvx_policy.installed.hash import Hash, of_pieces
from uvx_policy.value import Value
from uvx_policy.verify.originals import Original, chunks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

#: how a file gets what another one has
Way: TypeAlias = Literal["clone", "hardlink", "symlink", "copy"]

#: begins like uv's own temporaries: uv never installs what lies there, and `uv cache prune`
#: deletes it in a cache
PREFIX = ".tmp-linkpolicy-"


class Mismatch(OSError):
    """What was to be put somewhere has not the digest that it should have."""

    def __init__(self, path: str) -> None:
        super().__init__(errno.EIO, "what was found for it has changed meanwhile", path)


class Target(Value):
    """A file as it should be."""

    #: absolute; a symbolic link there is replaced, not followed
    path: str
    hash: Hash
    #: permission bits
    mode: int
    #: `st_mtime_ns`
    time: int


@contextlib.contextmanager
def workshop(directory: str) -> Iterator[str]:
    """A private directory in `directory`, on its file system, removed in the end.

    In a cache it must not lie within an archive: uv would install it with the rest if we were
    killed. Raises `OSError`.
    """
    path = os.path.join(directory, f"{PREFIX}{os.urandom(6).hex()}")
    os.mkdir(path, 0o700)
    try:
        # As long as we live: what lies in a workshop whose lock is free was left by somebody.
        with _locked(path):
            yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


class Workshops(contextlib.ExitStack):
    """A workshop on each file system that needs one."""

    def __init__(self) -> None:
        super().__init__()
        self._shops: dict[str, str] = {}

    def at(self, place: str, path: str) -> str:
        """The one in `place`, or, for a `path` on another file system, beside that.

        Raises `OSError`.
        """
        beside = os.path.dirname(path)
        with contextlib.suppress(OSError):
            # `bin` may be a mount of its own.
            if os.stat(place).st_dev != os.stat(beside).st_dev:
                place = beside
        if place not in self._shops:
            self._shops[place] = self.enter_context(workshop(place))
        return self._shops[place]


def clean_up(directory: str) -> None:
    """Remove the workshops in `directory` that killed processes left. Never raises."""
    if sys.platform == "win32":
        return
    with contextlib.suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            if entry.name.startswith(PREFIX) and entry.is_dir(follow_symlinks=False):
                with contextlib.suppress(OSError), _locked(entry.path):
                    shutil.rmtree(entry.path, ignore_errors=True)


@contextlib.contextmanager
def _locked(directory: str) -> Iterator[None]:
    """Hold flock(2) on a directory alone. Raises `BlockingIOError` when somebody else does."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError:  # no locks on this file system
            pass
        yield
    finally:
        os.close(handle)


def write(target: Target, original: Original, shop: str) -> None:
    """Put a new inode with the content of `original` at the target. Raises `OSError`."""
    _replace(target, shop, lambda new: _write(new, original))


def write_bytes(target: Target, content: bytes, shop: str) -> None:
    """Put a new inode with this content at the target. Raises `OSError`."""
    _replace(target, shop, lambda new: fill(new, [content]))


def take(target: Target, source: str, ways: tuple[Way, ...], shop: str) -> Way:
    """Put what the file `source` holds at the target, in the first way that works; which it was.

    A file of another mode is not linked. Raises `OSError` when none works, and `Mismatch` when the
    source is not what the target shall be.
    """
    if not _is_right(source, target):
        raise Mismatch(source)
    for way in ways:
        try:
            if way == "hardlink":
                _take_name(target, source, shop)
            elif way == "symlink":
                _take_link(target, source, shop)
            elif way == "clone":
                _replace(target, shop, lambda new: _clone(source, new))
            else:
                write(target, Original(path=source), shop)
        except OSError as error:  # noqa: PERF203 (at most three ways)
            if way == ways[-1] or isinstance(error, Mismatch) or error.errno == errno.ENOSPC:
                raise
        else:
            return way
    raise OSError(errno.ENOTSUP, "no way to link it", target.path)


def is_shared(path: str) -> bool:
    """Is it a file with another name, or a symbolic link to a file? Never raises."""
    try:
        link, status = os.lstat(path), os.stat(path)
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(status.st_mode) and (stat.S_ISLNK(link.st_mode) or link.st_nlink > 1)


def remove(path: str, shop: str) -> None:
    """Remove a file, and its directory if nothing else is in it. Raises `OSError`."""
    # By rename, so that even what is no plain file is gone at once.
    aside = os.path.join(shop, f"gone-{os.urandom(4).hex()}")
    os.rename(path, aside)
    with contextlib.suppress(OSError):
        os.unlink(aside)
    with contextlib.suppress(OSError):
        os.rmdir(os.path.dirname(path))


def detach(path: str, shop: str) -> bool:
    """Give `path` an inode of its own with the same bytes, permissions and times.

    `False` when it has one already. A symbolic link is replaced by what it leads to. Raises
    `OSError`, also when somebody writes the file meanwhile: then it is left as it is.
    """
    before = os.stat(path)
    if not is_shared(path):
        return False
    content = Original(path=path)
    target = Target(
        path=path,
        hash=of_pieces(chunks(content), "sha256"),
        mode=stat.S_IMODE(before.st_mode),
        time=before.st_mtime_ns,
    )

    def build(new: str) -> None:
        _write(new, content)
        now = os.stat(path)
        if (now.st_mtime_ns, now.st_size) != (before.st_mtime_ns, before.st_size):
            raise Mismatch(path)

    _replace(target, shop, build)
    return True


def _replace(target: Target, shop: str, build: Callable[[str], None]) -> None:
    """Build a file, and rename it to the target when it is right."""
    new = os.path.join(shop, f"new-{os.urandom(4).hex()}")
    try:
        build(new)
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            # An administrator repairs what belongs to somebody else.
            beside = os.stat(os.path.dirname(shop))
            os.chown(new, beside.st_uid, beside.st_gid)
        os.chmod(new, target.mode)
        os.utime(new, ns=(target.time, target.time))
        handle = os.open(new, os.O_RDONLY)
        try:
            # Else a power cut could leave a name without content.
            os.fsync(handle)
        finally:
            os.close(handle)
        if not _is_right(new, target):
            raise Mismatch(target.path)
        _rename(new, target.path)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(new)


def _is_right(path: str, target: Target) -> bool:
    return of_pieces(chunks(Original(path=path)), target.hash.algorithm) == target.hash


def _take_name(target: Target, source: str, shop: str) -> None:
    told = os.stat(source)
    if stat.S_IMODE(told.st_mode) != target.mode:
        raise OSError(errno.ENOTSUP, "its permissions are others", source)
    if os.path.lexists(target.path) and os.path.samestat(told, os.lstat(target.path)):
        return  # rename(2) of two names of one file does nothing
    new = os.path.join(shop, f"name-{os.urandom(4).hex()}")
    try:
        os.link(os.path.realpath(source), new)
        _rename(new, target.path)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(new)


def _take_link(target: Target, source: str, shop: str) -> None:
    new = os.path.join(shop, f"link-{os.urandom(4).hex()}")
    try:
        os.symlink(os.path.realpath(source), new)
        _rename(new, target.path)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(new)


def _rename(new: str, path: str) -> None:
    try:
        os.replace(new, path)
    except FileNotFoundError:  # a whole directory was deleted
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.replace(new, path)


def _write(new: str, original: Original) -> None:
    fill(new, chunks(original))


def fill(new: str, pieces: Iterable[bytes]) -> None:
    """Make a file that is ours alone (0600) with this content. Raises `OSError`."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    handle = os.open(new, flags | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        for chunk in pieces:
            left = memoryview(chunk)
            while left:
                left = left[os.write(handle, left) :]
    finally:
        os.close(handle)


def _clone(source: str, new: str) -> None:
    """Clone on Linux; on macOS clonefile(2) has no door in Python, and uv's `cp` would copy."""
    if sys.platform != "linux":
        raise OSError(errno.ENOTSUP, "no clones from here", source)
    import fcntl

    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    handle = os.open(new, flags, 0o600)
    try:
        origin = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.ioctl(handle, FICLONE, origin)
        finally:
            os.close(origin)
    finally:
        os.close(handle)
