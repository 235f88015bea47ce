from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.verify.making import distribution, environment, found
from uvx_policy.installed import modes
from uvx_policy.installed.tree import Tree

FILE = 0o100000


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([0o644, 0o644, 0o755], 0o644),
        ([0o600] * 3, 0o600),
        ([0o664, 0o775, 0o664], 0o664),
        ([0o644, 0o644], None),
        ([], None),
        ([0o644, 0o600, 0o664], None),
        ([0o644, 0o644, 0o600, 0o600], None),
    ],
)
def test_what_most_files_have_is_usual(given: list[int], told: int | None) -> None:
    assert modes.usual(FILE | mode for mode in given) == told


@pytest.mark.parametrize(
    ("mode", "usual", "is_odd"),
    [
        (0o644, 0o644, False),
        (0o755, 0o644, False),
        (0o600, 0o644, True),
        (0o666, 0o644, True),
        (0o744, 0o644, True),
        (0o4755, 0o644, True),
        (0o444, 0o644, True),
        (0o000, 0o644, True),
        (0o711, 0o600, False),
        (0o700, 0o600, True),
        (0o755, 0o600, True),
        (0o777, 0o666, False),
        (0o600, None, False),
    ],
)
def test_what_uv_never_gives_is_odd(mode: int, usual: int | None, *, is_odd: bool) -> None:
    assert bool(modes.oddity(FILE | mode, "one/a.py", usual)) is is_odd


@pytest.mark.parametrize(
    "path", ["../../../bin/tool", "one-1.dist-info/RECORD", "one-1.dist-info/direct_url.json"]
)
def test_what_is_written_anew_may_have_any(path: str) -> None:
    assert modes.oddity(FILE | 0o600, path, 0o644) == ""


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    before = os.umask(0o022)
    tree = environment(tmp_path / "env")
    distribution(tree, {f"one/{number}.py": b"" for number in range(5)})
    os.umask(before)
    return tree


def test_a_finding_says_which(tree: Tree) -> None:
    path = Path(tree.path) / "one/3.py"

    path.chmod(0o666)

    (told,) = found(tree)
    assert (told.state, told.path) == ("mode", str(path))
    assert told.detail == "its permissions are 0666, of the others here 0644"


def test_all_files_of_a_wheel_may_have_been_unpacked_with_another_umask(tree: Tree) -> None:
    for path in (*Path(tree.path).glob("one/*"), *Path(tree.path).glob("*.dist-info/*")):
        path.chmod(0o600)

    assert found(tree) == []


def test_an_edited_file_with_odd_permissions_is_both(tree: Tree) -> None:
    path = Path(tree.path) / "one/3.py"
    path.write_bytes(b"edited")
    path.chmod(0o600)

    assert sorted(each.state for each in found(tree)) == ["edited", "mode"]


def test_what_other_installers_give_is_theirs(tmp_path: Path) -> None:
    tree = environment(tmp_path / "env")
    distribution(tree, {f"one/{number}.py": b"" for number in range(5)}, installer="conda")
    (Path(tree.path) / "one/3.py").chmod(0o664)

    assert found(tree) == []
