"""Checks of what lies in the caches: edited, of other users, copied, used by nobody.

Without --verify each of them looks for a short time only, and says when it did not get to the end.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from functools import lru_cache
from typing import TYPE_CHECKING

from uvx_policy.caches import archives, locks
from uvx_policy.doctor.diagnostic import Check, Diagnostic, Fix
from uvx_policy.installed import tree
from uvx_policy.machine import caches as known
from uvx_policy.terminal.command import chown, command
from uvx_policy.terminal.words import count, listed, verb

if TYPE_CHECKING:
    from collections.abc import Iterator

    from uvx_policy.doctor.case import Case
    from uvx_policy.installed.finding import Finding
    from uvx_policy.machine.caches import Cache

#: seconds that one check may take for all caches together; much more where every byte is read
_PATIENCE = 0.015
_MUCH_PATIENCE = 3600.0
_MOST_NAMED = 100
#: a cache that was not changed for so many seconds is forgotten
_LONG_AGO = 30 * 86400


def own_caches(case: Case) -> tuple[Cache, ...]:
    """Give every cache that exists and is this user's, the one that is used here first."""
    used = case.used_cache
    return tuple(
        cache
        for cache in sorted(case.caches, key=lambda each: each.path != used)
        if cache.exists and cache.owner in (None, case.host.uid) and os.path.isdir(cache.path)
    )


def _until(case: Case) -> float:
    return time.monotonic() + (_MUCH_PATIENCE if case.verify else _PATIENCE)


# What a check has to read is read ahead: while another process looks at the environment.


# Edited files ------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _touched(case: Case) -> list[tuple[Cache, list[tuple[str, list[str]]]]]:
    """The archives of each cache that have files that are later than their unpacking."""
    caches = own_caches(case)  # which may take longer than there is time for the rest
    until = _until(case)
    return [(each, list(archives.touched(each.path, until=until))) for each in caches]


def look_edited(case: Case) -> Iterator[Diagnostic]:
    """Was a file in a cache edited, by its time of change?"""
    from uvx_policy.installed.tree import Tree

    complete = True
    for cache, touched in _touched(case):
        found: list[Finding] = []
        for archive, late in touched:
            complete = complete and archive != ""
            if archive:
                from uvx_policy.verify.engine import verify

                tree = Tree(path=archive, kind="archive", owner=cache.path)
                found += verify([tree], only=late, workers=0)
        # An edit through the environment that is looked at has been told there.
        changed = [
            each for each in found if each.state == "edited" and each.path not in case.reported
        ]
        yield from _edited(case, cache, changed, complete=complete)
    if not complete:
        yield Diagnostic(
            status="pass",
            detail="Not every file was looked at for want of time; --verify takes the time.",
        )


def look_content(case: Case) -> Iterator[Diagnostic]:
    """Is the content of every file in a cache what the RECORD says?"""
    from uvx_policy.installed.tree import trees_of_cache
    from uvx_policy.verify.engine import verify

    for cache in own_caches(case):
        found = [
            each
            for each in verify(trees_of_cache(cache.path), state=case.state)
            if each.path not in case.reported and each.state != "extra"
        ]
        yield from _edited(case, cache, found, complete=True)


def _edited(
    case: Case, cache: Cache, found: list[Finding], *, complete: bool
) -> Iterator[Diagnostic]:
    if not found:
        return
    referenced = archives.referenced(cache.path)
    # What nothing leads to is installed no more: `uv cache prune` throws it out some day.
    found = [each for each in found if _archive_of(cache, each.path) in referenced]
    if not found:
        return
    case.reported.update(each.path for each in found)
    packages = sorted({each.distribution for each in found})
    names = listed(f"`{name}`" for name in packages)
    at_least = "" if complete else "at least "
    do = verb(len(found), "does", "do")
    yield Diagnostic(
        status="fail",
        detail=f"In the cache `{cache.path}` {at_least}{count(len(found), 'file')} of {names} {do} "
        "not match the package: every environment installed from there gets the change.",
        fix=Fix(
            text="Restore the original files here and in the environments that have the change; "
            "edits are saved first",
            commands=(command("linkpolicy", "repair", cache.path),),
        ),
        paths=tuple(each.path for each in found[:_MOST_NAMED]),
    )


def _archive_of(cache: Cache, path: str) -> str:
    return os.path.relpath(path, os.path.join(cache.path, "archive-v0")).split(os.sep)[0]


# Files of other users ----------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _foreign(case: Case) -> list[tuple[Cache, dict[str, int]]]:
    """What belongs to other users in each cache, and to whom."""
    uid = case.host.uid
    if uid < 0:
        return []
    caches = own_caches(case)
    until = _until(case)
    return [(each, dict(archives.foreign(each.path, uid, until=until))) for each in caches]


def look_foreign(case: Case) -> Iterator[Diagnostic]:
    """Does everything in a cache belong to its owner?"""
    for cache, found in _foreign(case):
        if not found:
            continue
        others = ", ".join(f"user {each}" for each in sorted(set(found.values())))
        yield Diagnostic(
            status="warn",
            detail=f"In the cache `{cache.path}`, at least {count(len(found), 'entry')} "
            f"{verb(len(found), 'belongs', 'belong')} to {others}, as after `sudo uv`: uv cannot "
            "hard link them (the kernel's fs.protected_hardlinks), and copies them or fails.",
            fix=Fix(
                text="Change the owner back to you",
                commands=(chown(cache.path, uid=case.host.uid, gid=os.getgid()),),
            ),
            paths=tuple(list(found)[:_MOST_NAMED]),
        )


