"""What the shims cost beside uv alone and beside others of their kind: time and instructions.

    python benchmarks/startup.py [--pairs N] [--install-peers DIR] [--device DIR] [--uv PATH]
                                 [--json]

Prints three tables; README.md beside this file says what each row means. Needs a real uv and `cc`,
for the instructions also valgrind, for the mounts root.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from benchmarks import harness, instructions, peers
from benchmarks.project import SYNC, Decided, Replayed, write_project
from uvx_policy.setup import interpreter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_REAL = "uv --version: real uv"

#: milliseconds; what is less is told with one digit more
_SMALL = 2

#: what is mounted, and unmounted again, for each row of the third table
_MOUNTS = 10

#: environment variables of what is measured, beside PATH
_PASSED_ON = ("HOME", "LANG", "LC_ALL", "TERM", "TMPDIR", "USER", "UV_PYTHON_DOWNLOADS")


class Line(NamedTuple):
    """A row to measure."""

    name: str
    #: how, or why not
    measure: Callable[[], harness.Timing] | str
    #: name of the row without the shim
    baseline: str = ""
    #: for people: the ratio, or the milliseconds that may be added
    target: str = ""


class Row:
    """A row that was measured."""

    def __init__(self, line: Line, found: dict[str, list[harness.Timing]]) -> None:
        """`found`: timings for the name of each line that could be measured."""
        self.name = line.name
        self.target = line.target
        self.missing = line.measure if isinstance(line.measure, str) else ""
        self.wall, self.cpu = _series(found.get(line.name, []))
        self.baseline = _series(found[line.baseline]) if line.baseline else None

    def cells(self) -> tuple[str, ...]:
        """Return what `main` prints of it."""
        if self.missing:
            return (self.name, self.missing, "", "", "", "", self.target)
        own = (self.name, _told(self.wall))
        if self.baseline is None:
            return (*own, "", "", f"{self.cpu.median:.1f}", "", "")
        wall, cpu = self.baseline
        return (
            *own,
            _told(self.wall.minus(wall), "+"),
            f"{self.wall.over(wall).median:.2f}x",
            f"{self.cpu.median:.1f}",
            f"{self.cpu.minus(cpu).median:+.1f}",
            self.target,
        )

    def as_dict(self) -> dict[str, object]:
        """Return what --json tells of it."""
        if self.missing:
            return {"name": self.name, "missing": self.missing}
        told: dict[str, object] = {
            "name": self.name,
            "wall": _figures(self.wall),
            "cpu": _figures(self.cpu),
        }
        if self.baseline is not None:
            wall, cpu = self.baseline
            told["added wall"] = _figures(self.wall.minus(wall))
            told["added cpu"] = _figures(self.cpu.minus(cpu))
            told["ratio"] = _figures(self.wall.over(wall))
            told["target"] = self.target
        return told


class Count(NamedTuple):
    """A row of the second table."""

    name: str
    #: in user mode, until it becomes uv
    instructions: int | str

    def cells(self, real: Count) -> tuple[str, ...]:
        """Return what `main` prints of it; `real` is the row of the real uv."""
        if isinstance(self.instructions, str) or isinstance(real.instructions, str):
            return (self.name, str(self.instructions), "")
        share = f"{self.instructions / real.instructions:.1%}"
        return (self.name, f"{self.instructions:,}", share)


def _series(timings: Sequence[harness.Timing]) -> tuple[harness.Series, harness.Series]:
    return (
        harness.Series(tuple(timing.wall for timing in timings)),
        harness.Series(tuple(timing.cpu for timing in timings)),
    )


def _told(series: harness.Series, sign: str = "") -> str:
    """`sign` is "+" for what is added, which may be less than nothing where nothing is added."""
    low, high = series.quartiles
    digits = 2 if series.median < _SMALL else 1
    return f"{series.median:{sign}.{digits}f} ({low:.{digits}f} - {high:.{digits}f})"


def _figures(series: harness.Series) -> dict[str, object]:
    return {"median": series.median, "quartiles": series.quartiles}


class Missed(NamedTuple):
    """A row of the third table."""

    name: str
    calls: int
    #: calls that decided anew, or why they were not counted
    misses: int | str


class Bench:
    """Programs and a home in a scratch directory, and where the user stands."""

    def __init__(self, scratch: str, uv: str) -> None:
        self.scratch = scratch
        self.uv = uv
        self.home = self.path("home")
        # uv's own cache exists on nearly every machine where the shim runs.
        os.makedirs(os.path.join(self.home, ".cache", "uv", "archive-v0"))
        self.python = harness.put_shim(self.path("python"))
        self.native, self.why_not_native = "", ""
        try:
            self.native = harness.put_launcher(self.path("native"))
        except harness.BenchmarkError as error:
            self.why_not_native = f"not built: {str(error).splitlines()[0]}"
        self.stand_in = harness.compile_stand_in(self.path("stand-in"), uv=uv)
        self.bare_exec = harness.compile_bare_exec(self.path("bare exec"), uv=uv)
        self.project = self.path("project")
        write_project(self.project)
        self.manager = harness.put_manager(self.path("manager"), uv=uv)
        #: reason codes of what was decided, for each place
        self.decided: dict[str, str] = {}
        self._replayed: list[Replayed] = []
        self._states = 0

    def path(self, name: str) -> str:
        """Path in the scratch directory."""
        return os.path.join(self.scratch, name)

    def call(
        self, program: str, *words: str, uv: str = "", directory: str = "", state: str = ""
    ) -> harness.Call:
        """Call `program`, with its directory first on PATH and that of `uv` (the real one) next."""
        search_path = harness.path_with(os.path.dirname(program), os.path.dirname(uv or self.uv))
        scratch = harness.scratch_environ(self.home)
        # No others: RUST_BACKTRACE alone makes one of the peers ten times slower.
        environ = {name: scratch[name] for name in _PASSED_ON if name in scratch}
        environ["PATH"] = search_path
        if state:
            environ["XDG_STATE_HOME"] = state
        return harness.Call([program, *words], environ, directory or self.project)

    def decides(self, shim: str, *, uv: str, directory: str = "") -> Decided:
        """SYNC through a shim, with a state directory of its own."""
        self._states += 1
        state = self.path(f"state {self._states}")
        return Decided(self.call(shim, *SYNC, uv=uv, directory=directory, state=state), state)

    def replays(self, shim: str, *, uv: str, directory: str = "") -> Replayed:
        """SYNC through a shim that has recorded its decision."""
        replayed = Replayed(self.decides(shim, uv=uv, directory=directory))
        self._replayed.append(replayed)
        return replayed

    def prove(self) -> None:
        """Raise `BenchmarkError` unless everything that should have been replayed still is."""
        for replayed in self._replayed:
            replayed.prove()


# What is timed -----------------------------------------------------------------------------------


def _floor(bench: Bench) -> list[Line]:
    python = interpreter.base_interpreter()
    bare = bench.call(python, "-IS", "-c", "pass")
    return [Line("bare interpreter: python -IS -c pass", bare.timed)]


def _version(bench: Bench, installed: str | None) -> list[Line]:
    real = bench.call(bench.uv, "--version")
    others = peers.calls(
        bench.scratch, uv=bench.uv, project=bench.project, environ=real.environ, installed=installed
    )
    return [
        Line(_REAL, real.timed),
        _line(bench, "bare exec", bench.bare_exec),
        _line(bench, "native launcher", bench.native, target="1.10x"),
        _line(bench, "Python shim", bench.python, target="+9"),
        *(
            Line(f"uv --version: {name}", call if isinstance(call, str) else call.timed, _REAL)
            for name, call in others.items()
        ),
    ]


def _line(bench: Bench, name: str, program: str, *, target: str = "") -> Line:
    """`program --version`. Raises `BenchmarkError` when that does not come from the real uv."""
    title = f"uv --version: {name}"
    if not program:
        return Line(title, bench.why_not_native)
    call = bench.call(program, "--version")
    told = call.output()
    if told != bench.call(bench.uv, "--version").output():
        raise harness.BenchmarkError(f"{name} does not start `{bench.uv}`, but: {told}")
    return Line(title, call.timed, _REAL, target)


def _sync(bench: Bench) -> list[Line]:
    """A real uv that finds nothing to do, with the decision replayed before it."""
    alone = "uv sync: real uv"
    return [
        Line(alone, bench.call(bench.uv, *SYNC).timed),
        _replayed(bench, "uv sync: native launcher, replayed", bench.native, alone),
        _replayed(bench, "uv sync: Python shim, replayed", bench.python, alone),
    ]


def _managed(bench: Bench) -> list[Line]:
    """The same with another manager's shim in front of uv."""
    alone = "uv sync: manager's shim"
    return [
        Line(alone, bench.call(bench.manager, *SYNC).timed),
        *(
            _replayed(bench, f"{alone} behind {name}, replayed", shim, alone, target=target)
            for name, shim, target in (
                ("native launcher", bench.native, "1.20x"),
                ("Python shim", bench.python, ""),
            )
        ),
    ]


