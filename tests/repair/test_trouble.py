"""What stands in the way: locks, full disks, read-only caches, somebody else at the same time."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.caches.machine import Machine, snapshot
from tests.filesystems import FileSystems
from tests.repair.scene import EDITED, Scene, module
from tests.uv.world import NAME, ORIGINAL, installed
from uvx_policy.caches.locks import Holder
from uvx_policy.installed.tree import Tree
from uvx_policy.repair import backup as keep
from uvx_policy.repair.model import Location, Step
from uvx_policy.repair.work import Work
from uvx_policy.replace import shop
from uvx_policy.replace.build import Builder

pytestmark = [pytest.mark.uv, pytest.mark.filesystem]


def clean_copy(machine: Machine) -> Path:
    """The package as it was, in a directory of its own, from a cache of its own."""
    clean = machine.world.base / "clean"
    machine.world.plain(
        "pip", "install", "--target", str(clean), "--cache-dir", str(machine.world.base / "other"),
        "--no-index", "--find-links", str(machine.world.wheels), NAME, cwd=machine.world.base,
    )  # fmt: skip
    return clean


# Locks -------------------------------------------------------------------------------------------


def test_who_holds_the_lock_of_the_cache_is_named(scene: Scene) -> None:
    module(scene.a).write_text(EDITED)
    with scene.machine.uv_run(scene.cache) as running:
        before = [snapshot(each) for each in (scene.cache, scene.a, scene.b)]
        start = time.monotonic()

        done = scene.repair("--wait", "0.3")

        assert 0.3 <= time.monotonic() - start < 5
        assert done.code == 1
        assert f"(pid {running.pid}) holds its lock" in done.err.replace("\n", " ")
        assert "--wait" in done.err
        assert [snapshot(each) for each in (scene.cache, scene.a, scene.b)] == before
        assert scene.saved() == []
    assert scene.repair().code == 0


def test_it_waits_for_the_lock(scene: Scene) -> None:
    module(scene.a).write_text(EDITED)
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(scene.cache / ".lock")], stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"

    with holder:
        done = scene.repair("--wait", "20")

    assert done.code == 0, done.out


def test_after_waiting_each_row_of_a_record_is_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two steps with one path: both are found again in the plan that is made after waiting."""
    tree = Tree(path=str(tmp_path), kind="site", owner=str(tmp_path))
    location = Location(path=str(tmp_path / "RECORD"), tree=tree)
    steps = [
        Step(action="record", location=location, distribution="pkg-1", name=name)
        for name in ("a.py", "b.py")
    ]

    @contextlib.contextmanager
    def waited_for(_: str, __: float, *, meanwhile: Callable[[Holder], None]) -> Iterator[None]:
        meanwhile(Holder(pid=0))
        yield

    done: list[Step] = []
    monkeypatch.setattr("uvx_policy.caches.locks.alone", waited_for)
    monkeypatch.setattr(Work, "_save_and_apply", lambda _, steps, *__: done.extend(steps))

    Work("", str(tmp_path), 0).carry_out(steps, lambda: steps, lambda _: None)

    assert [step.name for step in done] == ["a.py", "b.py"]


_HOLD = """
import fcntl, sys, time
file = open(sys.argv[1])
fcntl.flock(file, fcntl.LOCK_SH)
print("held", flush=True)
time.sleep(1)
"""


def test_the_locks_are_held_while_files_are_replaced(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    module(scene.a).write_text(EDITED)
    seen = []
    real = Builder.write

    def write(*words: object) -> None:
        seen.append(_can_lock(scene.cache / ".lock"))
        seen.append(_can_lock(scene.a / ".venv/.lock"))
        real(*words)  # type: ignore[arg-type]

    monkeypatch.setattr(Builder, "write", write)

    assert scene.repair().code == 0
    assert seen == [False, False]
    assert _can_lock(scene.cache / ".lock")


def _can_lock(path: Path) -> bool:
    program = "import fcntl, sys; fcntl.flock(open(sys.argv[1]), fcntl.LOCK_SH | fcntl.LOCK_NB)"
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, check=False
    )
    return done.returncode == 0


# Disks -------------------------------------------------------------------------------------------


