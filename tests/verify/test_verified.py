from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.verify.making import distribution, environment, found
from uvx_policy.installed.finding import Finding
from uvx_policy.installed.tree import Tree
from uvx_policy.state import layout
from uvx_policy.verify import engine, hashing, verified
from uvx_policy.verify.engine import verify
from uvx_policy.verify.tally import Tally

A_HOUR_AGO = 3600 * 10**9
WINDOW = b"w" * 16
TOKENS = [bytes([number]) * 16 for number in range(3)]


@pytest.fixture
def state(tmp_path: Path) -> str:
    return str(tmp_path / "state")


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    """Two files of a distribution, its METADATA, all of them no longer fresh."""
    monkeypatch.setattr(hashing, "_FRESH", 0)
    tree = environment(tmp_path / "env")
    distribution(tree, {"one/a.py": b"a", "one/b.py": b"b"})
    return tree


def hashed(tree: Tree, state: str, *, full: bool = False) -> int:
    """Files that were read, of a tree in which nothing is wrong."""
    tally = Tally()
    assert found(tree, tally=tally, state=state, full=full) == []
    assert tally.files == 5
    return tally.hashed_files


def test_the_second_run_reads_nothing(tree: Tree, state: str) -> None:
    assert [hashed(tree, state) for _ in range(3)] == [3, 0, 0]
    assert hashed(tree, state, full=True) == 3
    assert hashed(tree, state) == 0
    assert hashed(tree, "") == 3


def touched(path: Path) -> None:
    os.utime(path)


def rewritten(path: Path) -> None:
    path.write_bytes(path.read_bytes())


def replaced(path: Path) -> None:
    other = path.with_name("new")
    other.write_bytes(path.read_bytes())
    told = path.stat()
    os.utime(other, ns=(told.st_atime_ns, told.st_mtime_ns))
    other.rename(path)


def linked(path: Path) -> None:
    os.link(path, path.parents[5] / "other name")


def given_another_mode(path: Path) -> None:
    path.chmod(0o755)


@pytest.mark.parametrize(
    "change", [touched, rewritten, replaced, linked, given_another_mode], ids=lambda it: it.__name__
)
def test_what_was_changed_is_read_again(tree: Tree, state: str, change: object) -> None:
    hashed(tree, state)

    change(Path(tree.path) / "one" / "a.py")  # type: ignore[operator]

    assert [hashed(tree, state) for _ in range(2)] == [1, 0]


def test_an_edit_that_kept_size_and_time_is_found(tree: Tree, state: str) -> None:
    hashed(tree, state)
    path = Path(tree.path) / "one" / "a.py"
    told = path.stat()

    path.write_bytes(b"x")
    os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))

    for _ in range(2):
        (finding,) = found(tree, state=state)
        assert (finding.path, finding.state) == (str(path), "edited")


def test_a_record_that_was_changed_is_believed_of_no_file(tree: Tree, state: str) -> None:
    hashed(tree, state)
    record = Path(tree.path) / "one-1.0.dist-info" / "RECORD"
    lines = record.read_text().splitlines(keepends=True)
    record.write_text(lines[0].replace("one/a.py", "one/b.py") + "".join(lines[2:]))

    assert {each.state for each in found(tree, state=state)} == {"edited", "extra"}


def test_fresh_files_are_not_remembered(
    tree: Tree, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashing, "_FRESH", A_HOUR_AGO)

    assert [hashed(tree, state) for _ in range(2)] == [3, 3]
    assert not (Path(state) / layout.VERIFIED.directory).exists()


def known(state: str, tree: Tree) -> int:
    """Files that are remembered."""
    return len(verified.load(state, tree.owner).files)


def test_what_is_gone_is_forgotten(tree: Tree, state: str) -> None:
    hashed(tree, state)
    assert known(state, tree) == 3

    for path in Path(tree.path).iterdir():
        path.rename(path.with_name(path.name.replace("one-1.0.dist-info", "gone")))
    found(tree, state=state)

    assert known(state, tree) == 0


def test_an_edited_file_keeps_no_other_from_being_remembered(tree: Tree, state: str) -> None:
    (Path(tree.path) / "one" / "a.py").write_bytes(b"edited")

    read = []
    for _ in range(2):
        tally = Tally()
        assert [each.state for each in found(tree, state=state, tally=tally)] == ["edited"]
        read.append(tally.hashed_files)

    assert read == [3, 1]


