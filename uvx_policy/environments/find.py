"""Environments below some directories, found by their pyvenv.cfg."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def find_environments(roots: Sequence[str], *, workers: int = 8) -> Iterator[str]:
    """Give each environment below `roots` as it is found, in no order."""
    raise NotImplementedError(roots, workers)
