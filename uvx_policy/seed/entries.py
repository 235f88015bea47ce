"""What of a cache belongs to one version of a package, and nothing is needed besides.

The layout is uv's: `archive-v0/<id>` holds an unpacked wheel. `wheels-v6/<index>/<name>/` holds for
each wheel a pointer, `<stem>.http` or `.rev`, that names the id, and a symbolic link `<stem>` by
which `uv cache prune` counts references. `sdists-v9/<index>/<name>/<version>/` has a pointer to a
revision, and in the revision what was built: wheels, and links by which uv finds their archives.
"""

from __future__ import annotations

import os

from uvx_policy.foreign_file import read_foreign
from uvx_policy.installed.distributions import names_in
from uvx_policy.installed.tree import ARCHIVES
from uvx_policy.uv import locked
from uvx_policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

#: bytes of a pointer; the largest known have 2,000
_MOST_POINTER = 1 << 20
#: what a source distribution was unpacked into: only a build needs it
_UNPACKED = "src"
_POINTERS = (".http", ".rev")
#: of a repository: programs
_HOOKS = "hooks"


class Entry(Value):
    """One wheel, or one source distribution with what was built of it."""

    #: ids of the archives
    archives: tuple[str, ...]
    #: symbolic links to them: (path below the cache, id)
    links: tuple[tuple[str, str], ...]
    #: files, as paths below the cache; the one that uv looks for first is the last
    files: tuple[str, ...]
    #: files of that name stay as they are, if the other cache has some
    adds: bool = False

    @property
    def bucket(self) -> str:
        """Such as `wheels-v6`."""
        return self.files[-1].partition(os.sep)[0]


def packages_in(cache: str) -> dict[str, tuple[str, ...]]:
    """Every package of which a cache has a distribution, and its versions. Never raises."""
    found: dict[str, set[str]] = {}
    for kind, _, shelf in locked.shelves(names_in, cache, locked.DISTRIBUTIONS):
        for package in names_in(shelf):
            for entry in names_in(os.path.join(shelf, package)):
                version = locked.version_of(entry, package)
                directory = os.path.join(shelf, package, entry)
                # What came from a URL alone has a revision there, and no package above it.
                if version and (kind == "wheels" or _has_revision(directory)):
                    found.setdefault(package, set()).add(version)
    return {package: tuple(sorted(versions)) for package, versions in found.items()}


def _has_revision(directory: str) -> bool:
    return any(name.startswith("revision.") for name in names_in(directory))


def entries_of(
    cache: str, package: str, versions: tuple[str, ...], python: str = ""
) -> Iterator[Entry]:
    """Each entry of these versions whose archives are there. Never raises.

    `python`: of wheels those that are for it (`locked.fits`).
    """
    for kind, _, shelf in locked.shelves(names_in, cache, locked.DISTRIBUTIONS):
        directory = os.path.join(shelf, package)
        read = _wheel if kind == "wheels" else _source
        for name in names_in(directory):
            if locked.version_of(name, package) in versions and locked.fits(name, python):
                entry = read(cache, os.path.join(directory, name))
                if entry is not None and all(has_archive(cache, id_) for id_ in entry.archives):
                    yield entry


def is_unbuilt(cache: str, package: str, versions: tuple[str, ...]) -> bool:
    """Does a cache have a source distribution, but nothing that was built of it? Never raises."""
    return any(
        os.path.isdir(os.path.join(shelf, package, version, revision, _UNPACKED))
        for kind, _, shelf in locked.shelves(names_in, cache, ("sdists",))
        for version in versions
        for revision in names_in(os.path.join(shelf, package, version))
    )


def built_at(cache: str, below: str) -> Entry | None:
    """What was built of a directory, a commit or a URL, or the repository, at a path below a cache.

    `None` where nothing was built. Never raises.
    """
    path = os.path.join(cache, below)
    bucket, _, rest = below.partition(os.sep)
    if bucket.startswith("git-v") and rest.startswith(f"db{os.sep}"):
        return _repository(cache, path)
    entry = _source(cache, path)
    whole = entry is not None and all(has_archive(cache, id_) for id_ in entry.archives)
    return entry if whole else None


def is_there(cache: str, entry: Entry) -> bool:
    """Does a cache have this entry already, of its own or from here? Never raises."""
    return all(os.path.isdir(os.path.join(cache, below)) for below, _ in entry.links) and all(
        os.path.isfile(os.path.join(cache, below)) for below in entry.files
    )


