"""Which files of installed packages are not the environment's own, as the file system tells."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from uvx_policy.installed import distributions as installed
from uvx_policy.installed import record
from uvx_policy.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from uvx_policy.installed.distributions import Distribution


class Shared(Value):
    """The files of one distribution that others have, too."""

    distribution: Distribution
    #: absolute paths: several names of one file, or symbolic links
    paths: tuple[str, ...] = ()
    #: bytes that copies of them take
    size: int = 0
    #: it has no RECORD, or none that can be read: nobody knows its files
    unknown: bool = False


def shared_files(site: str) -> Iterator[Shared]:
    """Give each distribution of a site directory. Never raises.

    Clones share blocks, and no edit of one is seen in the other: they are the environment's own.
    """
    for distribution in installed.distributions(site):
        paths, size = [], 0
        try:
            for fields in record.read(distribution).fields:
                path = record.located(site, fields[0]) if fields[0] else ""
                told = _shared(path)
                if told is not None:
                    paths.append(path)
                    size += told.st_size
        except OSError:
            paths = []
        yield Shared(
            distribution=distribution,
            paths=tuple(dict.fromkeys(paths)),
            size=size,
            unknown=not distribution.record,
        )


def _shared(path: str) -> os.stat_result | None:
    """What stat(2) says of a file that has another name elsewhere, or is a symbolic link."""
    try:
        link = os.lstat(path)
        told = os.stat(path)
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(told.st_mode):
        return None
    return told if stat.S_ISLNK(link.st_mode) or link.st_nlink > 1 else None
