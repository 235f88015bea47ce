"""`linkpolicy cache clean` and `prune`: uv's own commands on every cache, and when they are not."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import real_uv
from tests.caches.machine import Machine, archives, dangling, snapshot
from tests.filesystems import FileSystems
from tests.ordinary_user import UID
from tests.uv.world import installed
from uvx_policy import cli
from uvx_policy.caches import cleaning, locks
from uvx_policy.safe import safe
from uvx_policy.state import layout

pytestmark = [pytest.mark.uv, pytest.mark.filesystem]

NAME = layout.device_cache_name(str(os.geteuid()))
LOCKING = real_uv.each(since=(0, 9))

each_version = pytest.mark.parametrize("uv_version", real_uv.each())


@pytest.fixture
def cache(machine: Machine) -> Path:
    """uv's default cache, with two packages in an environment that is hard linked."""
    machine.environment(machine.world.base / "env", machine.world.default_cache, "tinypkg", "other")
    assert len(archives(machine.world.default_cache)) == 2
    return machine.world.default_cache


# What is done ------------------------------------------------------------------------------------


@each_version
def test_one_package_goes_from_the_caches_of_two_file_systems(
    machine: Machine, cache: Path, disk: Path
) -> None:
    machine.environment(disk / "env", disk / NAME, "tinypkg", "other")

    done = machine.linkpolicy("cache", "clean", "other", "--yes")

    assert (done.code, done.err) == (0, "")
    assert done.out.count("done  ") == done.out.count("Removed ") == 2
    for each in (cache, disk / NAME):
        assert len(archives(each)) == 1
        assert not any(each.glob("archive-v0/*/other"))
    assert (installed(disk / "env") / "data.bin").stat().st_size == 65536


@each_version
def test_prune_takes_what_nothing_refers_to(machine: Machine, cache: Path) -> None:
    kept = archives(cache)
    (cache / "archive-v0" / "orphan").mkdir()

    done = machine.linkpolicy("cache", "prune", "--yes")

    assert (done.code, done.err) == (0, "")
    assert archives(cache) == kept


@each_version
def test_clean_takes_everything_and_leaves_environments(machine: Machine, cache: Path) -> None:
    done = machine.linkpolicy("cache", "clean", "--yes")

    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("done  ~/.cache/uv: Removed ")
    assert archives(cache) == []
    assert (installed(machine.world.base / "env") / "data.bin").stat().st_size == 65536


@each_version
def test_what_was_cleaned_can_be_cleaned_again(machine: Machine, cache: Path) -> None:
    for words in (("clean",), ("clean",), ("prune",), ("clean", "tinypkg")):
        done = machine.linkpolicy("cache", *words, "--yes")

        assert (done.code, done.err) == (0, ""), words
        assert archives(cache) == []


@each_version
def test_words_behind_two_dashes_are_packages(machine: Machine, cache: Path) -> None:
    machine.environment(machine.world.base / "more", cache, "other")
    before = len(archives(cache))

    done = machine.linkpolicy("cache", "clean", "--yes", "--", "other")

    assert (done.code, done.err) == (0, "")
    assert len(archives(cache)) == before - 1
    assert not any(cache.glob("archive-v0/*/other"))


