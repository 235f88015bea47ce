"""Permissions of installed files: which of them uv gives, and which somebody else must have given.

A RECORD says nothing of permissions. uv unpacks every file with what the umask leaves of 0666, and
adds 0111 to those that the wheel marks as executable, whatever the umask (uv-extract; every
version). So the files of one wheel have one of two modes.
"""

from __future__ import annotations

import stat
from collections import Counter
from typing import TYPE_CHECKING

from uvx_policy.installed import record

if TYPE_CHECKING:
    from collections.abc import Iterable

_READ_WRITE = 0o666
_FEWEST = 3


def usual(modes: Iterable[int]) -> int | None:
    """The permissions that most of these files (`st_mode`) have, execution aside; `None` if few."""
    counts = Counter(mode & _READ_WRITE for mode in modes)
    if counts.total() < _FEWEST:
        return None
    permissions, count = counts.most_common(1)[0]
    return permissions if 2 * count > counts.total() else None


def oddity(mode: int, row_path: str, usual_permissions: int | None) -> str:
    """Why these permissions (`st_mode`) are odd in this wheel, "" when they are not."""
    # What lies outside the site directory is written by the installer.
    anew = row_path.startswith("..") or row_path.endswith(record.WRITTEN_ANEW_ENDINGS)
    if usual_permissions is None or anew:
        return ""
    permissions = stat.S_IMODE(mode)
    if permissions in (usual_permissions, executable(usual_permissions)):
        return ""
    return f"its permissions are {permissions:04o}, of the others here {usual_permissions:04o}"


def executable(permissions: int) -> int:
    """The same, with execution for all."""
    return permissions | 0o111
