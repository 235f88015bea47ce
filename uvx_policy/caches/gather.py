"""What is known of the caches here: facts for every action of `linkpolicy cache`."""

from __future__ import annotations

import contextlib
import functools
import os
from typing import TYPE_CHECKING

from uvx_policy import edits, errors
from uvx_policy.caches import linked, locks
from uvx_policy.doctor.case import Case
from uvx_policy.errors import LinkPolicyError, RealUvNotFound, UsageError
from uvx_policy.machine import caches as known
from uvx_policy.state import register
from uvx_policy.state.register import Environment
from uvx_policy.uv import directories, invocation, settings, workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from uvx_policy.caches.linked import Dependent
    from uvx_policy.caches.table import Row
    from uvx_policy.machine.caches import Cache


def open_case() -> Case:
    """This machine and directory; faults in linkpolicy's settings are raised (`ConfigError`)."""
    case = Case(environ=os.environ, cwd=_cwd())
    if case.faults:
        raise errors.ConfigError(case.faults)
    return case


def _cwd() -> str:
    try:
        return os.getcwd()
    except OSError:
        return os.sep


def cache_here(case: Case) -> tuple[str, str]:
    """The cache of `uv sync` here, and why that one.

    Raises `RealUvNotFound`, `UsageError` where the policy refuses, and `LinkPolicyError`.
    """
    plan = case.plan
    if plan is None:
        raise RealUvNotFound("no real uv on PATH", hint="pip install 'uvx-policy[uv]'")
    if plan.outcome.refusal is not None:
        raise UsageError(f"refused: {plan.outcome.refusal.because}")
    chosen = plan.edits.variables.get(edits.CACHE_VARIABLE)
    because = plan.outcome.cache_dir.because
    if chosen:
        return chosen, because
    if plan.facts is not None and plan.facts.cache:
        return plan.facts.cache, because
    return _cache_of_uv(case), because


def _cache_of_uv(case: Case) -> str:
    """The cache that uv takes here when it is left alone. Raises `LinkPolicyError`."""
    sync = invocation.parse("uv", ("sync",))
    version = case.plan.version if case.plan is not None else None
    try:
        host = workspace.working_directory(case.host, sync, version)
        choices = settings.read_uv_settings(host, sync, version)
        path = settings.default_cache_dir(host, choices)
    except LinkPolicyError:
        path = ""
    return path or _asked_of_uv(case)


def _asked_of_uv(case: Case) -> str:
    """What `uv cache dir` says: of --no-cache, or of a configuration that only uv understands."""
    import subprocess

    environ = {**case.environ, "LINKPOLICY_BYPASS": "1"}
    try:
        told = subprocess.run(
            [case.uv, "cache", "dir"], env=environ, cwd=case.cwd, stdin=subprocess.DEVNULL,
            capture_output=True, check=False,
        )  # fmt: skip
    except OSError as error:
        raise LinkPolicyError(f"cannot execute `{case.uv}`: {error.strerror}") from error
    if told.returncode:
        complaint = told.stderr.decode("utf-8", "surrogateescape").strip()
        raise LinkPolicyError(f"uv cannot tell its cache: {complaint.removeprefix('error: ')}")
    return os.path.join(case.cwd, os.fsdecode(told.stdout).removesuffix("\n"))


def rows(case: Case, *, extents: bool, advance: Callable[[Cache, int], None]) -> Iterator[Row]:
    """Measure every known cache. `advance` is told the files of a cache so far, from any thread."""
    # Here: what measures and draws takes longer to import than all else of `verify` and `dir`.
    from uvx_policy.caches.measure import Measure, measure
    from uvx_policy.caches.table import Row

    here = ""
    with contextlib.suppress(LinkPolicyError):
        here = os.path.realpath(cache_here(case)[0])
    environments = dependents(case)
    for cache in _with_here(case, here):
        measured = Measure()
        if cache.exists:
            measured = measure(
                cache.path, extents=extents, progress=functools.partial(advance, cache)
            )
        yield Row(
            cache=cache,
            measure=measured,
            dependents=tuple(linked.linked_environments(cache.path, environments)),
            holders=locks.holders(cache.path),
            here=cache.path == here,
        )


def _with_here(case: Case, here: str) -> Iterator[Cache]:
    """Every known cache, and the one of this directory where it exists and is not among them."""
    yield from case.caches
    if here and os.path.isdir(here) and all(cache.path != here for cache in case.caches):
        yield known.look(here, (known.HERE,), case.host, case.mounts)


def dependents(case: Case) -> list[Dependent]:
    """How each known environment depends on caches."""
    return [linked.look_at(each) for each in known_environments(case)]


def known_environments(case: Case) -> list[Environment]:
    """Remembered environments, this project's, the active one, and those of tools."""
    environments = {each.path: each for each in register.known(case.state)}
    others = [case.environment, case.environ.get("VIRTUAL_ENV", ""), *_tools(case)]
    for path in others:
        if path and os.path.isabs(path):
            environments.setdefault(path, Environment(path=path))
    return list(environments.values())


def _tools(case: Case) -> list[str]:
    try:
        plan = case.sound_plan
        root = directories.tool_root(case.host, plan.version if plan else None).value
    except LinkPolicyError:
        return []
    with contextlib.suppress(OSError), os.scandir(root) as entries:
        return sorted(entry.path for entry in entries if entry.is_dir())
    return []
