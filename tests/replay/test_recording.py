"""How a decision is kept: whole or not at all, privately, and not for ever."""

from __future__ import annotations

import errno
import itertools
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import mounts
from tests.replay.machine import Machine, Started, wait_for_tick
from uvx_policy.edits import NOTHING, Edits
from uvx_policy.replay import recording, records
from uvx_policy.replay.witness import Witnesses
from uvx_policy.state import files as state_files
from uvx_policy.state import layout

EDITS = Edits(variables={"UV_LINK_MODE": "copy"})


def _key(number: int) -> bytes:
    return b"key\0%d\0" % number


def _keep(state: Path | str, number: int = 0, edits: Edits = EDITS) -> str:
    return recording.keep(str(state), _key(number), edits, Witnesses(0))


def _files(state: Path) -> list[str]:
    return sorted(os.listdir(state / layout.DECISIONS.directory))


# Privately ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077, 0o777])
def test_directories_and_files_are_closed_to_others(tmp_path: Path, mask: int) -> None:
    if mask & 0o700 and os.geteuid() != 0:
        pytest.skip("only root works with a umask that shuts out oneself")
    state = tmp_path / "a/b/linkpolicy"
    before = os.umask(mask)
    try:
        _keep(state)
    finally:
        os.umask(before)

    # With the umask 0777 not even we may, as asked for.
    for path in (tmp_path / "a", state, state / layout.DECISIONS.directory):
        assert path.stat().st_mode & 0o7777 == 0o700 & ~mask
    (file,) = (state / layout.DECISIONS.directory).iterdir()
    assert file.stat().st_mode & 0o7777 == 0o600 & ~mask


@pytest.mark.parametrize("mode", [0o755, 0o701, 0o720])
def test_nothing_is_written_where_others_may_look(tmp_path: Path, mode: int) -> None:
    directory = tmp_path / layout.DECISIONS.directory
    directory.mkdir()
    directory.chmod(mode)

    assert "cannot be written" in _keep(tmp_path)
    assert _files(tmp_path) == []


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / layout.DECISIONS.directory).symlink_to("elsewhere")

    assert "cannot be written" in _keep(tmp_path)
    assert os.listdir(tmp_path / "elsewhere") == []


def test_what_is_in_the_place_of_a_record_is_replaced_not_followed(tmp_path: Path) -> None:
    directory = tmp_path / layout.DECISIONS.directory
    directory.mkdir(mode=0o700)
    (tmp_path / "precious").write_text("precious")
    (directory / records.file_name(_key(0))).symlink_to("../precious")

    assert _keep(tmp_path) == ""

    assert (tmp_path / "precious").read_text() == "precious"
    assert records.find(str(tmp_path), _key(0)) is not None


def test_a_directory_in_the_place_of_a_record_stays(tmp_path: Path) -> None:
    place = tmp_path / layout.DECISIONS.directory / records.file_name(_key(0))
    place.parent.mkdir(mode=0o700)
    place.mkdir()

    assert "cannot be written" in _keep(tmp_path)
    assert _files(tmp_path) == [place.name]


# Not everything ----------------------------------------------------------------------------------


def test_what_cannot_be_repeated_is_not_kept(tmp_path: Path) -> None:
    spoilt = Witnesses(0)
    spoilt.spoil("because")
    spoilt.spoil("something else")
    state = str(tmp_path)

    assert recording.keep(state, _key(0), EDITS, spoilt) == "because"
    assert "no safe state directory" in recording.keep("", _key(0), EDITS, Witnesses(0))
    assert "no key" in recording.keep(state, b"", EDITS, Witnesses(0))
    for makes in (Edits(make_cache="/c"), Edits(make_directory="/d")):
        assert "makes a directory" in recording.keep(state, _key(0), makes, Witnesses(0))
    assert os.listdir(tmp_path) == []


def test_what_is_too_long_is_not_kept(tmp_path: Path) -> None:
    many = Witnesses(0)
    for number in range(10_000):
        many.add("s", f"/quite/a/long/path/{number}", "-")

    assert "too many things" in recording.keep(str(tmp_path), _key(0), EDITS, many)
    assert os.listdir(tmp_path) == []


