"""An installed launcher: a stand-in for uv behind it, another one for the Python shim beside it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.launcher import programs
from tests.shim import conftest as shim_conftest
from uvx_policy import guard
from uvx_policy.edits import Edits
from uvx_policy.replay import key, records
from uvx_policy.replay.witness import Witnesses, look
from uvx_policy.setup import launcher as installed_launcher
from uvx_policy.state import files as state_files
from uvx_policy.state import layout
from uvx_policy.uv.invocation import parse

BUILDS = {"shipped": programs.shipped(), "sanitized": programs.SANITIZED}
FALLBACK = b"RECORDED_BY=fallback"
#: what the recorded decisions of these tests add
EDITS = Edits(variables={"UV_CACHE_DIR": "/c;%", "NEW": ""}, words=("/behind the link",))


class Seen(NamedTuple):
    """Who was started, with what."""

    handed_over: bool
    words: tuple[bytes, ...]
    #: without `RECORDED_BY`
    environ: tuple[bytes, ...]
    pid: int
    rest: tuple[str, ...]

    def variables(self) -> dict[bytes, bytes]:
        return dict(entry.split(b"=", 1) for entry in self.environ if b"=" in entry)


class Scene:
    """Directories, environment variables and a configured launcher.

    No `World`: a program that records what it was started with stands where uv would be.
    """

    def __init__(self, base: Path, unconfigured: Path) -> None:
        self.base = base
        self.unconfigured = unconfigured
        #: words before the shim: the emulator of another machine
        self.before: tuple[str, ...] = ()
        self.shims, self.real, self.home = base / "shims", base / "real", base / "home"
        self.cwd = base / "cwd"
        self.fallback = self.shims / ".linkpolicy" / "uv"
        for made in (self.shims, self.real, self.home, self.cwd, self.fallback.parent):
            made.mkdir()
        recorder = programs.compile_c(shim_conftest.SOURCE, ("-O1",))
        shutil.copy(recorder, self.real / "uv")
        shutil.copy(programs.compile_c(programs.HERE / "fallback.c", ("-O1",)), self.fallback)
        for program in ("uv", "uvx"):
            self.configure(program)
        self.record_to = base / "record"
        #: the whole environment of a call, in order
        self.environ: dict[str, str] = {
            "HOME": str(self.home),
            "PATH": f"{self.shims}:{self.real}",
            "RECORD_TO": str(self.record_to),
            "RECORD_VERSION": "1",
        }

    def configure(self, program: str, *embedded: Path | str, fallback: Path | None = None) -> None:
        """Install it as `linkpolicy setup` does."""
        content = installed_launcher.configured(
            self.unconfigured.read_bytes(),
            program=program,
            fallback=str(fallback or self.fallback),
            embedded=[str(directory) for directory in embedded],
        )
        (self.shims / program).unlink(missing_ok=True)
        (self.shims / program).write_bytes(content)
        (self.shims / program).chmod(0o755)

    @property
    def uv(self) -> Path:
        """The stand-in for uv."""
        return self.real / "uv"

    @property
    def decisions(self) -> Path:
        """The directory of records."""
        return Path(layout.state_home(self.environ, "linux")) / layout.DECISIONS.directory

    def run(
        self, program: str, *words: str | bytes, environ: Any = None, **options: Any
    ) -> subprocess.CompletedProcess[bytes]:
        """Start the shim. `environ` instead of our own one."""
        options = {"capture_output": True, "cwd": self.cwd, **options}
        argv: Sequence[Any] = [*self.before, self.shims / program, *words]
        chosen: Mapping[Any, Any] = self.environ if environ is None else environ
        return subprocess.run(argv, env=chosen, timeout=60, check=False, **options)

    def seen(self) -> Seen:
        """What was started by the last `run`."""
        return seen_in(self.record_to)

    def outcome(self, program: str, *words: str | bytes, **options: Any) -> Seen:
        """Start the shim, which says nothing itself, and tell what was started."""
        done = self.run(program, *words, **options)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
        return self.seen()

    def entries(self) -> list[bytes]:
        """The environment variables as execve(2) gets them."""
        return [os.fsencode(f"{name}={value}") for name, value in self.environ.items()]

    def raw_outcome(self, argv: Sequence[bytes], entries: Sequence[bytes]) -> Seen:
        """Start the shim `uv` with these words, `argv[0]` included, and these entries."""
        command = [sys.executable, "-IS", str(programs.HERE / "exec_raw.py")]
        command += [str(self.shims / "uv"), *(word.hex() for word in argv)]
        command += ["--", *(entry.hex() for entry in entries)]
        subprocess.run(command, cwd=self.cwd, timeout=60, check=True)
        return self.seen()

    def key_of(self, program: str, *words: str) -> bytes:
        """The key of a call."""
        return key.make_key(
            program, str(self.uv), parse(program, words).significant,
            cwd=str(self.cwd), user=str(os.geteuid()), environ=self.environ,
        )  # fmt: skip

    def record(
        self,
        program: str,
        *words: str,
        edits: Edits = EDITS,
        witnesses: Sequence[tuple[str, Path | str]] = (),
    ) -> Path:
        """Record a decision about this call, as Python does."""
        collected = Witnesses(time.time_ns())
        for token, path in [("s", self.uv), *witnesses]:
            collected.add(token, str(path), look(token, str(path)))
        assert not collected.spoilt
        made = self.key_of(program, *words)
        return self.write(made, records.render(made, edits, collected))

    def write(self, of_key: bytes, content: bytes) -> Path:
        """Put a file where the record of this key is looked for."""
        state = layout.state_home(self.environ, "linux")
        state_files.write(state, layout.DECISIONS, records.file_name(of_key), content)
        return self.decisions / records.file_name(of_key)


@pytest.fixture(params=BUILDS)
def build(request: pytest.FixtureRequest) -> Path:
    """The unconfigured launcher: as it is shipped, and with sanitizers."""
    return programs.launcher(BUILDS[request.param])


@pytest.fixture
def scene(tmp_path: Path, build: Path) -> Scene:
    """See `Scene`."""
    return Scene(tmp_path, build)


def seen_in(record: Path) -> Seen:
    """What one of the stand-ins has recorded."""
    found = shim_conftest.Installed(record.parent, record.parent, record).seen()
    return Seen(
        handed_over=FALLBACK in found.environ,
        words=found.words,
        environ=tuple(entry for entry in found.environ if entry != FALLBACK),
        pid=found.pid,
        rest=found.rest,
    )


def without_guard(entries: Sequence[bytes]) -> list[bytes]:
    """See tests/shim."""
    return shim_conftest.without_guard(entries)


def guard_of(seen: Seen) -> guard.Guard | None:
    """The guard that was left for what was started."""
    return guard.read({guard.NAME: os.fsdecode(seen.variables().get(guard.NAME.encode(), b""))})
