from __future__ import annotations

import functools
import itertools
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.filesystems import FileSystems
from uvx_policy.state import layout, register
from uvx_policy.state.register import Environment, forget, known, remember

DAY = 86400
ONE = Environment(
    path="/home/me/project/.venv", project="/home/me/project", kind="project",
    cache="/home/me/.cache/uv", link_mode="clone", seen=1_700_000_000,
)  # fmt: skip
#: every function by which a file is written
STEPS = ("mkdir", "open", "write", "close", "replace", "listdir", "lstat", "unlink")


@pytest.fixture
def state(tmp_path: Path) -> str:
    return str(tmp_path / "state" / "linkpolicy")


def files(state: str) -> list[Path]:
    return sorted((Path(state) / layout.ENVIRONMENTS.directory).iterdir())


def test_what_is_remembered_is_known(state: str) -> None:
    other = ONE.replace(path="/srv/other", project="", kind="target", link_mode="")
    remember(state, ONE)
    remember(state, other)

    assert sorted(known(state), key=lambda one: one.path) == [ONE, other]


@pytest.fixture
def gathered(state: str) -> str:
    """A state directory with 60 environments in one file, an hour ago."""
    for number in range(60):
        remember(state, ONE.replace(path=f"/home/me/{number}/.venv"))
    age(state)
    register.gather(state)
    return state


def age(state: str) -> None:
    directory = Path(state) / layout.ENVIRONMENTS.directory
    os.utime(directory, (time.time() - 3600, time.time() - 3600))


def opened(state: str, monkeypatch: pytest.MonkeyPatch) -> tuple[list[Environment], int]:
    """What is known, and how many files of environments were opened for it."""
    count = 0
    real = register._read

    def read(*words: str) -> Environment | None:
        nonlocal count
        count += 1
        return real(*words)

    with monkeypatch.context() as patch:
        patch.setattr(register, "_read", read)
        return sorted(known(state), key=lambda one: one.path), count


