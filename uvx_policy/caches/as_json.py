"""Caches as `--json` has them (docs/reference/cli.md)."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from uvx_policy.caches import linked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from uvx_policy.caches.measure import Measure
    from uvx_policy.caches.table import Row

SCHEMA = 1
#: of a `Cache`, as they are
_OF_CACHE = ("problem", "device", "source", "mount_point", "file_system")
_SUMS = ("logical_bytes", "physical_bytes", "shared_bytes")


def sizes(rows: Sequence[Row]) -> dict[str, Any]:
    """`cache size --json`."""
    caches = [{"path": row.cache.path, **_bytes([row.measure])} for row in rows]
    return {"caches": caches, "total": _bytes([row.measure for row in rows])}


def listed(row: Row) -> dict[str, Any]:
    """One cache of `cache list --json`."""
    cache = row.cache
    return {
        "path": cache.path,
        "named": cache.named or None,
        "origins": list(cache.origins),
        "here": row.here,
        "exists": cache.exists,
        **{name: getattr(cache, name) or None for name in _OF_CACHE},
        "owner": cache.owner,
        "mode": f"{cache.mode:04o}" if cache.exists else None,
        **_bytes([row.measure]),
        "files": row.measure.files,
        "archives": row.measure.archives,
        "wheels": row.measure.wheels,
        "last_used": row.measure.last_used or None,
        "unreadable": row.measure.unreadable,
        "environments": [
            {
                "path": each.environment.path,
                "exists": each.exists,
                "link_mode": each.environment.link_mode or None,
                "symlinked": bool(linked.leading_into(cache.path, each)),
            }
            for each in row.dependents
        ],
        "in_use_by": [{"pid": each.pid, "command": each.command} for each in row.holders],
    }


def _bytes(measures: Sequence[Measure]) -> dict[str, Any]:
    return {
        **{name: sum(getattr(each, name) for each in measures) for name in _SUMS},
        "shared_bytes_exact": all(each.extents_known for each in measures),
    }


def write(told: dict[str, Any]) -> None:
    """On stdout; bytes of a path that are not UTF-8 appear as lone surrogates, escaped."""
    sys.stdout.write(f"{json.dumps({'schema': SCHEMA, **told}, indent=2)}\n")
