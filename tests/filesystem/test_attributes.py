"""What directories hand down: read from the machine, and what it means for links."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.filesystems import FileSystems, clone_errno, link_errno
from tests.inherited import encrypt, set_nocow, set_quota_project
from uvx_policy.errors import Unreadable
from uvx_policy.host import Host
from uvx_policy.model import Attributes

pytestmark = pytest.mark.filesystem


def read(directory: Path) -> Attributes | None:
    return Host(environ={}).attributes(str(directory))


def made(directory: Path) -> Path:
    directory.mkdir()
    return directory


def btrfs(fs: FileSystems) -> list[Path]:
    """Directories that differ in all that a kind of file system has."""
    plain, nocow, other = (made(fs.btrfs / name) for name in ("plain", "nocow", "also nocow"))
    set_nocow(nocow)
    set_nocow(other)
    return [plain, nocow, other]


def xfs(fs: FileSystems) -> list[Path]:
    plain, none, seven, eight, bare = (
        made(fs.xfs / name) for name in ("plain", "0", "7", "8", "b")
    )
    for directory, project in ((none, 0), (seven, 7), (eight, 8)):
        set_quota_project(directory, project)
    # Of a directory that is in a project, but hands it down to nobody, nothing depends on it.
    set_quota_project(bare, 9, inherited=False)
    return [plain, none, seven, eight, bare]


def ext4(fs: FileSystems) -> list[Path]:
    plain, one, other = (made(fs.encrypting_ext4 / name) for name in ("plain", "one", "other"))
    encrypt(one)
    encrypt(other, b"other key".ljust(64))
    return [plain, one, other, made(one / "below")]


KINDS = (btrfs, xfs, ext4)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_said_to_be_refused_is_refused_and_nothing_else(
    fs: FileSystems, kind: Callable[[FileSystems], list[Path]]
) -> None:
    directories = kind(fs)
    refused = 0
    for here, there in itertools.product(directories, repeat=2):
        inherited_here, inherited_there = read(here), read(there)
        assert inherited_here is not None
        assert inherited_there is not None

        assert inherited_there.admits(inherited_here) is (link_errno(here, there) == 0)
        if kind is not ext4:  # which clones nothing
            assert inherited_there.clones(inherited_here) is (clone_errno(here, there) == 0)
        refused += link_errno(here, there) != 0 or clone_errno(here, there) != 0

    assert refused > 0
    assert {bool(each.describe()) for each in map(read, directories) if each} == {True, False}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_made_in_a_directory_inherits_what_was_read(
    fs: FileSystems, kind: Callable[[FileSystems], list[Path]]
) -> None:
    for directory in kind(fs):
        assert read(made(directory / "new")) == read(directory)


def test_what_was_there_before_keeps_its_own(fs: FileSystems) -> None:
    above, before = made(fs.btrfs / "above"), made(fs.btrfs / "above/before")

    set_nocow(above)

    assert read(before) == Attributes()
    assert read(made(above / "after")) == read(above) != Attributes()


def test_a_file_system_without_them_says_so(tmp_path: Path) -> None:
    with pytest.raises(Unreadable):
        read(tmp_path / "absent")
    (tmp_path / "file").touch()
    with pytest.raises(Unreadable):
        read(tmp_path / "file")

    assert read(Path("/proc/self")) is None


def test_an_ordinary_directory_has_none(fs: FileSystems) -> None:
    for directory in (fs.btrfs, fs.xfs, fs.ext4, fs.overlay):
        assert read(directory) == Attributes()
        os.chmod(directory, 0o1770)
        assert read(directory) == Attributes()


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        (Attributes(), ""),
        (Attributes(bits=0x800000), "NOCOW (chattr +C)"),
        (Attributes(bits=0x200, project=42), "in quota project 42"),
        (Attributes(bits=0x20000000, project=42), "in quota project 42"),
        (Attributes(bits=0x800, policy=1), "encrypted (fscrypt)"),
        (Attributes(bits=0x8300, project=1), "on the real-time device, DAX, in quota project 1"),
    ],
)
def test_they_are_described(attributes: Attributes, words: str) -> None:
    assert attributes.describe() == words
