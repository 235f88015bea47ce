"""Fill a cache with packages that another cache holds.

An archive is built beside, under a name that nobody looks for, and renamed when all of it is there
and proven; then come its links, and last the pointers by which uv finds it. Whenever we are killed,
uv finds a package whole or not at all.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import time

from uvx_policy.errors import LinkPolicyError
from uvx_policy.flock import take_alone, take_shared
from uvx_policy.foreign_file import NO_FOLLOW
from uvx_policy.forking import processors
from uvx_policy.seed import archive as archives
from uvx_policy.seed.archive import FULL, Unproven
from uvx_policy.seed.entries import (
    archive_path,
    built_at,
    entries_of,
    has_archive,
    index_files,
    is_there,
    is_unbuilt,
    metadata_files,
)
from uvx_policy.seed.spared import Spared, Tally
from uvx_policy.seed.workshop import clean_up, remove, workshop
from uvx_policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from uvx_policy.seed.archive import Archive
    from uvx_policy.seed.entries import Entry
    from uvx_policy.seed.held import Held
    from uvx_policy.uv.locked import Versions

LOCK = ".lock"
#: seconds
PATIENCE = 2.0
_PAUSE = 0.05
#: bytes that stay free
_RESERVE = 32 << 20
_MOST_PROCESSES = 4


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
    #: package -> what has to change before it is passed on
    blamed: dict[str, tuple[str, ...]]
    #: packages of which the source has no unpacked wheel either
    absent: tuple[str, ...]
    #: bytes that were written, at most
    size: int
    #: buckets that got something, which tell the versions of uv that it serves
    buckets: tuple[str, ...]
    #: bytes that were not written, because environments had them
    spared: int


def fill(
    source: str,
    target: str,
    packages: Versions,
    *,
    described: Versions | None = None,
    built: Sequence[str] = (),
    python: str = "",
    held: Held | None = None,
    only: Held | None = None,
    planned: set[str] | None = None,
    wait: float = PATIENCE,
    dry_run: bool = False,
    pause: Callable[[], None] = lambda: None,
) -> Filled:
    """Bring what `source` holds of these packages into the cache `target`, which exists.

    `described`: packages of which to bring what an index said, and the metadata of these versions;
    `None`: all of `packages`. `built`: paths for `entries.built_at`. `python`: the one that wheels
    have to be for (`locked.fits`). `held`: environments that have some of it, and lend it. `only`:
    environments that have the wheels which are wanted, and no others are. `planned`: pointers that
    an earlier dry run would have made, to which this one adds. `pause` is called again and again.
    Raises `CannotSeed`; what was complete by then stays, but for a full disk.
    """
    with _locked(source, wait, make=False), _locked(target, wait, make=not dry_run) as lock:
        job = _Job(source, target, held, only, planned if planned is not None else set())
        for package, versions in packages.items():
            job.look_for(package, entries_of(source, package, versions, python), versions)
        for below in built:
            job.look_for(below, filter(None, [built_at(source, below)]))
        job.described = packages if described is None else described
        if not dry_run:
            _check_room(target, job.room)
            clean_up(target)
            try:
                with workshop(target) as job.workshop:
                    job.carry_out(pause)
            except OSError as error:
                if error.errno in FULL and lock is not None and take_alone(lock):
                    job.undo()  # nobody but us uses it: the room is uv's again
                because = f"`{target}` cannot be written: {error.strerror}"
                raise CannotSeed(because) from error
    return job.result(dry_run=dry_run)


class _Job:
    """One run: what is wanted, and what was done of it."""

    def __init__(
        self, source: str, target: str, held: Held | None, only: Held | None, planned: set[str]
    ) -> None:
        self._source, self._target = source, target
        self._held, self._only = held, only
        self._planned = planned
        self.workshop = ""
        #: package -> its entries; those of which the source has none are left out
        self._entries: dict[str, list[Entry]] = {}
        #: what was looked at
        self._seen: dict[str, Archive] = {}
        #: id -> what has to be copied
        self.wanted: dict[str, Archive] = {}
        #: id -> what of it need not be written, as far as can be told before it is done
        self._promised: dict[str, Spared] = {}
        self._spared = Tally(_MOST_PROCESSES)
        #: package -> versions of which to bring what is not unpacked
        self.described: Versions = {}
        self._left: dict[str, str] = {}
        self._blamed: dict[str, tuple[str, ...]] = {}
        self._absent: list[str] = []
        #: what this run has put into the target besides, in this order
        self._made: list[str] = []

    def look_for(
        self, package: str, entries: Iterable[Entry], versions: tuple[str, ...] = ()
    ) -> None:
        """Find out what is to be copied for this package, and whether it may be."""
        held = list(filter(self._is_wanted, entries))
        if not held:
            if self._only is None and is_unbuilt(self._source, package, versions):
                self._left[package] = f"`{self._source}` holds its source, not yet built"
            else:
                self._absent.append(package)
            return
        self._entries[package] = [each for each in held if not self._is_there(each)]
        with self._may_be_left(package):
            for id_ in (id_ for entry in self._entries[package] for id_ in entry.archives):
                if id_ not in self.wanted and not has_archive(self._target, id_):
                    self.wanted[id_] = wanted = self._look_at(id_)
                    if self._held is not None:
                        self._promised[id_] = self._held.of(wanted).promises(wanted)

    def _is_there(self, entry: Entry) -> bool:
        return entry.files[-1] in self._planned or is_there(self._target, entry)

    def _is_wanted(self, entry: Entry) -> bool:
        """Does one of the environments have it, if that is asked for? What is unproven may be."""
        try:
            return self._only is None or any(
                self._only.has(self._look_at(id_)) for id_ in entry.archives
            )
        except Unproven:
            return True

    def _look_at(self, id_: str) -> Archive:
        """Raises `Unproven`."""
        if id_ not in self._seen:
            self._seen[id_] = archives.look_at(archive_path(self._source, id_))
        return self._seen[id_]

    @property
    def room(self) -> int:
        """What takes room, before it is done."""
        return sum(each.room - self._promise(id_).room for id_, each in self.wanted.items())

    def _promise(self, id_: str) -> Spared:
        return self._promised.get(id_, Spared())

    def carry_out(self, pause: Callable[[], None]) -> None:
        """Copy everything. Raises `OSError` when the target cannot be written."""
        with _helped(self._build_all):
            self._build_all(0, 1, pause)
        for package, entries in list(self._entries.items()):
            with self._may_be_left(package):
                for entry in entries:
                    self._bring(entry, pause)
        for package, versions in self.described.items():
            if package in self._left:
                continue
            with contextlib.suppress(Unproven):  # it is no longer there
                for below in metadata_files(self._source, package, versions):
                    self._place_file(below, adds=True)
                for below in index_files(self._source, package):
                    if self._is_newer(below):
                        self._place_file(below)

    def undo(self) -> None:
        """Take away what this run has made: the pointers before what they lead to."""
        brought = [archive_path(self._target, id_) for id_ in self.wanted]
        for path in (*reversed(self._made), *brought):
            with contextlib.suppress(OSError):
                remove(path)

    def result(self, *, dry_run: bool) -> Filled:
        """What was done, or would be."""
        entries = [entry for each in self._entries.values() for entry in each]
        ids = {id_ for entry in entries for id_ in entry.archives}
        wanted = {id_: each for id_, each in self.wanted.items() if id_ in ids}
        spared = self._spared.total
        if dry_run:
            spared = functools.reduce(Spared.plus, map(self._promise, wanted), Spared())
            self._planned.update(entry.files[-1] for entry in entries)
        return Filled(
            brought=tuple(name for name, new in self._entries.items() if new),
            there=tuple(name for name, new in self._entries.items() if not new),
            left=self._left,
            blamed=self._blamed,
            absent=tuple(self._absent),
            size=max(0, sum(each.room for each in wanted.values()) - spared.room),
            buckets=tuple(sorted({entry.bucket for entry in entries})),
            spared=spared.bytes,
        )

    @contextlib.contextmanager
    def _may_be_left(self, package: str) -> Iterator[None]:
        try:
            yield
        except Unproven as error:
            self._left[package] = str(error)
            self._blamed[package] = error.paths
            del self._entries[package]

    def _bring(self, entry: Entry, pause: Callable[[], None]) -> None:
        for id_ in entry.archives:
            path = archive_path(self._target, id_)
            if not os.path.isdir(path):
                self._build(self._look_at(id_), self._new(), path, pause)
        for below, id_ in entry.links:
            path = os.path.join(self._target, below)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            new = self._new()
            # Relative: uv up to 0.11.16 writes absolute ones, and all versions read both.
            os.symlink(os.path.relpath(archive_path(self._target, id_), os.path.dirname(path)), new)
            self._move(new, path)
        for below in entry.files:
            self._place_file(below, adds=entry.adds)

    def _build_all(self, number: int, count: int, pause: Callable[[], None]) -> None:
        """Copy the archives that nobody else has begun with, as one of so many processes.

        What cannot be copied is tried again, by itself, when its package has its turn.
        """
        self._spared.number = number
        ids = list(self.wanted)
        first = len(ids) * number // count
        for id_ in (*ids[first:], *ids[:first]):
            path = archive_path(self._target, id_)
            begun = os.path.join(self.workshop, f"part-{id_}")
            with contextlib.suppress(OSError, Unproven):
                if not os.path.isdir(path):
                    self._build(self.wanted[id_], begun, path, pause)

    def _build(self, wanted: Archive, new: str, path: str, pause: Callable[[], None]) -> None:
        lent = self._held.of(wanted) if self._held is not None else None
        spared = archives.copy(wanted, new, lent=lent, pause=pause)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if self._move(new, path):
            self._spared.add(spared)

    def _place_file(self, below: str, *, adds: bool = False) -> None:
        """Copy a file; `adds`: unless one is there."""
        path = os.path.join(self._target, below)
        if adds and os.path.lexists(path):
            return
        os.makedirs(os.path.dirname(path), exist_ok=True)
        new = self._new()
        archives.copy_file(os.path.join(self._source, below), new)
        self._move(new, path)

    def _is_newer(self, below: str) -> bool:
        """Does the source know more of an index? Whoever asked later does."""
        try:
            there = os.stat(os.path.join(self._target, below)).st_mtime_ns
        except OSError:
            return True
        return os.stat(os.path.join(self._source, below)).st_mtime_ns > there

    def _new(self) -> str:
        return os.path.join(self.workshop, f"part-{len(self._made)}-{os.urandom(4).hex()}")

    def _move(self, new: str, path: str) -> bool:
        """Put something where it belongs; `False`: another process has done it meanwhile."""
        was_there = os.path.lexists(path)
        try:
            os.rename(new, path)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            remove(new)
            return False
        if not was_there:
            self._made.append(path)
        return True


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
def _helped(work: Callable[[int, int, Callable[[], None]], None]) -> Iterator[None]:
    """Let other processes do the same work at once: each knows its number, and how many there are.

    This one has number 0.
    """
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
                work(number, count, lambda: None)
            finally:
                os._exit(0)
        children.append(child)
    try:
        yield
    finally:
        for child in children:
            with contextlib.suppress(ChildProcessError):  # where SIGCHLD is ignored
                os.waitpid(child, 0)


def _check_room(target: str, needed: int) -> None:
    """Raises `CannotSeed`: a disk that is filled halfway would be of no use to uv either."""
    try:
        told = os.statvfs(target)
    except (OSError, AttributeError):
        return
    if told.f_bavail * told.f_frsize < needed + _RESERVE:
        raise CannotSeed(f"`{target}` does not have {needed >> 20} MiB of free space")
