"""Which files of installed packages are not the environment's own, as the file system tells."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from uvx_policy.foreign_file import real_path
from uvx_policy.installed import distributions as installed
from uvx_policy.installed import record
from uvx_policy.replace.build import is_shared
from uvx_policy.value import Value

if TYPE_CHECKING:
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


def shared_files(site: str) -> list[Shared]:
    """Each distribution of a site directory. Never raises.

    Clones share blocks, and no edit of one is seen in the other: they are the environment's own. So
    is a file of which all names are in the environment.
    """
    linked = {each: _linked_files(site, each) for each in installed.distributions(site)}
    names: dict[tuple[int, int], set[str]] = {}
    for files in linked.values():
        for path, status in files.items():
            if not os.path.islink(path):
                names.setdefault(_inode(status), set()).add(real_path(path))
    found = []
    for distribution, files in linked.items():
        shared = {
            path: status.st_size
            for path, status in files.items()
            if os.path.islink(path) or len(names.get(_inode(status), ())) < status.st_nlink
        }
        found.append(
            Shared(
                distribution=distribution,
                paths=tuple(shared),
                size=sum(shared.values()),
                unknown=not distribution.record,
            )
        )
    return found


def _linked_files(site: str, distribution: Distribution) -> dict[str, os.stat_result]:
    """Files with other names, and symbolic links to files."""
    found = {}
    with contextlib.suppress(OSError):
        for fields in record.read(distribution).fields:
            path = record.located(site, fields[0]) if fields[0] else ""
            if is_shared(path):
                with contextlib.suppress(OSError):
                    found[path] = os.stat(path)
    return found


def _inode(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
