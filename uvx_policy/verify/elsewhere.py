"""Where an edited file is as well: under another name of its inode, or copied with the edit in it.

The cache that it was linked from, the other environments that were linked from there, and those
that were installed after the edit.
"""

from __future__ import annotations

import contextlib
import os
from functools import lru_cache
from typing import TYPE_CHECKING

from uvx_policy.installed import record
from uvx_policy.installed.finding import Place
from uvx_policy.installed.hash import NO_HASH, Hash, of_file
from uvx_policy.installed.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from uvx_policy.installed.finding import Finding
    from uvx_policy.installed.index import Index
    from uvx_policy.installed.record import Row

#: states in which a file has something that others may have, too
_HAS_CONTENT = ("edited", "mode")


def with_places(findings: Iterable[Finding], index: Index) -> list[Finding]:
    """The same findings, with every place where the same wrong file is known to be."""
    told = list(findings)
    rows = Rows()
    found = [_looked_for(each, index, rows) for each in told]
    return _all_names_found(found, index)


class Rows:
    """The RECORDs of trees, each read once."""

    def __init__(self) -> None:
        self._known: dict[str, _Claims] = {}

    def paths(self, tree: Tree, dist_info_name: str, wanted: Hash) -> list[str]:
        """Files of `tree` that should have this hash. Never raises."""
        return self._claims(tree, dist_info_name).paths.get(wanted, [])

    def twins(self, tree: Tree, dist_info_name: str, row: Row) -> list[str]:
        """Files of `tree` that are what `row` is elsewhere. Never raises.

        The file of the same path; scripts and data lie elsewhere in an archive than in an
        environment, and are known by their hash.
        """
        claims = self._claims(tree, dist_info_name)
        path = record.located(tree.path, row.path)
        return [path] if claims.hashes.get(path) == row.hash else claims.paths.get(row.hash, [])

    def _claims(self, tree: Tree, dist_info_name: str) -> _Claims:
        path = os.path.join(tree.path, dist_info_name, record.NAME)
        if path not in self._known:
            self._known[path] = _Claims(record.hashes_at(path, tree.path))
        return self._known[path]


class _Claims:
    """What one RECORD says: path -> hash, and hash -> paths."""

    def __init__(self, hashes: dict[str, Hash]) -> None:
        self.hashes = hashes
        self.paths: dict[Hash, list[str]] = {}
        for path, each in hashes.items():
            self.paths.setdefault(each, []).append(path)


def twins(finding: Finding, index: Index, rows: Rows | None = None) -> Iterator[tuple[Tree, str]]:
    """Give each other file that should have the content which this one should have.

    In archives and environments with the same `.dist-info`. Files are named whether they exist or
    not.
    """
    if finding.row is None or not finding.row.hash:
        return
    rows = rows or Rows()
    name = os.path.basename(finding.dist_info)
    own = _without_links(finding.path)
    for tree in index.trees_of(name):
        for path in rows.twins(tree, name, finding.row):
            if path != finding.path and _without_links(path) != own:
                yield tree, path


def _without_links(path: str) -> str:
    """The name itself, without symbolic links above it: an environment may be known by two."""
    return os.path.join(_real(os.path.dirname(path)), os.path.basename(path))


@lru_cache(maxsize=4096)
def _real(directory: str) -> str:
    return os.path.realpath(directory)


def _looked_for(finding: Finding, index: Index, rows: Rows) -> Finding:
    if finding.state not in _HAS_CONTENT or finding.row is None:
        return finding
    try:
        told = os.stat(finding.path)
    except OSError:
        return finding
    wrong = NO_HASH
    own = os.path.realpath(finding.tree.path)
    places = []
    for tree, path in twins(finding, index, rows):
        try:
            other = os.stat(path)
        except OSError:
            continue
        if (other.st_dev, other.st_ino) == (told.st_dev, told.st_ino):
            places.append(Place(path=path, tree=tree, how="same-inode"))
        # In its own tree it is another file, and a finding of its own.
        elif (
            finding.state == "edited"
            and other.st_size == told.st_size
            and os.path.realpath(tree.path) != own
        ):
            wrong = wrong or of_file(finding.path, finding.row.hash.algorithm)
            if wrong and of_file(path, finding.row.hash.algorithm) == wrong:
                places.append(Place(path=path, tree=tree, how="same-bytes"))
    return finding.replace(elsewhere=tuple(places))


# Names of an inode that no RECORD led to ---------------------------------------------------------


def _all_names_found(findings: list[Finding], index: Index) -> list[Finding]:
    """Look through caches and environments where an inode has more names than are known.

    Another package may have the same file (uv's `files-v0`), or a `.dist-info` another name.
    """
    missing: dict[tuple[int, int], set[str]] = {}
    for each in findings:
        key, names = _identity(each), _own_names(each)
        if key is not None and names:
            missing.setdefault(key, set()).update(names)
    wanted = {key for key, names in missing.items() if _links(next(iter(names))) > len(names)}
    if not wanted:
        return findings
    more: dict[tuple[int, int], list[tuple[Tree, str]]] = {}
    for tree, path, key in _walk(index, wanted):
        more.setdefault(key, []).append((tree, path))
    return [_with_more(each, more) for each in findings]


def _with_more(finding: Finding, more: dict[tuple[int, int], list[tuple[Tree, str]]]) -> Finding:
    key = _identity(finding)
    if key is None:
        return finding
    names = _own_names(finding)
    new = tuple(
        Place(path=path, tree=tree, how="same-inode")
        for tree, path in more.get(key, ())
        if path not in names
    )
    unknown = _links(finding.path) - len(names) - len(new)
    return finding.replace(elsewhere=(*finding.elsewhere, *new), unknown_names=max(unknown, 0))


def _identity(finding: Finding) -> tuple[int, int] | None:
    """Device and inode of a file with several names, `None` for others."""
    if finding.state not in _HAS_CONTENT:
        return None
    try:
        told = os.stat(finding.path)
    except OSError:
        return None
    return (told.st_dev, told.st_ino) if told.st_nlink > 1 else None


def _own_names(finding: Finding) -> set[str]:
    """Real paths of the names that are known; a symbolic link is no name of the inode."""
    paths = (
        finding.path,
        *(place.path for place in finding.elsewhere if place.how == "same-inode"),
    )
    return {os.path.realpath(path) for path in paths}


def _links(path: str) -> int:
    try:
        return os.stat(path).st_nlink
    except OSError:
        return 0


def _walk(
    index: Index, wanted: set[tuple[int, int]]
) -> Iterator[tuple[Tree, str, tuple[int, int]]]:
    """Give every name of these inodes below the known caches and environments. Never raises."""
    inodes = {inode for _, inode in wanted}
    devices = {device for device, _ in wanted}
    for top in dict.fromkeys(map(os.path.realpath, (*index.caches, *index.environments))):
        kind = "archive" if top in map(os.path.realpath, index.caches) else "site"
        tree = Tree(path=top, kind="archive" if kind == "archive" else "site", owner=top)
        waiting = [top]
        while waiting:
            with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    elif entry.inode() in inodes:
                        told = entry.stat(follow_symlinks=False)
                        key = (told.st_dev, told.st_ino)
                        if told.st_dev in devices and key in wanted:
                            yield tree, entry.path, key
