"""What `linkpolicy reclaim` frees and costs, next to programs that find duplicate files: as root.

    python benchmarks/reclaim.py [--quick] [--file-systems KIND ...] [--pairs N] [--only NAME ...]
        [--settings NAME ...] [--no-seeding] [--memory-files N] [--install-peers DIR]
        [--images DIR] [--directory DIR] [--uv PATH] [--json]

Six environments of real packages and their cache are put on an ext4, a btrfs and an XFS of their
own. Every run starts from a fresh copy of that file system, and afterwards each file is compared
with what it was. README.md beside this file says what the tables mean.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import sys
import tempfile
import time
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from benchmarks import finders, harness, images, reclaim_targets, seeding, workload
from benchmarks import verify as benchmark_verify
from benchmarks.reclaim_targets import OURS, WITHIN_CACHE, Measured, Run, Setting

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from benchmarks.images import Device, Store

T = TypeVar("T")

_SETTINGS = {
    "warm": Setting(cache=True, cold=False),
    "cold": Setting(cache=True, cold=True),
    "no-cache": Setting(cache=False, cold=False),
}
#: files for the memory are as small as files of their own can be: btrfs has smaller ones inline
_TINY = 2_100


class Size(NamedTuple):
    """How much is measured."""

    packages: Mapping[str, Sequence[str]]
    #: bytes of each image, sparse
    image: int
    pairs: int
    memory_files: int


_FULL = Size(workload.PACKAGES, 6 << 30, pairs=3, memory_files=500_000)
_QUICK = Size(workload.FEW_PACKAGES, 1 << 30, pairs=2, memory_files=2_000)


class Way(NamedTuple):
    """One row of a table."""

    name: str
    words: Sequence[str]
    #: linkpolicy is told of the cache; the others have to be told to look into it
    ours: bool


def ways(kind: str, installed: str | None) -> tuple[list[Way], dict[str, str]]:
    """Those that can be measured on this kind of file system, and why others cannot."""
    reclaim = (*harness.LINKPOLICY, "reclaim", "--yes", "--no-seed")
    several = [Way(OURS, reclaim, ours=True)]
    if kind in finders.LINKING:
        several.append(Way(WITHIN_CACHE, (*reclaim, "--within-cache"), ours=True))
    missing = {}
    for finder, program in finders.found(kind, installed).items():
        if program:
            several.append(Way(finder.name, (program, *finder.words[1:]), ours=False))
        else:
            missing[finder.name] = finders.why_not(finder)
    return several, missing


class Runs:
    """Runs on copies of the images."""

    def __init__(self, store: Store, *, uv: str, scratch: str) -> None:
        self.store = store
        self.uv = uv
        self.scratch = scratch

    def run(
        self, kind: str, setting: Setting, way: Way, before: Mapping[str, workload.File]
    ) -> Run:
        """The way's first and second run on a fresh copy. Raises `BenchmarkError`."""
        with self.store.copy(kind) as device, tempfile.TemporaryDirectory(dir=self.scratch) as home:
            if not setting.cache:
                shutil.rmtree(device.below(workload.CACHE))
                before = {
                    path: file
                    for path, file in before.items()
                    if path.startswith(workload.ENVIRONMENTS)
                }
            call = self._call(way, setting, device, home)
            used = device.settled()
            images.forget()
            if not setting.cold:
                workload.read_all(device.point)
            read, _ = device.transferred()
            start = time.perf_counter()
            first = call.timed()
            read_first = device.transferred()[0] - read
            images.settle(device.point)
            on_disk = (time.perf_counter() - start) * 1e3
            freed = used - device.settled()
            if setting.cold:
                images.forget()
            read, _ = device.transferred()
            again = call.timed()
            read_again = device.transferred()[0] - read
            checked = workload.check(device.point, before)
        return Run(first, on_disk, again, freed, read_first, read_again, checked)

    def peak(self, kind: str, way: Way) -> int:
        """Bytes that the way has at most, with the cache. Raises `BenchmarkError`."""
        with self.store.copy(kind) as device, tempfile.TemporaryDirectory(dir=self.scratch) as home:
            setting = Setting(cache=True, cold=False)
            return benchmark_verify.peak_memory(self._call(way, setting, device, home))

    def _call(self, way: Way, setting: Setting, device: Device, home: str) -> harness.Call:
        roots = [device.below(workload.ENVIRONMENTS)]
        environ = {
            **harness.scratch_environ(home),
            "PATH": harness.path_with(os.path.dirname(self.uv)),
        }
        if setting.cache and way.ours:
            environ["UV_CACHE_DIR"] = device.below(workload.CACHE)
        elif setting.cache:
            roots.insert(0, device.below(workload.CACHE))
        return harness.Call([*way.words, *roots], environ, self.scratch)


