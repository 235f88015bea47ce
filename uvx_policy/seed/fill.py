"""Fill a cache with packages that another cache holds.

An archive is built beside, under a name that nobody looks for, and renamed when all of it is there
and proven; then come its links, and last the pointers by which uv finds it. Whenever we are killed,
uv finds a package whole or not at all.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import time

from uvx_policy.errors import LinkPolicyError
from uvx_policy.flock import take_alone, take_shared
from uvx_policy.foreign_file import DIRECTORY, NO_FOLLOW
from uvx_policy.forking import processors
from uvx_policy.installed.distributions import names_in
from uvx_policy.seed import archive as archives
from uvx_policy.seed.archive import Unproven
from uvx_policy.seed.entries import (
    archive_path,
    entries_of,
    has_archive,
    index_files,
    is_there,
    is_unbuilt,
)
from uvx_policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from uvx_policy.seed.archive import Archive
    from uvx_policy.seed.entries import Entry
    from uvx_policy.uv.locked import Versions

#: begins like uv's own temporaries and all of ours: uv never installs what lies there, and
#: `uv cache prune` deletes it
PREFIX = ".tmp-linkpolicy-seed-"
LOCK = ".lock"
#: seconds
PATIENCE = 2.0
_PAUSE = 0.05
#: bytes that stay free
_RESERVE = 32 << 20
_MOST_PROCESSES = 4
_FULL = (errno.ENOSPC, errno.EDQUOT)


class CannotSeed(LinkPolicyError):
    """Nothing was seeded, or not all, for a reason that may pass: a cache in use, a full disk."""


class Filled(Value):
    """What was done."""

    #: packages that were not there, or not all of it, and are now
    brought: tuple[str, ...]
    #: packages that were there already
    there: tuple[str, ...]
    #: package -> why it was not passed on; the reason stays until the source changes
    left: dict[str, str]
    #: packages of which the source has no unpacked wheel either
    absent: tuple[str, ...]
    #: bytes that were written, at most
    size: int
    #: buckets that got something, which tell the versions of uv that it serves
    buckets: tuple[str, ...]


def fill(
    source: str,
    target: str,
    packages: Versions,
    *,
    wait: float = PATIENCE,
    dry_run: bool = False,
    pause: Callable[[], None] = lambda: None,
) -> Filled:
    """Bring what `source` holds of these packages into the cache `target`, which exists.

    `pause` is called again and again. Raises `CannotSeed`; what was complete by then stays, but for
    a full disk.
    """
    with _locked(source, wait, make=False), _locked(target, wait, make=not dry_run) as lock:
        job = _Job(source, target)
        for package, versions in packages.items():
            job.look_for(package, versions)
        if not dry_run:
            _check_room(target, sum(each.room for each in job.wanted.values()))
            clean_up(target)
            try:
                with _workshop(target) as job.workshop:
                    job.carry_out(pause)
            except OSError as error:
                if error.errno in _FULL and lock is not None and take_alone(lock):
                    job.undo()  # nobody but us uses it: the room is uv's again
                because = f"`{target}` cannot be written: {error.strerror}"
                raise CannotSeed(because) from error
    return job.result()


def clean_up(cache: str) -> None:
    """Remove what killed processes left in a cache. Never raises."""
    for name in names_in(cache):
        if name.startswith(PREFIX):
            with contextlib.suppress(OSError):
                handle = os.open(os.path.join(cache, name), DIRECTORY | NO_FOLLOW)
                try:
                    if take_alone(handle):
                        _remove(os.path.join(cache, name))
                finally:
                    os.close(handle)


class _Job:
    """One run: what is wanted, and what was done of it."""

    def __init__(self, source: str, target: str) -> None:
        self._source, self._target = source, target
        self.workshop = ""
        #: package -> its entries; those of which the source has none are left out
        self._entries: dict[str, list[Entry]] = {}
        #: id -> what has to be copied
        self.wanted: dict[str, Archive] = {}
        self._left: dict[str, str] = {}
        self._absent: list[str] = []
        #: what this run has put into the target besides, in this order
        self._made: list[str] = []

    def look_for(self, package: str, versions: tuple[str, ...]) -> None:
        """Find out what is to be copied for this package, and whether it may be."""
        held = list(entries_of(self._source, package, versions))
        if not held:
            if is_unbuilt(self._source, package, versions):
                self._left[package] = f"`{self._source}` holds its source, not yet built"
            else:
                self._absent.append(package)
            return
        self._entries[package] = [each for each in held if not is_there(self._target, each)]
        with self._may_be_left(package):
            for id_ in (id_ for entry in self._entries[package] for id_ in entry.archives):
                if id_ not in self.wanted and not has_archive(self._target, id_):
                    self.wanted[id_] = archives.look_at(archive_path(self._source, id_))

    def carry_out(self, pause: Callable[[], None]) -> None:
        """Copy everything. Raises `OSError` when the target cannot be written."""
        with _helped(self._build_all):
            self._build_all(0, pause)
        for package, entries in list(self._entries.items()):
            with self._may_be_left(package):
                for entry in entries:
                    self._bring(entry, pause)
                for below in index_files(self._source, package):
                    self._place_file(below)

    def undo(self) -> None:
        """Take away what this run has made: the pointers before what they lead to."""
        brought = [archive_path(self._target, id_) for id_ in self.wanted]
        for path in (*reversed(self._made), *brought):
            with contextlib.suppress(OSError):
                _remove(path)

    def result(self) -> Filled:
        """What was done, or would be."""
        entries = [entry for each in self._entries.values() for entry in each]
        ids = {id_ for entry in entries for id_ in entry.archives}
        return Filled(
            brought=tuple(name for name, new in self._entries.items() if new),
            there=tuple(name for name, new in self._entries.items() if not new),
            left=self._left,
            absent=tuple(self._absent),
            size=sum(each.room for id_, each in self.wanted.items() if id_ in ids),
            buckets=tuple(sorted({entry.bucket for entry in entries})),
        )

    @contextlib.contextmanager
    def _may_be_left(self, package: str) -> Iterator[None]:
        try:
            yield
        except Unproven as error:
            self._left[package] = str(error)
            del self._entries[package]

    def _bring(self, entry: Entry, pause: Callable[[], None]) -> None:
        for id_ in entry.archives:
            path = archive_path(self._target, id_)
            if not os.path.isdir(path):
                wanted = self.wanted.get(id_) or archives.look_at(archive_path(self._source, id_))
                self._build(wanted, self._new(), path, pause)
        for below, id_ in entry.links:
            path = os.path.join(self._target, below)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            new = self._new()
            # Relative: uv up to 0.11.16 writes absolute ones, and all versions read both.
            os.symlink(os.path.relpath(archive_path(self._target, id_), os.path.dirname(path)), new)
            self._move(new, path)
        for below in entry.files:
            self._place_file(below)

    def _build_all(self, share: float, pause: Callable[[], None]) -> None:
        """Copy the archives that nobody else has begun with. `share`: where to begin, 0 to 1.

        What cannot be copied is tried again, by itself, when its package has its turn.
        """
        ids = list(self.wanted)
        first = int(len(ids) * share)
        for id_ in (*ids[first:], *ids[:first]):
            path = archive_path(self._target, id_)
            begun = os.path.join(self.workshop, f"part-{id_}")
            with contextlib.suppress(OSError, Unproven):
                if not os.path.isdir(path):
                    self._build(self.wanted[id_], begun, path, pause)

    def _build(self, wanted: Archive, new: str, path: str, pause: Callable[[], None]) -> None:
        archives.copy(wanted, new, pause=pause)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        self._move(new, path)

    def _place_file(self, below: str) -> None:
        path = os.path.join(self._target, below)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        new = self._new()
        archives.copy_file(os.path.join(self._source, below), new)
        self._move(new, path)

    def _new(self) -> str:
        return os.path.join(self.workshop, f"part-{len(self._made)}-{os.urandom(4).hex()}")

    def _move(self, new: str, path: str) -> None:
        """Put something where it belongs; another process may have done it meanwhile."""
        was_there = os.path.lexists(path)
        try:
            os.rename(new, path)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            _remove(new)
            return
        if not was_there:
            self._made.append(path)


@contextlib.contextmanager
def _locked(cache: str, wait: float, *, make: bool) -> Iterator[int | None]:
    """Hold uv's lock on a cache as every uv does that uses it. Raises `CannotSeed`.

    Where there is no lock file (before uv 0.8.19, or read-only) there is nothing to hold.
    """
    flags = os.O_RDWR | os.O_CREAT if make else os.O_RDONLY
    flags |= getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0) | NO_FOLLOW
    try:
        handle = os.open(os.path.join(cache, LOCK), flags, 0o666)
    except FileNotFoundError:
        yield None
        return
    except OSError as error:
        raise CannotSeed(f"the lock of `{cache}` cannot be opened: {error.strerror}") from error
    try:
        deadline = time.monotonic() + wait
        while not take_shared(handle):
            if time.monotonic() > deadline:
                raise CannotSeed(f"`{cache}` is in use: it is being cleaned or pruned")
            time.sleep(_PAUSE)
        yield handle
    finally:
        os.close(handle)


@contextlib.contextmanager
def _helped(work: Callable[[float, Callable[[], None]], None]) -> Iterator[None]:
    """Let other processes do the same work at once, each from another share of it on."""
    count = min(processors(), _MOST_PROCESSES)
    children = []
    for number in range(1, count):
        try:
            child = os.fork()
        except OSError:  # too many processes
            break
        if not child:
            # Whatever happens here, interrupts included: this process ends here, and says nothing.
            try:
                work(number / count, lambda: None)
            finally:
                os._exit(0)
        children.append(child)
    try:
        yield
    finally:
        for child in children:
            with contextlib.suppress(ChildProcessError):  # where SIGCHLD is ignored
                os.waitpid(child, 0)


@contextlib.contextmanager
def _workshop(cache: str) -> Iterator[str]:
    """A private directory in a cache; as long as we live its lock is held. Raises `OSError`."""
    path = os.path.join(cache, f"{PREFIX}{os.urandom(6).hex()}")
    os.mkdir(path, 0o700)
    handle = os.open(path, DIRECTORY | NO_FOLLOW)
    try:
        take_alone(handle)
        yield path
    finally:
        with contextlib.suppress(OSError):
            _remove(path)
        os.close(handle)


def _check_room(target: str, needed: int) -> None:
    """Raises `CannotSeed`: a disk that is filled halfway would be of no use to uv either."""
    try:
        told = os.statvfs(target)
    except (OSError, AttributeError):
        return
    if told.f_bavail * told.f_frsize < needed + _RESERVE:
        raise CannotSeed(f"`{target}` has not the {needed >> 20} MiB free that it takes")


def _remove(path: str) -> None:
    """Remove a file, a link, or a directory with all that is in it. Raises `OSError`."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)