# Copied caches -----------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _links_elsewhere(case: Case) -> list[tuple[Cache, list[tuple[str, str]]]]:
    """The links of each cache into others, with their text."""
    caches = own_caches(case)
    until = _until(case)
    return [
        (each, list(archives.links_into_other_caches(each.path, until=until))) for each in caches
    ]


def look_copied(case: Case) -> Iterator[Diagnostic]:
    """Does no link in a cache lead into another cache?"""
    for cache, found in _links_elsewhere(case):
        if not found:
            continue
        other = os.path.dirname(os.path.dirname(found[0][1]))
        yield Diagnostic(
            status="fail",
            detail=f"The cache `{cache.path}` was copied or moved: "
            f"at least {count(len(found), 'link')} of it {verb(len(found), 'leads', 'lead')} into "
            f"`{other}`. With uv up to 0.11.16 `uv cache prune` would delete everything unpacked "
            "here, and `uv cache clean` what belongs to the other one.",
            fix=Fix(
                text="Point the links to the archives of this cache",
                commands=(command("linkpolicy", "doctor", "--fix", "caches-copied"),),
                safe=True,
            ),
            paths=tuple(link for link, _ in found[:_MOST_NAMED]),
        )


def fix_copied(case: Case, dry_run: bool) -> Iterator[str]:
    """Let each link lead to the archive of the same name in its own cache, if there is one.

    Raises `OSError`.
    """
    for cache in own_caches(case):
        found = list(
            archives.links_into_other_caches(cache.path, until=time.monotonic() + _MUCH_PATIENCE)
        )
        if not found:
            continue
        if not locks.is_free(cache.path):
            holder = next(iter(locks.holders(cache.path)), locks.Holder(pid=0))
            yield f"left `{cache.path}` alone: {holder} uses it"
            continue
        done = gone = 0
        for link, text in found:
            own = os.path.join(cache.path, "archive-v0", os.path.basename(text))
            if os.path.isdir(own):
                done += 1
                if not dry_run:
                    _replace_link(link, own)
            else:
                # The package is not unpacked here: to uv the link means that it is.
                gone += 1
                if not dry_run:
                    os.unlink(link)
        would = "would let" if dry_run else "let"
        yield f"{would} {done} links in `{cache.path}` lead to its own archives"
        if gone:
            would = "would remove" if dry_run else "removed"
            yield f"{would} {gone} links in `{cache.path}` to archives that it does not have"


def _replace_link(link: str, target: str) -> None:
    temporary = f"{link}.linkpolicy-{os.getpid()}"
    os.symlink(target, temporary)
    try:
        os.replace(temporary, link)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


# Caches that nobody uses -------------------------------------------------------------------------


def look_unused(case: Case) -> Iterator[Diagnostic]:
    """Is every cache that linkpolicy once chose still used by an environment?"""
    if sys.platform == "win32":
        return
    caches = own_caches(case)
    until = _until(case)
    for cache in caches:
        # What somebody names, and what uv takes, is not for us to judge.
        ours = set(cache.origins) <= {known.DEVICE_CACHE, known.PROJECT_CACHE, known.REGISTER}
        if not ours or cache.path == case.used_cache or _is_used(case, cache):
            continue
        if not any(tree.archives(cache.path)) or not _is_forgotten(cache.path):
            continue
        size, complete = archives.bytes_of(cache.path, until=until)
        if archives.has_linked_files(cache.path, until=until):
            continue
        at_least = "" if complete else "At least: "
        yield Diagnostic(
            status="warn",
            detail=f"No environment uses the cache `{cache.path}` any more, and nothing was put "
            f"there for a month. {at_least}",
            fix=Fix(
                text="Remove what is in it, if you do not need it",
                commands=(command("uv", "cache", "clean", "--cache-dir", cache.path),),
            ),
            paths=(cache.path,),
            bytes=size,
        )


def _is_used(case: Case, cache: Cache) -> bool:
    return any(
        os.path.realpath(each.cache) == cache.path and os.path.isdir(each.path)
        for each in case.registered
        if each.cache
    )


def _is_forgotten(cache: str) -> bool:
    newest = 0.0
    with contextlib.suppress(OSError), os.scandir(cache) as entries:
        for entry in entries:
            newest = max(newest, entry.stat(follow_symlinks=False).st_mtime)
    return 0.0 < newest < time.time() - _LONG_AGO


CHECKS: tuple[Check, ...] = (
    Check(
        id="caches-edited",
        title="No file in a cache was edited",
        group="caches",
        look=look_edited,
        ahead=_touched,
    ),
    Check(
        id="caches-copied",
        title="No cache leads into another one",
        group="caches",
        look=look_copied,
        ahead=_links_elsewhere,
        fix=fix_copied,
    ),
    Check(
        id="caches-foreign-files",
        title="Everything in the caches belongs to you",
        group="caches",
        look=look_foreign,
        ahead=_foreign,
    ),
    Check(
        id="caches-unused",
        title="Every cache is used",
        group="caches",
        look=look_unused,
    ),
    Check(
        id="caches-content",
        title="Every file in the caches is what its RECORD says",
        group="caches",
        look=look_content,
        thorough=True,
    ),
)