def test_an_answer_of_nothing_is_kept_like_any_other(tmp_path: Path) -> None:
    assert _keep(tmp_path, edits=NOTHING) == ""
    assert records.replay(str(tmp_path), _key(0)) == NOTHING


# Not for ever ------------------------------------------------------------------------------------


def test_the_oldest_are_forgotten_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout.DECISIONS, "most", 8)
    for number in range(8):
        assert _keep(tmp_path, number) == ""
        # The oldest is not the one that was made first.
        when = 10**18 + (number * 3 % 8) * 10**9
        os.utime(
            tmp_path / layout.DECISIONS.directory / records.file_name(_key(number)), ns=(when, when)
        )

    assert len(_files(tmp_path)) == 8
    _keep(tmp_path, 8)

    left = [number for number in range(9) if records.find(str(tmp_path), _key(number))]
    # 0, 3 and 6 are the oldest; a quarter goes at once.
    assert left == [1, 2, 4, 5, 7, 8]


def test_there_are_never_more_than_so_many(tmp_path: Path) -> None:
    for number in range(layout.DECISIONS.most + 20):
        _keep(tmp_path, number)
        assert len(_files(tmp_path)) <= layout.DECISIONS.most
    assert len(_files(tmp_path)) > layout.DECISIONS.most // 2
    # 128 MiB at most, a hundredth of that in practice.
    assert layout.DECISIONS.most * layout.DECISIONS.longest <= 128 * 1024**2


def test_a_record_replaces_the_older_one_of_its_key(tmp_path: Path) -> None:
    _keep(tmp_path)
    _keep(tmp_path, edits=NOTHING)

    assert len(_files(tmp_path)) == 1
    assert records.replay(str(tmp_path), _key(0)) == NOTHING


# Whole or not at all -----------------------------------------------------------------------------

#: every function by which a record is written
_STEPS = ("mkdir", "open", "write", "close", "replace", "listdir", "lstat", "stat", "unlink")


def _killed_at(step: int, state: Path, *, after: bool) -> bool:
    """Keep a decision in a process that is killed before or after its n-th step; was it?"""
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
            for name in _STEPS:
                setattr(os, name, deadly(getattr(os, name)))
            _keep(state)
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("old", [False, True], ids=["first", "another"])
def test_killed_at_any_step_it_leaves_the_old_record_or_the_new(
    tmp_path: Path, old: bool, after: bool
) -> None:
    outcomes = []
    for step in itertools.count():
        state = tmp_path / str(step)
        if old:
            _keep(state, edits=NOTHING)
        killed = _killed_at(step, state, after=after)
        outcomes.append(records.replay(str(state), _key(0)))

        half = [name for name in _left(state) if name != records.file_name(_key(0))]
        assert all(name.startswith(".new-") for name in half)
        assert len(half) <= 1
        # Whoever comes next is not hindered.
        assert _keep(state) == ""
        assert records.replay(str(state), _key(0)) == EDITS
        if not killed:
            break

    before = NOTHING if old else None
    assert outcomes[0] == before
    assert outcomes[-1] == EDITS
    assert [outcome for outcome, _ in itertools.groupby(outcomes)] == [before, EDITS]
    assert len(outcomes) > 6


def _left(state: Path) -> list[str]:
    return _files(state) if (state / layout.DECISIONS.directory).is_dir() else []


def test_what_a_killed_one_left_goes_after_an_hour(tmp_path: Path) -> None:
    _keep(tmp_path)
    directory = tmp_path / layout.DECISIONS.directory
    now = time.time()
    for name, age in ((".new-1", 3700), (".new-2", 3500), (".new-3", -10)):
        (directory / name).touch()
        os.utime(directory / name, (now - age, now - age))

    _keep(tmp_path, 1)

    assert [name for name in _files(tmp_path) if name[0] == "."] == [".new-2", ".new-3"]


@pytest.fixture
def tiny(tmp_path: Path, own_mounts: None) -> Iterator[Path]:  # noqa: ARG001
    """A disk of eight blocks."""
    point = tmp_path / "tiny"
    point.mkdir()
    with mounts.tmpfs(str(point), "size=32k,mode=700"):
        yield point


