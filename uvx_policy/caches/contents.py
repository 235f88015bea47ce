"""What uv puts at the top of a cache directory, and what is not uv's. Only names: no file is read.

uv names its buckets `<kind>-v<number>`; the numbers change with its version, and new kinds come.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_BUCKET = re.compile(r"(?:[a-z]+-)*[a-z]+-v\d+\Z")
_FILES = frozenset(("CACHEDIR.TAG", ".gitignore", ".lock"))
#: uv's temporary files and directories
TEMPORARY = ".tmp"


def foreign(names: Iterable[str]) -> tuple[str, ...]:
    """Those of a cache's top-level names that are not uv's, sorted.

    `uv cache prune` and `uv cache clean` delete them with everything else.
    """
    others = set(names) - _FILES
    return tuple(
        sorted(each for each in others if not each.startswith(TEMPORARY) and not bucket_kind(each))
    )


def looks_like_a_cache(names: Iterable[str]) -> bool:
    """Was this directory made by uv as a cache? An empty one was not."""
    there = set(names)
    return "CACHEDIR.TAG" in there or any(_BUCKET.match(name) for name in there)


def bucket_kind(name: str) -> str:
    """`wheels` for `wheels-v6`, "" for what is no bucket."""
    return name.rpartition("-v")[0] if _BUCKET.match(name) else ""


def names_in(directory: str) -> list[str]:
    """Names in a directory, sorted; none when it cannot be read."""
    try:
        return sorted(os.listdir(directory))
    except (OSError, ValueError):
        return []
