"""`linkpolicy verify --json`, schema 1 (docs/reference/verify.md)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from uvx_policy.installed.finding import Finding, Place
    from uvx_policy.installed.tree import Tree
    from uvx_policy.verify.tally import Tally
    from uvx_policy.verify.targets import Target


def report(
    targets: Sequence[Target],
    findings: Sequence[Finding],
    tally: Tally,
    differences: dict[str, str],
) -> str:
    """The whole report. `differences`: path -> unified diff, where it was asked for."""
    return json.dumps(
        {
            "schema": 1,
            "targets": [
                {
                    "path": each.path,
                    "kind": "cache" if each.is_cache else "environment",
                    "part": each.part or None,
                }
                for each in targets
            ],
            "counts": counts(tally),
            "findings": [finding(each, differences.get(each.path)) for each in findings],
        },
        indent=2,
    )


def counts(tally: Tally) -> dict[str, int]:
    """The numbers of a run."""
    return dict(vars(tally))


def finding(told: Finding, difference: str | None = None) -> dict[str, Any]:
    """One finding."""
    row = told.row
    return {
        "path": told.path,
        "state": told.state,
        "distribution": told.distribution,
        "version": told.version or None,
        **_owner(told.tree),
        "expected": None
        if row is None
        else {
            "algorithm": row.hash.algorithm or None,
            "digest": row.hash.digest or None,
            "size": row.size,
        },
        "detail": told.detail or None,
        "intended": told.intended or None,
        "elsewhere": [_place(each) for each in told.elsewhere],
        "unknown_names": told.unknown_names,
        "diff": difference,
    }


def _place(place: Place) -> dict[str, Any]:
    return {"path": place.path, "how": place.how, **_owner(place.tree)}


def _owner(tree: Tree) -> dict[str, str | None]:
    is_cache = tree.kind == "archive"
    return {
        "environment": None if is_cache else tree.owner,
        "cache": tree.owner if is_cache else None,
    }
