"""How far a long look at many environments has come: on a terminal's stderr, nowhere else."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from uvx_policy.terminal import words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: seconds before anything is shown
_PATIENCE = 1.0
#: cells for what stands before the path
_BEFORE = 40


@contextlib.contextmanager
def progress() -> Iterator[Callable[[str, int], None]]:
    """Give what takes (path, number of all or 0). On a terminal's stderr, when it takes long."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield lambda _path, _count: None
        return
    shown = Progress(
        SpinnerColumn(style="dim"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn("{task.fields[path]}", style="dim", markup=False),
        console=console,
        transient=True,
    )
    task = shown.add_task("", total=None, path="looking for environments")
    timer = threading.Timer(_PATIENCE, shown.start)
    timer.daemon = True

    def advance(path: str, count: int) -> None:
        room = max(console.width - _BEFORE, 10)
        name = words.shorten(words.harmless(path), room, "...")
        shown.update(task, advance=1, total=count or None, path=name)

    timer.start()
    try:
        yield advance
    finally:
        timer.cancel()
        timer.join()
        shown.stop()
