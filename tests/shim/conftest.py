"""A shim as `linkpolicy setup` installs it, and a recording stand-in for uv."""

from __future__ import annotations

import contextlib
import os
import pty
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.launcher import programs
from uvx_policy import guard, locate
from uvx_policy.setup import launcher, shim_directories

SOURCE = Path(__file__).parent / "recorder.c"


class Record(NamedTuple):
    """What the stand-in saw."""

    words: tuple[bytes, ...]
    environ: tuple[bytes, ...]
    pid: int
    #: everything else, line by line
    rest: tuple[str, ...]


class Installed(NamedTuple):
    """A PATH with the shim first and the stand-in behind it.

    No `World`: what uv gets is recorded, byte by byte, by a program in its place.
    """

    shims: Path
    real: Path
    record: Path

    def environ(self, **changes: str) -> dict[str, str]:
        return {
            **os.environ,
            "PATH": f"{self.shims}:{self.real}:/usr/bin:/bin",
            "RECORD_TO": str(self.record),
            **changes,
        }

    def run(
        self,
        program: str | os.PathLike[str],
        *words: str | bytes,
        environ: Mapping[str, str] | Mapping[bytes, bytes] | None = None,
        **options: Any,
    ) -> subprocess.CompletedProcess[bytes]:
        argv: Sequence[Any] = [program, *words]
        options.setdefault("capture_output", True)
        return subprocess.run(
            argv, env=environ or self.environ(), timeout=60, check=False, **options
        )

    def seen(self) -> Record:
        lines = self.record.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        self.record.unlink()
        words = [bytes.fromhex(line[5:]) for line in lines if line.startswith("argv ")]
        environ = [bytes.fromhex(line[8:]) for line in lines if line.startswith("environ ")]
        rest = [
            line
            for line in lines
            if not line.startswith(("argv ", "environ ", "pid ", "descriptor 255"))
        ]
        (pid,) = [int(line[4:]) for line in lines if line.startswith("pid ")]
        return Record(tuple(words), tuple(environ), pid, tuple(rest))


def without_guard(entries: Sequence[bytes]) -> list[bytes]:
    """The environment but for the one variable that the shim always leaves."""
    return [entry for entry in entries if not entry.startswith(guard.NAME.encode() + b"=")]


def in_terminal(argv: list[str], environ: Mapping[str, str]) -> bytes:
    """What a program prints in a terminal and session of its own."""
    pid, master = pty.fork()
    if pid == 0:
        os.execve(argv[0], argv, environ)
    output = b""
    with contextlib.suppress(OSError):
        while chunk := os.read(master, 1024):
            output += chunk
    os.waitpid(pid, 0)
    os.close(master)
    return output.replace(b"\r\n", b"\n")


def put_recorder(directory: Path, *, is_uv: bool = True) -> None:
    """Let a recording stand-in be `uv` and `uvx` there. Skips where it cannot be compiled.

    `is_uv`: linkpolicy takes it for uv itself; else for a program that starts one.
    """
    flags = (programs.MARKS,) if is_uv else ()
    recorder = programs.compile_c(SOURCE, ("-O1", "-Wall", "-Wextra", *flags))
    shutil.copy(recorder, directory / "uv")
    (directory / "uvx").unlink(missing_ok=True)
    os.link(directory / "uv", directory / "uvx")


@pytest.fixture
def without_embedded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is installed knows no uv beside PATH's."""
    monkeypatch.setattr(locate, "embedded_directories", list)


@pytest.fixture
def installed(tmp_path: Path) -> Installed:
    """Shims and stand-in in directories of their own."""
    shims, real = tmp_path / "shims", tmp_path / "real"
    for directory in (shims, real):
        directory.mkdir()
    for path, content in launcher.shims(str(shims), "python")[1]:
        Path(path).parent.mkdir(exist_ok=True)
        shim_directories.write(path, content)
    put_recorder(real)
    return Installed(shims, real, tmp_path / "record")
