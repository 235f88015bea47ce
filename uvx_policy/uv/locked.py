"""What a lock file asks of a cache, and which cache has it.

uv.lock is read by lines: uv alone writes it, and a TOML parser takes 60 ms for 300 packages, more
than all the rest of a decision. What is not as uv writes it cannot be told.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from uvx_policy.host import Host

    #: normalized name -> versions, of which an environment has one
    Versions = dict[str, tuple[str, ...]]

#: directories (`--find-links`) and paths need none
_OVER_NETWORK = ('registry = "http', 'url = "http')

#: kinds of the buckets that hold distributions
DISTRIBUTIONS = ("wheels", "sdists")


def wanted(host: Host, workspace: str, *, installed: Iterable[str]) -> Versions | None:
    """What the lock file of `workspace` names, comes over a network and is not installed yet.

    `installed`: names in site-packages. `None` when it cannot be told: there is no such file, or a
    repository is involved. Raises `Unreadable`.
    """
    text = host.read_text(os.path.join(workspace, "uv.lock")) if workspace else None
    if text is None:
        return None
    locked: Versions = {}
    from_git = set()
    for name, version, source in _packages(text):
        if source.startswith(_OVER_NETWORK):
            locked[name] = (*locked.get(name, ()), version)
        elif source.startswith("git ="):
            from_git.add(name)
    for entry in installed:
        stem, _, suffix = entry.rpartition(".")
        package, _, version = stem.partition("-")
        name = normalized(package)
        if suffix == "dist-info" and version in locked.get(name, ()):
            del locked[name]
        from_git.discard(name)
    return None if from_git else locked


def lacking(
    host: Host, packages: Versions, *, held_by: str, lacked_by: str
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Those of these packages that the one cache holds and the other does not.

    A cache holds a package when a bucket has a wheel or a source distribution of one of its
    versions; the other one lacks it when it has not all of these: wheels are for one Python each.
    Buckets of an older format than the other cache's do not count: the uv that runs here has moved
    on. Raises `Unreadable`.
    """
    rich, poor = _Buckets(host, held_by), _Buckets(host, lacked_by)
    for name, versions in packages.items():
        held = rich.files_of(name, versions)
        there = poor.files_of(name, versions) if held else {}
        if held and not any(
            kind in there and number <= there[kind][0] and files <= there[kind][1]
            for kind, (number, files) in held.items()
        ):
            yield name, versions


def shelves(
    names_in: Callable[[str], Iterable[str]], cache: str, kinds: tuple[str, ...]
) -> Iterator[tuple[str, int, str]]:
    """Where a cache keeps what came from one index or URL, in its buckets of these kinds.

    Kind of the bucket, number of its format, and the directory with an entry for each package.
    """
    for bucket in names_in(cache):
        kind, _, digits = bucket.rpartition("-v")
        if kind not in kinds or not digits.isdecimal():
            continue
        for index in names_in(os.path.join(cache, bucket)):
            directory = os.path.join(cache, bucket, index)
            if index == "pypi":
                yield kind, int(digits), directory
            elif index in ("index", "url"):
                for other in names_in(directory):
                    yield kind, int(digits), os.path.join(directory, other)


def version_of(entry: str, package: str) -> str:
    """The version of what has this name in the directory of a package; "" for nothing of its own.

    A source distribution is the directory `2.0.0`. A wheel is `2.0.0-py3-none-any.http`, of uv 0.6
    and earlier `my_package-2.0.0-...`; `.rev`: from a file; `.msgpack`: only metadata.
    """
    if entry.endswith((".http", ".rev")):
        return entry.removeprefix(package.replace("-", "_") + "-").partition("-")[0]
    return "" if "-" in entry else entry


def _packages(text: str) -> Iterator[tuple[str, str, str]]:
    """(normalized name, version, source): `("rich", "14.0.0", 'registry = "https:...')`."""
    name = version = ""
    for line in text.splitlines():
        if line == "[[package]]":
            name = version = ""
        elif line.startswith('name = "'):
            name = line[8:-1]
        elif line.startswith('version = "'):
            version = line[11:-1]
        elif line.startswith("source = { "):
            yield name, version, line[11:]


class _Buckets:
    """The buckets of one cache that hold distributions: `wheels-v*` and `sdists-v*`."""

    def __init__(self, host: Host, cache: str) -> None:
        self._host = host
        self._cache = cache
        #: (kind of the bucket, number of its format, directory of one index), the newest last
        self._indexes: list[tuple[str, int, str]] | None = None

    def files_of(
        self, name: str, versions: tuple[str, ...]
    ) -> dict[str, tuple[int, frozenset[str]]]:
        """Kind of bucket -> the newest format in which one of these versions is held, and what."""
        if self._indexes is None:
            self._indexes = sorted(shelves(self._host.list_names, self._cache, DISTRIBUTIONS))
        return {
            kind: (number, files)
            for kind, number, index in self._indexes
            if (files := self._held(index, name, versions))
        }

    def _held(self, index: str, package: str, versions: tuple[str, ...]) -> frozenset[str]:
        directory = os.path.join(index, package)
        # Most packages are in no cache, and what is absent is the cheaper witness.
        if self._host.kind(directory) != "directory":
            return frozenset()
        names = self._host.list_names(directory)
        return frozenset(name for name in names if version_of(name, package) in versions)


def normalized(name: str) -> str:
    """PEP 503, of a name that the file system has already."""
    return name.lower().replace("_", "-").replace(".", "-")
