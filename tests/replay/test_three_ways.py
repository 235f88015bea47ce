"""Launcher, Python replay and fresh decision start the same uv, whatever happens in between.

A failure prints the seed and the shortest list of steps that still fails. To repeat one walk:

    pytest tests/replay/test_three_ways.py -k "walk and 3"
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests import mounts
from tests.filesystems import FileSystems
from tests.replay import machine
from tests.replay.walk import Disagreement, Tally, plan, shrunk, walk
from tests.replay.world import Step, World

pytestmark = pytest.mark.slow

IN_EVERY_RUN = ((2, "btrfs"),)
#: planned for each of the walks; some cannot be made, because their directory is gone just then
CALLS = 1200
#: seconds for finding a shorter list
PATIENCE = 60


@pytest.mark.parametrize(
    ("seed", "kind"),
    [
        pytest.param(
            seed, kind, marks=() if (seed, kind) in IN_EVERY_RUN else pytest.mark.exhaustive
        )
        for seed, kind in itertools.product(range(1, 5), ("ext4", "btrfs"))
    ],
)
def test_a_walk_with_a_clock_that_goes_on(
    fs: FileSystems, tmp_path: Path, seed: int, kind: str
) -> None:
    tally = _walked(tmp_path, fs.image(kind), seed, patient=True)

    print(tally)
    assert tally.calls >= 1000
    # Otherwise nothing would be shown.
    assert tally.hits > tally.calls * 0.3
    assert tally.edited > tally.hits * 0.1


@pytest.mark.parametrize("seed", [5, pytest.param(6, marks=pytest.mark.exhaustive)])
def test_a_walk_without_a_pause(fs: FileSystems, tmp_path: Path, seed: int) -> None:
    """All changes and calls within as few ticks of the clock as possible."""
    tally = _walked(tmp_path, fs.image("ext4"), seed, patient=False)

    print(tally)
    assert tally.calls >= 1000
    assert tally.hits > tally.calls * 0.05


def _walked(base: Path, other: Path, seed: int, *, patient: bool) -> Tally:
    """Walk. When two of the ways disagree, look for a shorter walk on which they do."""
    steps = plan(seed, calls=CALLS, patient=patient)
    count = itertools.count()

    def attempt(some: Sequence[Step]) -> Tally:
        """Take these steps on a machine of its own."""
        name = str(next(count))
        (other / name).mkdir()
        clock = machine.patient() if patient else contextlib.nullcontext()
        with mounts.private(), clock:
            world = World(base / name, other / name)
            try:
                return walk(world, some)
            finally:
                world.close()

    def fails(some: Sequence[Step]) -> bool:
        try:
            if time.monotonic() < deadline:
                attempt(some)
        except Disagreement:
            return True
        return False

    try:
        return attempt(steps)
    except Disagreement as error:
        deadline = time.monotonic() + PATIENCE
        story = "\n".join(map(str, shrunk(steps, fails)))
        pytest.fail(f"seed {seed}: {error}\nthe walk:\n{story}", pytrace=False)
