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
from typing import TYPE_CHECKING, NamedTuple

from uvx_policy.installed import record
from uvx_policy.installed.distributions import distributions
from uvx_policy.installed.finding import Finding
from uvx_policy.installed.hash import NO_HASH, of_file
from uvx_policy.installed.scripts import differs_in_first_line
from uvx_policy.installed.walk import Seen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from uvx_policy.installed.distributions import Distribution
    from uvx_policy.installed.finding import State
    from uvx_policy.installed.record import RecordFile, Row
    from uvx_policy.installed.tree import Tree

#: bytes that are read at most to compare contents, about 30 ms
MOST_READ = 32 << 20
#: seconds by which a link may be later than WHEEL. Some wheels take longer to unpack, or are
#: unpacked in no order: their contents are compared
_UNPACKING = 3.0
_BYTECODE = (".pyc", ".pyo")
#: installers that write a RECORD, always
WRITES_RECORD = ("uv", "pip")


class Times(NamedTuple):
    """Files that are later than this were changed, in seconds since the epoch."""

    #: for copies and clones
    copied: float
    #: for hard links and symbolic links
    linked: float


class Look:
    """Looks at trees, and reads at most `MOST_READ` bytes for all of them together."""

    def __init__(self) -> None:
        self._left = MOST_READ
        #: files whose time is late, and that are too large together to be compared
        self.unsure = 0

    def at(self, tree: Tree, files: Mapping[str, Seen]) -> Iterator[Finding]:
        """Give what is wrong in a tree: "edited", "missing" and "record". Never raises.

        `files`: path below the tree -> what is there.
        """
        for distribution in distributions(tree.path, origins=False):
            with contextlib.suppress(OSError):
                yield from self._distribution(tree, distribution, files)

    def _distribution(
        self, tree: Tree, distribution: Distribution, files: Mapping[str, Seen]
    ) -> Iterator[Finding]:
        """Raises `OSError` for what vanished meanwhile."""
        if not distribution.record:
            if tree.kind == "archive" or _writes_record(distribution):
                yield of_record(tree, distribution, "there is no RECORD")
            return
        try:
            found = record.read(distribution)
        except OSError as error:
            if os.path.lexists(distribution.record):
                reason = f"RECORD cannot be read: {error.strerror or error}"
                yield of_record(tree, distribution, reason)
            return
        problem = found.problem(distribution.dist_info)
        if problem and (tree.kind == "archive" or _writes_record(distribution)):
            yield of_record(tree, distribution, f"RECORD is damaged: {problem}")
        for row, path in self._suspects(tree, distribution, found, files):
            state = self._judge(row, path, tree.owner)
            if state:
                yield Finding(
                    path=path,
                    state=state,
                    tree=tree,
                    distribution=distribution.name,
                    version=distribution.version,
                    dist_info=distribution.dist_info,
                    row=row,
                )

    def _suspects(
        self,
        tree: Tree,
        distribution: Distribution,
        found: RecordFile,
        files: Mapping[str, Seen],
    ) -> Iterator[tuple[Row, str]]:
        """Rows of files that do not look as they should, and their paths."""
        times = _times_of(tree, distribution)
        suspects = {
            path
            for path, _, size in found.plain
            if _is_odd(files.get(path) or _seen_outside(tree, path), size, times)
        }
        if not suspects and found.is_plain:
            return
        known = {path for path, _, _ in found.plain}
        for fields in found.fields:
            name = fields[0]
            if name.endswith(_BYTECODE) or (name in known and name not in suspects):
                continue
            row, path = record.row_of(fields), record.located(tree.path, name)
            if row.problem:
                continue
            if name in suspects or _is_odd(files.get(name) or _seen_at(path), row.size, times):
                yield row, path

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


def _is_odd(seen: Seen | None, size: str | int | None, times: Times) -> bool:
    """Does a file not look as it should? Here each line is run 30,000 times."""
    if seen is None:
        return True
    if size in ("", None):
        return not seen.size or seen.time > (times.linked if seen.linked else times.copied)
    return seen.size != int(size or 0) or seen.time > (
        times.linked if seen.linked else times.copied
    )


def _seen_outside(tree: Tree, path: str) -> Seen | None:
    """What is there, of a row that begins with `..`, or `.`; `None` for others."""
    return _seen_at(record.located(tree.path, path)) if path.startswith(".") else None


def _seen_at(path: str) -> Seen | None:
    try:
        status = os.stat(path)
        return Seen(status.st_size, status.st_mtime, status.st_nlink > 1)
    except (OSError, ValueError):
        return None


def _times_of(tree: Tree, distribution: Distribution) -> Times:
    """Raises `OSError`."""
    unpacked = _UNPACKING + _time(os.path.join(distribution.dist_info, "WHEEL"))
    if tree.kind == "archive":
        # uv unpacks beside and renames the directory in the end: its ctime is when that was done.
        unpacked = min(unpacked, os.lstat(tree.path).st_ctime)
        return Times(unpacked, unpacked)
    # No grace: uv and pip write RECORD last, on the same file system and so by the same clock,
    # however coarse. An edit in the second after `uv sync` is one, too.
    installed = os.stat(distribution.record).st_mtime
    return Times(installed, min(installed, unpacked))


def _time(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return float("inf")


def _writes_record(distribution: Distribution) -> bool:
    try:
        with open(os.path.join(distribution.dist_info, "INSTALLER"), "rb") as stream:
            return stream.read(64).decode("ascii", "replace").strip() in WRITES_RECORD
    except OSError:
        return False


def of_record(tree: Tree, distribution: Distribution, detail: str) -> Finding:
    """The finding that a RECORD is damaged: `detail` says how, in a sentence without a period."""
    return Finding(
        path=os.path.join(distribution.dist_info, record.NAME),
        state="record",
        tree=tree,
        distribution=distribution.name,
        version=distribution.version,
        dist_info=distribution.dist_info,
        detail=detail,
    )
