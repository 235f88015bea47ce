"""From environments to rows and totals: in parallel, and in memory that no file count moves."""

from __future__ import annotations

import os
import stat
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, as_completed, wait
from typing import TYPE_CHECKING, TypeVar

from uvx_policy.errors import Unreadable
from uvx_policy.filesystem.cache_safety import ancestors
from uvx_policy.filesystem.capability import installed_into, known_links
from uvx_policy.filesystem.mounts import read_mount_table
from uvx_policy.host import nearest_existing
from uvx_policy.installed import settled
from uvx_policy.installed import survey_store as counts
from uvx_policy.installed.distributions import site_directories, status_of
from uvx_policy.installed.extents import devices_that_never_share
from uvx_policy.installed.glance import Glance
from uvx_policy.installed.sentences import name_in
from uvx_policy.installed.survey import survey
from uvx_policy.machine.onlooker import Onlooker
from uvx_policy.machine.policy import policy_of
from uvx_policy.state import register
from uvx_policy.status import row as rows
from uvx_policy.status.row import Row, Total, Where
from uvx_policy.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from concurrent.futures import Future

    from uvx_policy.installed.model import Survey
    from uvx_policy.model import Mount
    from uvx_policy.state.register import Environment
    from uvx_policy.status.row import State

T = TypeVar("T")
R = TypeVar("R")

#: surveys at a time: os calls let other threads run, and disks like a queue
WORKERS = min(8, 2 * (os.cpu_count() or 1))
#: environments that are gone are forgotten when no decision was made for them since; before that
#: the disk may just not be mounted. Seconds
FORGOTTEN_AFTER = 30 * 86400
#: seconds in which known environments are looked at for edits; about 1,000 of them can be
LOOKING_AGAIN = 1.5
#: seconds of waiting for disks before several environments are looked at side by side
_NOTICEABLE = 0.3
#: edited files of one environment that are named
_MOST_NAMED = 3


class Seen(Value):
    """One environment that was looked at: what is told of it, and what only the totals need."""

    row: Row
    #: as `Survey.shared_sample`
    sample: str = ""
    #: (device, inode) of its directory: two paths may lead to one environment
    identity: tuple[int, int] = (0, 0)
    #: as `Environment.seen`
    decided_at: int = 0


