"""What a user gains: the second environment on another device than uv's own cache.

    python benchmarks/second_environment.py --device DIR     a directory on another file system
    python benchmarks/second_environment.py --image btrfs    or xfs, ext4: a loop mount, as root
        [--pairs N] [--files N] [--megabytes N] [--packages NAME ...] [--uv PATH] [--json]

Two checkouts of one project lie on the device; the first one has its environment. `uv sync` makes
the second's, once without and once with the policy, in turn. Prints seconds, and the bytes that
the device lost.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import random
import shutil
import struct
import sys
import time
import zipfile
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, NamedTuple

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from benchmarks import harness, images

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_MEGABYTE = 1_000_000


class Cost(NamedTuple):
    """What one `uv sync` of the second checkout cost."""

    #: until uv exits
    seconds: float
    #: until its files are on the device
    seconds_on_disk: float
    #: what statvfs(3) says the device lost
    used: int
    #: what the files say: blocks that no other file shares
    private: int


class Checkouts:
    """Two checkouts of one project on the device, for one way to run uv."""

    def __init__(self, directory: str, *, uv: str, environ: Mapping[str, str]) -> None:
        self.uv = uv
        self.environ = environ
        self.first = os.path.join(directory, "first")
        self.second = os.path.join(directory, "second")

    def prepare(self, pyproject: str, *, lock: str | None) -> str:
        """Make both, and the first one's environment. Return the lock file's path."""
        written = os.path.join(self.first, "uv.lock")
        for checkout in (self.first, self.second):
            os.makedirs(checkout)
            with open(os.path.join(checkout, "pyproject.toml"), "x", encoding="utf-8") as stream:
                stream.write(pyproject)
        if lock is None:
            self._run(self.first, "lock")
        else:
            shutil.copyfile(lock, written)
        shutil.copyfile(written, os.path.join(self.second, "uv.lock"))
        self._run(self.first, "sync", "--frozen")
        return written

    def measure(self) -> Cost:
        """Make the second environment, and take it away again."""
        _settle(self.second)
        before = images.used(self.second)
        start = time.perf_counter()
        self._run(self.second, "sync", "--frozen")
        stop = time.perf_counter()
        _settle(self.second)
        on_disk = time.perf_counter()
        environment = os.path.join(self.second, ".venv")
        cost = Cost(
            seconds=stop - start,
            seconds_on_disk=on_disk - start,
            used=images.used(self.second) - before,
            private=sum(map(_private_bytes, _files(environment))),
        )
        shutil.rmtree(environment)
        return cost

    def _run(self, checkout: str, *words: str) -> None:
        words = (self.uv, *words, "--python", sys.executable)
        told = harness.Call(words, self.environ, checkout).output(stream="stderr")
        if "linkpolicy: " in told:
            # The shim fails open: its figures would be those of uv alone.
            raise harness.BenchmarkError(f"the policy does not work here:\n{told}")


def measure(
    scratch: str, device: str, *, uv: str, pyproject: str, pairs: int
) -> dict[str, list[Cost]]:
    """Costs of each pair, "without" and "with" the policy. `device`: an empty directory."""
    home = os.path.join(scratch, "home")
    os.makedirs(home)
    if os.stat(home).st_dev == os.stat(device).st_dev:
        raise harness.BenchmarkError("the device is the one that uv's own cache lies on")
    shim = harness.put_shim(os.path.join(scratch, "shims"))
    search_path = harness.path_with(os.path.dirname(shim), os.path.dirname(uv))
    environ = {**harness.scratch_environ(home), "PATH": search_path}
    ways = {
        "without": Checkouts(os.path.join(device, "without"), uv=uv, environ=environ),
        "with": Checkouts(os.path.join(device, "with"), uv=shim, environ=environ),
    }
    lock = None
    for way in ways.values():
        lock = way.prepare(pyproject, lock=lock)
    measures = {name: way.measure for name, way in ways.items()}
    return harness.in_turn(measures, rounds=pairs)


# What the device lost ----------------------------------------------------------------------------


def _settle(directory: str) -> None:
    """Wait until the file system has written everything: before, its figures are not final."""
    os.sync()
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _files(directory: str) -> Iterator[str]:
    for where, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(where, name)
            if not os.path.islink(path):
                yield path


def _private_bytes(path: str) -> int:
    told = os.stat(path)
    if told.st_nlink > 1:
        return 0
    return max(0, told.st_blocks * 512 - _shared_bytes(path))


def _shared_bytes(path: str) -> int:
    """Bytes in extents that another file shares (Documentation/filesystems/fiemap.rst)."""
    fs_ioc_fiemap, extent_last, extent_shared = 0xC020660B, 0x1, 0x2000
    header, row = struct.Struct("=QQLLLL"), struct.Struct("=QQQQQLLLL")
    start = shared = 0
    with open(path, "rb") as stream:
        while True:
            buffer = bytearray(header.size + 64 * row.size)
            header.pack_into(buffer, 0, start, 2**64 - 1 - start, 0, 0, 64, 0)
            try:
                fcntl.ioctl(stream, fs_ioc_fiemap, buffer)
            except OSError:
                return 0
            mapped = header.unpack_from(buffer)[3]
            for index in range(mapped):
                logical, _, length, _, _, flags, *_ = row.unpack_from(
                    buffer, header.size + index * row.size
                )
                start = logical + length
                shared += length if flags & extent_shared else 0
                if flags & extent_last:
                    return shared
            if not mapped:
                return shared


# What is installed, and where --------------------------------------------------------------------


def generated(
    directory: str, *, files: int, megabytes: int, packages: int = 1, together: int = 100
) -> str:
    """Make wheels of `files` random files in `directory`; the pyproject.toml that wants them.

    `together`: files in one directory.
    """
    os.makedirs(directory)
    chance = random.Random(0)  # noqa: S311 (must not compress, must repeat)
    size = megabytes * _MEGABYTE // files
    names = [f"payload{number}" for number in range(packages)]
    for number, name in enumerate(names):
        count = files // packages + (number < files % packages)
        members = {f"{name}/{i // together}/{i}.dat": chance.randbytes(size) for i in range(count)}
        _write_wheel(directory, name, members)
    index = f"[tool.uv]\nno-index = true\nfind-links = [{json.dumps(directory)}]\n"
    return _pyproject(names) + index


def _write_wheel(directory: str, name: str, members: dict[str, bytes]) -> None:
    info = f"{name}-1.0.dist-info"
    members[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode()
    members[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    rows = [f"{info}/RECORD,,"]
    for path, data in members.items():
        digest = urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={digest},{len(data)}")
    members[f"{info}/RECORD"] = "\n".join(rows).encode()
    wheel = os.path.join(directory, f"{name}-1.0-py3-none-any.whl")
    with zipfile.ZipFile(wheel, "x") as archive:
        for path, data in members.items():
            archive.writestr(path, data)


def _pyproject(packages: Sequence[str]) -> str:
    return (
        '[project]\nname = "checkout"\nversion = "1"\n'
        f'requires-python = "=={sys.version_info.major}.{sys.version_info.minor}.*"\n'
        f"dependencies = {json.dumps(packages)}\n"
    )


# The table ---------------------------------------------------------------------------------------


def table(costs: Mapping[str, Sequence[Cost]]) -> Iterator[tuple[str, ...]]:
    """One row for each figure: without, with, and how many times less."""
    for name, unit, pick in _FIGURES:
        without, policy = (
            harness.Series(tuple(pick(cost) / unit for cost in costs[way]))
            for way in ("without", "with")
        )
        yield (name, _told(without), _told(policy), f"{_times(without, policy):.1f}x")


def _told(series: harness.Series) -> str:
    low, high = series.quartiles
    return f"{series.median:.2f} ({low:.2f} - {high:.2f})"


def _times(without: harness.Series, policy: harness.Series) -> float:
    """How many times less; the median of the pairs. Nothing at all counts as one block."""
    one_block = 4096 / _MEGABYTE
    floor = harness.Series(tuple(max(value, one_block) for value in policy.values))
    return without.over(floor).median


_FIGURES: tuple[tuple[str, int, Callable[[Cost], float]], ...] = (
    ("seconds until uv exits", 1, lambda cost: cost.seconds),
    ("seconds until it is on disk", 1, lambda cost: cost.seconds_on_disk),
    ("MB that the device lost", _MEGABYTE, lambda cost: cost.used),
    ("MB in files that share nothing", _MEGABYTE, lambda cost: cost.private),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--device", metavar="DIR", help="a directory on another file system")
    where.add_argument("--image", choices=images.KINDS, help="mount a fresh one, as root")
    parser.add_argument("--pairs", type=int, default=7, help="at least 2 (default 7)")
    parser.add_argument("--files", type=int, default=2000, help="in the wheel (default 2000)")
    parser.add_argument("--megabytes", type=int, default=100, help="in the wheel (default 100)")
    parser.add_argument("--packages", nargs="+", metavar="NAME", help="these, from the index")
    parser.add_argument("--uv", metavar="PATH", help="the real uv (default: found on PATH)")
    parser.add_argument("--json", action="store_true", help="figures for programs")
    asked = parser.parse_args()
    if asked.pairs < 2:
        parser.error("a spread needs at least 2 pairs")
    try:
        with contextlib.ExitStack() as stack:
            uv = harness.find_uv(asked.uv)
            scratch = stack.enter_context(harness.scratch_directory(None))
            device = asked.device
            if asked.image:
                # Copies of the payload: cache, first and second of both ways, and as much again.
                size = 10 * asked.megabytes * _MEGABYTE + 8_000 * _MEGABYTE
                device = stack.enter_context(images.fresh(scratch, asked.image, size=size))
            place = stack.enter_context(harness.scratch_directory(device))
            if asked.packages:
                what, pyproject = " ".join(asked.packages), _pyproject(asked.packages)
            else:
                what = f"a wheel of {asked.files} files, {asked.megabytes} MB"
                pyproject = generated(
                    os.path.join(scratch, "wheels"), files=asked.files, megabytes=asked.megabytes
                )
            about = {**harness.machine(uv), "device": asked.image or "as named", "installed": what}
            costs = measure(scratch, place, uv=uv, pyproject=pyproject, pairs=asked.pairs)
    except harness.BenchmarkError as error:
        harness.fail(error)
    if asked.json:
        told = {name: [cost._asdict() for cost in several] for name, several in costs.items()}
        print(json.dumps({"about": about, "pairs": asked.pairs, **told}, indent=2))
    else:
        harness.show(
            f"The second environment on another device, {asked.pairs} interleaved pairs: "
            "medians (quartiles)",
            ("", "uv alone", "with policy", "less"),
            table(costs),
            about,
        )


if __name__ == "__main__":
    main()
