"""What filling a device's cache costs: by `linkpolicy`, and by copying the one elsewhere."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import TYPE_CHECKING, NamedTuple

from benchmarks import harness, workload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from benchmarks.images import Device, Store

COPY = "cp -a"
SEED = "linkpolicy cache seed"
REINSTALL = "cp -a, uv pip install --reinstall"
RECLAIM = "linkpolicy reclaim --seed"


class Cost(NamedTuple):
    """What one way cost, all its processes together."""

    #: milliseconds until the last one exits
    wall: float
    cpu: float
    #: bytes that the device took, its metadata and journal included
    written: int
    #: bytes more in use than before, by statvfs(3)
    used: int
    #: in the device's caches afterwards
    archives: int
    checked: workload.Checked


class Seeding:
    """Environments on a device that has no cache, and the user's own cache elsewhere."""

    def __init__(self, store: Store, *, uv: str, made: str, scratch: str) -> None:
        """`made`: the directory of `workload.install`."""
        self.store = store
        self.uv = uv
        self.made = made
        self.scratch = scratch
        self.cache = os.path.join(made, workload.CACHE)

    def ways(self) -> dict[str, Callable[[Device, Mapping[str, str]], Iterator[harness.Call]]]:
        """The calls of each way, in order."""
        return {
            COPY: self._copy,
            SEED: self._seed,
            REINSTALL: self._reinstall,
            RECLAIM: self._reclaim,
        }

    def measure(self, kind: str, way: str, before: Mapping[str, workload.File]) -> Cost:
        """Go one way on a copy of the image. Raises `BenchmarkError`."""
        with self.store.copy(kind) as device, tempfile.TemporaryDirectory(dir=self.scratch) as home:
            shutil.rmtree(device.below(workload.CACHE))
            for path in (device.below(workload.ENVIRONMENTS), self.cache):
                workload.read_all(path)
            environ = {
                **harness.scratch_environ(home),
                "PATH": harness.path_with(os.path.dirname(self.uv)),
                "UV_CACHE_DIR": self.cache,
            }
            used, (_, written) = device.settled(), device.transferred()
            timings = [call.timed() for call in self.ways()[way](device, environ)]
            used = device.settled() - used
            return Cost(
                wall=sum(timing.wall for timing in timings),
                cpu=sum(timing.cpu for timing in timings),
                written=device.transferred()[1] - written,
                used=used,
                archives=sum(_archives(device.point)),
                checked=workload.check(device.point, before, only=workload.ENVIRONMENTS),
            )

    def _copy(self, device: Device, environ: Mapping[str, str]) -> Iterator[harness.Call]:
        words = [shutil.which("cp") or "cp", "-a", self.cache, device.below(workload.CACHE)]
        yield harness.Call(words, environ, self.scratch)

    def _seed(self, device: Device, environ: Mapping[str, str]) -> Iterator[harness.Call]:
        words = ["cache", "seed", device.below(workload.ENVIRONMENTS)]
        where = ["--from", self.cache, "--to", device.below(workload.CACHE)]
        yield harness.Call([*harness.LINKPOLICY, *words, *where], environ, self.scratch)

    def _reinstall(self, device: Device, environ: Mapping[str, str]) -> Iterator[harness.Call]:
        yield from self._copy(device, environ)
        environ = {**environ, "UV_CACHE_DIR": device.below(workload.CACHE)}
        for environment in workload.environments(device.point):
            name = os.path.basename(os.path.dirname(environment))
            words: Sequence[str] = (
                "pip", "install", "--quiet", "--offline", "--reinstall", "--no-deps",
                "--link-mode", "hardlink", "--python", os.path.join(environment, "bin", "python"),
                "--requirements", os.path.join(self.made, workload.REQUIREMENTS, name),
            )  # fmt: skip
            yield harness.Call([self.uv, *words], environ, self.scratch)

    def _reclaim(self, device: Device, environ: Mapping[str, str]) -> Iterator[harness.Call]:
        words = ["reclaim", "--yes", "--seed", device.below(workload.ENVIRONMENTS)]
        yield harness.Call([*harness.LINKPOLICY, *words], environ, self.scratch)


def _archives(device: str) -> Iterator[int]:
    for name in os.listdir(device):
        archives = os.path.join(device, name, "archive-v0")
        if os.path.isdir(archives):
            yield len(os.listdir(archives))