@pytest.mark.parametrize("room", [0, 1, 2])
def test_on_a_full_disk_nothing_half_is_believed(tiny: Path, room: int) -> None:
    """Blocks that are free, for a record that needs three."""
    _keep(tiny, edits=NOTHING)
    (tiny / "filler").write_bytes(b"x" * 4096 * (7 - room))
    long = Edits(words=("x" * 4096 * 2,))

    told = recording.keep(str(tiny), _key(1), long, Witnesses(0))

    assert "No space left" in told
    assert records.find(str(tiny), _key(1)) is None
    assert records.replay(str(tiny), _key(0)) == NOTHING
    assert not [name for name in _files(tiny) if name.startswith(".new-")]
    (tiny / "filler").unlink()
    assert recording.keep(str(tiny), _key(1), long, Witnesses(0)) == ""
    assert records.replay(str(tiny), _key(1)) == long


@pytest.mark.usefixtures("patient")
def test_with_a_full_disk_each_call_is_decided(here: Machine, tiny: Path) -> None:
    wait_for_tick()
    call = here.call("sync", XDG_STATE_HOME=str(tiny))
    (tiny / "filler").write_bytes(b"x" * 4096 * 8)
    before = here.decide(call)

    outcomes = [here.in_python(call) for _ in range(2)]

    assert outcomes == [(before, False)] * 2
    assert isinstance(before, Started)
    assert before.warnings == ()
    (tiny / "filler").unlink()
    assert [here.in_python(call) for _ in range(2)] == [(before, False), (before, True)]
    assert here.in_native(call) == (before, True)


@pytest.mark.usefixtures("patient", "own_mounts")
def test_with_a_read_only_state_directory_records_are_still_read(here: Machine) -> None:
    wait_for_tick()
    recorded, new = here.call("sync"), here.call("sync", "--frozen")
    state = Path(here.state)
    state.mkdir(parents=True)
    with mounts.bound(str(state), str(state)):
        here.in_python(recorded)
        before = here.in_python(recorded)
        assert before[1]

    with mounts.bound(str(state), str(state), read_only=True):
        assert here.in_python(recorded) == before
        assert here.in_native(recorded) == before
        outcome, hit = here.in_python(new)
        assert not hit
        assert isinstance(outcome, Started)
        assert outcome.warnings == ()
        assert not here.replays(new)
    assert _files(state) == [records.file_name(here.key_of(recorded))]


@pytest.mark.parametrize("says_why", [True, False])
def test_a_disk_that_fills_up_while_a_record_is_written_keeps_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says_why: bool
) -> None:
    _keep(tmp_path, edits=NOTHING)
    write, sizes = os.write, []

    def fills_up(handle: int, data: bytes) -> int:
        sizes.append(len(data))
        if len(sizes) == 1:
            return write(handle, data[: len(data) // 2])
        if says_why:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return 0

    monkeypatch.setattr(os, "write", fills_up)

    assert "No space left" in _keep(tmp_path)

    assert len(sizes) == 2
    assert _files(tmp_path) == [records.file_name(_key(0))]
    assert records.replay(str(tmp_path), _key(0)) == NOTHING


def test_nobody_sees_half_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it is written it has another name, which is no record's."""
    seen: list[list[str]] = []
    write = os.write

    def watched(handle: int, data: bytes) -> int:
        seen.append(_files(tmp_path))
        return write(handle, data)

    monkeypatch.setattr(os, "write", watched)
    _keep(tmp_path)

    assert [name.startswith(".new-") for (name,) in seen] == [True]


def test_two_writers_in_one_process_do_not_meet(tmp_path: Path) -> None:
    store = layout.Store("d", longest=10)
    state_files.write(str(tmp_path), store, "name", b"one")
    (tmp_path / "d" / f".new-{os.getpid()}-0").touch()
    state_files.write(str(tmp_path), store, "name", b"other")

    assert (tmp_path / "d/name").read_bytes() == b"other"
