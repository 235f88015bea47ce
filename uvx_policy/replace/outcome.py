"""What became of many files: counts, and a few paths for each reason why something was left."""

from __future__ import annotations

from array import array
from typing import Any

#: paths that are named for each reason
MOST_NAMED = 20


class Left:
    """Files that were left for one reason."""

    def __init__(self) -> None:
        self.files = self.size = 0
        self.paths: list[str] = []

    def add(self, files: int, size: int, paths: list[str]) -> None:
        """Count more of them."""
        self.files += files
        self.size += size
        if len(self.paths) < MOST_NAMED:
            self.paths += paths[: MOST_NAMED - len(self.paths)]


class Outcome:
    """Counts that can be added together, also those of another process."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Begin again."""
        #: files that share their bytes now and did not before, and the bytes that this frees
        self.files = self.size = 0
        #: bytecode that was kept valid
        self.bytecode = 0
        #: reason -> files
        self.left: dict[str, Left] = {}
        #: numbers for who asked, two for each file that shares its blocks now
        self.places = array("q")

    def leave(self, reason: str, path: str, size: int) -> None:
        """Count a file that is left as it is."""
        self.left.setdefault(reason, Left()).add(1, size, [path])

    def add(self, other: Outcome) -> None:
        """Add what another one has counted."""
        self.files += other.files
        self.size += other.size
        self.bytecode += other.bytecode
        self.places.extend(other.places)
        for reason, left in other.left.items():
            self.left.setdefault(reason, Left()).add(left.files, left.size, left.paths)

    def packed(self) -> tuple[Any, ...]:
        """What `unpacked` understands, of plain values."""
        left = [(reason, each.files, each.size, each.paths) for reason, each in self.left.items()]
        return (self.files, self.size, self.bytecode, left, self.places.tobytes())

    @classmethod
    def unpacked(cls, values: tuple[Any, ...]) -> Outcome:
        """The outcome that was `packed`."""
        outcome = cls()
        outcome.files, outcome.size, outcome.bytecode, left, places = values
        outcome.places.frombytes(places)
        for reason, files, size, paths in left:
            outcome.left.setdefault(reason, Left()).add(files, size, paths)
        return outcome
