"""What a directory hands down to new files is seen by the launcher as Python sees it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.filesystems import FileSystems
from tests.inherited import encrypt, set_nocow, set_quota_project
from tests.launcher.conftest import Scene
from uvx_policy.replay.witness import look

pytestmark = pytest.mark.filesystem
WORDS = ("venv", "--python", "3.12", "here")


def nothing(_: Path) -> None:
    """The directory stays as it was made."""


@pytest.mark.parametrize(
    ("kind", "before", "after", "sight"),
    [
        ("btrfs", nothing, set_nocow, "0:0:0"),
        ("btrfs", set_nocow, lambda path: set_nocow(path, False), "800000:0:0"),
        ("xfs", nothing, lambda path: set_quota_project(path, 0), "0:0:0"),
        (
            "xfs",
            lambda path: set_quota_project(path, 2**32 - 2),
            lambda path: set_quota_project(path, 7),
            "200:fffffffe:0",
        ),
        (
            "xfs",
            lambda path: set_quota_project(path, 7),
            lambda path: set_quota_project(path, 7, inherited=False),
            "200:7:0",
        ),
        ("encrypting_ext4", nothing, encrypt, "0:0:0"),
        ("encrypting_ext4", encrypt, Path.rmdir, "800:0:"),
        ("overlay", nothing, Path.rmdir, "0:0:0"),
    ],
)
def test_a_directory_that_hands_something_else_down_causes_a_miss(
    fs: FileSystems,
    scene: Scene,
    kind: str,
    before: Callable[[Path], object],
    after: Callable[[Path], object],
    sight: str,
) -> None:
    directory: Path = getattr(fs, kind) / "directory"
    directory.mkdir()
    before(directory)
    assert look("d", str(directory)).startswith(sight)
    scene.record("uv", *WORDS, witnesses=[("d", directory)])
    assert not scene.outcome("uv", *WORDS).handed_over

    after(directory)

    assert scene.outcome("uv", *WORDS).handed_over


def test_another_encryption_policy_is_another_one(fs: FileSystems, scene: Scene) -> None:
    directory = fs.encrypting_ext4 / "directory"
    directory.mkdir()
    encrypt(directory)
    scene.record("uv", *WORDS, witnesses=[("d", directory)])
    directory.rmdir()
    directory.mkdir()

    encrypt(directory, b"other key".ljust(64))
    assert scene.outcome("uv", *WORDS).handed_over
    directory.rmdir()
    directory.mkdir()
    encrypt(directory)

    assert not scene.outcome("uv", *WORDS).handed_over


def test_what_comes_and_goes_in_a_directory_changes_nothing(fs: FileSystems, scene: Scene) -> None:
    set_nocow(fs.btrfs)
    scene.record("uv", *WORDS, witnesses=[("d", fs.btrfs)])

    (fs.btrfs / "new").mkdir()
    fs.btrfs.chmod(0o700)

    assert not scene.outcome("uv", *WORDS).handed_over
