"""Which installed files should be equal: those with the same hash in their RECORDs.

Nothing but RECORDs is read. Environments by the hundred hold the same packages, so the rows of
equal RECORDs are held once, and of a file two numbers.
"""

from __future__ import annotations

import os
from array import array
from bisect import bisect_left
from itertools import pairwise
from typing import TYPE_CHECKING

from uvx_policy.installed import record
from uvx_policy.installed.distributions import distributions
from uvx_policy.installed.hash import Hash

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from uvx_policy.installed.record import RecordFile
    from uvx_policy.installed.tree import Tree

#: bytes of RECORDs that are kept from the first look at them to the second
_MOST_KEPT = 8 << 20
#: digits of a size
_MOST_DIGITS = 18
#: how the path of a row begins that may lead out of its tree
_ELSEWHERE = (os.pardir, os.sep)


class Candidates:
    """Groups of files that have one hash and one size in their RECORDs, in the order of `trees`."""

    def __init__(self, trees: Sequence[Tree]) -> None:
        """Read the RECORDs of `trees`. Never raises."""
        self.trees = trees
        #: what leads from the owner of a tree to it, and to it at all; a slash at the end
        self._prefixes = [_prefix(tree) for tree in trees]
        self._tops = [tree.path + os.sep for tree in trees]
        #: what leads to the owner, and from there on nothing
        self._owners = [tree.owner + os.sep for tree in trees]
        self._no_tops = [""] * len(trees)
        #: paths as RECORDs have them, normalized
        self._paths: list[str] = []
        #: numbers of those that may lead out of their tree
        self._elsewhere: frozenset[int] = frozenset()
        #: of all groups: `algorithm=digest`, one behind the other, and where each begins; bytes
        self._hashes = bytearray()
        self._hash_starts = array("Q", [0])
        self._sizes = array("Q")
        #: tree and path of each file, and where the files of each group begin
        self._files = array("I")
        self._starts = array("Q")
        self._gather(_Records(trees))

    def __len__(self) -> int:
        return len(self._sizes)

    def size(self, group: int) -> int:
        """Bytes of each of its files, by the RECORDs."""
        return self._sizes[group]

    def hash(self, group: int) -> str:
        """Their hash, as a RECORD has it."""
        return self._hashes[self._hash_starts[group] : self._hash_starts[group + 1]].decode("ascii")

    def cost(self, group: int, for_each: int) -> int:
        """What it takes to read its files, in bytes; `for_each`: to open one."""
        number = (self._starts[group + 1] - self._starts[group]) // 2
        return number * (self._sizes[group] + for_each)

    @property
    def files(self) -> int:
        """How many files all groups have."""
        return len(self._files) // 2

    def members(self, group: int) -> Iterator[tuple[int, int, str]]:
        """Its files: the number of each, that of its tree, and its path below the tree's owner.

        Without those that lie outside of the environment or the archive of their RECORD.
        """
        return self._members(group, self._prefixes, self._no_tops)

    def paths(self, group: int) -> Iterator[tuple[int, int, str]]:
        """The same with absolute paths."""
        return self._members(group, self._tops, self._owners)

    def _members(
        self, group: int, above: Sequence[str], owners: Sequence[str]
    ) -> Iterator[tuple[int, int, str]]:
        """`above`: for each tree what leads to it; `owners`: what leads to its owner."""
        files, paths, elsewhere = self._files, self._paths, self._elsewhere
        for at in range(self._starts[group], self._starts[group + 1], 2):
            tree, number = files[at], files[at + 1]
            path = paths[number]
            if number in elsewhere:
                below = self._inside(tree, path)
                if below:
                    yield at // 2, tree, owners[tree] + below
            else:
                yield at // 2, tree, above[tree] + path

    def has_tree(self, group: int, chosen: Sequence[bool]) -> bool:
        """Is one of its files in a tree that is chosen?"""
        files = self._files
        return any(
            chosen[files[at]] for at in range(self._starts[group], self._starts[group + 1], 2)
        )

    def _inside(self, number: int, path: str) -> str:
        """Where a file is that does not lie below its tree, "" for out of reach."""
        prefix = self._prefixes[number]
        below = os.path.normpath(os.path.join(prefix, path))
        if self.trees[number].kind == "archive":
            return below if below.startswith(prefix) else ""
        return "" if below.split(os.sep)[0] in ("", os.pardir, os.curdir) else below

    def _gather(self, records: _Records) -> None:
        repeated = records.repeated_hashes()
        groups = array("l", [-1]) * len(repeated)
        numbers: dict[str, int] = {}
        rows = [self._rows(content, repeated, groups, numbers) for content in records.contents()]
        self._paths = [
            path if record.is_plain(path) else os.path.normpath(path) for path in numbers
        ]
        self._elsewhere = frozenset(
            number for number, path in enumerate(self._paths) if path.startswith(_ELSEWHERE)
        )
        counts = array("I", [0]) * len(self._sizes)
        for number in records.numbers:
            for group in rows[number][1]:
                counts[group] += 1
        start = 0
        for count in counts:
            self._starts.append(start)
            start += 2 * count
        place = array("Q", self._starts)
        self._starts.append(start)
        files = self._files = array("I", [0]) * start
        for tree, number in zip(records.trees, records.numbers, strict=True):
            for path, group in zip(*rows[number], strict=True):
                at = place[group]
                files[at], files[at + 1] = tree, path
                place[group] = at + 2

    def _rows(
        self,
        content: RecordFile,
        repeated: array[int],
        groups: array[int],
        numbers: dict[str, int],
    ) -> tuple[array[int], array[int]]:
        """Paths and groups of the rows that may have an equal."""
        paths, theirs = array("I"), array("I")
        most = len(repeated)
        sizes = self._sizes
        for path, text, digits in content.whole:
            key = hash(text)
            at = bisect_left(repeated, key)
            if at == most or repeated[at] != key or not text.isascii():
                continue
            if not (digits.isdecimal() and digits.isascii() and len(digits) <= _MOST_DIGITS):
                continue
            group = groups[at]
            if group < 0:
                if not _is_hash(text):
                    continue
                group = groups[at] = len(sizes)
                sizes.append(int(digits))
                self._hashes += text.encode("ascii")
                self._hash_starts.append(len(self._hashes))
            elif sizes[group] != int(digits):
                continue
            theirs.append(group)
            paths.append(numbers.setdefault(path, len(numbers)))
        return paths, theirs


