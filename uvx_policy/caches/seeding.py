"""`linkpolicy cache seed`: fill a cache without a network, from environments and other caches."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from uvx_policy.caches import as_json, sources
from uvx_policy.errors import EXIT_FINDINGS, RealUvNotFound, Unreadable, UsageError
from uvx_policy.filesystem.cache_directory import make_cache_directory
from uvx_policy.machine.clients import Place
from uvx_policy.machine.machine import open_machine
from uvx_policy.machine.search import typed_root
from uvx_policy.seed.entries import packages_in
from uvx_policy.seed.fill import PATIENCE, fill
from uvx_policy.seed.held import Held
from uvx_policy.terminal.console import Console
from uvx_policy.terminal.progress import progress
from uvx_policy.terminal.words import count, listed, size
from uvx_policy.uv import buckets, locked
from uvx_policy.value import Value

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from uvx_policy.machine.machine import Machine
    from uvx_policy.pipeline import Plan
    from uvx_policy.seed.fill import Filled
    from uvx_policy.uv.locked import Versions


# The command -------------------------------------------------------------------------------------


def run(options: argparse.Namespace) -> int:
    """`cache seed`: 0 when nothing was left that is there, else 1.

    Raises `ConfigError`, `UsageError`, `RealUvNotFound`, `CannotSeed`, `UnsafeCacheDirectory`.
    """
    machine = open_machine()
    request = _requested(machine, options)
    if not options.dry_run:
        make_cache_directory(request.target)
    with progress(f"filling {request.target}") as show:
        done = _filled(
            machine, request, wait=options.wait, dry_run=options.dry_run,
            advance=lambda source: show(f"{source} -> {request.target}"),
        )  # fmt: skip
    if options.json:
        as_json.write(_as_object(done, request, dry_run=options.dry_run))
    else:
        _print(done, request, Console(), dry_run=options.dry_run)
    return EXIT_FINDINGS if done.left else 0


class Request(Value):
    """What is to be brought where."""

    #: caches to take from, in this order
    sources: tuple[str, ...]
    target: str
    #: environments whose wheels are wanted
    environments: tuple[str, ...]
    #: environments that lend their files
    lending: tuple[str, ...]
    #: what is wanted besides; `None`: everything
    packages: Versions | None
    #: caches that nothing is taken from -> why
    unsafe: dict[str, str] = {}  # noqa: RUF012 (never mutated)


class Seeded(Value):
    """What came of it, from all sources."""

    #: package -> versions, of what was not there, or not all of it, and is now
    brought: Versions
    #: packages that were there already
    there: tuple[str, ...]
    #: package -> why it was not passed on
    left: dict[str, str]
    #: packages of which no source has an unpacked wheel
    absent: tuple[str, ...]
    #: bytes that were written, at most; those that were not, because environments had them
    size: int
    spared: int
    #: buckets that got something
    buckets: tuple[str, ...]


def _requested(machine: Machine, options: argparse.Namespace) -> Request:
    """Raises `UsageError`, `RealUvNotFound`, `ConfigError`."""
    roots = [typed_root(root, machine.cwd) for root in options.roots]
    environments = tuple(sources.environments_below(roots)) if roots else ()
    if roots and not environments:
        raise UsageError(f"no environment in {listed(f'`{root}`' for root in options.roots)}")
    target = os.path.realpath(options.target or _target(machine, environments))
    near = sources.on_device_of(machine, target, machine.environment_paths)
    wanted: Versions | None = {}
    if options.all:
        wanted = None
    elif not roots:
        environments = tuple(near)
        wanted = _locked(machine, required=not environments)
    chosen = _sources(machine, options.source, target)
    return Request(
        sources=tuple(path for path, why in chosen.items() if not why),
        target=target,
        environments=environments,
        lending=tuple(dict.fromkeys((*environments, *near))),
        packages=wanted,
        unsafe={path: why for path, why in chosen.items() if why},
    )


def _target(machine: Machine, environments: Sequence[str]) -> str:
    """The cache of the file system that these environments lie on, or of the one here."""
    if not environments:
        return target_of(machine, "")
    found: dict[str, str] = {}
    left = list(environments)
    while left:
        near = sources.on_device_of(machine, left[0], left)
        found[target_of(machine, left[0])] = left[0]
        left = [path for path in left if path not in near]
    if len(found) > 1:
        raise UsageError(
            f"{listed(f'`{path}`' for path in found.values())} are on several file systems",
            hint="name those of one file system, or a cache with --to",
        )
    return next(iter(found))


def target_of(machine: Machine, environment: str) -> str:
    """The cache that uv links from into an environment, "" for the one here: on its file system.

    Uv's own if there is none. Raises `RealUvNotFound`, `ConfigError`.
    """
    plan = machine.plan_into(Place(environment)) if environment else machine.plan
    if plan is None:
        raise RealUvNotFound
    return _cache_of(plan)


def _cache_of(plan: Plan) -> str:
    facts = plan.facts
    if facts is None:
        return ""
    place = facts.place.directory if facts.place is not None else ""
    return plan.outcome.cache_dir.value or place or facts.cache


def _sources(machine: Machine, named: str, target: str) -> dict[str, str]:
    """Caches to take from -> why not, "" where nothing is against it. Raises `UsageError`."""
    if named:
        source = os.path.realpath(named)
        if source == target:
            raise UsageError(f"`{source}` cannot be filled from itself")
        found = {source: sources.why_not(machine.host, source)}
    else:
        found = sources.other_caches(machine, target)
        if not found:
            hint = "name another one with --from"
            raise UsageError(f"`{target}` is the only cache that is known", hint=hint)
    if all(found.values()):
        source, why = next(iter(found.items()))
        raise UsageError(f"`{source}` is not a cache to take files from: {why}")
    return found


def _locked(machine: Machine, *, required: bool) -> Versions:
    """What uv.lock here names. Raises `UsageError` where it must be known and cannot be told."""
    try:
        wanted = locked.wanted(machine.host, machine.workspace, installed=())
    except Unreadable as error:
        raise UsageError(str(error)) from error
    if wanted is None and required:
        raise UsageError(
            "no uv.lock here tells what is needed, and no environment is known on that file system",
            hint="`linkpolicy cache seed --all` brings every package",
        )
    return wanted or {}


# The work ----------------------------------------------------------------------------------------


def seed_from_environments(
    machine: Machine,
    caches: Sequence[str],
    target: str,
    environments: Sequence[str],
    *,
    wait: float = PATIENCE,
    dry_run: bool = False,
    advance: Callable[[str], None] = lambda _: None,
) -> Seeded:
    """Bring the wheels that these environments have into the cache `target`, by what they hold.

    What uv needs besides comes from `caches`, which are safe to use (`sources.why_not`), in this
    order; `target` exists unless `dry_run`. `advance` is called with each of them. Raises
    `CannotSeed`.
    """
    request = Request(
        sources=tuple(caches), target=target, environments=tuple(environments),
        lending=tuple(environments), packages={},
    )  # fmt: skip
    return _filled(machine, request, wait=wait, dry_run=dry_run, advance=advance)


def _filled(
    machine: Machine,
    request: Request,
    *,
    wait: float,
    dry_run: bool,
    advance: Callable[[str], None],
) -> Seeded:
    """Raises `CannotSeed`."""
    into = sources.existing_above(request.target)
    held = Held(sources.lenders(machine, request.lending), into)
    only = Held(sources.lenders(machine, request.environments))
    installed = only.packages()
    results = []
    planned: set[str] | None = set() if dry_run else None
    for source in request.sources:
        advance(source)
        named = packages_in(source) if request.packages is None else request.packages
        for packages, those in ((named, None), (installed, only)):
            if packages:
                done = fill(
                    source, request.target, packages,
                    held=held, only=those, planned=planned, wait=wait, dry_run=dry_run,
                )  # fmt: skip
                results.append((done, packages))
    return _joined(results)


def _joined(results: Sequence[tuple[Filled, Versions]]) -> Seeded:
    """What became of all: a package that comes from one source is not missed in another."""
    brought: dict[str, tuple[str, ...]] = {}
    for done, packages in results:
        for name in done.brought:
            brought[name] = tuple(sorted({*brought.get(name, ()), *packages[name]}))
    all_done = [done for done, _ in results]
    there = dict.fromkeys(name for done in all_done for name in done.there if name not in brought)
    have = {*brought, *there}
    left = {name: why for done in all_done for name, why in done.left.items() if name not in have}
    absent = dict.fromkeys(name for done in all_done for name in done.absent)
    return Seeded(
        brought=brought,
        there=tuple(there),
        left=left,
        absent=tuple(name for name in absent if name not in have | left.keys()),
        size=sum(done.size for done in all_done),
        spared=sum(done.spared for done in all_done),
        buckets=tuple(sorted({bucket for done in all_done for bucket in done.buckets})),
    )


# What is said ------------------------------------------------------------------------------------


def _as_object(done: Seeded, request: Request, *, dry_run: bool) -> dict[str, object]:
    return {
        "from": request.sources[0],
        "sources": list(request.sources),
        "environments": list(request.environments),
        "to": request.target,
        "dry_run": dry_run,
        "copied": {name: list(versions) for name, versions in done.brought.items()},
        "there": list(done.there),
        "left": done.left,
        "absent": list(done.absent),
        "unsafe": request.unsafe,
        "bytes": done.size,
        "shared_bytes": done.spared,
        "buckets": list(done.buckets),
        "serves": {bucket: buckets.served(bucket) or None for bucket in done.buckets},
    }


def _print(done: Seeded, request: Request, console: Console, *, dry_run: bool) -> None:
    verb = "would be copied" if dry_run else "copied"
    if done.brought:
        console.say(f"{count(len(done.brought), 'package')} {verb}, {size(done.size)} at most:")
        console.wrap(("  ",), ", ".join(done.brought))
        if done.spared:
            shared = "would be shared" if dry_run else "are shared"
            console.say(f"  {size(done.spared)} more {shared} with environments there")
        for source in request.sources:
            console.say(f"  from {source}")
        console.say(f"  to   {request.target}")
        console.wrap(("  ",), f"for {', '.join(buckets.described(done.buckets))}")
    if done.there:
        console.say(f"{count(len(done.there), 'package')} there already")
    if done.absent:
        console.wrap(("in none of these caches: ",), ", ".join(done.absent))
    for package, reason in done.left.items():
        console.wrap((f"{package} is not copied: ", "yellow"), reason)
    for source, reason in request.unsafe.items():
        console.wrap((f"nothing is taken from {source}: ", "yellow"), reason)
    if not (done.brought or done.there or done.absent or done.left):
        console.say("nothing is needed")
