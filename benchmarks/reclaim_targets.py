"""What was measured of `linkpolicy reclaim`, as tables, and held against its targets."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks import harness, seeding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmarks import workload

OURS = "linkpolicy reclaim"
WITHIN_CACHE = "linkpolicy reclaim --within-cache"
_MEGABYTE = 1_000_000
_OWN = (OURS, WITHIN_CACHE)
_MEMORY = 150
#: a finder that leaves more than this of what another one frees is not the best, however fast
_MOST = 0.9
#: of what a first run reads: RECORDs and inodes
_LOOKED_AT = 0.1


_FINDER_COLUMNS = (
    "", "wall", "on disk", "CPU", "wall, cold", "CPU, cold", "second: wall", "CPU",
    "MB read, cold", "MB freed", "MB freed, no cache", "MB memory", "broken",
)  # fmt: skip
_SEEDING_COLUMNS = ("", "wall", "CPU", "MB written", "MB more in use", "archives", "broken")


class Setting(NamedTuple):
    """From which state a run starts."""

    #: one lies on the device
    cache: bool
    #: nothing is in memory
    cold: bool


class Run(NamedTuple):
    """One program on a fresh copy of an image, and once more."""

    first: harness.Timing
    #: milliseconds until what the first run did is written
    on_disk: float
    again: harness.Timing
    #: bytes, by statvfs(3)
    freed: int
    #: bytes that they read from the device
    read_first: int
    read_again: int
    checked: workload.Checked


class Measured(NamedTuple):
    """All of it; the keys are kinds of file systems."""

    about: dict[str, str]
    runs: dict[str, dict[Setting, dict[str, list[Run]]]]
    #: name -> why there are no figures
    missing: dict[str, dict[str, str]]
    seeding: dict[str, dict[str, list[seeding.Cost]]]
    #: bytes, at many files
    memory: dict[str, int]
    #: bytes, by kind and name
    peaks: dict[tuple[str, str], int]

    @classmethod
    def none(cls, about: dict[str, str]) -> Measured:
        """To be filled."""
        return cls(about, {}, {}, {}, {}, {})

    def series(
        self,
        kind: str,
        name: str,
        pick: Callable[[Run], float],
        *,
        cache: bool = True,
        cold: bool = False,
    ) -> harness.Series | None:
        """One figure of each round; `None` when it was not measured."""
        runs = self.runs.get(kind, {}).get(Setting(cache, cold), {}).get(name)
        return harness.Series(tuple(map(pick, runs))) if runs else None

    def finders(self, kind: str, *, cache: bool = True, cold: bool = False) -> list[str]:
        """Those that were measured, ours left out."""
        names = self.runs.get(kind, {}).get(Setting(cache, cold), {})
        return [name for name in names if name not in _OWN]

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "about": self.about,
            "runs": [
                {"file_system": kind, **setting._asdict(), "name": name, "runs": _plain(runs)}
                for kind, settings in self.runs.items()
                for setting, named in settings.items()
                for name, runs in named.items()
            ],
            "missing": self.missing,
            "seeding": {
                kind: {name: _plain(costs) for name, costs in named.items()}
                for kind, named in self.seeding.items()
            },
            "memory": self.memory,
            "peaks": [[*key, most] for key, most in self.peaks.items()],
            "targets": [row._asdict() for row in targets(self)],
        }

    def tables(self, files: int) -> Iterator[tuple[str, Sequence[str], list[Sequence[str]]]]:
        """Title, columns, rows."""
        for kind in self.runs:
            title = f"{kind}: seconds, medians (quartiles)"
            yield title, _FINDER_COLUMNS, list(self._finder_rows(kind))
        for kind, named in self.seeding.items():
            seeded = [_seeding_row(name, costs) for name, costs in named.items()]
            yield f"{kind}: a cache for a device that has none", _SEEDING_COLUMNS, seeded
        if self.memory:
            told: list[Sequence[str]] = [
                (kind, f"{most / _MEGABYTE:,.0f}") for kind, most in self.memory.items()
            ]
            yield "Memory", (f"all processes, {files:,} files", "MB"), told

    def _finder_rows(self, kind: str) -> Iterator[Sequence[str]]:
        warm = self.runs[kind].get(Setting(cache=True, cold=False), {})
        for name in sorted(warm, key=lambda name: name not in _OWN):
            figures: tuple[tuple[Callable[[Run], float], float, bool, bool], ...] = (
                (_wall, 1e3, True, False), (_on_disk, 1e3, True, False), (_cpu, 1e3, True, False),
                (_wall, 1e3, True, True), (_cpu, 1e3, True, True),
                (_wall_again, 1e3, True, False), (_cpu_again, 1e3, True, False),
                (_read_again, _MEGABYTE, True, True),
                (_freed, _MEGABYTE, True, False), (_freed, _MEGABYTE, False, False),
            )  # fmt: skip
            cells = [
                _cell(self.series(kind, name, pick, cache=cache, cold=cold), unit)
                for pick, unit, cache, cold in figures
            ]
            memory = self.peaks.get((kind, name), 0) / _MEGABYTE
            broken = {
                str(run.checked)
                for named in self.runs[kind].values()
                for run in named.get(name, ())
            }
            yield (name, *cells, f"{memory:,.0f}", "; ".join(sorted(broken)))
        for name, why in self.missing.get(kind, {}).items():
            yield (name, why, *[""] * 11)


def _plain(rows: Sequence[Any]) -> list[dict[str, Any]]:
    return [
        {
            name: value._asdict() if hasattr(value, "_asdict") else value
            for name, value in row._asdict().items()
        }
        for row in rows
    ]


def _wall(run: Run) -> float:
    return run.first.wall


def _on_disk(run: Run) -> float:
    return run.on_disk


def _cpu(run: Run) -> float:
    return run.first.cpu


def _wall_again(run: Run) -> float:
    return run.again.wall


def _cpu_again(run: Run) -> float:
    return run.again.cpu


def _read_first(run: Run) -> float:
    return run.read_first


def _read_again(run: Run) -> float:
    return run.read_again


def _freed(run: Run) -> float:
    return run.freed


def _cell(series: harness.Series | None, unit: float) -> str:
    if series is None:
        return ""
    low, high = series.quartiles
    digits = 0 if series.median / unit >= 100 else 2
    return (
        f"{series.median / unit:,.{digits}f} ({low / unit:,.{digits}f} - {high / unit:,.{digits}f})"
    )


def _seeding_row(name: str, costs: Sequence[seeding.Cost]) -> Sequence[str]:
    picked = (
        ([cost.wall for cost in costs], 1e3), ([cost.cpu for cost in costs], 1e3),
        ([cost.written for cost in costs], _MEGABYTE), ([cost.used for cost in costs], _MEGABYTE),
    )  # fmt: skip
    cells = [_cell(harness.Series(tuple(values)), unit) for values, unit in picked]
    broken = "; ".join(sorted({str(cost.checked) for cost in costs}))
    return (name, *cells, f"{costs[-1].archives:,}", broken)


# Targets ------------------------------------------------------------------------------------------


class Target(NamedTuple):
    """One row of what has to be reached."""

    what: str
    target: str
    measured: str
    #: `None`: cannot be told
    reached: bool | None


def rows(measured: Measured) -> list[Sequence[str]]:
    """For a table."""
    words = {True: "yes", False: "no", None: "?"}
    return [(*row[:3], words[row.reached]) for row in targets(measured)]


def targets(measured: Measured) -> Iterator[Target]:
    """All of them, also those that were not measured."""
    for kind, other, factor in (
        ("btrfs", "jdupes -B", 2.0), ("btrfs", "oans", 3.5),
        ("xfs", "jdupes -B", 1.25), ("xfs", "oans", 2.0),
    ):  # fmt: skip
        yield _less(measured, f"{kind} first run, CPU", kind, other, factor, _cpu)
    yield _less(measured, "ext4 warm, wall", "ext4", "hardlink", 1.5, _wall)
    yield _less(measured, "ext4 warm, CPU", "ext4", "hardlink", 1 / 1.1, _cpu)
    for kind, factor in (("ext4", 2.0), ("btrfs", 2.0), ("xfs", 1.3)):
        best = _fastest(measured, kind)
        yield _less(measured, f"{kind} cold, wall", kind, best, factor, _wall, cold=True)
    for kind in ("btrfs", "xfs"):
        yield _less(measured, f"{kind} second run, CPU", kind, "jdupes -B", 5.0, _cpu_again)
    for kind in ("ext4", "btrfs", "xfs"):
        yield _read_less(measured, kind)
    for kind, name, part in (
        ("ext4", OURS, 0.97), ("ext4", WITHIN_CACHE, 0.995), ("btrfs", OURS, 0.995),
        ("xfs", OURS, 0.995),
    ):  # fmt: skip
        for cache in (True, False) if name == OURS else (True,):
            yield _most_freed(measured, kind, name, part, cache=cache)
    for kind in ("ext4", "btrfs", "xfs"):
        yield _written(measured, kind)
    yield _reinstalled(measured)
    for kind in ("ext4", "btrfs", "xfs"):
        most = measured.memory.get(kind)
        told = "not measured" if most is None else f"{most / _MEGABYTE:,.0f} MB"
        reached = None if most is None else most < _MEMORY * _MEGABYTE
        yield Target(f"{kind} memory, many files", f"below {_MEMORY} MB", told, reached)
    yield from _broken(measured)


def _less(
    measured: Measured,
    what: str,
    kind: str,
    other: str,
    factor: float,
    pick: Callable[[Run], float],
    *,
    cold: bool = False,
) -> Target:
    """How many times less than another program."""
    target = (
        f"{factor:.2f}x less than {other}" if factor > 1 else f"at most {1 / factor:.2f}x {other}"
    )
    ours = measured.series(kind, OURS, pick, cold=cold)
    theirs = measured.series(kind, other, pick, cold=cold)
    if ours is None or theirs is None:
        return Target(what, target, _why(measured, kind, other if theirs is None else OURS), None)
    ratio = theirs.over(ours) if factor > 1 else ours.over(theirs)
    low, high = ratio.quartiles
    seconds = f"{ours.median / 1e3:.2f} s, {theirs.median / 1e3:.2f} s"
    told = f"{ratio.median:.2f}x ({low:.2f} - {high:.2f}): {seconds}"
    reached = ratio.median >= factor if factor > 1 else ratio.median <= 1 / factor
    return Target(what, target, told, reached)


def _why(measured: Measured, kind: str, name: str) -> str:
    return measured.missing.get(kind, {}).get(name, "not measured")


def _fastest(measured: Measured, kind: str) -> str:
    """The finder that takes least when nothing is in memory, of those that free most of it."""
    walls = {}
    freed = {}
    for name in measured.finders(kind, cold=True):
        wall = measured.series(kind, name, _wall, cold=True)
        less = measured.series(kind, name, _freed, cold=True)
        if wall and less:
            walls[name], freed[name] = wall.median, less.median
    able = [name for name in walls if freed[name] >= _MOST * max(freed.values())]
    return min(able, key=walls.__getitem__, default="the best finder")


def _read_less(measured: Measured, kind: str) -> Target:
    """What lies in the files must not be read again, only RECORDs and inodes."""
    what, target = f"{kind} second run, read cold", f"{_LOOKED_AT:.0%} of the first run"
    first = measured.series(kind, OURS, _read_first, cold=True)
    again = measured.series(kind, OURS, _read_again, cold=True)
    if first is None or again is None:
        return Target(what, target, _why(measured, kind, OURS), None)
    part = again.over(first).median
    told = f"{part:.1%}: {again.median / _MEGABYTE:,.0f} of {first.median / _MEGABYTE:,.0f} MB"
    return Target(what, target, told, part <= _LOOKED_AT)


def _most_freed(measured: Measured, kind: str, name: str, part: float, *, cache: bool) -> Target:
    where = "" if cache else ", no cache"
    option = name.removeprefix(OURS)
    what, target = f"{kind} freed{option}{where}", f"{part:.1%} of the best finder"
    ours = measured.series(kind, name, _freed, cache=cache)
    others = {
        other: series.median
        for other in measured.finders(kind, cache=cache)
        if (series := measured.series(kind, other, _freed, cache=cache))
    }
    if ours is None or not others:
        return Target(what, target, _why(measured, kind, name), None)
    best = max(others, key=others.__getitem__)
    ratio = ours.median / others[best]
    told = f"{ratio:.1%}: {ours.median / _MEGABYTE:,.1f} MB, {best} {others[best] / _MEGABYTE:,.1f}"
    return Target(what, target, told, ratio >= part)


def _written(measured: Measured, kind: str) -> Target:
    what, target = f"{kind} seed, bytes written", "2% of cp -a"
    costs = measured.seeding.get(kind, {})
    if seeding.SEED not in costs or seeding.COPY not in costs:
        return Target(what, target, "not measured", None)
    used, copied, written, all_of_it = (
        statistics.median(getattr(cost, figure) for cost in costs[way])
        for figure in ("used", "written")
        for way in (seeding.SEED, seeding.COPY)
    )
    told = (
        f"{written / all_of_it:.1%} of what the device took ({written / _MEGABYTE:,.1f} MB), "
        f"{used / copied:.1%} of what it lost ({used / _MEGABYTE:,.1f} MB)"
    )
    return Target(what, target, told, written / all_of_it <= 0.02)


def _reinstalled(measured: Measured) -> Target:
    what, target = "ext4 seed and reclaim, CPU", "at most cp -a, uv pip install --reinstall"
    costs = measured.seeding.get("ext4", {})
    if seeding.RECLAIM not in costs or seeding.REINSTALL not in costs:
        return Target(what, target, "not measured", None)
    ours, theirs = (
        harness.Series(tuple(cost.cpu for cost in costs[way]))
        for way in (seeding.RECLAIM, seeding.REINSTALL)
    )
    ratio = ours.over(theirs)
    told = f"{ratio.median:.2f}x: {ours.median / 1e3:.2f} s, {theirs.median / 1e3:.2f} s"
    return Target(what, target, told, ratio.median <= 1)


def _broken(measured: Measured) -> Iterator[Target]:
    for figure, what in (
        ("stale", "stale .pyc"), ("changed", "files changed"), ("missing", "files missing"),
    ):  # fmt: skip
        by_name: dict[str, int] = {}
        for settings in measured.runs.values():
            for named in settings.values():
                for name, runs in named.items():
                    worst = max(getattr(run.checked, figure) for run in runs)
                    by_name[name] = max(worst, by_name.get(name, 0))
        ours = [by_name.pop(name) for name in _OWN if name in by_name]
        others = ", ".join(f"{name} {count:,}" for name, count in by_name.items() if count)
        if ours:
            told = f"{max(ours)}; {others or 'others 0 as well'}"
            yield Target(what, "0", told, max(ours) == 0)
        else:
            yield Target(what, "0", "not measured", None)
