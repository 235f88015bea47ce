"""What the shim costs: `uv --version`, a first decision, and the same decision again.

    python benchmarks/startup.py [--pairs N] [--device DIR] [--uv PATH] [--json]

Prints one table; README.md beside this file says what each row means. Needs a real uv and `cc`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import sys
from typing import TYPE_CHECKING

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from benchmarks import harness
from uvx_policy.setup import shim_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: a command that installs nothing here but makes the policy decide everything
_SYNC = ("sync", "--frozen")

#: about as long as the pyproject.toml of a small library
_PYPROJECT = """\
[build-system]
requires = ["hatchling>=1.26"]
build-backend = "hatchling.build"

[project]
name = "measured"
version = "1.0.0"
description = "A project of ordinary size"
readme = "README.md"
requires-python = ">=3.10"
authors = [{ name = "Somebody", email = "somebody@example.org" }]
classifiers = [
  "Development Status :: 4 - Beta",
  "Programming Language :: Python :: 3 :: Only",
  "Typing :: Typed",
]
dependencies = [
  "httpx>=0.27",
  "numpy>=2",
  "pydantic>=2.8",
  "rich>=13; sys_platform != 'win32'",
]

[project.optional-dependencies]
plot = ["matplotlib>=3.9"]

[dependency-groups]
dev = ["mypy>=1.18", "pytest>=8", "ruff>=0.15"]

[project.scripts]
measured = "measured.cli:main"

[tool.uv]
package = true

[tool.pytest.ini_options]
testpaths = ["tests"]
filterwarnings = ["error"]

[tool.ruff]
line-length = 100
lint.select = ["E", "F", "I", "UP"]

[tool.linkpolicy]
fallback = "copy"
"""


class Row:
    """One line of the table."""

    def __init__(
        self,
        name: str,
        timings: Sequence[harness.Timing],
        baseline: Sequence[harness.Timing] | None = None,
        *,
        target: int | None = None,
    ) -> None:
        """`baseline`: without the shim; `target`: milliseconds that the shim may add."""
        self.name = name
        self.wall = harness.Series(tuple(timing.wall for timing in timings))
        self.cpu = harness.Series(tuple(timing.cpu for timing in timings))
        self.baseline = Row("", baseline) if baseline else None
        self.target = target

    def cells(self) -> tuple[str, ...]:
        """Return what `main` prints of it."""
        own = (self.name, _told(self.wall))
        if self.baseline is None:
            return (*own, "", "", f"{self.cpu.median:.1f}", "", "")
        return (
            *own,
            f"+{_told(self.wall.minus(self.baseline.wall))}",
            f"{self.wall.over(self.baseline.wall).median:.2f}x",
            f"{self.cpu.median:.1f}",
            f"+{self.cpu.minus(self.baseline.cpu).median:.1f}",
            f"+{self.target}" if self.target else "",
        )

    def as_dict(self) -> dict[str, object]:
        """Return what --json tells of it."""
        told: dict[str, object] = {
            "name": self.name,
            "wall": _figures(self.wall),
            "cpu": _figures(self.cpu),
        }
        if self.baseline is not None:
            told["added wall"] = _figures(self.wall.minus(self.baseline.wall))
            told["added cpu"] = _figures(self.cpu.minus(self.baseline.cpu))
            told["ratio"] = self.wall.over(self.baseline.wall).median
            told["target"] = self.target
        return told


def _told(series: harness.Series) -> str:
    low, high = series.quartiles
    return f"{series.median:.1f} ({low:.1f} - {high:.1f})"


def _figures(series: harness.Series) -> dict[str, object]:
    return {"median": series.median, "quartiles": series.quartiles}


class Bench:
    """Programs and a home in a scratch directory."""

    def __init__(self, scratch: str, uv: str) -> None:
        self.uv = uv
        self.home = os.path.join(scratch, "home")
        # uv's own cache exists on nearly every machine where the shim runs.
        os.makedirs(os.path.join(self.home, ".cache", "uv", "archive-v0"))
        self.shim = harness.put_shim(os.path.join(scratch, "shims"))
        self.stand_in = harness.compile_stand_in(os.path.join(scratch, "stand-in"), uv=uv)

    def environ(self, uv: str) -> dict[str, str]:
        """Shim first on PATH, then this uv."""
        search_path = harness.path_with(os.path.dirname(self.shim), os.path.dirname(uv))
        return {**harness.scratch_environ(self.home), "PATH": search_path}

    def version(self) -> dict[str, Callable[[], harness.Timing]]:
        """Time `uv --version`: bare interpreter, real uv, and through the shim."""
        environ = self.environ(self.uv)
        through = harness.output([self.shim, "--version"], environ)
        if through != harness.output([self.uv, "--version"], environ):
            raise harness.BenchmarkError(f"the shim does not start `{self.uv}`, but: {through}")
        python = shim_file.base_interpreter()
        return {
            "bare": lambda: harness.timed([python, "-IS", "-c", "pass"], environ),
            "real": lambda: harness.timed([self.uv, "--version"], environ),
            "shim": lambda: harness.timed([self.shim, "--version"], environ),
        }


class Project:
    """A project with an environment, and a memory of the shim's that no other project shares."""

    def __init__(self, bench: Bench, directory: str, *, state: str) -> None:
        self.bench = bench
        self.directory = directory
        self.state = state
        self.environ = {**bench.environ(bench.stand_in), "XDG_STATE_HOME": state}
        _write_project(directory)
        self.codes = self._decide()

    def alone(self) -> harness.Timing:
        """Time the stand-in without the shim."""
        return self._call(self.bench.stand_in)

    def first(self) -> harness.Timing:
        """Time the shim when it remembers nothing, not even uv's version."""
        shutil.rmtree(self.state)
        return self._call(self.bench.shim)

    def again(self) -> harness.Timing:
        """Time the shim when it remembers what the call before could tell."""
        return self._call(self.bench.shim)

    def _call(self, program: str) -> harness.Timing:
        os.chdir(self.directory)
        return harness.timed([program, *_SYNC], self.environ)

    def _decide(self) -> dict[str, str]:
        """Return what the shim decides for the link mode and the cache: reason codes.

        Raises `BenchmarkError` when it decides nothing: there would be nothing to measure.
        """
        os.chdir(self.directory)
        environ = {**self.environ, "LINKPOLICY_LOG": "debug"}
        story = harness.output([self.bench.shim, *_SYNC], environ, stream="stderr")
        found = {}
        for line in story.splitlines():
            name, _, told = line.removeprefix("linkpolicy: ").partition(": ")
            if name in ("link mode", "cache"):
                found[name] = told.partition("[")[2].partition("]")[0]
        if len(found) != 2 or not os.path.isdir(self.state):
            raise harness.BenchmarkError(f"the shim did not decide:\n{story}")
        return found