@each_version
def test_settings_of_uv_do_not_lead_it_astray(
    machine: Machine, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`no-cache` would make uv clean a temporary directory and say that all went well."""
    file = machine.world.home / ".config" / "uv" / "uv.toml"
    file.parent.mkdir(parents=True)
    file.write_text("no-cache = true\n")
    monkeypatch.setenv("UV_NO_CACHE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(machine.world.base / "elsewhere"))

    assert machine.linkpolicy("cache", "clean", "--yes").code == 0

    assert archives(cache) == []


def test_our_own_shim_is_not_what_runs(
    machine: Machine, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(machine.world.shims), prepend=os.pathsep)

    done = machine.linkpolicy("cache", "clean", "--dry-run")

    assert (
        f"would run  {machine.world.real_uv} cache clean --cache-dir {cache} --no-config"
        in done.out
    )


@each_version
def test_only_the_caches_that_are_named(machine: Machine, cache: Path) -> None:
    other = machine.world.base / "other cache"
    machine.environment(machine.world.base / "env2", other)

    done = machine.linkpolicy(
        "cache", "clean", "--yes", "--cache-dir", str(other), "--cache-dir", "../other cache"
    )

    assert (done.code, done.out.count("done  ")) == (0, 1)
    assert archives(other) == []
    assert len(archives(cache)) == 2


@each_version
def test_a_cache_behind_a_symbolic_link_is_emptied_and_uv_goes_on(
    machine: Machine, cache: Path
) -> None:
    """uv alone removes the link, or fails, or leaves it dangling: then no uv can start."""
    real = machine.world.base / "real"
    cache.rename(real)
    real.chmod(0o750)
    cache.symlink_to(real)

    done = machine.linkpolicy("cache", "clean", "--yes")

    assert (done.code, done.err) == (0, "")
    assert cache.is_symlink()
    assert archives(real) == []
    assert real.stat().st_mode & 0o777 == 0o750
    machine.environment(machine.world.base / "env2", cache)
    assert len(archives(real)) == 1


@each_version
def test_a_cache_that_is_a_mount_point_is_emptied(
    machine: Machine, fs: FileSystems, monkeypatch: pytest.MonkeyPatch
) -> None:
    point = fs.image("ext4", size=100 << 20)
    (point / "lost+found").rmdir()
    machine.environment(machine.world.base / "env", point, mode="copy")
    monkeypatch.setenv("UV_CACHE_DIR", str(point))

    done = machine.linkpolicy("cache", "clean", "--yes")

    assert (done.code, done.err) == (0, "")
    assert archives(point) == []
    assert point.is_mount()


def test_a_dry_run_changes_nothing_and_says_what_it_would_do(machine: Machine, cache: Path) -> None:
    before = snapshot(cache)

    done = machine.linkpolicy("cache", "clean", "Foo Bar", "--dry-run")

    assert (done.code, done.err) == (0, "")
    assert f"--cache-dir {cache} --no-config -- 'Foo Bar'" in done.out
    assert "Nothing was changed." in done.out
    assert snapshot(cache) == before


@pytest.mark.usefixtures("cache")
def test_what_uv_refuses_is_told_for_each_cache(machine: Machine, disk: Path) -> None:
    machine.environment(disk / "env", disk / NAME)

    done = machine.linkpolicy("cache", "clean", "no/name", "--yes")

    assert done.code == 1
    assert done.out.count("failed  ") == 2
    assert "no/name" in done.out


@each_version
def test_a_cache_whose_path_is_no_utf_8(machine: Machine, cache: Path) -> None:
    odd = os.fsdecode(os.fsencode(machine.world.base) + b"/caf\xe9/cache")
    os.mkdir(os.path.dirname(odd))
    os.rename(cache, odd)
    Path(odd, "archive-v0", "orphan").mkdir()

    pruned, cleaned = (
        machine.linkpolicy("cache", action, "--yes", "--cache-dir", odd)
        for action in ("prune", "clean")
    )

    assert safe(odd) in pruned.out
    assert "Traceback" not in pruned.err
    # Before 0.11.17 it counts as moved, since its links are absolute, and is only ever emptied.
    assert cleaned.code == 0
    assert archives(Path(odd)) == []


# Asking ------------------------------------------------------------------------------------------


def test_without_a_terminal_nothing_is_done_unasked(machine: Machine, cache: Path) -> None:
    before = snapshot(cache)

    done = machine.linkpolicy("cache", "clean")

    assert (done.code, done.out) == (2, "")
    assert "--yes" in done.err
    assert snapshot(cache) == before


@pytest.mark.parametrize(
    ("answer", "cleaned"), [("y", True), ("n", False), ("", False), ("\x04", False)]
)
def test_on_a_terminal_it_asks(cache: Path, answer: str, cleaned: bool) -> None:
    before = snapshot(cache)
    # In a process of its own, which has a terminal: only this one cache.
    words = [sys.executable, "-m", "uvx_policy.cli", "cache", "clean", "--cache-dir", str(cache)]
    environ = {**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[1]), "TERM": "xterm"}
    ours, theirs = pty.openpty()
    process = subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, env=environ)
    os.close(theirs)
    said = b""
    while b"[y/N]" not in said:
        said += os.read(ours, 1000)
    os.write(ours, answer.encode() + b"\n" * (answer != "\x04"))
    while True:
        try:
            part = os.read(ours, 1000)
        except OSError:  # EIO: nobody has the other end any more
            break
        said += part
    os.close(ours)

    assert process.wait() == (0 if cleaned else 1)
    assert b"Clean this cache?" in said
    assert re.search(rb": frees [^\r\n]*B\r\n", said)
    assert (b"Nothing was changed." in said) is not cleaned
    assert (snapshot(cache) == before) is not cleaned


@pytest.mark.parametrize("seconds", ["-1", "nan", "inf", "x"])
def test_a_wait_that_is_none(machine: Machine, seconds: str) -> None:
    assert machine.linkpolicy("cache", "prune", "--yes", "--wait", seconds).code == 2


# Somebody uses it --------------------------------------------------------------------------------


@each_version
@pytest.mark.parametrize("action", ["clean", "prune"])
def test_a_cache_in_use_is_left_alone_and_the_user_named(
    machine: Machine, cache: Path, action: str
) -> None:
    with machine.uv_run(cache) as uv:
        before = snapshot(cache)
        done = machine.linkpolicy("cache", action, "--yes", "--wait", "0.3")
        after = snapshot(cache)

    assert done.code == 1
    assert done.out.startswith("busy  ~/.cache/uv: `uv run ")
    assert f"(pid {uv.pid})" in done.out
    assert "--wait SECONDS" in done.out
    assert after == before
    assert machine.linkpolicy("cache", action, "--yes").code == 0


def test_it_waits_until_the_cache_is_free(machine: Machine, cache: Path) -> None:
    with (cache / ".lock").open() as stream:
        fcntl.flock(stream, fcntl.LOCK_SH)
        free_in_a_moment = signal.signal(
            signal.SIGALRM, lambda *_: fcntl.flock(stream, fcntl.LOCK_UN)
        )
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.3)
            done = machine.linkpolicy("cache", "clean", "--yes", "--wait", "60")
        finally:
            signal.signal(signal.SIGALRM, free_in_a_moment)

    assert (done.code, archives(cache)) == (0, [])


@pytest.mark.parametrize("uv_version", LOCKING)
def test_somebody_who_takes_the_lock_between_our_look_and_uv_is_named_too(
    machine: Machine, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = snapshot(cache)
    monkeypatch.setattr(locks, "wait", lambda *_, **__: None)
    # A uv that does not know our bound, or is slow to mind it.
    monkeypatch.setattr(cleaning, "_UV_LOCK_TIMEOUT", "IGNORED")
    with machine.uv_run(cache) as uv:
        done = machine.linkpolicy("cache", "prune", "--yes", "--wait", "0.5")

    assert done.code == 1
    assert f"(pid {uv.pid}) holds its lock" in done.out
    assert snapshot(cache) == before


@pytest.mark.parametrize("uv_version", LOCKING)
def test_one_cache_in_use_does_not_stop_the_others(
    machine: Machine, cache: Path, disk: Path
) -> None:
    machine.environment(disk / "env", disk / NAME)

    with machine.uv_run(cache):
        done = machine.linkpolicy("cache", "clean", "--yes", "--wait", "0")

    assert done.code == 1
    assert "busy  ~/.cache/uv" in done.out
    assert archives(disk / NAME) == []
    assert len(archives(cache)) == 2


# Environments that would break -------------------------------------------------------------------


@pytest.fixture
def symlinked(machine: Machine) -> Path:
    """An environment of the register that consists of symbolic links into uv's default cache."""
    policy = '[tool.linkpolicy]\nlink-mode = "symlink"\n'
    project = machine.world.project(machine.world.base / "project", policy)
    machine.world.uv("sync", cwd=project)
    assert (installed(project / ".venv") / "data.bin").is_symlink()
    return project / ".venv"


@each_version
@pytest.mark.parametrize("words", [("clean",), ("clean", "tinypkg"), ("clean", "TinyPkg", "x")])
def test_an_environment_of_symbolic_links_is_not_broken_unasked(
    machine: Machine, symlinked: Path, words: tuple[str, ...]
) -> None:
    before = snapshot(machine.world.default_cache)

    done = machine.linkpolicy("cache", *words, "--yes")

    assert done.code == 1
    assert f"`{symlinked}` consists of links into it" in done.out
    assert "--break-symlinks" in done.out
    assert snapshot(machine.world.default_cache) == before
    assert machine.linkpolicy("cache", *words, "--dry-run").code == 1


@each_version
def test_it_is_broken_when_that_is_asked_for_and_fixed_as_told(
    machine: Machine, symlinked: Path
) -> None:
    done = machine.linkpolicy("cache", "clean", "--yes", "--break-symlinks")

    assert done.code == 0
    assert dangling(symlinked)
    machine.world.uv("sync", "--reinstall", cwd=symlinked.parent)
    assert not dangling(symlinked)


@each_version
@pytest.mark.parametrize("words", [("clean", "other"), ("prune",)])
def test_what_does_not_break_it_is_done(
    machine: Machine, symlinked: Path, words: tuple[str, ...]
) -> None:
    machine.environment(machine.world.base / "env", machine.world.default_cache, "other")
    (machine.world.default_cache / "archive-v0" / "orphan").mkdir()

    done = machine.linkpolicy("cache", *words, "--yes")

    assert (done.code, done.err) == (0, ""), done.out
    assert not dangling(symlinked)
    # tinypkg, and the orphan or `other`
    assert len(archives(machine.world.default_cache)) == 2


@pytest.mark.parametrize("uv_version", ["0.9.30"])
def test_a_prune_by_another_version_that_would_break_it_is_refused(
    machine: Machine, symlinked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest uv keeps nothing that only entries of older ones refer to."""
    monkeypatch.setenv("PATH", str(real_uv.provide("newest")), prepend=os.pathsep)

    done = machine.linkpolicy("cache", "prune", "--yes")

    assert done.code == 1
    assert f"`{symlinked}` consists of links into it" in done.out
    assert not dangling(symlinked)


def test_a_tool_that_consists_of_symbolic_links(machine: Machine) -> None:
    tool = machine.world.home / ".local" / "share" / "uv" / "tools" / "tinypkg"
    machine.environment(tool, machine.world.default_cache, mode="symlink")

    done = machine.linkpolicy("cache", "clean", "--yes")

    assert done.code == 1
    assert f"`{tool}` consists of links into it" in done.out
    assert not dangling(tool)


@pytest.mark.parametrize("action", ["clean", "prune"])
def test_an_environment_that_lies_in_the_cache(
    machine: Machine, cache: Path, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    central = machine.environment(cache / "environments-v2" / "project-1", cache)
    project = machine.world.project(machine.world.base / "project")
    (project / ".venv").symlink_to(central)
    monkeypatch.chdir(project)

    done = machine.linkpolicy("cache", action, "--yes")

    assert done.code == 1
    assert f"`{project}/.venv` consists of links into it" in done.out or str(central) in done.out
    assert (central / "pyvenv.cfg").exists()


# Caches that uv must not be let loose on ---------------------------------------------------------


def test_a_cache_of_somebody_else(machine: Machine, cache: Path) -> None:
    os.chown(cache, UID, UID)
    before = snapshot(cache)

    for words in ((), ("--cache-dir", str(cache))):
        done = machine.linkpolicy("cache", "clean", "--yes", *words)
        assert done.code == 1
        assert f"it belongs to user {UID}, not to you" in done.out
    assert snapshot(cache) == before


@each_version
def test_a_cache_on_a_read_only_file_system(machine: Machine, cache: Path, fs: FileSystems) -> None:
    point = fs.bind(cache, read_only=True)
    before = snapshot(cache)

    done = machine.linkpolicy("cache", "prune", "--yes", "--cache-dir", str(point))

    assert done.code == 1
    assert f"refused  {point}: `{point}` is mounted read-only" in done.out
    assert snapshot(cache) == before


@each_version
@pytest.mark.parametrize("action", ["clean", "prune"])
def test_what_is_not_uvs_in_a_cache_is_not_lost_unasked(
    machine: Machine, cache: Path, action: str
) -> None:
    (cache / "notes.txt").write_text("mine")
    os.mkdir(os.fsencode(cache) + b"/caf\xe9")
    before = snapshot(cache)

    done = machine.linkpolicy("cache", action, "--yes")

    assert done.code == 1
    assert "`notes.txt`" in done.out
    assert "--delete-foreign" in done.out
    assert snapshot(cache) == before
    assert machine.linkpolicy("cache", "clean", "other", "--yes").code == 0
    assert (cache / "notes.txt").read_text() == "mine"
    assert machine.linkpolicy("cache", action, "--yes", "--delete-foreign").code == 0
    assert not (cache / "notes.txt").exists()


@each_version
def test_a_directory_that_is_no_cache(machine: Machine) -> None:
    """uv itself would delete the whole home."""
    (machine.world.home / "Documents").mkdir()
    (machine.world.home / "Documents" / "thesis.tex").touch()

    for words in ((), ("--delete-foreign",), ("tinypkg",)):
        done = machine.linkpolicy(
            "cache", "clean", *words, "--yes", "--cache-dir", str(machine.world.home)
        )
        assert done.code == 1
        assert "it does not look like a uv cache" in done.out
    assert (machine.world.home / "Documents" / "thesis.tex").exists()


@pytest.mark.parametrize("uv_version", ["0.5.23", "0.9.30", "0.10.12"])
@pytest.mark.parametrize("cleaned_by", ["same", "newest"])
@pytest.mark.parametrize("original_is_gone", [False, True])
def test_a_copied_cache_is_only_ever_emptied(
    machine: Machine,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    cleaned_by: str,
    original_is_gone: bool,
) -> None:
    """uv would delete from the original, or everything in the copy."""
    copy = machine.world.base / "copy"
    shutil.copytree(cache, copy, symlinks=True)
    if original_is_gone:
        shutil.rmtree(cache)
    if cleaned_by != "same":
        monkeypatch.setenv("PATH", str(real_uv.provide(cleaned_by)), prepend=os.pathsep)
    before = snapshot(cache), snapshot(copy)

    for words in (("prune",), ("clean", "other")):
        done = machine.linkpolicy("cache", *words, "--yes", "--cache-dir", str(copy))
        assert done.code == 1
        assert f"its links point to `{cache}`" in done.out
        assert f"UV_CACHE_DIR={copy} linkpolicy doctor --fix caches-copied" in done.out
        assert (snapshot(cache), snapshot(copy)) == before
    done = machine.linkpolicy("cache", "clean", "--yes", "--cache-dir", str(copy))

    assert (done.code, archives(copy)) == (0, [])
    assert snapshot(cache) == before[0]


def test_a_copied_cache_of_the_newest_version_is_like_any_other(
    machine: Machine, cache: Path
) -> None:
    copy = machine.world.base / "copy"
    shutil.copytree(cache, copy, symlinks=True)

    for words in (("prune",), ("clean", "other")):
        assert machine.linkpolicy("cache", *words, "--yes", "--cache-dir", str(copy)).code == 0

    assert (len(archives(copy)), len(archives(cache))) == (1, 2)


# Caches that are not there -----------------------------------------------------------------------


def test_caches_that_are_not_there(machine: Machine) -> None:
    done = machine.linkpolicy("cache", "clean", "--yes")
    named = machine.linkpolicy("cache", "clean", "--yes", "--cache-dir", "/nowhere/at/all")
    empty = machine.linkpolicy("cache", "clean", "--yes", "--cache-dir", "")

    assert (done.code, done.out) == (0, "There is no cache yet.\n")
    assert (named.code, named.out) == (0, "absent  /nowhere/at/all: it does not exist\n")
    assert empty.code == 2


def test_a_cache_that_vanishes_before_its_turn(
    machine: Machine, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = locks.wait

    def wait(path: str, seconds: float, **_: object) -> object:
        shutil.rmtree(path)
        return real(path, seconds)

    monkeypatch.setattr(locks, "wait", wait)

    done = machine.linkpolicy("cache", "clean", "--yes")

    assert (done.code, done.out) == (0, "absent  ~/.cache/uv: it is gone\n")
    assert not cache.exists()


def test_an_empty_directory_is_a_cache_without_anything(machine: Machine) -> None:
    machine.world.default_cache.mkdir(parents=True)

    assert machine.linkpolicy("cache", "prune", "--yes").code == 0


# Interrupted -------------------------------------------------------------------------------------


def test_ctrl_c_while_it_waits(machine: Machine, cache: Path) -> None:
    with machine.uv_run(cache) as uv:
        words = ["cache", "clean", "--yes", "--wait", "600", "--cache-dir", str(cache)]
        environ = {**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[1])}
        process = subprocess.Popen([sys.executable, "-m", "uvx_policy.cli", *words], env=environ)
        while not _sleeps(process.pid):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)

        assert process.wait() == 130
        assert uv.poll() is None
    assert len(archives(cache)) == 2


def _sleeps(pid: int) -> bool:
    """Whoever waits for a lock sleeps for a moment between two tries, and nobody else does."""
    return "nanosleep" in Path(f"/proc/{pid}/wchan").read_text()
