"""Symbolic links from a cache's buckets to its unpacked wheels, `archive-v0/<id>`.

uv up to 0.11.16 writes absolute ones. Where the cache was copied or moved, or is mounted at
another path in a container, they lead to another cache or nowhere: then `uv cache prune` takes
every archive for unused. A relative link is right at every path, for every supported version
(`tests/doctor/test_cache_paths.py`).
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from typing import TYPE_CHECKING, NamedTuple

from uvx_policy.caches import contents
from uvx_policy.installed.tree import ARCHIVES, archives

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: the buckets with links to archives; the number behind is uv's
LINKING_BUCKETS = ("wheels-v", "sdists-v", "environments-v")


class Link(NamedTuple):
    """One link, as it is written."""

    path: str
    text: str

    @property
    def cache(self) -> str:
        """The cache that an absolute link names."""
        return os.path.dirname(os.path.dirname(self.text))

    @property
    def archive(self) -> str:
        """The id of the archive."""
        return os.path.basename(self.text)

    @property
    def is_absolute(self) -> bool:
        """Does it name an archive by an absolute path?"""
        bucket = os.path.basename(os.path.dirname(self.text))
        return os.path.isabs(self.text) and bucket == ARCHIVES


def links(cache: str) -> Iterator[Link]:
    """Give each link of the buckets in `cache`. Never raises."""
    for bucket in contents.names_in(cache):
        if bucket.startswith(LINKING_BUCKETS):
            yield from _links_below(os.path.join(cache, bucket))


def leading_elsewhere(cache: str, found: Iterable[Link]) -> Iterator[Link]:
    """Give those of the links of `cache` that name another path than its own. Never raises."""
    own = os.path.realpath(cache)
    # The cache itself may be named through a symbolic link; thousands of links name the same one.
    real = functools.cache(os.path.realpath)
    return (link for link in found if link.is_absolute and real(link.cache) != own)


def is_another_cache(cache: str, link: Link) -> bool:
    """Is there an archive of another cache where a link leads to? Else this cache's, or nothing."""
    try:
        return os.path.isdir(link.text) and not os.path.samefile(link.cache, cache)
    except OSError:
        return False


def referenced(cache: str) -> frozenset[str]:
    """Ids of the archives that a wheel, an sdist or an environment of this cache leads to.

    The others stay until `uv cache prune`, and are never installed again. Never raises.
    """
    if sys.platform == "win32":  # text files instead of links there
        return frozenset(os.path.basename(archive) for archive in archives(cache))
    return frozenset(link.archive for link in links(cache))


def _links_below(directory: str) -> Iterator[Link]:
    waiting = [directory]
    while waiting:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_symlink():
                    yield Link(entry.path, os.readlink(entry.path))
                # What an sdist was unpacked into holds no links of uv's.
                elif entry.is_dir(follow_symlinks=False) and entry.name != "src":
                    waiting.append(entry.path)
