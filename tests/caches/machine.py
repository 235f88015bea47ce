"""A user with caches on file systems of the test's own, and nothing of the real machine in sight.

`linkpolicy cache clean` works on every cache that it knows. Here it knows no mount but those that
the test was given: caches of the developer, and of tests that run at the same time, are no mounts
of this machine.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.uv.world import PYTHON, World, build_wheel
from uvx_policy import cli
from uvx_policy.caches import locks
from uvx_policy.host import Host


class Done(NamedTuple):
    """One call of `linkpolicy`."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Machine:
    """`machine.linkpolicy("cache", "list")` runs it in this process, as the user of `world`."""

    def __init__(
        self,
        world: World,
        monkeypatch: pytest.MonkeyPatch,
        capsysbinary: pytest.CaptureFixture[bytes],
    ) -> None:
        self.world = world
        self._monkeypatch = monkeypatch
        self._capsys = capsysbinary
        self._mounts: list[Path] = []
        for name, value in world.environ(shim=False).items():
            monkeypatch.setenv(name, value)
        # Where mkfs is, for file systems that the test makes later.
        monkeypatch.setenv("PATH", "/usr/sbin:/sbin", prepend=os.pathsep)
        build_wheel(world.wheels, "other")
        nowhere = world.base / "nowhere"
        nowhere.mkdir()
        monkeypatch.chdir(nowhere)
        real = Host.mount_table

        def mount_table(host: Host) -> str | None:
            text = real(host)
            rows = (text or "").split("\n")
            return "".join(
                f"{row}\n" for row in rows if row and Path(row.split(" ")[4]) in self._mounts
            )

        monkeypatch.setattr(Host, "mount_table", mount_table)

    def sees(self, *directories: Path) -> None:
        """Show the mounts that these directories lie on."""
        for directory in directories:
            path = directory
            while not path.is_mount():
                path = path.parent
            self._mounts.append(path)

    def linkpolicy(self, *words: str) -> Done:
        self._capsys.readouterr()
        try:
            code = cli.main(words)
        except SystemExit as stopped:
            code = int(stopped.code or 0)
        out, err = self._capsys.readouterr()
        return Done(code, os.fsdecode(out), os.fsdecode(err))

    def said(self) -> str:
        """What was printed to stdout since, as another program would have seen it by now."""
        return os.fsdecode(self._capsys.readouterr()[0])

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

    def environment(self, path: Path, cache: Path, *packages: str, mode: str = "hardlink") -> Path:
        """An environment with packages linked from `cache`, made by the real uv itself."""
        common = ("--cache-dir", str(cache))
        self.world.plain("venv", *common, "-p", PYTHON, str(path), cwd=self.world.base)
        self.world.plain(
            "pip", "install", *common, "-p", str(path), "--link-mode", mode,
            "--no-index", "--find-links", str(self.world.wheels), *(packages or ("tinypkg",)),
            cwd=self.world.base,
        )  # fmt: skip
        return path

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
