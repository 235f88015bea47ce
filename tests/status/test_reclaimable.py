"""What `status` offers to save, before and after `reclaim`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.filesystems import FileSystems, flush
from tests.status.test_with_uv import environments, run, status_of
from tests.uv.test_seed import add_to_record
from tests.uv.world import World, installed

pytestmark = [pytest.mark.filesystem, pytest.mark.uv]

#: bytes of the largest file of each environment
LARGE = 3 << 20


@pytest.mark.parametrize("kind", ["ext4", "btrfs"])
def test_what_reclaim_saves_is_offered_until_then(
    fs: FileSystems, newest_uv: Path, kind: str
) -> None:
    world = World(fs.xfs, newest_uv)
    disk: Path = getattr(fs, kind)
    first, second = (environment(world, disk / name) for name in ("first", "second"))
    before = saves(world, disk)
    assert min(before.values()) >= LARGE
    assert f"linkpolicy reclaim {disk}" in run(world, "status", str(disk))

    run(world, "reclaim", "--yes", str(disk))

    assert saves(world, disk) == dict.fromkeys((str(first), str(second)), 0)
    assert saves(world, disk, "--refresh") == dict.fromkeys((str(first), str(second)), 0)
    assert "linkpolicy reclaim" not in run(world, "status", str(disk))


def test_an_environment_that_changes_is_offered_again(fs: FileSystems, newest_uv: Path) -> None:
    world = World(fs.xfs, newest_uv)
    venv = environment(world, fs.ext4 / "only")
    run(world, "reclaim", "--yes", str(fs.ext4))
    assert saves(world, fs.ext4) == {str(venv): 0}

    enlarge(venv, b"other")

    assert saves(world, fs.ext4)[str(venv)] >= LARGE


def environment(world: World, project: Path) -> Path:
    """Copied, because the cache is on another disk."""
    world.plain("sync", cwd=world.project(project))
    venv = project / ".venv"
    enlarge(venv, b"bytes")
    return venv


def enlarge(venv: Path, content: bytes) -> None:
    """Give it a large file that its RECORD names."""
    path = installed(venv) / f"{content.decode()}.bin"
    path.write_bytes(content * (LARGE // len(content) + 1))
    add_to_record(path)
    flush(path)


def saves(world: World, disk: Path, *words: str) -> dict[str, int]:
    """Environment -> bytes that could be saved."""
    rows = environments(status_of(world, *words, str(disk)))
    return {path: row["save_bytes"] for path, row in rows.items()}
