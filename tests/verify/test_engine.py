from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.odd_files import bound_socket, fifo
from tests.verify.making import archive, digest, distribution, environment, found, said
from uvx_policy.installed.finding import Finding
from uvx_policy.installed.hash import Hash
from uvx_policy.installed.record import Row
from uvx_policy.installed.tree import Tree
from uvx_policy.verify import engine, hashing
from uvx_policy.verify.engine import verify
from uvx_policy.verify.tally import Tally

FILES = {"one/__init__.py": b"original\n", "one/data.bin": bytes(1000), "one.py": b""}


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """One distribution: three files and METADATA have hashes, INSTALLER and RECORD none."""
    tree = environment(tmp_path / "env")
    distribution(tree, FILES)
    return tree


def at(tree: Tree, path: str = "one/__init__.py") -> Path:
    return Path(tree.path) / path


# What is well -------------------------------------------------------------------------------------


def test_a_fresh_installation_is_well_and_counted(tree: Tree) -> None:
    tally = Tally()

    assert found(tree, tally=tally) == []

    record = at(tree, "one-1.0.dist-info/RECORD").stat().st_size
    assert vars(tally) == {
        "distributions": 1,
        "files": 6,
        "bytes": 9 + 1000 + len("Name: one\n") + 2 + record,
        "hashed_files": 4,
        "hashed_bytes": 9 + 1000 + len("Name: one\n"),
        "unhashed_files": 2,
        "without_record": 0,
    }


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
def test_every_algorithm_of_the_specification(tmp_path: Path, algorithm: str) -> None:
    tree = environment(tmp_path / "env")
    distribution(tree, FILES, algorithm=algorithm)
    assert found(tree) == []

    at(tree).write_bytes(b"edited\n")

    assert said(tree) == [("edited", "one/__init__.py")]


