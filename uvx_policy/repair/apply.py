"""Carry steps out, one after the other; what fails is reported, and the others are done."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import TYPE_CHECKING

from uvx_policy.installed import modes, record
from uvx_policy.installed.hash import of_file, of_pieces
from uvx_policy.installed.record import BY_INSTALLERS
from uvx_policy.repair import records, restore
from uvx_policy.repair.backup import Edit, seen_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from uvx_policy.repair.backup import Seen
    from uvx_policy.repair.model import Location, Step
    from uvx_policy.repair.restore import Target

#: with one of these actions the content of a file is lost unless it is saved
REPLACES = ("restore", "relink", "remove", "record")
_READ_WRITE = 0o666
#: files of a distribution whose permissions tell those of all
_ENOUGH = 200


def edits_of(steps: Iterable[Step]) -> list[Edit]:
    """Everything that would be replaced or removed."""
    found = {}
    for step in steps:
        location = step.location
        if step.action == "record":
            name = f"{os.path.basename(location.dist_info)}/{record.NAME}"
            edit = Edit(
                path=location.path, distribution=step.distribution, name=name, state="record"
            )
            found[edit.path] = edit
        elif step.action in REPLACES and location.identity is not None and step.state != "mode":
            found[location.path] = Edit(
                path=location.path,
                distribution=step.distribution,
                name=step.name,
                state=step.state,
                original=step.original,
            )
    return list(found.values())


def apply(
    steps: Iterable[Step], seen: Mapping[str, Seen], advance: Callable[[Step], None]
) -> Iterator[Step]:
    """Do what the steps say, and give each with its result. Raises nothing of a step's.

    Fetching and reinstalling are for others. The caller holds the locks, and has saved
    `edits_of(steps)`; `seen` is what was saved. `advance` is called before each.
    """
    with restore.Workshops() as shops:
        work = _Work(shops, seen)
        for step in steps:
            if step.action == "leave":
                yield step.replace(result="kept", detail=step.because)
            elif step.action in _DEEDS:
                advance(step)
                try:
                    yield _DEEDS[step.action](step, work)
                except OSError as error:
                    yield step.replace(result="failed", detail=error.strerror or str(error))


def is_done(step: Step) -> bool:
    """Does the file system show that a step was carried out? Never raises."""
    path = step.location.path
    if step.action == "detach":
        return not restore.is_shared(path)
    if step.action == "remove":
        return not os.path.lexists(path)
    return bool(step.hash) and of_file(path, step.hash.algorithm) == step.hash


def owners(steps: Iterable[Step]) -> tuple[list[str], list[str]]:
    """The caches, and the environments, in which something would be changed."""
    changed = [step.location for step in steps if step.action in _DEEDS]
    caches = dict.fromkeys(each.owner for each in changed if each.in_cache)
    environments = dict.fromkeys(each.owner for each in changed if not each.in_cache)
    return list(caches), list(environments)


def owners_to_lock(steps: Iterable[Step]) -> Sequence[str]:
    """Real paths, each once. Caches first, as uv does it: nobody waits for each other for ever."""
    caches, environments = ({os.path.realpath(each) for each in some} for some in owners(steps))
    return [*sorted(caches), *sorted(environments - caches)]


class _Work:
    """What the steps have in common."""

    def __init__(self, shops: restore.Workshops, seen: Mapping[str, Seen]) -> None:
        self._shops = shops
        self._seen = dict(seen)
        self._permissions: dict[str, int] = {}

    def target(self, step: Step) -> Target:
        """What a file is to be. Raises `OSError` if it is not as it was when it was saved."""
        location = step.location
        self.check(location.path)
        assert step.original is not None  # noqa: S101 (a promise of the plan)
        permissions = self.permissions(location)
        return restore.Target(
            path=location.path,
            hash=step.hash,
            mode=modes.executable(permissions) if step.original.executable else permissions,
            time=_time_of_unpacking(location.dist_info),
        )

    def check(self, path: str) -> None:
        """Raises `OSError` for a file that is not as it was when it was saved."""
        if path in self._seen and self._seen[path] != seen_at(path):
            raise OSError(errno.EBUSY, "it was changed meanwhile", path)

    def wrote(self, path: str) -> None:
        """The file is now what was written."""
        if (now := seen_at(path)) is not None:
            self._seen[path] = now

    def permissions(self, location: Location) -> int:
        """The permissions of the distribution's files. Never raises."""
        if location.dist_info not in self._permissions:
            found = _permissions_of(location.dist_info, location.tree.path)
            self._permissions[location.dist_info] = found
        return self._permissions[location.dist_info]

    def shop(self, step: Step) -> str:
        """A workshop on the file system of the step's path. Raises `OSError`."""
        tree = step.location.tree
        return self._shops.at(
            tree.owner if step.location.in_cache else tree.path, step.location.path
        )


