"""Directories with installed packages in them: sites of environments, and archives of caches."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal, TypeAlias

from uvx_policy.installed import distributions as installed
from uvx_policy.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: the bucket of a cache that wheels are unpacked in
ARCHIVES = "archive-v0"
#: "site": a site directory of an environment; "archive": an unpacked wheel of a cache
TreeKind: TypeAlias = Literal["site", "archive"]


class Tree(Value):
    """A directory whose files are compared with the RECORDs in it."""

    #: absolute path; what a RECORD says is relative to it
    path: str
    kind: TreeKind
    #: absolute path of the environment, or of the cache, that it belongs to
    owner: str


def archives(cache: str) -> Iterator[str]:
    """Give the absolute path of each archive, none when there are none. Never raises."""
    try:
        with os.scandir(os.path.join(cache, ARCHIVES)) as entries:
            yield from (entry.path for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        return


def trees_of_environment(environment: str) -> tuple[Tree, ...]:
    """The site directories of an environment (absolute path). Never raises."""
    return tuple(
        Tree(path=site, kind="site", owner=environment)
        for site in installed.site_directories(environment)
    )


def trees_of_cache(cache: str) -> Iterator[Tree]:
    """Each unpacked wheel of a cache, then what is in its environments. Never raises.

    uv keeps those of tools and scripts beside the wheels; each is its own owner.
    """
    environments = []
    for archive in sorted(archives(cache)):
        if os.path.lexists(os.path.join(archive, "pyvenv.cfg")):
            environments.append(archive)
        else:
            yield Tree(path=archive, kind="archive", owner=cache)
    for environment in environments:
        yield from trees_of_environment(environment)


class Index:
    """Where every known distribution lies: all are listed once, when they are first asked for."""

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
                    for name in installed.names_in(tree.path):
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
