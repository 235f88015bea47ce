"""How fast `linkpolicy verify` is: against sha256sum on all processors, and against itself.

    python benchmarks/verify.py [--pairs N] [--files N] [--megabytes N] [--environment DIR]
        [--memory-files N] [--directory DIR] [--json]

Interleaved rounds over the same files, which are in memory: the first run (nothing is remembered),
`sha256sum` with one process for each processor, and the second run. Then memory, of all processes
together, at many files.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from benchmarks import harness
from uvx_policy.installed import distributions as installed
from uvx_policy.installed import record
from uvx_policy.installed.tree import trees_of_environment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_MEGABYTE = 1_000_000
_PACKAGES = 100
#: half of the files that packages of the index have are smaller than this, two thirds lie within
#: `_SPREAD` times
_TYPICAL, _SPREAD = 3_000, 5.0
#: compiled modules: what is missing of `--megabytes` lies in these
_LARGE = 20 * _MEGABYTE
_TARGET = {"first run": 0.8, "second run": 10.0}
_MEMORY_TARGET = 150
#: the second one has code for the processor's own instructions, which the first one may lack
_OTHERS = {"sha256sum": ("sha256sum",), "openssl dgst": ("openssl", "dgst", "-sha256", "-r")}


class Size(NamedTuple):
    """What there is to read."""

    files: int
    bytes: int


class Verifying:
    """`linkpolicy verify` of one environment, with a home of its own."""

    def __init__(self, environment: str, *, scratch: str) -> None:
        self.state = os.path.join(scratch, "home", ".local", "state")
        home = os.path.join(scratch, "home")
        os.makedirs(home, exist_ok=True)
        environ = {**harness.scratch_environ(home), "XDG_STATE_HOME": self.state}
        words = [*harness.LINKPOLICY, "verify", "--json", environment]
        self.call = harness.Call(words, environ, scratch)

    def first(self) -> harness.Timing:
        """With nothing remembered."""
        shutil.rmtree(self.state, ignore_errors=True)
        return self.call.timed()

    def second(self) -> harness.Timing:
        """Right after the first."""
        return self.call.timed()

    def prove(self, wanted: Size) -> None:
        """Raise `BenchmarkError` unless the first run reads all and the next one nothing."""
        shutil.rmtree(self.state, ignore_errors=True)
        read = [json.loads(self.call.output())["counts"] for _ in range(2)]
        told = [Size(each["hashed_files"], each["hashed_bytes"]) for each in read]
        if told != [wanted, Size(0, 0)]:
            raise harness.BenchmarkError(f"read {told}, not {wanted} and then nothing")


def summing(
    paths: Sequence[str], *, scratch: str, program: Sequence[str], workers: int
) -> harness.Call:
    """A program that hashes files, in one process for each processor, over the same files."""
    listed = os.path.join(scratch, "paths")
    with open(listed, "wb") as stream:
        stream.write(b"".join(os.fsencode(path) + b"\0" for path in paths))
    # As many files at once as leave none of the processes idle in the end.
    at_once = max(1, min(1000, len(paths) // (workers * 16)))
    xargs = [_found("xargs"), "-0", "-a", listed, "-P", str(workers), "-n", str(at_once)]
    return harness.Call([*xargs, _found(program[0]), *program[1:]], dict(os.environ), scratch)


def _found(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise harness.BenchmarkError(f"needs {program}")
    return path


def processors() -> int:
    """How many this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        return os.cpu_count() or 1


def hashed_files(environment: str) -> dict[str, int]:
    """Path -> bytes of every file for which a RECORD has a hash."""
    found = {}
    for tree in trees_of_environment(environment):
        for distribution in installed.distributions(tree.path):
            for row in record.read(distribution):
                if row.hash:
                    path = record.located(tree.path, row.path)
                    found[path] = os.stat(path).st_size
    return found


# An environment -----------------------------------------------------------------------------------


