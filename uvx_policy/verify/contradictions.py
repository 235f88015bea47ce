"""RECORDs of environments that say something else than the wheel did.

Who edits an installed file and its row in RECORD leaves nothing there to compare with, and a RECORD
that was cut short says nothing of the rest. But uv never links RECORD: the one in the cache's
archive is what the wheel brought along.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from uvx_policy.installed import record
from uvx_policy.installed.distributions import status_of
from uvx_policy.installed.finding import Finding
from uvx_policy.installed.hash import NO_HASH, Hash, of_file
from uvx_policy.value import Value

if TYPE_CHECKING:
    from uvx_policy.installed.distributions import Distribution
    from uvx_policy.installed.record import RecordFile, Row
    from uvx_policy.installed.tree import Index, Tree

#: seconds by which RECORD may be later than INSTALLER: uv and pip write both in one go
_MOMENT = 2.0


class Contradiction(Value):
    """A RECORD of an environment, and what an archive's RECORD says otherwise."""

    distribution: Distribution
    #: the archive
    archive: Tree
    #: rows of the archive's RECORD, for paths that both name with another hash
    rows: tuple[Row, ...]
    #: rows of the archive's RECORD, for paths that the environment's does not name
    absent: tuple[Row, ...] = ()

    @property
    def size(self) -> int:
        """How much the two differ."""
        return len(self.rows) + len(self.absent)


def contradiction_of(
    tree: Tree, distribution: Distribution, found: RecordFile, index: Index
) -> Contradiction | None:
    """How the RECORD `found` of a site directory was changed; `None` if it was not. Never raises.

    That nobody vouches for a RECORD is no fault: its archive may be gone, and the RECORDs of a
    wheel that was built here twice differ. So it must have been written again after the
    installation, or one of the files in question must be the archive's own inode and have the hash
    that only this RECORD says, or it lacks rows and agrees in all others.
    """
    if tree.kind != "site" or distribution.installer != "uv":
        return None
    name = os.path.basename(distribution.dist_info)
    best: Contradiction | None = None
    for archive in index.archives_of(name):
        other = _compared(distribution, found, archive)
        if other is None:
            continue
        if not other.size:
            return None
        if best is None or other.size < best.size:
            best = other
    if best is None:
        return None
    if not best.rows or is_later(distribution.dist_info) or _is_linked(best, found, tree):
        return best
    return None


def finding_of(contradiction: Contradiction, tree: Tree) -> Finding:
    """What `verify` says of it."""
    distribution, rows = contradiction.distribution, contradiction.rows
    what = "has another hash for" if rows else "names more files"
    named = ", ".join(f"`{row.path}`" for row in (rows or contradiction.absent)[:3])
    more = len(rows or contradiction.absent) - 3
    also = f" and {more} more" if more > 0 else ""
    detail = (
        f"RECORD was changed: the wheel in `{contradiction.archive.owner}` {what}"
        f"{' ' if rows else ': '}{named}{also}"
    )
    return Finding.of(tree, distribution, distribution.record, "record", detail=detail)


def _compared(distribution: Distribution, found: RecordFile, archive: Tree) -> Contradiction | None:
    """What the archive's RECORD says otherwise; `None` if it cannot be a witness."""
    name = os.path.basename(distribution.dist_info)
    try:
        theirs = record.read_at(os.path.join(archive.path, name, record.NAME))
    except OSError:
        return None
    if theirs.problem(name):
        return None
    same = Contradiction(distribution=distribution, archive=archive, rows=())
    # Of rows that are the same text nothing needs to be parsed: nearly always all.
    lines = theirs.content.split()
    counting = {each for each in lines if b",sha" in each and b".data/" not in each}
    if counting <= set(found.content.split()):
        return same
    own = {os.path.normpath(row.path): row.hash for row in found if row.path}
    hashed = [row for row in theirs if row.hash and not row.problem and ".data/" not in row.path]
    return same.replace(
        rows=tuple(
            row
            for row in hashed
            if own.get(os.path.normpath(row.path), row.hash) not in (row.hash, NO_HASH)
        ),
        absent=tuple(row for row in hashed if os.path.normpath(row.path) not in own)
        if _is_part(own, hashed, name)
        else (),
    )


def _is_part(own: dict[str, Hash], hashed: list[Row], dist_info_name: str) -> bool:
    """Is every file that the environment's RECORD names in the wheel: is it the same wheel?"""
    theirs = {os.path.normpath(row.path) for row in hashed}
    outside = (os.pardir, f"{dist_info_name}{os.sep}")
    return all(path in theirs or path.startswith(outside) for path, each in own.items() if each)


def is_later(dist_info: str) -> bool:
    """Was the RECORD of an environment written again after the installation? Never raises."""
    changed = status_of(os.path.join(dist_info, record.NAME))
    installer = status_of(os.path.join(dist_info, "INSTALLER"))
    if changed is None or installer is None:
        return False
    return changed.st_mtime > installer.st_mtime + _MOMENT


def _is_linked(contradiction: Contradiction, found: RecordFile, tree: Tree) -> bool:
    own = {row.path: row.hash for row in found}
    for row in contradiction.rows:
        ours, claimed = os.path.join(tree.path, row.path), own.get(row.path, NO_HASH)
        with contextlib.suppress(OSError, ValueError):
            # If the file is what the archive says, it may have been that RECORD that was changed.
            if (
                os.path.samefile(ours, os.path.join(contradiction.archive.path, row.path))
                and of_file(ours, claimed.algorithm) == claimed
            ):
                return True
    return False