def index_files(cache: str, package: str) -> Iterator[str]:
    """What an index said of a package, as paths below the cache: for `--offline`. Never raises."""
    for _, _, shelf in locked.shelves(names_in, cache, ("simple",)):
        path = os.path.join(shelf, f"{package}.rkyv")
        if os.path.isfile(path):
            yield os.path.relpath(path, cache)


def metadata_files(cache: str, package: str, versions: tuple[str, ...]) -> Iterator[str]:
    """What uv keeps of the METADATA of wheels, as paths below the cache. Never raises."""
    for _, _, shelf in locked.shelves(names_in, cache, ("wheels",)):
        directory = os.path.join(shelf, package)
        for name in names_in(directory):
            is_wanted = locked.described_version(name, package) in versions
            if name.endswith(".msgpack") and is_wanted:
                yield os.path.relpath(os.path.join(directory, name), cache)


def has_archive(cache: str, id_: str) -> bool:
    """Is there an archive of this id? uv asks no more."""
    return os.path.isdir(archive_path(cache, id_))


def archive_path(cache: str, id_: str) -> str:
    """Where a cache has the archive of this id."""
    return os.path.join(cache, ARCHIVES, id_)


def _wheel(cache: str, pointer: str) -> Entry | None:
    """The wheel of a pointer, `None` where it leads to nothing."""
    directory, name = os.path.split(pointer)
    stem, suffix = os.path.splitext(name)
    id_ = _linked(os.path.join(directory, stem))
    if suffix not in _POINTERS or not id_ or not _names(pointer, id_):
        return None
    below = os.path.relpath(directory, cache)
    metadata = f"{stem}.msgpack"
    others = [metadata] if os.path.isfile(os.path.join(directory, metadata)) else []
    return Entry(
        archives=(id_,),
        links=((os.path.join(below, stem), id_),),
        files=tuple(os.path.join(below, each) for each in (*others, name)),
    )


def _source(cache: str, directory: str) -> Entry | None:
    """A source distribution, `None` where nothing was built of it.

    Of its revisions the one that counts, where there is a pointer to it.
    """
    links: list[tuple[str, str]] = []
    files: list[str] = []
    pointers: list[str] = []
    waiting = [directory]
    former = _former_revisions(directory)
    while waiting:
        here = waiting.pop()
        for name in names_in(here):
            path = os.path.join(here, name)
            below = os.path.relpath(path, cache)
            if os.path.islink(path):
                id_ = _linked(path)
                if id_:
                    links.append((below, id_))
            elif os.path.isdir(path):
                if name != _UNPACKED and path not in former:
                    waiting.append(path)
            elif not name.endswith(".lock") and not name.startswith(".tmp"):
                (pointers if here == directory else files).append(below)
    if not links:
        return None
    ids = tuple(dict.fromkeys(id_ for _, id_ in links))
    return Entry(archives=ids, links=tuple(links), files=(*files, *pointers))


def _former_revisions(directory: str) -> set[str]:
    """Those that the pointer to a revision does not name, where there is one."""
    names = names_in(directory)
    pointers = [name for name in names if name.startswith("revision.")]
    counts = b"".join(_content(os.path.join(directory, name)) for name in pointers)
    return {
        os.path.join(directory, name)
        for name in names
        if os.fsencode(name) not in counts and counts
    }


def _linked(path: str) -> str:
    """Id of the archive that a symbolic link leads to, "" for none. Never raises."""
    try:
        text = os.readlink(path)
    except (OSError, ValueError):
        return ""
    above, id_ = os.path.split(text)
    return id_ if os.path.basename(above) == ARCHIVES else ""


def _names(pointer: str, id_: str) -> bool:
    """Does uv find this archive by the pointer, too? Between a download and its link it differs."""
    return os.fsencode(id_) in _content(pointer)


def _content(pointer: str) -> bytes:
    try:
        return read_foreign(pointer, _MOST_POINTER)
    except OSError:
        return b""


def _repository(cache: str, path: str) -> Entry | None:
    """All of a repository but what git would execute; the objects before what names them."""
    files: list[str] = []
    waiting = [path]
    while waiting:
        here = waiting.pop()
        for name in names_in(here):
            inside = os.path.join(here, name)
            if os.path.islink(inside) or name.endswith(".lock"):
                continue
            if not os.path.isdir(inside):
                files.append(os.path.relpath(inside, cache))
            elif name != _HOOKS:
                waiting.append(inside)
    files.sort(key=lambda below: (f"{os.sep}objects{os.sep}" not in below, below.endswith("HEAD")))
    return Entry(archives=(), links=(), files=tuple(files), adds=True) if files else None