def test_a_cache_that_cannot_be_written_stays_and_the_environment_is_restored(
    machine: Machine, fs: FileSystems
) -> None:
    world = machine.world
    env = machine.environment(world.base / "env", world.default_cache)
    file = installed(env) / "__init__.py"
    file.write_text(EDITED)
    cache = fs.bind(world.default_cache, read_only=True)
    clean = clean_copy(machine)
    (poisoned,) = cache.glob(f"archive-v0/*/{NAME}/__init__.py")

    with machine.without_uv_cache():
        done = machine.linkpolicy("repair", "--yes", str(env), str(cache), str(clean))

    assert done.code == 1
    assert "Read-only file system" in done.out
    assert poisoned.read_text() == EDITED
    assert file.read_text() == ORIGINAL
    assert file.stat().st_nlink == 1


def test_when_edits_cannot_be_saved_nothing_is_changed(scene: Scene, disk: Path) -> None:
    _fill(disk)
    data = module(scene.a).with_name("data.bin")
    data.write_bytes(b"y" * (1 << 20))
    before = [snapshot(each) for each in (scene.cache, scene.a, scene.b)]

    done = scene.repair("--keep-edits", str(disk / "kept"))

    assert done.code == 1
    assert "cannot save your edits" in done.err
    assert "No space left" in done.err
    assert [snapshot(each) for each in (scene.cache, scene.a, scene.b)] == before
    assert list(disk.glob("kept/*")) == []


def test_on_a_full_disk_each_file_is_the_old_one_or_the_new_one(
    machine: Machine, fs: FileSystems
) -> None:
    small = fs.image("ext4", size=24 << 20)
    env = machine.environment(small / "env", small / "cache")
    data, text = installed(env) / "data.bin", installed(env) / "__init__.py"
    original = data.read_bytes()
    data.write_bytes(b"edited" * 10)
    text.write_text(EDITED)
    clean = str(clean_copy(machine))
    words = ("repair", "--yes", "--offline", str(env), str(small / "cache"), clean)
    _fill(small)

    done = machine.linkpolicy(*words)

    assert done.code == 1
    assert "No space left on device" in done.out
    assert data.read_bytes() in (b"edited" * 10, original)
    assert text.read_text() in (EDITED, ORIGINAL)
    assert [*small.rglob(f"{shop.PREFIX}*")] == []
    (small / "fill").unlink()
    assert machine.linkpolicy(*words).code == 0
    assert (data.read_bytes(), text.read_text()) == (original, ORIGINAL)


def _fill(disk: Path) -> None:
    with (disk / "fill").open("wb", buffering=0) as stream:
        for size in (1 << 20, 4096):
            with pytest.raises(OSError, match="No space"):  # noqa: PT012 (it is a loop)
                while True:
                    if stream.write(b"x" * size) < size:
                        raise OSError("No space for the rest")


# At the same time --------------------------------------------------------------------------------


def test_what_is_edited_while_it_is_repaired_is_left(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An editor saved once more after the edits were saved, and before they were replaced."""
    module(scene.a).write_text(EDITED)
    real = keep.keep

    def kept(*words: object) -> keep.Kept:
        found = real(*words)  # type: ignore[arg-type]
        module(scene.a).write_text("VALUE = 'once more'\n")
        return found

    monkeypatch.setattr(keep, "keep", kept)

    done = scene.repair()

    assert done.code == 1
    assert "it changed in the meantime" in done.out
    assert module(scene.a).read_text() == "VALUE = 'once more'\n"


def test_two_at_a_time_do_it_once(scene: Scene) -> None:
    """Both have looked before either has the lock; the second finds nothing left to do."""
    with module(scene.a).open("a") as stream:
        stream.write("VALUE = 'more'\n")
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(scene.cache / ".lock")], stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"

    both = [
        subprocess.Popen(
            [sys.executable, "-m", "uvx_policy.cli", "repair", "--yes", "--offline"],
            cwd=each, env=scene.world.environ(), stdout=subprocess.PIPE, text=True,
        )
        for each in (scene.a, scene.b)
    ]  # fmt: skip
    outputs = [process.communicate()[0] for process in both]
    holder.wait()

    assert [process.returncode for process in both] == [0, 0], outputs
    assert sorted("3 files restored." in text for text in outputs) == [False, True], outputs
    assert module(scene.a).read_text() == ORIGINAL
    assert len([path for path in scene.saved() if path.name == "__init__.py"]) == 1
    holder.stdout.close()
