"""Checks of what lies in the caches: edited, missing, of other users, used by nobody.

One look at each cache tells all of them (`caches.inspection`). A large cache takes longer than
anybody wants to wait: what was not looked at is said, and `--verify` looks at all.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

from uvx_policy.caches import archive_links
from uvx_policy.caches.inspection import Inspection, hard_links_are_protected, inspect
from uvx_policy.doctor.case import Case, once
from uvx_policy.doctor.diagnostic import MOST_NAMED, Check, Diagnostic, Fix, fail, skip, warn
from uvx_policy.installed.tree import ARCHIVES, archives
from uvx_policy.machine import caches as known
from uvx_policy.terminal.command import chown, command
from uvx_policy.terminal.words import count, verb

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from uvx_policy.caches.archive_links import Link
    from uvx_policy.doctor.diagnostic import Deed
    from uvx_policy.installed.finding import Finding, State
    from uvx_policy.machine.caches import Cache

#: seconds for all caches together; a small cache is looked at completely in any case
PATIENCE = 0.02
#: files whose content is compared again, with all that is known of their wheel
_MOST_COMPARED = 200
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


@once
def inspections(case: Case) -> tuple[tuple[Cache, Inspection], ...]:
    """What one look at each of them showed."""
    caches = own_caches(case)  # which may take longer than there is time for the rest
    until = float("inf") if case.verify else time.monotonic() + PATIENCE
    return tuple((each, inspect(each.path, uid=case.host.uid, until=until)) for each in caches)


def _not_looked_at(cache: Cache, inspection: Inspection) -> Iterator[Diagnostic]:
    """One "skip" for a cache that was too large."""
    if not inspection.is_complete:
        yield skip(
            f"looked at {inspection.looked_at:,} of {inspection.archives:,} archives of "
            f"`{cache.path}`; --verify looks at all"
        )


# Files that are not what was unpacked ------------------------------------------------------------


@once
def _wrong(case: Case) -> tuple[tuple[Cache, list[Finding]], ...]:
    """What is wrong in each cache, compared with all that is known of the wheels."""
    return tuple((cache, _compared(case, cache, told)) for cache, told in inspections(case))


def _compared(case: Case, cache: Cache, inspection: Inspection) -> list[Finding]:
    if not inspection.findings:
        return []
    from uvx_policy.verify.engine import verify

    few = _in_use(cache, inspection.findings)[:_MOST_COMPARED]
    trees = list(dict.fromkeys(each.tree for each in few))
    found = verify(trees, state=case.state, only=[each.path for each in few], workers=0)
    return [each for each in found if each.is_fault]


def look_edited(case: Case) -> Iterator[Diagnostic]:
    """Was a file in a cache edited or emptied?"""
    yield from look_for("edited", case)
    for cache, inspection in inspections(case):
        number = inspection.unsure_files
        if number:
            yield skip(
                f"{count(number, 'file')} in `{cache.path}` {verb(number, 'was', 'were')} "
                "written after the package was unpacked and cannot be compared quickly; --verify "
                "compares everything"
            )


_EFFECTS: dict[State, str] = {
    "edited": "every environment installed from there gets the change",
    "missing": "every environment installed from there lacks it",
    "record": "uv cannot install from it, and its files are unknown",
}


def look_for(state: State, case: Case) -> Iterator[Diagnostic]:
    """Is every file, or every RECORD, in this state?"""
    for cache, found in _wrong(case):
        # What was edited through the environment that is looked at has been told there.
        new = [each for each in found if each.path not in case.reported and each.state == state]
        if new:
            yield _told(case, cache, new)
    for cache, inspection in inspections(case):
        yield from _not_looked_at(cache, inspection)


def _told(case: Case, cache: Cache, found: Sequence[Finding]) -> Diagnostic:
    from uvx_policy.installed import sentences

    case.reported.update(each.path for each in found)
    packages = sentences.listed(sorted({each.distribution for each in found}))
    return fail(
        f"In the cache `{cache.path}`, {sentences.described(found)} (package {packages}): "
        f"{_EFFECTS.get(found[0].state, _EFFECTS['edited'])}.",
        Fix.by(
            "Restore the original files, there and in the environments that have the same "
            "ones; edits are saved first",
            command("linkpolicy", "repair", cache.path),
        ),
        tuple(each.path for each in found[:MOST_NAMED]),
    )


def look_content(case: Case) -> Iterator[Diagnostic]:
    """Is the content of every file in a cache what the RECORD says?"""
    from uvx_policy.installed.tree import trees_of_cache
    from uvx_policy.verify.engine import verify

    for cache in own_caches(case):
        found = [
            each
            for each in verify(trees_of_cache(cache.path), state=case.state)
            if each.path not in case.reported and each.state != "extra" and each.is_fault
        ]
        found = _in_use(cache, found) if found else []
        for state in dict.fromkeys(each.state for each in found):
            yield _told(case, cache, [each for each in found if each.state == state])


def _in_use(cache: Cache, found: Sequence[Finding]) -> list[Finding]:
    """Those in archives that something in the cache leads to."""
    top, referenced = os.path.join(cache.path, ARCHIVES), archive_links.referenced(cache.path)
    return [
        each for each in found if os.path.relpath(each.path, top).split(os.sep)[0] in referenced
    ]


# Files of other users ----------------------------------------------------------------------------


def look_foreign(case: Case) -> Iterator[Diagnostic]:
    """Does everything in a cache belong to its owner?"""
    for cache, inspection in inspections(case):
        if inspection.foreign:
            users = sorted({user for _, user in inspection.foreign})
            others = ", ".join(f"user {user}" for user in users)
            at_least = "" if inspection.is_complete else "at least "
            number = inspection.foreign_files
            what = verb(number, "file or directory belongs", "files and directories belong")
            links = "copies them" if hard_links_are_protected() else "cannot change them"
            yield warn(
                f"In the cache `{cache.path}`, {at_least}{number:,} {what} to {others}, "
                f"as after `sudo uv`: uv {links} or fails.",
                Fix.by(
                    "Change the owner back to you",
                    chown(cache.path, uid=case.host.uid, gid=os.getgid()),
                ),
                tuple(path for path, _ in inspection.foreign[:MOST_NAMED]),
            )
        yield from _not_looked_at(cache, inspection)


# Caches at another path --------------------------------------------------------------------------


def look_copied(case: Case) -> Iterator[Diagnostic]:
    """Do the links of a cache lead to its own archives?"""
    for cache, inspection in inspections(case):
        found = list(archive_links.leading_elsewhere(cache.path, inspection.absolute_links))
        if found:
            yield _leading_elsewhere(cache, found)
        if not inspection.buckets_complete:
            yield from _not_looked_at(cache, inspection)


def _leading_elsewhere(cache: Cache, found: Sequence[Link]) -> Diagnostic:
    there, number = found[0].cache, count(len(found), "link")
    lead = verb(len(found), "points", "point")
    if any(archive_links.is_another_cache(cache.path, link) for link in found):
        what = f"The cache `{cache.path}` was copied: {number} in it still {lead} to `{there}`."
        harm = "everything unpacked here, and `uv cache clean` what belongs to the other cache"
    else:
        what = (
            f"In the cache `{cache.path}`, {number} {lead} to `{there}`: it is used at that path, "
            "too, in a container for example, or was moved from there."
        )
        harm = "what is unpacked here, and uv unpacks it again"
    return fail(
        f"{what} `uv cache prune` deletes {harm}. uv 0.11.17 and later write relative "
        "links, which are right at every path.",
        Fix.by(
            "Make the links relative, so that they point to the archives of this cache",
            command("linkpolicy", "doctor", "--fix", "caches-copied"),
            safe=True,
        ),
        tuple(link.path for link in found[:MOST_NAMED]),
    )


def fix_copied(case: Case) -> Iterator[Deed]:
    """Let each link lead to the archive of the same name in its own cache, if there is one."""
    from uvx_policy.doctor import deeds

    for cache in own_caches(case):
        found = archive_links.leading_elsewhere(cache.path, archive_links.links(cache.path))
        deed = deeds.make_relative(case, cache.path, found)
        if deed is not None:
            yield deed


# Caches that nobody uses -------------------------------------------------------------------------


def look_unused(case: Case) -> Iterator[Diagnostic]:
    """Is every cache that linkpolicy once chose still used by an environment?"""
    if sys.platform == "win32":
        return
    for cache, inspection in inspections(case):
        # What somebody names, and what uv takes, is not for us to judge.
        ours = set(cache.origins) <= {known.DEVICE_CACHE, known.PROJECT_CACHE, known.REGISTER}
        if not ours or cache.path == case.used_cache or _is_used(case, cache):
            continue
        if inspection.is_linked or not any(archives(cache.path)) or not _is_forgotten(cache.path):
            continue
        yield from _not_looked_at(cache, inspection)
        if inspection.is_complete:
            yield warn(
                f"No environment uses the cache `{cache.path}` any longer, and nothing was put "
                "there for a month.",
                Fix.by(
                    "Remove what is in it, if you do not need it",
                    command("uv", "cache", "clean", "--cache-dir", cache.path),
                ),
                (cache.path,),
                bytes=inspection.bytes,
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
    # Before those that `repair` fixes: it changes no file of others.
    Check(
        "caches-foreign-files",
        "Everything in the caches belongs to you",
        look_foreign,
        begin=inspections,
    ),
    Check(
        "caches-copied", "Links in each cache point to its own archives", look_copied, fix_copied
    ),
    Check("caches-edited", "No file in a cache was edited", look_edited),
    Check("caches-missing", "No file in a cache is missing", partial(look_for, "missing")),
    Check("caches-records", "Every RECORD in a cache is whole", partial(look_for, "record")),
    Check("caches-unused", "Every cache is used", look_unused),
    Check(
        "caches-content",
        "Every file in the caches is what its RECORD says",
        look_content,
        thorough=True,
    ),
)
