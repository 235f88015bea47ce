"""`linkpolicy repair --json`, schema 1 (docs/reference/repair-json.md)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from uvx_policy.verify import as_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from uvx_policy.repair.model import Outcome, Plan, Result, Step
    from uvx_policy.verify.targets import Target


def report(targets: Sequence[Target], plan: Plan, outcome: Outcome | None) -> str:
    """The whole report; `outcome` is `None` when nothing was done."""
    results: dict[Step, Result] = {}
    steps: Sequence[Step] = plan.steps
    if outcome is not None:
        steps = [result.step for result in outcome.results]
        results = {result.step: result for result in outcome.results}
    return json.dumps(
        {
            "schema": 1,
            "targets": [
                {"path": each.path, "kind": "cache" if each.is_cache else "environment"}
                for each in targets
            ],
            "done": outcome is not None,
            "saved": (outcome.saved or None) if outcome is not None else None,
            "fetch": [
                {
                    "name": each.name,
                    "version": each.version,
                    "environment": each.environment or None,
                }
                for each in plan.fetch
            ],
            "steps": [_step(each, results.get(each)) for each in steps],
            "unknown_names": outcome.unknown_names if outcome is not None else None,
            "left": None if outcome is None else [as_json.finding(each) for each in outcome.left],
        },
        indent=2,
    )


def _step(step: Step, result: Result | None) -> dict[str, Any]:
    spot = step.spot
    return {
        "action": step.action,
        "path": spot.path,
        "environment" if spot.kind == "site" else "cache": spot.owner,
        "distribution": step.distribution,
        "state": step.state,
        "original": str(step.original) if step.original is not None else None,
        "because": step.because or None,
        "result": result.state if result is not None else None,
        "detail": (result.text or None) if result is not None else None,
    }
