"""How each distribution of an environment was put there: linked, cloned or copied.

One file tells for all: uv links every file of a wheel in one way, except the few that it writes
itself (RECORD, INSTALLER, REQUESTED, direct_url.json, uv_cache.json, uv_build.json) and scripts.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Literal, TypeAlias

from uvx_policy.installed import distributions as installed
from uvx_policy.installed import extents, record
from uvx_policy.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from uvx_policy.installed.distributions import Distribution

    #: "shared-inode": more than one name (st_nlink > 1); "shared-extents": shares blocks with
    #: another file (FIEMAP_EXTENT_SHARED); "symlink": a symbolic link into a cache; "unknown": too
    #: small to tell, or gone
    How: TypeAlias = Literal["shared-inode", "shared-extents", "symlink", "private", "unknown"]

#: files of one distribution that a telling one is looked for among
_MOST_ROWS = 1000
#: smaller files may lie in the metadata of their file system (btrfs: max_inline), shared or not
_TELLS_EXTENTS = 4096
_TELLS_AS_TEXT = (len(str(_TELLS_EXTENTS)), str(_TELLS_EXTENTS))


class Linking(Value):
    """One distribution and how its files are stored."""

    distribution: Distribution
    how: How


def linkings(site: str) -> Iterator[Linking]:
    """Give each distribution of a site directory that uv installed, and how. Never raises."""
    for distribution in installed.distributions(site):
        if distribution.installer == "uv" and not distribution.editable:
            yield Linking(distribution=distribution, how=how_of(distribution))


def size_of(distribution: Distribution) -> int:
    """Bytes that its files take, in whole blocks, as the RECORD has their sizes; 0 if unknown."""
    try:
        return sum(-(-(row.size or 0) // 4096) * 4096 for row in record.read(distribution))
    except OSError:
        return 0


def how_of(distribution: Distribution) -> How:
    """How the files of one distribution are stored. Never raises."""
    witness = os.path.join(distribution.dist_info, "METADATA")
    try:
        told = os.lstat(witness)
        if stat.S_ISLNK(told.st_mode):
            return "symlink"
        if told.st_nlink > 1:
            return "shared-inode"
        if told.st_size < _TELLS_EXTENTS:
            if extents.shared_bytes(witness):
                return "shared-extents"
            witness = _larger_file(distribution)
            if not witness:
                return "unknown"
        return "shared-extents" if extents.shared_bytes(witness) else "private"
    except OSError:
        return "unknown"


def _larger_file(distribution: Distribution) -> str:
    """Find a file whose extents tell, "" when the first are all small. Raises `OSError`."""
    for fields in record.read(distribution).fields[:_MOST_ROWS]:
        # Decimal numbers, compared as text: of thousands of rows only a likely one is understood.
        if (len(fields[-1]), fields[-1]) >= _TELLS_AS_TEXT:
            row = record.row_of(fields)
            if (row.size or 0) >= _TELLS_EXTENTS and not row.problem and row.hash:
                return os.path.join(distribution.site, row.path)
    return ""