class _Records:
    """All RECORDs of some trees; equal ones once."""

    def __init__(self, trees: Sequence[Tree]) -> None:
        #: of each RECORD: number of its tree, and of its content
        self.trees = array("I")
        self.numbers = array("I")
        #: the first RECORD of each content; what it holds, as long as there is room
        self._paths: list[str] = []
        self._kept: dict[int, RecordFile] = {}
        #: of all rows: their hashes, hashed
        self._keys = array("q")
        self._read(trees)

    def _read(self, trees: Sequence[Tree]) -> None:
        numbers: dict[int, int] = {}
        starts = array("Q", [0])
        keys, room = self._keys, _MOST_KEPT
        for tree_number, tree in enumerate(trees):
            for distribution in distributions(tree.path, origins=False):
                if not distribution.record:
                    continue
                try:
                    content = record.read(distribution)
                except OSError:
                    continue
                fingerprint = hash(content.content)
                number = numbers.get(fingerprint)
                if number is None:
                    number = numbers[fingerprint] = len(self._paths)
                    self._paths.append(distribution.record)
                    keys.extend([hash(row[1]) for row in content.whole if row[1]])
                    starts.append(len(keys))
                    if len(content.content) < room:
                        room -= len(content.content)
                        self._kept[number] = record.RecordFile(content.content)
                else:
                    keys.extend(keys[starts[number] : starts[number + 1]])
                self.trees.append(tree_number)
                self.numbers.append(number)

    def repeated_hashes(self) -> array[int]:
        """Of hashes that more than one row has, in order."""
        ordered = sorted(self._keys)
        self._keys = array("q")
        repeated = array("q")
        for before, key in pairwise(ordered):
            if before == key and (not repeated or repeated[-1] != key):
                repeated.append(key)
        return repeated

    def contents(self) -> Iterator[RecordFile]:
        """Each different RECORD, in the order of the trees."""
        for number, path in enumerate(self._paths):
            kept = self._kept.pop(number, None)
            try:
                yield kept or record.read_at(path)
            except OSError:  # it is gone: of it nothing is known
                yield record.RecordFile(b"")


def _is_hash(text: str) -> bool:
    try:
        return bool(Hash.parse(text))
    except ValueError:
        return False


def _prefix(tree: Tree) -> str:
    below = os.path.relpath(tree.path, tree.owner)
    return "" if below == os.curdir else f"{below}{os.sep}"
