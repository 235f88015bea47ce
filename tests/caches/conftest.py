"""Fixtures of the tests of caches."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import real_uv
from tests.caches.machine import Machine
from tests.filesystems import FileSystems
from tests.uv.world import World


@pytest.fixture
def uv_version() -> str:
    """Which uv; a test may parametrize it."""
    return "newest"


@pytest.fixture
def disk(fs: FileSystems) -> Path:
    """A disk of the test's own, its root writable for nobody else."""
    return fs.image("ext4", size=200 << 20)


@pytest.fixture
def machine(
    fs: FileSystems,
    uv_version: str,
    monkeypatch: pytest.MonkeyPatch,
    capsysbinary: pytest.CaptureFixture[bytes],
) -> Machine:
    """The user's home and uv's own cache on an ext4, which is all that is to be seen."""
    world = World(fs.ext4 / "world", real_uv.provide(uv_version) / "uv", fs.ext4 / "home")
    found = Machine(world, monkeypatch, capsysbinary)
    found.sees(fs.ext4)
    return found
