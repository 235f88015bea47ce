"""Ctrl-C and its kin in a program that must clean up: raised, ignored for a moment, or held."""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_ALL = ("SIGINT", "SIGTERM", "SIGHUP")


@contextlib.contextmanager
def raised() -> Iterator[None]:
    """SIGTERM and SIGHUP unwind the stack, as Ctrl-C does."""

    def unwind(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    with _handlers(("SIGTERM", "SIGHUP"), unwind):
        yield


@contextlib.contextmanager
def ignored() -> Iterator[None]:
    """A second Ctrl-C does not stop the cleaning; it takes a moment only."""
    with _handlers(_ALL, signal.SIG_IGN):
        yield


@contextlib.contextmanager
def held() -> Iterator[None]:
    """What comes meanwhile counts afterwards.

    Around the start of a process: an exception out of `Popen(...)` would leave a child that nobody
    knows of, and it would go on writing where we are about to clean up.
    """
    came: list[int] = []
    with _handlers(_ALL, lambda number, _frame: came.append(number)):
        yield
    for number in came:
        signal.raise_signal(number)


@contextlib.contextmanager
def _handlers(names: Sequence[str], handler: object) -> Iterator[None]:
    there = [getattr(signal, name) for name in names if hasattr(signal, name)]
    # nohup(1) has SIGHUP ignored, and it stays so.
    numbers = [number for number in there if signal.getsignal(number) is not signal.SIG_IGN]
    try:
        before = [(number, signal.signal(number, handler)) for number in numbers]  # type: ignore[arg-type]
    except ValueError:  # not in the main thread
        before = []
    try:
        yield
    finally:
        for number, previous in before:
            signal.signal(number, previous)
