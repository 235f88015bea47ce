"""What is to be done about damages: facts in, steps out. Nothing here touches the machine.

1. In caches the original is written as a new file. Where one file had several names in one cache
   (uv's `files-v0`), the others become names of the new one.
2. Environments take what the restored cache has, each in its own way.
3. An environment whose edits are meant keeps them, with a copy of its own.
4. What no RECORD names is removed from caches, for it would be installed everywhere; in
   environments it may be somebody's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvx_policy.installed.hash import NO_HASH
from uvx_policy.repair.model import Package, Plan, Policy, Step, Wishes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from uvx_policy.repair.model import Action, Damage, Spot

_IN_CACHE = ("archive", "store")
#: what comes first within caches, and within environments: as soon as a RECORD is right, verifying
#: tells what else was not done
_ORDER = ("record", "restore", "relink", "detach", "remove", "reinstall", "leave")


def make_plan(
    damages: Sequence[Damage],
    policies: Mapping[str, Policy],
    wishes: Wishes,
    fetched: Mapping[str, str] | None = None,
) -> Plan:
    """`policies`: absolute path of an environment -> what holds for it.

    `fetched`: release that uv was asked for -> why it could not be had, "" when it could. `None`
    before that: what has to be fetched is in the plan then, and `original` is `None` in its steps.
    """
    return _Planner(policies, wishes, fetched).plan(damages)


class _Planner:
    def __init__(
        self,
        policies: Mapping[str, Policy],
        wishes: Wishes,
        fetched: Mapping[str, str] | None,
    ) -> None:
        self._policies = policies
        self._wishes = wishes
        self._fetched = fetched

    def plan(self, damages: Sequence[Damage]) -> Plan:
        steps: dict[tuple[bool, str], Step] = {}
        fetch: dict[str, Package] = {}
        for damage in damages:
            for step in self._steps(damage):
                # A path is in several damages when its findings name each other.
                whole = step.action == "reinstall"
                key = (step.action == "record", step.spot.dist_info if whole else step.spot.path)
                if key not in steps or steps[key].action == "leave":
                    steps[key] = step
            if self._fetched is None and self._waits(damage):
                package = _package(damage, self._wanted(damage))
                fetch.setdefault(package.release, package)
        ordered = sorted(
            steps.values(),
            key=lambda step: (step.spot.kind == "site", _ORDER.index(step.action)),
        )
        return Plan(steps=tuple(ordered), fetch=tuple(fetch.values()))

    def _steps(self, damage: Damage) -> Iterator[Step]:
        if damage.is_outside:
            because = "it lies outside of its environment or archive"
            yield _step(damage, damage.spots[0], "leave", because=because)
        elif damage.finding.state == "extra":
            yield self._of_extra(damage)
        elif damage.finding.state == "record":
            yield self._of_record(damage)
        elif damage.original is not None or (self._fetched is None and self._waits(damage)):
            yield from self._in_caches(damage)
            yield from self._in_environments(damage)
        else:
            yield from self._without_original(damage)

    def _in_caches(self, damage: Damage) -> Iterator[Step]:
        first: dict[tuple[str, tuple[int, int] | None], Spot] = {}
        for spot in damage.spots:
            if spot.kind not in _IN_CACHE:
                continue
            key = (spot.owner, spot.identity)
            if spot.identity is None or key not in first:
                first[key] = spot
                yield _step(damage, spot, "restore")
            else:
                again = spot.replace(ways=("hardlink", "copy"))
                yield _step(damage, again, "relink", source=first[key].path)
            if spot.contradicts:
                yield _step(damage, spot, "record")

    def _in_environments(self, damage: Damage) -> Iterator[Step]:
        for spot in damage.spots:
            # Behind a symbolic link into a cache there is nothing to do but there.
            if spot.kind != "site" or spot.follows:
                continue
            if self._keeps(spot):
                yield self._meant(damage, spot, "detach" if spot.shared else "leave")
                continue
            source = _source_for(spot, damage)
            if source and spot.ways != ("copy",):
                yield _step(damage, spot, "relink", source=source)
            else:
                yield _step(damage, spot, "restore")
            if spot.contradicts:
                yield _step(damage, spot, "record")

    def _without_original(self, damage: Damage) -> Iterator[Step]:
        """When what uv fetched has other content, or there was nothing, only uv can help."""
        spot = damage.spots[0]
        wanted = self._wanted(damage)
        row = damage.finding.row
        if self._keeps(spot):
            yield self._meant(damage, spot, "leave")
        elif row is None or not row.hash:
            yield _step(damage, spot, "leave", because="its RECORD has no digest of it")
        elif not self._waits(damage):
            yield _step(damage, spot, "leave", because="its original is nowhere to be found")
        elif because := (self._fetched or {}).get(_package(damage, wanted).release, ""):
            yield _step(damage, spot, "leave", because=because)
        elif not wanted:
            yield _step(damage, spot, "leave", because="what uv fetched is something else")
        else:
            caches = [each.owner for each in damage.spots if each.kind == "archive"]
            for each in wanted:
                yield _step(damage, each, "reinstall", source=next(iter(caches), ""))

    def _of_extra(self, damage: Damage) -> Step:
        spot = damage.spots[0]
        if damage.is_doubtful:
            because = "its RECORD was changed; it may belong there"
            return _step(damage, spot, "leave", because=because)
        if spot.kind != "site":
            return _step(damage, spot, "remove")
        if not self._wishes.remove_extra:
            because = "no RECORD names it; it may be yours"
            return _step(damage, spot, "leave", because=because)
        if self._keeps(spot):
            return self._meant(damage, spot, "leave")
        return _step(damage, spot, "remove")

    def _of_record(self, damage: Damage) -> Step:
        spot = damage.spots[0]
        if spot.kind != "site":
            because = "only `linkpolicy cache clean` helps: uv unpacks the wheel again then"
            return _step(damage, spot, "leave", because=because)
        if self._keeps(spot):
            return self._meant(damage, spot, "leave")
        return _step(damage, spot, "reinstall")

    def _waits(self, damage: Damage) -> bool:
        """May uv know the original, and is there a use for it?"""
        row = damage.finding.row
        if damage.original is not None or damage.is_outside or row is None or not row.hash:
            return False
        in_cache = any(spot.kind in _IN_CACHE for spot in damage.spots)
        return bool(damage.finding.version) and (in_cache or bool(self._wanted(damage)))

    def _wanted(self, damage: Damage) -> list[Spot]:
        """Places in environments that shall have the original."""
        return [spot for spot in damage.spots if spot.kind == "site" and not self._keeps(spot)]

    def _keeps(self, spot: Spot) -> bool:
        """Are edits here meant?"""
        if spot.kind != "site" or self._wishes.also_hackable:
            return False
        return self._policies.get(spot.owner, Policy()).keeps_edits

    def _meant(self, damage: Damage, spot: Spot, action: Action) -> Step:
        because = self._policies.get(spot.owner, Policy()).because
        return _step(damage, spot, action, because=because).replace(meant=True)


def _source_for(spot: Spot, damage: Damage) -> str:
    """The file of a cache that `spot` was linked from, or may be linked from; "" for none."""
    archives = [other for other in damage.spots if other.kind == "archive"]
    same = [other for other in archives if other.identity == spot.identity]
    for other in (*same, *archives):
        return other.path
    # A clean file of a cache: somebody replaced the file in the environment alone.
    original = damage.original
    return original.path if original is not None and original.in_cache else ""


def _package(damage: Damage, wanted: Sequence[Spot]) -> Package:
    """What uv has to fetch, best for an environment that wants it: its project says from where."""
    sites = [spot for spot in damage.spots if spot.kind == "site"]
    spot = next(iter((*wanted, *sites)), None)
    return Package(
        name=damage.finding.distribution,
        version=damage.finding.version,
        environment=spot.owner if spot is not None else "",
        dist_info=spot.dist_info if spot is not None else damage.finding.dist_info,
    )


def _step(
    damage: Damage, spot: Spot, action: Action, *, source: str = "", because: str = ""
) -> Step:
    finding = damage.finding
    row = finding.row
    return Step(
        action=action,
        spot=spot,
        distribution="-".join(filter(None, (finding.distribution, finding.version))),
        name=row.path if row is not None else _below(finding.path, finding.tree.path),
        state=finding.state,
        hash=row.hash if row is not None else NO_HASH,
        size=row.size if row is not None else None,
        original=damage.original,
        source=source,
        because=because,
    )


def _below(path: str, tree: str) -> str:
    return path.removeprefix(tree).lstrip("/\\")
