"""From findings to damages: every path of each wrong file, and where its original is."""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING

from uvx_policy.installed import distributions as installed
from uvx_policy.installed import linking, record
from uvx_policy.installed.finding import Finding
from uvx_policy.installed.hash import NO_HASH, Hash, of_file
from uvx_policy.installed.tree import Tree
from uvx_policy.machine.policy import policy_of
from uvx_policy.repair.backup import Edit
from uvx_policy.repair.model import Damage, Policy, Spot
from uvx_policy.state import register
from uvx_policy.state.register import Environment
from uvx_policy.verify.contradictions import contradictions
from uvx_policy.verify.elsewhere import Rows, twins

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from uvx_policy.installed.index import Index
    from uvx_policy.machine.policy import Policy as Named
    from uvx_policy.repair.model import Step
    from uvx_policy.repair.restore import Way
    from uvx_policy.verify.originals import Originals

#: seconds by which RECORD may be later than what was unpacked together with it
_MOMENT = 2.0
_COLUMNS = 3
#: settings whose edits are meant, or may be: "unknown" is never "no"
_KEEPING = ("hackable", "unknown")
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
        self, index: Index, originals: Originals, environ: Mapping[str, str], state: str
    ) -> None:
        """`state`: the state directory, "" for none."""
        self._index = index
        self._originals = originals
        self._environ = environ
        self._rows = Rows()
        #: path of a RECORD -> path of a row -> its hash
        self._hashes: dict[str, dict[str, Hash]] = {}
        self._reals: dict[str, str] = {}
        #: each `.dist-info` whose RECORD is no good
        self._bad_records: set[str] = set()
        self._ways: dict[str, tuple[Way, ...]] = {}
        self._registered = {os.path.realpath(each.path): each for each in register.known(state)}
        self._named: dict[str, Named] = {}
        self._caches = {os.path.realpath(cache) for cache in index.caches}

    def contradicted(self, tree: Tree) -> list[Finding]:
        """Files that only their own RECORD vouches for: the wheel's says something else.

        Unless it was the archive's RECORD that somebody changed. Never raises.
        """
        found = []
        for each in contradictions(tree, self._index):
            distribution = each.distribution
            name = os.path.basename(distribution.dist_info)
            if _was_changed(os.path.join(each.archive.path, name)):
                continue
            found += [
                Finding(
                    path=os.path.normpath(os.path.join(tree.path, row.path)),
                    state="edited",
                    tree=tree,
                    distribution=distribution.name,
                    version=distribution.version,
                    dist_info=distribution.dist_info,
                    row=row,
                )
                for row in each.rows
            ]
        return found

    def damages(self, findings: Iterable[Finding]) -> list[Damage]:
        """One for each path. Never raises."""
        by_path: dict[str, list[Finding]] = {}
        for finding in sorted(findings, key=_rank):
            by_path.setdefault(finding.path, []).append(finding)
            if finding.state == "record":
                self._bad_records.add(finding.dist_info)
        found = []
        for first, *others in by_path.values():
            # What cannot be read is in no other place for `verify`; its odd permissions are.
            places = dict.fromkeys(
                (*first.elsewhere, *(place for other in others for place in other.elsewhere))
            )
            found.append(self._damage(first.replace(elsewhere=tuple(places))))
        return found

    def policies(self, damages: Iterable[Damage]) -> dict[str, Policy]:
        """What holds for each environment that is hit."""
        owners = {spot.owner for each in damages for spot in each.spots if spot.kind == "site"}
        found = {}
        for owner in owners:
            named = self._policy(owner)
            because = f"{named.name} ({named.origin})" if named.origin else named.name
            found[owner] = Policy(keeps_edits=named.name in _KEEPING, because=because)
        return found

    def environment(self, owner: str) -> Environment:
        """What the register knows of an environment, and the project that decides its policy."""
        real = os.path.realpath(owner)
        found = self._registered.get(real, Environment(path=owner)).replace(path=owner)
        return found.replace(project=policy_of(found, self._environ)[0])

    def edits_in(self, step: Step) -> list[Edit] | None:
        """Every edited file of a package that uv is about to replace as a whole. Never raises.

        `None` when no RECORD tells: then nobody knows what would be lost.
        """
        spot = step.spot
        name = os.path.basename(spot.dist_info)
        archives = [
            os.path.join(tree.path, name, "RECORD") for tree in self._index.archives_of(name)
        ]
        for path_of_record in (os.path.join(spot.dist_info, record.NAME), *archives):
            hashes = record.hashes_at(path_of_record, spot.tree)
            if hashes:
                return [
                    Edit(
                        path=path,
                        distribution=step.distribution,
                        name=os.path.relpath(path, spot.tree),
                        state="edited",
                    )
                    for path, told in hashes.items()
                    if os.path.isfile(path) and _has_not(path, told)
                ]
        return None

    def _damage(self, finding: Finding) -> Damage:
        if finding.state in ("extra", "record"):
            spot = self._spot(finding, finding.tree, finding.path)
            doubtful = finding.state == "extra" and self._may_belong(finding)
            return Damage(finding=finding, spots=(spot,), is_doubtful=doubtful)
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
                real = os.path.realpath(path)
                cache = self._cache_of(real)
                if cache:
                    paths.setdefault(real, Tree(path=cache, kind="archive", owner=cache))
        spots = tuple(
            self._spot(finding, tree, path)
            for path, tree in paths.items()
            if path == finding.path or self._is_inside(path, tree)
        )
        if not self._is_inside(finding.path, finding.tree):
            return Damage(finding=finding, spots=spots[:1], is_outside=True)
        return Damage(finding=finding, spots=spots, original=self._originals.of(finding))

    def _may_belong(self, extra: Finding) -> bool:
        """Is it the RECORD that is wrong, and not the file?"""
        if extra.dist_info in self._bad_records or _was_changed(extra.dist_info):
            return True
        name = os.path.basename(extra.dist_info)
        below = os.path.relpath(extra.path, extra.tree.path)
        for tree in self._index.trees_of(name):
            if tree.path != extra.tree.path:
                other = os.path.join(tree.path, name, record.NAME)
                if os.path.join(tree.path, below) in self._hashes_of(other, tree.path):
                    return True
        return False

    def _is_inside(self, path: str, tree: Tree) -> bool:
        """Does a file really lie where files of this tree may lie? A RECORD can name any path."""
        directory = self._real(os.path.dirname(path))
        tops = (tree.path,) if tree.kind == "archive" else (tree.path, tree.owner)
        return any(directory.startswith(self._real(top)) for top in tops)

    def _real(self, directory: str) -> str:
        """Without symbolic links, with a separator in the end."""
        if directory not in self._reals:
            self._reals[directory] = os.path.join(os.path.realpath(directory), "")
        return self._reals[directory]

    def _spot(self, finding: Finding, tree: Tree, path: str) -> Spot:
        tree = self._narrowed(tree, path)
        name = os.path.basename(finding.dist_info)
        dist_info = _dist_info_in(tree, name) or finding.dist_info
        identity = None
        follows = shared = False
        with contextlib.suppress(OSError, ValueError):
            follows = stat.S_ISLNK(os.lstat(path).st_mode) and bool(
                self._cache_of(os.path.realpath(path))
            )
            told = os.stat(path)
            identity = (told.st_dev, told.st_ino)
            shared = told.st_nlink > 1 or os.path.islink(path)
        if tree.kind == "archive":
            inside = f"{os.sep}archive-v" in path.removeprefix(tree.owner)
            return Spot(
                path=path,
                kind="archive" if inside else "store",
                owner=tree.owner,
                tree=tree.path,
                dist_info=dist_info,
                identity=identity,
                contradicts=self._contradicts(finding, tree, path),
            )
        return Spot(
            path=path,
            kind="site",
            owner=tree.owner,
            tree=tree.path,
            dist_info=dist_info,
            identity=identity,
            shared=shared,
            follows=follows,
            contradicts=self._contradicts(finding, tree, path),
            ways=self._ways_of(tree, dist_info),
        )

    def _narrowed(self, tree: Tree, path: str) -> Tree:
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

    def _contradicts(self, finding: Finding, tree: Tree, path: str) -> bool:
        row = finding.row
        name = os.path.basename(finding.dist_info)
        path_of_record = os.path.join(tree.path, name, record.NAME)
        if row is None or not row.hash:
            return False
        told = self._hashes_of(path_of_record, tree.path).get(path, NO_HASH)
        return bool(told) and told != row.hash

    def _hashes_of(self, path: str, tree: str) -> dict[str, Hash]:
        if path not in self._hashes:
            self._hashes[path] = record.hashes_at(path, tree)
        return self._hashes[path]

    def _ways_of(self, tree: Tree, dist_info: str) -> tuple[Way, ...]:
        """As the rest of the distribution was put there; as the settings say if that is unknown."""
        if dist_info not in self._ways:
            setting = self._policy(tree.owner).name
            ways = _BY_SETTING.get(setting)
            if ways is None:
                how = next(
                    (
                        linking.how_of(distribution)
                        for distribution in installed.distributions(tree.path)
                        if distribution.dist_info == dist_info
                    ),
                    "unknown",
                )
                ways = _WAYS.get(how, _BY_DEFAULT)
            self._ways[dist_info] = ways
        return self._ways[dist_info]

    def _policy(self, owner: str) -> Named:
        if owner not in self._named:
            self._named[owner] = policy_of(self.environment(owner), self._environ)[1]
        return self._named[owner]

    def _cache_of(self, real: str) -> str:
        return next((cache for cache in self._caches if real.startswith(cache + os.sep)), "")


def _rank(finding: Finding) -> tuple[bool, bool, str]:
    """Caches first; of two findings of a path not the one that is only about permissions."""
    return finding.tree.kind == "site", finding.state == "mode", finding.path


def _dist_info_in(tree: Tree, name: str) -> str:
    """The `.dist-info` of that name; of another package's archive, its own; "" for none."""
    path = os.path.join(tree.path, name)
    if name and os.path.isdir(path):
        return path
    if tree.kind == "archive" and tree.path != tree.owner:
        for distribution in installed.distributions(tree.path):
            return distribution.dist_info
    return ""


def _has_not(path: str, expected: Hash) -> bool:
    """Has a file another hash than this? If it cannot be read: yes."""
    return of_file(path, expected.algorithm) != expected


def _was_changed(dist_info: str) -> bool:
    """Was a RECORD written again after the wheel was unpacked, or installed?"""
    try:
        record = os.stat(os.path.join(dist_info, "RECORD")).st_mtime
    except OSError:
        return False
    for name in ("INSTALLER", "WHEEL"):  # only an installed one has the first
        with contextlib.suppress(OSError):
            return record > os.stat(os.path.join(dist_info, name)).st_mtime + _MOMENT
    return False
