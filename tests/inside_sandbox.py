"""What a session of this suite sees of the machine: started by test_sandbox.py, for nothing else.

The variables say what lies on that machine outside of the sandbox, and what to leave there.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from tests import sandbox
from tests.uv.world import World, linkpolicy

#: paths that nothing may mention, separated by colons
PLANTED = os.environ.get("LINKPOLICY_TEST_PLANTED", "").split(":")
#: a path that a test writes to, and must not
LEFT = os.environ.get("LINKPOLICY_TEST_LEFT", "")

COMMANDS = (
    "doctor --json", "status --json", "verify --all", "cache list --json", "cache size",
    "cache prune --yes", "cache clean --yes", "repair --yes --offline", "explain -- uv sync",
)  # fmt: skip


@pytest.fixture
def project(tmp_path: Path, newest_uv: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Synced through the shim, by a user whose cache is on the same disk."""
    world = World(tmp_path / "world", newest_uv)
    made = world.project(tmp_path / "project")
    for name, value in world.environ().items():
        monkeypatch.setenv(name, value)
    world.uv("sync", cwd=made)
    monkeypatch.chdir(made)
    return made


def mentions_nothing(*said: str) -> None:
    for path in PLANTED:
        assert path
        assert path not in "".join(said)


def test_in_this_process(project: Path) -> None:
    for command in COMMANDS:
        done = linkpolicy(*shlex.split(command), cwd=project)

        assert done.code in (0, 1), done.err
        mentions_nothing(done.out, done.err)


def test_in_another_process(project: Path) -> None:
    for command in COMMANDS[:4]:
        words = [*sandbox.linkpolicy(), *shlex.split(command)]
        done = subprocess.run(words, cwd=project, capture_output=True, text=True, check=False)

        assert done.returncode in (0, 1), done.stderr
        mentions_nothing(done.stdout, done.stderr)


def test_by_a_shim(project: Path) -> None:
    for command in ("uv sync --reinstall", "uv cache dir", "uv cache prune"):
        done = subprocess.run(
            shlex.split(command), cwd=project, capture_output=True, text=True, check=True
        )

        mentions_nothing(done.stdout, done.stderr)


@pytest.mark.skipif(not LEFT, reason="started by its name only")
def test_that_leaves_something() -> None:
    Path(LEFT).parent.mkdir(parents=True, exist_ok=True)
    Path(LEFT).write_text("left")