def measure(
    runs: Runs,
    kind: str,
    several: Sequence[Way],
    before: Mapping[str, workload.File],
    *,
    settings: Sequence[Setting],
    pairs: int,
) -> dict[Setting, dict[str, list[Run]]]:
    """All rounds on one kind of file system, in turn. What fails once is not run again."""
    found: dict[Setting, dict[str, list[Run]]] = {setting: {} for setting in settings}
    failed: set[str] = set()
    for turn in range(pairs):
        for setting in settings:
            for way in several if turn % 2 else reversed(several):
                if way.name in failed:
                    continue
                run = _tried(f"{kind}: {way.name}", partial(runs.run, kind, setting, way, before))
                if run:
                    found[setting].setdefault(way.name, []).append(run)
                    print(f"{kind}: {way.name}: {run}", file=sys.stderr)
                else:
                    failed.add(way.name)
    return {
        setting: {name: some for name, some in named.items() if name not in failed}
        for setting, named in found.items()
    }


def measure_seeding(
    seeds: seeding.Seeding, kind: str, before: Mapping[str, workload.File], *, pairs: int
) -> dict[str, list[seeding.Cost]]:
    """All rounds, in turn."""
    costs: dict[str, list[seeding.Cost]] = {name: [] for name in seeds.ways()}
    for turn in range(pairs):
        for name in costs if turn % 2 else reversed(costs):
            cost = _tried(f"{kind}: {name}", partial(seeds.measure, kind, name, before))
            if cost:
                costs[name].append(cost)
                print(f"{kind}: {name}: {cost}", file=sys.stderr)
    return {name: several for name, several in costs.items() if len(several) == pairs}


def _tried(what: str, measure: Callable[[], T]) -> T | None:
    """`None` when it fails; says so on stderr."""
    try:
        return measure()
    except harness.BenchmarkError as error:
        print(f"{what} does not work: {error}", file=sys.stderr)
        return None


# Memory ------------------------------------------------------------------------------------------


