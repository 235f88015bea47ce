"""Carry steps out, one after the other; what fails is reported, and the others are done."""

from __future__ import annotations

import contextlib
import os
import time
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from uvx_policy.installed import modes, record
from uvx_policy.installed.hash import NO_HASH, of_file, of_pieces
from uvx_policy.installed.record import BY_INSTALLERS
from uvx_policy.repair import records
from uvx_policy.repair.backup import Edit
from uvx_policy.replace.build import Builder, Target, is_shared
from uvx_policy.replace.foreign import Foreign
from uvx_policy.replace.place import Changed, seen_at
from uvx_policy.replace.shop import Shops
from uvx_policy.verify.originals import chunks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from uvx_policy.installed.hash import Hash
    from uvx_policy.repair.model import Location, Step
    from uvx_policy.replace.place import Place, Seen

#: with one of these actions the content of a file is lost unless it is saved
REPLACES = ("restore", "apply", "relink", "remove", "record")
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
        elif _has_to_be_saved(step):
            found[location.path] = Edit(
                path=location.path,
                distribution=step.distribution,
                name=step.name,
                state=step.state,
                original=step.original,
            )
    return list(found.values())


def _has_to_be_saved(step: Step) -> bool:
    is_there = step.location.identity is not None
    return step.action in REPLACES and is_there and step.state != "mode" and not step.replaces


def apply(
    steps: Iterable[Step],
    kept: Mapping[str, Hash],
    advance: Callable[[Step], None],
    rescue: Callable[[Place, str], None],
) -> Iterator[Step]:
    """Do what the steps say, and give each with its result. Raises nothing of a step's.

    Fetching and reinstalling are for others. The caller holds the locks, and has saved
    `edits_of(steps)`; `kept`: path -> hash of what was saved. `advance` is called before each.
    `rescue(place, path)` keeps what somebody saved at a path in the very moment.
    """
    with Shops(rescue) as shops:
        work = _Work(Builder(shops), kept)
        for step in steps:
            if step.action == "leave":
                yield step.replace(result="kept", detail=step.because)
            elif step.action in _DEEDS:
                advance(step)
                try:
                    check_package(step, work.written)
                    yield _DEEDS[step.action](step, work)
                except OSError as error:
                    whose = error.uid if isinstance(error, Foreign) else 0
                    detail = error.strerror or str(error)
                    yield step.replace(result="failed", detail=detail, whose=whose)


def check_package(step: Step, written: Mapping[str, Seen | None] = MappingProxyType({})) -> None:
    """Raises `Changed` where another version was installed since the plan was made, or none.

    `written`: RECORDs that were written since -> what is there.
    """
    location = step.location
    if not location.dist_info:
        return
    path = os.path.join(location.dist_info, record.NAME)
    planned = written.get(path, location.package)
    # Without a RECORD it was removed between the look and the plan, unless that is the damage.
    is_gone = planned is None and step.action not in ("record", "reinstall")
    if is_gone or seen_at(path) != planned:
        raise Changed(path, "its package changed in the meantime")


def is_done(step: Step) -> bool:
    """Does the file system show that a step was carried out? Never raises."""
    path = step.location.path
    if step.action == "detach":
        return not is_shared(path)
    if step.action == "remove":
        return not os.path.lexists(path)
    return bool(step.hash) and of_file(path, step.hash.algorithm) == step.hash


class Divided(NamedTuple):
    """Steps by what has to be locked for them."""

    #: real paths, sorted
    caches: list[str]
    #: what is done with those locked, and what needs no lock
    first: list[Step]
    #: real path, sorted -> what is done there, by its number in the plan
    environments: dict[str, dict[int, Step]]


def divided(steps: Iterable[Step]) -> Divided:
    """Caches are locked first, as uv does it: nobody waits for each other for ever."""
    first: list[Step] = []
    caches: set[str] = set()
    environments: dict[str, dict[int, Step]] = {}
    for number, step in enumerate(steps):
        if step.action in _DEEDS and not step.location.in_cache:
            environments.setdefault(os.path.realpath(step.location.owner), {})[number] = step
            continue
        first.append(step)
        if step.action in _DEEDS:
            caches.add(os.path.realpath(step.location.owner))
    return Divided(sorted(caches), first, dict(sorted(environments.items())))


