"""A second run asks and reads nothing again, and trusts nothing that has changed."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.filesystems import FileSystems, flush
from tests.reclaim.disk import FILES, Disk, btrfs, counts, disk, site
from uvx_policy.installed import extents
from uvx_policy.reclaim.remembered import UNKNOWN, Remembered, place_of
from uvx_policy.replace import kernel, opened

__all__ = ["btrfs", "disk"]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often files were opened to be compared, deduplicated, or asked where they lie."""
    count: Counter[str] = Counter()

    def counted(module: Any, name: str) -> None:
        real = getattr(module, name)

        def call(*words: Any, **named: Any) -> Any:
            count[name] += 1
            return real(*words, **named)

        monkeypatch.setattr(module, name, call)

    counted(opened, "_opened")
    counted(kernel, "dedupe")
    counted(extents, "extents_of")
    monkeypatch.setattr("uvx_policy.reclaim.remembered.extents_of", extents.extents_of)
    return count


def made(disk: Disk) -> None:
    disk.archive()
    for name in ("first", "second"):
        disk.environment(name)


def test_the_second_run_reads_nothing(disk: Disk, asked: Counter[str]) -> None:
    made(disk)
    assert counts(disk.reclaim("--jobs", "1"), "done_files") == 2 * disk.per_environment
    assert asked["_opened"]
    asked.clear()

    done = disk.reclaim("--jobs", "1")

    # `dedupe` of a file with itself, to see whether that can be done, reads nothing.
    assert (counts(done, "files"), counts(done, "done_files")) == (0, 0)
    assert (asked["_opened"], asked["extents_of"]) == (0, 0)
    assert asked["dedupe"] <= 1


def test_only_what_came_meanwhile_is_looked_at(disk: Disk, asked: Counter[str]) -> None:
    made(disk)
    disk.reclaim("--jobs", "1")
    disk.environment("third")
    asked.clear()

    done = disk.reclaim("--jobs", "1")

    assert counts(done, "done_files") == disk.per_environment
    assert asked["_opened"] == disk.per_environment  # groups
    assert asked["extents_of"] <= disk.per_environment


def test_what_was_written_to_is_compared_again(disk: Disk) -> None:
    made(disk)
    disk.reclaim()
    path = site(disk.environment("edited")) / "one/a.py"
    disk.reclaim()
    content = path.read_bytes()
    path.unlink()  # as an editor that saves by renaming
    path.write_bytes(content)

    assert counts(disk.reclaim(), "done_files") == 1


def test_without_what_is_remembered_extents_are_asked_for(
    btrfs: Disk, asked: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made(btrfs)
    btrfs.reclaim("--jobs", "1")
    monkeypatch.setenv("XDG_STATE_HOME", str(btrfs.base / ".local" / "other"))
    asked.clear()

    done = btrfs.reclaim("--jobs", "1")

    assert counts(done, "files") == 0
    assert asked["extents_of"] == 3 * len(FILES)


def test_a_dry_run_remembers_nothing(btrfs: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    state = btrfs.base / ".local" / "state"
    monkeypatch.setenv("XDG_STATE_HOME", str(state))
    made(btrfs)

    btrfs.reclaim("--dry-run")
    assert not state.exists()
    btrfs.reclaim()
    assert [path.name for path in state.rglob("reclaimed/*")] == ["places"]


def test_a_file_is_known_until_it_changes(fs: FileSystems, tmp_path: Path) -> None:
    path = fs.btrfs / "file"
    path.write_bytes(b"x" * 100_000)
    flush(fs.btrfs)
    first = Remembered(str(tmp_path))
    place, is_shared = first.look(str(path), first.token(path.stat(), str(path)))
    assert (place != UNKNOWN, is_shared) == (True, False)
    first.save()

    again = Remembered(str(tmp_path))
    assert again.place(again.token(path.stat(), str(path))) == place

    os.utime(path, ns=(1, 1))
    assert again.place(again.token(path.stat(), str(path))) == UNKNOWN


@pytest.mark.parametrize("content", [b"", b"something else", b"linkpolicy reclaimed 1\n\0abc"])
def test_what_is_no_memory_of_ours_is_no_memory(tmp_path: Path, content: bytes) -> None:
    directory = tmp_path / "reclaimed"
    directory.mkdir(mode=0o700)
    path = directory / "places"
    path.write_bytes(content)
    path.chmod(0o600)

    assert Remembered(str(tmp_path)).place(1) == UNKNOWN


def test_a_place_does_not_depend_on_how_it_is_divided() -> None:
    def one(physical: int, length: int, flags: int = 0) -> extents.Extent:
        return extents.Extent(physical, length, flags)

    whole = place_of([one(4096, 8192), one(65536, 4096)])

    assert place_of([one(4096, 4096), one(8192, 4096), one(65536, 4096)]) == whole
    assert place_of([one(4096, 8192), one(69632, 4096)]) != whole
    assert place_of([one(4096, 8192), one(0, 4096, flags=0x2)]) == UNKNOWN
    assert place_of([]) == place_of(None) == UNKNOWN
