"""Whoever uses a cache is named: by uv's lock, and where uv takes none, by what it has open."""

from __future__ import annotations

import fcntl
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import real_uv
from tests.caches.machine import Machine
from tests.filesystems import FileSystems
from uvx_policy.caches import locks

pytestmark = [pytest.mark.filesystem]

LOCKING = real_uv.each(since=(0, 9))
LOCKLESS = ["0.5.23", "0.8.15"]


@contextmanager
def child(script: str, *words: str, cwd: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A process that lives until the end of the block; it says a line when it is ready."""
    process = subprocess.Popen(
        ["sh", "-c", f"{script}; echo ready; read end", "sh", *words],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=cwd,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield process
    finally:
        process.communicate()


@pytest.mark.uv
@pytest.mark.parametrize("uv_version", LOCKING)
def test_a_real_uv_run_holds_the_lock_and_is_named(machine: Machine) -> None:
    cache = machine.world.base / "cache"
    assert locks.is_free(str(cache))

    with machine.uv_run(cache) as uv:
        (holder,) = locks.holders(str(cache))

        assert holder.pid == uv.pid
        assert holder.command.startswith("uv run --no-project")
        assert str(holder) == f"`{holder.command}` (pid {uv.pid})"
        assert not locks.is_free(str(cache))
        assert locks.wait(str(cache), 0) == holder

    assert locks.is_free(str(cache))
    assert locks.holders(str(cache)) == ()
    assert locks.wait(str(cache), 0) is None


@pytest.mark.uv
@pytest.mark.parametrize("uv_version", LOCKLESS)
def test_a_real_uv_run_that_takes_no_lock_is_named_too(machine: Machine) -> None:
    cache = machine.world.base / "cache"

    with machine.uv_run(cache) as uv:
        assert locks.holders(str(cache)) == ()
        (user,) = [each for each in locks.users(str(cache)) if each.pid == uv.pid]

        assert user.how == "uses it without a lock"
        assert locks.users(str(machine.world.base / "other")) == ()
        assert locks.wait(str(cache), 0) == user

    assert locks.users(str(cache)) == ()


@pytest.mark.uv
@pytest.mark.parametrize("uv_version", LOCKLESS[1:])
def test_the_cache_of_a_uv_without_a_lock_by_variable_and_by_default(machine: Machine) -> None:
    named = machine.world.base / "named"
    environ = machine.world.environ(shim=False)
    for variables, cache in (
        ({"UV_CACHE_DIR": "named"}, named),
        ({}, machine.world.default_cache),
        ({"XDG_CACHE_HOME": str(named)}, named / "uv"),
    ):
        process = subprocess.Popen(
            ["uv", "run", "--no-project", "sh", "-c", "echo ready; exec cat"],
            env={**environ, **variables}, cwd=machine.world.base,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            assert process.pid in [user.pid for user in locks.users(str(cache))]
        finally:
            process.communicate()


@pytest.mark.uv
def test_a_uv_that_locks_is_no_user_of_another_cache(machine: Machine) -> None:
    """Its cache may be named in a file; the lock tells which one it really has."""
    file = machine.world.base / "uv.toml"
    file.write_text('cache-dir = "in-file"\n')
    words = ["uv", "run", "--no-project", "--config-file", str(file), "sh", "-c", "echo ready; cat"]
    process = subprocess.Popen(
        words, env=machine.world.environ(shim=False), cwd=machine.world.base,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"

        assert [each.pid for each in locks.holders(str(file.with_name("in-file")))] == [process.pid]
        assert locks.users(str(machine.world.default_cache)) == ()
    finally:
        process.communicate()


@pytest.mark.uv
def test_several_holders_are_all_named(machine: Machine) -> None:
    cache = machine.world.base / "cache"
    with machine.uv_run(cache) as one, machine.uv_run(cache) as two:
        told = [holder.pid for holder in locks.holders(str(cache))]

        assert told == sorted((one.pid, two.pid))


def of_same_inode(*paths: Path) -> None:
    """Make files, each on a btrfs subvolume of its own, which numbers upwards."""
    for path in paths:
        path.touch()
    while len({path.stat().st_ino for path in paths}) > 1:
        lowest = min(paths, key=lambda path: path.stat().st_ino)
        lowest.unlink()
        lowest.touch()


def test_a_lock_on_a_subvolume_whose_device_the_kernel_tells_otherwise(fs: FileSystems) -> None:
    cache, other = fs.subvolumes
    of_same_inode(cache / ".lock", other / ".lock")
    with (cache / ".lock").open() as stream:
        fcntl.flock(stream, fcntl.LOCK_SH)

        assert [holder.pid for holder in locks.holders(str(cache))] == [os.getpid()]
        assert locks.holders(str(other)) == ()


def test_who_waits_for_a_lock_holds_none(tmp_path: Path) -> None:
    (tmp_path / ".lock").touch()
    with (tmp_path / ".lock").open() as stream:
        fcntl.flock(stream, fcntl.LOCK_SH)
        words = ["flock", "--exclusive", str(tmp_path / ".lock"), "true"]
        waiting = subprocess.Popen(words)
        while not locks.waits_for_a_lock(waiting.pid):
            assert waiting.poll() is None

        assert [holder.pid for holder in locks.holders(str(tmp_path))] == [os.getpid()]
    assert waiting.wait() == 0


def test_an_open_file_in_the_cache_is_use(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "file").touch()
    (tmp_path / "cache-2").touch()
    with child('exec 9<"$1"', str(cache / "file")) as user:
        (found,) = locks.users(str(cache))

        assert (found.pid, found.how) == (user.pid, "has files in it open")
    with child('exec 9<"$1"', str(tmp_path / "cache-2")), child("cd .", cwd=cache):
        assert locks.users(str(cache)) == ()


def test_a_mapped_file_in_the_cache_is_use(tmp_path: Path) -> None:
    cache = tmp_path / "a cache"
    cache.mkdir()
    subprocess.run(["cp", "/bin/sleep", str(cache)], check=True)
    process = subprocess.Popen([cache / "sleep", "600"])
    try:
        assert [user.pid for user in locks.users(str(cache))] == [process.pid]
    finally:
        process.kill()
        process.wait()


def test_waiting_ends_when_the_holder_does_and_names_it_meanwhile(tmp_path: Path) -> None:
    (tmp_path / ".lock").touch()
    named: list[locks.Holder] = []
    with (tmp_path / ".lock").open() as stream:
        fcntl.flock(stream, fcntl.LOCK_SH)

        def let_go(holder: locks.Holder) -> None:
            named.append(holder)
            fcntl.flock(stream, fcntl.LOCK_UN)

        assert locks.wait(str(tmp_path), 60, meanwhile=let_go) is None

    assert [holder.pid for holder in named] == [os.getpid()]


def test_a_holder_that_cannot_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".lock").touch()
    monkeypatch.setattr(locks, "_flocks", lambda: iter(()))
    with (tmp_path / ".lock").open() as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)

        holder = locks.wait(str(tmp_path), 0)

    assert holder is not None
    assert str(holder) == "a process that is not visible from here"


def test_a_uv_that_ends_while_it_is_looked_at_uses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "_is_uv", lambda _: True)
    process = subprocess.Popen(["true"])
    while locks._words(process.pid):  # a zombie has no words any more
        time.sleep(0.01)

    try:
        assert locks._cache_of(process.pid) == ""
        assert locks.users(str(tmp_path)) == ()
    finally:
        process.wait()


def test_a_long_command_is_cut_and_any_byte_shown(tmp_path: Path) -> None:
    words = ("caf\udce9", "x" * 500)
    with child('exec 9>"$1/file"', str(tmp_path), *words):
        (found,) = locks.users(str(tmp_path))

    assert "caf\ufffd xxx" in found.command
    assert len(found.command) == 203


def test_asking_for_the_lock_of_a_fifo_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".lock")
    done = threading.Event()

    def ask() -> None:
        locks.is_free(str(tmp_path))
        done.set()

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()

    assert done.wait(30)


# Holding it alone --------------------------------------------------------------------------------


def test_held_alone_nobody_else_gets_it(tmp_path: Path) -> None:
    (tmp_path / locks.LOCK).touch()

    with locks.alone(str(tmp_path), 0):
        assert not locks.is_free(str(tmp_path))
        with pytest.raises(locks.Busy), locks.alone(str(tmp_path), 0):
            pass

    assert locks.is_free(str(tmp_path))


def test_who_does_not_let_go_is_named_in_time(tmp_path: Path) -> None:
    (tmp_path / locks.LOCK).touch()
    seen: list[locks.Holder] = []
    script = 'exec 9<"$1"; flock --shared 9'
    with child(script, str(tmp_path / locks.LOCK)) as process:
        start = time.monotonic()

        with (
            pytest.raises(locks.Busy) as busy,
            locks.alone(str(tmp_path), 0.3, meanwhile=seen.append),
        ):
            pass

        assert 0.3 <= time.monotonic() - start < 3
        assert seen == [busy.value.holder]
        assert str(tmp_path) in str(busy.value)
        assert "holds its lock" in str(busy.value)
        assert process.poll() is None
    with locks.alone(str(tmp_path), 0):
        pass


def test_without_a_lock_file_none_is_made(tmp_path: Path) -> None:
    with locks.alone(str(tmp_path), 0):
        pass
    with locks.alone(str(tmp_path / "nowhere"), 0):
        pass

    assert list(tmp_path.iterdir()) == []