NAMES = {
    "a comma": "one/a,b.py",
    "a quote": 'one/a"b.py',
    "both": 'one/",".py',
    "a line break": "one/a\nb.py",
    "a carriage return": "one/a\rb.py",
    "a space at the end": "one/a ",
    "a leading space": " one/a",
    "two dots in a name": "one/a..b.py",
    "a name of dots": "one/...",
    "no UTF-8": os.fsdecode(b"one/\xff\xfe.py"),
    "umlauts": "one/\u00e4\u00f6.py",
    "decomposed": "one/a\u0308.py",
    "beyond the BMP": "one/\U0001f40d.py",
    "a separator of lines for Unicode": "one/a\u2028b\x85c\x0cd.py",
    "a deep one": "one/" + "/".join("d" * 40 for _ in range(20)) + "/x.py",
    "a hidden one": "one/.hidden/.py",
    "a backslash": "one/a\\b.py",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_every_name_is_found(tmp_path: Path, name: str) -> None:
    tree = environment(tmp_path / "env")
    distribution(tree, {"one/__init__.py": b"", name: b"original"})
    assert found(tree) == []

    at(tree, name).write_bytes(b"edited")

    assert said(tree) == [("edited", name)]


@pytest.mark.parametrize(
    "spelling",
    ["./one/x.py", "one/./x.py", "one//x.py", "one/../one/x.py", "{site}/one/x.py"],
)
def test_a_path_that_is_spelled_otherwise_is_the_same_file(tree: Tree, spelling: str) -> None:
    at(tree, "one/x.py").write_bytes(b"x")
    row = f"{spelling.format(site=tree.path)},{digest(b'x')},1"
    (tree_record := at(tree, "one-1.0.dist-info/RECORD")).write_text(
        tree_record.read_text() + row + "\n"
    )
    assert found(tree) == []

    at(tree, "one/x.py").write_bytes(b"y")

    assert said(tree) == [("edited", "one/x.py")]


def test_rows_without_a_hash_are_only_there(tmp_path: Path) -> None:
    tree = environment(tmp_path / "env")
    rows = ["one/a.cfg,,", "one/gone.cfg,,", "one/__pycache__/a.cpython-311.pyc,,"]
    distribution(tree, FILES, more_rows=rows)
    at(tree, "one/a.cfg").write_bytes(b"anything")

    assert said(tree) == [("missing", "one/gone.cfg")]


def test_bytecode_may_come_and_go_but_what_a_wheel_brought_is_compared(tmp_path: Path) -> None:
    tree = environment(tmp_path / "env")
    distribution(tree, {**FILES, "one/only.pyc": b"brought along"})
    at(tree, "one/__pycache__").mkdir()
    at(tree, "one/__pycache__/a.cpython-311.pyc").write_bytes(b"by Python")
    at(tree, "one/beside.pyc").write_bytes(b"by Python 2")
    assert found(tree) == []

    at(tree, "one/only.pyc").write_bytes(b"edited")
    assert said(tree) == [("edited", "one/only.pyc")]

    at(tree, "one/only.pyc").unlink()
    assert said(tree) == []


def test_scripts_and_data_outside_the_site_directory(tmp_path: Path) -> None:
    tree = environment(tmp_path / "env")
    distribution(tree, {"one.py": b"", "../../../bin/tool": b"#!x", "../../../share/d": b"data"})
    assert found(tree) == []

    (tmp_path / "env/bin/tool").write_bytes(b"edited")
    (tmp_path / "env/share/d").unlink()

    assert said(tree) == [("edited", "../../../bin/tool"), ("missing", "../../../share/d")]


def test_an_editable_installation(tmp_path: Path) -> None:
    tree = environment(tmp_path / "env")
    (tmp_path / "source").mkdir()
    (tmp_path / "source/mine.py").write_text("edited all the time")
    info = distribution(tree, {"__editable__.mine.pth": b"/source\n"}, name="mine")
    (info / "direct_url.json").write_text('{"url": "file:///source", "dir_info": {"editable": 1}}')
    (info / "uv_cache.json").write_text("{}")
    assert found(tree) == []

    at(tree, "__editable__.mine.pth").write_bytes(b"/elsewhere\n")

    assert said(tree) == [("edited", "__editable__.mine.pth")]


# What is not --------------------------------------------------------------------------------------


def edited(path: Path) -> None:
    path.write_bytes(b"edited!!\n")


def replaced(path: Path) -> None:
    path.with_name("new").write_bytes(b"edited!!\n")
    path.with_name("new").rename(path)


def appended(path: Path) -> None:
    with path.open("ab") as stream:
        stream.write(b"more")


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def removed(path: Path) -> None:
    path.unlink()


def made_a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def made_a_fifo(path: Path) -> None:
    path.unlink()
    fifo(path)


def made_a_socket(path: Path) -> None:
    path.unlink()
    bound_socket(path)


def made_dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def made_a_loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def made_a_link_to_other_content(path: Path) -> None:
    path.unlink()
    path.symlink_to("data.bin")


def made_a_link_to_itself_elsewhere(path: Path) -> None:
    elsewhere = path.parents[5] / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


def made_executable_for_all_and_writable(path: Path) -> None:
    path.chmod(0o777)


CHANGES: list[tuple[Callable[[Path], None], str | None]] = [
    (edited, "edited"),
    (replaced, "edited"),
    (appended, "edited"),
    (emptied, "edited"),
    (removed, "missing"),
    (made_a_directory, "edited"),
    (made_a_fifo, "edited"),
    (made_a_socket, "edited"),
    (made_dangling, "missing"),
    (made_a_loop, "missing"),
    (made_a_link_to_other_content, "edited"),
    (made_a_link_to_itself_elsewhere, None),
    (made_executable_for_all_and_writable, "mode"),
]


@pytest.mark.parametrize(
    ("change", "state"), [pytest.param(*each, id=each[0].__name__) for each in CHANGES]
)
def test_each_change_is_told(tree: Tree, change: Callable[[Path], None], state: str | None) -> None:
    change(at(tree))

    assert said(tree) == ([(state, "one/__init__.py")] if state else [])


def test_a_finding_says_where_and_what_it_should_be(tree: Tree) -> None:
    at(tree).write_bytes(b"edited")

    algorithm, _, told = digest(b"original\n").partition("=")
    assert found(tree) == [
        Finding(
            path=f"{tree.path}/one/__init__.py",
            state="edited",
            tree=tree,
            distribution="one",
            version="1.0",
            dist_info=f"{tree.path}/one-1.0.dist-info",
            row=Row("one/__init__.py", Hash(algorithm, told), 9),
        )
    ]


def test_an_archive_of_a_cache(tmp_path: Path) -> None:
    tree = archive(tmp_path / "cache")
    distribution(tree, {**FILES, "one-1.0.data/scripts/tool": b"#!python\n"})
    assert found(tree) == []

    at(tree, "one-1.0.data/scripts/tool").write_bytes(b"#!/usr/bin/python\n")
    at(tree, "one/more.py").write_bytes(b"")
    at(tree, "beside.py").write_bytes(b"")

    assert said(tree) == [
        ("edited", "one-1.0.data/scripts/tool"),
        ("unlisted", "beside.py"),
        ("unlisted", "one/more.py"),
    ]


def test_several_trees_at_once(tmp_path: Path) -> None:
    trees = []
    for owner in ("a", "b"):
        first = environment(tmp_path / owner)
        second = Tree(path=first.path.replace("/lib/", "/lib64/"), kind="site", owner=first.owner)
        Path(second.path).mkdir(parents=True)
        trees += [first, second]
    for tree in trees:
        distribution(tree, FILES)
        at(tree).write_bytes(b"edited")
    tally = Tally()

    assert [each.tree for each in found(*trees, tally=tally)] == trees
    assert (tally.distributions, tally.files) == (4, 24)


def test_processes_find_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "_MOST_FILES", 5)
    tree = environment(tmp_path / "env")
    distribution(tree, {f"one/{n}.py": b"%d" % n for n in range(60)})
    for number in range(0, 60, 7):
        at(tree, f"one/{number}.py").write_bytes(b"edited")

    alone = sorted(each.path for each in verify([tree], workers=0))
    told = sorted(each.path for each in verify([tree], workers=2))

    assert told == alone
    assert len(told) == 9


