"""How much space `cache clean` and `cache prune` will free, as far as that is quick to measure."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from uvx_policy.caches.archive_links import referenced
from uvx_policy.caches.measure import measure
from uvx_policy.installed.tree import archives
from uvx_policy.terminal.words import size

if TYPE_CHECKING:
    from collections.abc import Callable

    from uvx_policy.caches.danger import Job

#: seconds for one cache; what is larger is "at least"
_PATIENCE = 5.0


def freed(cache: str, job: Job, advance: Callable[[str], object]) -> str:
    """What `job` frees in `cache`, for people; "" when it is not known. Never raises.

    `prune` also removes what was left half done and what older versions of uv made, so its number
    is "at least". For single packages nothing is said: their archives have no names.
    """
    if job.packages:
        return ""
    if job.takes_everything:
        every = measure(
            cache, extents=True, seconds=_PATIENCE,
            progress=lambda files: advance(f"{cache}: {files} files"),
        )  # fmt: skip
        if not every.is_complete:
            return f"frees at least {size(every.own_bytes)}"
        return f"frees {'' if every.extents_known else 'at most '}{size(every.own_bytes)}"
    until = time.monotonic() + _PATIENCE
    kept = referenced(cache)
    total = 0
    for archive in archives(cache):
        left = until - time.monotonic()
        if left > 0 and os.path.basename(archive) not in kept:
            advance(archive)
            total += measure(archive, extents=True, seconds=left).own_bytes
    return f"frees at least {size(total)}" if total else ""