def test_one_file_of_many_is_read_again_and_the_others_stay_known(
    tree: Tree, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_WINDOW", 2)
    assert [hashed(tree, state) for _ in range(2)] == [3, 0]

    touched(Path(tree.path) / "one" / "b.py")

    assert [hashed(tree, state) for _ in range(2)] == [1, 0]
    assert known(state, tree) == 3


def test_an_interrupted_run_keeps_what_it_has(
    tree: Tree, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed(tree, state)
    distribution(tree, {f"two/{n}.py": b"n" for n in range(9)}, name="two")
    monkeypatch.setattr(hashing, "_MOST_FILES", 2)
    (Path(tree.path) / "two" / "5.py").write_bytes(b"edited")
    run = verify([tree], state=state, workers=0)

    first: Finding = next(run)
    run.close()  # type: ignore[attr-defined]

    assert first.state == "edited"
    kept = known(state, tree)
    assert 3 < kept < 3 + 10
    tally = Tally()
    found(tree, state=state, tally=tally)
    assert tally.hashed_files == 13 - kept
    assert known(state, tree) == 12


def test_what_an_interrupted_run_did_not_come_to_stays(tree: Tree, state: str) -> None:
    distribution(tree, {"another/a.py": b"a", "another/b.py": b"b"}, name="another")
    (Path(tree.path) / "another" / "a.py").write_bytes(b"edited")
    found(tree, state=state)
    assert known(state, tree) == 5
    run = verify([tree], state=state, workers=0)

    next(run)
    run.close()  # type: ignore[attr-defined]

    tally = Tally()
    found(tree, state=state, tally=tally)
    assert tally.hashed_files == 1


def test_a_run_over_some_files_forgets_none(tree: Tree, state: str) -> None:
    hashed(tree, state)

    path = Path(tree.path) / "one" / "a.py"
    assert list(verify([tree], state=state, only=[str(path)], workers=0)) == []

    assert [known(state, tree), hashed(tree, state)] == [3, 0]


# The file -----------------------------------------------------------------------------------------


def save(state: str, owner: str, *, complete: bool = True) -> None:
    memory = verified.Memory()
    memory.add(WINDOW, b"".join(TOKENS))
    verified.save(state, owner, memory, complete=complete)


def test_each_owner_has_a_file_of_its_own(state: str) -> None:
    save(state, "/a")
    verified.save(state, "/b", verified.Memory(), complete=True)

    assert verified.load(state, "/a").files == set(TOKENS)
    assert verified.load(state, "/a").has_window(WINDOW)
    for memory in (
        verified.load(state, "/b"), verified.load(state, "/never"), verified.load("", "/a"),
    ):  # fmt: skip
        assert not memory.has_window(WINDOW)
        assert memory.files == set()
    (path,) = (Path(state) / layout.VERIFIED.directory).iterdir()
    assert path.stat().st_mode & 0o777 == 0o600


def test_windows_that_were_not_seen_go_with_a_complete_run(state: str) -> None:
    save(state, "/a")
    memory = verified.load(state, "/a")
    memory.add(b"v" * 16, b"t" * 32)

    verified.save(state, "/a", memory, complete=False)
    assert verified.load(state, "/a").files == {*TOKENS, b"t" * 16}

    memory = verified.load(state, "/a")
    assert memory.has_window(b"v" * 16)
    verified.save(state, "/a", memory, complete=True)
    assert verified.load(state, "/a").files == {b"t" * 16}


def test_a_window_that_was_not_well_is_never_known(state: str) -> None:
    memory = verified.Memory()
    memory.add(verified.NOT_WELL, TOKENS[1])
    memory.add(verified.NOT_WELL, TOKENS[2])
    verified.save(state, "/a", memory, complete=True)

    memory = verified.load(state, "/a")

    assert not memory.has_window(verified.NOT_WELL)
    assert memory.files == {TOKENS[1], TOKENS[2]}


def test_an_interrupted_run_keeps_every_window_that_was_not_well(state: str) -> None:
    test_a_window_that_was_not_well_is_never_known(state)
    memory = verified.load(state, "/a")
    memory.add(WINDOW, b"")

    verified.save(state, "/a", memory, complete=False)

    assert verified.load(state, "/a").files == {TOKENS[1], TOKENS[2]}


def file_of(state: str, owner: str) -> Path:
    save(state, owner)
    (path,) = (Path(state) / layout.VERIFIED.directory).iterdir()
    return path


def test_nothing_new_is_not_written(state: str) -> None:
    path = file_of(state, "/a")
    before = path.stat()

    memory = verified.load(state, "/a")
    assert memory.has_window(WINDOW)
    verified.save(state, "/a", memory, complete=True)

    assert path.stat() == before


HEAD = b"linkpolicy-verified-v2\n"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 16,
        HEAD + b"x" * 15,
        HEAD + WINDOW + (2).to_bytes(4, "little") + b"t" * 16,
        HEAD + WINDOW + (0).to_bytes(4, "little") + b"t" * 16,
        HEAD + WINDOW + b"\xff" * 4 + b"t" * 16,
        HEAD.replace(b"v2", b"v1") + WINDOW + (1).to_bytes(4, "little") + b"t" * 16,
    ],
)
def test_a_damaged_file_counts_as_nothing(state: str, content: bytes) -> None:
    path = file_of(state, "/a")

    path.write_bytes(content)

    memory = verified.load(state, "/a")
    assert not memory.has_window(WINDOW)
    assert memory.files == set()


def test_a_file_that_others_may_write_counts_as_nothing(state: str) -> None:
    path = file_of(state, "/a")

    path.chmod(0o622)

    assert not verified.load(state, "/a").has_window(WINDOW)


def test_what_stands_in_the_way_raises_nothing(state: str, tree: Tree) -> None:
    path = file_of(state, tree.owner)
    path.unlink()
    path.mkdir()

    assert [hashed(tree, state) for _ in range(2)] == [3, 3]


def test_there_is_an_end_to_what_is_kept(state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    length = len(HEAD) + 20 + 16 * 3
    monkeypatch.setattr(layout.VERIFIED, "longest", length - 1)
    save(state, "/a")
    assert not verified.load(state, "/a").has_window(WINDOW)

    monkeypatch.setattr(layout.VERIFIED, "longest", length)
    monkeypatch.setattr(layout.VERIFIED, "most", 4)
    for number in range(9):
        save(state, f"/{number}")

    assert len(list((Path(state) / layout.VERIFIED.directory).iterdir())) <= 4
    assert verified.load(state, "/8").has_window(WINDOW)
