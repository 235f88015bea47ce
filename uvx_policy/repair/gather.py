"""From findings to damages: every place of each wrong file, and where its original is."""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING

from uvx_policy.foreign_file import real_path
from uvx_policy.installed import distributions as installed
from uvx_policy.installed import linking, record
from uvx_policy.installed.tree import Tree
from uvx_policy.repair.model import Damage, Location
from uvx_policy.replace.place import seen_at
from uvx_policy.replace.shop import is_in_shop
from uvx_policy.verify.contradictions import is_later
from uvx_policy.verify.elsewhere import Rows, twins
from uvx_policy.verify.originals import Original

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from uvx_policy.installed.finding import Finding
    from uvx_policy.installed.hash import Hash
    from uvx_policy.installed.tree import Index
    from uvx_policy.machine.machine import Machine
    from uvx_policy.repair.records import Wheels
    from uvx_policy.replace.build import Way
    from uvx_policy.verify.originals import Originals
    from uvx_policy.verify.published import Published

_WAYS: dict[str, tuple[Way, ...]] = {
    "shared-inode": ("hardlink", "clone", "copy"),
    "shared-extents": ("clone", "copy"),
    "private": ("copy",),
    "symlink": ("symlink", "copy"),
}
_BY_SETTING: dict[str, tuple[Way, ...]] = {
    "copy": ("copy",),
    "hackable": ("copy",),
    "hardlink": ("hardlink", "copy"),
}
_BY_DEFAULT: tuple[Way, ...] = ("clone", "hardlink", "copy")


