"""Why uv must not be let loose on a cache: one function for each reason, and what to type.

What `uv cache clean` and `uv cache prune` really delete was found out by trying, for every
supported version; `tests/caches/` tries it again.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from uvx_policy.caches import archive_links, contents, dry_run, linked, locks
from uvx_policy.installed.sentences import listed
from uvx_policy.machine.caches import NAMED
from uvx_policy.terminal.command import Hint, command
from uvx_policy.terminal.words import verb
from uvx_policy.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from uvx_policy.caches.linked import Dependent
    from uvx_policy.machine.caches import Cache

Action: TypeAlias = Literal["clean", "prune"]


class Job(Value):
    """What is asked of every cache."""

    command: Action
    #: only with "clean": these, not everything
    packages: tuple[str, ...] = ()
    break_symlinks: bool = False
    delete_foreign: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        """The words for uv, the cache directory aside."""
        packages = ("--", *self.packages) if self.packages else ()
        return ("cache", self.command, *packages)

    @property
    def takes_everything(self) -> bool:
        """Is nothing left of the cache?"""
        return self.command == "clean" and not self.packages


class Objection(NamedTuple):
    """Why a job is refused for one cache."""

    #: what is so, and what would happen
    because: str
    #: what to do instead, or the option that allows it
    hint: Hint | None = None


def objections(
    cache: Cache,
    job: Job,
    dependents: Sequence[Dependent],
    *,
    uid: int,
    try_on_copy: Callable[[str], bool],
) -> tuple[Objection, ...]:
    """Every reason against `job` on `cache`, which exists. Never raises.

    `dependents`: all known environments; `uid` of this process, -1 without owners; `try_on_copy`
    does the job on another cache directory (`dry_run.lost`).
    """
    names = contents.names_in(cache.path)
    first = _not_ours(cache, uid) or _not_writable(cache) or _no_cache(cache, names)
    if first is not None:
        return (first,)
    breaks = _breaks_environments(cache, job, dependents, try_on_copy)
    found = (_foreign_entries(names, job), _copied(cache, job), breaks)
    return tuple(each for each in found if each is not None)


def _not_ours(cache: Cache, uid: int) -> Objection | None:
    if cache.owner in (None, uid):
        return None
    because = f"it belongs to user {cache.owner}, not to you (user {uid})"
    return Objection(because, Hint(text="let its owner do it"))


def _not_writable(cache: Cache) -> Objection | None:
    if os.path.isdir(cache.path) and not os.access(cache.path, os.W_OK | os.X_OK):
        return Objection(cache.problem or "it cannot be written")
    return None


def _no_cache(cache: Cache, names: Sequence[str]) -> Objection | None:
    """`uv cache clean` deletes whatever directory it is given, a home as well."""
    # Of a cache that was cleaned uv leaves the lock (0.13) or nothing at all (0.9).
    is_empty = not set(names) - {locks.LOCK}
    if os.path.isdir(cache.path) and (is_empty or contents.looks_like_a_cache(names)):
        return None
    return Objection("it does not look like a uv cache")


def _foreign_entries(names: Sequence[str], job: Job) -> Objection | None:
    """Clean and prune delete every top-level entry that uv does not know."""
    found = contents.foreign(names)
    if job.packages or job.delete_foreign or not found:
        return None
    because = f"uv would delete files that are not its own: {listed(found)}"
    return Objection(because, Hint(text="move it away, or allow it: --delete-foreign"))


def _copied(cache: Cache, job: Job) -> Objection | None:
    """A cache at another path than when uv up to 0.11.16 wrote its links, which are absolute.

    There `clean PACKAGE` deletes from the original, and `prune` every archive of the copy.
    """
    if job.takes_everything:
        return None
    elsewhere = archive_links.leading_elsewhere(cache.path, archive_links.links(cache.path))
    link = next(elsewhere, None)
    if link is None:
        return None
    harm = f"take it out of `{link.cache}`" if job.packages else "delete all its archives"
    # Where it was only named to us, the doctor would not look for it.
    named = {"UV_CACHE_DIR": cache.path} if cache.origins == (NAMED,) else {}
    fix = command("linkpolicy", "doctor", "--fix", "caches-copied", **named)
    because = f"its links point to `{link.cache}`, and uv would {harm}"
    return Objection(because, Hint(text="make them point to its own archives", commands=(fix,)))


def _breaks_environments(
    cache: Cache, job: Job, dependents: Sequence[Dependent], try_on_copy: Callable[[str], bool]
) -> Objection | None:
    if job.break_symlinks:
        return None
    needed = {each.environment.path: _needed(cache.path, each) for each in dependents}
    broken = [path for path, parts in needed.items() if parts]
    if broken and not job.takes_everything:
        gone = dry_run.lost(cache.path, try_on_copy)
        broken = [path for path in broken if gone is None or needed[path] & gone]
    if not broken:
        return None
    consist = verb(len(broken), "consists", "consist")
    because = f"{listed(broken)} {consist} of links into it, and would break"
    text = "allow it with --break-symlinks, and then reinstall in that environment"
    return Objection(because, Hint(text=text, commands=(command("uv", "sync", "--reinstall"),)))


def _needed(cache: str, dependent: Dependent) -> set[str]:
    """The parts of the cache, as in `dry_run`, that this environment would break without."""
    if linked.lies_in(cache, dependent):
        below = os.path.relpath(dependent.real, cache).split(os.sep)
        return {"/".join(below[:2])}
    archives = [os.path.split(each.archive) for each in linked.leading_into(cache, dependent)]
    return {f"{os.path.basename(bucket)}/{name}" for bucket, name in archives}
