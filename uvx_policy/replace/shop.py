"""Private directories in which files are built, and what killed processes left in them."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
import time
from typing import TYPE_CHECKING

from uvx_policy.filesystem.probe import HIDDEN, is_written_by_probe
from uvx_policy.flock import take_alone
from uvx_policy.foreign_file import NO_FOLLOW
from uvx_policy.installed.hash import NO_HASH, Hash, of_handle
from uvx_policy.replace.bytecode import Bytecode
from uvx_policy.replace.held import DIRECTORY, at
from uvx_policy.replace.opened import Directories
from uvx_policy.replace.place import READ, Place, Root, Seen, is_free_to_go, seen_at
from uvx_policy.state.files import write_all

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from typing_extensions import Self

#: begins like uv's own temporaries: uv never installs what lies there, and `uv cache prune`
#: deletes it in a cache
PREFIX = ".tmp-linkpolicy-"
#: the hashes of what may be thrown away, one on a line
_KNOWN = "known"
#: seconds: until whoever has looked up a path has opened it; that a program gets to close a file
#: which it opened in the wrong moment; after which a file of a probe was left, which takes
#: milliseconds (one that was stopped for longer says that it does not know)
_GRACE, _PATIENCE, _OLD = 0.05, 2.0, 10
_PAUSE = 0.001
#: ns; a file that was changed so shortly before may change again without its time telling
_FRESH = 2 * 10**9


class Shop:
    """A private directory in `directory`, on its file system. Close it: it is removed then.

    In a cache it must not lie within an archive: uv would install it with the rest if we were
    killed.
    """

    def __init__(self, directory: str, rescue: Callable[[Place, str], None] | None = None) -> None:
        """`rescue(place, path)`: keeps what somebody saved at `path` in the very moment.

        Raises `OSError`.
        """
        self._rescue = rescue
        #: a path, what was at it until it was replaced, and in which state it may go
        self._retired: list[tuple[str, Place, Seen | None]] = []
        #: device and inode of each
        self._inodes: set[tuple[int, int]] = set()
        self._retired_at = 0.0
        self._contents: set[Hash] = set()
        self.directory = directory
        self.path = os.path.join(directory, f"{PREFIX}{os.urandom(6).hex()}")
        name = os.path.basename(self.path)
        self._known = -1
        with contextlib.ExitStack() as opened:
            self.root = Root(directory)
            opened.callback(self.root.close)
            at.mkdir(name, 0o700, dir_fd=self.root.handle)
            self.handle = at.open(name, DIRECTORY | NO_FOLLOW, dir_fd=self.root.handle)
            opened.callback(os.close, self.handle)
            _check_private(self.handle, self.path)
            # As long as we live: what lies in a shop whose lock is free was left by somebody.
            _lock(self.handle)
            opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def free(self, kind: str) -> Place:
        """A name that nothing has."""
        name = f"{kind}-{os.urandom(6).hex()}"
        return Place(self.handle, name, os.path.join(self.path, name))

    def may_go(self, *contents: Hash) -> None:
        """Note what is not lost when it is thrown away, for who comes after a kill."""
        fresh = [content for content in contents if content and content not in self._contents]
        if fresh:
            self._contents.update(fresh)
            self.note((str(content), "") for content in fresh)

    def note(self, notes: Iterable[tuple[str, str]]) -> None:
        """The same, with one call, of content that is never retired here unless `may_go` says so.

        Of each a hash as a RECORD has it, and a path below the directory of this shop where this
        content is put again: what was compiled from the old file there is kept valid. "": none.
        """
        if self._known < 0:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)
            self._known = at.open(_KNOWN, flags, 0o600, dir_fd=self.handle)
        lines = (
            f"{content} {below.encode('unicode_escape').decode('ascii')}\n" if below
            else f"{content}\n"
            for content, below in notes
        )  # fmt: skip
        write_all(self._known, "".join(lines).encode("ascii"))

    def retire(self, path: str, place: Place, harmless: Seen | None) -> None:
        """Take over what was at `path`: in the end it goes, unless somebody has written to it.

        `harmless`: the state in which it was saved, or is ours.
        """
        seen = place.seen
        if seen is not None:
            self._inodes.add((seen.device, seen.inode))
        self._retired.append((path, place, harmless))
        self._retired_at = time.monotonic()

    def holds(self, path: str) -> bool:
        """Is a name of the file at `path` among what was retired?"""
        seen = seen_at(path)
        return seen is not None and (seen.device, seen.inode) in self._inodes

    def settle(self) -> None:
        """Delete what was replaced, and rescue what is not what it was.

        Somebody may have looked up the path just before it was exchanged, and open the old file
        afterwards, which shows in no lease until then.
        """
        if self._retired:
            time.sleep(max(0.0, self._retired_at + _GRACE - time.monotonic()))
        deadline = time.monotonic() + _PATIENCE
        while self._retired:
            path, place, harmless = self._retired[-1]
            may_go = self._may_go(place, harmless, deadline)
            if may_go is False:
                assert self._rescue is not None  # noqa: S101 (whoever retires has a way)
                self._rescue(place, path)
            if may_go is not None:
                place.unlink()
            self._retired.pop()
        self._inodes.clear()

    def _may_go(self, place: Place, harmless: Seen | None, deadline: float) -> bool | None:
        """`None`: it cannot be told in time, and is left for the next run."""
        is_old = harmless is not None and harmless.mtime_ns < time.time_ns() - _FRESH
        with contextlib.suppress(OSError):
            while True:
                # Whoever writes to an old file changes its time; a young one is read again.
                contents = None if is_old and place.seen == harmless else self._contents
                may_go = is_free_to_go(place, contents)
                if may_go is not None or time.monotonic() > deadline:
                    return may_go
                time.sleep(_PAUSE)
        return None

    def close(self) -> None:
        """Remove it. What nobody threw away stays, to be found by the next run."""
        try:
            self.settle()
        finally:
            self._let_go()

    def _let_go(self) -> None:
        if self._known >= 0:
            os.close(self._known)
        with contextlib.suppress(OSError):
            if at.listdir(self.handle) in ([], [_KNOWN]):
                with contextlib.suppress(FileNotFoundError):
                    at.unlink(_KNOWN, dir_fd=self.handle)
                if os.name == "nt":  # where nothing that is open can be removed
                    os.close(self.handle)
                    self.handle = -1
                at.rmdir(os.path.basename(self.path), dir_fd=self.root.handle)
        if self.handle >= 0:
            os.close(self.handle)
        self.root.close()


class Shops(contextlib.ExitStack):
    """A shop on each file system that needs one, and the roots that files lie below."""

    def __init__(self, rescue: Callable[[Place, str], None]) -> None:
        """`rescue`: as for each of them."""
        super().__init__()
        self._rescue = rescue
        self._shops: dict[str, Shop] = {}
        self.roots: dict[str, Root] = {}

    def at(self, place: str, path: str) -> Shop:
        """The one in `place`, or, for a `path` on another file system, beside that.

        Raises `OSError`.
        """
        beside = os.path.dirname(path)
        with contextlib.suppress(OSError):
            # `bin` may be a mount of its own.
            if os.stat(place).st_dev != os.stat(beside).st_dev:
                place = beside
        if place not in self._shops:
            self._shops[place] = self.enter_context(Shop(place, self._rescue))
        return self._shops[place]

    def settle_names_of(self, path: str) -> None:
        """Let go of names of the file at `path`, which look as if it were somebody else's, too."""
        for shop in self._shops.values():
            if shop.holds(path):
                shop.settle()

    def root(self, path: str) -> Root:
        """The directory at `path`, held open. Raises `OSError`."""
        if path not in self.roots:
            root = self.roots[path] = Root(path)
            self.callback(root.close)
        return self.roots[path]


