"""Which cache uv uses here, and everything that is known of all caches."""

from __future__ import annotations

import contextlib
import functools
import os
from typing import TYPE_CHECKING

from uvx_policy import edits
from uvx_policy.caches import linked, locks
from uvx_policy.errors import LinkPolicyError, RealUvNotFound, UsageError
from uvx_policy.machine import caches as known
from uvx_policy.uv import invocation, settings, workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from uvx_policy.caches.linked import Dependent
    from uvx_policy.caches.table import Row
    from uvx_policy.machine.caches import Cache
    from uvx_policy.machine.machine import Machine


#: seconds for uv to answer; it takes 0.01
_PATIENCE = 5


def cache_here(machine: Machine) -> tuple[str, str]:
    """The cache of `uv sync` here, and why that one.

    Raises `RealUvNotFound`, `UsageError` where the policy refuses, and `LinkPolicyError`.
    """
    plan = machine.plan
    if plan is None:
        raise RealUvNotFound
    if plan.outcome.refusal is not None:
        raise UsageError(f"refused: {plan.outcome.refusal.because}")
    chosen = plan.edits.variables.get(edits.CACHE_VARIABLE)
    usual = plan.facts.cache if plan.facts is not None else ""
    return chosen or usual or _cache_of_uv(machine), plan.outcome.cache_dir.because


def _cache_of_uv(machine: Machine) -> str:
    """The cache that uv takes here when it is left alone. Raises `LinkPolicyError`."""
    sync = invocation.parse("uv", ("sync",))
    version = machine.plan.version if machine.plan is not None else None
    path = ""
    with contextlib.suppress(LinkPolicyError):
        host = workspace.working_directory(machine.host, sync, version)
        choices = settings.read_uv_settings(host, sync, version)
        path = settings.default_cache_dir(host, choices)
    return path or _asked_of_uv(machine)


def _asked_of_uv(machine: Machine) -> str:
    """What `uv cache dir` says: of --no-cache, or of a configuration that only uv understands."""
    import subprocess

    environ = {**machine.environ, "LINKPOLICY_BYPASS": "1"}
    try:
        told = subprocess.run(
            [machine.uv, "cache", "dir"], env=environ, cwd=machine.cwd, stdin=subprocess.DEVNULL,
            capture_output=True, check=False, timeout=_PATIENCE,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        # It reads a configuration that is a FIFO, say.
        message = f"uv did not print its cache directory within {_PATIENCE} seconds"
        raise LinkPolicyError(message) from error
    except OSError as error:
        raise LinkPolicyError(f"cannot execute `{machine.uv}`: {error.strerror}") from error
    if told.returncode:
        complaint = told.stderr.decode("utf-8", "surrogateescape").strip()
        complaint = complaint.removeprefix("error: ")
        raise LinkPolicyError(f"uv cannot print its cache directory: {complaint}")
    return os.path.join(machine.cwd, os.fsdecode(told.stdout).removesuffix("\n"))


def rows(
    machine: Machine, *, extents: bool, advance: Callable[[Cache, int], None]
) -> Iterator[Row]:
    """Measure every known cache, and the one of this directory if it is not known.

    `advance` is told the files of a cache so far, from any thread.
    """
    # Here: what measures and draws takes longer to import than all else of `verify` and `dir`.
    from uvx_policy.caches.measure import Measure, measure
    from uvx_policy.caches.table import Row

    here = ""
    with contextlib.suppress(LinkPolicyError):
        here = os.path.realpath(cache_here(machine)[0])
    environments = dependents(machine)
    caches = [*machine.caches]
    if here and os.path.isdir(here) and all(cache.path != here for cache in caches):
        caches.append(known.look(here, (known.HERE,), machine.host, machine.mounts))
    for cache in caches:
        measured = Measure()
        if cache.exists:
            progress = functools.partial(advance, cache)
            measured = measure(cache.path, extents=extents, progress=progress)
        yield Row(
            cache=cache,
            measure=measured,
            dependents=tuple(linked.linked_environments(cache.path, environments)),
            holders=locks.holders(cache.path),
            here=cache.path == here,
        )


def dependents(machine: Machine) -> list[Dependent]:
    """How each known environment depends on caches."""
    return [linked.look_at(each) for each in machine.environments]
