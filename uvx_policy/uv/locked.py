"""What a lock file asks of a cache, and which cache has it.

uv.lock is read by lines: uv alone writes it, and a TOML parser takes 60 ms for 300 packages, more
than all the rest of a decision. What is not as uv writes it cannot be told.
"""

from __future__ import annotations

import os

from uvx_policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from uvx_policy.host import Host

    #: normalized name -> versions, of which an environment has one
    Versions = dict[str, tuple[str, ...]]

#: kinds of the buckets that hold distributions
DISTRIBUTIONS = ("wheels", "sdists")


#: what a wheel's tag begins with that is for one version of CPython alone
_CPYTHON = "cp3"
_STABLE_ABI = "abi3"
_TAGS = 3


class Package(Value):
    """One `[[package]]` of a lock file."""

    #: normalized
    name: str
    #: "" where its source says it
    version: str
    #: `registry`, `url`, `git`, `path`, `directory`, `editable`, `virtual`, and what is there
    kind: str
    place: str


class Lock(Value):
    """A lock file: `uv.lock`, or that of a script."""

    text: str
    packages: tuple[Package, ...]

    @property
    def versions(self) -> Versions:
        """Of what comes over a network and is kept by name."""
        found: Versions = {}
        for each in self.packages:
            if each.kind in ("registry", "url") and each.place.startswith("http"):
                found[each.name] = (*found.get(each.name, ()), each.version)
        return found


def read(host: Host, path: str) -> Lock | None:
    """The lock file at `path`, `None` where there is none. Raises `Unreadable`."""
    text = host.read_text(path)
    if text is None:
        return None
    packages = []
    for name, version, source in _packages(text):
        kind, _, rest = source.partition(' = "')
        packages.append(
            Package(name=name, version=version, kind=kind, place=rest.partition('"')[0])
        )
    return Lock(text=text, packages=tuple(packages))


def wanted(host: Host, workspace: str, *, installed: Iterable[str]) -> Versions | None:
    """What the lock file of `workspace` names, comes over a network and is not installed yet.

    `installed`: names in site-packages. `None` when it cannot be told: it does not exist, or a
    repository is involved. Raises `Unreadable`.
    """
    lock = read(host, os.path.join(workspace, "uv.lock")) if workspace else None
    if lock is None:
        return None
    there = installed_in(installed)
    if any(each.kind == "git" and each.name not in there for each in lock.packages):
        return None
    return missing(lock.versions, there)


def installed_in(names: Iterable[str]) -> dict[str, str]:
    """Normalized name -> version of each distribution in a directory with these names."""
    found = {}
    for entry in names:
        stem, _, suffix = entry.rpartition(".")
        package, _, version = stem.partition("-")
        if suffix == "dist-info":
            found[normalized(package)] = version
    return found


def missing(packages: Versions, installed: dict[str, str]) -> Versions:
    """Those of these packages that are not installed in one of their versions."""
    return {
        name: versions for name, versions in packages.items() if installed.get(name) not in versions
    }


def lacking(
    host: Host, packages: Versions, *, held_by: str, lacked_by: str
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Those of these packages that the one cache holds and the other does not.

    A cache holds a package when a bucket has a wheel or a source distribution of one of its
    versions; the other one lacks it when it has not all of these: wheels are for one Python each.
    Buckets of an older format than the other cache's do not count: the uv that runs here has moved
    on. Raises `Unreadable`.
    """
    return lacking_in(packages, Buckets(host, held_by), Buckets(host, lacked_by))


def lacking_in(
    packages: Versions, rich: Buckets, poor: Buckets
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """See `lacking`."""
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


def described_version(entry: str, package: str) -> str:
    """The version of what `version_of` knows, or of which there is only the metadata."""
    stem = entry.removesuffix(".msgpack")
    return version_of(f"{stem}.http" if stem != entry else entry, package)


def fits(entry: str, python: str) -> bool:
    """May the wheel of this name be for the Python of this tag, such as "cp311" ("": of any)?

    No only where it certainly is not: all its tags are of other versions of CPython.
    """
    stem = entry.rpartition(".")[0]
    if not python or stem.count("-") < _TAGS:
        return True
    pythons, abi, _ = stem.rsplit("-", _TAGS)[1:]
    return abi == _STABLE_ABI or not all(
        tag.startswith(_CPYTHON) and tag[len(_CPYTHON) :].isdecimal() and tag != python
        for tag in pythons.split(".")
    )


class Buckets:
    """The buckets of one cache that hold distributions: `wheels-v*` and `sdists-v*`."""

    def __init__(self, host: Host, cache: str, python: str = "") -> None:
        """`python`: see `fits`."""
        self._host = host
        self._cache = cache
        self._python = python
        #: (kind of the bucket, number of its format, directory of one index), the newest last
        self._indexes: list[tuple[str, int, str]] | None = None
        self._known: dict[str, list[tuple[str, int, str, tuple[str, ...]]]] = {}

    def files_of(
        self, name: str, versions: tuple[str, ...]
    ) -> dict[str, tuple[int, frozenset[str]]]:
        """Kind of bucket -> the newest format in which one of these versions is held, and what."""
        found = {}
        for kind, number, _, names in self.entries(name):
            files = frozenset(each for each in names if version_of(each, name) in versions)
            if files:
                found[kind] = (number, files)
        return found

    def entries(self, package: str) -> list[tuple[str, int, str, tuple[str, ...]]]:
        """(kind, number of the format, directory, names in it) of a package, the newest last."""
        if self._indexes is None:
            self._indexes = sorted(shelves(self._host.list_names, self._cache, DISTRIBUTIONS))
        if package not in self._known:
            self._known[package] = [
                (kind, number, directory, names)
                for kind, number, index in self._indexes
                if (names := self._names(directory := os.path.join(index, package)))
            ]
        return self._known[package]

    def _names(self, directory: str) -> tuple[str, ...]:
        # Most packages are in no cache, and what is absent is the cheaper witness.
        if self._host.kind(directory) != "directory":
            return ()
        names = self._host.list_names(directory)
        return tuple(name for name in names if fits(name, self._python))


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


def normalized(name: str) -> str:
    """PEP 503, of a name that the file system has already."""
    return name.lower().replace("_", "-").replace(".", "-")