def _decisions(bench: Bench, where: str, directory: str) -> list[Line]:
    """A stand-in instead of uv, so that what is added is the shim's own work."""
    uv = bench.stand_in
    alone = f"uv sync, {where}: stand-in"
    named = f"uv sync, {where}"
    first = bench.decides(bench.python, uv=uv, directory=directory)
    bench.decided[where] = ", ".join(first.reasons().values())
    again = bench.decides(bench.python, uv=uv, directory=directory)
    again.reasons()
    lines = [
        Line(alone, bench.call(uv, *SYNC, directory=directory).timed),
        _replayed(bench, f"{named}: native launcher, replayed", bench.native, alone, directory),
        _replayed(
            bench, f"{named}: Python shim, replayed", bench.python, alone, directory, target="+9"
        ),
        Line(f"{named}: Python shim, first time", first.first, alone, "+40"),
        Line(f"{named}: Python shim, no record", again.again, alone),
    ]
    title = f"{named}: native launcher, first time"
    if not bench.native:
        return [*lines, Line(title, bench.why_not_native)]
    handed_over = bench.decides(bench.native, uv=uv, directory=directory)
    handed_over.reasons()
    return [*lines, Line(title, handed_over.first, alone)]


def _replayed(
    bench: Bench, title: str, shim: str, alone: str, directory: str = "", *, target: str = ""
) -> Line:
    if not shim:
        return Line(title, bench.why_not_native)
    uv = bench.uv
    if "stand-in" in alone:
        uv = bench.stand_in
    elif "manager" in alone:
        uv = bench.manager
    replayed = bench.replays(shim, uv=uv, directory=directory)
    return Line(title, replayed.timed, alone, target)


