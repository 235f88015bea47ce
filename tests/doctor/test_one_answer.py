"""The same edit is named by `status`, `doctor` and `verify`, in the same words."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.doctor.standing import ROOT
from tests.filesystems import FileSystems
from tests.uv.world import NAME, World, installed

pytestmark = [pytest.mark.uv, pytest.mark.filesystem]

HACKABLE = "[tool.linkpolicy]\nhackable = true\n"
COPIES = '[tool.linkpolicy]\nlink-mode = "copy"\n'
FILE = f"{NAME}/__init__.py"


class Answers:
    """What each command says of one project, and its exit code."""

    def __init__(self, world: World, cwd: Path) -> None:
        self.world = world
        self.cwd = cwd
        self.module = installed(cwd / ".venv") / "__init__.py"

    def __getitem__(self, command: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "uvx_policy.cli", *command.split()],
            cwd=self.cwd, env={**self.world.environ(), "PYTHONPATH": str(ROOT)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.stderr == ""
        return done.returncode, done.stdout

    def edit(self) -> None:
        later = self.module.stat().st_mtime + 3600
        self.module.write_text("EDITED = 1\n")
        os.utime(self.module, (later, later))


@pytest.fixture
def answers(fs: FileSystems, newest_uv: Path, request: pytest.FixtureRequest) -> Answers:
    world = World(fs.ext4 / "world", newest_uv)
    project = world.project(fs.ext4 / "project", request.param)
    world.uv("sync", cwd=project)
    found = Answers(world, project)
    assert found["status"][0] == 0  # it is known from now on
    found.edit()
    return found


@pytest.mark.parametrize("answers", [COPIES], indirect=True)
def test_an_edit_is_named_by_all(answers: Answers) -> None:
    for command, code in (("status", 0), ("doctor environment", 0), ("doctor --strict", 1)):
        told = answers[command]
        assert told[0] == code
        assert f"`{FILE}` was edited" in told[1]
    code, told_by_verify = answers["verify"]
    assert (code, told_by_verify.splitlines()[1].split()[:2]) == (1, ["edited", FILE])


@pytest.mark.parametrize("answers", [HACKABLE], indirect=True)
def test_an_intended_edit_is_information_to_all(answers: Answers) -> None:
    origin = f"{answers.cwd}/pyproject.toml:"

    for command in ("status", "doctor files-edited --strict"):
        code, told = answers[command]
        assert code == 0
        assert f"`{FILE}` was edited, as intended: hackable ({origin}" in told
        assert "linkpolicy repair" not in told
    code, told = answers["verify"]
    assert code == 0
    assert f"intended: hackable ({origin}" in told
    assert "linkpolicy repair" not in told


@pytest.mark.parametrize("answers", [""], indirect=True)
def test_an_edit_that_the_cache_has_too_is_named_by_all_even_if_it_was_meant(
    answers: Answers,
) -> None:
    """The project became hackable after it was installed: its files are still hard links."""
    answers.world.project(answers.cwd, HACKABLE)

    assert f"`{FILE}` was edited; " in answers["status"][1]
    assert "has the edit, too" in answers["status"][1]
    code, told = answers["doctor environment"]
    assert code == 1
    assert (
        f"`{FILE}` was edited; the cache `{answers.world.default_cache}` has the edit, too" in told
    )
    code, told = answers["verify"]
    assert code == 1
    assert "the same file in the cache " in told
    assert "intended" not in told