def test_rows_beyond_one_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_WINDOW", 7)
    tree = environment(tmp_path / "env")
    distribution(tree, {f"one/{n}.py": b"%d" % n for n in range(50)})
    at(tree, "one/3.py").write_bytes(b"edited")
    at(tree, "one/49.py").unlink()
    tally = Tally()

    assert sorted(each.state for each in found(tree, tally=tally)) == ["edited", "missing"]
    assert tally.files == 52


def test_only_some_files(tree: Tree) -> None:
    for name in FILES:
        at(tree, name).write_bytes(b"edited")
    at(tree, "one/extra.py").touch()
    tally = Tally()

    told = list(verify([tree], only=[str(at(tree))], tally=tally, workers=0))

    assert [each.path for each in told] == [str(at(tree))]
    assert (tally.files, tally.hashed_files) == (1, 1)


def test_progress_is_told(tree: Tree) -> None:
    told = []
    tally = Tally()

    list(verify([tree], tally=tally, advance=lambda: told.append(tally.hashed_files), workers=0))

    assert told == [1, 2, 3, 4]


# RECORD -------------------------------------------------------------------------------------------


def test_a_wheel_whose_record_is_gone(tree: Tree) -> None:
    at(tree, "one-1.0.dist-info/RECORD").unlink()
    tally = Tally()

    (told,) = found(tree, tally=tally)

    assert (told.state, told.path, told.detail) == (
        "record", str(at(tree, "one-1.0.dist-info/RECORD")), "there is no RECORD",
    )  # fmt: skip
    assert (tally.distributions, tally.files) == (1, 0)


@pytest.mark.parametrize(
    ("installer", "told"), [("uv", 1), ("pip", 1), ("debian", 0), ("", 1), ("rpm", 0)]
)
def test_other_installers_write_none(tmp_path: Path, installer: str, told: int) -> None:
    """They say who they are; what says nothing is left of an interrupted installation."""
    tree = environment(tmp_path / "env")
    (distribution(tree, FILES, installer=installer) / "RECORD").unlink()
    tally = Tally()

    assert len(found(tree, tally=tally)) == told
    assert tally.without_record == 1 - told


def test_old_metadata_is_no_fault(tmp_path: Path) -> None:
    tree = environment(tmp_path / "env")
    at(tree, "old-1.0.egg-info").mkdir()
    at(tree, "older-1.0.egg-info").touch()
    tally = Tally()

    assert found(tree, tally=tally) == []
    assert (tally.distributions, tally.without_record) == (2, 2)


@pytest.mark.parametrize(
    ("record", "detail"),
    [
        pytest.param(b"", "it is empty", id="empty"),
        pytest.param(b"one.py,,\n", "none of its rows has a hash", id="no hash at all"),
        pytest.param(b"a\n", "1 of its rows is damaged: 1 columns instead of 3", id="a word"),
        pytest.param(b"a,b\nc,d,e,f\n", "2 of its rows are damaged", id="columns"),
        pytest.param(b",sha256=x,1\n", "1 of its rows is damaged: no path", id="no path"),
        pytest.param(b'"\xff\x00', "is damaged", id="binary"),
        pytest.param(b"\0" * 5000, "it is empty", id="zeros: a crash of the machine"),
    ],
)
def test_a_record_that_is_no_good(tree: Tree, record: bytes, detail: str) -> None:
    path = at(tree, "one-1.0.dist-info/RECORD")
    path.write_bytes(record)

    told = [each for each in found(tree) if each.state == "record"]

    assert [each.path for each in told] == [str(path)]
    assert detail in told[0].detail