def measure(bench: Bench, *, elsewhere: str | None, installed: str | None, pairs: int) -> list[Row]:
    """Measure all rows in one run.

    `elsewhere`: an empty directory on another device, or `None`; `installed`: where
    `peers.install` has put its programs.
    """
    places = {"same device": bench.project}
    if elsewhere is not None:
        places["other device"] = os.path.join(elsewhere, "project")
        write_project(places["other device"])
    lines = [*_floor(bench), *_version(bench, installed), *_sync(bench), *_managed(bench)]
    for where, directory in places.items():
        lines += _decisions(bench, where, directory)
    measures = {line.name: line.measure for line in lines if not isinstance(line.measure, str)}
    found = harness.in_turn(measures, rounds=pairs)
    bench.prove()
    return [Row(line, found) for line in lines]


# What is counted ---------------------------------------------------------------------------------


def count(bench: Bench) -> list[Count]:
    """Instructions, the real uv's first."""
    why_not = instructions.why_not()
    native = ""
    if bench.native and not why_not:
        # What is installed has no symbols, by which its execve is found.
        native = harness.put_launcher(bench.path("symbols"), symbols=True)
    shims = {"native launcher": native, "Python shim": bench.python}
    programs = {"real uv": bench.uv, "bare exec": bench.bare_exec, **shims}
    counts = []
    for name, program in programs.items():
        told: int | str = why_not or bench.why_not_native
        if program and not why_not:
            told = _counted(bench.call(program, "--version"), harness.Call.output)
        counts.append(Count(f"uv --version: {name}", told))
    for name, shim in shims.items():
        told = why_not or bench.why_not_native
        if shim and not why_not:
            replayed = bench.replays(shim, uv=bench.stand_in)
            told = _counted(replayed.call, replayed.planted)
        counts.append(Count(f"uv sync: {name}, replayed", told))
    return counts