class Gathering:
    """Everything that one call of `status` found out: as much as there are environments."""

    def __init__(self, environ: Mapping[str, str], state: str, *, refresh: bool = False) -> None:
        """`state`: the state directory, "" for none; `refresh`: use no kept counts."""
        self.rows: list[Row] = []
        #: paths that are gone for so long that the register has them no more
        self.forgotten: list[str] = []
        self._totals: dict[str, Total] = {}
        self._identities: set[tuple[int, int]] = set()
        #: one for all rows on it
        self._places: dict[Where, Where] = {}
        self._state = state
        self._refresh = refresh
        self._host = Onlooker(environ)
        self._glance = Glance()
        self._until = time.monotonic() + LOOKING_AGAIN
        try:
            self._table = read_mount_table(self._host)
        except Unreadable:
            self._table = None
        rows_of_table = self._table.rows if self._table else ()
        self._never_share = devices_that_never_share(rows_of_table or None)
        #: mount points that only one mount has -> the mount
        self._mounts = {row.point: row for row in rows_of_table}
        self._covered = {row.point for row in rows_of_table if self._mounts[row.point] is not row}

    @property
    def totals(self) -> list[Total]:
        """One for each file system, by mount point."""
        return sorted(self._totals.values(), key=lambda total: total.where.mount_point)

    def gather(self, environments: Iterable[Environment]) -> Iterator[str]:
        """Look at each environment; give its path when that is done, in no order."""
        for seen in in_parallel(self._look, environments, at_once=self._look_at_kept):
            self._take(seen)
            yield seen.row.path

    def _take(self, seen: Seen) -> None:
        row = seen.row
        if row.state == "gone" and 0 < seen.decided_at < time.time() - FORGOTTEN_AFTER:
            register.forget(self._state, row.path)
            self.forgotten.append(row.path)
            return
        is_again = row.state == "present" and seen.identity in self._identities
        self.rows.append(row.replace(is_counted_elsewhere=True) if is_again else row)
        if row.state == "present" and not is_again:
            self._identities.add(seen.identity)
            total = self._totals.setdefault(row.where.device, Total())
            total.add(row, seen.sample)

    def _look_at_kept(self, environment: Environment) -> Seen | None:
        """As `_look`, from kept counts, if any. Edits are looked for while there is time."""
        path = environment.path
        state, identity = _state_of(path)
        if state != "present" or not self._state or self._refresh:
            return None
        sites = site_directories(path)
        glance = self._glance.of(sites) if time.monotonic() < self._until else None
        kept = counts.kept(self._state, path, glance, sites)
        if kept is None:
            return None
        return self._seen(environment, kept, identity, kept=True, looked=glance is not None)

    def _look(self, environment: Environment) -> Seen:
        """Count the files of an environment, and keep the counts. Never raises."""
        path = environment.path
        state, identity = _state_of(path)
        if state == "present":
            found = survey(path, sampled=True, never_share=self._never_share)
            if found.files:
                counts.keep(self._state, found)
            else:  # it may have vanished while we looked
                state, identity = _state_of(path)
            if state == "present":
                return self._seen(environment, found, identity)
        project, policy = policy_of(environment, self._host)
        cache = environment.cache
        row = Row(path=path, project=project, cache=cache, policy=policy, state=state)
        return Seen(row=row, decided_at=environment.seen)

    def _seen(
        self,
        environment: Environment,
        found: Survey,
        identity: tuple[int, int],
        *,
        kept: bool = False,
        looked: bool = True,
    ) -> Seen:
        path = environment.path
        project, policy = policy_of(environment, self._host)
        where = self._where(path, identity[0])
        save = rows.may_save(policy.name, environment.link_mode, found)
        if save and self._nothing_links(path, environment.cache or where.mount_point):
            save = 0
        if save and settled.holds(self._state, path, found.glance):
            save = 0
        row = Row(
            path=path,
            project=project,
            cache=environment.cache,
            policy=policy,
            where=self._places.setdefault(where, where),
            in_fact=rows.in_fact(found),
            drift=rows.drift(policy.name, found),
            files=found.files,
            shared_bytes=found.shared_bytes,
            shared_exact=found.extents_known,
            private_bytes=found.private_bytes,
            save_bytes=save,
            edited_files=found.edited_files,
            edited=tuple(name_in(file, path) for file in found.edited[:_MOST_NAMED]),
            edits_shared=any(map(_has_others, found.edited)),
            dangling_files=found.dangling,
            unreadable_files=found.unreadable_files,
            counted_at=found.at,
            kept=kept,
            edits_looked_for=looked,
        )
        sample, seen = found.shared_sample, environment.seen
        return Seen(row=row, sample=sample, identity=identity, decided_at=seen)

    def _nothing_links(self, path: str, cache: str) -> bool:
        """Is it known, without a try, that nothing can be linked from such a cache to here?"""
        try:
            links = known_links(
                self._host,
                self._state,
                self._table,
                cache=nearest_existing(self._host, cache),
                destination=installed_into(self._host, path),
            )
        except Unreadable:
            return False
        return links.clone == "no" and links.hardlink == "no"

    def _where(self, path: str, device: int) -> Where:
        """`device`: `st_dev` of what is at `path`."""
        real = os.path.realpath(path)
        mount = self._nearest_mount(real)
        if mount is None or mount.device != f"{os.major(device)}:{os.minor(device)}":
            # btrfs has numbers of its own for its subvolumes, and a mount may cover another.
            mount_id = self._host.mount_id(real)
            mount = self._table.find(real, mount_id) if self._table else None
        if mount is None and os.name == "nt":
            drive = os.path.splitdrive(real)[0]
            return Where(device=drive, mount_point=drive)
        if mount is None:
            return Where(device=str(device))
        return Where(device=mount.device, mount_point=mount.point, file_system=mount.fstype)

    def _nearest_mount(self, real: str) -> Mount | None:
        """The mount with the longest mount point; `None` when several have it."""
        above = next((each for each in ancestors(real) if each in self._mounts), "")
        return None if above in self._covered else self._mounts.get(above)


def in_parallel(
    look: Callable[[T], R], items: Iterable[T], *, at_once: Callable[[T], R | None] = lambda _: None
) -> Iterator[R]:
    """Give `look(item)` of every item as it is there; of the items only a few are held at a time.

    Threads help only where a look waits for a disk or a network: with everything in memory they
    take turns, for twice the processor time. So they begin when the waiting has grown noticeable.
    `at_once` is asked first, always in this thread. What one of them raises is raised here; on the
    way out nothing more is begun.
    """
    threads = ThreadPoolExecutor(max_workers=WORKERS)
    waited = worked = 0.0
    try:
        running: set[Future[R]] = set()
        for item in items:
            answer = at_once(item)
            if answer is None and waited < max(worked, _NOTICEABLE):
                began, began_work = time.monotonic(), time.thread_time()
                answer = look(item)
                work = time.thread_time() - began_work
                worked += work
                waited += time.monotonic() - began - work
            if answer is not None:
                yield answer
                continue
            running.add(threads.submit(look, item))
            if len(running) >= 2 * WORKERS:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        yield from (future.result() for future in as_completed(running))
    finally:
        threads.shutdown(wait=False, cancel_futures=True)


def _has_others(path: str) -> bool:
    """Has a file other names, or is it a link to one?"""
    told = status_of(path)
    return os.path.islink(path) or (told is not None and told.st_nlink > 1)


def _state_of(path: str) -> tuple[State, tuple[int, int]]:
    """What is at the path of an environment, links followed, and its device and inode."""
    try:
        told = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return "gone", (0, 0)
    except (OSError, ValueError):
        return "unreadable", (0, 0)
    if not stat.S_ISDIR(told.st_mode):
        return "gone", (0, 0)
    return "present", (told.st_dev, told.st_ino)
