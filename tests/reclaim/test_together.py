"""Two at once, and uv at the same time: nothing is lost, nothing breaks, everybody gets done."""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import real_uv
from tests.filesystems import FileSystems, flush, same_inode
from tests.reclaim.disk import FILES, Disk, ext4, left, site, unchanged
from tests.uv.world import NAME, ORIGINAL, World, installed, linkpolicy
from uvx_policy.replace import kernel
from uvx_policy.replace.shop import PREFIX

__all__ = ("ext4",)

pytestmark = [pytest.mark.filesystem, pytest.mark.slow]

ARCHIVE = "cache/archive-v0/archive-of-one"
PROGRAM = (sys.executable, "-m", "uvx_policy.cli", "reclaim", "--yes", "--json")
MANY = {f"one/m{number:03}.py": b"# module %03d\n" % number * 300 for number in range(150)}


# Two at once --------------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [1, pytest.param(30, marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize("lock", [True, False], ids=["lock", "no lock"])
@pytest.mark.parametrize("kind", ["ext4", "btrfs"])
def test_two_at_once(
    fs: FileSystems, monkeypatch: pytest.MonkeyPatch, kind: str, times: int, *, lock: bool
) -> None:
    """Old uvs make no locks in environments: then they may be in each other's way, no more."""
    disk = Disk(getattr(fs, kind), monkeypatch)
    disk.archive(MANY)
    sites = [site(disk.environment(f"env{number}", MANY)) for number in range(3)]
    for top in sites if lock else ():
        (disk.base / disk.below(top).split("/")[0] / ".lock").touch()
    before = disk.known()
    tops = (ARCHIVE, *map(disk.below, sites))
    shared = {frozenset(f"{top}/{name}" for top in tops) for name in MANY}
    for _ in range(times):
        for top, name in itertools.product(sites, MANY):
            (top / name).unlink()
            (top / name).write_bytes(MANY[name])
            os.utime(top / name, ns=(before[top / name].mtime_ns,) * 2)
        flush(disk.base)
        both = [
            subprocess.Popen(
                [*PROGRAM, "--wait", "60", "--jobs", jobs, str(disk.base)], cwd=disk.base,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )
            for jobs in "12"
        ]  # fmt: skip
        said = [process.communicate() for process in both]

        codes = [process.returncode for process in both]
        assert codes == [0, 0] if lock else set(codes) <= {0, 1}, said
        unchanged(disk, before)
        assert disk.leftovers() == []
        if not lock:
            disk.reclaim()
        assert disk.sharing() == shared
        done = [row["done_files"] for out, _ in said for row in json.loads(out)["devices"]]
        assert sum(done) >= len(MANY) * len(sites) or not lock


# Locks --------------------------------------------------------------------------------------------


