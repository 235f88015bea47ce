"""From damages to steps. Nothing here touches the machine.

1. A RECORD that is damaged is put back first: what its files should be is known only then.
2. In caches the original is written as a new file. Where one file had several names in one cache
   (uv's `files-v0`), the others become names of the new one.
3. Environments take what the restored cache has, each in its own way.
4. An environment whose edits are intended keeps them, with an inode of its own.
5. A file that is in no RECORD may be the only good copy of something: it is never removed from a
   cache, and from an environment only when asked for, and when its wheel is known not to have it.
"""

from __future__ import annotations

import os
from types import MappingProxyType
from typing import TYPE_CHECKING

from uvx_policy.installed import record
from uvx_policy.installed.finding import INTENDED
from uvx_policy.installed.hash import NO_HASH
from uvx_policy.machine.policy import Policy
from uvx_policy.repair.model import Step

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from uvx_policy.repair.model import Action, Damage, Location

#: what comes first within caches, and within environments
_ORDER: tuple[Action, ...] = (
    "fetch", "record", "restore", "relink", "detach", "remove", "reinstall", "leave",
)  # fmt: skip


def make_plan(
    damages: Sequence[Damage],
    policies: Mapping[str, Policy],
    *,
    also_hackable: bool = False,
    remove_extra: bool = False,
    fetched: Mapping[str, str] = MappingProxyType({}),
) -> list[Step]:
    """What to do, in this order.

    `policies`: absolute path of an environment -> its policy. `also_hackable`: restore edits also
    where they are intended. `remove_extra`: remove files that are in no RECORD from environments.
    `fetched`: distribution that uv was asked for -> why it could not be had, "" when it could. What
    is needed and not in there is fetched; steps that wait for it have no `original`.
    """
    planner = _Planner(policies, fetched, also_hackable=also_hackable, remove_extra=remove_extra)
    return planner.plan(damages)


class _Planner:
    def __init__(
        self,
        policies: Mapping[str, Policy],
        fetched: Mapping[str, str],
        *,
        also_hackable: bool,
        remove_extra: bool,
    ) -> None:
        self._policies = policies
        self._fetched = fetched
        self._also_hackable = also_hackable
        self._remove_extra = remove_extra

    def plan(self, damages: Sequence[Damage]) -> list[Step]:
        steps: dict[tuple[str, str], Step] = {}
        for damage in damages:
            for step in self._steps(damage):
                # A path is in several damages when its findings name each other.
                key = key_of(step)
                if key not in steps or steps[key].action == "leave":
                    steps[key] = step
        # One RECORD is written once: as a whole, or its rows.
        whole = {
            step.location.path
            for step in steps.values()
            if step.action == "record" and not step.hash
        }
        return sorted(
            (
                step
                for step in steps.values()
                if step.action != "record" or not step.hash or step.location.path not in whole
            ),
            key=lambda step: (
                step.action != "fetch",
                not step.location.in_cache,
                _ORDER.index(step.action),
            ),
        )

    def _steps(self, damage: Damage) -> Iterator[Step]:
        if damage.because:
            yield _step(damage, damage.locations[0], "leave", because=damage.because)
        elif damage.finding.state == "extra":
            yield from self._of_extra(damage)
        elif damage.finding.state == "record":
            yield from self._of_record(damage)
        elif damage.original is not None:
            yield from self._in_caches(damage)
            yield from self._in_environments(damage)
        elif self._may_fetch(damage) and (self._wanted(damage) or _in_caches(damage)):
            yield self._fetch(damage)
            yield from self._in_caches(damage)
            yield from self._in_environments(damage)
        else:
            yield from self._without_original(damage)

    # Files ---------------------------------------------------------------------------------------

    def _in_caches(self, damage: Damage) -> Iterator[Step]:
        first: dict[tuple[str, tuple[int, int] | None], Location] = {}
        for location in _in_caches(damage):
            key = (location.owner, location.identity)
            if location.identity is None or key not in first:
                first[key] = location
                yield _step(damage, location, "restore")
            else:
                again = location.replace(ways=("hardlink", "copy"))
                yield _step(damage, again, "relink", source=first[key].path)
            if location.contradicts:
                yield _row_of(damage, location)

    def _in_environments(self, damage: Damage) -> Iterator[Step]:
        for location in damage.locations:
            # A symbolic link into a cache is restored there.
            if location.in_cache or location.follows:
                continue
            if self._keeps(location):
                if location.shared:
                    yield self._kept(damage, location, "detach")
                elif location.path == damage.finding.path:
                    yield self._kept(damage, location, "leave")
                continue
            source = _source_for(location, damage)
            if source and location.ways != ("copy",):
                yield _step(damage, location, "relink", source=source)
            else:
                yield _step(damage, location, "restore")
            if location.contradicts:
                yield _row_of(damage, location)

    def _without_original(self, damage: Damage) -> Iterator[Step]:
        """What uv fetched has other content, or could not be had: at best uv can reinstall."""
        location = damage.locations[0]
        wanted = self._wanted(damage)
        if self._keeps(location):
            yield self._kept(damage, location, "leave")
        elif because := self._why_not_fetched(damage):
            yield _step(damage, location, "leave", because=because)
        elif not wanted:
            because = "the package that uv fetched has other content"
            yield _step(damage, location, "leave", because=because)
        else:
            caches = [each.owner for each in damage.locations if each.in_archive]
            for each in wanted:
                yield _step(damage, each, "reinstall", source=next(iter(caches), ""))

    def _of_extra(self, damage: Damage) -> Iterator[Step]:
        location = damage.locations[0]
        if location.in_cache:
            because = "it is not in any RECORD; in a cache it is presumed to belong to the wheel"
            yield _step(damage, location, "leave", because=because)
        elif not self._remove_extra:
            because = "it is not in any RECORD; it may be yours"
            yield _step(damage, location, "leave", because=because)
        elif self._keeps(location):
            yield self._kept(damage, location, "leave")
        elif not damage.is_unknown:
            yield _step(damage, location, "remove")
        elif self._may_fetch(damage):
            yield self._fetch(damage)
            yield _step(damage, location, "remove")
        elif because := self._why_not_fetched(damage):
            because = f"its wheel, which may have it, cannot be fetched: {because}"
            yield _step(damage, location, "leave", because=because)
        else:
            yield _step(damage, location, "remove")

    # RECORDs -------------------------------------------------------------------------------------

    def _of_record(self, damage: Damage) -> Iterator[Step]:
        location = damage.locations[0]
        if damage.original is not None:
            yield _step(damage, location, "record")
        elif self._may_fetch(damage):
            yield self._fetch(damage)
            yield _step(damage, location, "record")
        elif because := self._why_not_fetched(damage):
            yield _step(damage, location, "leave", because=because)
        elif location.in_cache:
            because = "the package that uv fetched has other files"
            yield _step(damage, location, "leave", because=because)
        elif self._keeps(location):
            yield self._kept(damage, location, "leave")
        else:
            yield _step(damage, location, "reinstall")

    # Fetching ------------------------------------------------------------------------------------

    def _may_fetch(self, damage: Damage) -> bool:
        return bool(damage.finding.version) and _distribution(damage) not in self._fetched

    def _why_not_fetched(self, damage: Damage) -> str:
        if not damage.finding.version:
            return "its original is not on this machine, and its version is not known"
        return self._fetched.get(_distribution(damage), "")

    def _fetch(self, damage: Damage) -> Step:
        """Best for an environment that wants it: its project says from where."""
        sites = (each for each in damage.locations if not each.in_cache)
        location = next(iter((*self._wanted(damage), *sites, *damage.locations)))
        return _step(damage, location, "fetch").replace(hash=NO_HASH, size=None)

    # Policies ------------------------------------------------------------------------------------

    def _wanted(self, damage: Damage) -> list[Location]:
        """Places in environments that are to have the original."""
        return [each for each in damage.locations if not (each.in_cache or self._keeps(each))]

    def _keeps(self, location: Location) -> bool:
        """Are edits intended there, or may they be?"""
        return not (location.in_cache or self._also_hackable) and (
            self._policies.get(location.owner, Policy()).keeps_edits
        )

    def _kept(self, damage: Damage, location: Location, action: Action) -> Step:
        policy = self._policies[location.owner]
        because = f"{policy.name} ({policy.origin})"
        step = _step(damage, location, action, because=because)
        # Where the settings cannot be read nothing is undone, and nothing is said to be intended.
        return step.replace(
            is_intended=policy.name == "hackable" and damage.finding.state in INTENDED
        )


