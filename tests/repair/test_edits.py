"""`linkpolicy edits`: what `repair` saved is listed, shown, and can be applied again."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.repair.scene import EDITED, Scene, module, printed
from tests.uv.world import NAME, ORIGINAL, Done
from uvx_policy.repair import saved
from uvx_policy.repair.saved import DoesNotApply, SavedFile
from uvx_policy.verify.difference import difference
from uvx_policy.verify.originals import Original

with_uv = [pytest.mark.uv, pytest.mark.filesystem]


def edits(scene: Scene, *words: str, cwd: Path | None = None) -> Done:
    with scene.machine.working_in(cwd or scene.a):
        return scene.machine.linkpolicy("edits", *words)


@pytest.fixture
def repaired(scene: Scene) -> Scene:
    """An edit reached the cache and both projects, and was repaired everywhere."""
    module(scene.a).write_text(EDITED)
    scene.repair("--all")
    assert module(scene.a).read_text() == module(scene.b).read_text() == ORIGINAL
    return scene


class TestWithUv:
    pytestmark = with_uv

    def test_without_any_it_says_so(self, scene: Scene) -> None:
        assert edits(scene).out == "No edits are saved.\n"
        assert json.loads(edits(scene, "--json").out) == {"schema": 1, "edits": []}
        assert "no edits are saved" in edits(scene, "show", "1").err

    def test_they_are_listed_and_shown(self, repaired: Scene) -> None:
        listed = edits(repaired)
        (told,) = json.loads(edits(repaired, "--json").out)["edits"]

        assert (listed.code, listed.out.split("\n")[0].split()[0]) == (0, "1")
        assert f"1 file of {NAME}" in listed.out
        (file,) = told["files"]
        assert Path(file["saved"]).read_text() == EDITED
        assert str(module(repaired.a)) in file["found_at"]
        for name in ("1", told["name"]):
            shown = edits(repaired, "show", name)
            assert shown.code == 0
            assert f"+{EDITED}" in shown.out
            assert f"-{ORIGINAL}" in shown.out
        assert edits(repaired, "show", "2").code == 2

    def test_one_is_applied_here_and_nowhere_else(self, repaired: Scene) -> None:
        before = module(repaired.a).stat().st_ino
        printed(repaired.a)

        dry = edits(repaired, "apply", "1", "--dry-run")
        assert (dry.code, module(repaired.a).read_text()) == (0, ORIGINAL)
        done = edits(repaired, "apply", "1")

        assert (done.code, done.err) == (0, "")
        assert module(repaired.a).read_text() == EDITED
        assert printed(repaired.a) == "edited!!"
        assert (module(repaired.a).stat().st_nlink, module(repaired.a).stat().st_ino) != (1, before)
        assert module(repaired.b).read_text() == ORIGINAL
        assert (repaired.archive / "__init__.py").read_text() == ORIGINAL
        assert "linkpolicy init --hackable" in done.out
        # The unedited original is no edit: nothing new was saved.
        assert len(json.loads(edits(repaired, "--json").out)["edits"]) == 1
        assert "has the edit already" in edits(repaired, "apply", "1").out
        assert "edited" in repaired.verify().out

    def test_a_file_that_was_edited_otherwise_gets_the_diff_and_is_saved(
        self, repaired: Scene
    ) -> None:
        mine = f"# mine\n\n{ORIGINAL}# below\n"
        module(repaired.a).unlink()
        module(repaired.a).write_text(mine)

        done = edits(repaired, "apply", "1")

        assert (done.code, done.err) == (0, "")
        assert module(repaired.a).read_text() == mine.replace(ORIGINAL, EDITED)
        assert mine.encode() in [path.read_bytes() for path in repaired.saved()]

    def test_a_file_that_it_does_not_fit_is_left(self, repaired: Scene) -> None:
        module(repaired.a).unlink()
        module(repaired.a).write_text("VALUE = 'quite another'\n")

        done = edits(repaired, "apply", "1")

        assert done.code == 1
        assert "not in the file any more" in done.out
        assert module(repaired.a).read_text() == "VALUE = 'quite another'\n"

    def test_a_package_that_is_not_there_is_named(self, repaired: Scene) -> None:
        assert "nothing of `rich` is in this edit" in edits(repaired, "apply", "1", "rich").err
        repaired.world.uv("pip", "uninstall", NAME.replace("_", "-"), cwd=repaired.a)

        done = edits(repaired, "apply", "1")

        assert done.code == 1
        assert "is not installed here" in done.out


def saved_file(directory: Path, original: bytes, edited: bytes) -> SavedFile:
    (directory / "original").write_bytes(original)
    (directory / "edited").write_bytes(edited)
    text = difference(str(directory / "edited"), Original(path=str(directory / "original")), "f")
    (directory / "edited.diff").write_text(text, "utf-8", "surrogateescape", newline="\n")
    return SavedFile(
        path=str(directory / "edited"), difference=str(directory / "edited.diff"),
        distribution="p-1", name="f", found_at=(),
    )  # fmt: skip


LINES = st.lists(st.sampled_from([b"a\n", b"b\n", b"c\r\n", b"\n", b"d\re\n"]), max_size=12)
ENDS = st.sampled_from([b"", b"end", b"other"])


@given(original=LINES, edited=LINES, ends=st.tuples(ENDS, ENDS))
def test_a_diff_makes_of_the_original_what_was_edited(
    tmp_path_factory: pytest.TempPathFactory,
    original: list[bytes],
    edited: list[bytes],
    ends: tuple[bytes, bytes],
) -> None:
    before, after = b"".join(original) + ends[0], b"".join(edited) + ends[1]
    assume(before != after)
    file = saved_file(tmp_path_factory.mktemp("d"), before, after)

    assert saved.applied(file, before, is_original=False) == after


def test_lines_may_have_moved(tmp_path: Path) -> None:
    body = [b"%d\n" % number for number in range(40)]
    edited = [*body[:20], b"new\n", *body[21:]]
    file = saved_file(tmp_path, b"".join(body), b"".join(edited))
    moved = b"above\n" * 7

    assert saved.applied(file, moved + b"".join(body), is_original=False) == moved + b"".join(
        edited
    )
    with pytest.raises(DoesNotApply):
        saved.applied(file, b"".join(body[:20] + body[22:]), is_original=False)


def test_what_was_saved_without_a_diff_fits_the_original_alone(tmp_path: Path) -> None:
    file = saved_file(tmp_path, b"\0a", b"\0b")

    assert saved.applied(file, b"\0a", is_original=True) == b"\0b"
    with pytest.raises(DoesNotApply):
        saved.applied(file, b"\0c", is_original=False)


@pytest.mark.parametrize("damage", ["", "{}", '{"edits": [{}]}', '{"edits": 1}', "[", "fifo"])
def test_a_damaged_manifest_is_passed_over(tmp_path: Path, damage: str) -> None:
    (tmp_path / "x").mkdir()
    path = tmp_path / "x" / "manifest.json"
    if damage == "fifo":
        os.mkfifo(path)
    else:
        path.write_text(damage)

    assert saved.every(str(tmp_path)) == []


def test_patch_makes_the_same_of_it(tmp_path: Path) -> None:
    """The diff is one that patch(1) understands."""
    body = b"".join(b"%d\n" % number for number in range(30))
    edited = body.replace(b"7\n", b"seven\n", 1).replace(b"25\n", b"", 1)
    file = saved_file(tmp_path, body, edited)
    (tmp_path / "target").write_bytes(body)
    try:
        subprocess.run(
            ["patch", "-s", tmp_path / "target", file.difference], check=True, capture_output=True
        )
    except FileNotFoundError:
        pytest.skip("patch is not installed")

    assert (tmp_path / "target").read_bytes() == edited
    assert saved.applied(file, body, is_original=False) == edited
