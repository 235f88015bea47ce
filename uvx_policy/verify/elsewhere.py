"""Where an edited file is as well: under another name of its inode, or copied with the edit in it.

That is the cache, and environments that were linked from there or installed after the edit.
"""

from __future__ import annotations

import contextlib
import os
from functools import lru_cache
from typing import TYPE_CHECKING

from uvx_policy.foreign_file import real_path, status_of_entry
from uvx_policy.installed import record
from uvx_policy.installed.distributions import status_of
from uvx_policy.installed.finding import Place
from uvx_policy.installed.hash import NO_HASH, Hash, of_file
from uvx_policy.installed.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from uvx_policy.installed.finding import Finding
    from uvx_policy.installed.record import Row
    from uvx_policy.installed.tree import Index

#: states in which a file has something that others may have, too
_HAS_CONTENT = ("edited", "mode")
_real = lru_cache(maxsize=4096)(real_path)


def with_places(findings: Iterable[Finding], index: Index) -> list[Finding]:
    """The same findings, with every place where the same wrong file is known to be."""
    rows = Rows()
    return _all_names_found([_looked_for(each, index, rows) for each in list(findings)], index)


class Rows:
    """The RECORDs of trees, each read once."""

    def __init__(self) -> None:
        #: of each: path -> hash, and hash -> paths
        self._known: dict[str, tuple[dict[str, Hash], dict[Hash, list[str]]]] = {}

    def paths(self, tree: Tree, dist_info_name: str, wanted: Hash) -> list[str]:
        """Files of `tree` that should have this hash. Never raises."""
        return self._claims(tree, dist_info_name)[1].get(wanted, [])

    def twins(self, tree: Tree, dist_info_name: str, row: Row) -> list[str]:
        """Files of `tree` that are what `row` is elsewhere. Never raises.

        The file of the same path; scripts and data lie elsewhere in an archive than in an
        environment, and are known by their hash.
        """
        hashes, paths = self._claims(tree, dist_info_name)
        path = record.located(tree.path, row.path)
        return [path] if hashes.get(path) == row.hash else paths.get(row.hash, [])

    def _claims(
        self, tree: Tree, dist_info_name: str
    ) -> tuple[dict[str, Hash], dict[Hash, list[str]]]:
        path = os.path.join(tree.path, dist_info_name, record.NAME)
        if path not in self._known:
            hashes = record.hashes_at(path, tree.path)
            paths: dict[Hash, list[str]] = {}
            for file, each in hashes.items():
                paths.setdefault(each, []).append(file)
            self._known[path] = (hashes, paths)
        return self._known[path]


def twins(finding: Finding, index: Index, rows: Rows) -> Iterator[tuple[Tree, str]]:
    """Give each other file, existing or not, that should have what this one should have."""
    if finding.row is None or not finding.row.hash:
        return
    name = os.path.basename(finding.dist_info)
    own = _without_links(finding.path)
    for tree in index.trees_of(name):
        for path in rows.twins(tree, name, finding.row):
            if path != finding.path and _without_links(path) != own:
                yield tree, path


def _without_links(path: str) -> str:
    """The name itself, without symbolic links above it: an environment may be known by two."""
    return os.path.join(_real(os.path.dirname(path)), os.path.basename(path))


def _looked_for(finding: Finding, index: Index, rows: Rows) -> Finding:
    told = _status(finding)
    if told is None or finding.row is None:
        return finding
    wrong = NO_HASH
    own = real_path(finding.tree.path)
    places = []
    for tree, path in twins(finding, index, rows):
        other = status_of(path)
        if other is None:
            continue
        if os.path.samestat(other, told):
            places.append(Place(path=path, tree=tree, how="same-inode"))
        # In its own tree it is another file, and a finding of its own.
        elif (
            finding.state == "edited"
            and other.st_size == told.st_size
            and real_path(tree.path) != own
        ):
            wrong = wrong or of_file(finding.path, finding.row.hash.algorithm)
            if wrong and of_file(path, finding.row.hash.algorithm) == wrong:
                places.append(Place(path=path, tree=tree, how="same-bytes"))
    return finding.replace(elsewhere=tuple(places))


# Names of an inode that no RECORD led to ---------------------------------------------------------


def _all_names_found(findings: list[Finding], index: Index) -> list[Finding]:
    """Look everywhere where an inode has more names than RECORDs led to (uv's `files-v0`, say)."""
    names: dict[tuple[int, int], set[str]] = {}
    links: dict[tuple[int, int], int] = {}
    for each in findings:
        told = _status(each)
        if told is not None and told.st_nlink > 1:
            key = (told.st_dev, told.st_ino)
            links[key] = told.st_nlink
            names.setdefault(key, set()).update(_own_names(each))
    wanted = {key for key, known in names.items() if links[key] > len(known)}
    if not wanted:
        return findings
    more: dict[tuple[int, int], list[tuple[Tree, str]]] = {}
    for tree, path, key in _walk(index, wanted):
        more.setdefault(key, []).append((tree, path))
    return [_with_more(each, more) for each in findings]


def _with_more(finding: Finding, more: dict[tuple[int, int], list[tuple[Tree, str]]]) -> Finding:
    told = _status(finding)
    if told is None or told.st_nlink <= 1:
        return finding
    names = _own_names(finding)
    new = tuple(
        Place(path=path, tree=tree, how="same-inode")
        for tree, path in more.get((told.st_dev, told.st_ino), ())
        if path not in names
    )
    unknown = told.st_nlink - len(names) - len(new)
    return finding.replace(elsewhere=(*finding.elsewhere, *new), unknown_names=max(unknown, 0))


def _status(finding: Finding) -> os.stat_result | None:
    """Of a file with something that others may have, too."""
    return status_of(finding.path) if finding.state in _HAS_CONTENT else None


def _own_names(finding: Finding) -> set[str]:
    """Real paths of the names that are known; a symbolic link is not a name of the inode."""
    others = (place.path for place in finding.elsewhere if place.how == "same-inode")
    return {real_path(path) for path in (finding.path, *others)}


def _walk(
    index: Index, wanted: set[tuple[int, int]]
) -> Iterator[tuple[Tree, str, tuple[int, int]]]:
    """Give every name of these inodes below the known caches and environments. Never raises."""
    inodes = {inode for _, inode in wanted}
    devices = {device for device, _ in wanted}
    caches = [*map(real_path, index.caches)]
    for top in dict.fromkeys((*caches, *map(real_path, index.environments))):
        tree = Tree(path=top, kind="archive" if top in caches else "site", owner=top)
        waiting = [top]
        while waiting:
            with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    elif entry.inode() in inodes:
                        told = status_of_entry(entry)
                        key = (told.st_dev, told.st_ino)
                        if told.st_dev in devices and key in wanted:
                            yield tree, entry.path, key
