"""Progress: one line on a terminal's stderr, for what takes longer than a second."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, TypeAlias

from uvx_policy.safe import safe
from uvx_policy.terminal import words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: seconds before anything is shown, and between two changes
_PATIENCE = 1.0
_PAUSE = 0.1
_CLEAR = "\r\x1b[K"

#: what is shown, or what gives it where that takes time
Report: TypeAlias = "str | Callable[[], str]"


@contextlib.contextmanager
def progress(first: Report = "") -> Iterator[Callable[[Report], None]]:
    """Give what is called with each change; `first` is shown until then, and in the end nothing."""
    if sys.stderr is None or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield lambda _: None
        return
    line = _Line(first)
    with _ticking(line.draw):
        try:
            yield line.change
        finally:
            line.clear()


class _Line:
    def __init__(self, report: Report) -> None:
        self._report = report
        self._next = time.monotonic() + _PATIENCE
        self._is_shown = False

    def change(self, report: Report) -> None:
        self._report = report
        if time.monotonic() >= self._next:
            self.draw()

    def draw(self) -> None:
        self._is_shown = True
        text = safe(self._report if isinstance(self._report, str) else self._report())
        width = _width() - 1
        while words.cells(text) > width:
            text = text[: width - words.cells(text)]
        self._write(text)
        self._next = time.monotonic() + _PAUSE

    def clear(self) -> None:
        if self._is_shown:
            self._write("")

    def _write(self, text: str) -> None:
        # Not `sys.stderr`: a signal may come while that is being written to.
        with contextlib.suppress(OSError):
            os.write(2, (_CLEAR + text).encode(sys.stderr.encoding, "backslashreplace"))


@contextlib.contextmanager
def _ticking(draw: Callable[[], None]) -> Iterator[None]:
    """Draw every second, whatever the process waits for: read(2) and the like go on (PEP 475).

    A timer and not a thread, which would be in the way of fork(2); children do not inherit it.
    """
    try:
        previous = signal.signal(signal.SIGALRM, lambda *_: draw())
    except (AttributeError, ValueError):  # Windows; not the main thread
        yield
        return
    rest = signal.setitimer(signal.ITIMER_REAL, _PATIENCE, _PATIENCE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
        if rest[0]:
            signal.setitimer(signal.ITIMER_REAL, *rest)


def _width() -> int:
    try:
        return os.get_terminal_size(2).columns or 80
    except OSError:
        return 80
