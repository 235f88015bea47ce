"""`linkpolicy status --json` (docs/reference/status-json.md)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from uvx_policy.status.row import Row, Total, Where

SCHEMA = 1


def lines(
    rows: Sequence[Row], totals: Sequence[Total], unreadable: Sequence[str] = ()
) -> Iterator[str]:
    """The one object, an environment or a file system to a line.

    `unreadable`: directories that were not searched. Bytes of a path that are not UTF-8 appear as
    lone surrogates, escaped by `json`.
    """
    yield f'{{"schema": {SCHEMA},'
    yield '"environments": ['
    yield from _items([environment(row) for row in rows])
    yield '],\n"devices": ['
    yield from _items([device(total) for total in totals])
    yield f'],\n"unreadable": {json.dumps(list(unreadable))}}}'


def _items(objects: Sequence[dict[str, Any]]) -> Iterator[str]:
    for number, told in enumerate(objects, 1):
        yield f"  {json.dumps(told)}{',' if number < len(objects) else ''}"


def environment(row: Row) -> dict[str, Any]:
    """One environment as plain values; numbers are null where nothing could be counted."""
    present = row.state == "present"
    return {
        "path": row.path,
        "project": row.project or None,
        "state": row.state,
        **_where(row.where),
        "cache": row.cache or None,
        "policy": row.policy.name,
        "policy_origin": row.policy.origin,
        "links": row.in_fact if present else None,
        "drift": row.drift or None,
        "files": row.files if present else None,
        "shared_bytes": row.shared_bytes if present else None,
        "private_bytes": row.private_bytes if present else None,
        "exact": row.shared_exact,
        "save_bytes": row.save_bytes if present else None,
        "edited_files": row.edited_files if present else None,
        "edited": list(row.edited),
        "edits_looked_for": row.edits_looked_for,
        "dangling_files": row.dangling_files if present else None,
        "unreadable_files": row.unreadable_files if present else None,
        "counted_at": round(row.counted_at) if present else None,
        "kept": row.kept,
    }


def _where(where: Where) -> dict[str, str | None]:
    """Its device, mount point and file system."""
    return {name: value or None for name, value in where.as_dict().items()}


def device(total: Total) -> dict[str, Any]:
    """One file system as plain values."""
    return {
        **_where(total.where),
        "environments": total.environments,
        "files": total.files,
        "shared_bytes": total.shared_bytes,
        "estimated": total.estimated,
        "private_bytes": total.private_bytes,
        "exact": total.shared_exact,
        "save_bytes": total.save_bytes,
        "edited_files": total.edited_files,
    }
