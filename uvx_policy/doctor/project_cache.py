"""Checks of the cache that this project is installed from: whose, where, how full."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from uvx_policy.doctor.case import Case, where_decided
from uvx_policy.doctor.diagnostic import Check, Diagnostic, Fix, fine, warn
from uvx_policy.doctor.remedies import can_be_made, is_ours, reinstall_everything
from uvx_policy.edits import CACHE_VARIABLE
from uvx_policy.filesystem import cache_safety, mounts, places
from uvx_policy.host import nearest_existing
from uvx_policy.terminal.command import command
from uvx_policy.terminal.words import size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from uvx_policy.decide import Facts
    from uvx_policy.doctor.diagnostic import Deed
    from uvx_policy.model import Capability
    from uvx_policy.pipeline import Plan

#: what a directory's owner needs to see, make and remove things in it
_OWN = 0o700


def in_use(plan: Plan, facts: Facts) -> tuple[str, Capability]:
    """The cache that uv will use, "" when unknown, and what links from it."""
    chosen = plan.outcome.cache_dir.value
    if chosen is not None:
        return chosen, facts.place_capability
    return facts.cache, facts.capability


@where_decided
def look_cold(case: Case, plan: Plan, facts: Facts) -> Iterator[Diagnostic]:
    """Does the cache that would be used hold nothing, while another one is full?"""
    if facts.place is None:
        yield from _told_temperature(case, facts.cache)
        return
    there = facts.place.directory
    fill = command("uv", *case.usual_call)
    here = ""
    if case.real_environment:
        # What is installed already would not be installed again, and so fill nothing.
        fill = reinstall_everything(case)
        here = " What is installed here already is not linked from there."
    code = plan.outcome.cache_dir.code
    if code in ("offline-cold-cache", "warm-cache"):
        why = f"holds `{facts.place_lacks}`: the cache on the environment's file system lacks it"
        variable = (CACHE_VARIABLE, there)
        if code == "offline-cold-cache":
            why = f"stays in use: uv is offline, and what `{there}` lacks cannot be told"
            variable = ("UV_OFFLINE", "0")
        elif facts.why_not_seeded:
            why = f"{why}, and it is not copied there: {facts.why_not_seeded}"
        fix = Fix.by(
            "Fill the other cache once while the network is available",
            fill.replace(variables=(variable,)),
        )
        if code == "warm-cache" and not facts.why_not_seeded:
            fix = Fix.by("Copy it there", command("linkpolicy", "cache", "seed"))
        yield warn(f"Every file is copied. `{facts.cache}` {why}.", fix, (there,))
        return
    if plan.outcome.seed is not None:
        yield fine(
            f"`{there}` lacks what `{facts.cache}` holds: it is copied there on the next call.",
            paths=(there,),
        )
        return
    used = plan.outcome.cache_dir.value
    if used and facts.cache and not _is_warm(case, there) and _is_warm(case, facts.cache):
        yield warn(
            f"`{there}`, from which files are linked into this environment, holds nothing "
            f"yet: uv downloads once more what is in `{facts.cache}` already.{here}",
            Fix.by("Fill it once, while the network is available", fill),
            (there,),
        )
        return
    yield from _told_temperature(case, used or facts.cache)


def _told_temperature(case: Case, cache: str) -> Iterator[Diagnostic]:
    if cache:
        warm = "is warm" if _is_warm(case, cache) else "is cold: nothing was unpacked there yet"
        yield fine(f"The cache `{cache}` {warm}.", paths=(cache,))


def _is_warm(case: Case, cache: str) -> bool:
    return not places.cache_is_cold(case.host, cache)


@where_decided
def look_makeable(case: Case, plan: Plan, facts: Facts) -> Iterator[Diagnostic]:
    """Can uv make its cache, where there is none? What exists is looked at by `doctor.caches`."""
    if not _is_missing(facts):
        return
    moved = plan.outcome.cache_dir.value
    effect = f"Here linkpolicy uses `{moved}`; `uvx` and scripts fail" if moved else "uv fails here"
    why, fix = _why_missing(case, facts.cache)
    yield Diagnostic(
        "warn" if moved else "fail",
        f"uv's cache `{facts.cache}` cannot be created: {why}. {effect}.",
        fix,
        (facts.cache,),
    )


@where_decided
def fix_makeable(case: Case, _: Plan, facts: Facts) -> Iterator[Deed]:
    """Make the directory behind a dangling link, or let ourselves write the directory above."""
    from uvx_policy.doctor.deeds import Entry, change_permissions, make_behind

    if not _is_missing(facts) or not _why_missing(case, facts.cache)[1].safe:
        return
    if os.path.islink(facts.cache) and not os.path.exists(facts.cache):
        yield make_behind(facts.cache, mode=0o700)
        return
    above = nearest_existing(case.host, facts.cache)
    entry, what = Entry.at(above), f"let you write `{above}`"
    yield change_permissions(entry, entry.permissions | _OWN, would=f"would {what}", done=what)


def _is_missing(facts: Facts) -> bool:
    return facts.cache_usable == "no" and not os.path.isdir(facts.cache)


def _why_missing(case: Case, cache: str) -> tuple[str, Fix]:
    if os.path.islink(cache):
        target = os.path.realpath(cache)
        safe = can_be_made(case, cache)
        return f"it is a symbolic link to `{target}`, which does not exist", Fix.by(
            "Create that directory" if safe else "Mount its disk, or create the directory",
            command("mkdir", *(() if safe else ("-p",)), target),
            safe=safe,
        )
    there = next(path for path in cache_safety.ancestors(cache) if os.path.lexists(path))
    if not os.path.isdir(there):
        return f"`{there}` is not a directory", Fix.by(
            "Move it aside", command("mv", there, f"{there}-old")
        )
    mount = case.mount_of(there)
    if mount is not None and mounts.is_read_only(mount):
        return mounts.why_read_only(mount), Fix.by("Set another one in `UV_CACHE_DIR`")
    status = os.stat(there)
    if status.st_uid == case.host.uid:
        return f"you cannot write to `{there}`, which is yours", Fix.by(
            "Restore your write permission", command("chmod", "u+rwx", there), safe=True
        )
    return f"you cannot write to `{there}`, which belongs to user {status.st_uid}", _not_yours(
        case, there
    )


def _not_yours(case: Case, there: str) -> Fix:
    """What to do where a directory that would have to hold the cache belongs to others."""
    if is_ours(case, there):
        return Fix.by(
            "Change its owner, if it should be yours",
            command("sudo", "chown", str(case.host.uid), there),
        )
    home = case.environ.get("HOME", "")
    if not os.path.isabs(home) or home == "/":
        return Fix.by("Set HOME to your home directory, or name a cache: `UV_CACHE_DIR`")
    return Fix.by("Name a directory of yours for uv: `UV_CACHE_DIR`")


@where_decided
def look_space(case: Case, plan: Plan, facts: Facts) -> Iterator[Diagnostic]:
    """Is there room for what is installed? Where the cache is, `doctor.caches` looks for it."""
    path = plan.destination.path
    here = nearest_existing(case.host, os.path.realpath(path))
    cache, _ = in_use(plan, facts)
    there = case.host.status(cache) if cache else None
    status = case.host.status(here)
    free = case.host.free_bytes(here, needed=0)
    # Where the cache is as well, `doctor.caches` warns.
    elsewhere = there is None or status is None or there.device != status.device
    reason = cache_safety.why_full(case.host, here) if elsewhere else ""
    if free >= 0 and not reason:
        yield fine(
            f"{size(free)} are free on the file system of `{path}`.", paths=(path,), bytes=free
        )
    elif reason and case.host.file_system(here) is not None:
        yield warn(
            f"The file system of the environment `{path}` is nearly full: {reason}.",
            Fix.by("Free up space there"),
            (path,),
            bytes=max(0, free),
        )


CHECKS: tuple[Check, ...] = (
    Check("cache-makeable", "uv has a cache, or can create one", look_makeable, fix_makeable),
    Check("cache-cold", "The cache is filled", look_cold),
    Check("free-space", "There is space to install", look_space),
)
