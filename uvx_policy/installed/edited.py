"""Which installed files were edited after they were installed, told quickly.

What a fresh installation looks like, with every uv from 0.5.23 on, on every file system
(`tests/environments/test_survey_with_uv.py`):

- Files that are hard links or symbolic links into a cache have the time at which the wheel was
  unpacked; WHEEL is among the last of them.
- Copies and clones have the time of the installation.
- RECORD is never linked, and written last: no file of its distribution is later.

So a file that is later than RECORD was changed after it was installed, and a link that is later
than WHEEL, which is linked as all others are, was changed in the cache, perhaps before this
environment was made. A change of time alone is no edit (`touch`, `cp -r`): the content must differ
from the size or the digest in RECORD, too. What Python and installers write anew themselves is
left aside. An edit before a copy was made from the cache cannot be told by time.

To look each of 30,000 files up in a RECORD takes longer than to look at it. So only those places
are looked into whose newest file is later than an installation that may own it.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from uvx_policy.installed import distributions as installed
from uvx_policy.installed import hashes as digest
from uvx_policy.installed.walk import leads_into_cache
from uvx_policy.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from uvx_policy.installed.distributions import Row
    from uvx_policy.installed.installations import Installations, Place, Until
    from uvx_policy.installed.walk import Newest

#: bytes that are read at most to compare contents, about 30 ms
_MOST_READ = 32 * 1024 * 1024


class Edited(Value):
    """What was found out."""

    #: absolute paths, sorted
    paths: tuple[str, ...] = ()
    #: files whose time says so, and that are too large together to be compared
    unsure: int = 0


def find_edited(found: Installations, newest: Mapping[Place, Newest]) -> Edited:
    """Compare the files that were changed after *their* installation with their RECORD.

    `newest`: of all places that there are files in.
    """
    edited = []
    doubtful = []
    for path, size, row in _later_than_their_own(found, newest):
        if row.size is not None and row.size != size:
            edited.append(path)
        elif digest.knows(row.algorithm):
            doubtful.append((size, path, row))
    left = _MOST_READ
    unsure = 0
    # Small ones first: sources are small, and are what people edit.
    for size, path, row in sorted(doubtful, key=lambda one: one[:2]):
        left -= size
        if left < 0:
            unsure += 1
        elif _differs(path, row):
            edited.append(path)
    return Edited(paths=tuple(sorted(set(edited))), unsure=unsure)


def _later_than_their_own(
    found: Installations, newest: Mapping[Place, Newest]
) -> Iterator[tuple[str, int, Row]]:
    """Path, bytes and row of each."""
    late = {place for place, times in newest.items() if _is_later(times, found.earliest)}
    late = {place for place in late if _is_later(newest[place], found.until(place))}
    if not late:
        return
    for one, path, fields in found.rows_in(late):
        if path.endswith(".pyc"):
            continue  # Python writes it when it likes
        try:
            told = os.lstat(path)
            linked = told.st_nlink > 1
            if stat.S_ISLNK(told.st_mode) and leads_into_cache(os.readlink(path)):
                told, linked = os.stat(path), True
        except (OSError, ValueError):
            continue
        if not stat.S_ISREG(told.st_mode):
            continue
        if told.st_mtime > (one.until.linked if linked else one.until.copied):
            row = installed.row_of(fields)
            if row.algorithm and _is_inside(path, found.place_of(path)[0]):
                yield path, told.st_size, row


def _is_inside(path: str, top: str) -> bool:
    """Does no symbolic link below `top` lead to where the file lies? The walk follows none."""
    directory = os.path.dirname(path)
    while len(directory) > len(top):
        if os.path.islink(directory):
            return False
        directory = os.path.dirname(directory)
    return True


def _is_later(times: Newest, until: Until) -> bool:
    return times.copied > until.copied or times.linked > until.linked


def _differs(path: str, row: Row) -> bool:
    """Does the content differ from the digest? A file that cannot be read does not."""
    told = digest.digest_of(path, row.algorithm)
    return told not in ("", row.digest.rstrip("="))