def is_in_shop(path: str) -> bool:
    """Does a path lie in a private directory of ours?"""
    return os.path.basename(os.path.dirname(path)).startswith(PREFIX)


def clean_up(directory: str, rescue: Callable[[Place, str], None]) -> None:
    """Remove the shops and the probes in `directory` that killed processes left.

    Raises nothing but what `rescue` raises; root does nothing where others can rename.

    A process that was killed right after it exchanged two files has left what somebody saved at
    the path in that moment, perhaps: `rescue(place, path)` keeps what is not known to be ours.
    """
    with (
        contextlib.suppress(OSError),
        contextlib.closing(Root(directory)) as root,
        at.scandir(root.handle) as entries,
    ):
        for entry in entries:
            with contextlib.suppress(OSError):
                if is_abandoned(entry):
                    _clear(root, entry.name, rescue)
    clean_up_probes(directory)


def clean_up_probes(directory: str) -> None:
    """Remove what killed probes (`filesystem.probe`) left in `directory`. Never raises."""
    with contextlib.suppress(OSError), contextlib.closing(Root(directory)) as root:
        for name in at.listdir(root.handle):
            if not name.startswith(HIDDEN):
                continue
            with contextlib.suppress(OSError):
                if _was_left_by_probe(name, root.handle):
                    at.unlink(name, dir_fd=root.handle)


