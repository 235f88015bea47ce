"""Where every known distribution lies: in the archives of caches, in environments."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from uvx_policy.installed.distributions import names_in
from uvx_policy.installed.tree import trees_of_cache, trees_of_environment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from uvx_policy.installed.tree import Tree


class Index:
    """Each cache and each environment is listed once, when it is first asked for."""

    def __init__(self, caches: Sequence[str], environments: Sequence[str]) -> None:
        """Both: absolute paths, which may have vanished meanwhile."""
        self.caches = _each_once(caches)
        self.environments = _each_once(environments)
        self._archives: dict[str, list[Tree]] | None = None
        self._sites: list[Tree] | None = None

    def archives_of(self, dist_info_name: str) -> tuple[Tree, ...]:
        """Archives with a directory of that name, such as "rich-15.0.0.dist-info". Never raises."""
        if self._archives is None:
            self._archives = {}
            for cache in self.caches:
                for tree in trees_of_cache(cache):
                    for name in names_in(tree.path):
                        if name.endswith(".dist-info"):
                            self._archives.setdefault(name, []).append(tree)
        return tuple(self._archives.get(dist_info_name, ()))

    def sites_of(self, dist_info_name: str) -> tuple[Tree, ...]:
        """Site directories of environments that have it. Never raises."""
        if self._sites is None:
            self._sites = [
                tree for each in self.environments for tree in trees_of_environment(each)
            ]
        return tuple(
            tree for tree in self._sites if os.path.isdir(os.path.join(tree.path, dist_info_name))
        )

    def trees_of(self, dist_info_name: str) -> tuple[Tree, ...]:
        """Both: archives first."""
        return (*self.archives_of(dist_info_name), *self.sites_of(dist_info_name))


def _each_once(paths: Sequence[str]) -> tuple[str, ...]:
    """The first name of each, as it is spelled."""
    found: dict[str, str] = {}
    for path in paths:
        found.setdefault(os.path.realpath(path), path)
    return tuple(found.values())
