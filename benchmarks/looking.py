"""What looking costs: `explain` and `doctor` in a large project, `status` of many environments.

    python benchmarks/looking.py [--device DIR | --image KIND] [--pairs N] [--files N]
        [--packages N] [--environments N] [--each N] [--uv PATH] [--json]

A real uv installs `--packages` generated wheels of `--files` files together through the shim, five
files to a directory, as real packages have them; files that are linked get the times that they
have when the wheels were unpacked on as many days. Of a wheel of `--each` files it makes one
environment, which is hard linked `--environments` times and remembered: that is how environments
look that uv made itself.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from benchmarks import harness, images, second_environment
from uvx_policy.installed import distributions as installed
from uvx_policy.installed import record
from uvx_policy.state import layout, register
from uvx_policy.state.register import Environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_DAY = 86400
_BARE = "bare interpreter: python -IS -c pass"
#: what the script on PATH does that an installation makes
_AS_INSTALLED = "from uvx_policy.cli import program; program()"
#: kilobytes of the process at its largest; `ru_maxrss` would count what it was started by as well
_WITH_PEAK = """
import sys
from uvx_policy import cli
code = cli.main(sys.argv[1:])
with open("/proc/self/status") as stream:
    peak = next(line for line in stream if line.startswith("VmHWM:"))
