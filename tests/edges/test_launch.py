"""What cannot be seen through a shim on Linux: the way uv is started on Windows."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SPAWN = "import sys; from uvx_policy import launch; launch._spawn(sys.argv[1], sys.argv[1:])"
REPOSITORY = Path(__file__).resolve().parent.parent.parent


def spawn(program: Path, *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", SPAWN, program, *words],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("code", [0, 1, 2, 127, 255])
def test_spawn_passes_words_output_and_exit_code(tmp_path: Path, code: int) -> None:
    program = script(tmp_path / "uv", f'echo "$1|$2"; exit {code}')

    process = spawn(program, "a b", "")
    stdout, stderr = process.communicate()

    assert (process.returncode, stdout, stderr) == (code, b"a b|\n", b"")


def test_spawn_leaves_ctrl_c_to_uv(tmp_path: Path) -> None:
    """The console sends it to both: uv decides, and we end with what uv says."""
    program = script(tmp_path / "uv", "")
    # A shell cannot undo an ignored SIGINT: a program that sets its own handler, as uv does.
    program.write_text(
        f"#!{sys.executable}\n"
        "import pathlib, signal, sys, time\n"
        "signal.signal(signal.SIGINT, lambda *_: sys.exit(9))\n"
        f"pathlib.Path({str(tmp_path / 'ready')!r}).touch()\n"
        "time.sleep(20)\n"
    )
    process = spawn(program)
    deadline = time.monotonic() + 20
    while not (tmp_path / "ready").exists() and time.monotonic() < deadline:
        time.sleep(0.01)

    os.kill(process.pid, signal.SIGINT)
    time.sleep(0.1)
    still_waiting = process.poll() is None
    (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(child), signal.SIGINT)
    process.communicate()

    assert still_waiting
    assert process.returncode == 9
