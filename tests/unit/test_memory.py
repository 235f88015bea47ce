from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ordinary_user import only_root
from uvx_policy.state import facts as memory
from uvx_policy.state import layout
from uvx_policy.state.facts import recall, remember

KEY = ("/mnt/data", "8:1")


@pytest.fixture
def state(tmp_path: Path) -> str:
    return str(tmp_path / "state" / "linkpolicy")


def only_file(state: str) -> Path:
    (path,) = (Path(state) / layout.FACTS.directory).iterdir()
    return path


def test_what_is_remembered_is_recalled(state: str) -> None:
    remember(state, "links", KEY, "clone=yes")

    assert recall(state, "links", KEY) == "clone=yes"


def test_the_last_value_counts(state: str) -> None:
    remember(state, "links", KEY, "old")
    remember(state, "links", KEY, "new")

    assert recall(state, "links", KEY) == "new"
    assert only_file(state).is_file()


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        pytest.param("links", ("/mnt/data",), id="shorter key"),
        pytest.param("links", (*KEY, ""), id="longer key"),
        pytest.param("links", ("/mnt/data", "8:2"), id="another part"),
        pytest.param("links", ("/mnt/data\nkey 8:1",), id="parts run together"),
        pytest.param("versions", KEY, id="another kind"),
    ],
)
def test_another_key_recalls_nothing(state: str, kind: str, key: tuple[str, ...]) -> None:
    remember(state, "links", KEY, "value")

    assert recall(state, kind, key) is None


def test_keys_with_one_checksum_are_told_apart(state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_file_name", lambda kind, _: kind)
    remember(state, "links", ("a",), "value")

    assert recall(state, "links", ("b",)) is None
    assert recall(state, "links", ("a",)) == "value"


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0")) | st.sampled_from(
    ["\n", "\\n", "\\", "\\\\n", "\nend\n", "a\nvalue b", os.fsdecode(b"\xff/\xc3")]
)


@given(key=st.lists(texts, max_size=4).map(tuple), value=texts)
def test_every_text_survives(
    tmp_path_factory: pytest.TempPathFactory, key: tuple[str, ...], value: str
) -> None:
    state = str(tmp_path_factory.getbasetemp() / "survives")

    remember(state, "links", key, value)

    assert recall(state, "links", key) == value


def test_nobody_else_can_read_it(state: str) -> None:
    before = os.umask(0)
    try:
        remember(state, "links", KEY, "value")
    finally:
        os.umask(before)

    assert only_file(state).stat().st_mode & 0o7777 == 0o600
    assert only_file(state).parent.stat().st_mode & 0o7777 == 0o700
    assert Path(state).stat().st_mode & 0o7777 == 0o700


def open_directory(path: Path) -> None:
    path.parent.chmod(0o755)


def open_file(path: Path) -> None:
    path.chmod(0o644)


def replace_by_link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def replace_by_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def replace_directory_by_link(path: Path) -> None:
    path.parent.rename(path.parent.with_name("elsewhere"))
    path.parent.symlink_to("elsewhere")


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def make_newer(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"-v1", b"-v2"))


def give_file_away(path: Path) -> None:
    os.chown(path, 12345, 12345)


def give_directory_away(path: Path) -> None:
    os.chown(path.parent, 12345, 12345)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(open_directory, id="directory that others may read"),
        pytest.param(open_file, id="file that others may read"),
        pytest.param(replace_by_link, id="symbolic link"),
        pytest.param(replace_by_fifo, id="FIFO"),
        pytest.param(replace_directory_by_link, id="directory behind a symbolic link"),
        pytest.param(shorten, id="cut off by a crash"),
        pytest.param(empty, id="empty after a crash"),
        pytest.param(make_newer, id="written by a later version"),
        pytest.param(give_file_away, id="file of another user", marks=only_root),
        pytest.param(give_directory_away, id="directory of another user", marks=only_root),
    ],
)
def test_what_may_be_wrong_is_not_believed(state: str, damage: object) -> None:
    remember(state, "links", KEY, "value")
    assert recall(state, "links", KEY) == "value"
    assert callable(damage)

    damage(only_file(state))

    assert recall(state, "links", KEY) is None