def _restore(step: Step, work: _Work) -> Step:
    assert step.original is not None  # noqa: S101 (a promise of the plan)
    restore.write(work.target(step), step.original, work.shop(step))
    _forget_bytecode(step.location.path)
    return step.replace(result="done")


def _relink(step: Step, work: _Work) -> Step:
    target = work.target(step)
    try:
        way = restore.take(target, step.source, step.location.ways, work.shop(step))
    except OSError:
        # The cache could not be restored (read-only, say): a copy of the original, then.
        if step.original is None:
            raise
        restore.write(target, step.original, work.shop(step))
        way = "copy"
    _forget_bytecode(step.location.path)
    return step.replace(result="done", detail=way)


def _detach(step: Step, work: _Work) -> Step:
    done = restore.detach(step.location.path, work.shop(step))
    return step.replace(result="done" if done else "kept", detail=step.because)


def _remove(step: Step, work: _Work) -> Step:
    restore.remove(step.location.path, work.shop(step))
    _forget_bytecode(step.location.path)
    return step.replace(result="done")


def _write_record(step: Step, work: _Work) -> Step:
    location = step.location
    work.check(location.path)
    try:
        before = record.read_at(location.path).content
        mode = os.stat(location.path).st_mode & 0o7777
    except OSError:
        before, mode = None, work.permissions(location)
    if step.hash:
        row = record.Row(step.name, step.hash, step.size)
        file = record.located(location.tree.path, step.name)
        after = before and record.corrected(before, location.tree.path, {file: row})
    else:
        assert step.original is not None  # noqa: S101 (a promise of the plan)
        after = records.rebuilt(step.original.path, location.tree, location.dist_info)
    if after is None:
        raise OSError(errno.EBUSY, "it was changed meanwhile", location.path)
    if after == before:
        return step.replace(result="kept")
    target = restore.Target(
        path=location.path,
        hash=of_pieces([after], "sha256"),
        mode=mode,
        time=_time_of_installation(location.dist_info) or _time_of_unpacking(location.dist_info),
    )
    restore.write_bytes(target, after, work.shop(step))
    work.wrote(location.path)
    return step.replace(result="done")


_DEEDS: dict[str, Callable[[Step, _Work], Step]] = {
    "restore": _restore,
    "relink": _relink,
    "detach": _detach,
    "remove": _remove,
    "record": _write_record,
}


def _permissions_of(dist_info: str, tree: str) -> int:
    """The permissions that most files of this distribution have, execution aside. Never raises.

    uv gives all files of a wheel the same: what the umask of that day left of 0666.
    """
    found = modes.usual(_some_modes(dist_info, tree))
    if found is None:
        with contextlib.suppress(OSError):
            found = os.stat(os.path.join(dist_info, "WHEEL")).st_mode & _READ_WRITE
    return (0o644 if found is None else found) | 0o600


def _some_modes(dist_info: str, tree: str) -> Iterator[int]:
    with contextlib.suppress(OSError):
        path = os.path.join(dist_info, record.NAME)
        for fields in record.read_at(path).fields[:_ENOUGH]:
            if not fields[0].startswith(".."):
                with contextlib.suppress(OSError, ValueError):
                    yield os.stat(os.path.join(tree, fields[0])).st_mode


def _time_of_unpacking(dist_info: str) -> int:
    """When the wheel was unpacked, ns since the epoch; now if that cannot be told.

    Files of a cache that are later look edited to whoever looks at times alone.
    """
    for name in ("WHEEL", "METADATA"):
        with contextlib.suppress(OSError):
            return os.stat(os.path.join(dist_info, name)).st_mtime_ns
    import time

    return time.time_ns()


def _time_of_installation(dist_info: str) -> int:
    """When RECORD was written, the last file of an installation; 0 in an archive.

    Files that are later than RECORD look edited.
    """
    times = [0]
    for name in BY_INSTALLERS:
        with contextlib.suppress(OSError):
            times.append(os.stat(os.path.join(dist_info, name)).st_mtime_ns)
    return max(times)


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