def memory(scratch: str, kind: str, *, files: int, uv: str) -> int:
    """Bytes that `linkpolicy reclaim` has at most, at so many files. Raises `BenchmarkError`."""
    with images.fresh(scratch, kind, size=files * 16_384 + (1 << 30), inodes=2 * files) as point:
        twins = [os.path.join(point, name, ".venv") for name in ("first", "second")]
        for environment in twins:
            _many(environment, files // 2)
        with tempfile.TemporaryDirectory(dir=scratch) as home:
            environ = {
                **harness.scratch_environ(home),
                "PATH": harness.path_with(os.path.dirname(uv)),
            }
            words = [*harness.LINKPOLICY, "reclaim", "--yes", "--no-seed", "--min-size", "1", point]
            used = images.used(point)
            most = benchmark_verify.peak_memory(harness.Call(words, environ, scratch))
            images.settle(point)
            if used - images.used(point) < files // 2 * _TINY:
                raise harness.BenchmarkError(f"{kind}: not all of {files} files were shared")
    return most


def _many(environment: str, files: int) -> None:
    packages = 100
    for number in range(packages):
        contents = (
            f"{number} {each}\n".encode().ljust(_TINY, b"#") for each in range(files // packages)
        )
        benchmark_verify.install(environment, f"package{number}", contents)


# The command -------------------------------------------------------------------------------------


def prepared(store: Store, size: Size, kind: str, *, uv: str, scratch: str) -> str:
    """Fill the store, as far as that is not done; the directory of `workload.install`."""
    made = os.path.join(store.path, "made")
    if not os.path.exists(made):
        new = f"{made}.new"
        shutil.rmtree(new, ignore_errors=True)
        os.mkdir(new)
        workload.install(new, size.packages, uv=uv, home=scratch)
        os.rename(new, made)
    store.fill(kind, size=size.image, with_what=lambda point: workload.copied(made, point))
    return made


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few small packages: does it work?")
    parser.add_argument("--file-systems", nargs="+", choices=images.KINDS, default=images.KINDS)
    parser.add_argument("--pairs", type=int, help="rounds, at least 2 (default 3; --quick: 2)")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="programs (ours is always run)")
    parser.add_argument("--settings", nargs="+", choices=list(_SETTINGS), default=list(_SETTINGS))
    parser.add_argument("--no-seeding", action="store_true", help="leave these rows out")
    parser.add_argument("--memory-files", type=int, help="(default 500,000; --quick: 2,000)")
    parser.add_argument("--install-peers", metavar="DIR", help="download what Debian has into DIR")
    parser.add_argument("--images", metavar="DIR", help="keep what was prepared, and take it again")
    parser.add_argument("--directory", metavar="DIR", help="scratch space: 12 GB")
    parser.add_argument("--uv", metavar="PATH", help="the real uv (default: found on PATH)")
    parser.add_argument("--json", action="store_true", help="figures for programs")
    asked = parser.parse_args()
    size = _QUICK if asked.quick else _FULL
    asked.pairs = size.pairs if asked.pairs is None else asked.pairs
    asked.memory_files = size.memory_files if asked.memory_files is None else asked.memory_files
    if asked.pairs < 2:
        parser.error("a spread needs at least 2 pairs")
    return asked


def _measured(asked: argparse.Namespace, stack: contextlib.ExitStack) -> Measured:
    uv = harness.find_uv(asked.uv)
    images.alone()
    size = _QUICK if asked.quick else _FULL
    installed = asked.install_peers and os.path.abspath(asked.install_peers)
    if installed:
        finders.install(installed)
    scratch = stack.enter_context(harness.scratch_directory(asked.directory))
    measured = Measured.none(
        {**harness.machine(uv), **finders.versions(installed), "load before": _load()}
    )
    name = "quick" if asked.quick else "full"
    kept = os.path.join(asked.images, name) if asked.images else os.path.join(scratch, "kept")
    with images.Store.opened(kept, scratch=scratch) as store:
        for kind in asked.file_systems:
            made = prepared(store, size, kind, uv=uv, scratch=scratch)
            with store.copy(kind) as device:
                before = workload.manifest(device.point)
            several, missing = ways(kind, installed)
            several = [
                way for way in several if way.ours or not asked.only or way.name in asked.only
            ]
            runs = Runs(store, uv=uv, scratch=scratch)
            measured.runs[kind] = measure(
                runs, kind, several, before,
                settings=[_SETTINGS[name] for name in asked.settings], pairs=asked.pairs,
            )  # fmt: skip
            for way in several:
                if any(way.name not in named for named in measured.runs[kind].values()):
                    missing[way.name] = "does not work here"
                else:
                    measured.peaks[kind, way.name] = runs.peak(kind, way)
            measured.missing[kind] = missing
            if not asked.no_seeding:
                seeds = seeding.Seeding(store, uv=uv, made=made, scratch=scratch)
                measured.seeding[kind] = measure_seeding(seeds, kind, before, pairs=asked.pairs)
    for kind in asked.file_systems if asked.memory_files else ():
        measured.memory[kind] = memory(scratch, kind, files=asked.memory_files, uv=uv)
    measured.about["load after"] = _load()
    return measured


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}"


def main() -> None:
    asked = _asked()
    try:
        with contextlib.ExitStack() as stack:
            measured = _measured(asked, stack)
    except harness.BenchmarkError as error:
        harness.fail(error)
    if asked.json:
        print(json.dumps(measured.as_json(), indent=2))
        return
    for title, columns, rows in measured.tables(asked.memory_files):
        harness.show(title, columns, rows, {})
    title = f"Targets, {asked.pairs} interleaved rounds: medians (quartiles)"
    if asked.quick:
        title += "; --quick is too small to judge anything"
    columns = ("", "target", "measured", "reached")
    harness.show(title, columns, reclaim_targets.rows(measured), measured.about)


if __name__ == "__main__":
    main()
