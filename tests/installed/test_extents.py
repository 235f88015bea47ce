from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests import filesystems
from tests.filesystems import FileSystems
from uvx_policy.installed.extents import devices_that_never_share, shared_bytes

pytestmark = pytest.mark.filesystem

SIZE = 1 << 20


def original(directory: Path) -> Path:
    path = directory / "original"
    path.write_bytes(os.urandom(SIZE))
    filesystems.flush(directory)
    return path


def clone_of(path: Path) -> Path:
    copy = path.with_name("clone")
    filesystems._clone(path, copy)
    return copy


@pytest.mark.parametrize("kind", ["btrfs", "xfs"])
def test_a_clone_shares_all_its_bytes(fs: FileSystems, kind: str) -> None:
    path = original(getattr(fs, kind))
    assert shared_bytes(str(path)) == 0

    copy = clone_of(path)

    assert shared_bytes(str(copy)) == shared_bytes(str(path)) == SIZE
    assert filesystems.shared_bytes(copy) == SIZE


@pytest.mark.parametrize("kind", ["btrfs", "xfs"])
def test_what_was_written_since_is_not_shared(fs: FileSystems, kind: str) -> None:
    copy = clone_of(original(getattr(fs, kind)))

    # One block in each 64 kB: more extents than are asked for at once.
    with copy.open("r+b") as stream:
        for offset in range(0, SIZE, 65536):
            stream.seek(offset)
            stream.write(b"x" * 4096)
    filesystems.flush(copy.parent)

    assert shared_bytes(str(copy)) == SIZE - SIZE // 16 == filesystems.shared_bytes(copy)


def test_ext4_shares_nothing(fs: FileSystems) -> None:
    path = original(fs.ext4)
    shutil.copyfile(path, path.with_name("copy"))
    path.with_name("name").hardlink_to(path)

    assert shared_bytes(str(path)) == 0


def test_tmpfs_cannot_tell(fs: FileSystems) -> None:
    assert shared_bytes(str(original(fs.tmpfs))) is None


def test_an_empty_file_shares_nothing(fs: FileSystems) -> None:
    (fs.btrfs / "empty").touch()

    assert shared_bytes(str(fs.btrfs / "empty")) == 0


def test_links_are_not_followed_and_fifos_do_not_hang(fs: FileSystems) -> None:
    (fs.btrfs / "link").symlink_to(original(fs.btrfs))
    os.mkfifo(fs.btrfs / "fifo")

    with pytest.raises(OSError, match="link"):
        shared_bytes(str(fs.btrfs / "link"))
    assert shared_bytes(str(fs.btrfs / "fifo")) is None


def test_file_systems_without_clones_need_not_be_asked(fs: FileSystems) -> None:
    # First: each is mounted when it is first asked for.
    without = {fs.ext4.stat().st_dev, fs.tmpfs.stat().st_dev}
    with_clones = {each.stat().st_dev for each in (fs.btrfs, fs.xfs, fs.subvolumes[0])}

    never = devices_that_never_share()

    assert without <= never
    assert not with_clones & never
