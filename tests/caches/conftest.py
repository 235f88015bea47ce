"""Fixtures of the tests of caches."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.caches.machine import Machine
from tests.filesystems import FileSystems
from tests.uv.world import World


@pytest.fixture
def disk(fs: FileSystems) -> Path:
    """A disk of the test's own, its root writable for nobody else."""
    return fs.image("ext4", size=200 << 20)


@pytest.fixture
def machine(world: World, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """See `Machine`."""
    return Machine(world, monkeypatch)
