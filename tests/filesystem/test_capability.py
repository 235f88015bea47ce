from __future__ import annotations

import errno
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from uvx_policy.errors import Unreadable
from uvx_policy.filesystem import probe
from uvx_policy.filesystem.capability import probe_links
from uvx_policy.filesystem.mounts import MountTable, read_mount_table
from uvx_policy.filesystem.probe import Attempt, attempt_links
from uvx_policy.host import Host

if TYPE_CHECKING:
    from pathlib import Path

    from tests.filesystems import FileSystems
    from uvx_policy.model import Capability


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> list[Attempt]:
    """Every real try, in order."""
    made: list[Attempt] = []

    def note(*, cache: str, destination: str) -> Attempt:
        made.append(attempt_links(cache=cache, destination=destination))
        return made[-1]

    monkeypatch.setattr(probe, "attempt_links", note)
    return made


def ask(cache: Path, destination: Path, state: Path | str = "", **rest: str) -> Capability:
    host = Booted(**rest)
    table = read_mount_table(host)
    return probe_links(host, str(state), table, cache=str(cache), destination=str(destination))


class Booted(Host):
    def __init__(self, boot: str = "") -> None:
        super().__init__(environ={}, cwd="/")
        self._boot = boot

    def boot_id(self) -> str:
        return self._boot or super().boot_id()


def links(found: Capability) -> tuple[str, str]:
    return found.clone, found.hardlink


@pytest.mark.filesystem
@pytest.mark.parametrize(("name", "expected"), [("btrfs", ("yes", "yes")), ("ext4", ("no", "yes"))])
def test_an_answer_about_two_mounts_is_found_out_once(
    fs: FileSystems, tmp_path: Path, attempts: list[Attempt], name: str, expected: tuple[str, str]
) -> None:
    top = getattr(fs, name)
    (top / "cache").mkdir()
    (top / "destination").mkdir()

    found = [ask(top / "cache", top / "destination", tmp_path) for _ in range(3)]

    assert [links(each) for each in found] == [expected] * 3
    assert len(attempts) == 1


@pytest.mark.filesystem
def test_the_answer_holds_for_other_directories_of_the_same_mount(
    fs: FileSystems, tmp_path: Path, attempts: list[Attempt]
) -> None:
    for name in ("cache", "a", "b"):
        (fs.ext4 / name).mkdir()

    ask(fs.ext4 / "cache", fs.ext4 / "a", tmp_path)
    ask(fs.ext4 / "cache", fs.ext4 / "b", tmp_path)

    assert len(attempts) == 1


@pytest.mark.filesystem
def test_after_a_reboot_it_is_found_out_again(
    fs: FileSystems, tmp_path: Path, attempts: list[Attempt]
) -> None:
    (fs.ext4 / "cache").mkdir()

    ask(fs.ext4 / "cache", fs.ext4, tmp_path, boot="one")
    ask(fs.ext4 / "cache", fs.ext4, tmp_path, boot="two")

    assert len(attempts) == 2


@pytest.mark.filesystem
def test_another_file_system_in_the_same_place_is_tried_anew(
    fs: FileSystems, tmp_path: Path, attempts: list[Attempt]
) -> None:
    point = fs.image("ext4", size=64 * 1024**2)
    assert links(ask(point, point, tmp_path)) == ("no", "yes")
    image = point.with_name(f"{point.name}.img")

    subprocess.run(["umount", point], check=True)
    image.unlink()
    with image.open("xb") as stream:
        stream.truncate(400 * 1024**2)
    subprocess.run(["mkfs.xfs", "-q", "-m", "reflink=1", image], check=True, capture_output=True)
    subprocess.run(["mount", "-o", "loop", image, point], check=True)

    assert links(ask(point, point, tmp_path)) == ("yes", "yes")
    assert len(attempts) == 2


@pytest.mark.filesystem
def test_two_file_systems_need_no_try(fs: FileSystems, attempts: list[Attempt]) -> None:
    found = ask(fs.ext4, fs.btrfs)

    assert links(found) == ("no", "no")
    assert "ext4" in found.detail
    assert attempts == []


@pytest.mark.filesystem
def test_subvolumes_and_bind_mounts_are_remembered_apart(
    fs: FileSystems, tmp_path: Path, attempts: list[Attempt]
) -> None:
    first, second = fs.subvolumes
    bound = fs.bind(first)

    for _ in range(2):
        assert links(ask(first, first, tmp_path)) == ("yes", "yes")
        assert links(ask(first, second, tmp_path)) == ("yes", "no")
        assert links(ask(first, bound, tmp_path)) == ("yes", "no")

    assert len(attempts) == 3


@pytest.mark.filesystem
def test_what_is_true_of_one_directory_only_is_not_remembered(
    fs: FileSystems, tmp_path: Path
) -> None:
    (fs.btrfs / "cache").mkdir()
    (fs.btrfs / "nodatacow").mkdir()
    subprocess.run(["chattr", "+C", fs.btrfs / "nodatacow"], check=True)

    assert links(ask(fs.btrfs / "cache", fs.btrfs / "nodatacow", tmp_path)) == ("no", "yes")
    assert links(ask(fs.btrfs / "cache", fs.btrfs, tmp_path)) == ("yes", "yes")


@pytest.mark.parametrize(
    "attempt",
    [
        pytest.param(Attempt(clone=errno.EIO, hardlink=0, detail=""), id="clone unknown"),
        pytest.param(Attempt(clone=errno.EINVAL, hardlink=0, detail=""), id="odd directory"),
        pytest.param(Attempt(clone=0, hardlink=errno.ENOSPC, detail=""), id="link unknown"),
        pytest.param(Attempt(clone=0, hardlink=errno.EXDEV, detail=""), id="EXDEV in one mount"),
        pytest.param(Attempt(clone=-1, hardlink=-1, detail=""), id="could not try"),
    ],
)
def test_only_definite_answers_about_mounts_are_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attempt: Attempt
) -> None:
    (tmp_path / "d").mkdir()
    monkeypatch.setattr(probe, "attempt_links", lambda **_: attempt)

    assert ask(tmp_path / "d", tmp_path / "d", tmp_path / "state") == attempt.capability

    assert not (tmp_path / "state").exists()


def test_without_a_mount_table_a_try_decides_and_nothing_is_remembered(tmp_path: Path) -> None:
    found = probe_links(
        Host(environ={}), f"{tmp_path}/state", None, cache=str(tmp_path), destination=str(tmp_path)
    )

    assert found.hardlink == "yes"
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("path", ["missing", "file"])
def test_what_is_no_directory_tells_nothing(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").touch()

    assert links(ask(tmp_path, tmp_path / path)) == ("unknown", "unknown")


def test_what_cannot_be_read_tells_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Host, path: str) -> None:
        raise Unreadable(path, "closed")

    monkeypatch.setattr(Host, "status", refuse)

    found = probe_links(
        Host(environ={}), "", MountTable(rows=(), parents=()),
        cache=str(tmp_path), destination=str(tmp_path),
    )  # fmt: skip

    assert links(found) == ("unknown", "unknown")
    assert "closed" in found.detail
