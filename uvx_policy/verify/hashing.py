"""Hash files on all processors, a bounded number of them in flight.

Processes, not threads: of a small file the interpreter takes as long as the hash, and its lock lets
only one thread at a time do that. A few files are hashed here, without starting any.
"""

from __future__ import annotations

import hashlib
import os
import signal
import struct
import sys
from collections import deque
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from uvx_policy.installed.hash import NO_HASH, Hash, read

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future, ProcessPoolExecutor

#: a batch is full with so many files, or bytes by the RECORD
_MOST_FILES = 256
_MOST_BYTES = 16 << 20
#: batches that are hashed here before processes are started
_FEW = 1
#: ns; a file that was changed so shortly before may change again without its times telling
_FRESH = 2_100_000_000

_STATE = struct.Struct("=QQqqq").pack
#: Windows has inode numbers of 128 bits
_64_BITS = 2**64 - 1

T = TypeVar("T")


class Order(NamedTuple):
    """A file to hash."""

    path: str
    #: the hash that it should have, as in RECORD: to hand over a `Hash` takes longer
    expected: str
    #: bytes by the RECORD, 0 if unknown: for dividing work only
    size: int


class Answer(NamedTuple):
    """What became of an order."""

    #: "": as it should be; else "edited", "missing" or "unreadable", as `model.State`
    state: str
    #: bytes that were read
    size: int = 0
    #: `state_of` it in which it has the hash, b"" when it changed just now
    in_state: bytes = b""
    #: what it has, where that is something else
    found: Hash = NO_HASH


def state_of(told: os.stat_result) -> bytes:
    """40 bytes that stand for an inode and the state that it is in.

    Whoever changes a file changes its ctime (inode(7)), which nobody can set. A new hard link
    changes it as well: then the file is read once more.
    """
    return _STATE(
        told.st_dev & _64_BITS, told.st_ino & _64_BITS, told.st_size,
        told.st_mtime_ns, told.st_ctime_ns,
    )  # fmt: skip


def token_of(state: bytes, expected: str) -> bytes:
    """16 bytes that stand for "the inode in just this state has this digest"."""
    told = state + expected.encode("utf-8", "surrogateescape")
    return hashlib.blake2b(told, digest_size=16).digest()


def answer(order: Order, now: int) -> Answer:
    """Read and hash a file at `now` (ns since the epoch). Raises `ValueError` for no hash only."""
    expected = Hash.parse(order.expected)
    try:
        before, after, size, found = read(order.path, expected.algorithm)
    except (FileNotFoundError, NotADirectoryError):
        return Answer("missing")
    except IsADirectoryError:
        return Answer("edited")
    except (OSError, ValueError):
        return Answer("unreadable")
    if found != expected:
        return Answer("edited", size, found=found)
    state = state_of(after)
    # Python has no time of the last change on Windows: whoever edits a file can set what it has.
    fresh = os.name == "nt" or max(after.st_ctime_ns, after.st_mtime_ns) > now - _FRESH
    return Answer("", size, b"" if fresh or state != state_of(before) else state)


class Hashers(Generic[T]):
    """Takes orders, each with something of the caller's, and gives both back with the answer.

    To be used in a `with` block; what is in flight when that ends early is given up.
    """

    def __init__(self, workers: int | None = None) -> None:
        """`workers`: processes, as many as there are processors by default; 0: none."""
        self._workers = _processors() if workers is None else workers
        self._pool: ProcessPoolExecutor | None = None
        self._batch: list[Order] = []
        self._batch_bytes = 0
        self._with: list[T] = []
        self._batches = 0
        self._running: deque[tuple[Future[list[Answer]] | None, list[Order], list[T]]] = deque()

    def __enter__(self) -> Hashers[T]:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def take(self, order: Order, with_it: T) -> Iterator[tuple[T, Answer]]:
        """Take one more order; give what is done by now, in the order in which it was taken."""
        self._batch.append(order)
        self._with.append(with_it)
        self._batch_bytes += order.size
        if len(self._batch) >= _MOST_FILES or self._batch_bytes >= _MOST_BYTES:
            yield from self._send(last=False)

    def finish(self) -> Iterator[tuple[T, Answer]]:
        """Give all the rest."""
        if self._batch:
            yield from self._send(last=True)
        while self._running:
            yield from self._receive()

    def _send(self, *, last: bool) -> Iterator[tuple[T, Answer]]:
        batch, with_them = self._batch, self._with
        self._batch, self._with, self._batch_bytes = [], [], 0
        self._batches += 1
        alone = self._pool is None and (self._batches <= _FEW or last)
        if alone or not self._workers:
            while self._running:
                yield from self._receive()
            yield from zip(with_them, _answers(batch), strict=True)
            return
        self._running.append((self._submit(batch), batch, with_them))
        if len(self._running) > 2 * self._workers:
            yield from self._receive()

    def _submit(self, batch: list[Order]) -> Future[list[Answer]] | None:
        """Let a process do it; `None` when there can be none."""
        try:
            if self._pool is None:
                self._pool = _pool(self._workers)
            return self._pool.submit(_answers, batch)
        except (OSError, RuntimeError, ImportError):
            # No process more may be started, there are no semaphores (/dev/shm), or one was killed.
            self._do_without()
            return None

    def _receive(self) -> Iterator[tuple[T, Answer]]:
        from concurrent.futures.process import BrokenProcessPool

        running, batch, with_them = self._running.popleft()
        try:
            answers = _answers(batch) if running is None else running.result()
        except BrokenProcessPool:
            # Somebody killed a process of ours (the kernel, for want of memory): without them then.
            self._do_without()
            answers = _answers(batch)
        yield from zip(with_them, answers, strict=True)

    def _do_without(self) -> None:
        from multiprocessing import active_children

        self._workers, self._pool = 0, None
        # Those of a pool that was never complete would be waited for when the interpreter ends.
        for child in active_children():
            child.terminate()
            child.join()


def _answers(batch: list[Order]) -> list[Answer]:
    from time import time_ns

    now = time_ns()
    return [answer(order, now) for order in batch]


def _pool(workers: int) -> ProcessPoolExecutor:
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    # fork: the others start an interpreter for each; no thread of ours runs while this is done.
    how = "fork" if sys.platform == "linux" else "spawn"
    return ProcessPoolExecutor(
        workers, multiprocessing.get_context(how),
        # Interrupts are for the parent.
        signal.signal, (signal.SIGINT, signal.SIG_IGN),
    )  # fmt: skip


def _processors() -> int:
    """How many of them this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        return os.cpu_count() or 1
