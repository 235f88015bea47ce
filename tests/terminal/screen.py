"""A console whose output can be read, as a terminal or a pipe shows it."""

from __future__ import annotations

import io
import re
from typing import Any

from uvx_policy.terminal.console import Console

HOME = "/home/me"


class _Stream(io.TextIOWrapper):
    def __init__(self, encoding: str, *, terminal: bool) -> None:
        super().__init__(io.BytesIO(), encoding=encoding, errors="surrogateescape")
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


class Screen(Console):
    """Knows what was printed."""

    def __init__(
        self,
        width: int | None = 80,
        *,
        terminal: bool = True,
        encoding: str = "utf-8",
        **environ: Any,
    ) -> None:
        """`width`: 0 for a pipe; `None`: looked up."""
        self._shown = _Stream(encoding, terminal=terminal)
        super().__init__({"HOME": HOME, **environ}, self._shown, width=width)

    @property
    def raw(self) -> str:
        """With colors."""
        self._shown.flush()
        self._shown.seek(0)
        return self._shown.read()

    @property
    def text(self) -> str:
        """Without colors."""
        return re.sub(r"\x1b\[[0-9;]*m", "", self.raw)

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()
