"""Mounts that nobody else sees, and second file systems."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.replay import machine, mounts
from tests.replay.machine import Machine


@pytest.fixture
def own_mounts(request: pytest.FixtureRequest) -> Iterator[None]:
    """A mount table of our own. Ask for it after `fs`, and for no new file system afterwards."""
    request.getfixturevalue("mounted")  # who may not mount is skipped there
    with mounts.private():
        yield


@pytest.fixture
def here(tmp_path: Path) -> Machine:
    """A machine on the file system of the temporary directory."""
    return Machine(tmp_path / "machine")


@pytest.fixture
def patient() -> Iterator[None]:
    """See `machine.patient`."""
    with machine.patient():
        yield
