"""`linkpolicy cache seed`: fill a cache from another one, without a network."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from uvx_policy.caches import as_json, contents
from uvx_policy.errors import EXIT_FINDINGS, RealUvNotFound, Unreadable, UsageError
from uvx_policy.filesystem import cache_safety
from uvx_policy.filesystem.cache_directory import make_cache_directory
from uvx_policy.machine.machine import open_machine
from uvx_policy.seed.entries import packages_in
from uvx_policy.seed.fill import fill
from uvx_policy.terminal.console import Console
from uvx_policy.terminal.progress import progress
from uvx_policy.terminal.words import count, listed, size
from uvx_policy.uv import locked

if TYPE_CHECKING:
    import argparse

    from uvx_policy.host import Host
    from uvx_policy.machine.machine import Machine
    from uvx_policy.seed.fill import Filled
    from uvx_policy.uv.locked import Versions


def run(options: argparse.Namespace) -> int:
    """`cache seed`: 0 when nothing was left that is there, else 1.

    Raises `ConfigError`, `UsageError`, `RealUvNotFound`, `CannotSeed`, `UnsafeCacheDirectory`.
    """
    machine = open_machine()
    usual, place = _caches_here(machine)
    source = os.path.realpath(options.source or usual)
    target = os.path.realpath(options.target or place)
    if source == target:
        raise UsageError(f"`{source}` is the only cache here: name others with --from and --to")
    _check_source(machine.host, source)
    packages = packages_in(source) if options.all else _locked(machine)
    if not options.dry_run:
        make_cache_directory(target)
    with progress(f"{source}: {count(len(packages), 'package')}"):
        done = fill(source, target, packages, wait=options.wait, dry_run=options.dry_run)
    if options.json:
        as_json.write(_as_object(done, source, target, packages, dry_run=options.dry_run))
    else:
        _print(done, source, target, Console(), dry_run=options.dry_run)
    return EXIT_FINDINGS if done.left else 0


def _caches_here(machine: Machine) -> tuple[str, str]:
    """Uv's own cache, and the one on the file system of the environment here; the same if none."""
    plan = machine.plan
    if plan is None:
        raise RealUvNotFound
    facts = plan.facts
    if facts is None:
        return "", ""
    place = facts.place.directory if facts.place is not None else ""
    return facts.cache, plan.outcome.cache_dir.value or place or facts.cache


def _check_source(host: Host, source: str) -> None:
    """Whoever may write there decides what gets installed. Raises `UsageError`."""
    try:
        status = host.status(source)
        if status is None or not contents.looks_like_a_cache(host.list_names(source)):
            raise UsageError(f"`{source}` is not a cache of uv")
        reason = cache_safety.why_shared(host, source, status)
    except Unreadable as error:
        raise UsageError(str(error)) from error
    if host.uid >= 0 and status.uid not in (0, host.uid):
        reason = f"it belongs to user {status.uid}"
    if reason:
        raise UsageError(f"`{source}` is not a cache to take files from: {reason}")


def _locked(machine: Machine) -> Versions:
    try:
        wanted = locked.wanted(machine.host, machine.workspace, installed=())
    except Unreadable as error:
        raise UsageError(str(error)) from error
    if wanted is None:
        raise UsageError(
            "no uv.lock here tells what is needed",
            hint="`linkpolicy cache seed --all` copies every package",
        )
    return wanted


def _as_object(
    done: Filled, source: str, target: str, packages: Versions, *, dry_run: bool
) -> dict[str, object]:
    return {
        "from": source,
        "to": target,
        "dry_run": dry_run,
        "copied": {name: list(packages[name]) for name in done.brought},
        "there": list(done.there),
        "left": done.left,
        "absent": list(done.absent),
        "bytes": done.size,
        "buckets": list(done.buckets),
    }


def _print(done: Filled, source: str, target: str, console: Console, *, dry_run: bool) -> None:
    verb = "would be copied" if dry_run else "copied"
    if done.brought:
        console.say(f"{count(len(done.brought), 'package')} {verb}, {size(done.size)} at most:")
        console.wrap(("  ",), ", ".join(done.brought))
        console.say(f"  from {source}")
        console.say(f"  to   {target}")
        console.say(f"  for versions of uv that use {listed(done.buckets)}")
    if done.there:
        console.say(f"{count(len(done.there), 'package')} there already")
    if done.absent:
        console.wrap((f"not in {source}: ",), ", ".join(done.absent))
    for package, reason in done.left.items():
        console.wrap((f"{package} is not copied: ", "yellow"), reason)
    if not (done.brought or done.there or done.absent or done.left):
        console.say("nothing is needed")
