"""Fixtures of the tests of `linkpolicy repair`."""

from __future__ import annotations

import pytest

from tests.caches.conftest import disk, machine
from tests.caches.machine import Machine
from tests.repair.scene import Scene

__all__ = ("disk", "machine")


@pytest.fixture
def scene(machine: Machine) -> Scene:
    """Two projects on an ext4 that were synced through the shim, hard linked from one cache."""
    return Scene(machine)
