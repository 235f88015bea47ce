"""`reclaim --seed`: first the cache of each file system gets the wheels of environments there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from uvx_policy.caches import seeding, sources
from uvx_policy.errors import LinkPolicyError
from uvx_policy.filesystem.cache_directory import make_cache_directory
from uvx_policy.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from uvx_policy.machine.machine import Machine


class Seed(Value):
    """What one cache gets, or has got."""

    #: absolute path
    cache: str
    packages: int = 0
    #: bytes that are written, at most
    size: int = 0
    #: package -> why it is left
    left: dict[str, str] = {}  # noqa: RUF012 (never mutated)
    #: why nothing can be brought there, "" where it can
    problem: str = ""


def seeds(
    machine: Machine,
    environments: Sequence[str],
    *,
    wait: float,
    dry_run: bool,
    advance: Callable[[str], None],
) -> list[Seed]:
    """Fill the caches that uv links from into these environments, on their file systems.

    Raises `RealUvNotFound`, `ConfigError`.
    """
    found = []
    for cache, theirs in _by_cache(machine, environments):
        if not theirs:
            problem = "uv would use it for environments on another file system"
            found.append(Seed(cache=cache, problem=problem))
            continue
        advance(f"filling {cache}")
        chosen = [path for path, why in sources.other_caches(machine, cache).items() if not why]
        try:
            if not dry_run:
                make_cache_directory(cache)
            done = seeding.seed_from_environments(
                machine, chosen, cache, theirs, wait=wait, dry_run=dry_run
            )
        except LinkPolicyError as error:
            found.append(Seed(cache=cache, problem=str(error)))
        else:
            found.append(
                Seed(cache=cache, packages=len(done.brought), size=done.size, left=done.left)
            )
    return found


def _by_cache(machine: Machine, environments: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Each cache with those environments on its file system that uv links from it into."""
    by_cache: dict[str, list[str]] = {}
    for path in environments:
        cache = seeding.target_of(machine, path)
        if cache:
            by_cache.setdefault(os.path.realpath(cache), []).append(path)
    for cache, theirs in by_cache.items():
        yield cache, sources.on_device_of(machine, cache, theirs)
