"""RECORDs of environments that say something else than the wheel did.

Who edits an installed file and its row in RECORD leaves nothing there to compare with. But uv never
links RECORD: the one in the cache's archive is what the wheel brought along.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from uvx_policy.installed import distributions as installed
from uvx_policy.installed.finding import Finding
from uvx_policy.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from uvx_policy.installed.distributions import Distribution
    from uvx_policy.installed.index import Index
    from uvx_policy.installed.tree import Tree

#: seconds by which RECORD may be later than INSTALLER: uv and pip write both in one go
_MOMENT = 2.0
_COLUMNS = 3


class Contradiction(Value):
    """A RECORD of an environment, and the rows in which an archive's RECORD has another hash."""

    distribution: Distribution
    #: the archive
    archive: Tree
    #: rows of the archive's RECORD, as they stand there, for paths that both name
    rows: tuple[tuple[str, ...], ...]


def contradictions(tree: Tree, index: Index) -> Iterator[Contradiction]:
    """Give each distribution of a site directory whose RECORD was changed later. Never raises.

    That nobody vouches for a RECORD is no fault: its archive may be gone, and of a wheel that was
    built here twice the two differ. So it must have been written again after the installation, or
    one of the files in question must be the archive's own inode.
    """
    if tree.kind != "site":
        return
    for distribution in installed.distributions(tree.path):
        if distribution.installer != "uv" or not distribution.record:
            continue
        found = None
        for archive in index.archives_of(os.path.basename(distribution.dist_info)):
            rows = _contradicted(distribution, archive)
            if rows is None:
                continue
            if not rows:
                found = None
                break
            if found is None or len(rows) < len(found.rows):
                found = Contradiction(
                    distribution=distribution, archive=archive, rows=tuple(map(tuple, rows))
                )
        if found is not None and (_is_later(distribution) or _is_linked(found, tree)):
            yield found


def finding_of(contradiction: Contradiction, tree: Tree) -> Finding:
    """What `verify` says of it."""
    distribution = contradiction.distribution
    named = ", ".join(f"`{row[0]}`" for row in contradiction.rows[:3])
    more = len(contradiction.rows) - 3
    also = f" and {more} more" if more > 0 else ""
    return Finding(
        path=distribution.record,
        state="record",
        tree=tree,
        distribution=distribution.name,
        version=distribution.version,
        dist_info=distribution.dist_info,
        detail=f"RECORD was changed: the wheel in `{contradiction.archive.owner}` has another hash "
        f"for {named}{also}",
    )


def _contradicted(distribution: Distribution, archive: Tree) -> list[list[str]] | None:
    """Rows of the archive's RECORD that the environment's contradicts; `None` if unreadable."""
    theirs_path = os.path.join(archive.path, os.path.basename(distribution.dist_info), "RECORD")
    try:
        with open(theirs_path, "rb") as theirs, open(distribution.record, "rb") as ours:
            # Of rows that are the same text nothing needs to be parsed: nearly always all.
            if set(filter(_counts, theirs.read().split())) <= set(ours.read().split()):
                return []
        own = {
            os.path.normpath(fields[0]): fields[1]
            for fields in installed.record_fields(distribution)
            if len(fields) == _COLUMNS and fields[1]
        }
        return [
            fields
            for fields in installed.record_fields(distribution.replace(record=theirs_path))
            if len(fields) == _COLUMNS
            and fields[1]
            and own.get(os.path.normpath(fields[0]), fields[1]) != fields[1]
        ]
    except OSError:
        return None


def _counts(line: bytes) -> bool:
    return b",sha" in line and b".data/" not in line


def _is_later(distribution: Distribution) -> bool:
    try:
        record = os.stat(distribution.record).st_mtime
        installer = os.stat(os.path.join(distribution.dist_info, "INSTALLER")).st_mtime
    except OSError:
        return False
    return record > installer + _MOMENT


def _is_linked(found: Contradiction, tree: Tree) -> bool:
    for row in found.rows:
        ours = os.path.join(tree.path, row[0])
        with contextlib.suppress(OSError, ValueError):
            if os.path.samefile(ours, os.path.join(found.archive.path, row[0])):
                return True
    return False