def locked(path: Path, how: int) -> bool:
    """Does somebody hold a lock that excludes this one?"""
    with path.open("r+b") as stream:
        try:
            fcntl.flock(stream, how | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_the_locks_are_held_meanwhile(ext4: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment's alone, the cache's with others: nobody prunes what is linked to."""
    ext4.archive()
    site(ext4.environment("env"))
    lock = ext4.base / "env/.lock"
    lock.touch()
    cached = ext4.cache / ".lock"
    seen = []
    real = kernel.exchange

    def exchange(*words: object) -> None:
        seen.append(
            (
                locked(lock, fcntl.LOCK_SH),
                locked(cached, fcntl.LOCK_EX),
                locked(cached, fcntl.LOCK_SH),
            )
        )
        real(*words)  # type: ignore[arg-type]

    monkeypatch.setattr(kernel, "exchange", exchange)

    ext4.reclaim("--jobs", "1")

    assert set(seen) == {(True, True, False)}
    assert not locked(lock, fcntl.LOCK_EX)
    assert not locked(cached, fcntl.LOCK_EX)


_HOLD = """
import fcntl, sys
with open(sys.argv[1]) as file:
    fcntl.flock(file, fcntl.LOCK_SH if sys.argv[2] == "shared" else fcntl.LOCK_EX)
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def hold() -> Iterator[Callable[[Path, str], subprocess.Popen[bytes]]]:
    held = []

    def start(path: Path, how: str) -> subprocess.Popen[bytes]:
        path.touch()
        words = [sys.executable, "-c", _HOLD, str(path), how]
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        held.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        return process

    yield start
    for process in held:
        process.communicate()


Hold = Callable[[Path, str], "subprocess.Popen[bytes]"]


def test_an_environment_in_which_somebody_works_is_left(ext4: Disk, hold: Hold) -> None:
    """uv installs there, for longer than we wait. The other environments are done."""
    ext4.archive()
    busy, free = (site(ext4.environment(name)) / "one/a.py" for name in ("busy", "free"))
    holder = hold(ext4.base / "busy/.lock", "alone")

    done = ext4.reclaim("--wait", "0", expect=1)
    said = linkpolicy("reclaim", "--yes", "--wait", "0", str(ext4.base), cwd=ext4.base)

    assert busy.stat().st_nlink == 1
    assert free.stat().st_nlink == 2
    assert "locked" in left(done)
    assert not done.json["complete"]
    assert f"(pid {holder.pid})" in " ".join(done.err.split())
    assert f"(pid {holder.pid})" in " ".join((said.out + said.err).split())
    holder.communicate()
    ext4.reclaim("--wait", "0")
    assert same_inode(busy, free)


def test_a_cache_that_is_being_pruned_is_no_source(ext4: Disk, hold: Hold) -> None:
    """The environments can have each other's."""
    ext4.archive()
    first, second = (site(ext4.environment(name)) / "one/a.py" for name in ("first", "second"))
    holder = hold(ext4.cache / ".lock", "alone")

    done = ext4.reclaim("--wait", "0", "--no-seed", expect=1)

    (archived,) = ext4.cache.rglob("one/a.py")
    assert archived.stat().st_nlink == 1
    assert first.read_bytes() == second.read_bytes() == FILES["one/a.py"]
    assert not done.json["complete"]
    holder.communicate()
    ext4.reclaim("--no-seed")
    assert same_inode(first, archived)
    assert same_inode(second, archived)


def test_a_cache_that_others_use_is_a_source(ext4: Disk, hold: Hold) -> None:
    ext4.archive()
    path = site(ext4.environment("env")) / "one/a.py"
    hold(ext4.cache / ".lock", "shared")

    ext4.reclaim("--wait", "0")

    assert path.stat().st_nlink == 2


def test_it_waits(ext4: Disk, hold: Hold) -> None:
    ext4.archive()
    path = site(ext4.environment("env")) / "one/a.py"
    holder = hold(ext4.base / "env/.lock", "alone")
    letting_go = threading.Timer(0.5, lambda: holder.stdin and holder.stdin.close())
    letting_go.start()

    ext4.reclaim("--wait", "60")

    letting_go.join()
    assert path.stat().st_nlink == 2
    holder.stdin = None


# uv -----------------------------------------------------------------------------------------------


class Uv(threading.Thread):
    """Calls uv again and again, until it is told to end."""

    def __init__(self, world: World, *calls: tuple[str, ...]) -> None:
        super().__init__()
        self._world = world
        self._calls = calls
        self._ending = threading.Event()
        self.rounds = 0
        self.failed: list[str] = []

    def run(self) -> None:
        while not self._ending.is_set():
            for words in self._calls:
                done = self._world.plain(*words, cwd=self._world.base, check=False)
                if done.returncode:
                    self.failed.append(f"{words}: {done.stderr}")
            self.rounds += 1

    def end(self) -> None:
        self._ending.set()
        self.join()


def install(world: World, environment: Path, *words: str) -> tuple[str, ...]:
    return (
        "pip", "install", "--link-mode", "copy", "-p", str(environment), "--no-index",
        "--find-links", str(world.wheels), *words, NAME,
    )  # fmt: skip


@pytest.mark.uv
@pytest.mark.parametrize("times", [3, pytest.param(60, marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize("uv_version", ["newest", real_uv.SUPPORTED[0]])
def test_uv_at_the_same_time(world: World, uv_version: str, times: int) -> None:
    """It installs, removes, prunes and cleans. Old ones lock nothing."""
    assert uv_version
    changing, quiet = (
        world.environment(world.base / name, mode="copy") for name in ("changing", "quiet")
    )
    uv = Uv(
        world, install(world, changing, "--reinstall"), install(world, quiet, "--reinstall"),
        ("pip", "uninstall", "-p", str(changing), NAME), ("cache", "prune"),
        install(world, changing), ("cache", "clean", NAME), ("cache", "clean"),
    )  # fmt: skip
    uv.start()
    said: list[subprocess.CompletedProcess[str]] = []
    try:
        while len(said) < times or not uv.rounds:
            said.append(
                subprocess.run(
                    [*PROGRAM, "--wait", "60", str(changing), str(quiet)], cwd=world.base,
                    env=world.environ(shim=False), capture_output=True, text=True, check=False,
                )
            )  # fmt: skip
    finally:
        uv.end()

    assert uv.failed == []
    assert {each.returncode for each in said} <= {0, 1}, said
    for environment in (changing, quiet):
        package = installed(environment)
        assert (package / "__init__.py").read_text() == ORIGINAL
        assert (package / "data.bin").read_bytes() == bytes(range(256)) * 256
        assert os.access(environment / f"bin/{NAME}-tool", os.X_OK)
        assert [*environment.rglob(f"{PREFIX}*")] == []
    assert [*world.default_cache.rglob(f"{PREFIX}*")] == []
    # All can go on as before, and what is left can be had.
    world.plain("cache", "prune", cwd=world.base)
    world.plain(*install(world, quiet, "--reinstall"), cwd=world.base)
    again = world.linkpolicy("reclaim", "--yes", "--json", str(changing), str(quiet))
    assert again.code == 0, again.err
    archived = {
        path.stat().st_ino for path in world.default_cache.glob(f"archive-v0/*/{NAME}/data.bin")
    }
    assert (installed(quiet) / "data.bin").stat().st_ino in archived
    world.plain("pip", "check", "-p", str(quiet), cwd=world.base)