def _was_left_by_probe(name: str, directory: int) -> bool:
    """Is it old, this user's, and has it nothing in it but what probes write?"""
    handle = at.open(name, READ, dir_fd=directory)
    try:
        status = os.fstat(handle)
        is_ours = stat.S_ISREG(status.st_mode) and _is_own(status)
        if not is_ours or status.st_mtime > time.time() - _OLD:
            return False
        return is_written_by_probe(os.read(handle, status.st_size + 1))
    finally:
        os.close(handle)


def is_abandoned(entry: os.DirEntry[str]) -> bool:
    """Is it a shop of which `taken_over` tells whether somebody works in it?"""
    is_ours = entry.name.startswith(PREFIX) and entry.is_dir(follow_symlinks=False)
    return is_ours and sys.platform != "win32"


@contextlib.contextmanager
def taken_over(root: Root, name: str) -> Iterator[int]:
    """A handle of a shop in which nobody works. Raises `OSError`, also when somebody does."""
    handle = at.open(name, DIRECTORY | NO_FOLLOW, dir_fd=root.handle)
    try:
        _check_private(handle, os.path.join(root.path, name))
        _lock(handle)
        yield handle
    finally:
        os.close(handle)


def _clear(root: Root, shop: str, rescue: Callable[[Place, str], None]) -> None:
    """Raises `OSError`, also when somebody works in it."""
    path = os.path.join(root.path, shop)
    with taken_over(root, shop) as handle:
        known = _known_in(handle)
        for name in at.listdir(handle):
            place = Place(handle, name, os.path.join(path, name))
            # What was not built to the end was never at a path.
            if name != _KNOWN and not name.startswith("part-"):
                is_known = is_free_to_go(place, known.keys())
                if is_known is None:
                    raise BlockingIOError(errno.EBUSY, os.strerror(errno.EBUSY), place.path)
                if is_known:
                    _keep_bytecode(root, place, known)
                else:
                    rescue(place, path)
            place.unlink()
        at.rmdir(shop, dir_fd=root.handle)


def _check_private(handle: int, path: str) -> None:
    """Raises `PermissionError` where somebody put another directory in the place of ours."""
    status = os.fstat(handle)
    if not _is_own(status) or (os.name != "nt" and stat.S_IMODE(status.st_mode) & 0o077):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), path)


def _is_own(status: os.stat_result) -> bool:
    """Windows tells of no owner here: there it is as private as the directory that it is in."""
    return os.name == "nt" or status.st_uid == os.geteuid()


def _known_in(handle: int) -> dict[Hash, list[str]]:
    """What may be thrown away, and the paths that `Shop.may_go` was told with it."""
    found: dict[Hash, list[str]] = {}
    with contextlib.suppress(OSError, ValueError):
        known = at.open(_KNOWN, os.O_RDONLY | NO_FOLLOW, dir_fd=handle)
        with open(known, encoding="ascii") as lines:
            for line in lines:
                content, _, below = line.rstrip("\n").partition(" ")
                paths = found.setdefault(Hash.parse(content), [])
                if below:
                    paths.append(below.encode("ascii").decode("unicode_escape"))
    return found


def _keep_bytecode(root: Root, place: Place, known: dict[Hash, list[str]]) -> None:
    """Of what was put somewhere instead of the file at `place`, right before we were killed."""
    with contextlib.suppress(OSError, ValueError), Directories() as directories:
        if not any(known.values()):
            return
        content, old = _content_at(place, known)
        for below in known.get(content, ()):
            with root.place(os.path.join(root.path, below)) as there:
                same, new = _content_at(there, [content])
            if same == content:
                Bytecode(directories).follow(root.path, below, old, new.st_mtime_ns, None)


def _content_at(place: Place, known: Collection[Hash]) -> tuple[Hash, os.stat_result]:
    """Which of these a file holds, `NO_HASH` for none. Raises `OSError`, `ValueError`."""
    handle = at.open(place.name, READ, dir_fd=place.directory)
    try:
        status = os.fstat(handle)
        for algorithm in {each.algorithm for each in known}:
            content = of_handle(handle, algorithm)
            if content in known:
                return content, status
        return NO_HASH, status
    finally:
        os.close(handle)


def _lock(handle: int) -> None:
    """Raises `BlockingIOError` when somebody works in it."""
    if not take_alone(handle):
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
