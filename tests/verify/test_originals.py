"""Where the original of an edited file is found, and that nothing else is taken for it."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from tests.verify.making import archive, digest, distribution, environment, found
from uvx_policy.installed.finding import Finding
from uvx_policy.installed.tree import Index, Tree
from uvx_policy.verify.difference import difference
from uvx_policy.verify.originals import Original, Originals, chunks

RIGHT, WRONG = b"right\n", b"wrong\n"
FILES = {"one/a.py": RIGHT}


@pytest.fixture
def edited(tmp_path: Path) -> Path:
    """A file of an environment that somebody has edited in place."""
    distribution(environment(tmp_path / "env"), FILES)
    path = next((tmp_path / "env").rglob("one/a.py"))
    path.write_bytes(WRONG)
    return path


def the_finding(path: Path) -> Finding:
    (site,) = [parent for parent in path.parents if parent.name == "site-packages"]
    tree = Tree(path=str(site), kind="site", owner=str(site.parent.parent.parent))
    (finding,) = found(tree)
    return finding


def original(path: Path, index: Index) -> tuple[Original, bytes] | None:
    told = Originals(index).of(the_finding(path))
    return (told, b"".join(chunks(told))) if told is not None else None


def test_nowhere(edited: Path) -> None:
    assert original(edited, Index([], [])) is None


def test_in_an_archive_of_any_cache(tmp_path: Path, edited: Path) -> None:
    tree = archive(tmp_path / "cache")
    distribution(tree, FILES)

    told = original(edited, Index([str(tmp_path / "none"), str(tmp_path / "cache")], []))

    path = os.path.join(tree.path, "one/a.py")
    assert told == (Original(path=path, in_cache=True), RIGHT)


def test_in_another_environment_at_another_path(tmp_path: Path, edited: Path) -> None:
    """By its digest: a script lies in `.data` of an archive, and in `bin` of an environment."""
    other = environment(tmp_path / "other")
    distribution(other, {"somewhere/else.py": RIGHT})

    told = original(edited, Index([], [str(tmp_path / "other")]))

    assert told == (Original(path=os.path.join(other.path, "somewhere/else.py")), RIGHT)


def test_another_version_is_no_place_to_look(tmp_path: Path, edited: Path) -> None:
    distribution(archive(tmp_path / "cache"), FILES, version="2.0")

    assert original(edited, Index([str(tmp_path / "cache")], [])) is None


def test_what_is_edited_itself_is_no_original(tmp_path: Path, edited: Path) -> None:
    tree = archive(tmp_path / "cache")
    distribution(tree, FILES)
    (Path(tree.path) / "one/a.py").write_bytes(b"other\n")

    assert original(edited, Index([str(tmp_path / "cache")], [])) is None


def test_in_itself_when_something_was_appended(edited: Path) -> None:
    edited.write_bytes(RIGHT + b"more\n")

    told = original(edited, Index([], []))

    assert told == (Original(path=str(edited), length=len(RIGHT)), RIGHT)
    assert str(told[0]) == f"the first 6 bytes of {edited}"


@pytest.mark.parametrize("name", ["a.py~", "a.py.orig", "a.py.bak"])
def test_in_a_back_up_beside_it(edited: Path, name: str) -> None:
    edited.with_name(name).write_bytes(RIGHT)

    (site,) = [parent for parent in edited.parents if parent.name == "site-packages"]
    tree = Tree(path=str(site), kind="site", owner=str(site.parent.parent.parent))
    finding = next(each for each in found(tree) if each.state == "edited")
    told = Originals(Index([], [])).of(finding)

    assert told == Original(path=str(edited.with_name(name)))


def wheel(path: Path, content: bytes, *, record: bytes = b"", mode: int = 0o644) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as stream:
        entry = zipfile.ZipInfo("one/a.py")
        entry.external_attr = (0o100000 | mode) << 16
        stream.writestr(entry, content)
        row = f"one/a.py,{digest(content)},{len(content)}\n".encode()
        stream.writestr("one-1.0.dist-info/RECORD", record or row)
    return path


@pytest.mark.parametrize(("mode", "executable"), [(0o644, False), (0o755, True)])
def test_in_a_wheel_that_uv_built_and_kept(
    tmp_path: Path, edited: Path, mode: int, executable: bool
) -> None:
    kept = wheel(
        tmp_path / "cache/sdists-v9/path/0123/abcd/one-1.0-py3-none-any.whl", RIGHT, mode=mode
    )

    told = original(edited, Index([str(tmp_path / "cache")], []))

    assert told == (
        Original(path=str(kept), member="one/a.py", executable=executable), RIGHT,
    )  # fmt: skip
    assert str(told[0]) == f"one/a.py in {kept}"


def test_in_the_local_wheel_that_it_was_installed_from(tmp_path: Path, edited: Path) -> None:
    local = wheel(tmp_path / "my wheels/one-1.0-py3-none-any.whl", RIGHT)
    (dist_info,) = edited.parent.parent.glob("*.dist-info")
    (dist_info / "direct_url.json").write_text(f'{{"url": "{local.as_uri()}"}}')

    told = original(edited, Index([], []))

    assert told == (Original(path=str(local), member="one/a.py"), RIGHT)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda path: path.write_bytes(b"no wheel"), id="no zip"),
        pytest.param(lambda path: os.truncate(path, 60), id="half a zip"),
        pytest.param(
            lambda path: path.write_bytes(path.read_bytes().replace(RIGHT, WRONG, 1)), id="CRC"
        ),
        pytest.param(lambda path: wheel(path, WRONG), id="another build"),
        pytest.param(
            lambda path: wheel(
                path, WRONG, record=f"one/a.py,{digest(RIGHT)},{len(RIGHT)}\n".encode()
            ),
            id="a RECORD that lies",
        ),
        pytest.param(lambda path: wheel(path, RIGHT, record=b'"\0\n,,'), id="damaged RECORD"),
    ],
)
def test_a_bad_wheel_is_none(tmp_path: Path, edited: Path, damage) -> None:  # type: ignore[no-untyped-def]
    path = wheel(tmp_path / "cache/sdists-v9/x/one-1.0-py3-none-any.whl", RIGHT)
    damage(path)

    assert original(edited, Index([str(tmp_path / "cache")], [])) is None


def test_of_odd_permissions_alone_another_copy_tells_which_are_right(tmp_path: Path) -> None:
    files = {f"one/{name}.py": name.encode() for name in "abcd"}
    distribution(environment(tmp_path / "env"), files)
    path = next((tmp_path / "env").rglob("one/a.py"))
    path.chmod(0o777)
    tree = archive(tmp_path / "cache")
    distribution(tree, files)

    finding = the_finding(path)
    assert finding.state == "mode"
    told = Originals(Index([str(tmp_path / "cache")], [])).of(finding)

    assert told == Original(path=os.path.join(tree.path, "one/a.py"), in_cache=True)
    # Without one it is the file itself, which is no program.
    assert Originals(Index([], [])).of(finding) == Original(path=str(path))


# The difference ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        pytest.param(b"a\nb\n", b"a\nB\n", "@@ -1,2 +1,2 @@\n a\n-b\n+B\n", id="a line"),
        pytest.param(b"a\n", b"a\nb\n", "@@ -1 +1,2 @@\n a\n+b\n", id="appended"),
        pytest.param(
            b"a\n", b"a", "@@ -1 +1 @@\n-a\n+a\n\\ No newline at end of file\n", id="no newline"
        ),
        pytest.param(b"a\n", b"a\r\n", "@@ -1 +1 @@\n-a\n+a\r\n", id="CRLF"),
        pytest.param(b"a\x0cb\n", b"c\n", "@@ -1 +1 @@\n-a\x0cb\n+c\n", id="a form feed"),
        pytest.param(b"\xff\n", b"b\n", "@@ -1 +1 @@\n-\udcff\n+b\n", id="no UTF-8"),
        pytest.param(b"a\n", b"", "@@ -1 +0,0 @@\n-a\n", id="emptied"),
    ],
)
def test_a_unified_diff(tmp_path: Path, before: bytes, after: bytes, text: str) -> None:
    (tmp_path / "before").write_bytes(before)
    (tmp_path / "after").write_bytes(after)

    told = difference(str(tmp_path / "after"), Original(path=str(tmp_path / "before")), "pkg/a.py")

    assert told == f"--- pkg/a.py (original)\n+++ pkg/a.py\n{text}"


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        (b"a\0b", b"a\0bc", "binary files differ (4 bytes, 3 in the original)"),
        (b"a" * (2 << 20), b"b", "it is too large to be compared line by line"),
    ],
)
def test_a_sentence_for_what_has_no_lines(
    tmp_path: Path, before: bytes, after: bytes, sentence: str
) -> None:
    (tmp_path / "before").write_bytes(before)
    (tmp_path / "after").write_bytes(after)

    told = difference(str(tmp_path / "after"), Original(path=str(tmp_path / "before")), "a")

    assert told == f"a: {sentence}\n"


def test_a_sentence_for_what_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"a\n")
    there, gone = tmp_path / "there", Original(path=str(tmp_path / "gone"))

    assert difference(str(there), None, "a") == "a: its original is nowhere to be found\n"
    assert difference(str(there), gone, "a").startswith("a: its original cannot be read: No such")
    assert difference(gone.path, Original(path=str(there)), "a") == "a: it is missing\n"
    assert difference(str(there), Original(path=str(there)), "a") == ""
    assert "cannot be read" in difference(str(tmp_path), Original(path=str(there)), "a")
