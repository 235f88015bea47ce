"""The terminal of `linkpolicy cache`: its width, its encoding, and progress on stderr."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from uvx_policy.caches.table import Look
from uvx_policy.state import layout
from uvx_policy.terminal import words
from uvx_policy.terminal.command import shell_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rich.console import RenderableType

#: seconds before progress is shown
_PATIENCE = 1.0
#: wider than any table
_ENDLESS = 10_000


class Screen:
    """Where everything for people goes."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """`environ` says where the home directory is."""
        encoding = getattr(sys.stdout, "encoding", None) or "ascii"
        self.console = Console(highlight=False, markup=False, emoji=False)
        self._is_pipe = not self.console.is_terminal and "COLUMNS" not in os.environ
        if self._is_pipe:
            self.console.width = _ENDLESS  # each row stays in one line
        self.look = Look(
            home=layout.home(dict(environ), sys.platform),
            now=time.time(),
            encoding=encoding,
            shell=shell_of(environ),
        )

    @property
    def width(self) -> int:
        """Cells of a line."""
        return self.console.width

    def show(self, what: RenderableType) -> None:
        """Print a table."""
        self.console.print(what)

    def say(self, line: Text | str, *, end: str = "\n") -> None:
        """Print one line; in a pipe it is never broken."""
        text = Text(line) if isinstance(line, str) else line
        plain = words.encodable(text.plain, self.look.encoding)
        self.console.print(
            text if plain == text.plain else Text(plain), soft_wrap=self._is_pipe, end=end
        )


@contextlib.contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """What is being done, in one line on stderr: on a terminal, after a second."""
    console = Console(stderr=True, highlight=False, markup=False)
    if not console.is_terminal:
        yield lambda _: None
        return
    status = console.status("")
    timer = threading.Timer(_PATIENCE, status.start)
    timer.daemon = True
    timer.start()
    try:
        yield lambda text: status.update(Text(text))
    finally:
        timer.cancel()
        timer.join()
        status.stop()
