"""How far verifying has come: bytes, files, time left. On a terminal's stderr, nowhere else."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING

from uvx_policy.installed import distributions as installed
from uvx_policy.installed import record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.progress import Progress, TaskID

    from uvx_policy.installed.tree import Tree
    from uvx_policy.verify.tally import Tally

#: seconds before anything is shown, and between two looks
_PATIENCE = 1.0
_PAUSE = 0.1


@contextlib.contextmanager
def progress(trees: Sequence[Tree], tally: Tally) -> Iterator[Callable[[], None]]:
    """Give what is to be called whenever `tally` has changed."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda: None
        return
    shown: tuple[Progress, TaskID] | None = None
    started = last = time.monotonic()
    total = 0

    def advance() -> None:
        nonlocal last, shown, total
        now = time.monotonic()
        if now - started < _PATIENCE or now - last < _PAUSE:
            return
        last = now
        if shown is None:
            # Not before: for most environments it would take longer than it helps.
            total = sum(map(expected_bytes, trees))
            shown = _bar(total)
        bar, task = shown
        bar.update(task, completed=min(tally.bytes, total), files=f"{tally.files:,}")
        bar.refresh()

    try:
        yield advance
    finally:
        if shown is not None:
            shown[0].stop()


def _bar(total: int) -> tuple[Progress, TaskID]:
    # Here: it takes a tenth of what all else takes where nothing has changed.
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    bar = Progress(
        TextColumn("{task.fields[files]} files", style="dim"),
        BarColumn(bar_width=20),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True, highlight=False),
        transient=True,
        # A thread of its own would be in the way of fork(2).
        auto_refresh=False,
    )
    task = bar.add_task("", total=total or None, files="0")
    bar.start()
    return bar, task


def expected_bytes(tree: Tree) -> int:
    """Bytes of all files that the RECORDs of a tree name, as they say. Never raises."""
    total = 0
    for distribution in installed.distributions(tree.path):
        with contextlib.suppress(OSError):
            # Of itself RECORD says nothing.
            total += os.stat(distribution.record).st_size if distribution.record else 0
            for fields in record.read(distribution).fields:
                size = fields[-1]
                total += int(size) if size.isascii() and size.isdecimal() else 0
    return total
