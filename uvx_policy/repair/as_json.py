"""`linkpolicy repair --json`, schema 1 (docs/reference/repair-json.md)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from uvx_policy.verify import as_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from uvx_policy.repair.model import Outcome, Step
    from uvx_policy.verify.targets import Target


def report(targets: Sequence[Target], steps: Sequence[Step], outcome: Outcome | None) -> str:
    """The whole report; `outcome` is `None` when nothing was done."""
    return json.dumps(
        {
            "schema": 1,
            "targets": [
                {"path": each.path, "kind": "cache" if each.is_cache else "environment"}
                for each in targets
            ],
            "done": outcome is not None,
            "saved": (outcome.saved or None) if outcome is not None else None,
            "fetch": [_fetched(step) for step in steps if step.action == "fetch"],
            "steps": [_step(step) for step in steps if step.action != "fetch"],
            "unknown_names": outcome.unknown_names if outcome is not None else None,
            "left": None if outcome is None else [as_json.finding(each) for each in outcome.left],
            "intended": None
            if outcome is None
            else [as_json.finding(each) for each in outcome.findings if each.intended],
        },
        indent=2,
    )


def _fetched(step: Step) -> dict[str, str | None]:
    name, _, version = step.distribution.partition("-")
    return {
        "name": name,
        "version": version,
        "environment": None if step.location.in_cache else step.location.owner,
        "failed": step.detail or None,
    }


def _step(step: Step) -> dict[str, str | None]:
    location = step.location
    return {
        "action": step.action,
        "path": location.path,
        "cache" if location.in_cache else "environment": location.owner,
        "distribution": step.distribution,
        "state": step.state,
        "original": str(step.original) if step.original is not None else None,
        "because": step.because or None,
        "result": step.result or None,
        "detail": step.detail or None,
    }
