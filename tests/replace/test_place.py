"""What comes back to its path after an exchange, whatever was saved meanwhile."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from uvx_policy.replace import kernel
from uvx_policy.replace.place import Place, Seen, put_back


@pytest.fixture
def exchanged(tmp_path: Path) -> Iterator[tuple[Place, Place, Seen]]:
    """`old`, at the path of which `ours` is, that has another name: `source`."""
    (tmp_path / "source").write_text("ours")
    (tmp_path / "path").write_text("old")
    os.link(tmp_path / "source", tmp_path / "new")
    ours = Seen.of((tmp_path / "new").lstat())
    handle = os.open(tmp_path, os.O_RDONLY)
    kernel.exchange(handle, "new", handle, "path")
    new, path = (Place(handle, name, str(tmp_path / name)) for name in ("new", "path"))
    yield new, path, ours
    os.close(handle)


def test_what_another_name_got_is_not_what_the_path_got(
    exchanged: tuple[Place, Place, Seen], tmp_path: Path
) -> None:
    """Otherwise whoever is about to write to the old file would write to one that has no name."""
    new, path, ours = exchanged
    (tmp_path / "source").write_text("written to by another name")

    put_back(new, path, ours, has_other_names=True)

    assert (tmp_path / "path").read_text() == "old"
    assert os.path.samefile(new.path, tmp_path / "source")


@pytest.mark.parametrize("has_other_names", [True, False])
def test_what_was_saved_at_the_path_stays_there(
    exchanged: tuple[Place, Place, Seen], tmp_path: Path, has_other_names: bool
) -> None:
    new, path, ours = exchanged
    (tmp_path / "saving").write_text("saved")
    (tmp_path / "saving").rename(path.path)

    put_back(new, path, ours, has_other_names=has_other_names)

    assert (tmp_path / "path").read_text() == "saved"
    assert (tmp_path / "new").read_text() == "old"


def test_what_was_written_to_the_only_name_stays_there(
    exchanged: tuple[Place, Place, Seen], tmp_path: Path
) -> None:
    new, path, ours = exchanged
    (tmp_path / "path").write_text("written in place")

    put_back(new, path, ours)

    assert (tmp_path / "path").read_text() == "written in place"