class _Work:
    """What the steps have in common."""

    def __init__(self, builder: Builder, kept: Mapping[str, Hash]) -> None:
        self.builder = builder
        self._kept = kept
        #: RECORDs that were written here -> what is there since
        self.written: dict[str, Seen | None] = {}
        self._permissions: dict[str, int] = {}

    def target(self, step: Step) -> Target:
        """What is at the path, and what may be lost of it."""
        location = step.location
        tree = location.tree
        # In a cache not within an archive: uv would install what is there with the rest.
        workplace = tree.owner if location.in_cache else tree.path
        known = step.hash if step.state == "mode" else step.replaces or NO_HASH
        return Target(
            path=location.path,
            # A bucket or a site directory that is a link leads into what is somebody else's.
            root=tree.owner,
            workplace=workplace,
            seen=self.written.get(location.path, location.seen),
            content=self._kept.get(location.path, known),
        )

    def whole(self, step: Step) -> Target:
        """The same, and what it is to be."""
        assert step.original is not None  # noqa: S101 (a promise of the plan)
        permissions = self.permissions(step.location)
        return self.target(step).replace(
            hash=step.hash,
            mode=modes.executable(permissions) if step.original.executable else permissions,
            time=_time_of_unpacking(step.location.dist_info),
        )

    def wrote(self, path: str) -> None:
        """The RECORD is now what was written."""
        self.written[path] = seen_at(path)

    def permissions(self, location: Location) -> int:
        """The permissions of the distribution's files. Never raises."""
        if location.dist_info not in self._permissions:
            found = _permissions_of(location.dist_info, location.tree.path)
            self._permissions[location.dist_info] = found
        return self._permissions[location.dist_info]


def _restore(step: Step, work: _Work) -> Step:
    assert step.original is not None  # noqa: S101 (a promise of the plan)
    target = work.whole(step)
    work.builder.write(target, chunks(step.original))
    work.builder.forget_bytecode(target)
    return step.replace(result="done")


def _apply_edit(step: Step, work: _Work) -> Step:
    assert step.original is not None  # noqa: S101 (a promise of the plan)
    # Its time is now: whoever looks at times alone is to see that it was edited.
    target = work.whole(step).replace(time=time.time_ns())
    work.builder.write(target, chunks(step.original))
    work.builder.forget_bytecode(target)
    return step.replace(result="done")


def _relink(step: Step, work: _Work) -> Step:
    target = work.whole(step)
    try:
        way = work.builder.take(target, step.source, step.location.ways)
    except Changed:
        raise
    except OSError:
        # The cache could not be restored (read-only, say): a copy of the original, then.
        if step.original is None:
            raise
        work.builder.write(target, chunks(step.original))
        way = "copy"
    work.builder.forget_bytecode(target)
    return step.replace(result="done", detail=way)


def _detach(step: Step, work: _Work) -> Step:
    done = work.builder.detach(work.target(step))
    return step.replace(result="done" if done else "kept", detail=step.because)


def _remove(step: Step, work: _Work) -> Step:
    target = work.target(step)
    work.builder.remove(target)
    work.builder.forget_bytecode(target)
    return step.replace(result="done")


def _write_record(step: Step, work: _Work) -> Step:
    location = step.location
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
        raise Changed(location.path)
    if after == before:
        return step.replace(result="kept")
    target = work.target(step).replace(
        hash=of_pieces([after], "sha256"),
        mode=mode,
        time=_time_of_installation(location.dist_info) or _time_of_unpacking(location.dist_info),
    )
    if before is not None:
        # Its rows may have been written here before, one after the other.
        target = target.replace(content=of_pieces([before], "sha256"))
    work.builder.write(target, [after])
    work.wrote(location.path)
    return step.replace(result="done")


_DEEDS: dict[str, Callable[[Step, _Work], Step]] = {
    "restore": _restore,
    "apply": _apply_edit,
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
