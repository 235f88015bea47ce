"""A project of ordinary size, and a state directory whose records can be tried and removed."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

from benchmarks import harness
from uvx_policy.setup import shim_directories
from uvx_policy.state import layout

if TYPE_CHECKING:
    from collections.abc import Iterable

#: about as long as the pyproject.toml of a small library
_PYPROJECT = """\
[build-system]
requires = ["hatchling>=1.26"]
build-backend = "hatchling.build"

[project]
name = "measured"
version = "1.0.0"
description = "A project of ordinary size"
readme = "README.md"
requires-python = ">=3.10"
authors = [{ name = "Somebody", email = "somebody@example.org" }]
classifiers = [
  "Development Status :: 4 - Beta",
  "Programming Language :: Python :: 3 :: Only",
  "Typing :: Typed",
]
dependencies = [
  "httpx>=0.27",
  "numpy>=2",
  "pydantic>=2.8",
  "rich>=13; sys_platform != 'win32'",
]

[project.optional-dependencies]
plot = ["matplotlib>=3.9"]

[dependency-groups]
dev = ["mypy>=1.18", "pytest>=8", "ruff>=0.15"]

[project.scripts]
measured = "measured.cli:main"

[tool.uv]
package = true

[tool.pytest.ini_options]
testpaths = ["tests"]
filterwarnings = ["error"]

[tool.ruff]
line-length = 100
lint.select = ["E", "F", "I", "UP"]

[tool.linkpolicy]
fallback = "copy"
"""

#: without the dependencies: `uv sync --frozen` believes it, and has nothing to install
_LOCK = """\
version = 1
requires-python = ">=3.10"

[[package]]
name = "measured"
version = "1.0.0"
source = { editable = "." }
"""

#: in it, a command that finds nothing to do, but makes the policy decide all
SYNC = ("sync", "--frozen", "--no-install-project")

#: seconds after which a decision that can be recorded at all has been recorded: a file that was
#: changed this moment is no witness yet (uvx_policy/replay/witness.py)
_PATIENCE = 10
#: how often in a row a replay may turn out to have been a decision
_TRIES = 20


def write_project(directory: str) -> None:
    """Make it in `directory` (made), as it stands after its first `uv sync`."""
    environment = os.path.join(directory, ".venv")
    os.makedirs(os.path.join(environment, "bin"))
    os.makedirs(os.path.join(environment, "lib", "python3", "site-packages"))
    os.symlink(sys.executable, os.path.join(environment, "bin", "python"))
    for path, text in (
        (os.path.join(directory, "pyproject.toml"), _PYPROJECT),
        (os.path.join(directory, "uv.lock"), _LOCK),
        (os.path.join(environment, "pyvenv.cfg"), f"home = {os.path.dirname(sys.executable)}\n"),
    ):
        with open(path, "x", encoding="utf-8") as stream:
            stream.write(text)


class Decided(NamedTuple):
    """A call through a shim, and the state directory (XDG_STATE_HOME) that only this call uses."""

    call: harness.Call
    state: str

    def reasons(self) -> dict[str, str]:
        """Decide; the reason codes of what was decided for the link mode and the cache.

        Raises `BenchmarkError` when nothing was: a shim that fails open is fast and worth nothing.
        """
        debug = self.call._replace(environ={**self.call.environ, "LINKPOLICY_LOG": "debug"})
        story = debug.output(stream="stderr")
        found = {}
        for line in story.splitlines():
            name, _, told = line.removeprefix("linkpolicy: ").partition(": ")
            if name in ("link mode", "cache"):
                found[name] = told.partition("[")[2].partition("]")[0]
        if len(found) != 2 or not os.path.isdir(self.state):
            raise harness.BenchmarkError(f"the shim did not decide:\n{story}")
        return found

    def first(self) -> harness.Timing:
        """Time it when nothing is remembered, not even uv's version."""
        shutil.rmtree(self.state)
        return self.call.timed()

    def again(self) -> harness.Timing:
        """Time it when all is remembered but the decision itself."""
        shutil.rmtree(self._records(), ignore_errors=True)
        return self.call.timed()

    def _records(self) -> str:
        return os.path.join(self.state, layout.APP, layout.DECISIONS.directory)


class Replayed:
    """A call that has been decided and is replayed from then on, which it proves."""

    def __init__(self, decided: Decided) -> None:
        """Raises `BenchmarkError` when it does not come to a replay."""
        self.call = decided.call
        self._records = os.path.join(decided.state, layout.APP, layout.DECISIONS.directory)
        self._fallbacks = shim_directories.fallbacks(os.path.dirname(self.call.words[0]))
        self.prove()

    def timed(self) -> harness.Timing:
        """Time it. When the decision was made anew meanwhile, because of a new mount say: again."""
        for _ in range(_TRIES):
            before = self._identity()
            timing = self.call.timed()
            if before is not None and self._identity() == before:
                return timing
        raise harness.BenchmarkError("the decision is made anew each time")

    def prove(self) -> None:
        """Call until it is replayed: a first decision may see how uv fills its cache.

        Raises `BenchmarkError` when it does not come to that.
        """
        give_up = time.monotonic() + _PATIENCE
        while True:
            self.call.timed()
            try:
                self.planted(self.call)
            except harness.BenchmarkError as error:
                if time.monotonic() > give_up:
                    raise harness.BenchmarkError(f"nothing is replayed: {error}") from error
                time.sleep(0.1)
            else:
                return

    def misses(self, happenings: Iterable[None]) -> int:
        """How often the decision is made anew, of one call after each of these."""
        found = 0
        for _ in happenings:
            try:
                self.planted(self.call)
            except harness.BenchmarkError:  # noqa: PERF203 (what starts programs takes longer)
                found += 1
                self.prove()
        return found

    def planted(self, call: harness.Call) -> str:
        """Run a call while the record appends a word that uv refuses; what it says on stderr.

        Meanwhile a native launcher has no Python shim to hand over to, which replays as well.
        Raises `BenchmarkError` when the word does not get to uv: the record was not replayed.
        """
        path = self._path()
        if path is None:
            raise harness.BenchmarkError("there is no record")
        with open(path, "rb") as stream:
            content = stream.read()
        end = b".\0"
        _write(path, content.removesuffix(end) + b"a%b\0" % harness.PLANTED.encode() + end)
        hidden = f"{self._fallbacks}, hidden"
        with contextlib.suppress(FileNotFoundError):
            os.rename(self._fallbacks, hidden)
        try:
            return call.output(stream="stderr", code=2)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.rename(hidden, self._fallbacks)
            _write(path, content)

    def _path(self) -> str | None:
        """Path of the only record."""
        names = os.listdir(self._records) if os.path.isdir(self._records) else []
        return os.path.join(self._records, names[0]) if len(names) == 1 else None

    def _identity(self) -> tuple[int, int] | None:
        """What changes when the record is replaced."""
        path = self._path()
        if path is None:
            return None
        told = os.stat(path)
        return told.st_ino, told.st_mtime_ns


def _write(path: str, content: bytes) -> None:
    with open(path, "wb") as stream:
        stream.write(content)
