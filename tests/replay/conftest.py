"""Mounts that nobody else sees, and second file systems."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import mounts
from tests.filesystems import FileSystems, MountedFileSystems
from tests.replay import machine
from tests.replay.machine import Machine
from tests.replay.scenarios import SCENARIOS


@pytest.fixture
def there(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The root of another file system, for the scenarios that need one; for others a directory."""
    name = getattr(request.node, "callspec").params["scenario"]  # noqa: B009 (nodes may lack it)
    kind = SCENARIOS[name].far
    if kind:
        fs: FileSystems = request.getfixturevalue("fs")
        return fs.image(kind, size=100 * 1024**2) if kind == "ext4" else fs.image(kind)
    (tmp_path / "there").mkdir()
    return tmp_path / "there"


@pytest.fixture
def own_mounts(mounted: MountedFileSystems) -> Iterator[None]:  # noqa: ARG001 (or skip)
    """What is mounted from here on is gone after the test. Ask for it after `fs`."""
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


@pytest.fixture
def whole_seconds(tmp_path: Path, own_mounts: None) -> Iterator[Path]:  # noqa: ARG001
    """A file system whose times are whole seconds: ext4 with small inodes."""
    image, point = tmp_path / "image", tmp_path / "mounted"
    with image.open("xb") as stream:
        stream.truncate(16 * 1024**2)
    point.mkdir()
    subprocess.run(["mkfs.ext4", "-q", "-F", "-I", "128", image], check=True, capture_output=True)
    subprocess.run(["mount", "-o", "loop", image, point], check=True)
    try:
        yield point
    finally:
        mounts.unmount(str(point))
