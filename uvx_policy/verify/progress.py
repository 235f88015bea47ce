"""How far verifying is: files, bytes, time left."""

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
    from uvx_policy.verify.tally import Tally


@contextlib.contextmanager
def progress(trees: Sequence[Tree], tally: Tally) -> Iterator[Callable[[], None]]:
    """Give what is to be called whenever `tally` has changed."""
    started = time.monotonic()
    totals: list[int] = []

    def report() -> str:
        if not totals:
            # Not before: for most environments it would take longer than it helps.
            totals.append(sum(map(expected_bytes, trees)))
        done, total = min(tally.bytes, totals[0]), totals[0]
        left = (time.monotonic() - started) * (total - done) / done if done else 0
        return (
            f"{words.count(tally.files, 'file')}, {words.size(done)} of {words.size(total)}, "
            f"{left:,.0f} s left"
        )

    with shown() as show:
        yield lambda: show(report)


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
