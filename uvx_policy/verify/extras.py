"""Files in the packages of a tree that are not in any RECORD.

A package is a directory in which a RECORD names a file, or one below such a directory. What lies
beside packages (`site-packages` itself, `bin` and `share`, a namespace that only holds packages) is
nobody's: other tools put their files there. In an archive of a cache everything belongs to its one
wheel: what its RECORD does not name was published that way.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from uvx_policy.installed import record
from uvx_policy.installed.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from uvx_policy.installed.distributions import Distribution
    from uvx_policy.installed.finding import State
    from uvx_policy.installed.tree import Tree

#: installers, signers and checkers write these into a `.dist-info`
_TOOLS = frozenset(
    (record.NAME, "RECORD.jws", "RECORD.p7s", *record.BY_INSTALLERS, "provenance_url.json")
)
#: caches that programs keep beside the sources (Python, numba, mypy, ruff)
_KEPT_BY_PROGRAMS = frozenset(("__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"))
#: of `uv pip install --target`, where scripts and data lie beside packages
_BESIDE = ("bin", "Scripts", "share", "etc", "include", "man")
#: while uv replaces a file it lies there under such a name
_TEMPORARY = ".tmp"


class Names:
    """All names of one tree that its RECORDs have."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        #: of 500,000 names the texts would take 100 MB; two hashed alike would hide an extra file
        self._hashes: set[int] = set()
        #: directory -> whose it is
        self._directories: dict[str, Distribution] = {}
        #: directories of distributions whose RECORD says nothing by its silence
        self._silent: set[str] = set()
        self._distribution: Distribution | None = None
        self._inside = os.path.join(tree.path, "")
        #: prefixes of what lies inside and is no package
        self._beside = tuple(
            os.path.join(tree.path, name, "") for name in _BESIDE if tree.path == tree.owner
        )

    def begin(self, distribution: Distribution, *, may_conclude: bool) -> None:
        """What is added next is in its RECORD; `may_conclude`: and nothing else is its own."""
        self._distribution = distribution if may_conclude else None
        if not may_conclude:
            self._silent.add(distribution.dist_info)
        elif self._tree.kind == "archive":
            self._directories.setdefault(self._tree.path, distribution)

    def add(self, paths: Sequence[str]) -> None:
        """Some names, absolute."""
        self._hashes.update(map(hash, paths))
        directories = dict.fromkeys([path[: path.rfind(os.sep)] for path in paths])
        if self._distribution is None:
            self._silent.update(directories)
            return
        for directory in directories:
            if (
                directory not in self._directories
                and directory.startswith(self._inside)
                and not (self._beside and f"{directory}{os.sep}".startswith(self._beside))
            ):
                self._directories[directory] = self._distribution

    def unnamed(self) -> Iterator[Finding]:
        """Each file in a package that was not added. Never raises."""
        for directory, distribution in self._directories.items():
            if directory in self._silent:
                continue
            waiting = [directory]
            while waiting:
                yield from self._unnamed_in(waiting.pop(), distribution, waiting)

    def _unnamed_in(
        self, directory: str, distribution: Distribution, waiting: list[str]
    ) -> Iterator[Finding]:
        hashes = self._hashes
        try:
            with os.scandir(directory) as entries:
                for entry in entries:
                    name = entry.name
                    path = f"{directory}{os.sep}{name}"
                    if entry.is_dir(follow_symlinks=False):
                        known = path in self._directories or path in self._silent
                        if not known and name not in _KEPT_BY_PROGRAMS:
                            waiting.append(path)
                    elif hash(path) not in hashes and not _is_aside(name, directory):
                        state: State = "unlisted" if self._tree.kind == "archive" else "extra"
                        yield Finding.of(self._tree, distribution, path, state)
        except OSError:
            return


def _is_aside(name: str, directory: str) -> bool:
    if name.endswith(record.BYTECODE) or name.startswith(_TEMPORARY):
        return True
    return name in _TOOLS and directory.endswith(".dist-info")