def _write_project(directory: str) -> None:
    """As a project stands after its first `uv sync`."""
    environment = os.path.join(directory, ".venv")
    os.makedirs(os.path.join(environment, "bin"))
    os.makedirs(os.path.join(environment, "lib", "python3", "site-packages"))
    os.symlink(sys.executable, os.path.join(environment, "bin", "python"))
    for path, text in (
        (os.path.join(directory, "pyproject.toml"), _PYPROJECT),
        (os.path.join(directory, "uv.lock"), "version = 1\n"),
        (os.path.join(environment, "pyvenv.cfg"), f"home = {os.path.dirname(sys.executable)}\n"),
    ):
        with open(path, "x", encoding="utf-8") as stream:
            stream.write(text)


def measure(
    scratch: str, *, uv: str, elsewhere: str | None, pairs: int
) -> tuple[list[Row], dict[str, str]]:
    """Measure all rows in one run. Return them, and what was decided for each project.

    `elsewhere`: an empty directory on another device, or `None`.
    """
    bench = Bench(scratch, uv)
    directories = {"same device": os.path.join(scratch, "project")}
    if elsewhere is not None:
        directories["other device"] = os.path.join(elsewhere, "project")
    measures = bench.version()
    decided = {}
    for where, directory in directories.items():
        project = Project(bench, directory, state=os.path.join(scratch, f"state, {where}"))
        decided[where] = ", ".join(project.codes.values())
        measures[f"alone, {where}"] = project.alone
        measures[f"first, {where}"] = project.first
        measures[f"again, {where}"] = project.again
    found = harness.in_turn(measures, rounds=pairs)
    rows = [
        Row("bare interpreter: python -IS -c pass", found["bare"]),
        Row("uv --version: real uv", found["real"]),
        Row("uv --version: shim", found["shim"], found["real"], target=12),
    ]
    for where in directories:
        alone = found[f"alone, {where}"]
        rows += [
            Row(f"uv sync, {where}: stand-in", alone),
            Row(f"uv sync, {where}: shim, first time", found[f"first, {where}"], alone, target=60),
            Row(f"uv sync, {where}: shim, again", found[f"again, {where}"], alone),
        ]
    return rows, decided


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=50, help="rounds, at least 2 (default 50)")
    parser.add_argument("--device", metavar="DIR", help="decide also for a project below DIR")
    parser.add_argument("--uv", metavar="PATH", help="the real uv (default: found on PATH)")
    parser.add_argument("--json", action="store_true", help="figures for programs")
    asked = parser.parse_args()
    if asked.pairs < 2:
        parser.error("a spread needs at least 2 pairs")
    try:
        with contextlib.ExitStack() as stack:
            uv = harness.find_uv(asked.uv)
            scratch = stack.enter_context(harness.scratch_directory(None))
            elsewhere = None
            if asked.device:
                elsewhere = stack.enter_context(harness.scratch_directory(asked.device))
            about = harness.machine(uv)
            rows, decided = measure(scratch, uv=uv, elsewhere=elsewhere, pairs=asked.pairs)
    except harness.BenchmarkError as error:
        harness.fail(error)
    if asked.json:
        told = {
            "about": about,
            "pairs": asked.pairs,
            "decided": decided,
            "rows": [row.as_dict() for row in rows],
        }
        print(json.dumps(told, indent=2))
    else:
        harness.show(
            f"What the shim costs: {asked.pairs} interleaved rounds, ms, medians (quartiles)",
            ("", "wall", "added by the shim", "ratio", "CPU", "added", "target"),
            (row.cells() for row in rows),
            {**about, **{f"decided on {where}:": told for where, told in decided.items()}},
        )


if __name__ == "__main__":
    main()