@pytest.mark.parametrize(
    ("digest", "detail"),
    [
        ("sha256", "not a hash: 'sha256'"),
        ("sha256=", "not a hash: 'sha256='"),
        ("crc32=abc", "unknown kind of hash: 'crc32'"),
        ("=abc", "unknown kind of hash: ''"),
        ("shake_128=abc", "unknown kind of hash: 'shake_128'"),
    ],
)
def test_a_hash_that_is_no_good(tmp_path: Path, digest: str, detail: str) -> None:
    tree = environment(tmp_path / "env")
    distribution(tree, FILES, more_rows=[f"one/x.py,{digest},1"])
    at(tree, "one/x.py").write_bytes(b"x")

    (told,) = found(tree)

    assert (told.state, told.detail) == ("record", detail)


def test_a_short_record_leaves_files_without_a_name(tree: Tree) -> None:
    record = at(tree, "one-1.0.dist-info/RECORD")
    rows = record.read_text().splitlines(keepends=True)
    record.write_text("".join(row for row in rows if not row.startswith("one/data.bin")))

    assert said(tree) == [("extra", "one/data.bin")]


@pytest.mark.parametrize("make", [fifo, bound_socket, Path.mkdir], ids=["fifo", "socket", "dir"])
def test_a_record_that_is_no_file(tree: Tree, make: Callable[[Path], None]) -> None:
    record = at(tree, "one-1.0.dist-info/RECORD")
    record.unlink()
    make(record)

    (told,) = [each for each in found(tree) if each.state == "record"]

    assert told.detail.startswith("RECORD cannot be read: ")


_SITES = iter(range(10**9))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(b'one.py,"' + b"x" * 200_000)
@example(b"one.py,sha256=\xff\xff,1\n")
@example(b"/dev/zero,sha256=x,1\n/proc/self/mem,sha256=x,\n")
@example(b"../../../../../../../../../../dev/stdin,sha256=x,1")
@example(b"a" * 5000 + b",sha256=x,1\n")
@given(st.binary(max_size=400) | st.text(alphabet='ab/.,"\n\r\0=1shé').map(str.encode))
def test_no_record_raises_anything(tmp_path: Path, record: bytes) -> None:
    tree = environment(tmp_path / str(next(_SITES)))
    info = distribution(tree, FILES)
    (info / "RECORD").write_bytes(record)

    tally = Tally()
    told = found(tree, tally=tally)

    assert tally.distributions == 1
    assert all(each.distribution == "one" for each in told)


# What happens meanwhile, and what cannot be read --------------------------------------------------


def test_a_tree_that_vanishes_is_empty(tmp_path: Path) -> None:
    assert found(Tree(path=str(tmp_path / "gone"), kind="site", owner=str(tmp_path))) == []


def test_files_that_come_and_go_raise_nothing(tmp_path: Path) -> None:
    tree = environment(tmp_path / "env")
    distribution(tree, {f"one/{n}.py": b"content" for n in range(300)})
    stop = threading.Event()

    def disturb() -> None:
        number = 0
        while not stop.is_set():
            path = at(tree, f"one/{number % 300}.py")
            path.unlink(missing_ok=True)
            path.write_bytes(b"content")
            number += 1

    disturbing = threading.Thread(target=disturb)
    disturbing.start()
    try:
        states = {each.state for _ in range(5) for each in found(tree)}
    finally:
        stop.set()
        disturbing.join()

    assert states <= {"missing", "edited"}


def test_what_may_not_be_read_is_told_as_such(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    real_open, real_stat = os.open, os.stat

    def opening(path: str, *words: int, **named: int) -> int:
        if str(path).endswith("data.bin"):
            raise PermissionError(13, "Permission denied")
        return real_open(path, *words, **named)

    def status(path: str, **named: bool) -> os.stat_result:
        if str(path).endswith("one/__init__.py"):
            raise PermissionError(13, "Permission denied")
        return real_stat(path, **named)

    monkeypatch.setattr(os, "open", opening)
    monkeypatch.setattr(os, "stat", status)

    assert said(tree) == [("unreadable", "one/__init__.py"), ("unreadable", "one/data.bin")]
