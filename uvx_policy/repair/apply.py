"""Carry a plan out, one step after another; what fails is told, and the others are done."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import TYPE_CHECKING

from uvx_policy.installed import modes, record
from uvx_policy.installed.hash import of_pieces
from uvx_policy.repair import restore
from uvx_policy.repair.backup import Edit, seen_at
from uvx_policy.repair.model import Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from uvx_policy.repair.backup import Seen
    from uvx_policy.repair.model import Plan, Step
    from uvx_policy.repair.restore import Target

#: of a file with one of these actions the content is lost unless it is saved
REPLACES = ("restore", "relink", "remove")


def edits_of(plan: Plan) -> list[Edit]:
    """Everything that the plan would replace or remove, and RECORDs that it would change."""
    found = {}
    for step in plan.steps:
        spot = step.spot
        if step.action == "record":
            path = os.path.join(spot.dist_info, record.NAME)
            name = f"{os.path.basename(spot.dist_info)}/RECORD"
            found[path] = Edit(path=path, distribution=step.distribution, name=name, state="record")
        elif step.action in REPLACES and spot.identity is not None and step.state != "mode":
            found[spot.path] = Edit(
                path=spot.path,
                distribution=step.distribution,
                name=step.name,
                state=step.state,
                original=step.original,
            )
    return list(found.values())


def apply(
    plan: Plan, seen: Mapping[str, Seen], advance: Callable[[Step], None] = lambda _: None
) -> Iterator[Result]:
    """Do what the plan says, but for "reinstall". Raises nothing of a step's.

    Who calls this holds the locks, and has saved `edits_of(plan)`; `seen` is what was saved.
    """
    with contextlib.ExitStack() as undo:
        work = _Work(undo, seen)
        for step in plan.steps:
            if step.action == "leave":
                yield Result(step=step, state="kept", text=step.because)
            elif step.action != "reinstall":
                advance(step)
                try:
                    yield _DEEDS[step.action](step, work)
                except OSError as error:
                    text = error.strerror or str(error)
                    yield Result(step=step, state="failed", text=text)


def owners(plan: Plan) -> tuple[list[str], list[str]]:
    """The caches, and the environments, in which something would be changed."""
    changed = [step.spot for step in plan.steps if step.action not in ("leave", "reinstall")]
    caches = dict.fromkeys(spot.owner for spot in changed if spot.kind != "site")
    environments = dict.fromkeys(spot.owner for spot in changed if spot.kind == "site")
    return list(caches), list(environments)


def owners_to_lock(plan: Plan) -> Sequence[str]:
    """Real paths, each once. Caches first, as uv does it: nobody waits for each other for ever."""
    caches, environments = ({os.path.realpath(each) for each in some} for some in owners(plan))
    return [*sorted(caches), *sorted(environments - caches)]


class _Work:
    """What the steps have in common."""

    def __init__(self, undo: contextlib.ExitStack, seen: Mapping[str, Seen]) -> None:
        self._undo = undo
        self._seen = seen
        self._shops: dict[str, str] = {}
        self._permissions: dict[str, int] = {}

    def target(self, step: Step) -> Target:
        """What a file shall be. Raises `OSError` if it is not as it was when it was saved."""
        spot = step.spot
        if spot.path in self._seen and self._seen[spot.path] != seen_at(spot.path):
            raise OSError(errno.EBUSY, "it was changed meanwhile", spot.path)
        assert step.original is not None  # noqa: S101 (a promise of the plan)
        if spot.dist_info not in self._permissions:
            found = restore.permissions_of(spot.dist_info, spot.tree)
            self._permissions[spot.dist_info] = found
        permissions = self._permissions[spot.dist_info]
        return restore.Target(
            path=spot.path,
            hash=step.hash,
            mode=modes.executable(permissions) if step.original.executable else permissions,
            time=restore.time_of(spot.dist_info),
        )

    def shop(self, step: Step) -> str:
        """A workshop on the file system of the step's path. Raises `OSError`."""
        spot = step.spot
        place = spot.tree if spot.kind == "site" else spot.owner
        beside = os.path.dirname(spot.path)
        with contextlib.suppress(OSError):
            # `bin` may be a mount of its own.
            if os.stat(place).st_dev != os.stat(beside).st_dev:
                place = beside
        if place not in self._shops:
            self._shops[place] = self._undo.enter_context(restore.workshop(place))
        return self._shops[place]


def _restore(step: Step, work: _Work) -> Result:
    assert step.original is not None  # noqa: S101 (a promise of the plan)
    restore.write(work.target(step), step.original, work.shop(step))
    _forget_bytecode(step.spot.path)
    return Result(step=step, state="done")


def _relink(step: Step, work: _Work) -> Result:
    target = work.target(step)
    try:
        way = restore.take(target, step.source, step.spot.ways, work.shop(step))
    except OSError:
        # The cache could not be restored (read-only, say): a copy of the original, then.
        if step.original is None:
            raise
        restore.write(target, step.original, work.shop(step))
        way = "copy"
    _forget_bytecode(step.spot.path)
    return Result(step=step, state="done", text=way)


def _detach(step: Step, work: _Work) -> Result:
    done = restore.detach(step.spot.path, work.shop(step))
    return Result(step=step, state="done" if done else "kept", text=step.because)


def _remove(step: Step, work: _Work) -> Result:
    # By rename, so that even a file that is no plain file is gone at once.
    aside = os.path.join(work.shop(step), f"gone-{os.urandom(4).hex()}")
    os.rename(step.spot.path, aside)
    with contextlib.suppress(OSError):
        os.unlink(aside)
    with contextlib.suppress(OSError):
        os.rmdir(os.path.dirname(step.spot.path))
    _forget_bytecode(step.spot.path)
    return Result(step=step, state="done")


def _put_row_back(step: Step, work: _Work) -> Result:
    spot = step.spot
    path = os.path.join(spot.dist_info, record.NAME)
    before = record.read_at(path).content
    row = record.Row(step.name, step.hash, step.size)
    after = record.corrected(before, spot.tree, {spot.path: row})
    if after == before:
        return Result(step=step, state="kept")
    told = os.stat(path)
    target = restore.Target(
        path=path,
        hash=of_pieces([after], "sha256"),
        mode=told.st_mode & 0o7777,
        time=told.st_mtime_ns,
    )
    restore.write_bytes(target, after, work.shop(step))
    return Result(step=step, state="done")


_DEEDS: dict[str, Callable[[Step, _Work], Result]] = {
    "restore": _restore,
    "relink": _relink,
    "detach": _detach,
    "remove": _remove,
    "record": _put_row_back,
}


def _forget_bytecode(path: str) -> None:
    """Python compares the time in seconds and the size only: edits may be in the bytecode still."""
    directory, name = os.path.split(path)
    stem, suffix = os.path.splitext(name)
    if suffix != ".py":
        return
    compiled = os.path.join(directory, "__pycache__")
    with contextlib.suppress(OSError):
        for entry in os.listdir(compiled):
            if entry.startswith(f"{stem}.") and entry.endswith(".pyc"):
                with contextlib.suppress(OSError):
                    os.unlink(os.path.join(compiled, entry))
