"""Remove what probes, fixes and copies between caches left that were killed."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from uvx_policy.doctor.cache_contents import own_caches
from uvx_policy.filesystem.capability import installed_into
from uvx_policy.host import nearest_existing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from uvx_policy.doctor.case import Case


def clean_up(case: Case, *, after_fixes: bool) -> None:
    """Clean up where files are tried and fixed. Never raises.

    `after_fixes`: also what a fix left; what a user saved at its path in that moment is kept.
    """
    from uvx_policy.replace import shop

    with contextlib.suppress(Exception):
        if after_fixes:
            from uvx_policy.doctor.deeds import rescue
            from uvx_policy.seed import workshop

            for cache in own_caches(case):
                shop.clean_up(cache.path, rescue(case))
                workshop.clean_up(cache.path)
    with contextlib.suppress(Exception):
        for directory in dict.fromkeys(map(os.path.realpath, _tried(case))):
            shop.clean_up_probes(directory)


def _tried(case: Case) -> Iterator[str]:
    """Directories between which links are tried here."""
    for cache in own_caches(case):
        yield cache.path
    plan = case.sound_plan
    if plan is None or plan.facts is None:
        return
    yield installed_into(case.host, plan.destination.path)
    candidates = [
        plan.facts.cache,
        plan.outcome.cache_dir.value,
        *(path for path, _ in plan.rejected),
    ]
    if plan.facts.place is not None:
        candidates.append(plan.facts.place.probe_from)
    if plan.destination.project:
        candidates.append(plan.destination.project)
    yield from (nearest_existing(case.host, path) for path in candidates if path)