def key_of(step: Step) -> tuple[str, str]:
    """What tells the steps of one plan apart, and finds them again in the next."""
    if step.action == "fetch":
        return "fetch", step.distribution
    if step.action == "reinstall":
        return "reinstall", step.location.dist_info
    return "", f"{step.location.path}\n{step.name if step.action == 'record' else ''}"


def _in_caches(damage: Damage) -> list[Location]:
    return [location for location in damage.locations if location.in_cache]


def _source_for(location: Location, damage: Damage) -> str:
    """The file of a cache that the one there was linked from, or may be; "" for none."""
    archives = [other for other in damage.locations if other.in_archive]
    same = [other for other in archives if other.identity == location.identity]
    for other in (*same, *archives):
        return other.path
    # A clean file of a cache: somebody replaced the file in the environment alone.
    original = damage.original
    return original.path if original is not None and original.in_cache else ""


def _row_of(damage: Damage, location: Location) -> Step:
    """Correct the one row of a RECORD that contradicts what is restored."""
    path = os.path.join(location.dist_info, record.NAME)
    row = damage.finding.row
    return _step(
        damage, location.replace(path=path, identity=None, seen=location.package), "record"
    ).replace(hash=row.hash if row is not None else NO_HASH, original=None, state="record")


def _step(
    damage: Damage, location: Location, action: Action, *, source: str = "", because: str = ""
) -> Step:
    finding = damage.finding
    row = finding.row
    return Step(
        action=action,
        location=location,
        distribution=_distribution(damage),
        name=row.path if row is not None else _below(finding.path, finding.tree.path),
        state=finding.state,
        hash=damage.hash,
        size=row.size if row is not None else None,
        original=damage.original,
        source=source,
        because=because,
    )


def _distribution(damage: Damage) -> str:
    return "-".join(filter(None, (damage.finding.distribution, damage.finding.version)))


def _below(path: str, tree: str) -> str:
    return path.removeprefix(tree).lstrip("/\\")
