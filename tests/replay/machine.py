"""One user's machine in a directory: a home, a uv, shims before it, and calls made there.

No `World`: a stand-in for uv says what it got, ten thousand times in one walk, and what a decision
depends on is put there by hand, so that each change is known.

A call can be made in three ways: freshly decided and replayed by Python, both through the whole of
`uvx_policy.shim.become` up to where it would become uv, and by the native launcher, as a process.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, NoReturn
from unittest import mock

from tests.launcher import programs
from uvx_policy import guard, host, launch, locate, pipeline, shim, trace
from uvx_policy.edits import Edits
from uvx_policy.replay import key, recording, records
from uvx_policy.setup import launcher as installed_launcher
from uvx_policy.state import layout

STAND_IN = Path(__file__).parent / "stand_in.c"
VERSIONS = ("0.10.12", "0.8.15", "0.5.30", "0.13.08")
#: the clock that the kernel takes the times of files from (clock_getres(2)); `time` lacks the name
_CLOCK_REALTIME_COARSE = 5


class Call(NamedTuple):
    """One call of uv."""

    words: tuple[str, ...]
    cwd: str
    environ: dict[str, str]
    program: str = "uv"

    def __str__(self) -> str:
        variables = " ".join(f"{name}={value}" for name, value in self.environ.items())
        return f"cd {self.cwd}; env -i {variables} {self.program} {' '.join(self.words)}"


class Started(NamedTuple):
    """What was started: the file, its words, its variables without our own, and that one."""

    words: tuple[str, ...]
    environ: dict[str, str]
    guard: str
    #: lines for stderr
    warnings: tuple[str, ...] = ()


class Stopped(NamedTuple):
    """The shim ended without starting anything."""

    code: int
    warnings: tuple[str, ...]


class _Captured(BaseException):
    """Nothing of the shim catches it."""

    def __init__(self, outcome: Started | Stopped) -> None:
        self.outcome = outcome


class Machine:
    """See the module's page. Everything lies below `base`."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.home, self.shims, self.bin = base / "home", base / "shims", base / "bin"
        self.project = base / "project"
        for made in (self.home, self.shims, self.bin, self.project):
            made.mkdir(parents=True)
        put(self.bin / "uv", stand_in())
        for program in ("uv", "uvx"):
            fallback = self.shims / f"fallback-{program}"
            put(fallback, stand_in(who="fallback"))
            content = installed_launcher.configured(
                programs.launcher(programs.shipped()).read_bytes(),
                program=program,
                fallback=str(fallback),
                embedded=[],
            )
            put(self.shims / program, content)

    @property
    def state(self) -> str:
        """The state directory of calls that say nothing about it."""
        return str(self.home / ".local/state/linkpolicy")

    @property
    def decisions(self) -> Path:
        """The directory of records."""
        return Path(self.state) / layout.DECISIONS.directory

    def call(
        self, *words: str, cwd: Path | str | None = None, program: str = "uv", **variables: str
    ) -> Call:
        """A call with the machine's own variables and these."""
        environ = {
            "HOME": str(self.home),
            "PATH": f"{self.shims}:{self.bin}",
            "XDG_CONFIG_DIRS": str(self.base / "xdg"),
            **variables,
        }
        return Call(words, str(cwd or self.project), environ, program)

    def key_of(self, call: Call) -> bytes:
        """The key of the call's record: in detail where that is the one there is."""
        with self._entered(call):
            clean = guard.without_ours(os.environ)
            uv = next(shim.candidates(call.program, shim=self._shim(call), embedded=()))
            several = key.key_of_call(call.program, call.words, environ=clean, uv=uv)
            for decide in (records.replay, records.find):
                for each in several:
                    if decide(self.state, each) is not None:
                        return each
            return several[0]

    def in_python(self, call: Call, *, fresh: bool = False) -> tuple[Started | Stopped, bool]:
        """Make the call through the Python shim; also tell whether a record was replayed.

        `fresh`: as if there were no records, and none is written.
        """
        replayed: list[Edits | None] = []

        def replay(state: str, of_key: bytes) -> Edits | None:
            replayed.append(None if fresh else _replay(state, of_key))
            return replayed[-1]

        keep = _keep_nothing if fresh else recording.keep
        with (
            self._entered(call),
            mock.patch.object(records, "replay", replay),
            mock.patch.object(recording, "keep", keep),
        ):
            outcome = _outcome(call, self._shim(call))
        return outcome, any(edits is not None for edits in replayed)

    def decide(self, call: Call) -> Started | Stopped:
        """Make the call freshly decided."""
        return self.in_python(call, fresh=True)[0]

    def replays(self, call: Call) -> bool:
        """Make the call in Python, and tell whether it was a replay."""
        return self.in_python(call)[1]

    def in_native(self, call: Call) -> tuple[Started, bool]:
        """Make the call through the launcher; also tell whether that started uv itself."""
        output = run(str(self.shims / call.program), call)
        who, count, *rest = os.fsdecode(output).split("\0")[:-1]
        words, entries = rest[: int(count)], rest[int(count) :]
        environ = dict(entry.split("=", 1) for entry in entries)
        return _started(words, environ, ()), who == "uv"

    def plan(self, call: Call) -> pipeline.Plan:
        """The fresh decision with all its reasons."""
        with self._entered(call):
            clean = guard.without_ours(os.environ)
            uv = next(shim.candidates(call.program, shim=self._shim(call), embedded=()))
            return pipeline.make_plan(call.program, call.words, environ=clean, uv=uv)

    def _shim(self, call: Call) -> str:
        return str(self.shims / call.program)

    @contextlib.contextmanager
    def _entered(self, call: Call) -> Iterator[None]:
        before = os.getcwd()
        os.chdir(call.cwd)
        try:
            with (
                mock.patch.dict(os.environ, call.environ, clear=True),
                # As where linkpolicy is installed; `test_own_code.py` is about a checkout.
                mock.patch.object(locate, "edited_files", list),
            ):
                yield
        finally:
            os.chdir(before)


