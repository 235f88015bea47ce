"""Sizes are those of the disk, each file counted once; what environments hold too is told apart."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

import pytest

from tests.caches.machine import Machine
from tests.filesystems import FileSystems, flush, shared_bytes
from uvx_policy.caches.measure import measure

pytestmark = [pytest.mark.filesystem]


def du(directory: Path, *options: str) -> int:
    """What du(1) says, in bytes."""
    words = ["du", "--summarize", "--block-size=1", *options, str(directory)]
    return int(subprocess.run(words, check=True, capture_output=True).stdout.split()[0])


def files_of(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file() and not path.is_symlink()]


@pytest.mark.uv
@pytest.mark.parametrize("kind", ["ext4", "btrfs", "xfs"])
def test_bytes_are_those_that_du_counts(machine: Machine, fs: FileSystems, kind: str) -> None:
    cache = getattr(fs, kind) / "cache"
    machine.environment(machine.world.base / "env", cache, "tinypkg", "other")
    flush(cache)

    found = measure(str(cache))

    assert found.physical_bytes == du(cache)
    assert found.logical_bytes == sum(
        path.lstat().st_size for path in cache.rglob("*") if not path.is_dir() or path.is_symlink()
    )
    assert (found.archives, found.wheels) == (2, 2)


@pytest.mark.uv
def test_hard_links_of_an_environment_would_stay(machine: Machine) -> None:
    cache = machine.world.base / "cache"
    environment = machine.environment(machine.world.base / "env", cache)

    found = measure(str(cache))

    held = {
        path.stat().st_ino: path.stat().st_blocks * 512
        for path in files_of(cache)
        if path.stat().st_nlink > 1
    }
    assert found.shared_bytes == sum(held.values()) >= 65536
    assert found.extents_known  # ext4 has no other way to share
    before = du(cache) + du(environment, str(cache))
    assert found.own_bytes == found.physical_bytes - found.shared_bytes
    assert before > found.own_bytes


@pytest.mark.uv
def test_names_within_the_cache_are_not_elsewhere(machine: Machine) -> None:
    cache = machine.world.base / "cache"
    machine.environment(machine.world.base / "env", cache, mode="copy")
    for number, path in enumerate(files_of(cache)):
        os.link(path, cache / f"second-{number}")

    found = measure(str(cache))

    assert found.shared_bytes == 0
    assert found.physical_bytes == du(cache)


@pytest.mark.uv
@pytest.mark.parametrize("kind", ["btrfs", "xfs"])
def test_clones_in_an_environment_would_stay(machine: Machine, fs: FileSystems, kind: str) -> None:
    base: Path = getattr(fs, kind)
    machine.environment(base / "env", base / "cache", mode="clone")
    flush(base)

    asked, not_asked = (measure(str(base / "cache"), extents=extents) for extents in (True, False))

    proven = sum(shared_bytes(path) for path in files_of(base / "cache"))
    assert asked.shared_bytes == proven >= 65536
    assert asked.extents_known
    assert (not_asked.shared_bytes, not_asked.extents_known) == (0, False)


def test_last_used_is_the_newest_read_write_or_link_of_a_file(tmp_path: Path) -> None:
    for name, times in (("read", (2_000_000_000, 1)), ("written", (1, 1_900_000_000))):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, times)
    os.symlink("nowhere", tmp_path / "link")
    os.utime(tmp_path / "link", (3_000_000_000, 1), follow_symlinks=False)

    assert measure(str(tmp_path)).last_used == 2_000_000_000
    assert measure(str(tmp_path / "nothing")).last_used == 0.0


def test_environments_among_the_archives_are_no_wheels(tmp_path: Path) -> None:
    (tmp_path / "archive-v0" / "wheel" / "foo-1.dist-info").mkdir(parents=True)
    (tmp_path / "archive-v0" / "tool" / "lib").mkdir(parents=True)

    found = measure(str(tmp_path))

    assert (found.archives, found.wheels) == (2, 1)


def test_no_symbolic_link_is_followed_and_odd_names_count(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    (cache / "archive-v0" / "one").mkdir(parents=True)
    (tmp_path / "big").write_bytes(bytes(1 << 20))
    (cache / "archive-v0" / "loop").symlink_to(cache)
    (cache / "archive-v0" / "out").symlink_to(tmp_path)
    (cache / "self").symlink_to("self")
    with open(os.fsencode(cache / "archive-v0" / "one") + b"/caf\xe9", "wb") as stream:
        stream.write(bytes(100_000))

    found = measure(str(cache))

    assert 100_000 <= found.logical_bytes < 101_000
    assert found.archives == 1
    assert found.files == 4


def test_an_unreadable_directory_is_counted_and_the_rest_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("closed", "open"):
        (tmp_path / "archive-v0" / name).mkdir(parents=True)
        (tmp_path / "archive-v0" / name / "file").write_bytes(bytes(5000))
    real = os.scandir

    def scandir(path: str) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)

    found = measure(str(tmp_path))

    assert (found.unreadable, found.logical_bytes) == (1, 5000)


def test_a_cache_that_vanishes_while_it_is_measured(tmp_path: Path) -> None:
    for number in range(300):
        directory = tmp_path / "cache" / "archive-v0" / str(number) / "deep"
        directory.mkdir(parents=True)
        (directory / "file").write_bytes(b"x")
    started = threading.Event()

    def vanish() -> None:
        started.wait(10)
        subprocess.run(["rm", "-rf", str(tmp_path / "cache")], check=True)

    thread = threading.Thread(target=vanish)
    thread.start()
    found = measure(str(tmp_path / "cache"), workers=1, progress=lambda _: started.set())
    thread.join()

    assert found.unreadable == 0
    assert not (tmp_path / "cache").exists()


def test_progress_tells_more_and_more_files(tmp_path: Path) -> None:
    for number in range(200):
        (tmp_path / "archive-v0" / str(number)).mkdir(parents=True)
        (tmp_path / "archive-v0" / str(number) / "file").touch()
    told: list[int] = []

    measure(str(tmp_path), progress=told.append)

    assert told == sorted(told)
    assert told[-1] == 200
