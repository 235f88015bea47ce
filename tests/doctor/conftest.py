"""A person with a home, a shell, a real uv, and linkpolicy set up by its own `setup`."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests import sandbox
from tests.doctor.standing import program
from tests.doctor.witness import WITNESS


class Person:
    """Types commands: each in a process of its own, with the variables of one shell.

    No `World`, in which shims are there already: `linkpolicy setup` puts them there.
    """

    def __init__(self, base: Path, uv: Path) -> None:
        self.base = base
        self.home = base / "home"
        self.home.mkdir(parents=True)
        self.uv = uv
        self.cwd = self.home
        self.path = [str(uv.parent), str(base / "own"), "/usr/bin", "/bin"]
        # By the interpreter below any virtual environment: beside it there is hardly ever a uv.
        words = shlex.join(sandbox.linkpolicy(sandbox.PYTHON))
        program(base / "own" / "linkpolicy", f'#!/bin/sh\nexec {words} "$@"\n')
        self.variables = {"HOME": str(self.home), "SHELL": "/bin/bash", "LANG": "C.UTF-8"}
        self.shims = self.home / ".local/share/linkpolicy/shims"
        self.record = self.home / ".local/state/linkpolicy/setup.json"

    @property
    def environ(self) -> dict[str, str]:
        return {**self.variables, "PATH": ":".join(self.path)}

    def types(self, *words: str, code: int | None = 0) -> str:
        """Run a command as it stands; its stdout. `code`: the exit code that it must have."""
        done = subprocess.run(
            words, cwd=self.cwd, env=self.environ, capture_output=True, check=False, timeout=120
        )
        told = done.stdout.decode("utf-8", "surrogateescape")
        assert code is None or done.returncode == code, (done.returncode, told, done.stderr)
        return told

    def types_line(self, line: str) -> None:
        """A line of a fix, in a shell whose PATH is used from now on."""
        WITNESS.typed(line)
        told = self.types("/bin/sh", "-ec", f'{{ {line}\n}} >&2; printf %s "$PATH"')
        self.path = told.split(":")

    def opens_shell(self) -> None:
        """A new shell with a PATH as before `setup`: it reads .bashrc."""
        self.path = [str(self.uv.parent), str(self.base / "own"), "/usr/bin", "/bin"]
        self.path = self.types("/bin/bash", "-ic", 'printf %s "$PATH"').split(":")

    def sets_up(self, *words: str) -> None:
        """`linkpolicy setup`, then a new shell."""
        self.types("linkpolicy", "setup", "--shell", "bash", *words)
        self.opens_shell()

    def asks(self, *words: str) -> list[dict[str, Any]]:
        """Findings of `linkpolicy doctor`: what did not pass and was not skipped."""
        told = json.loads(self.types("linkpolicy", "doctor", "--json", *words, code=None))
        assert told["schema"] == 1
        WITNESS.saw_json(told["findings"])
        return [each for each in told["findings"] if each["status"] not in ("pass", "skip")]

    def found(self, *words: str) -> dict[str, str]:
        """Id and status of each finding."""
        return {each["id"]: each["status"] for each in self.asks(*words)}

    def one(self, *words: str) -> dict[str, Any]:
        (finding,) = self.asks(*words)
        return finding

    def fixes(self, *words: str) -> str:
        WITNESS.fixed()
        return self.types("linkpolicy", "doctor", "--fix", "--yes", *words)


@pytest.fixture
def person(tmp_path: Path, newest_uv: Path) -> Person:
    """Nothing is set up yet."""
    tmp_path.chmod(0o755)
    return Person(tmp_path, newest_uv)


@pytest.fixture
def settled(person: Person) -> Person:
    """After `linkpolicy setup`, in a new shell."""
    person.sets_up()
    return person


def copied(uv: Path, directory: Path) -> Path:
    """A real uv in another directory."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "uv"
    path.write_bytes(uv.read_bytes())
    path.chmod(0o755)
    return path


def pytest_runtest_setup() -> None:
    WITNESS.begin()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """A test that says it fixes something is only believed when it was seen to."""
    yield
    for mark in item.iter_markers("fixes"):
        WITNESS.judge(*mark.args, **mark.kwargs)