_replay = records.replay


def _do_nothing() -> None:
    """Not a `MagicMock`: making one takes as long as a decision."""


def _keep_nothing(*_: Any) -> str:
    return ""


def _outcome(call: Call, path: str) -> Started | Stopped:
    """Run the shim to where it becomes another program, or ends."""
    warnings: list[str] = []

    def execute(_: str, words: list[str]) -> NoReturn:
        raise _Captured(_started(words, dict(os.environ), tuple(warnings)))

    def stop(code: int, message: str, hint: str) -> NoReturn:
        raise _Captured(Stopped(code, (*warnings, f"{message} {hint}")))

    with (
        mock.patch.object(launch, "become_invisible", _do_nothing),
        mock.patch.object(launch, "execute", execute),
        mock.patch.object(trace, "stop", stop),
        mock.patch.object(trace, "warn", warnings.append),
    ):
        try:
            shim.become(call.program, list(call.words), shim=path, embedded=())
        except _Captured as captured:
            return captured.outcome


def as_given(call: Call) -> Started:
    """What is started when a call is handed over as it came."""
    return _started([call.program, *call.words], call.environ, ())


def _started(words: list[str], environ: dict[str, str], warnings: tuple[str, ...]) -> Started:
    # The process differs, of course.
    mark = re.sub(";process=[^;]*", "", environ.get(guard.NAME, ""))
    others = {name: value for name, value in environ.items() if name != guard.NAME}
    return Started(tuple(words), others, mark, warnings)


def run(program: str, call: Call) -> bytes:
    """Standard output of one process. Not `subprocess`: this is done ten thousand times."""
    readable, writable = os.pipe()
    before = os.getcwd()
    os.chdir(call.cwd)
    try:
        child = os.posix_spawn(
            program, [call.program, *call.words], call.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, writable, 1)],
            setsigdef=launch.IGNORED_BY_PYTHON,
        )  # fmt: skip
    finally:
        os.chdir(before)
        os.close(writable)
    with open(readable, "rb") as stream:
        output = stream.read()
    _, status = os.waitpid(child, 0)
    assert status == 0, f"ended with {status}: {call}"
    return output


# Files -------------------------------------------------------------------------------------------


def put(path: Path, content: bytes | str, mode: int | None = None) -> None:
    """Write a file anew, as an editor does that renames; its directory is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    beside.write_bytes(content if isinstance(content, bytes) else content.encode())
    beside.chmod(mode or (0o755 if isinstance(content, bytes) else 0o644))
    beside.replace(path)


def make_environment(path: Path) -> None:
    """What makes a directory a virtual environment, as far as a decision looks."""
    put(path / "pyvenv.cfg", "home = /usr/bin\nversion_info = 3.12.1\n")
    put(path / "bin/python", b"#!/bin/sh\n")
    (path / "lib/python3.12/site-packages").mkdir(parents=True, exist_ok=True)


def stand_in(version: str = VERSIONS[0], *, who: str = "uv") -> bytes:
    """The binary that stands for this uv, or for the Python shim. All have the same size."""
    known = (version, who)
    if known not in _stand_ins:
        flags = ("-O1", "-s", f'-DWHO="{who}"', f'-DVERSION="{version:8}"', programs.MARKS)
        _stand_ins[known] = programs.compile_c(STAND_IN, flags).read_bytes()
    return _stand_ins[known]


_stand_ins: dict[tuple[str, str], bytes] = {}


# Time --------------------------------------------------------------------------------------------


def wait_for_tick() -> None:
    """Wait until the next change of a file gets another time than all that were made so far."""
    start = time.clock_gettime_ns(_CLOCK_REALTIME_COARSE)
    while time.clock_gettime_ns(_CLOCK_REALTIME_COARSE) == start:
        time.sleep(0.0005)


@contextlib.contextmanager
def patient() -> Iterator[None]:
    """Let what changed before the last `wait_for_tick` count as old enough to be a witness.

    Without it each test would have to wait for 50 ms after each change. What the wait is for, two
    changes that get the same time, cannot happen when there is a tick in between.
    """

    def later() -> int:
        return time.time_ns() + 10**10

    with mock.patch.object(host, "time_ns", later):
        yield


def strace_missing() -> str:
    """Why strace(1) cannot be used here, "" when it can."""
    try:
        subprocess.run(["strace", "-qq", "-o", os.devnull, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        return f"needs strace: {error}"
    return ""
