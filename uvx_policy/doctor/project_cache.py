"""Checks of the cache that this project is installed from: whose, where, how full."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from uvx_policy.doctor.finding import Check, Fix, Told
from uvx_policy.filesystem import cache_safety, mounts, places
from uvx_policy.host import nearest_existing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from uvx_policy.decide import Facts
    from uvx_policy.doctor.case import Case
    from uvx_policy.model import Capability, Mount
    from uvx_policy.pipeline import Plan

#: what a directory's owner needs to make and remove things in it
_WRITE = 0o300


def in_use(plan: Plan, facts: Facts) -> tuple[str, Capability]:
    """The cache that uv will use, "" when unknown, and what links from it."""
    chosen = plan.outcome.cache_dir.value
    if chosen is not None:
        return chosen, facts.place_capability
    return facts.cache, facts.capability


def mount_of(case: Case, path: str) -> Mount | None:
    """The mount that `path`, or what exists of it, lies on; `None` when that is not known."""
    if case.mounts is None:
        return None
    existing = nearest_existing(case.host, os.path.realpath(path))
    return case.mounts.find(existing, case.host.mount_id(existing))


def look_cold(case: Case) -> Iterator[Told]:
    """Does the cache that would be used hold nothing, while another one is full?"""
    plan = case.sound_plan
    facts = plan.facts if plan else None
    if plan is None or facts is None or facts.place is None:
        return
    there = facts.place.directory
    # What is installed already would not be installed again, and so fill nothing.
    sync = "uv sync --reinstall" if case.real_environment else "uv sync"
    if plan.outcome.cache_dir.code == "offline-cold-cache":
        yield Told(
            status="warn",
            detail=f"uv is offline, and the cache on the environment's file system, `{there}`, "
            f"holds nothing yet: each file is copied from `{facts.cache}`.",
            fix=Fix(text="Fill it once while there is a network", command=f"UV_OFFLINE=0 {sync}"),
            paths=(there,),
        )
        return
    if plan.outcome.cache_dir.value is None or not facts.cache:
        return
    host = case.host
    if places.cache_is_cold(host, there) and not places.cache_is_cold(host, facts.cache):
        yield Told(
            status="warn",
            detail=f"`{there}`, from which files are linked into this environment, holds nothing "
            f"yet: uv downloads once more what is in `{facts.cache}` already."
            + (" What is installed here already are copies." if case.real_environment else ""),
            fix=Fix(
                text="Fill it once, while there is time and a network",
                command=sync,
            ),
            paths=(there,),
        )


def look_usable(case: Case) -> Iterator[Told]:
    """Can uv write its own cache?"""
    plan = case.sound_plan
    facts = plan.facts if plan else None
    if plan is None or facts is None or facts.cache_usable != "no":
        return
    moved = plan.outcome.cache_dir.value
    effect = f"Here linkpolicy uses `{moved}`; `uvx` and scripts fail" if moved else "uv fails here"
    why, fix = _why_unusable(case, facts.cache)
    yield Told(
        status="warn" if moved else "fail",
        detail=f"uv's cache `{facts.cache}` cannot be used: {why}. {effect}.",
        fix=fix,
        paths=(facts.cache,),
    )


def mend_usable(case: Case, dry_run: bool) -> Iterator[str]:
    """Make the directory behind a dangling link, or give ourselves the right to write ours."""
    plan = case.sound_plan
    facts = plan.facts if plan else None
    if facts is None or facts.cache_usable != "no":
        return
    _, fix = _why_unusable(case, facts.cache)
    if not fix.safe:
        return
    if os.path.islink(facts.cache) and not os.path.exists(facts.cache):
        target = os.path.realpath(facts.cache)
        if not dry_run:
            os.mkdir(target, 0o700)
        yield f"{'would make' if dry_run else 'made'} `{target}`"
        return
    for path in _closed(case, facts.cache):
        if not dry_run:
            os.chmod(path, os.stat(path).st_mode & 0o7777 | 0o700)
        yield f"{'would let' if dry_run else 'let'} you write `{path}`"


def _why_unusable(case: Case, cache: str) -> tuple[str, Fix]:
    quoted = shlex.quote(cache)
    if os.path.islink(cache) and not os.path.exists(cache):
        target = os.path.realpath(cache)
        parent = os.path.dirname(target)
        # Only the last directory: on a disk that is not mounted more would be missing.
        safe = os.path.isdir(parent) and case.host.may_write(parent)
        return f"it is a symbolic link to `{target}`, which does not exist", Fix(
            text="Make that directory" if safe else "Mount the disk that it is on, or make it",
            command=f"mkdir {'' if safe else '-p '}{shlex.quote(target)}",
            safe=safe,
        )
    there = next(path for path in cache_safety.ancestors(cache) if os.path.lexists(path))
    if not os.path.isdir(there):
        return f"`{there}` is no directory", Fix(
            text="Put it aside", command=f"mv {shlex.quote(there)} {shlex.quote(there)}-old"
        )
    existing = nearest_existing(case.host, cache)
    mount = mount_of(case, existing)
    if mount is not None and mounts.is_read_only(mount):
        return mounts.why_read_only(mount), Fix(text="Name another one for uv: `UV_CACHE_DIR`")
    closed = _closed(case, cache)
    if closed:
        return f"you may not write `{closed[0]}`, which is yours", Fix(
            text="Allow yourself to write it",
            command=f"chmod u+rwx {' '.join(map(shlex.quote, closed))}",
            safe=True,
        )
    owner = os.stat(existing).st_uid
    return f"something in it belongs to another user (`{existing}`: {owner})", Fix(
        text="Take it over, if it is to be yours",
        command=f'sudo chown -R "$(id -u)" {quoted}',
    )


def _closed(case: Case, cache: str) -> list[str]:
    """Directories of ours, the cache itself or what it would be made in, that we may not write."""
    existing = nearest_existing(case.host, cache)
    found = [existing]
    if existing == cache:
        found += [
            os.path.join(cache, name)
            for name in case.host.list_names(cache)
            if name.startswith("sdists-v")
        ]
    return [
        path
        for path in found
        if os.path.isdir(path)
        and not case.host.may_write(path)
        and os.stat(path).st_uid == case.host.uid
        and os.stat(path).st_mode & _WRITE != _WRITE
    ]


def look_place(case: Case) -> Iterator[Told]:
    """Does the cache lie where its files last?"""
    plan = case.sound_plan
    facts = plan.facts if plan else None
    cache = in_use(plan, facts)[0] if plan and facts else ""
    if plan is None or facts is None or not cache:
        return
    there, here = mount_of(case, cache), mount_of(case, plan.destination.path)
    if there is None or here is None:
        return
    reason = mounts.why_network(there) or mounts.why_fuse(there)
    if not mounts.why_volatile(here):
        reason = reason or mounts.why_volatile(there)
    if not reason:
        return
    chosen = facts.cache_dir
    said = f" ({chosen.origin})" if chosen else ""
    fix = Fix(text="Keep it on a local disk: name a directory there in `UV_CACHE_DIR`")
    if chosen and chosen.origin.kind == "variable":
        fix = Fix(
            text="Let uv keep it where it does by default", command=f"unset {chosen.origin.name}"
        )
    elif chosen:
        fix = Fix(text=f"Remove `cache-dir` in `{chosen.origin}`")
    yield Told(
        status="warn", detail=f"The cache `{cache}`{said}: {reason}.", fix=fix, paths=(cache,)
    )


def look_space(case: Case) -> Iterator[Told]:
    """Is there room for what uv downloads and installs?"""
    plan = case.sound_plan
    facts = plan.facts if plan else None
    if plan is None or facts is None:
        return
    cache, _ = in_use(plan, facts)
    seen = set()
    for path in (cache, plan.destination.path):
        existing = nearest_existing(case.host, os.path.realpath(path)) if path else ""
        status = case.host.status(existing) if existing else None
        if status is None or status.device in seen:
            continue
        seen.add(status.device)
        reason = cache_safety.why_full(case.host, existing)
        if reason and "known" not in reason:
            of = "the cache" if path == cache else "the environment"
            yield Told(
                status="warn",
                detail=f"The file system of {of} `{path}` is nearly full: {reason}.",
                fix=Fix(
                    text="Delete what no environment needs from the cache",
                    command=_prune(cache),
                ),
                paths=(path,),
                bytes=max(0, case.host.free_bytes(existing, needed=0)),
            )


def _prune(cache: str) -> str:
    return f"uv cache prune --cache-dir {shlex.quote(cache)}" if cache else "uv cache prune"


CHECKS: tuple[Check, ...] = (
    Check(
        id="cache-usable",
        title="uv can write its cache",
        group="project",
        look=look_usable,
        mend=mend_usable,
    ),
    Check(
        id="cache-place",
        title="The cache lies on a local disk that lasts",
        group="project",
        look=look_place,
    ),
    Check(id="cache-cold", title="The cache is filled", group="project", look=look_cold),
    Check(id="free-space", title="There is room to install", group="project", look=look_space),
)
