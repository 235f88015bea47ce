"""What became of many files: counts, and a few paths for each reason why something was left."""

from __future__ import annotations

import errno
from array import array
from typing import TYPE_CHECKING, Any

from uvx_policy.replace.foreign import Foreign
from uvx_policy.replace.kernel import Unsupported
from uvx_policy.replace.place import Changed

if TYPE_CHECKING:
    from typing_extensions import Self

#: paths that are named for each reason
MOST_NAMED = 20
_GONE = (errno.ENOENT, errno.ENOTDIR)
_CANNOT_WRITE = (errno.EROFS, errno.EACCES, errno.EPERM)


class Left:
    """Files that were left for one reason."""

    def __init__(self) -> None:
        self.files = self.size = 0
        self.paths: list[str] = []
        #: what the system said of the first, "" when it was not asked
        self.detail = ""

    def add(self, files: int, size: int, paths: list[str], detail: str = "") -> None:
        """Count more of them."""
        self.detail = self.detail or detail
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
        #: directories in which edits were saved; what went wrong with that
        self.saved: list[str] = []
        self.errors: list[str] = []

    def leave(self, reason: str, path: str, size: int, detail: str = "") -> None:
        """Count a file that is left as it is."""
        self.left.setdefault(reason, Left()).add(1, size, [path], detail)

    def fail(self, error: OSError, path: str, size: int) -> None:
        """Count a file that is left because of an error."""
        self.leave(reason_of(error), path, size, error.strerror or str(error))

    def add(self, other: Outcome) -> None:
        """Add what another one has counted."""
        self.files += other.files
        self.size += other.size
        self.bytecode += other.bytecode
        self.places.extend(other.places)
        self.saved += other.saved
        self.errors += other.errors
        for reason, left in other.left.items():
            self.left.setdefault(reason, Left()).add(left.files, left.size, left.paths, left.detail)

    def packed(self) -> tuple[Any, ...]:
        """What `unpacked` understands, of plain values."""
        left = [
            (reason, each.files, each.size, each.paths, each.detail)
            for reason, each in self.left.items()
        ]
        rest = (self.saved, self.errors, self.places.tobytes())
        return (self.files, self.size, self.bytecode, left, *rest)

    @classmethod
    def unpacked(cls, values: tuple[Any, ...]) -> Self:
        """The outcome that was `packed`."""
        outcome = cls()
        outcome.files, outcome.size, outcome.bytecode, left, *rest = values
        outcome.saved, outcome.errors, places = rest
        outcome.places.frombytes(places)
        for reason, *counted in left:
            outcome.left.setdefault(reason, Left()).add(*counted)
        return outcome


def reason_of(error: OSError) -> str:
    """Why a file is left, of an error that came of opening or replacing it."""
    if isinstance(error, Foreign):
        return "foreign"
    if isinstance(error, Unsupported):
        return "no-exchange"
    if isinstance(error, Changed):
        return "busy"
    if error.errno in _GONE:
        return "missing"
    return "read-only" if error.errno in _CANNOT_WRITE else "error"
