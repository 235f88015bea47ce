"""Cloning asks each system in its own way; a stand-in for its libc sees what macOS is asked."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import sys
from pathlib import Path

import pytest

from uvx_policy.filesystem import clone, probe


class Libc:
    """fclonefileat(2), as Apple documents it, with copies instead of clones."""

    def __init__(self, refusal: int = 0) -> None:
        self.refusal = refusal
        self.asked: list[tuple[int, bytes, int]] = []

    def fclonefileat(self, source: int, directory: int, name: bytes, flags: int) -> int:
        self.asked.append((directory, name, flags))
        above = "" if directory == -2 else os.readlink(f"/proc/self/fd/{directory}")
        path = os.path.join(above, os.fsdecode(name))
        refusal = self.refusal or (errno.EEXIST if os.path.lexists(path) else 0)
        if refusal:
            ctypes.set_errno(refusal)
            return -1
        shutil.copy2(f"/proc/self/fd/{source}", path)
        return 0


@pytest.fixture
def macos(monkeypatch: pytest.MonkeyPatch) -> Libc:
    libc = Libc()
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    monkeypatch.setattr(clone, "_libc", lambda: libc)
    return libc


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_text("published")
    path.chmod(0o755)
    return path


def test_macos_makes_the_clone_below_the_directory_that_is_open(
    macos: Libc, source: Path, tmp_path: Path
) -> None:
    (tmp_path / "there").mkdir()
    directory = os.open(tmp_path / "there", os.O_RDONLY)
    with source.open("rb") as stream:
        clone.clone_to(stream.fileno(), "new", directory=directory)
    os.close(directory)

    assert (tmp_path / "there/new").read_text() == "published"
    assert macos.asked == [(directory, b"new", 2)]


@pytest.mark.parametrize("refusal", [errno.ENOTSUP, errno.EXDEV, errno.ENOSPC])
def test_what_macos_refuses_is_an_error_with_its_number(
    macos: Libc, source: Path, tmp_path: Path, refusal: int
) -> None:
    macos.refusal = refusal

    with source.open("rb") as stream, pytest.raises(OSError, match="new") as caught:
        clone.clone_to(stream.fileno(), str(tmp_path / "new"))

    assert caught.value.errno == refusal
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("refusal", "can"),
    [(0, "yes"), (errno.ENOTSUP, "no"), (errno.EXDEV, "no"), (errno.EACCES, "unknown")],
)
def test_a_probe_on_macos_clones_and_leaves_nothing(
    macos: Libc, tmp_path: Path, refusal: int, can: str
) -> None:
    macos.refusal = refusal
    for name in ("cache", "destination"):
        (tmp_path / name).mkdir()

    told = probe.try_links(cache=str(tmp_path / "cache"), destination=str(tmp_path / "destination"))

    assert (told.clone, told.hardlink) == (can, "yes")
    assert [path.name for path in tmp_path.rglob("*")] in (
        ["cache", "destination"], ["destination", "cache"],
    )  # fmt: skip
    ((directory, copy, _),) = macos.asked
    assert directory == -2
    assert os.fsdecode(copy).startswith(str(tmp_path / "destination" / probe.HIDDEN))


def test_elsewhere_there_are_no_clones(
    monkeypatch: pytest.MonkeyPatch, source: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "platform", "freebsd14")

    with source.open("rb") as stream, pytest.raises(OSError, match="new") as caught:
        clone.clone_to(stream.fileno(), str(tmp_path / "new"))

    assert caught.value.errno == errno.ENOTSUP
