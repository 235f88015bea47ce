"""Checks of every known cache: whose it is, who may write it, where it lies, who holds its lock.

What is in the caches is the matter of `doctor.cache_contents`, whose checks come behind these.
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

from uvx_policy.caches import locks
from uvx_policy.doctor import cache_contents
from uvx_policy.doctor.cache_contents import own_caches
from uvx_policy.doctor.case import Case, once
from uvx_policy.doctor.diagnostic import Check, Diagnostic, Fix, fail, fine, warn
from uvx_policy.doctor.remedies import exchangeable, take_back
from uvx_policy.errors import Unreadable
from uvx_policy.filesystem import cache_safety, cloud, mounts, places
from uvx_policy.filesystem.cache_safety import Wish
from uvx_policy.filesystem.mounts import is_within
from uvx_policy.machine import caches as known
from uvx_policy.state import layout
from uvx_policy.terminal.command import command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from uvx_policy.caches.locks import Holder
    from uvx_policy.doctor.diagnostic import Deed
    from uvx_policy.machine.caches import Cache
    from uvx_policy.model import Mount

_OTHERS_MAY_WRITE = 0o022
#: seconds; whoever makes others wait for a cache longer than that is named
LONG = 600.0
#: what rootless containers lie on: as local as an overlay
_LAYERS = ("fuse.fuse-overlayfs",)
#: to be replaced by whoever types it
ANOTHER = "/another/directory"
_NAME_ANOTHER = command("export", f"UV_CACHE_DIR={ANOTHER}")


# Whose it is, and who may write it ---------------------------------------------------------------


def look_owner(case: Case) -> Iterator[Diagnostic]:
    """Does every cache belong to this user?"""
    uid = case.host.uid
    for cache in _in_use(case):
        if cache.owner in (None, uid, case.host.unmapped_uid()):
            continue
        fix = take_back(case, cache.path)
        if uid == 0 and _is_in_home_of_another(case, cache.path):
            fix = Fix.by("Use root's own home directory with sudo: `sudo -H`")
        yield Diagnostic(
            "fail" if cache.path == case.used_cache else "warn",
            f"The cache `{cache.path}` belongs to user {cache.owner}, not to you (user "
            f"{uid}): uv fails, or mixes files of two users, which cannot be hard linked.",
            fix,
            (cache.path,),
        )


def _is_in_home_of_another(case: Case, cache: str) -> bool:
    """Tell whether root has the home of whoever called sudo."""
    home = layout.home(case.environ, sys.platform)
    status = case.host.status(home) if home else None
    return status is not None and status.uid != 0 and is_within(cache, os.path.realpath(home))


def look_mode(case: Case) -> Iterator[Diagnostic]:
    """Can nobody else write into a cache, and so into what gets installed?"""
    for cache, reason in _shared(case):
        yield warn(
            f"The cache `{cache.path}` is not yours alone: {reason}. "
            "Whoever changes a file there changes what you install.",
            Fix.by(
                "Remove write permission for others",
                command("chmod", "go-w", cache.path),
                safe=True,
            ),
            (cache.path,),
        )


def fix_mode(case: Case) -> Iterator[Deed]:
    """Take the right to write from all others; with an access list, by its mask."""
    from uvx_policy.doctor.deeds import Entry, change_permissions

    for cache, _ in _shared(case):
        entry = Entry.at(cache.path)
        mode = entry.permissions & ~_OTHERS_MAY_WRITE
        what = f"the mode of `{cache.path}` to {mode:04o}"
        yield change_permissions(entry, mode, would=f"would set {what}", done=f"set {what}")


def _shared(case: Case) -> Iterator[tuple[Cache, str]]:
    """The caches that others may write, and who."""
    for cache in own_caches(case):
        try:
            status = case.host.status(cache.path)
            reason = cache_safety.why_shared(case.host, cache.path, status) if status else ""
        except Unreadable:
            continue
        if reason:
            yield cache, reason


# Where it lies -----------------------------------------------------------------------------------


def look_place(case: Case) -> Iterator[Diagnostic]:
    """Is no cache where it gets in somebody's way, or somebody else in its way?"""
    for cache in _in_use(case):
        if not cache.exists:
            continue
        reason, fix = _why_misplaced(case, cache)
        if reason:
            yield warn(f"The cache `{cache.path}` is in a bad place: {reason}.", fix, (cache.path,))


def _why_misplaced(case: Case, cache: Cache) -> tuple[str, Fix]:
    moved = _name_another(case, cache)
    try:
        reason, closed = exchangeable(case, cache.path)
        if reason:
            return reason, closed or moved
        reason = cloud.why_in_cloud(case.host, cache.path) or cache_safety.why_in_environment(
            case.host, os.path.dirname(cache.path)
        )
        # A home that belongs to somebody else is how containers of CI services are made.
        if not reason and known.UV_DEFAULT not in cache.origins:
            reason = cache_safety.why_open_to_others(case.host, cache.named or cache.path, Wish())
    except Unreadable as error:
        reason = str(error)
    return reason, moved


def look_above_project(case: Case) -> Iterator[Diagnostic]:
    """Is this project outside of every cache?"""
    project = os.path.realpath(case.workspace) if case.workspace else ""
    for cache in _in_use(case):
        if project and is_within(project, cache.path):
            yield fail(
                f"This project is inside the cache `{cache.path}`: `uv cache clean` would "
                "delete it, and uv 0.11.21 and later refuse to work here.",
                _name_another(case, cache),
                (cache.path, project),
            )


