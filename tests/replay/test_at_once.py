"""Many shims at once, shims that are killed, and what a hit does: nothing but become uv.

With the files that are installed: the Python shim as a process, and the launcher before it.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.replay.machine import Call, Machine, as_given, put, strace_missing
from uvx_policy import guard
from uvx_policy.replay import records
from uvx_policy.setup import shim_file

#: of the issue
MANY = 64
LAUNCHERS = ("native", "python")
#: for tests that start hundreds: behind the launcher is the Python shim as well
PYTHON_TOO_WHEN_ASKED = pytest.mark.parametrize(
    "installed", ["native", pytest.param("python", marks=pytest.mark.exhaustive)], indirect=True
)


class Installed(Machine):
    """A machine whose launcher hands over to the real Python shim."""

    def __init__(self, base: Path, launcher: str) -> None:
        super().__init__(base)
        for program in ("uv", "uvx"):
            native = self.shims / program
            content = shim_file.render(program, shim=str(native) if launcher == "native" else "")
            if launcher == "native":
                put(self.shims / f"fallback-{program}", content)
            else:
                put(native, content)
        put(self.project / "pyproject.toml", "[project]\nname = 'a'\nversion = '1'\n")
        self.age()

    def age(self) -> None:
        """Let all that was written become old enough to be a witness, by the real clock."""
        time.sleep(0.06)


@pytest.fixture(params=LAUNCHERS)
def installed(request: pytest.FixtureRequest, tmp_path: Path, own_mounts: None) -> Installed:
    """Once with the native launcher, once with the Python shim alone."""
    del own_mounts
    return Installed(tmp_path / "machine", request.param)


def _at_once(machine: Machine, calls: Sequence[Call]) -> list[tuple[bytes, bytes]]:
    """What each of them printed, on both streams; all are started before one is waited for."""
    started = [
        subprocess.Popen(
            [machine.shims / call.program, *call.words],
            cwd=call.cwd, env=call.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for call in calls
    ]  # fmt: skip
    return [process.communicate(timeout=120) for process in started]


def _seen(output: bytes) -> tuple[list[str], dict[str, str]]:
    """Words and variables, without our own, of a uv that was started."""
    who, count, *rest = os.fsdecode(output).split("\0")[:-1]
    assert who == "uv"
    environ = dict(entry.split("=", 1) for entry in rest[int(count) :])
    assert environ.pop(guard.NAME).startswith("1;process=")
    return rest[: int(count)], environ


def _expected(call: Call) -> tuple[list[str], dict[str, str]]:
    given = as_given(call)
    return list(given.words), {**given.environ, "UV_LINK_MODE": "hardlink"}


def _files(machine: Machine) -> list[str]:
    return sorted(str(path) for path in machine.base.rglob("*"))


def _only_whole_records(machine: Machine) -> None:
    for file in machine.decisions.iterdir():
        content = file.read_bytes()
        assert file.stat().st_mode & 0o7777 == 0o600
        key_field = content.split(b"\0", 2)[1]
        length = int(key_field[1:])
        start = content.index(b"\0", content.index(b"\0") + 1) + 1
        of_key = content[start : start + length]
        assert file.name == records.file_name(of_key)
        assert records.find(machine.state, of_key) is not None


@PYTHON_TOO_WHEN_ASKED
def test_64_cold_starts_at_once_and_then_64_hits(installed: Installed) -> None:
    """Of one call, and of 64 different ones; in an empty home, so that directories are made too."""
    same = [installed.call("sync")] * MANY
    different = [installed.call("pip", "install", "-t", f"t{number}") for number in range(MANY)]
    mixed = [call for pair in zip(same, different, strict=True) for call in pair]

    for calls in (mixed[:MANY], mixed[MANY:]):
        for call, (output, complaint) in zip(calls, _at_once(installed, calls), strict=True):
            assert complaint == b""
            assert _seen(output) == _expected(call)
    _only_whole_records(installed)
    # A call that saw a directory come into being, made by another one, is recorded the next time.
    assert 1 <= len(list(installed.decisions.iterdir())) <= 1 + MANY
    _at_once(installed, different)
    _only_whole_records(installed)
    assert len(list(installed.decisions.iterdir())) == 1 + MANY

    before = _files(installed)
    told = {path: os.lstat(path).st_ctime_ns for path in before}
    for calls in (mixed[:MANY], mixed[MANY:]):
        for call, (output, complaint) in zip(calls, _at_once(installed, calls), strict=True):
            assert complaint == b""
            assert _seen(output) == _expected(call)
    assert _files(installed) == before
    assert {path: os.lstat(path).st_ctime_ns for path in before} == told


@PYTHON_TOO_WHEN_ASKED
def test_records_are_replaced_while_others_read_them(installed: Installed) -> None:
    """The project changes its mind again and again; nobody gets half of two answers."""
    call = installed.call("sync")
    modes = ("copy", "hardlink", "symlink")
    project = installed.project / "pyproject.toml"
    plain = project.read_text()
    for turn in range(6):
        mode = modes[turn % 3]
        put(project, f"{plain}[tool.linkpolicy]\nlink-mode = '{mode}'\n")
        if turn % 2:
            installed.age()
        for output, complaint in _at_once(installed, [call] * 24):
            assert complaint == b""
            assert _seen(output)[1]["UV_LINK_MODE"] == mode
    _only_whole_records(installed)


def test_killed_at_any_moment_nothing_is_left_but_whole_records(installed: Installed) -> None:
    chance = random.Random(1)  # noqa: S311 (no secret)
    for number in range(60):
        call = installed.call("pip", "install", "-t", f"t{number % 5}")
        process = subprocess.Popen(
            [installed.shims / "uv", *call.words], cwd=call.cwd, env=call.environ,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        time.sleep(chance.uniform(0, 0.06))
        process.kill()
        output, _ = process.communicate()
        assert process.returncode in (0, -signal.SIGKILL)
        if process.returncode == 0:
            assert _seen(output) == _expected(call)

    if installed.decisions.is_dir():
        for half in installed.decisions.glob(".new-*"):
            half.unlink()  # they go after an hour: tests/replay/test_recording.py
        _only_whole_records(installed)
    hidden = [path for path in _files(installed) if "/.tmp-linkpolicy-probe-" in path]
    assert len(hidden) <= 2
    call = installed.call("pip", "install", "-t", "t0")
    for _ in range(2):
        ((output, complaint),) = _at_once(installed, [call])
        assert complaint == b""
        assert _seen(output) == _expected(call)


_WRITES = re.compile(
    r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND|O_TMPFILE|^\d+ +(unlink|rename|mkdir|rmdir|link"
    r"|chmod|symlink|truncate|ftruncate|utime|fchmod|chown|mknod|setxattr|write|pwrite|sendfile|socket)"
)
_STARTS = re.compile(r"^\d+ +(fork|vfork|clone|clone3)\(")


def test_a_hit_touches_no_file_for_writing_and_starts_no_process(
    installed: Installed, tmp_path: Path
) -> None:
    missing = strace_missing()
    if missing and not os.environ.get("CI"):
        pytest.skip(missing)
    # Where it installs to is a matter of uv's version, which is asked.
    call = installed.call("sync", "--active", VIRTUAL_ENV="environment")
    cold, hit = (_calls_before_uv(installed, call, tmp_path / name) for name in ("cold", "hit"))

    # The first one shows that the test would see it.
    assert [line for line in cold if _WRITES.search(line)]
    assert [line for line in cold if _STARTS.search(line)]
    assert [line for line in hit if _WRITES.search(line)] == []
    assert [line for line in hit if _STARTS.search(line)] == []


def _calls_before_uv(machine: Machine, call: Call, log: Path) -> list[str]:
    """The system calls of a shim until it has become uv."""
    strace = str(shutil.which("strace"))
    shim = str(machine.shims / call.program)
    command = [strace, "-f", "-o", str(log), "--", shim, *call.words]
    done = subprocess.run(
        command, cwd=call.cwd, env=call.environ, capture_output=True, check=True
    )  # fmt: skip
    assert _seen(done.stdout) == _expected(call)
    lines = log.read_text(errors="surrogateescape").splitlines()
    became = f'execve("{machine.bin}/uv", ["uv", "{call.words[0]}"'
    (at,) = [index for index, line in enumerate(lines) if became in line]
    return lines[:at]
