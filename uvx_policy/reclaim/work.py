"""Carry out a plan: locks, processes, and what is free afterwards."""

from __future__ import annotations

import contextlib
import marshal
import os
import selectors
import signal
import struct
import sys
from typing import TYPE_CHECKING

from uvx_policy.caches import locks
from uvx_policy.errors import LinkPolicyError
from uvx_policy.forking import forked, processors
from uvx_policy.replace import kernel, shop
from uvx_policy.replace.clones import Cloner
from uvx_policy.replace.dedupe import Deduper
from uvx_policy.replace.links import Linker
from uvx_policy.replace.outcome import Outcome
from uvx_policy.state.files import write_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from uvx_policy.reclaim.plan import Plan
    from uvx_policy.reclaim.volume import Volume
    from uvx_policy.repair.work import Work as Saving
    from uvx_policy.replace.opened import Group

#: what a file costs besides its bytes, in bytes
_PER_FILE = 1 << 16
#: parts that the work of each process is divided into, so that all end at the same time
_PARTS = 12
_NUMBER = struct.Struct("=l")
_PIECE = 1 << 16
#: open files besides those of locks
_FILES = 1024


class Work:
    """What was done so far."""

    def __init__(self, plan: Plan, wait: float, jobs: int, saving: Callable[[], Saving]) -> None:
        """`wait`: seconds for each lock; `jobs`: processes, 0 for as many as there can be.

        `saving`: what keeps edits that are made in the very moment; each process has its own.
        """
        self._plan = plan
        self._wait = wait
        self._jobs = jobs
        self._saving = saving
        #: environments and caches that somebody uses, and who
        self.busy: list[locks.Busy] = []
        #: a process of ours was killed
        self.is_broken = False
        #: where edits were saved, and what went wrong with that
        self.saved: list[str] = []
        self.errors: list[str] = []
        self.is_interrupted = False
        self._children: list[int] = []

    def carry_out(self, advance: Callable[[str], None]) -> None:
        """Do everything. After Ctrl-C `is_interrupted` is set, and what was begun is finished."""
        _allow_files(len(self._plan.environments) + len(self._plan.caches) + _FILES)
        with contextlib.ExitStack() as held, self._interruptible():
            self._lock(held, advance)
            for volume in self._plan.volumes:
                if volume.groups and not self.is_interrupted:
                    before = volume.free()
                    volume.done = Outcome()
                    self._work_on(volume, advance)
                    volume.freed = volume.free() - before
                    if volume.held:
                        volume.held_by = list(map(str, locks.users_of_deleted(shop.PREFIX)))
                    self._plan.remembered.found.extend(volume.done.places)
                    self.saved += volume.done.saved
                    self.errors += volume.done.errors

    def _lock(self, held: contextlib.ExitStack, advance: Callable[[str], None]) -> None:
        def waiting(holder: locks.Holder) -> None:
            advance(f"waiting for {holder}")

        for take, owners in (
            (locks.shared, self._plan.caches), (locks.alone, self._plan.environments),
        ):  # fmt: skip
            for owner in owners:
                if self.is_interrupted:
                    return
                try:
                    held.enter_context(take(owner, self._wait, meanwhile=waiting))
                except locks.Busy as error:
                    self.busy.append(error)
                    self._plan.leave(owner, "locked")

    @contextlib.contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Ctrl-C stops after what was begun, here and in all processes."""

        def stop(number: int, _: object) -> None:
            self.is_interrupted = True
            for child in self._children:
                with contextlib.suppress(OSError):
                    os.kill(child, number)

        before = {number: signal.signal(number, stop) for number in _STOPPING}
        try:
            with kernel.leases():
                yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    # Processes -----------------------------------------------------------------------------------

    def _work_on(self, volume: Volume, advance: Callable[[str], None]) -> None:
        def report(outcome: Outcome) -> None:
            assert volume.done is not None  # noqa: S101 (it is being worked on)
            volume.done.add(outcome)
            advance(f"{volume.mount_point}: {volume.done.files:,} of {volume.files:,} files")

        most = processors()
        jobs = self._jobs or most if most > 1 else 1
        parts = self._parts(volume, jobs)
        if min(jobs, len(parts)) <= 1:
            self._do(volume, parts, report)
            return
        # Which part is next: whoever is done reads the next number.
        source, sink = os.pipe()
        os.write(sink, b"".join(map(_NUMBER.pack, range(len(parts)))))
        os.close(sink)
        pipes = []
        for _ in range(min(jobs, len(parts))):
            with contextlib.suppress(OSError):  # too many processes: with fewer then
                pipes.append(self._start(volume, parts, source))
        self._receive(pipes, report)
        if not pipes:
            self._do(volume, (parts[number] for number in _claimed(source)), report)
        os.close(source)

    def _start(self, volume: Volume, parts: Sequence[Sequence[int]], source: int) -> int:
        """Start a process; the end of its pipe to read from. Raises `OSError`."""
        child, pipe = forked()
        if child:
            self._children.append(child)
            return pipe
        code = 1
        try:
            self._children = []
            theirs = (parts[number] for number in _claimed(source))
            self._do(volume, theirs, lambda outcome: _send(pipe, outcome))
            code = 0
        except Exception:
            import traceback

            traceback.print_exc()
            raise
        finally:
            os._exit(code)

    def _receive(self, pipes: Sequence[int], report: Callable[[Outcome], None]) -> None:
        """Report what the processes say, until each has ended."""
        with selectors.DefaultSelector() as selector:
            for pipe in pipes:
                selector.register(pipe, selectors.EVENT_READ, bytearray())
            while selector.get_map():
                for key, _ in selector.select():
                    content = os.read(key.fd, _PIECE)
                    key.data.extend(content)
                    for outcome in _received(key.data):
                        report(outcome)
                    if not content:
                        selector.unregister(key.fd)
                        os.close(key.fd)
        for child in self._children:
            with contextlib.suppress(ChildProcessError):  # where SIGCHLD is ignored
                self.is_broken |= os.waitpid(child, 0)[1] != 0
        self._children = []

    def _do(
        self,
        volume: Volume,
        parts: Iterable[Sequence[int]],
        report: Callable[[Outcome], None],
    ) -> None:
        """Work on some parts; `report` is called with what was done since the last time."""
        outcome = Outcome()

        def groups() -> Iterator[Group]:
            for part in parts:
                for group in self._plan.groups(volume, part, outcome):
                    if self.is_interrupted:
                        return
                    yield group
                report(outcome)
                outcome.clear()

        def shared(status: os.stat_result, path: str, place: int) -> None:
            outcome.places.extend((self._plan.remembered.token(status, path), place))

        try:
            if volume.method == "dedupe":
                with Deduper(outcome, shared) as deduper:
                    deduper.share(groups())
            else:
                saving = self._saving()
                try:
                    kind = Cloner if volume.method == "clone" else Linker
                    with kind(outcome, saving.rescue) as linker:
                        linker.link(groups())
                finally:
                    outcome.saved += filter(None, [saving.saved])
        except LinkPolicyError as error:  # an edit could not be saved: it stays where it is
            outcome.errors.append(str(error))
        finally:
            report(outcome)

    def _parts(self, volume: Volume, jobs: int) -> list[Sequence[int]]:
        """Groups that are neighbors, with about the same work in each part."""
        candidates = self._plan.candidates
        costs = [candidates.cost(group, _PER_FILE) for group in volume.groups]
        most = sum(costs) / (jobs * _PARTS)
        parts: list[Sequence[int]] = []
        start, cost = 0, 0
        for at, each in enumerate(costs):
            cost += each
            if cost >= most:
                parts.append(volume.groups[start : at + 1])
                start, cost = at + 1, 0
        if start < len(costs):
            parts.append(volume.groups[start:])
        return parts


_STOPPING = [signal.SIGINT, signal.SIGTERM]


def _claimed(source: int) -> Iterator[int]:
    while number := os.read(source, _NUMBER.size):
        yield _NUMBER.unpack(number)[0]


def _send(sink: int, outcome: Outcome) -> None:
    """Raises `BrokenPipeError` when nobody is there any more."""
    content = marshal.dumps(outcome.packed())
    write_all(sink, _NUMBER.pack(len(content)) + content)


def _received(buffer: bytearray) -> Iterator[Outcome]:
    """What has come whole; it is taken away."""
    while len(buffer) >= _NUMBER.size:
        end = _NUMBER.size + _NUMBER.unpack_from(buffer)[0]
        if len(buffer) < end:
            return
        content = bytes(buffer[_NUMBER.size : end])
        del buffer[:end]
        yield Outcome.unpacked(marshal.loads(content))  # noqa: S302 (from our own process)


def _allow_files(number: int) -> None:
    """Each lock is an open file, and so is each file that is being worked on."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < 2 * number:
        most = 2 * number if hard == resource.RLIM_INFINITY else min(2 * number, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(most, soft), hard))