class Gathering:
    """Looks at the places of findings; each RECORD and each environment once."""

    def __init__(
        self,
        machine: Machine,
        index: Index,
        originals: Originals,
        wheels: Wheels,
        published: Published,
    ) -> None:
        self._machine = machine
        self._index = index
        self._originals = originals
        self._wheels = wheels
        self._published = published
        self._rows = Rows()
        #: path of a RECORD -> path of a row -> its hash
        self._hashes: dict[str, dict[str, Hash]] = {}
        self._reals: dict[str, str] = {}
        self._ways: dict[str, tuple[Way, ...]] = {}
        self._caches = {real_path(cache) for cache in index.caches}

    def damages(self, findings: Iterable[Finding]) -> list[Damage]:
        """One for each path, of what is a fault or intended. Never raises."""
        by_path: dict[str, list[Finding]] = {}
        for finding in sorted(findings, key=_rank):
            if finding.is_fault or finding.intended:
                # One row that cannot be understood makes a RECORD invalid.
                each = _of_whole_record(finding) if finding.state == "record" else finding
                by_path.setdefault(each.path, []).append(each)
        found: list[Damage] = []
        for first, *others in by_path.values():
            if first.state == "record":
                found += self._records(first)
                continue
            # What cannot be read is in no other place for `verify`; its odd permissions are.
            places = dict.fromkeys(
                (*first.elsewhere, *(place for other in others for place in other.elsewhere))
            )
            found.append(self._damage(first.replace(elsewhere=tuple(places))))
        return found

    # RECORDs -------------------------------------------------------------------------------------

    def _records(self, finding: Finding) -> Iterator[Damage]:
        """The RECORD, and those of the archives that it may have been written from."""
        yield self._record(finding)
        if finding.tree.kind == "archive":
            return
        name = os.path.basename(finding.dist_info)
        for tree in self._index.archives_of(name):
            dist_info = os.path.join(tree.path, name)
            path = os.path.join(dist_info, record.NAME)
            if tree.kind == "archive" and not self._published.has_record(path):
                try:
                    problem = record.read_at(path).problem(name)
                except OSError as error:
                    problem = error.strerror or str(error)
                if problem:
                    cause = finding.replace(path=path, tree=tree, dist_info=dist_info)
                    yield self._record(cause.replace(detail=problem))

    def _record(self, finding: Finding) -> Damage:
        wheel = self._wheels.record_for(finding.tree, finding.dist_info)
        because = "" if wheel else self._why_not_by_uv(finding)
        seen = seen_at(finding.path)
        location = Location(
            path=finding.path, tree=finding.tree, dist_info=finding.dist_info,
            seen=seen, package=seen,
        )  # fmt: skip
        return Damage(
            finding=finding,
            locations=(location,),
            original=Original(path=wheel) if wheel else None,
            because=because,
        )

    # Files ---------------------------------------------------------------------------------------

    def _damage(self, finding: Finding) -> Damage:
        if finding.state == "extra":
            return self._extra(finding)
        locations = self._locations(finding)
        if not self._is_inside(finding.path, finding.tree):
            because = "it is outside of its environment or archive"
            return Damage(finding=finding, locations=locations[:1], because=because)
        wanted = self._published.expected(finding)
        original = self._originals.of(finding, wanted)
        if original is None and self._is_row_wrong(finding):
            return self._record(_of_whole_record(finding.replace(state="record")))
        because = "" if original is not None else self._why_not_by_uv(finding)
        return Damage(
            finding=finding, locations=locations, hash=wanted, original=original, because=because
        )

    @staticmethod
    def _why_not_by_uv(finding: Finding) -> str:
        """Why uv must not fetch or reinstall the package, "" when it may."""
        is_editable = installed.at(finding.dist_info).editable
        return "it is an editable installation: install it again" if is_editable else ""

    def _is_row_wrong(self, finding: Finding) -> bool:
        """Was the row in RECORD changed, and perhaps the file as well?

        A wheel that was fetched says something else, and no other RECORD here says the same.
        """
        others = twins(finding, self._index, self._rows)
        return next(others, None) is None and self._wheels.contradicts(finding)

    def _locations(self, finding: Finding) -> tuple[Location, ...]:
        """Every place of a wrong file, its own first."""
        paths = {finding.path: finding.tree}
        for place in finding.elsewhere:
            paths.setdefault(place.path, place.tree)
        if finding.state == "missing":
            for tree, path in twins(finding, self._index, self._rows):
                if not os.path.exists(path):
                    paths.setdefault(path, tree)
        # Behind a symbolic link the file itself, where it lies in a cache.
        for path in list(paths):
            if os.path.islink(path):
                real = real_path(path)
                cache = self._cache_of(real)
                if cache:
                    paths.setdefault(real, Tree(path=cache, kind="archive", owner=cache))
        return tuple(
            self._location(finding, tree, path)
            for path, tree in paths.items()
            # What a killed repair left is cleaned up, not repaired.
            if path == finding.path or (self._is_inside(path, tree) and not is_in_shop(path))
        )

    def _extra(self, finding: Finding) -> Damage:
        name = os.path.basename(finding.dist_info)
        below = os.path.relpath(finding.path, finding.tree.path)
        because = ""
        # Another RECORD has it, or this one was written again: then it is the RECORD that is wrong.
        if is_later(finding.dist_info) or any(
            os.path.join(tree.path, below)
            in self._hashes_of(os.path.join(tree.path, name, record.NAME), tree.path)
            for tree in self._index.trees_of(name)
            if tree.path != finding.tree.path
        ):
            because = "its RECORD was changed; it may belong there"
        return Damage(
            finding=finding,
            locations=(self._location(finding, finding.tree, finding.path),),
            because=because,
            is_unknown=not self._index.archives_of(name),
        )

    def _is_inside(self, path: str, tree: Tree) -> bool:
        """Does a file really lie where files of this tree may lie? A RECORD can name any path."""
        directory = self._real(os.path.dirname(path))
        tops = (tree.path,) if tree.kind == "archive" else (tree.path, tree.owner)
        return any(directory.startswith(self._real(top)) for top in tops)

    def _real(self, directory: str) -> str:
        """Without symbolic links, with a separator in the end."""
        if directory not in self._reals:
            self._reals[directory] = os.path.join(real_path(directory), "")
        return self._reals[directory]

    def _location(self, finding: Finding, tree: Tree, path: str) -> Location:
        tree = _narrowed(tree, path)
        dist_info = _dist_info_in(tree, os.path.basename(finding.dist_info)) or finding.dist_info
        location = Location(
            path=path,
            tree=tree,
            dist_info=dist_info,
            seen=seen_at(path),
            package=seen_at(os.path.join(dist_info, record.NAME)),
            contradicts=self._contradicts(finding, tree, path),
        )
        with contextlib.suppress(OSError, ValueError):
            is_link = stat.S_ISLNK(os.lstat(path).st_mode)
            location = location.replace(follows=is_link and bool(self._cache_of(real_path(path))))
            status = os.stat(path)
            location = location.replace(
                identity=(status.st_dev, status.st_ino), shared=is_link or status.st_nlink > 1
            )
        if tree.kind == "site":
            location = location.replace(ways=self._ways_of(tree, dist_info))
        return location

    def _contradicts(self, finding: Finding, tree: Tree, path: str) -> bool:
        row = finding.row
        if row is None or not row.hash:
            return False
        name = os.path.basename(finding.dist_info)
        there = os.path.join(tree.path, name, record.NAME)
        return self._hashes_of(there, tree.path).get(path, row.hash) != row.hash

    def _hashes_of(self, path: str, tree: str) -> dict[str, Hash]:
        if path not in self._hashes:
            self._hashes[path] = record.hashes_at(path, tree)
        return self._hashes[path]

    def _ways_of(self, tree: Tree, dist_info: str) -> tuple[Way, ...]:
        """As the rest of the distribution was put there; as the settings say if that is unknown."""
        if dist_info not in self._ways:
            ways = _BY_SETTING.get(self._machine.policy_at(tree.owner).name)
            if ways is None:
                ways = _WAYS.get(linking.how_of(installed.at(dist_info)), _BY_DEFAULT)
            self._ways[dist_info] = ways
        return self._ways[dist_info]

    def _cache_of(self, real: str) -> str:
        return next((cache for cache in self._caches if real.startswith(cache + os.sep)), "")


def _rank(finding: Finding) -> tuple[bool, bool, str]:
    """Caches first; of two findings of a path not the one that is only about permissions."""
    return finding.tree.kind == "site", finding.state == "mode", finding.path


def _of_whole_record(finding: Finding) -> Finding:
    return finding.replace(path=os.path.join(finding.dist_info, record.NAME), row=None)


def _narrowed(tree: Tree, path: str) -> Tree:
    """The archive or site directory within a whole cache or environment that was walked."""
    if tree.path != tree.owner:
        return tree
    if tree.kind == "archive":
        below = path.removeprefix(tree.owner).lstrip(os.sep).split(os.sep)
        if below[0].startswith("archive-v") and len(below) > 2:  # noqa: PLR2004
            return tree.replace(path=os.path.join(tree.owner, *below[:2]))
        return tree
    sites = installed.site_directories(tree.owner)
    inside = [site for site in sites if path.startswith(site + os.sep)]
    return tree.replace(path=(*inside, *sites, tree.path)[0])


def _dist_info_in(tree: Tree, name: str) -> str:
    """The `.dist-info` of that name; of another package's archive, its own; "" for none."""
    path = os.path.join(tree.path, name)
    if name and os.path.isdir(path):
        return path
    if tree.kind == "archive" and tree.path != tree.owner:
        for distribution in installed.distributions(tree.path):
            return distribution.dist_info
    return ""