def _counted(call: harness.Call, run: Callable[[harness.Call], object]) -> int | str:
    try:
        return instructions.count(call, run)
    except harness.BenchmarkError as error:
        return f"not counted: {str(error).splitlines()[0]}"


# What is mounted elsewhere ------------------------------------------------------------------------


def miss(bench: Bench) -> list[Missed]:
    """Count how many calls decide anew when something was mounted, or unmounted, before each."""
    point = bench.path("elsewhere")
    os.mkdir(point)
    rows = []
    for name, shim in {"native launcher": bench.native, "Python shim": bench.python}.items():
        told: int | str = bench.why_not_native
        if shim:
            replayed = bench.replays(shim, uv=bench.stand_in)
            try:
                told = replayed.misses(_mounts(point))
            except OSError as error:
                told = f"not counted: {error}"
        rows.append(Missed(f"uv sync: {name}", 2 * _MOUNTS, told))
    return rows


def _mounts(point: str) -> Iterator[None]:
    for _ in range(_MOUNTS):
        for words in (("mount", "-t", "tmpfs", "none", point), ("umount", point)):
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            if done.returncode:
                raise OSError(done.stderr.strip())
            yield


def main() -> None:
    asked = _arguments()
    try:
        with contextlib.ExitStack() as stack:
            uv = harness.find_uv(asked.uv)
            installed = asked.install_peers and os.path.abspath(asked.install_peers)
            if installed:
                peers.install(installed)
            about = {**harness.machine(uv), **peers.versions(installed)}
            scratch = stack.enter_context(harness.scratch_directory(None))
            elsewhere = None
            if asked.device:
                elsewhere = stack.enter_context(harness.scratch_directory(asked.device))
            bench = Bench(scratch, uv)
            rows = measure(bench, elsewhere=elsewhere, installed=installed, pairs=asked.pairs)
            counts = count(bench)
            missed = miss(bench)
    except harness.BenchmarkError as error:
        harness.fail(error)
    if asked.json:
        told = {
            "about": about,
            "pairs": asked.pairs,
            "decided": bench.decided,
            "rows": [row.as_dict() for row in rows],
            "instructions": [row._asdict() for row in counts],
            "mounts": [row._asdict() for row in missed],
        }
        print(json.dumps(told, indent=2))
        return
    decided = {f"decided on {where}:": told for where, told in bench.decided.items()}
    harness.show(
        f"Time: {asked.pairs} interleaved rounds, ms, medians (quartiles)",
        ("", "wall", "added", "ratio", "CPU", "added", "target"),
        (row.cells() for row in rows),
        {**about, **decided},
    )
    harness.show(
        "Instructions in user mode, until it becomes uv",
        ("", "instructions", "of the real uv's"),
        (row.cells(counts[0]) for row in counts),
        {},
    )
    harness.show(
        "Calls that decide anew, when before each something is mounted or unmounted elsewhere",
        ("", "calls", "decided anew"),
        ((row.name, str(row.calls), str(row.misses)) for row in missed),
        {},
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=200, help="rounds, at least 2 (default 200)")
    parser.add_argument(
        "--install-peers",
        metavar="DIR",
        help="download other shims into DIR (npm, apt-get) unless they are there, and time them",
    )
    parser.add_argument("--device", metavar="DIR", help="decide also for a project below DIR")
    parser.add_argument("--uv", metavar="PATH", help="the real uv (default: found on PATH)")
    parser.add_argument("--json", action="store_true", help="figures for programs")
    asked = parser.parse_args()
    if asked.pairs < 2:
        parser.error("a spread needs at least 2 pairs")
    return asked


if __name__ == "__main__":
    main()