def test_a_directory_that_others_may_write_gets_nothing(state: str) -> None:
    directory = Path(state) / layout.FACTS.directory
    directory.mkdir(parents=True)
    directory.chmod(0o777)

    remember(state, "links", KEY, "value")

    assert list(directory.iterdir()) == []


@only_root
def test_root_leaves_nothing_in_the_home_of_another_user(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 12345)

    remember(str(tmp_path / ".local" / "state" / "linkpolicy"), "links", KEY, "value")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "state",
    [
        pytest.param("", id="no home"),
        pytest.param("/proc/1/no/such", id="cannot be made"),
        pytest.param("/dev/null/state", id="below a file"),
        pytest.param("/a\0b", id="no path at all"),
        pytest.param("relative\ud800", id="not to be encoded"),
    ],
)
def test_what_cannot_be_remembered_is_no_error(state: str) -> None:
    remember(state, "links", KEY, "value")

    assert recall(state, "links", KEY) is None


def test_a_huge_value_is_not_kept(state: str) -> None:
    remember(state, "links", KEY, "x" * 100_000)

    assert recall(state, "links", KEY) is None


def test_the_oldest_are_forgotten(state: str) -> None:
    for number in range(layout.FACTS.most + 5):
        remember(state, "links", (str(number),), "value")
        time.sleep(0.0001)
    remember(state, "versions", KEY, "other kinds are counted apart")

    kept = len(list((Path(state) / layout.FACTS.directory).glob("links-*")))
    forgotten = layout.FACTS.most + 5 - kept
    assert layout.FACTS.most * 3 // 4 <= kept <= layout.FACTS.most
    assert recall(state, "versions", KEY)
    assert recall(state, "links", (str(forgotten - 1),)) is None
    assert recall(state, "links", (str(forgotten),)) == "value"
    assert recall(state, "links", (str(layout.FACTS.most + 4),)) == "value"


def test_leftovers_of_a_killed_process_go_away(state: str) -> None:
    remember(state, "links", KEY, "value")
    directory = Path(state) / layout.FACTS.directory
    for name, age in ((".new-1-old", 7200), (".new-2-young", 0)):
        (directory / name).touch()
        os.utime(directory / name, (time.time() - age,) * 2)

    remember(state, "links", ("another", *KEY), "value")

    assert [path.name for path in directory.glob(".new-*")] == [".new-2-young"]


@pytest.mark.parametrize("step", ["open", "write", "replace", "mkdir", "listdir"])
def test_a_fault_at_any_step_is_silent_and_leaves_no_litter(
    state: str, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OSError

    with monkeypatch.context() as patch:
        patch.setattr(os, step, broken)
        remember(state, "links", KEY, "value")

    directory = Path(state) / layout.FACTS.directory
    assert not list(directory.glob(".new-*"))
    assert recall(state, "links", KEY) in (None, "value")


def remember_and_recall(arguments: tuple[str, int]) -> list[str | None]:
    state, number = arguments
    told = []
    for _ in range(20):
        remember(state, "links", KEY, f"value {number}")
        told.append(recall(state, "links", KEY))
    return told


#: CPython 3.12 warns of any fork beside a thread (pytest-xdist has one)
FORK = "ignore:.*fork.*:DeprecationWarning"


@pytest.mark.filterwarnings(FORK)
def test_many_processes_at_once_never_see_half_a_fact(state: str) -> None:
    with get_context("fork").Pool(8) as pool:
        told = pool.map(remember_and_recall, [(state, number) for number in range(8)])

    assert {value for values in told for value in values} <= {f"value {n}" for n in range(8)}
    assert only_file(state).is_file()


def test_many_threads_at_once_never_see_half_a_fact(state: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(remember_and_recall, [(state, number) for number in range(8)]))

    assert {value for values in told for value in values} <= {f"value {n}" for n in range(8)}
    assert only_file(state).is_file()
