"""`linkpolicy reclaim --json`, schema 1 (docs/reference/reclaim.md)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from uvx_policy.replace.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from uvx_policy.reclaim.plan import Plan
    from uvx_policy.reclaim.seed import Seed
    from uvx_policy.reclaim.volume import Volume


def report(plan: Plan, seeds: Sequence[Seed] | None, *, dry_run: bool, is_complete: bool) -> str:
    """The whole report. `seeds`: `None` where that was not asked for."""
    left = Outcome()
    for volume in plan.volumes:
        left.add(volume.left)
    return json.dumps(
        {
            "schema": 1,
            "dry_run": dry_run,
            "environments": plan.environments,
            "caches": plan.caches,
            "devices": [_device(volume, dry_run=dry_run) for volume in plan.volumes],
            "left": [
                {
                    "reason": reason,
                    "files": each.files,
                    "bytes": each.size,
                    "paths": each.paths,
                    "detail": each.detail or None,
                }
                for reason, each in sorted(left.left.items())
            ],
            "bytecode": left.bytecode,
            "seeded": None if seeds is None else [_seeded(seed) for seed in seeds],
            "complete": is_complete,
        },
        indent=2,
    )


def _seeded(seed: Seed) -> dict[str, object]:
    return {
        "cache": seed.cache,
        "packages": seed.packages,
        "bytes": seed.size,
        "left": seed.left,
        "problem": seed.problem or None,
    }


def _device(volume: Volume, *, dry_run: bool) -> dict[str, str | int | None]:
    done = volume.done or Outcome()
    return {
        "mount_point": volume.mount_point,
        "file_system": volume.file_system,
        "method": volume.method,
        "why": volume.why,
        "files": volume.files,
        "bytes": volume.size,
        "done_files": done.files,
        "done_bytes": done.size,
        "freed": None if dry_run else volume.freed,
        "held": volume.held,
    }
