"""Modes of what was seen, and directories in what was seen; whatever comes in between."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.ordinary_user import UID, only_root
from uvx_policy.replace import foreign
from uvx_policy.replace.entry import Entry, change_mode, make_directory
from uvx_policy.replace.foreign import Foreign
from uvx_policy.replace.place import Changed


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """With something that no change may reach."""
    victim = tmp_path / "victim"
    victim.mkdir(mode=0o700)
    (victim / "file").write_text("mine")
    (victim / "file").chmod(0o600)
    return tmp_path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def is_safe(base: Path) -> bool:
    return (mode(base / "victim"), mode(base / "victim/file")) == (0o700, 0o600)


def test_a_mode_is_changed_behind_the_links_that_were_there(base: Path) -> None:
    (base / "real").mkdir(mode=0o500)
    (base / "link").symlink_to("real")

    change_mode(Entry.at(str(base / "link")), 0o750)

    assert mode(base / "real") == 0o750
    assert (base / "link").is_symlink()


def linked(path: Path) -> None:
    path.rename(path.with_name("moved"))
    path.symlink_to("victim")


def linked_above(path: Path) -> None:
    above = path.parent
    above.rename(above.with_name("moved"))
    above.symlink_to("victim")


def another(path: Path) -> None:
    path.rename(path.with_name("moved"))
    path.write_text("another")


def gone(path: Path) -> None:
    path.unlink() if path.is_file() else path.rmdir()


def closed(path: Path) -> None:
    path.chmod(0o700)


MEANWHILE = (linked, linked_above, another, gone, closed)


@pytest.mark.parametrize("kind", ["file", "directory"])
@pytest.mark.parametrize("deed", MEANWHILE)
def test_what_is_no_longer_what_was_seen_is_left(
    base: Path, deed: Callable[[Path], None], kind: str
) -> None:
    path = base / "above/file"
    path.parent.mkdir()
    path.touch() if kind == "file" else path.mkdir()
    path.chmod(0o777)
    seen = Entry.at(str(path))
    deed(path)
    before = {each: each.lstat().st_mode for each in base.rglob("*")}

    with pytest.raises(Changed):
        change_mode(seen, 0o755)

    assert {each: each.lstat().st_mode for each in base.rglob("*")} == before


@pytest.mark.parametrize("deed", [linked, linked_above, another])
def test_an_exchange_in_the_very_moment_reaches_nothing_else(
    base: Path, monkeypatch: pytest.MonkeyPatch, deed: Callable[[Path], None]
) -> None:
    """After the look: then it is the handle of what was seen that is changed."""
    path = base / "above/file"
    path.parent.mkdir()
    path.touch(0o666)
    path.chmod(0o666)
    inode = path.stat().st_ino
    real = os.chmod

    def chmod(name: str, permissions: int) -> None:
        deed(path)
        real(name, permissions)

    monkeypatch.setattr(os, "chmod", chmod)

    change_mode(Entry.at(str(path)), 0o664)

    changed = {each.lstat().st_ino for each in base.rglob("*") if mode(each) == 0o664}
    assert changed == {inode}
    assert is_safe(base)


def test_what_cannot_be_read_can_be_changed(base: Path) -> None:
    path = base / "closed"
    path.mkdir(mode=0)

    change_mode(Entry.at(str(path)), 0o700)

    assert mode(path) == 0o700


def test_a_directory_is_made_in_the_one_that_was_seen(base: Path) -> None:
    above = base / "above"
    above.mkdir()
    seen = Entry.at(str(above))
    make_directory(seen, "new", 0o700)
    assert mode(above / "new") == 0o700

    with pytest.raises(Changed, match="something is there now"):
        make_directory(seen, "new", 0o700)
    above.rename(base / "moved")
    above.symlink_to("victim")
    with pytest.raises(Changed):
        make_directory(seen, "other", 0o700)

    assert os.listdir(base / "victim") == ["file"]


@only_root
@pytest.mark.parametrize("how", ["owner", "mode"])
def test_root_changes_nothing_where_others_can_rename(base: Path, how: str) -> None:
    above = base / "above"
    above.mkdir()
    path = above / "file"
    path.touch()
    path.chmod(0o666)
    seen, directory = Entry.at(str(path)), Entry.at(str(above))
    if how == "owner":
        os.chown(above, UID, UID)
    else:
        above.chmod(0o777)

    with pytest.raises(Foreign) as refused:
        change_mode(seen, 0o644)
    assert refused.value.uid == (UID if how == "owner" else 0)
    directory = Entry.at(str(above))
    with pytest.raises(Foreign):
        make_directory(directory, "new", 0o755)
    with pytest.raises(Foreign):
        foreign.check_way(str(above / "not there" / "file"))

    assert mode(path) == 0o666
    assert os.listdir(above) == ["file"]
