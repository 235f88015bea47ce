"""A user with several caches, and this process in that user's place."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.uv.world import PYTHON, World, build_wheel, linkpolicy
from uvx_policy.caches import locks


class Machine:
    """A `World` whose environment variables this process has, also for what tests call directly."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = world
        self.environment = world.environment
        self.linkpolicy = linkpolicy
        self._monkeypatch = monkeypatch
        for name, value in world.environ(shim=False).items():
            monkeypatch.setenv(name, value)
        # Where mkfs is, for file systems that the test makes later.
        monkeypatch.setenv("PATH", "/usr/sbin:/sbin", prepend=os.pathsep)
        build_wheel(world.wheels, "other")
        nowhere = world.base / "nowhere"
        nowhere.mkdir()
        monkeypatch.chdir(nowhere)

    @contextlib.contextmanager
    def without_uv_cache(self) -> Iterator[None]:
        """uv's default cache is another, empty one until the end of the block."""
        with self._monkeypatch.context() as patch:
            patch.setenv("XDG_CACHE_HOME", str(self.world.base / "no-cache"))
            yield

    @contextlib.contextmanager
    def working_in(self, directory: Path) -> Iterator[None]:
        """`linkpolicy` runs there until the end of the block."""
        with self._monkeypatch.context() as patch:
            patch.chdir(directory)
            yield

    @contextlib.contextmanager
    def uv_run(self, cache: Path, **environ: str) -> Iterator[subprocess.Popen[bytes]]:
        """A real `uv run` whose child lives until the end of the block, with its lock taken."""
        words = ["uv", "run", "--no-project", "-p", PYTHON, "--cache-dir", str(cache)]
        child = ["sh", "-c", "echo started; exec cat"]
        process = subprocess.Popen(
            [*words, *child],
            env=self.world.environ(shim=False, **environ),
            cwd=self.world.base,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"started\n"
            yield process
        finally:
            process.communicate()


def archives(cache: Path) -> list[str]:
    """What is unpacked in a cache."""
    return sorted(path.name for path in cache.glob("archive-v0/*"))


def dangling(environment: Path) -> list[Path]:
    """Symbolic links that lead nowhere."""
    return [path for path in environment.rglob("*") if path.is_symlink() and not path.exists()]


def snapshot(directory: Path) -> dict[str, tuple[int, int]]:
    """Inode and ctime of everything: what a change would change. uv's lock aside."""
    return {
        str(path): (path.lstat().st_ino, path.lstat().st_ctime_ns)
        for path in directory.rglob("*")
        if path.name != locks.LOCK
    }
