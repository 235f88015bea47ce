"""`linkpolicy cache clean` and `prune`: judge, ask, let uv work on one cache after another."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from uvx_policy import errors
from uvx_policy.caches import cleaning, danger, estimate, table
from uvx_policy.caches.cleaning import Result
from uvx_policy.caches.here import dependents
from uvx_policy.errors import RealUvNotFound, UsageError
from uvx_policy.machine import caches as known
from uvx_policy.machine.machine import open_machine
from uvx_policy.terminal.console import Console, check_can_ask
from uvx_policy.terminal.progress import progress
from uvx_policy.value import Value

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Sequence

    from uvx_policy.caches.cleaning import Uv
    from uvx_policy.caches.danger import Job
    from uvx_policy.machine.caches import Cache
    from uvx_policy.machine.machine import Machine


NO_CACHE = "There is no cache yet."


class _Work(Value):
    """What is done with every cache, and where it is reported."""

    job: Job
    uv: Uv
    console: Console
    #: seconds
    wait: float


def run(options: argparse.Namespace) -> int:
    """`cache clean` and `cache prune`: 0 when all was done, 1 when something was not.

    Raises `UsageError` without a terminal and without --yes, `ConfigError`, `RealUvNotFound`.
    """
    machine = open_machine()
    if not machine.uv:
        raise RealUvNotFound
    if not (options.yes or options.dry_run):
        check_can_ask()
    job = danger.Job(
        command=options.action,
        packages=tuple(options.packages),
        break_symlinks=options.break_symlinks,
        delete_foreign=options.delete_foreign,
    )
    uv = cleaning.Uv(program=os.path.abspath(machine.uv), environ=machine.environ)
    here = _Work(job=job, uv=uv, console=Console(), wait=options.wait)
    results = list(_judged(machine, here, options.cache_dir))
    if not results:
        here.console.say(NO_CACHE)
    if options.dry_run:
        here.console.say(f"Would `cache {job.command}` as follows. Nothing was changed.")
        for result in results:
            table.print_outcome(result, here.console)
    else:
        results = _done(here, results, ask=not options.yes)
    fine = ("allowed", "done", "absent") if options.dry_run else ("done", "absent")
    return 0 if all(each.state in fine for each in results) else errors.EXIT_FINDINGS


# Before ------------------------------------------------------------------------------------------


def _judged(machine: Machine, here: _Work, named: Sequence[str]) -> Iterator[Result]:
    """What may be done ("allowed"), and what not, for each cache in question."""
    caches = _named(machine, named) if named else [each for each in machine.caches if each.exists]
    known_dependents = dependents(machine)
    for cache in caches:
        if not cache.exists:
            yield Result(cache=cache, state="absent", text="it does not exist")
            continue
        objections = danger.objections(
            cache, here.job, known_dependents, uid=machine.host.uid,
            try_on_copy=lambda directory: here.uv.try_on_copy(here.job, directory),
        )  # fmt: skip
        if objections:
            yield Result(cache=cache, state="refused", objections=objections)
        else:
            command = here.uv.command(here.job, cache.path)
            yield Result(cache=cache, state="allowed", text=shlex.join(command))


def _named(machine: Machine, paths: Sequence[str]) -> list[Cache]:
    """The caches that were asked for, each once. Raises `UsageError`."""
    found: dict[tuple[int, int] | str, Cache] = {}
    for path in paths:
        if not path:
            raise UsageError("--cache-dir is empty")
        absolute = os.path.join(machine.cwd, path)
        cache = known.look(absolute, (known.NAMED,), machine.host, machine.mounts)
        found.setdefault(cache.identity, cache)
    return list(found.values())


def _asked(here: _Work, allowed: Sequence[Result]) -> bool:
    for result in allowed:
        with progress() as advance:
            freed = estimate.freed(result.cache.path, here.job, advance)
        place = here.console.path(result.cache.path)
        here.console.say(f"  {place}: {freed}" if freed else f"  {place}")
    what = f"these {len(allowed)} caches" if len(allowed) > 1 else "this cache"
    packages = f"{', '.join(here.job.packages)} from " if here.job.packages else ""
    return here.console.ask(f"{here.job.command.capitalize()} {packages}{what}?")


# Doing -------------------------------------------------------------------------------------------


def _done(here: _Work, judged: Sequence[Result], *, ask: bool) -> list[Result]:
    """Let uv work on each cache that is allowed; tells of each as it comes."""
    results = [each for each in judged if each.state != "allowed"]
    for result in results:
        table.print_outcome(result, here.console)
    allowed = [each for each in judged if each.state == "allowed"]
    if allowed and ask and not _asked(here, allowed):
        here.console.say("Nothing was changed.")
        return list(judged)
    for each in allowed:
        with progress() as advance:
            result = _carried_out(here, each.cache, advance)
        results.append(result)
        table.print_outcome(result, here.console)
    return results


def _carried_out(here: _Work, cache: Cache, advance: Callable[[str], None]) -> Result:
    advance(f"{cache.path}: {here.job.command}")
    try:
        return cleaning.carry_out(
            here.uv, here.job, cache, seconds=here.wait,
            meanwhile=lambda holder: advance(f"{cache.path}: waiting for {holder}"),
        )  # fmt: skip
    except FileNotFoundError:
        return Result(cache=cache, state="absent", text="it is gone")
    except OSError as error:
        return Result(cache=cache, state="failed", text=error.strerror or str(error))