def generated(directory: str, size: Size) -> str:
    """Make an environment with files as large as those of real packages; its path."""
    chance = random.Random(0)  # noqa: S311 (must repeat)
    large = max(1, size.bytes // 2 // _LARGE)
    sizes = [
        min(int(chance.lognormvariate(0, 1) ** 1.6 * _TYPICAL), _MEGABYTE)
        for _ in range(max(0, size.files - large))
    ]
    rest = max(0, size.bytes - sum(sizes))
    sizes += [rest // large] * large
    chance.shuffle(sizes)
    per_package = -(-len(sizes) // _PACKAGES)
    for number in range(0, len(sizes), per_package):
        some = sizes[number : number + per_package]
        install(directory, f"package{number // per_package}", _contents(chance, some))
    return directory


def _contents(chance: random.Random, sizes: Sequence[int]) -> Iterator[bytes]:
    return (chance.randbytes(size) for size in sizes)


def many(directory: str, files: int) -> str:
    """Make an environment with so many tiny files; its path."""
    left = files
    for number in range(_PACKAGES):
        some = left // (_PACKAGES - number)
        left -= some
        install(directory, f"package{number}", (b"tiny\n" for _ in range(some)))
    return directory


def install(directory: str, package: str, files: Iterable[bytes]) -> None:
    """Put files into an environment, with their RECORD."""
    site = os.path.join(directory, "lib", "python3.12", "site-packages")
    info = os.path.join(site, f"{package}-1.0.dist-info")
    os.makedirs(info)
    rows = []
    for number, content in enumerate(files):
        name = f"{package}/part{number // 100}/module{number}.py"
        path = os.path.join(site, name)
        if number % 100 == 0:
            os.makedirs(os.path.dirname(path))
        with open(path, "xb") as stream:
            stream.write(content)
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        rows.append(f"{name},sha256={digest},{len(content)}\n")
    with open(os.path.join(info, "RECORD"), "x", encoding="utf-8") as stream:
        stream.write("".join(rows) + f"{package}-1.0.dist-info/RECORD,,\n")
    with open(os.path.join(directory, "pyvenv.cfg"), "w", encoding="utf-8") as stream:
        stream.write("home = /usr/bin\n")


# Memory ------------------------------------------------------------------------------------------


def peak_memory(call: harness.Call) -> int:
    """Bytes that a process and its children have at most, pages that they share counted once.

    Looked at again and again while it runs (PSS of proc_pid_smaps(5)). Raises `BenchmarkError`.
    """
    most = 0
    with subprocess.Popen(
        call.words, env=call.environ, cwd=call.directory, stdout=subprocess.DEVNULL
    ) as process:
        while process.poll() is None:
            most = max(most, sum(map(_shared_fairly, _family(process.pid))))
            time.sleep(0.02)
    if process.returncode:
        raise harness.BenchmarkError(f"exit code {process.returncode} of: {call.words}")
    return most


def _family(pid: int) -> Iterator[int]:
    yield pid
    with contextlib.suppress(OSError), os.scandir(f"/proc/{pid}/task") as threads:
        for thread in threads:
            with contextlib.suppress(OSError), open(f"{thread.path}/children") as stream:
                for child in stream.read().split():
                    yield from _family(int(child))


def _shared_fairly(pid: int) -> int:
    with contextlib.suppress(OSError), open(f"/proc/{pid}/smaps_rollup") as stream:
        for line in stream:
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


# The tables --------------------------------------------------------------------------------------


def times(costs: Mapping[str, Sequence[harness.Timing]], size: Size) -> Iterator[tuple[str, ...]]:
    """One row for each way."""
    series = {
        name: harness.Series(tuple(each.wall for each in several))
        for name, several in costs.items()
    }
    compared = {"first run": ("sha256sum", "sha256sum"), "second run": ("first run", "the first")}
    for name, walls in series.items():
        low, high = walls.quartiles
        cpu = harness.Series(tuple(each.cpu for each in costs[name])).median
        ratio = target = ""
        if name in compared:
            other, called = compared[name]
            ratio = f"{series[other].over(walls).median:.2f}x {called}"
            if name == "first run" and "openssl dgst" in series:
                ratio += f", {series['openssl dgst'].over(walls).median:.2f}x openssl"
            target = f"{_TARGET[name]}x"
        speed = size.bytes / walls.median / 1e3
        yield (
            name, f"{walls.median:,.0f} ({low:,.0f} - {high:,.0f})", f"{cpu:,.0f}",
            f"{speed:,.0f}", ratio, target,
        )  # fmt: skip


def measure(
    environment: str, *, scratch: str, rounds: int
) -> tuple[dict[str, list[harness.Timing]], Size]:
    """Times of each round, and what was read."""
    files = hashed_files(environment)
    size = Size(len(files), sum(files.values()))
    verifying = Verifying(environment, scratch=scratch)
    verifying.prove(size)
    ways = {"first run": verifying.first, "second run": verifying.second}
    for name, program in _OTHERS.items():
        if name == "sha256sum" or shutil.which(program[0]):
            call = summing(list(files), scratch=scratch, program=program, workers=processors())
            ways[name] = call.timed
    return harness.in_turn(ways, rounds=rounds), size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=7, help="at least 2 (default 7)")
    parser.add_argument("--files", type=int, default=25_000, help="(default 25,000)")
    parser.add_argument("--megabytes", type=int, default=1_200, help="(default 1,200)")
    parser.add_argument("--environment", metavar="DIR", help="instead: this one, which is clean")
    parser.add_argument("--memory-files", type=int, default=500_000, help="(default 500,000)")
    parser.add_argument("--directory", metavar="DIR", help="on this file system")
    parser.add_argument("--json", action="store_true", help="figures for programs")
    asked = parser.parse_args()
    if asked.pairs < 2:
        parser.error("a spread needs at least 2 pairs")
    memory = {}
    try:
        with harness.scratch_directory(asked.directory) as scratch:
            environment = asked.environment and os.path.abspath(asked.environment)
            if not environment:
                wanted = Size(asked.files, asked.megabytes * _MEGABYTE)
                environment = generated(os.path.join(scratch, "environment"), wanted)
            crowded = many(os.path.join(scratch, "many"), asked.memory_files)
            # Younger files are not remembered: their times do not tell every change yet.
            time.sleep(2.5)
            costs, size = measure(environment, scratch=scratch, rounds=asked.pairs)
            verifying = Verifying(crowded, scratch=scratch)
            for name in ("first run", "second run"):
                memory[name] = peak_memory(verifying.call)
    except harness.BenchmarkError as error:
        harness.fail(error)
    about = {**harness.about_machine(), "files": f"{size.files:,}", "bytes": f"{size.bytes:,}"}
    if asked.json:
        rounds = {name: [each._asdict() for each in several] for name, several in costs.items()}
        print(json.dumps({"about": about, "rounds": rounds, "memory": memory}, indent=2))
        return
    columns = ("", "wall ms", "CPU ms", "MB/s", "speed", "target")
    title = f"Verify, {asked.pairs} interleaved rounds: medians (quartiles)"
    harness.show(title, columns, times(costs, size), about)
    rows = (
        (name, f"{most / _MEGABYTE:,.0f}", f"{_MEMORY_TARGET}") for name, most in memory.items()
    )
    harness.show(
        f"Memory at {asked.memory_files:,} files, all processes", ("", "MB", "target"), rows, {}
    )


if __name__ == "__main__":
    main()
