"""Let equal files be one file with several names, and lose nothing that is saved meanwhile.

The first file of a group that has the hash of its RECORD is the source. Each of the others is
leased, compared with it byte by byte, and exchanged for another name of it. The old inode stays,
still leased, until whoever had looked up the path before has opened it, if anybody had: whoever
opened it for writing is waiting for us, and gets it back at its path.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from uvx_policy.installed.hash import Hash, of_handle, of_pieces
from uvx_policy.replace import attributes, kernel
from uvx_policy.replace.bytecode import Bytecode
from uvx_policy.replace.kernel import Unsupported
from uvx_policy.replace.opened import Directories, opened
from uvx_policy.replace.place import Place, Root, Seen, put_back
from uvx_policy.replace.shop import Shop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from typing_extensions import Self

    from uvx_policy.replace.opened import File, Group
    from uvx_policy.replace.outcome import Outcome

#: bytes that are compared at a time; a smaller source is kept whole
_CHUNK = 1 << 18
#: seconds until whoever has looked up a path has opened it
_GRACE = 0.05
#: old inodes that are held open
_MOST_WAITING = 500
_FULL = (errno.EMLINK, errno.EXDEV)


class _Source(NamedTuple):
    """A file that was proven to have its hash."""

    file: File
    attributes: dict[str, bytes]
    is_leased: bool


class _Waiting(NamedTuple):
    """An old inode, in a shop of ours, that nobody has opened for writing yet."""

    at: float
    is_leased: bool
    file: File
    #: its hash, as a RECORD has it
    content: str
    shop: Shop
    name: str
    #: what is at its path now
    ours: os.stat_result


class Linker:
    """Links files of groups, in one process; within `kernel.leases`. Close it."""

    #: what is written to a file of ours is not lost with the name that it has at a path
    _has_other_names = True

    def __init__(self, outcome: Outcome, rescue: Callable[[Place, str], None]) -> None:
        """`rescue(place, path)`: keeps what somebody saved at `path` in the very moment."""
        self._outcome = outcome
        self._rescue = rescue
        self._opened = contextlib.ExitStack()
        self._directories = self._opened.enter_context(Directories())
        self._bytecode = Bytecode(self._directories)
        self._shops: dict[tuple[str, int], Shop] = {}
        self._waiting: deque[_Waiting] = deque()
        #: root -> what will have to be noted for groups that are open: hash, path below the root
        self._ahead: dict[str, list[tuple[str, str]]] = {}
        #: what was noted last in each shop
        self._noted: dict[Shop, set[tuple[str, str]]] = {}
        #: device and inode -> names that it still has, of those that had several
        self._names: dict[tuple[int, int], int] = {}
        self._buffers = bytearray(_CHUNK), bytearray(_CHUNK)
        self._count = 0
        #: where there are no leases: what is open for writing, and when that was
        self._written: frozenset[tuple[int, int]] = frozenset()
        self._looked_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._settle(everything=True)
        finally:
            self._opened.close()

    def link(self, groups: Iterable[Group]) -> None:
        """Link what can be linked; what is left is counted. Never raises `OSError`."""
        for group, files in opened(self._announced(groups), self._directories, self._outcome):
            self._link(group, files)
            self._settle()

    def _announced(self, groups: Iterable[Group]) -> Iterator[Group]:
        """The groups, as they are; what has to be noted for them can be noted with one call."""
        ahead = self._ahead
        for group in groups:
            for root, below, is_target in group.members:
                if is_target:
                    note = (group.hash, below if below.endswith(".py") else "")
                    notes = ahead.get(root)
                    if notes is None:
                        ahead[root] = [note]
                    else:
                        notes.append(note)
            yield group

    def _note(self, shop: Shop, group: Group, file: File) -> None:
        """For who comes after a kill: before anything of the file is changed. Raises `OSError`."""
        note = (group.hash, file.below if file.name.endswith(".py") else "")
        noted = self._noted.get(shop, ())
        if note not in noted:
            # It permits nothing of groups that come later: what is given up has just been proven.
            notes = {note, *self._ahead.pop(file.root, ())}
            shop.note(notes)
            self._noted[shop] = notes

    # One group -----------------------------------------------------------------------------------

    def _link(self, group: Group, files: list[File]) -> None:
        sources: dict[tuple[int, int, int, int], list[_Source]] = {}
        first: File | None = None
        content = b""
        for file in tuple(files):
            handle, status = file.handle, file.status
            key = self._kind(status)
            known = sources.get(key)
            if known and (not file.is_target or _has(known, status.st_ino)):
                continue
            try:
                is_leased = self._guard(file)
                if is_leased is None:
                    continue
                if first is None:
                    content = os.read(handle, group.size + 1) if group.size < _CHUNK else b""
                    is_right = _is_right(handle, content, Hash.parse(group.hash))
                else:
                    is_right = self._is_equal(handle, group.size, content, first.handle)
                if not is_right:
                    self._leave("edited", file)
                    continue
                first = first or file
                source = _Source(file, self._attributes(handle), is_leased)
                if not known:
                    self._leave_for_mode(file, sources)
                    sources[key] = [source]
                elif self._replace(source, known, group):
                    files.remove(file)  # it is closed when that is settled
            except OSError as error:
                self._outcome.fail(error, file.path, file.status.st_blocks * 512)

    def _kind(self, status: os.stat_result) -> tuple[int, int, int, int]:
        """Only files that have this in common can become one."""
        return (status.st_mode, status.st_uid, status.st_gid, status.st_dev)

    def _attributes(self, handle: int) -> dict[str, bytes]:
        """And these. Raises `OSError`."""
        return attributes.extended(handle)

    def _guard(self, file: File) -> bool | None:
        """Is it leased? `None`: it is left, because somebody might be writing to it."""
        try:
            if kernel.lease(file.handle):
                return True
        except Unsupported:
            # Other users' processes cannot be looked at.
            if file.status.st_uid == os.geteuid() and kernel.knows_writers():
                return False
            self._leave("no-lease", file)
        else:
            self._leave("busy", file)
        return None

    def _leave_for_mode(
        self, file: File, sources: dict[tuple[int, int, int, int], list[_Source]]
    ) -> None:
        if not file.is_target or not sources:
            return
        owners = {(uid, gid) for _, uid, gid, _ in sources}
        status = file.status
        self._leave("mode" if (status.st_uid, status.st_gid) in owners else "owner", file)

    def _is_equal(self, handle: int, size: int, content: bytes, other: int) -> bool:
        if size < _CHUNK:
            return os.read(handle, size + 1) == content
        first, second = self._buffers
        at = 0
        while True:
            count = os.preadv(handle, [first], at)
            if count != os.preadv(other, [second], at):
                return False
            if first[:count] != second[:count] if count < _CHUNK else first != second:
                return False
            if not count:
                return True
            at += count

    def _replace(self, target: _Source, known: list[_Source], group: Group) -> bool:
        """Was it replaced, for the time being? Raises `OSError`."""
        file = target.file
        shop: Shop | None = None
        for source in known:
            if source.attributes != target.attributes:
                continue
            if shop is None:
                shop = self._shop(file)
                self._note(shop, group, file)
            self._count += 1
            name = f"new-{self._count}"
            try:
                ours = self._made(source.file, file, group, shop, name)
            except OSError as error:
                if error.errno in _FULL:
                    continue
                raise
            if ours is None:
                return False
            self._exchange(target, group, shop, name, ours)
            return True
        if shop is None:
            self._leave("attributes", file)
            return False
        # As many names as the file system allows, or another mount: the next ones get it from here.
        known.insert(0, target)
        return False

    def _made(
        self, source: File, target: File, group: Group, shop: Shop, name: str,  # noqa: ARG002
    ) -> os.stat_result | None:  # fmt: skip
        """Another name of the source; `None` when it is left: something else is at its path."""
        handle = self._directories.handle(source.root, source.directory)
        os.link(source.name, name, src_dir_fd=handle, dst_dir_fd=shop.handle, follow_symlinks=False)
        now = os.stat(name, dir_fd=shop.handle, follow_symlinks=False)
        before = source.status
        if (
            now.st_ino == before.st_ino
            and now.st_mtime_ns == before.st_mtime_ns
            and now.st_mode == before.st_mode
        ):
            return now
        os.unlink(name, dir_fd=shop.handle)
        self._leave("busy", target)
        return None

    def _exchange(
        self, target: _Source, group: Group, shop: Shop, name: str, ours: os.stat_result
    ) -> None:
        """Raises `OSError`: nothing was exchanged then."""
        file, before = target.file, target.file.status
        try:
            place = self._directories.handle(file.root, file.directory)
            kernel.exchange(shop.handle, name, place, file.name)
        except OSError:
            os.unlink(name, dir_fd=shop.handle)
            raise
        waiting = _Waiting(time.monotonic(), target.is_leased, file, group.hash, shop, name, ours)
        try:
            old = os.stat(name, dir_fd=shop.handle, follow_symlinks=False)
        except OSError:
            self._put_back(waiting)
            return
        # Permissions and owner as well: they are given up with the inode.
        if (
            old.st_ino == before.st_ino
            and old.st_mode == before.st_mode
            and old.st_uid == before.st_uid
            and old.st_gid == before.st_gid
            and old.st_mtime_ns == before.st_mtime_ns
        ):
            self._waiting.append(waiting)
        else:
            self._put_back(waiting)

    def _shop(self, file: File) -> Shop:
        key = (file.root, file.status.st_dev)
        shop = self._shops.get(key)
        if shop is None:
            # `bin` may be a mount of its own.
            here = os.stat(self._directories.root(file.root).handle).st_dev == file.status.st_dev
            directory = file.root if here else os.path.dirname(file.path)
            shop = self._opened.enter_context(Shop(directory, self._rescue))
            self._shops[key] = shop
        return shop

    # What was replaced ---------------------------------------------------------------------------

    def _settle(self, *, everything: bool = False) -> None:
        """Delete what was replaced long enough ago, and put back what somebody has opened."""
        while self._waiting:
            first = self._waiting[0]
            left = first.at + _GRACE - time.monotonic()
            if left > 0:
                if not everything and len(self._waiting) < _MOST_WAITING:
                    return
                time.sleep(left)
            if not (first.is_leased or everything or len(self._waiting) >= _MOST_WAITING):
                return  # to look at all processes takes long: many at once
            self._waiting.popleft()
            if self._is_untouched(first):
                self._finish(first)
            else:
                self._put_back(first)

    def _is_untouched(self, waiting: _Waiting) -> bool:
        """Has nobody opened the old inode for writing, nor will?"""
        if waiting.is_leased:
            return kernel.is_leased(waiting.file.handle)
        status = waiting.file.status
        try:
            if self._looked_at < waiting.at + _GRACE:
                self._looked_at = time.monotonic()
                self._written = kernel.written_files()
            if (status.st_dev, status.st_ino) in self._written:
                return False
            content = Hash.parse(waiting.content)
            return of_handle(waiting.file.handle, content.algorithm) == content
        except OSError:
            return False

    def _finish(self, waiting: _Waiting) -> None:
        file, shop = waiting.file, waiting.shop
        status = file.status
        if file.name.endswith(".py") and status.st_mtime_ns != waiting.ours.st_mtime_ns:
            # Before: of what is left in the shop the next run knows that it has to be done.
            self._outcome.bytecode += self._bytecode.follow(
                file.root, file.below, status, waiting.ours.st_mtime_ns, shop
            )
        try:
            os.unlink(waiting.name, dir_fd=shop.handle)
        except OSError as error:
            self._outcome.fail(error, file.path, status.st_blocks * 512)
        else:
            self._outcome.files += 1
            if self._has_no_name_left(status):
                self._outcome.size += status.st_blocks * 512
        finally:
            os.close(waiting.file.handle)

    def _has_no_name_left(self, status: os.stat_result) -> bool:
        if status.st_nlink == 1:
            return True
        key = (status.st_dev, status.st_ino)
        left = self._names.get(key, status.st_nlink) - 1
        self._names[key] = left
        return not left

    def _put_back(self, waiting: _Waiting) -> None:
        """What somebody saves, or is about to save, shall be found at its path."""
        file, shop = waiting.file, waiting.shop
        new = Place(shop.handle, waiting.name, os.path.join(shop.path, waiting.name))
        self._leave("busy", file)
        ours, harmless = Seen.of(waiting.ours), None
        try:
            with contextlib.closing(Root(file.root)) as root, root.place(file.path) as place:
                put_back(new, place, ours, has_other_names=self._has_other_names)
            seen = new.seen
            harmless = seen if self._has_other_names and seen and seen[:2] == ours[:2] else ours
        except OSError:  # its directory is gone
            pass
        finally:
            os.close(waiting.file.handle)
            with contextlib.suppress(OSError):
                shop.may_go(Hash.parse(waiting.content))
            shop.retire(file.path, new, harmless)

    def _leave(self, reason: str, file: File) -> None:
        if file.is_target:
            self._outcome.leave(reason, file.path, file.status.st_blocks * 512)
        elif reason == "edited":
            self._outcome.leave(reason, file.path, file.status.st_size)


def _has(known: list[_Source], inode: int) -> bool:
    return inode in [each.file.status.st_ino for each in known]


def _is_right(handle: int, content: bytes, expected: Hash) -> bool:
    """`content`: what was read of it, nothing of a large file. Raises `OSError`."""
    try:
        if content:
            return of_pieces([content], expected.algorithm) == expected
        return of_handle(handle, expected.algorithm) == expected
    except ValueError:
        return False