def look_writable(case: Case) -> Iterator[Diagnostic]:
    """Can uv write into its caches? Without that it fails at once."""
    for cache in _in_use(case):
        is_told = cache.owner not in (None, case.host.uid)  # by another check
        if is_told or places.default_cache_usable(case.host, cache.path) != "no":
            continue
        mount = case.mount_of(cache.path)
        reason = mounts.why_read_only(mount) if mount is not None else ""
        used = case.used_cache
        instead = f" `{used}` is used instead here." if used not in ("", cache.path) else ""
        yield Diagnostic(
            "warn" if instead else "fail",
            f"uv cannot write to the cache `{cache.path}`{reason and f' ({reason})'}: every "
            f"command that uses it fails.{instead}",
            _make_writable(case, cache, mount),
            (cache.path,),
        )


def _make_writable(case: Case, cache: Cache, mount: Mount | None) -> Fix:
    if mount is not None and mounts.is_read_only(mount) and mount.point != "/":
        how = "remount,rw" if mount.root == "/" else "remount,bind,rw"
        return Fix.by(
            "Mount it writable, unless it is read-only on purpose",
            command("sudo", "mount", "-o", how, mount.point),
        )
    if not cache.exists:
        return _name_another(case, cache)
    return Fix.by("Restore your write permission", command("chmod", "-R", "u+rwX", cache.path))


def look_file_system(case: Case) -> Iterator[Diagnostic]:
    """Does the cache that is used here lie on a local disk that lasts?"""
    for cache in _in_use(case):
        mount = case.mount_of(cache.path)
        if mount is None:
            continue
        reason = mounts.why_volatile(mount) or mounts.why_network(mount) or mounts.why_fuse(mount)
        if not reason or mount.fstype in _LAYERS:
            continue
        used = cache.path == case.used_cache
        asked = cache.origin != known.UV_DEFAULT
        if not used or asked:
            because = f"{cache.origin} names it" if asked else "it is not used here"
            yield fine(f"`{cache.path}`: {reason}; {because}.")
            continue
        yield warn(
            f"The cache `{cache.path}` is not on a local disk: {reason}. Packages are "
            "downloaded again and again, or linking and locking are slow or impossible.",
            Fix.by("Use a directory of your own on a local disk", _NAME_ANOTHER),
            (cache.path,),
        )


def look_space(case: Case) -> Iterator[Diagnostic]:
    """Is there room where the caches are?"""
    seen = set()
    for cache in own_caches(case):
        if cache.st_dev in seen:
            continue
        seen.add(cache.st_dev)
        reason = cache_safety.why_full(case.host, cache.path)
        if reason and case.host.file_system(cache.path) is not None:
            yield warn(
                f"The file system of the cache `{cache.path}` is nearly full: {reason}.",
                Fix.by(
                    "Remove entries that nothing refers to",
                    command("uv", "cache", "prune", "--cache-dir", cache.path),
                ),
                (cache.path,),
            )


# Who uses it -------------------------------------------------------------------------------------


@once
def _lock_users(case: Case) -> list[tuple[Cache, tuple[Holder, ...], tuple[Holder, ...]]]:
    """Who holds the lock of each cache, and who waits for it: the kernel thinks for up to 10 ms."""
    return [(each, *locks.holders_and_waiting(each.path)) for each in own_caches(case)]


def look_lock(case: Case) -> Iterator[Diagnostic]:
    """Does nobody wait for a cache that somebody else has been using for long?"""
    for cache, holders, waiting in _lock_users(case):
        if not holders:
            continue
        named = ", ".join(map(str, holders))
        long = [each for each in holders if _seconds_since_start(each.pid) >= LONG]
        if not waiting or not long:
            yield fine(f"`{cache.path}` is in use by {named}: `uv cache clean` and `prune` wait.")
            continue
        yield warn(
            f"{waiting[0]} waits for the cache `{cache.path}`, which {named} has been using "
            f"for {_seconds_since_start(long[0].pid) / 60:.0f} minutes.",
            Fix.by(
                "Wait until it finishes, or stop it",
                command("kill", *(str(each.pid) for each in long)),
            ),
            (cache.path,),
        )


def _seconds_since_start(pid: int) -> float:
    """Seconds since this process was started, 0.0 when that cannot be told."""
    try:
        # The directory is made when it is first looked at; its files tell, in ticks since the boot.
        with open(f"/proc/{pid}/stat", "rb") as stream:
            ticks = int(stream.read().rpartition(b")")[2].split()[19])
        return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return 0.0


# -------------------------------------------------------------------------------------------------


def _in_use(case: Case) -> Iterator[Cache]:
    """Give the caches that something names or uv takes: not those that were only once used."""
    return (cache for cache in case.caches if cache.origin != known.REGISTER)


def _name_another(case: Case, cache: Cache) -> Fix:
    """Say how another directory becomes the cache, where that can be said."""
    for origin in cache.origins:
        if origin in case.environ:
            return Fix.by(
                f"Unset `{origin}`, and remove it from where it is set", command("unset", origin)
            )
    if known.UV_DEFAULT in cache.origins:
        return Fix.by("Use a directory of your own on a local disk", _NAME_ANOTHER)
    return Fix.by(f"Set another directory: {cache.origin}")


CHECKS: tuple[Check, ...] = (
    Check("caches-above-project", "The project is not inside a cache", look_above_project),
    Check("caches-writable", "uv can write its caches", look_writable),
    Check("caches-owner", "The caches belong to you", look_owner),
    Check("caches-mode", "Nobody else can write to the caches", look_mode, fix_mode),
    Check("caches-place", "The caches are in safe places", look_place),
    Check("caches-file-system", "The cache is on a local disk", look_file_system),
    Check("caches-space", "There is space for the caches", look_space),
    Check("caches-lock", "Nobody waits for a cache", look_lock, begin=_lock_users),
    *cache_contents.CHECKS,
)
