"""Which installed files were edited after they were installed, told quickly.

What a fresh installation looks like, with every uv from 0.5.23 on, on every file system
(`tests/environments/test_survey_with_uv.py`):

- Files that are hard links or symbolic links into a cache have the time at which the wheel was
  unpacked, all within moments of each other.
- Copies and clones have the time of the installation.
- RECORD is never linked, and written last: no file of its distribution is later.

So a file that is later than RECORD was changed after it was installed, and a link that is later
than WHEEL, which is linked as all others are, was changed in the cache, perhaps before this
environment was made. A change of time alone is no edit (`touch`, `cp -r`): the content must differ
from the size or the digest in RECORD, too. What Python and installers write anew themselves is
left aside. An edit before a copy was made from the cache cannot be told by time.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from uvx_policy.environments import digest, installed
from uvx_policy.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from uvx_policy.environments.installed import Distribution, Row

#: seconds by which a file may be later than RECORD: clocks of network file systems, coarse times
_MOMENT = 2.0
#: seconds by which a link may be later than WHEEL: so long may unpacking one wheel take
_UNPACKING = 60.0
#: bytes that are read at most to compare contents, about 30 ms
_MOST_READ = 32 * 1024 * 1024


class Changed(NamedTuple):
    """A file that is later than the oldest installation here (of thousands: no `Record`)."""

    size: int
    #: `st_mtime`
    time: float
    #: is a symbolic link, or has more than one name
    linked: bool


class Installation(Record):
    """When one distribution was installed, in seconds since the epoch."""

    distribution: Distribution
    #: a copy that is later than this was changed
    copied_until: float
    #: a link that is later than this was changed
    linked_until: float


class Edited(Record):
    """What was found out."""

    #: absolute paths, sorted
    paths: tuple[str, ...] = ()
    #: files whose time says so, and that are too large together to be compared
    unsure: int = 0


def installations(sites: Iterable[str]) -> list[Installation]:
    """Every distribution with a RECORD. Never raises."""
    return [
        found
        for site in sites
        for distribution in installed.distributions(site)
        if (found := _installation(distribution)) is not None
    ]


def find_edited(found: Iterable[Installation], changed: dict[str, Changed]) -> Edited:
    """Compare those of `changed` (path -> file) that were changed after *their* installation."""
    edited = []
    doubtful = []
    for path, row in _later_than_their_own(found, changed):
        size = changed[path].size
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
    found: Iterable[Installation], changed: dict[str, Changed]
) -> Iterator[tuple[str, Row]]:
    newest_copy = max((file.time for file in changed.values() if not file.linked), default=0.0)
    newest_link = max((file.time for file in changed.values() if file.linked), default=0.0)
    for one in found:
        if newest_copy <= one.copied_until and newest_link <= one.linked_until:
            continue  # its RECORD need not be read
        for fields in _rows(one.distribution):
            path = installed.located(one.distribution.site, fields[0])
            file = changed.get(path)
            if file is None or file.time <= (one.linked_until if file.linked else one.copied_until):
                continue
            row = installed.row_of(fields)
            if row.algorithm:
                yield path, row


def _installation(distribution: Distribution) -> Installation | None:
    record = _time(distribution.record) if distribution.record else None
    if record is None:
        return None
    unpacked = _time(os.path.join(distribution.dist_info, "WHEEL"))
    return Installation(
        distribution=distribution,
        copied_until=record + _MOMENT,
        linked_until=min(record + _MOMENT, (unpacked or record) + _UNPACKING),
    )


def _rows(distribution: Distribution) -> Iterator[list[str]]:
    try:
        yield from installed.record_fields(distribution)
    except OSError:  # removed meanwhile, or not for us
        return


def _differs(path: str, row: Row) -> bool:
    """Does the content differ from the digest? A file that cannot be read does not."""
    told = digest.digest_of(path, row.algorithm)
    return told not in ("", row.digest.rstrip("="))


def _time(path: str) -> float | None:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return None
