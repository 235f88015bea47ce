"""What is wrong with installed files, as far as it can be seen without hashing all of them.

Compared is what is free once each file was looked at: presence, size and time. A fresh installation
looks like this, with every uv from 0.5.23 on, on every file system
(`tests/installed/test_survey_with_uv.py`):

- Files that are hard links or symbolic links into a cache have the time at which the wheel was
  unpacked; WHEEL is among the last of them.
- Copies and clones have the time of the installation.
- RECORD is never linked, and written last: no file of its distribution is later.

So a file that is later than RECORD was changed after it was installed, and a link that is later
than WHEEL, which is linked as all others are, was changed in the cache, perhaps before this
environment was made. The times within an archive mean the same after the cache was moved or
restored with its times, when the time of the unpacking is lost. A time alone is not an edit
(`touch`, `cp -r`): the content must differ as well. An edit that keeps size and time is seen only
by hashing.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING

from uvx_policy.filesystem.change_time import changed_at
from uvx_policy.installed import record
from uvx_policy.installed.distributions import distributions, installer_of, status_of
from uvx_policy.installed.finding import Finding
from uvx_policy.installed.hash import NO_HASH, of_file
from uvx_policy.installed.model import MOST_NAMED
from uvx_policy.installed.scripts import differs_in_first_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from uvx_policy.installed.distributions import Distribution
    from uvx_policy.installed.finding import State
    from uvx_policy.installed.record import RecordFile, Row
    from uvx_policy.installed.tree import Tree
    from uvx_policy.installed.walk import Seen

#: bytes that are read at most to compare contents, about 30 ms
MOST_READ = 32 << 20
#: seconds by which a link may be later than WHEEL. Some wheels take longer to unpack, or are
#: unpacked in no order: their contents are compared
_UNPACKING = 3.0
#: installers that write a RECORD, always
WRITES_RECORD = ("uv", "pip")


class Look:
    """Looks at trees, and reads at most `MOST_READ` bytes for all of them together."""

    def __init__(self) -> None:
        self._left = MOST_READ
        #: files whose time is late, and that are too large together to be compared
        self.unsure = 0

    def at(self, tree: Tree, look: Callable[[str], Seen | None]) -> Iterator[Finding]:
        """Give what is wrong in a tree: "edited", "missing" and "record". Never raises.

        `look`: path below the tree, as in RECORD -> what is there; `None`: nothing, or unknown.
        """
        for distribution in distributions(tree.path, origins=False):
            with contextlib.suppress(OSError):
                yield from self._distribution(tree, distribution, look)

    def fields(self, findings: Sequence[Finding]) -> dict[str, Any]:
        """What these findings are in a `Survey`."""
        edited, missing, records = (
            sorted({each.path for each in findings if each.state == state})
            for state in ("edited", "missing", "record")
        )
        return {
            "edited_files": len(edited),
            "edited": tuple(edited[:MOST_NAMED]),
            "missing_files": len(missing),
            "missing": tuple(missing[:MOST_NAMED]),
            "damaged_records": tuple(records[:MOST_NAMED]),
            "unsure_files": self.unsure,
        }

    def _distribution(
        self, tree: Tree, distribution: Distribution, look: Callable[[str], Seen | None]
    ) -> Iterator[Finding]:
        """Raises `OSError` for what vanished meanwhile."""
        found, problem = opened(tree, distribution)
        if problem is None:
            return
        if problem and os.path.lexists(distribution.record or distribution.dist_info):
            yield of_record(tree, distribution, problem)
        for row, path in self._suspects(tree, distribution, found, look):
            state = self._judge(row, path, tree.owner)
            if state:
                yield Finding.of(tree, distribution, path, state, row=row)

    def _suspects(
        self,
        tree: Tree,
        distribution: Distribution,
        found: RecordFile,
        look: Callable[[str], Seen | None],
    ) -> Iterator[tuple[Row, str]]:
        """Rows of files that do not look as they should, and their paths."""
        copied, linked = _times_of(tree, distribution)
        for fields in found.fields:
            if len(fields) != record.COLUMNS:
                continue
            # Here each line is run 30,000 times.
            name, _, size = fields
            seen = look(name)
            if seen is not None:
                late = seen[1] > (linked if seen[2] else copied)
                # As text: what cannot be a number of bytes is for `row_of` to judge.
                if not late and (str(seen[0]) == size if size else seen[0]):
                    continue
            elif name.startswith(".") and _is_well(tree, fields, copied, linked):
                continue
            row = record.row_of(fields)
            if not row.problem and not name.endswith(record.BYTECODE):
                yield row, record.located(tree.path, name)

    def _judge(self, row: Row, path: str, owner: str) -> State | None:
        """What is wrong with a file that does not look as it should; `None` for nothing."""
        try:
            status = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return "missing"
        except (OSError, ValueError):
            return None
        if not stat.S_ISREG(status.st_mode):
            return "edited"
        if row.size in (None, status.st_size):
            if not row.hash.is_known:
                return None
            self._left -= status.st_size
            if self._left < 0:
                self.unsure += 1
                return None
            if of_file(path, row.hash.algorithm) in (row.hash, NO_HASH):
                return None
        return None if differs_in_first_line(path, row, environment=owner) else "edited"


def _is_well(tree: Tree, fields: list[str], copied: float, linked: float) -> bool:
    """Does a file outside the tree, a script for one, look as it should?"""
    row = record.row_of(fields)
    status = status_of(record.located(tree.path, row.path))
    if status is None:
        return False
    late = status.st_mtime > (linked if status.st_nlink > 1 else copied)
    return not late and (row.size == status.st_size if row.size is not None else False)


def _times_of(tree: Tree, distribution: Distribution) -> tuple[float, float]:
    """Files that are later were changed: copies and clones, and links. Raises `OSError`."""
    wheel = status_of(os.path.join(distribution.dist_info, "WHEEL"))
    unpacked = _UNPACKING + (wheel.st_mtime if wheel else float("inf"))
    if tree.kind == "archive":
        # uv unpacks beside and renames the directory in the end: its ctime is when that was done.
        unpacked = min(unpacked, changed_at(tree.path))
        return unpacked, unpacked
    # No grace: uv and pip write RECORD last, on the same file system and so by the same clock,
    # however coarse. An edit in the second after `uv sync` is one, too.
    installed = os.stat(distribution.record).st_mtime
    return installed, min(installed, unpacked)


def opened(tree: Tree, distribution: Distribution) -> tuple[record.RecordFile, str | None]:
    """The RECORD, and what is wrong with it; `None` where none need be there. Never raises."""
    if not distribution.record:
        owed = has_record_of_its_own(tree, distribution) or _is_left_over(distribution)
        return record.RecordFile(b""), "there is no RECORD" if owed else None
    try:
        found = record.read(distribution)
    except OSError as error:
        return record.RecordFile(b""), f"RECORD cannot be read: {error.strerror or error}"
    damage = found.problem(distribution.dist_info)
    is_damaged = damage and has_record_of_its_own(tree, distribution)
    return found, f"RECORD is damaged: {damage}" if is_damaged else ""


def has_record_of_its_own(tree: Tree, distribution: Distribution) -> bool:
    """Must there be a whole RECORD? An archive has the wheel's; some installers write none."""
    return tree.kind == "archive" or _installer(distribution) in WRITES_RECORD


def _is_left_over(distribution: Distribution) -> bool:
    """Was it left by an installation, or a removal, that was interrupted?

    An installer that writes no RECORD says who it is.
    """
    return not _installer(distribution) and distribution.dist_info.endswith(".dist-info")


def _installer(distribution: Distribution) -> str:
    return distribution.installer or installer_of(distribution.dist_info)


def of_record(tree: Tree, distribution: Distribution, detail: str) -> Finding:
    """The finding that a RECORD is damaged: `detail` says how, in a sentence without a period."""
    path = os.path.join(distribution.dist_info, record.NAME)
    return Finding.of(tree, distribution, path, "record", detail=detail)
