"""What is saved of edits, and how it can be found again."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from uvx_policy.installed.hash import of_file
from uvx_policy.installed.tree import Tree
from uvx_policy.repair import backup as keep
from uvx_policy.repair import unfinished
from uvx_policy.repair.backup import CannotKeep, Edit
from uvx_policy.repair.model import Location, Step
from uvx_policy.repair.work import Work
from uvx_policy.replace.place import Place
from uvx_policy.verify.originals import Original


def edit(path: Path, **changes: Any) -> Edit:
    made = Edit(path=str(path), distribution="pkg-1", name="pkg/a.py", state="edited")
    return made.replace(**changes)


def manifest(kept: keep.Kept) -> list[dict[str, Any]]:
    return json.loads((Path(kept.directory) / keep.MANIFEST).read_text())["edits"]  # type: ignore[no-any-return]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.py"
    path.write_bytes(b"edited\xff\n")
    path.chmod(0o640)
    return path


def test_bytes_mode_and_place_are_kept(tmp_path: Path, file: Path) -> None:
    kept = keep.keep([edit(file)], str(tmp_path / "state/edits"))

    (row,) = manifest(kept)
    saved = Path(kept.directory) / "pkg-1/pkg/a.py"
    assert row == {
        "saved": "pkg-1/pkg/a.py", "from": [str(file)], "state": "edited", "mode": "0640",
        "diff": None,
    }  # fmt: skip
    assert saved.read_bytes() == b"edited\xff\n"
    assert saved.stat().st_mtime_ns == file.stat().st_mtime_ns
    assert kept.contents == {str(file): of_file(str(file), "sha256")}
    directories = [saved.parent, saved.parent.parent, Path(kept.directory), tmp_path / "state"]
    assert {each.stat().st_mode & 0o777 for each in directories} == {0o700}
    assert saved.stat().st_mode & 0o777 == 0o600


def test_the_difference_lies_beside_it(tmp_path: Path, file: Path) -> None:
    (tmp_path / "original").write_bytes(b"original\n")

    kept = keep.keep(
        [edit(file, original=Original(path=str(tmp_path / "original")))], str(tmp_path / "edits")
    )

    (row,) = manifest(kept)
    assert row["diff"] == "pkg-1/pkg/a.py.diff"
    text = (Path(kept.directory) / row["diff"]).read_bytes()
    assert text.endswith(b"@@ -1 +1 @@\n-original\n+edited\xff\n")


def test_one_edit_at_several_places_is_saved_once(tmp_path: Path, file: Path) -> None:
    name, copy, other = tmp_path / "name", tmp_path / "copy", tmp_path / "other"
    name.hardlink_to(file)
    copy.write_bytes(file.read_bytes())
    other.write_bytes(b"another edit\n")

    kept = keep.keep([edit(each) for each in (file, name, copy, other)], str(tmp_path / "edits"))

    assert [(row["saved"], row["from"]) for row in manifest(kept)] == [
        ("pkg-1/pkg/a.py", [str(file), str(name), str(copy)]),
        ("pkg-1/pkg/a.py.2", [str(other)]),
    ]


@pytest.mark.parametrize(
    ("name", "saved"),
    [
        ("../../../bin/tool", "bin/tool"),
        ("/etc/passwd", "etc/passwd"),
        ("..", "file"),
        ("a/" + "x" * 255, "a/" + "x" * 60),
    ],
)
def test_no_name_leads_out(tmp_path: Path, file: Path, name: str, saved: str) -> None:
    kept = keep.keep([edit(file, name=name)], str(tmp_path / "edits"))

    assert manifest(kept)[0]["saved"] == f"pkg-1/{saved}"


def test_what_is_gone_is_not_saved(tmp_path: Path) -> None:
    kept = keep.keep([edit(tmp_path / "gone")], str(tmp_path / "edits"))

    assert kept == keep.Kept()
    assert not (tmp_path / "edits").exists()


def test_a_second_one_in_the_same_second_has_another_name(tmp_path: Path, file: Path) -> None:
    names = {keep.keep([edit(file)], str(tmp_path / "edits")).directory for _ in range(3)}

    assert len(names) == 3


def test_what_cannot_be_saved_leaves_nothing_behind(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(CannotKeep, match="No space left on device"):
        keep.keep([edit(file)], str(tmp_path / "edits"))
    assert list((tmp_path / "edits").iterdir()) == []


def test_a_file_in_the_way_of_the_directory_is_told(file: Path) -> None:
    with pytest.raises(CannotKeep, match="cannot save your edits in"):
        keep.keep([edit(file)], str(file / "edits"))


def test_what_is_saved_later_goes_to_the_same_place(tmp_path: Path, file: Path) -> None:
    first = keep.keep([edit(file)], str(tmp_path / "edits"))
    file.write_bytes(b"once more\n")

    second = keep.keep([edit(file)], str(tmp_path / "edits"), first.directory)

    assert second.directory == first.directory
    assert [row["saved"] for row in manifest(second)] == ["pkg-1/pkg/a.py", "pkg-1/pkg/a.py.2"]
    assert sorted(path.name for path in Path(first.directory).iterdir()) == [
        keep.MANIFEST, "pkg-1",
    ]  # fmt: skip


# What a killed repair leaves ---------------------------------------------------------------------


TREE = Tree(path="/p/.venv/site", kind="site", owner="/p/.venv")


def plan(path: str) -> list[Step]:
    step = Step(
        action="relink", location=Location(path=path, tree=TREE), distribution="pkg-1",
        state="edited",
    )  # fmt: skip
    return [step, step.replace(action="leave", location=Location(path="/other", tree=TREE))]


def test_what_was_not_finished_is_found_until_it_ends(tmp_path: Path) -> None:
    state = str(tmp_path / "state")
    path = "/p/.venv/site/caf\udce9.py"

    name = unfinished.begin(state, plan(path))

    assert unfinished.left(state) == {name: [(TREE, path)]}
    unfinished.end(state, name)
    assert unfinished.left(state) == {}


def test_without_a_state_directory_nothing_is_kept() -> None:
    unfinished.end("", unfinished.begin("", plan("/a")))

    assert unfinished.left("") == {}


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'[["a"]]', b"\xff", b"[" * 9999])
def test_what_is_damaged_is_passed_over(tmp_path: Path, content: bytes) -> None:
    state = str(tmp_path / "state")
    name = unfinished.begin(state, plan("/a"))
    (tmp_path / "state/repairs" / name).write_bytes(content)

    assert unfinished.left(state) == {name: []}


def test_what_others_could_have_written_is_passed_over(tmp_path: Path) -> None:
    state = str(tmp_path / "state")
    name = unfinished.begin(state, plan("/a"))
    (tmp_path / "state/repairs" / name).chmod(0o666)

    assert unfinished.left(state) == {name: []}


def test_what_was_moved_away_meanwhile_is_not_taken_for_saved(tmp_path: Path) -> None:
    """Whoever asked would delete it."""
    path = tmp_path / "renamed/new-1"
    path.parent.mkdir()
    path.write_text("an edit")
    handle = os.open(path.parent, os.O_RDONLY)
    path.parent.rename(tmp_path / "elsewhere")

    with pytest.raises(CannotKeep):
        Work("", str(tmp_path / "edits"), 1).rescue(Place(handle, "new-1", str(path)), "module.py")

    os.close(handle)
