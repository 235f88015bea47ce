"""The first sync on another device: what uv's own cache holds is brought there, and linked."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import io
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest

from tests import real_uv
from tests.filesystems import FileSystems, same_inode
from tests.uv.index_server import index_of
from tests.uv.world import NAME, World, archived, files_below, installed

pytestmark = [pytest.mark.uv, pytest.mark.filesystem]

#: uvs around the one from which on links in caches are relative
CACHES = real_uv.each((0, 11, 17))


class Warm:
    """A project on another device than the home, whose packages only uv's own cache holds.

    The index that they came from is closed.
    """

    def __init__(
        self, fs: FileSystems, uv: Path, *, disk: Path | None = None, from_source: bool = False
    ) -> None:
        self.disk = disk or fs.image("ext4")
        self.world = World(fs.other_ext4 / "world", uv, home=fs.other_ext4 / "home")
        if from_source:
            (wheel,) = self.world.wheels.iterdir()
            build_source(self.world.wheels, wheel)
            wheel.unlink()
        self.project = self.world.project(self.disk / "project")
        with index_of(self.world.wheels, fs.other_ext4 / "index") as url:
            self.url = url
            self.world.project(self.project, index=url)
            self.world.plain("sync", cwd=self.project)
        shutil.rmtree(self.project / ".venv")

    @property
    def default_cache(self) -> Path:
        return self.world.default_cache

    @property
    def device_cache(self) -> Path:
        (cache,) = self.disk.glob(".uv-cache-*")
        return cache

    def sync(self, *words: str, check: bool = True, **environ: str) -> str:
        changes: dict[str, Any] = environ
        return self.world.uv(
            "sync", "--frozen", *words, cwd=self.project, check=check, **changes
        ).stderr

    def start(self, project: Path | None = None) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["uv", "sync", "--frozen"], cwd=project or self.project, env=self.world.environ(),
            stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def explain(self) -> Any:
        done = self.world.linkpolicy(
            "explain", "--json", "--", "sync", "--frozen", cwd=self.project,
            PATH=self.world.environ()["PATH"],
        )  # fmt: skip
        return done.json

    @property
    def module(self) -> Path:
        return installed(self.project / ".venv") / "__init__.py"

    def has_device_cache(self) -> bool:
        return bool(list(self.disk.glob(".uv-cache-*")))

    def is_linked(self) -> bool:
        (cached,) = archived(self.device_cache)
        return same_inode(self.module, cached)


def build_source(directory: Path, wheel: Path) -> None:
    """A source distribution that builds exactly this wheel, and needs nothing for it."""
    top = f"{NAME}-1.0"
    backend = f"""
import shutil

def build_wheel(directory, *_):
    return shutil.copy2({wheel.name!r}, directory) and {wheel.name!r}
