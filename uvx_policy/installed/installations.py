"""When the distributions of an environment were installed, and where each of them has files.

To know which of 30,000 files are later than *their own* installation, not each of them has to be
looked up in a RECORD: the directory that a file lies in, or the entry of the site directory that it
lies below, tells who may own it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from uvx_policy.installed import distributions as installed
from uvx_policy.value import Value

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from uvx_policy.installed.distributions import Distribution

#: where files lie: everything below one entry of a site directory, as (site directory, name), or
#: the files in one directory itself, a site directory or one outside of them, as (directory, "")
Place: TypeAlias = tuple[str, str]

#: seconds by which a link may be later than WHEEL, which is among the last files of a wheel. Some
#: wheels take longer, or are unpacked in no order: their contents are compared
_UNPACKING = 3.0
_NEVER = float("inf")
#: bytes of one RECORD that are looked through at once
_MOST_READ = 1 << 26
#: what a row begins with that does not name a file below the site directory
_OUTSIDE = frozenset((b"", b".", b".."))


class Until(NamedTuple):
    """Files that are later than this were changed, in seconds since the epoch."""

    #: for copies and clones
    copied: float
    #: for hard links and symbolic links
    linked: float


class Installation(Value):
    """When one distribution was installed."""

    distribution: Distribution
    until: Until


class Installations:
    """All that have a RECORD. Nothing here raises: what vanishes is passed over."""

    def __init__(self, sites: Sequence[str]) -> None:
        self._sites = tuple(sites)
        self._all = [
            found
            for site in sites
            for distribution in installed.distributions(site, origins=False)
            if (found := _installation(distribution)) is not None
        ]
        #: no file is later than this unless it was changed, or its own installation was later
        self.earliest = _earliest(self._all)
        self._owners: dict[Place, list[Installation]] = {}
        #: those whose RECORD is no plain list, so that each of its rows has to be understood
        self._anywhere: list[Installation] = []
        self._is_read = False

    @property
    def differ(self) -> bool:
        """Will the earliest time be too early for most?"""
        latest = max((one.until.linked for one in self._all), default=_NEVER)
        return latest > self.earliest.linked + _UNPACKING

    def read(self) -> None:
        """Find out who has files where: what the others do when that was not done yet."""
        if self._is_read:
            return
        self._is_read = True
        for one in self._all:
            places = _places(one.distribution, self._sites)
            if places is None:
                self._anywhere.append(one)
                continue
            for place in places:
                self._owners.setdefault(place, []).append(one)

    def until(self, place: Place) -> Until:
        """The earliest time among those that may have files there."""
        self.read()
        return _earliest((*self._owners.get(place, ()), *self._anywhere))

    def rows_in(self, places: Collection[Place]) -> Iterator[tuple[Installation, str, list[str]]]:
        """Each row of a file that may lie there: whose it is, the path, its fields."""
        self.read()
        owners = {id(one): one for place in places for one in self._owners.get(place, ())}
        for one in owners.values():
            yield from ((one, *row) for row in _rows_in(one.distribution, places))
        for one in self._anywhere:
            for path, fields in _every_row(one.distribution):
                if self.place_of(path) in places:
                    yield one, path, fields

    def place_of(self, path: str) -> Place:
        """Where a file lies whose normal path this is."""
        for site in self._sites:
            if path.startswith(f"{site}{os.sep}"):
                name, below, _ = path[len(site) + 1 :].partition(os.sep)
                return site, name if below else ""
        return os.path.dirname(path), ""


def _installation(distribution: Distribution) -> Installation | None:
    record = _time(distribution.record) if distribution.record else None
    if record is None:
        return None
    unpacked = _time(os.path.join(distribution.dist_info, "WHEEL"))
    # No grace: uv and pip write RECORD last, on the same file system and so by the same clock,
    # however coarse. An edit in the second after `uv sync` is one, too. Where times are in disorder
    # (`cp -r`) contents are compared.
    return Installation(
        distribution=distribution,
        until=Until(record, min(record, (unpacked or record) + _UNPACKING)),
    )


def _earliest(found: Iterable[Installation]) -> Until:
    times = [one.until for one in found]
    return Until(
        min((until.copied for until in times), default=_NEVER),
        min((until.linked for until in times), default=_NEVER),
    )


# Rows ---------------------------------------------------------------------------------------------

# All of this is about bytes: to decode and split the rows of 30,000 files, and to locate each of
# them, takes as long as it takes to look at the files.


def _places(distribution: Distribution, sites: Sequence[str]) -> set[Place] | None:
    """Where its RECORD says that it has files; `None` when only each row by itself could tell."""
    site = distribution.site
    content = _content(distribution)
    if content is None or b'"' in content or b"\\" in content or b"\r" in content:
        return None
    rows = content.rstrip(b"\n").split(b"\n")
    heads = {row.partition(b"/")[0] for row in rows}
    found: set[Place] = set()
    if not heads.isdisjoint(_OUTSIDE):
        heads -= _OUTSIDE
        for row in rows:
            if row and row.partition(b"/")[0] in _OUTSIDE:
                found.add((os.path.dirname(_path_of(row, site)), ""))
        if any(below.startswith(f"{top}{os.sep}") for below, _ in found for top in sites):
            return None
        content = b"\n".join(row for row in rows if row.partition(b"/")[0] not in _OUTSIDE)
    if b"//" in content or (b"/." in content and (b"/../" in content or b"/./" in content)):
        return None  # a path that leaves, on its way, the directory that it begins with
    # A head with a comma is that of a file in the site directory itself.
    found.update((site, "" if b"," in head else os.fsdecode(head)) for head in heads)
    return found


def _rows_in(
    distribution: Distribution, places: Collection[Place]
) -> Iterator[tuple[str, list[str]]]:
    """Path and fields of each row of a plain RECORD that names a file in one of `places`."""
    site = distribution.site
    heads = {os.fsencode(name) for directory, name in places if directory == site}
    for row in (_content(distribution) or b"").split(b"\n"):
        head, slash, _ = row.partition(b"/")
        if head in _OUTSIDE:
            if (os.path.dirname(_path_of(row, site)), "") not in places:
                continue
        elif (b"" if b"," in head or not slash else head) not in heads:
            continue
        fields = row.decode("utf-8", "surrogateescape").split(",")
        yield installed.located(site, fields[0]), fields


def _every_row(distribution: Distribution) -> Iterator[tuple[str, list[str]]]:
    try:
        for fields in installed.record_fields(distribution):
            yield installed.located(distribution.site, fields[0]), fields
    except OSError:  # removed meanwhile, or not for us
        return


def _content(distribution: Distribution) -> bytes | None:
    """All of RECORD; b"" when it cannot be read, `None` when it is too much."""
    try:
        return installed.record_content(distribution, _MOST_READ)
    except OSError:
        return b""


def _path_of(row: bytes, site: str) -> str:
    return installed.located(site, os.fsdecode(row.partition(b",")[0]))


def _time(path: str) -> float | None:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return None
