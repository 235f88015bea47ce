"""What `linkpolicy reclaim` tells people: the plan, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvx_policy.replace.outcome import Outcome
from uvx_policy.terminal import words
from uvx_policy.terminal.command import Hint, as_user, command

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from uvx_policy.reclaim.plan import Plan
    from uvx_policy.reclaim.seed import Seed
    from uvx_policy.reclaim.volume import Volume
    from uvx_policy.reclaim.work import Work
    from uvx_policy.terminal.console import Console, Parts

#: paths of one reason that are shown; --json has more
_MOST = 5
#: of what was counted
_MUCH = 0.05
_METHODS = {
    "dedupe": "shared blocks", "clone": "clones", "hardlink": "hard links",
    "": "nothing can be done",
}  # fmt: skip
#: reason -> of one file, of several, and whether the paths are shown
_REASONS = {
    "edited": ("differs from what was installed", "differ from what was installed", True),
    "missing": ("is missing", "are missing", False),
    "busy": ("is being changed by a program", "are being changed by a program", True),
    "locked": ("is in an environment in use", "are in environments in use", False),
    "mode": ("has other permissions", "have other permissions", True),
    "owner": ("has another owner or group", "have another owner or group", True),
    "attributes": ("has other ACLs or attributes", "have other ACLs or attributes", True),
    "hackable": ("is in a hackable project", "are in hackable projects", False),
    "symlink-mode": (
        'is where link-mode is "symlink"', 'are where link-mode is "symlink"', False,
    ),
    "copy-mode": (
        'is where link-mode is "copy" or "clone"', 'are where link-mode is "copy" or "clone"',
        False,
    ),
    "foreign": ("belongs to another user", "belong to other users", False),
    "read-only": ("cannot be replaced", "cannot be replaced", True),
    "no-lease": (
        "cannot be guarded against changes here", "cannot be guarded against changes here", False,
    ),
    "no-exchange": (
        "cannot be exchanged in one step here", "cannot be exchanged in one step here", False,
    ),
    "small": ("is smaller than --min-size", "are smaller than --min-size", False),
    "inline": ("is too small to take a block", "are too small to take a block", False),
    "error": ("cannot be read or written", "cannot be read or written", True),
}  # fmt: skip


def planned(plan: Plan, console: Console) -> Iterator[Parts]:
    """What will be done on each file system, and what is left."""
    for volume in plan.volumes:
        kind = f" ({volume.file_system})" if volume.file_system else ""
        yield (console.path(volume.mount_point), "bold"), f"{kind}: {_METHODS[volume.method]}"
        if volume.why:
            yield (f"  {volume.why}",)
        where = words.count(len(volume.environments), "environment")
        if volume.caches:
            where = f"{where} and {words.count(len(volume.caches), 'cache')}"
        if volume.files:
            files = words.count(volume.files, "file")
            yield f"  {files} in {where}: ", (f"up to {words.size(volume.size)}", "bold")
        else:
            yield (f"  nothing to save in {where}",)
        yield from left(volume.planned, console, "  ")


def seeded(seeds: Iterable[Seed], console: Console, *, done: bool) -> Iterator[Parts]:
    """What caches get first, or have got."""
    for seed in seeds:
        if seed.problem:
            yield ("left  ", "yellow"), f"{console.path(seed.cache)} is not filled: {seed.problem}"
        elif seed.packages:
            packages = words.count(seed.packages, "package")
            verb = words.verb(seed.packages, "was", "were") if done else "will be"
            written = f"{console.signs.at_most} {words.size(seed.size)} written"
            yield (f"{packages} {verb} put into {console.path(seed.cache)} ({written})",)


def left(outcome: Outcome, console: Console, indent: str = "") -> Iterator[Parts]:
    """What is left, by reason."""
    for reason, each in sorted(outcome.left.items()):
        is_one, are_many, shows_paths = _REASONS[reason]
        files = words.count(each.files, "file")
        size = f" ({words.size(each.size)})" if each.size else ""
        what = words.verb(each.files, is_one, are_many)
        if reason == "error" and each.detail:
            what = f"{what}: {each.detail}"
        yield (indent, ("left  ", "yellow"), f"{files}{size} {what}")
        if shows_paths:
            for path in each.paths[:_MOST]:
                yield (f"{indent}      {console.path(path)}",)
            if each.files > _MOST:
                yield (f"{indent}      and {each.files - _MOST:,} more",)


def done(plan: Plan, work: Work, console: Console) -> Iterator[Parts]:
    """What was done, and what is free now."""
    every = Outcome()
    for volume in plan.volumes:
        if volume.done is not None:
            every.add(volume.done)
            yield from _freed(volume, console)
    if every.bytecode:
        files = words.count(every.bytecode, "file")
        yield (f"{files} of compiled Python kept valid.",)
    yield from busy(work)
    yield from left(every, console)
    if work.is_broken:
        yield ("A process was killed: not everything was done.",)
    if work.is_interrupted:
        yield ("Interrupted: the rest is unchanged.",)


def busy(work: Work) -> Iterator[Parts]:
    """Who is in the way, and what went wrong besides."""
    for error in (*work.busy, *work.errors):
        yield ("left  ", "yellow"), str(error)


def _freed(volume: Volume, console: Console) -> Iterator[Parts]:
    outcome = volume.done or Outcome()
    share = words.verb(outcome.files, "shares its bytes", "share their bytes")
    files = words.count(outcome.files, "file")
    freed = (f"{words.size(max(volume.freed, 0))} freed", "bold green")
    where = console.path(volume.mount_point)
    yield f"{where}: ", freed, f"; {files} {share} now ({words.size(outcome.size)} counted)."
    yield from _held(volume)


def _held(volume: Volume) -> Iterator[Parts]:
    """Why less is free than was counted; a little always is, in directories for example."""
    if volume.held_by:
        yield (f"  more when these end: {words.listed(volume.held_by)}",)
    elif volume.done is not None and volume.held > volume.done.size * _MUCH:
        held = words.size(volume.held)
        yield (f"  {held} are not free yet: something else, such as a snapshot, has these blocks",)


def hints(plan: Plan) -> Iterator[Hint]:
    """What to do next."""
    environments = [path for volume in plan.volumes if volume.files for path in volume.environments]
    if environments:
        name = environments[0] if len(environments) == 1 else "ENVIRONMENT"
        yield Hint(
            text="undo it, before you edit installed files",
            commands=(command("linkpolicy", "detach", "-p", name),),
        )
    yield from for_others(plan.foreign)


def for_others(foreign: dict[str, int]) -> Iterator[Hint]:
    """What only other users may do in their environments."""
    owners: dict[int, list[str]] = {}
    for path, uid in foreign.items():
        if uid:
            owners.setdefault(uid, []).append(path)
    for uid, paths in owners.items():
        again = as_user(uid, "linkpolicy", "reclaim", *paths)
        yield Hint(text="run reclaim as the owner", commands=(again,))
