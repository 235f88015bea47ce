"""Ask uv itself what its `cache clean` or `cache prune` would delete, on a shell of the cache.

What uv keeps depends on its version: it counts only the entries of its own buckets as references.
The shell has the cache's directories, links and the names of its small files, and no content.
"""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

from uvx_policy.caches import contents

if TYPE_CHECKING:
    from collections.abc import Callable

#: entries that are copied; a cache with more is not tried
_MOST = 200_000
#: how many levels of a kind of bucket matter to uv, `None` for all; of others nothing does
_LEVELS = {"archive": 1, "environments": 1, "wheels": None, "built-wheels": None, "sdists": None}
#: what uv unpacked a source distribution into: large, and without references
_SOURCES = "src"
_SIGNATURE = "Signature: 8a477f597d28d172789f06886806bc55\n"


def lost(cache: str, run: Callable[[str], bool]) -> frozenset[str] | None:
    """Parts of `cache` that would be deleted: `archive-v0/<id>`, `environments-v2/<name>`.

    `run` does the command on the cache directory that it is given, and says whether it worked.
    `cache` is absolute and without symbolic links. `None` when it cannot be tried.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="linkpolicy-dry-run-") as scratch:
            shell = os.path.join(os.path.realpath(scratch), "cache")
            _Shell(cache, shell).build()
            before = _parts(shell)
            return before - _parts(shell) if run(shell) else None
    except (OSError, ValueError, RecursionError):
        return None


class _Shell:
    """Builds the shell. Raises `OSError`, and `ValueError` for a cache that is too large."""

    def __init__(self, cache: str, shell: str) -> None:
        self._cache = cache
        self._shell = shell
        self._left = _MOST

    def build(self) -> None:
        os.mkdir(self._shell)
        with open(os.path.join(self._shell, "CACHEDIR.TAG"), "w", encoding="ascii") as stream:
            stream.write(_SIGNATURE)
        for name in contents.names_in(self._cache):
            if contents.bucket_kind(name):
                self._copy(name, _LEVELS.get(contents.bucket_kind(name), 0))

    def _copy(self, below: str, depth: int | None) -> None:
        """Copy one directory, `depth` levels of it (`None`: all)."""
        os.mkdir(os.path.join(self._shell, below))
        if depth == 0:
            return
        with os.scandir(os.path.join(self._cache, below)) as entries:
            for entry in entries:
                self._left -= 1
                if self._left < 0:
                    raise ValueError("too many entries")
                name = os.path.join(below, entry.name)
                there = os.path.join(self._shell, name)
                if entry.is_symlink():
                    os.symlink(self._target(entry.path), there)
                elif entry.is_dir(follow_symlinks=False):
                    if entry.name != _SOURCES:
                        self._copy(name, None if depth is None else depth - 1)
                elif depth is None:
                    open(there, "xb").close()

    def _target(self, link: str) -> str:
        """What the link leads to, in the shell when it leads into the cache by an absolute path."""
        target = os.readlink(link)
        above, name = os.path.split(target)
        real = os.path.join(os.path.realpath(above), name)
        inside = os.path.isabs(target) and real.startswith(os.path.join(self._cache, ""))
        return os.path.join(self._shell, real[len(self._cache) + 1 :]) if inside else target


def _parts(cache: str) -> frozenset[str]:
    """Archives and environments that are there."""
    return frozenset(
        f"{bucket}/{name}"
        for bucket in contents.names_in(cache)
        if contents.bucket_kind(bucket) in ("archive", "environments")
        for name in contents.names_in(os.path.join(cache, bucket))
    )