print(peak.split()[1], file=sys.stderr)
sys.exit(code)
"""


class Row(NamedTuple):
    """One command, and what was measured of it."""

    name: str
    measure: Callable[[], harness.Timing]
    #: milliseconds of wall time, 0 for none
    target: int = 0


class Machine:
    """A home in which linkpolicy is set up, and a project with a large environment."""

    def __init__(self, place: str, *, uv: str, files: int, packages: int = 1) -> None:
        """`place`: an empty directory. Raises `BenchmarkError` when anything does not work."""
        self.place = place
        self.home = os.path.join(place, "home")
        self.project = os.path.join(place, "project")
        os.makedirs(self.home)
        tree = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        self.environ = {
            **harness.scratch_environ(self.home),
            "PATH": harness.path_with(os.path.dirname(uv)),
            "PYTHONPATH": tree,
        }
        self.linkpolicy("setup", "--no-modify-path").output()
        shims = layout.shim_directory(self.environ, sys.platform)
        self.environ["PATH"] = f"{shims}{os.pathsep}{self.environ['PATH']}"
        self.shim = os.path.join(shims, "uv")
        self._install(self.project, files, packages)
        _unpacked_on_different_days(os.path.join(self.project, ".venv"))

    def linkpolicy(
        self, *words: str, before: Sequence[str] = ("-c", _AS_INSTALLED)
    ) -> harness.Call:
        """One command in the project."""
        directory = self.project if os.path.isdir(self.project) else self.home
        return harness.Call([sys.executable, *before, *words], self.environ, directory)

    def add_environments(self, count: int, *, each: int) -> None:
        """Make one environment of `each` files, and as many others that share its files."""
        first = os.path.join(self.place, "many", "0")
        self._install(first, each)
        state = layout.state_home(self.environ, sys.platform)
        for number in range(count):
            project = os.path.join(self.place, "many", str(number))
            if number:
                shutil.copytree(first, project, symlinks=True, copy_function=os.link)
            register.remember(
                state,
                Environment(
                    path=os.path.join(project, ".venv"), project=project, seen=int(time.time())
                ),
            )

    def _install(self, project: str, files: int, packages: int = 1) -> None:
        os.makedirs(project)
        wheels = os.path.join(self.place, "wheels", str(files))
        pyproject = second_environment.generated(
            wheels, files=files, megabytes=max(files // 250, 1), packages=packages, together=5
        )
        with open(os.path.join(project, "pyproject.toml"), "x", encoding="utf-8") as stream:
            stream.write(pyproject)
        words = [self.shim, "sync", "--python", sys.executable]
        told = harness.Call(words, self.environ, project).output(stream="stderr")
        if "linkpolicy: " in told:
            raise harness.BenchmarkError(f"the policy does not work here:\n{told}")


def _unpacked_on_different_days(environment: str) -> None:
    now = time.time()
    for site in installed.site_directories(environment):
        for number, distribution in enumerate(installed.distributions(site)):
            for row in record.read(distribution):
                path = record.located(site, row.path)
                if os.path.lexists(path) and os.lstat(path).st_nlink > 1:
                    os.utime(path, (now - (number + 1) * _DAY,) * 2)


# What is timed ------------------------------------------------------------------------------------


def rows(machine: Machine, *, files: int, environments: int) -> Iterator[Row]:
    """Every row, in the order of the table."""
    bare = harness.Call([sys.executable, "-IS", "-c", "pass"], machine.environ, machine.home)
    yield Row(_BARE, bare.timed)
    yield Row("linkpolicy --version", machine.linkpolicy("--version").timed)
    yield Row("linkpolicy explain", machine.linkpolicy("explain").timed, 300)
    yield Row(f"linkpolicy doctor, {files:,} files", machine.linkpolicy("doctor").timed, 300)
    many = f"linkpolicy status, {environments:,} environments"
    yield Row(f"{many}, counted", machine.linkpolicy("status", "--refresh").timed)
    yield Row(f"{many}, known", machine.linkpolicy("status").timed)


def prove(machine: Machine, *, files: int, environments: int) -> None:
    """Look whether they really look. Raises `BenchmarkError`."""
    told = json.loads(machine.linkpolicy("doctor", "--json").output())
    broken = [each["id"] for each in told["findings"] if each["status"] == "crash"]
    found = json.loads(machine.linkpolicy("status", "--json", machine.project).output())
    (here,) = found["environments"]
    known = json.loads(machine.linkpolicy("status", "--json").output())["environments"]
    bad = broken or here["edited_files"] or here["policy"] == "unknown"
    if bad or here["files"] < files or len(known) < environments:
        raise harness.BenchmarkError(
            f"not everything was looked at: {broken}, {here}, {len(known)} environments"
        )


def peaks(machine: Machine, environments: int) -> Iterator[tuple[int, int, int]]:
    """Environments, and the MB that `status` takes at most for them: counted, and known."""
    for count in (environments // 10, environments):
        roots = [os.path.join(machine.place, "many", str(number)) for number in range(count)]
        counted, known = (
            int(
                machine.linkpolicy(
                    "status", "--json", *more, *roots, before=("-c", _WITH_PEAK)
                ).output(stream="stderr")
            )
            for more in (["--refresh"], [])
        )
        yield count, round(counted / 1000), round(known / 1000)


def _cells(row: Row, timings: Sequence[harness.Timing]) -> tuple[str, ...]:
    told = []
    for values in zip(*timings, strict=True):
        series = harness.Series(values)
        low, high = series.quartiles
        told.append(f"{series.median:.0f} ({low:.0f} - {high:.0f})")
    return (row.name, *told, str(row.target or ""))


def _show(
    lines: Sequence[Row],
    found: Mapping[str, Sequence[harness.Timing]],
    memory: Sequence[tuple[int, int, int]],
    *,
    pairs: int,
    about: Mapping[str, str],
) -> None:
    harness.show(
        f"Looking: {pairs} interleaved rounds, ms, medians (quartiles)",
        ("", "wall", "CPU", "target (wall)"),
        (_cells(row, found[row.name]) for row in lines),
        about,
    )
    harness.show(
        "Memory of `linkpolicy status` at its largest, MB",
        ("", "counted", "known"),
        ((f"{count:,} environments", str(counted), str(known)) for count, counted, known in memory),
        {},
    )


def main() -> None:
    asked = _arguments()
    try:
        with contextlib.ExitStack() as stack:
            uv = harness.find_uv(asked.uv)
            scratch = stack.enter_context(harness.scratch_directory(None))
            device = asked.device
            if asked.image:
                size = 40 * asked.files * 4096 + 2**32
                device = stack.enter_context(images.fresh(scratch, asked.image, size=size))
            place = stack.enter_context(harness.scratch_directory(device))
            machine = Machine(place, uv=uv, files=asked.files, packages=asked.packages)
            machine.add_environments(asked.environments, each=asked.each)
            prove(machine, files=asked.files, environments=asked.environments)
            lines = list(rows(machine, files=asked.files, environments=asked.environments))
            found = harness.in_turn({row.name: row.measure for row in lines}, rounds=asked.pairs)
            memory = list(peaks(machine, asked.environments))
            about = {**harness.machine(uv), "device": asked.image or "as named"}
    except harness.BenchmarkError as error:
        harness.fail(error)
    if asked.json:
        told = {
            "about": about,
            "pairs": asked.pairs,
            "rows": [
                {"name": row.name, "target": row.target, "timings": found[row.name]}
                for row in lines
            ],
            "peak_mb": memory,
        }
        print(json.dumps(told, indent=2))
    else:
        _show(lines, found, memory, pairs=asked.pairs, about=about)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--device", metavar="DIR", help="all lies below DIR (default: scratch)")
    where.add_argument("--image", choices=images.KINDS, help="all lies on a fresh one, as root")
    parser.add_argument("--pairs", type=int, default=9, help="rounds, at least 2 (default 9)")
    parser.add_argument("--files", type=int, default=30_000, help="installed (default 30,000)")
    parser.add_argument("--packages", type=int, default=200, help="with them (default 200)")
    parser.add_argument("--environments", type=int, default=1000, help="for status (default 1,000)")
    parser.add_argument("--each", type=int, default=100, help="files in each of them (default 100)")
    parser.add_argument("--uv", metavar="PATH", help="the real uv (default: found on PATH)")
    parser.add_argument("--json", action="store_true", help="figures for programs")
    asked = parser.parse_args()
    if asked.pairs < 2:
        parser.error("a spread needs at least 2 pairs")
    return asked


if __name__ == "__main__":
    main()