def test_many_are_read_from_one_file(gathered: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found, count = opened(gathered, monkeypatch)

    assert (len(found), count) == (60, 0)
    (Path(gathered) / layout.REGISTER.directory / layout.REGISTER.prefix).unlink()
    assert opened(gathered, monkeypatch) == (found, 60)


@pytest.mark.parametrize("change", ["new", "changed", "forgotten"])
def test_a_change_after_the_gathering_counts(
    gathered: str, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    first = ONE.replace(path="/home/me/0/.venv")
    if change == "new":
        remember(gathered, ONE.replace(path="/new/.venv"))
    elif change == "changed":
        remember(gathered, first.replace(link_mode="copy"))
    else:
        forget(gathered, first.path)

    found, count = opened(gathered, monkeypatch)

    assert len(found) == {"new": 61, "changed": 60, "forgotten": 59}[change]
    assert count == len(found)
    assert (first in found) is (change == "new")


def test_what_was_changed_a_moment_ago_is_not_gathered(state: str) -> None:
    """The next change could have the same time."""
    for number in range(60):
        remember(state, ONE.replace(path=f"/home/me/{number}/.venv"))

    register.gather(state)

    assert not (Path(state) / layout.REGISTER.directory).exists()


@pytest.mark.parametrize("damage", [b"", b"x", b"linkpolicy-register-v1\n1\nname\n99999999\n"])
def test_a_damaged_file_of_all_counts_for_nothing(gathered: str, damage: bytes) -> None:
    path = Path(gathered) / layout.REGISTER.directory / layout.REGISTER.prefix
    whole = path.read_bytes()
    for content in (damage, whole[:-1], whole[: len(whole) // 2]):
        path.write_bytes(content)
        assert len(list(known(gathered))) == 60


def test_the_last_decision_counts(state: str) -> None:
    remember(state, ONE)
    remember(state, ONE.replace(link_mode="hardlink"))

    assert list(known(state)) == [ONE.replace(link_mode="hardlink")]


@pytest.mark.parametrize(
    ("later", "written"),
    [(0, False), (DAY - 1, False), (DAY, True), (-1, True)],
    ids=["now", "within a day", "after a day", "the clock was set back"],
)
def test_only_a_day_is_news(state: str, later: int, written: bool) -> None:
    remember(state, ONE)
    before = files(state)[0].stat().st_ino

    remember(state, ONE.replace(seen=ONE.seen + later))

    assert (files(state)[0].stat().st_ino != before) is written
    assert [one.seen for one in known(state)] == [ONE.seen + (later if written else 0)]


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(os.fsdecode(b"/home/me/\xff\xfe/.venv"), id="not UTF-8"),
        pytest.param("/home/me/a\nb/.venv", id="newline"),
        pytest.param("/" + "x/" * 2040, id="very long"),
    ],
)
def test_every_path_survives(state: str, path: str) -> None:
    environment = ONE.replace(path=path, project=path, cache=path)

    remember(state, environment)

    assert list(known(state)) == [environment]


@pytest.mark.parametrize("path", ["", "relative/.venv", "/with\0nul", "/\ud800"])
def test_what_is_no_path_is_not_remembered(state: str, path: str) -> None:
    remember(state, ONE.replace(path=path))
    forget(state, path)

    assert list(known(state)) == []


@pytest.mark.parametrize("state", ["", "/proc/1/no/such", "/dev/null/state", "/a\0b", "r\ud800"])
def test_what_cannot_be_remembered_is_no_error(state: str) -> None:
    remember(state, ONE)
    forget(state, ONE.path)

    assert list(known(state)) == []


def test_what_is_forgotten_is_not_known(state: str) -> None:
    other = ONE.replace(path="/srv/other")
    remember(state, ONE)
    remember(state, other)

    forget(state, ONE.path)

    assert list(known(state)) == [other]


def test_files_are_ours_alone(state: str) -> None:
    remember(state, ONE)

    (file,) = files(state)
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def open_to_all(path: Path) -> None:
    path.chmod(0o644)


def be_a_link(path: Path) -> None:
    path.rename(path.parent.parent / "elsewhere")
    path.symlink_to(path.parent.parent / "elsewhere")


def be_a_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def be_a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def be_of_another_path(path: Path) -> None:
    path.write_bytes(
        path.read_bytes().replace(b"/home/me/project/.venv", b"/home/me/project/.wenv")
    )


def have_no_number(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"1700000000", b"yesterday"))


@pytest.mark.parametrize(
    "damage",
    [cut, empty, open_to_all, be_a_link, be_a_fifo, be_a_directory, be_of_another_path,
     have_no_number],
    ids=lambda damage: damage.__name__,
)  # fmt: skip
def test_damaged_files_are_passed_over(state: str, damage: Callable[[Path], None]) -> None:
    remember(state, ONE)
    (file,) = files(state)
    other = ONE.replace(path="/srv/other")
    remember(state, other)

    damage(file)

    assert list(known(state)) == [other]


def test_foreign_names_are_passed_over(state: str) -> None:
    remember(state, ONE)
    directory = Path(state) / layout.ENVIRONMENTS.directory
    for name in (".new-1", "notes.txt", "survey-0123456789abcdef"):
        (directory / name).write_bytes(files(state)[-1].read_bytes())

    assert list(known(state)) == [ONE]


def test_what_vanishes_while_it_is_listed_is_passed_over(state: str) -> None:
    for number in range(3):
        remember(state, ONE.replace(path=f"/srv/{number}"))

    listed = known(state)
    first = next(listed)
    for file in files(state):
        file.unlink()

    assert [first, *listed] == [first]


def test_the_oldest_go(state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout.ENVIRONMENTS, "most", 8)
    for number in range(8):
        remember(state, ONE.replace(path=f"/srv/{number}"))
        file = max(files(state), key=lambda path: path.stat().st_mtime_ns)
        os.utime(file, (number, number))

    remember(state, ONE.replace(path="/srv/new"))

    kept = {one.path for one in known(state)}
    assert "/srv/new" in kept
    assert "/srv/7" in kept
    assert "/srv/0" not in kept
    assert len(kept) <= 8


def test_many_environments_are_listed_in_flat_memory(state: str) -> None:
    long = "/srv/" + "x" * 4000
    for number in range(400):
        remember(state, ONE.replace(path=f"{long}/{number}", project=long, cache=long))

    tracemalloc.start()
    count = sum(1 for _ in known(state))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert count == 400
    assert peak < 1_000_000  # the texts alone have 5 MB


def killed_at(step: int, act: Callable[[], None], *, after: bool) -> bool:
    """Act in a process that is killed before or after its n-th step; was it?"""
    count = itertools.count()

    def deadly(function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **named: Any) -> Any:
            if next(count) != step:
                return function(*arguments, **named)
            try:
                return function(*arguments, **named) if after else None
            finally:
                os.kill(os.getpid(), signal.SIGKILL)

        return wrapped

    child = os.fork()
    if child == 0:
        try:
            for name in STEPS:
                setattr(os, name, deadly(getattr(os, name)))
            act()
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_any_step_it_leaves_the_old_or_the_new(tmp_path: Path, after: bool) -> None:
    new = ONE.replace(link_mode="copy")
    outcomes = []
    for step in itertools.count():
        state = str(tmp_path / str(step))
        remember(state, ONE)

        killed = killed_at(step, functools.partial(remember, state, new), after=after)

        outcomes.append(list(known(state)))
        remember(state, new)
        assert list(known(state)) == [new]
        if not killed:
            break

    assert [outcome for outcome, _ in itertools.groupby(outcomes)] == [[ONE], [new]]
    assert len(outcomes) > 4


@pytest.mark.filesystem
@pytest.mark.parametrize("room", [0, 1])
def test_on_a_full_disk_nothing_half_is_known(fs: FileSystems, room: int) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32k,mode=700", "none", fs.ext4], check=True)
    try:
        state = str(fs.ext4)
        remember(state, ONE)
        (fs.ext4 / "filler").write_bytes(b"x" * 4096 * (7 - room))
        long = ONE.replace(path="/" + "x/" * 2000, project="/" + "y/" * 2000)

        remember(state, long)

        assert list(known(state)) == [ONE]
        (fs.ext4 / "filler").unlink()
        remember(state, long)
        assert sorted(known(state), key=lambda one: one.path) == [ONE, long]
    finally:
        subprocess.run(["umount", fs.ext4], check=True)


def test_it_imports_nothing_slow() -> None:
    program = (
        "import sys; before = set(sys.modules); import uvx_policy.state.register;"
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert set(done.stdout.split()) <= {"uvx_policy", "__future__", "errno"}