"""
    build_system = 'requires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    files = {
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {NAME}\nVersion: 1.0\n".encode(),
        "pyproject.toml": f"[build-system]\n{build_system}".encode(),
        "backend.py": backend.encode(),
        wheel.name: wheel.read_bytes(),
    }
    with tarfile.open(directory / f"{top}.tar.gz", "w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"{top}/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


def contents(directory: Path) -> dict[str, tuple[bytes, int, int]]:
    """Content, mode and time of each file below."""
    return {
        str(path.relative_to(directory)): (
            path.read_bytes(), path.stat().st_mode, path.stat().st_mtime_ns,
        )
        for path in files_below(directory)
        if path.name != ".lock"
    }  # fmt: skip


def wait_for_copying(warm: Warm, started: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while not list(warm.disk.glob(".uv-cache-*/.tmp-linkpolicy-seed-*")):
        if started.poll() is not None or time.monotonic() > deadline:
            break


def add_to_record(path: Path) -> None:
    """Let the RECORD of its archive name a new file of the tiny package."""
    archive = path.parent.parent
    (record,) = archive.glob("*.dist-info/RECORD")
    digest = base64.urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest()).decode()
    row = f"{path.relative_to(archive)},sha256={digest},{path.stat().st_size}\n"
    record.write_text(row + record.read_text())


@pytest.mark.parametrize("flag", [(), ("--offline",)])
@pytest.mark.parametrize("each_uv", CACHES, indirect=True)
def test_the_first_sync_links_without_a_network(
    fs: FileSystems, each_uv: Path, flag: tuple[str, ...]
) -> None:
    warm = Warm(fs, each_uv)

    said = warm.sync(*flag)

    assert warm.is_linked()
    assert "falling back" not in said
    assert "linkpolicy" not in said


@pytest.mark.parametrize("each_uv", CACHES, indirect=True)
def test_what_was_built_from_source_is_brought_as_well(fs: FileSystems, each_uv: Path) -> None:
    warm = Warm(fs, each_uv, from_source=True)

    warm.sync("--offline")
    warm.world.plain("cache", "prune", cwd=warm.disk, UV_CACHE_DIR=str(warm.device_cache))
    shutil.rmtree(warm.project / ".venv")
    warm.sync("--offline")

    assert warm.is_linked()
    assert not list(warm.device_cache.glob("sdists-v*/index/*/*/*/*/src"))


@pytest.mark.parametrize("each_uv", CACHES, indirect=True)
def test_pip_finds_it_there_without_a_network(fs: FileSystems, each_uv: Path) -> None:
    warm = Warm(fs, each_uv)
    index = ("--index-url", warm.url)
    warm.world.plain("venv", str(warm.disk / "v"), cwd=warm.disk)
    words = ("pip", "install", "-p", str(warm.disk / "v"), "--offline", *index, NAME)
    warm.world.plain(*words, "--dry-run", cwd=warm.disk)
    warm.sync()

    warm.world.uv(*words, cwd=warm.disk)

    assert same_inode(installed(warm.disk / "v") / "__init__.py", warm.module)


@pytest.mark.parametrize("each_uv", CACHES, indirect=True)
def test_what_was_brought_is_what_it_was(fs: FileSystems, each_uv: Path) -> None:
    warm = Warm(fs, each_uv)

    warm.sync()

    assert contents(warm.device_cache / "archive-v0") == contents(warm.default_cache / "archive-v0")
    for link in warm.device_cache.glob("wheels-v*/index/*/*/*"):
        assert not link.is_symlink() or not os.path.isabs(os.readlink(link))


@pytest.mark.parametrize("each_uv", CACHES, indirect=True)
def test_a_second_environment_is_linked_to_the_same_files(fs: FileSystems, each_uv: Path) -> None:
    warm = Warm(fs, each_uv)
    warm.sync()
    second = warm.disk / "second"
    second.mkdir()
    for name in ("pyproject.toml", "uv.lock"):
        shutil.copy2(warm.project / name, second / name)

    warm.world.uv("sync", "--frozen", cwd=second)

    assert same_inode(installed(second / ".venv") / "__init__.py", warm.module)


@pytest.mark.slow
@pytest.mark.parametrize("each_uv", CACHES, indirect=True)
@pytest.mark.parametrize("side", ["default_cache", "device_cache"])
def test_either_cache_can_be_pruned_and_cleaned(fs: FileSystems, each_uv: Path, side: str) -> None:
    warm = Warm(fs, each_uv)
    warm.sync()
    other = {"default_cache": warm.device_cache, "device_cache": warm.default_cache}[side]
    before = contents(other)

    for words in (("prune",), ("clean", NAME), ("clean",)):
        warm.world.plain("cache", *words, cwd=warm.disk, UV_CACHE_DIR=str(getattr(warm, side)))
        shutil.rmtree(warm.project / ".venv")
        warm.sync("--offline")

        assert contents(other).items() >= before.items()
        assert warm.is_linked()


def test_what_uv_prunes_is_nothing_that_was_brought(fs: FileSystems, each_uv: Path) -> None:
    warm = Warm(fs, each_uv)
    warm.sync()

    warm.world.plain("cache", "prune", cwd=warm.disk, UV_CACHE_DIR=str(warm.device_cache))

    assert archived(warm.device_cache)


@pytest.mark.parametrize("each_uv", CACHES, indirect=True)
def test_an_edited_archive_is_not_passed_on(fs: FileSystems, each_uv: Path) -> None:
    warm = Warm(fs, each_uv)
    (cached,) = archived(warm.default_cache)
    cached.write_text(cached.read_text().replace("original", "poisoned"))

    warm.sync()
    shutil.rmtree(warm.project / ".venv")
    warm.sync()  # what was found out is remembered
    shutil.rmtree(warm.project / ".venv")
    said = warm.sync()

    assert archived(warm.device_cache) == []
    assert warm.module.stat().st_nlink == 1
    assert "poisoned" in warm.module.read_text()
    assert "linkpolicy" not in said


@pytest.mark.parametrize("damage", ["missing", "extra", "cut", "none", "link"])
def test_what_cannot_be_proven_is_not_passed_on(
    fs: FileSystems, newest_uv: Path, damage: str
) -> None:
    warm = Warm(fs, newest_uv)
    (cached,) = archived(warm.default_cache)
    (record,) = cached.parent.parent.glob("*.dist-info/RECORD")
    if damage == "missing":
        (cached.parent / "data.bin").unlink()
    elif damage == "extra":
        (cached.parent / "extra.py").write_text("")
    elif damage == "cut":
        record.write_text(record.read_text().partition("\n")[0] + "\n")
    elif damage == "none":
        record.unlink()
    else:
        cached.rename(cached.with_suffix(".txt"))
        cached.symlink_to(cached.with_suffix(".txt"))

    warm.sync(check=False)

    assert archived(warm.device_cache) == []


def test_after_it_was_downloaded_again_it_is_passed_on(fs: FileSystems, newest_uv: Path) -> None:
    warm = Warm(fs, newest_uv)
    (cached,) = archived(warm.default_cache)
    content = cached.read_text()
    cached.write_text("")
    warm.sync()
    warm.sync()
    cached.write_text(content)
    pointer = next(warm.default_cache.glob(f"wheels-v*/index/*/{NAME}/*.http"))
    pointer.with_suffix(".new").write_bytes(pointer.read_bytes())
    pointer.with_suffix(".new").rename(pointer)
    shutil.rmtree(warm.project / ".venv")

    warm.sync()

    assert warm.is_linked()


def test_what_neither_cache_has_unpacked_is_no_reason_to_copy(
    fs: FileSystems, newest_uv: Path
) -> None:
    """A pointer to an archive that is gone: uv would download it with either cache."""
    warm = Warm(fs, newest_uv)
    shutil.rmtree(warm.default_cache / "archive-v0")
    with index_of(warm.world.wheels, fs.other_ext4 / "index") as url:
        text = (warm.project / "uv.lock").read_text()
        old = text.partition('registry = "')[2].partition('"')[0]
        (warm.project / "uv.lock").write_text(text.replace(old, url))
        pyproject = (warm.project / "pyproject.toml").read_text()
        (warm.project / "pyproject.toml").write_text(pyproject.replace(old, url))

        warm.sync()

    assert warm.is_linked()


@pytest.mark.parametrize("seconds", [0, 0.05, 0.1, 0.15, 0.2])
def test_who_is_killed_leaves_nothing_half_done(
    fs: FileSystems, newest_uv: Path, seconds: float
) -> None:
    warm = Warm(fs, newest_uv)
    started = warm.start()
    wait_for_copying(warm, started)
    time.sleep(seconds / 10)
    started.send_signal(signal.SIGKILL)
    started.wait()

    shutil.rmtree(warm.project / ".venv", ignore_errors=True)
    warm.sync()

    assert warm.is_linked()
    assert contents(warm.device_cache / "archive-v0") == contents(warm.default_cache / "archive-v0")


def test_ctrl_c_ends_the_call(fs: FileSystems, newest_uv: Path) -> None:
    """While packages are copied, which is held up here until then."""
    warm = Warm(fs, newest_uv)
    (cached,) = archived(warm.default_cache)
    held_up = cached.parent / "held-up.bin"
    with held_up.open("wb") as stream:
        stream.truncate(300 << 20)
    add_to_record(held_up)
    started = warm.start()
    wait_for_copying(warm, started)

    started.send_signal(signal.SIGINT)

    assert started.wait() == -signal.SIGINT
    assert not (warm.project / ".venv").exists()


def test_what_takes_long_is_said_once_on_a_terminal(fs: FileSystems, newest_uv: Path) -> None:
    warm = Warm(fs, newest_uv)
    late = "uvx_policy.seed.before_uv"
    program = (
        f"import {late} as late; late._LONG = 0\n"
        "from uvx_policy.shim import become; import sys\n"
        "become('uv', sys.argv[1:], shim='/nowhere/uv', embedded=())"
    )
    ours, theirs = pty.openpty()
    words = [sys.executable, "-c", program, "sync", "--frozen", "-q"]
    environ = {**warm.world.environ(shim=False), "PYTHONPATH": os.getcwd()}

    subprocess.run(words, cwd=warm.project, env=environ, stderr=theirs, check=True)

    # Not after the last of their handles is closed: what is on its way may be lost then.
    said = os.read(ours, 1000).decode() if select.select([ours], [], [], 10)[0] else ""
    os.close(theirs)
    os.close(ours)
    assert warm.is_linked()
    assert said.count("\n") == 1
    assert said.startswith(f"linkpolicy: copying packages into `{warm.device_cache}`")


def test_two_at_once(fs: FileSystems, newest_uv: Path) -> None:
    warm = Warm(fs, newest_uv)
    second = warm.disk / "second"
    second.mkdir()
    for name in ("pyproject.toml", "uv.lock"):
        shutil.copy2(warm.project / name, second / name)

    both = [warm.start(), warm.start(second)]

    assert [each.wait() for each in both] == [0, 0]
    assert warm.is_linked()
    assert same_inode(installed(second / ".venv") / "__init__.py", warm.module)
    assert not list(warm.device_cache.glob(".tmp-linkpolicy-*"))


@pytest.mark.parametrize("side", ["default_cache", "device_cache"])
def test_a_cache_that_is_being_pruned_is_not_waited_for_long(
    fs: FileSystems, newest_uv: Path, side: str
) -> None:
    warm = Warm(fs, newest_uv)
    if side == "device_cache":
        (warm.disk / f".uv-cache-{os.geteuid()}").mkdir(0o700)
    lock = getattr(warm, side) / ".lock"
    with lock.open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        # uv would wait for its own cache, too.
        said = warm.sync(UV_LOCK_TIMEOUT="1", check=side == "device_cache")

    assert archived(warm.device_cache) == []
    if side == "device_cache":
        assert warm.module.stat().st_nlink == 1
        assert "falling back" not in said
    shutil.rmtree(warm.project / ".venv", ignore_errors=True)
    warm.sync()
    assert warm.is_linked()


def test_on_a_full_disk_uv_has_the_room(fs: FileSystems, newest_uv: Path) -> None:
    disk = fs.image("ext4", size=100 << 20)
    warm = Warm(fs, newest_uv, disk=disk)
    (cached,) = archived(warm.default_cache)
    grown = cached.parent / "grown.bin"
    with grown.open("wb") as stream:
        stream.truncate(65 << 20)
    add_to_record(grown)

    warm.sync()

    assert not archived(warm.device_cache)
    assert warm.module.stat().st_nlink == 1
    assert not list(warm.device_cache.glob(".tmp-linkpolicy-*"))


def test_who_asks_for_none_gets_none(fs: FileSystems, newest_uv: Path) -> None:
    warm = Warm(fs, newest_uv)
    (warm.project / "linkpolicy.toml").write_text('seed = "never"\n')

    said = warm.sync()

    assert not warm.has_device_cache()
    assert warm.module.stat().st_nlink == 1
    assert "falling back" not in said


def test_the_next_call_is_replayed(fs: FileSystems, newest_uv: Path) -> None:
    warm = Warm(fs, newest_uv)

    first = warm.explain()
    warm.sync()
    warm.sync()
    warm.sync()
    then = warm.explain()

    assert first["cache_dir"]["code"] == "device-cache"
    assert "copied from" in first["cache_dir"]["because"]
    assert first["record"]["state"] == "new"
    assert then["record"]["state"] == "replayed"
    assert "copied from" not in then["cache_dir"]["because"]


def test_to_explain_is_not_to_do(fs: FileSystems, newest_uv: Path) -> None:
    warm = Warm(fs, newest_uv)

    warm.explain()
    warm.world.linkpolicy("env", "--", "cache", "dir", cwd=warm.project)

    assert not warm.has_device_cache() or not archived(warm.device_cache)


# `linkpolicy cache seed` --------------------------------------------------------------------------


@pytest.mark.parametrize("each_uv", CACHES, indirect=True)
def test_a_cache_is_filled_by_command(fs: FileSystems, each_uv: Path) -> None:
    warm = Warm(fs, each_uv)
    environ = {"PATH": warm.world.environ()["PATH"]}

    dry = warm.world.linkpolicy("cache", "seed", "--dry-run", cwd=warm.project, **environ)
    was_made = warm.has_device_cache()
    done = warm.world.linkpolicy("cache", "seed", "--json", cwd=warm.project, **environ)
    again = warm.world.linkpolicy("cache", "seed", cwd=warm.project, **environ)
    warm.sync("--offline")

    assert (dry.code, was_made) == (0, False)
    assert "1 package would be copied" in dry.out
    assert done.json["copied"] == {NAME: ["1.0"]}
    assert done.json["to"] == str(warm.device_cache)
    assert [bucket.partition("-")[0] for bucket in done.json["buckets"]] == ["wheels"]
    assert "1 package there already" in again.out
    assert warm.is_linked()


def test_all_of_a_cache_goes_to_any_other(fs: FileSystems, newest_uv: Path) -> None:
    warm = Warm(fs, newest_uv)
    target = warm.disk / "chosen"
    words = ("cache", "seed", "--all", "--from", str(warm.default_cache), "--to", str(target))

    done = warm.world.linkpolicy(*words, cwd=warm.disk)

    assert (done.code, done.err) == (0, "")
    assert contents(target / "archive-v0") == contents(warm.default_cache / "archive-v0")


def test_what_is_not_passed_on_is_named(fs: FileSystems, newest_uv: Path) -> None:
    warm = Warm(fs, newest_uv)
    (cached,) = archived(warm.default_cache)
    cached.write_text("")

    done = warm.world.linkpolicy("cache", "seed", cwd=warm.project)

    assert done.code == 1
    assert f"{NAME} is not copied" in done.out
    assert "is not what its RECORD says" in " ".join(done.out.split())


@pytest.mark.parametrize("mode", [0o777, 0o775])
def test_no_files_are_taken_from_what_others_can_write(
    fs: FileSystems, newest_uv: Path, mode: int
) -> None:
    warm = Warm(fs, newest_uv)
    os.chown(warm.default_cache, -1, 12345)
    warm.default_cache.chmod(mode)

    done = warm.world.linkpolicy("cache", "seed", cwd=warm.project)

    assert done.code == 2
    assert "can write to it" in done.err


def test_without_a_lock_file_there_is_nothing_to_go_by(fs: FileSystems, newest_uv: Path) -> None:
    warm = Warm(fs, newest_uv)
    (warm.project / "uv.lock").unlink()

    done = warm.world.linkpolicy("cache", "seed", cwd=warm.project)

    assert done.code == 2
    assert "--all" in done.err
