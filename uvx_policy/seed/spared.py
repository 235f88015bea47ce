"""How much is not written, because environments have it already."""

from __future__ import annotations

import mmap
from typing import NamedTuple

#: bytes that a file takes more than it has, at most
BLOCK = 4096
_NUMBER = 8


class Spared(NamedTuple):
    """Files that are not written a second time."""

    files: int = 0
    bytes: int = 0

    def plus(self, other: Spared) -> Spared:
        """Both."""
        return Spared(self.files + other.files, self.bytes + other.bytes)

    @property
    def room(self) -> int:
        """What they would take at most."""
        return self.files * BLOCK + self.bytes


class Tally:
    """The sum of what several processes have spared: each counts at a place of its own."""

    def __init__(self, processes: int) -> None:
        """Before they are forked."""
        self._numbers = memoryview(mmap.mmap(-1, 2 * _NUMBER * processes)).cast("Q")
        #: of this process, from 0 on
        self.number = 0

    def add(self, spared: Spared) -> None:
        """Count something that this process has spared."""
        self._numbers[2 * self.number] += spared.files
        self._numbers[2 * self.number + 1] += spared.bytes

    @property
    def total(self) -> Spared:
        """Of all processes."""
        return Spared(sum(self._numbers[::2]), sum(self._numbers[1::2]))
