"""`linkpolicy reclaim` as on APFS: btrfs clones as well, so what comes of it is seen here."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.filesystems import FileSystems
from tests.reclaim.disk import FILES, Disk, by_clones


@pytest.fixture
def disk(fs: FileSystems, monkeypatch: pytest.MonkeyPatch) -> Disk:
    by_clones(monkeypatch)
    return Disk(fs.btrfs, monkeypatch)


def shared(*where: str) -> set[frozenset[str]]:
    return {frozenset(f"{each}/{name}" for each in where) for name in FILES}


def test_copies_become_clones_of_what_the_cache_has(disk: Disk) -> None:
    archive = disk.archive()
    sites = [disk.environment(name) for name in "ab"]
    where = [disk.below(Path(tree.path)) for tree in (archive, *sites)]
    before = disk.known()

    done = disk.reclaim()

    assert disk.known() == before
    assert disk.sharing() == shared(*where)
    (volume,) = done.json["devices"]
    assert volume["method"] == "clone"
    inodes = {path.stat().st_ino for path in disk.paths() if path.name == "a.py"}
    assert len(inodes) == len(where)

    again = disk.reclaim()

    # btrfs keeps METADATA among its own: it has no place there by which a clone is known.
    metadata = len(sites)
    assert volume["files"] == len(sites) * len(FILES) + metadata
    assert [each["files"] for each in again.json["devices"]] == [metadata]


def test_an_edited_copy_stays_what_it_is(disk: Disk) -> None:
    disk.archive()
    edited, _ = (disk.environment(name) for name in "ab")
    path = Path(edited.path) / "one/a.py"
    path.write_bytes(path.read_bytes().upper())
    before = disk.known()

    disk.reclaim()

    assert disk.known() == before
    assert not any(disk.below(path) in group for group in disk.sharing())
