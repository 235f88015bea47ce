"""Counts of one run of `verify`: as a sentence in the end, and as progress until then."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

from uvx_policy.installed import distributions as installed
from uvx_policy.installed import record
from uvx_policy.terminal import words
from uvx_policy.terminal.progress import progress as shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from uvx_policy.installed.tree import Tree


class Tally:
    """Counts of one run; right at any time. --json has all of them, by these names."""

    def __init__(self) -> None:
        self.distributions = 0
        #: files that a RECORD names and that were looked at
        self.files = 0
        #: bytes of those
        self.bytes = 0
        #: files whose content was read now; the others were verified before and not changed since
        self.hashed_files = 0
        self.hashed_bytes = 0
        #: rows without a hash: RECORD itself, bytecode, what some installers write
        self.unhashed_files = 0
        #: distributions of another installer without RECORD (old `.egg-info`, Debian's)
        self.without_record = 0

    def looked_at(self) -> str:
        """How many files of how many packages."""
        return f"{words.count(self.files, 'file')} of {words.count(self.distributions, 'package')}"

    def all_is_well(self) -> str:
        """The sentence where nothing was found."""
        if not self.distributions:
            return "No package is installed there."
        match = words.verb(self.files, "matches", "match")
        return f"{self.looked_at()} {match} what was installed ({words.size(self.bytes)})."


@contextlib.contextmanager
def progress(trees: Sequence[Tree], tally: Tally) -> Iterator[Callable[[], None]]:
    """Give what is to be called whenever `tally` has changed: it shows files, bytes, time left."""
    started = time.monotonic()
    totals: list[int] = []

    def report() -> str:
        if not totals:
            # Not before: for most environments it would take longer than it helps.
            totals.append(sum(map(_expected_bytes, trees)))
        done, total = min(tally.bytes, totals[0]), totals[0]
        left = (time.monotonic() - started) * (total - done) / done if done else 0
        return (
            f"{words.count(tally.files, 'file')}, {words.size(done)} of {words.size(total)}, "
            f"{left:,.0f} s left"
        )

    with shown() as show:
        yield lambda: show(report)


def _expected_bytes(tree: Tree) -> int:
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
