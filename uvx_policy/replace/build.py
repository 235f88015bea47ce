"""Build a file beside, compare it with its digest, and put it where it belongs.

Whatever happens on the way, and whenever we are killed, the path holds the old file or the new one.
No inode is ever written through: who has the old file open, mapped, or under another name keeps it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeAlias

from uvx_policy.filesystem.clone import clone_to
from uvx_policy.foreign_file import FLAGS, NO_FOLLOW, pieces
from uvx_policy.installed.hash import NO_HASH, Hash, of_handle, read
from uvx_policy.replace import attributes, foreign
from uvx_policy.replace.held import FLUSHED, at
from uvx_policy.replace.place import READ, Changed, Place, Seen, put, take_away
from uvx_policy.state.files import write_all
from uvx_policy.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager

    from uvx_policy.replace.shop import Shops

#: how a file gets what another one has
Way: TypeAlias = Literal["clone", "hardlink", "symlink", "copy"]

_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
_CHUNK = 1 << 20


class Mismatch(OSError):
    """What was to be put somewhere has not the digest that it should have."""

    def __init__(self, path: str) -> None:
        super().__init__(errno.EIO, "the original changed in the meantime", path)


class Target(Value):
    """A path, what is there, and what should be."""

    #: absolute; a symbolic link there is replaced, not followed
    path: str
    #: absolute path of a directory that it lies below: no link below that is followed
    root: str
    #: absolute path of a directory in which files for it are built
    workplace: str
    #: what was there when the plan was made
    seen: Seen | None
    #: what a file there holds that may be given up, because it is saved or known; `NO_HASH` for
    #: a symbolic link
    content: Hash = NO_HASH
    hash: Hash = NO_HASH
    #: permission bits
    mode: int = 0o644
    #: `st_mtime_ns`
    time: int = 0


class Builder:
    """Replaces, makes and removes files. Each call raises `OSError`, `Changed` among them."""

    def __init__(self, shops: Shops) -> None:
        self._shops = shops

    def write(self, target: Target, content: Iterable[bytes]) -> None:
        """Put a new inode with this content at the target. Raises `Mismatch`."""

        def build(new: Place) -> None:
            with _made(new) as handle:
                for piece in content:
                    write_all(handle, piece)

        self._deliver(target, build, is_new=True)

    def take(self, target: Target, source: str, ways: tuple[Way, ...]) -> Way:
        """Put what the file `source` holds at the target, in the first way that works.

        A file of another mode is not linked. Raises `Mismatch` when the source is not what the
        target shall be.
        """
        for way in ways:
            try:
                if way == "copy":
                    self.write(target, pieces(source))
                elif way == "clone":
                    self._deliver(target, lambda new: _clone(source, new), is_new=True)
                elif way == "hardlink" and not _is_same(source, target.path):
                    self._deliver(target, lambda new: _link(source, new, target))
                elif read(source, target.hash.algorithm).hash != target.hash:
                    raise Mismatch(source)
                elif way == "symlink":
                    self._deliver(target, lambda new: _point(source, new), is_link=True)
            except OSError as error:  # noqa: PERF203 (at most three ways)
                final = isinstance(error, (Mismatch, Changed)) or error.errno == errno.ENOSPC
                if way == ways[-1] or final:
                    raise
            else:
                return way
        raise OSError(errno.ENOTSUP, "cannot be linked", target.path)

    def detach(self, target: Target) -> bool:
        """Give the target an inode of its own with the same bytes, and all else that it has.

        `False` when it has one already. A symbolic link is replaced by what it leads to.
        """
        self._shops.settle_names_of(target.path)
        if not is_shared(target.path):
            return False
        with self._place(target) as place:
            source = _opened(place, target.seen)
        try:
            before = os.fstat(source)
            content = of_handle(source, "sha256")

            def build(new: Place) -> None:
                with _made(new) as handle:
                    _copy(source, handle)
                    attributes.copy(source, handle, target.path)

            def unchanged() -> bool:
                now = os.fstat(source)
                return (now.st_mtime_ns, now.st_size) == (before.st_mtime_ns, before.st_size)

            self._deliver(target.replace(hash=content, content=content), build, unchanged=unchanged)
        finally:
            os.close(source)
        return True

    def point(self, target: Target, text: str) -> None:
        """Put a symbolic link with this text at the target."""
        self._deliver(
            target, lambda new: at.symlink(text, new.name, dir_fd=new.directory), is_link=True
        )

    def remove(self, target: Target) -> None:
        """Remove a file, and its directory if nothing else is in it."""
        shop = self._shops.at(target.workplace, target.path)
        shop.may_go(target.content)
        with self._place(target) as place:
            take_away(
                place, shop.free("new"), target.seen, target.content,
                partial(shop.retire, target.path),
            )  # fmt: skip
        directory = os.path.dirname(target.path)
        with (
            contextlib.suppress(OSError),
            self._shops.root(target.root).place(directory) as place,
        ):
            at.rmdir(place.name, dir_fd=place.directory)

    def forget_bytecode(self, target: Target) -> None:
        """Python compares the time in seconds and the size only: an edit may be in there still."""
        directory, name = os.path.split(target.path)
        stem, suffix = os.path.splitext(name)
        if suffix != ".py":
            return
        anything = os.path.join(directory, "__pycache__", name)
        with (
            contextlib.suppress(OSError),
            self._shops.root(target.root).place(anything) as place,
        ):
            for entry in at.listdir(place.directory):
                if entry.startswith(f"{stem}.") and entry.endswith(".pyc"):
                    place.beside(entry).unlink()

    def _deliver(
        self,
        target: Target,
        build: Callable[[Place], None],
        *,
        is_new: bool = False,
        is_link: bool = False,
        unchanged: Callable[[], bool] = lambda: True,
    ) -> None:
        """Build a file, and put it at the target.

        `is_new`: it gets owner, mode and time; `is_link`: it has no content to be compared.
        """
        shop = self._shops.at(target.workplace, target.path)
        part = shop.free("part")
        try:
            build(part)
            with self._place(target) as place:
                if not is_link:
                    _finish(part, target, place.directory if is_new else None)
                shop.may_go(target.hash, target.content)
                new = part.renamed(shop.free("new"))
                put(
                    new, place, target.seen, target.content,
                    partial(shop.retire, target.path), unchanged,
                )  # fmt: skip
        finally:
            part.unlink()

    def _place(self, target: Target) -> AbstractContextManager[Place]:
        root = self._shops.root(target.root)
        return root.place(target.path, make=target.seen is None)


def is_shared(path: str) -> bool:
    """Is it a file with another name, or a symbolic link to a file? Never raises."""
    try:
        link, status = os.lstat(path), os.stat(path)
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(status.st_mode) and (stat.S_ISLNK(link.st_mode) or link.st_nlink > 1)


def fill(path: str, content: Iterable[bytes]) -> None:
    """Make a file of ours that is ours alone (0600) with this content. Raises `OSError`."""
    handle = os.open(path, _NEW | getattr(os, "O_BINARY", 0), 0o600)
    try:
        for piece in content:
            write_all(handle, piece)
    finally:
        os.close(handle)


def copied(place: Place, new: Place) -> None:
    """Copy a file or a symbolic link, with all that it has as far as possible. Raises `OSError`."""
    if place.kind == stat.S_IFLNK:
        text = at.readlink(place.name, dir_fd=place.directory)
        at.symlink(text, new.name, dir_fd=new.directory)
        return
    source = at.open(place.name, READ, dir_fd=place.directory)
    try:
        status = os.fstat(source)
        if not stat.S_ISREG(status.st_mode):
            raise Changed(place.path)
        with _made(new) as handle:
            _copy(source, handle)
            with contextlib.suppress(attributes.CannotKeep):
                attributes.copy(source, handle, place.path)
            at.utime(handle, ns=(status.st_atime_ns, status.st_mtime_ns))
    finally:
        os.close(source)


def _opened(place: Place, seen: Seen | None) -> int:
    """The file that was seen, open; of a link what it leads to. Raises `OSError`, `Changed`."""
    if seen is None or place.seen != seen:
        raise Changed(place.path)
    is_link = seen.kind == stat.S_IFLNK
    if is_link:
        path = _text(place, seen)
        foreign.check_way(os.path.join(os.path.dirname(place.path), path))
        handle = at.open(path, FLAGS, dir_fd=place.directory)
    else:
        handle = at.open(place.name, READ, dir_fd=place.directory)
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode) or not (is_link or Seen.of(status) == seen):
        os.close(handle)
        raise Changed(place.path)
    return handle


def _text(place: Place, seen: Seen) -> str:
    """Where the very link leads that was seen. Raises `OSError`, `Changed`."""
    if not hasattr(os, "O_PATH"):
        return at.readlink(place.name, dir_fd=place.directory)
    link = at.open(place.name, os.O_PATH | NO_FOLLOW | os.O_CLOEXEC, dir_fd=place.directory)
    try:
        if Seen.of(os.fstat(link)) != seen:
            raise Changed(place.path)
        return at.readlink("", dir_fd=link)
    finally:
        os.close(link)


def _finish(part: Place, target: Target, directory: int | None) -> None:
    """`directory`: handle of the one that it comes to, for a file that has no attributes yet."""
    handle = at.open(part.name, FLUSHED | NO_FOLLOW, dir_fd=part.directory)
    try:
        if directory is not None:
            if foreign.is_root():
                # As the rest of the directory, which root owns, or it would have refused.
                os.fchown(handle, -1, os.fstat(directory).st_gid)
            attributes.set_mode(handle, target.mode)
            at.utime(handle, ns=(target.time, target.time))
        if os.fstat(handle).st_nlink == 1:  # else it was there before
            # A power cut could leave a name without content.
            os.fsync(handle)
        if of_handle(handle, target.hash.algorithm) != target.hash:
            raise Mismatch(target.path)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _made(new: Place) -> Iterator[int]:
    """A file that is ours alone (0600), open."""
    handle = at.open(new.name, _NEW, 0o600, dir_fd=new.directory)
    try:
        yield handle
    finally:
        os.close(handle)


def _is_same(source: str, path: str) -> bool:
    """Two names of one file: rename(2) would do nothing, and leave the new name."""
    return os.path.lexists(path) and os.path.samestat(os.stat(source), os.lstat(path))


def _link(source: str, new: Place, target: Target) -> None:
    at.link(os.path.realpath(source), new.name, dst_dir_fd=new.directory, follow_symlinks=False)
    # Of the name that is ours alone: the other one may be another file by now.
    status = at.lstat(new.name, dir_fd=new.directory)
    if os.name != "nt" and stat.S_IMODE(status.st_mode) != target.mode:
        raise OSError(errno.ENOTSUP, "its permissions differ", source)
    if foreign.is_root() and status.st_uid != 0:  # who could write to it at any time
        raise OSError(errno.EPERM, "the original belongs to another user", source)


def _point(source: str, new: Place) -> None:
    foreign.check_way(source)
    at.symlink(os.path.realpath(source), new.name, dir_fd=new.directory)


def _clone(source: str, new: Place) -> None:
    origin = os.open(source, FLAGS)
    try:
        clone_to(origin, new.name, directory=new.directory)
    finally:
        os.close(origin)


def _copy(source: int, new: int) -> None:
    """All bytes; where the file has holes, the copy has them too."""
    size = os.fstat(source).st_size
    os.ftruncate(new, size)
    for start, end in _with_data(source, size):
        os.lseek(source, start, os.SEEK_SET)
        os.lseek(new, start, os.SEEK_SET)
        left = end - start
        while left > 0 and (piece := os.read(source, min(_CHUNK, left))):
            write_all(new, piece)
            left -= len(piece)


def _with_data(handle: int, size: int) -> Iterator[tuple[int, int]]:
    """Where the file has no holes; all of it where the system does not tell."""
    if not hasattr(os, "SEEK_DATA"):
        yield 0, size
        return
    end = 0
    while end < size:
        try:
            start = os.lseek(handle, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # a hole up to the end
                return
            start = end
        end = min(os.lseek(handle, start, os.SEEK_HOLE), size)
        yield start, end
