"""The shell steps of action.yml, run by bash as GitHub does, with files in place of GitHub's."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.ecosystem.programs import read_yaml
from tests.packaging import checkout
from tests.sandbox import ROOT

pytestmark = pytest.mark.slow


class Runner:
    """What a job has between two steps."""

    def __init__(self, root: Path, action: Path) -> None:
        self.files = {name: root / name for name in ("GITHUB_ENV", "GITHUB_PATH", "GITHUB_OUTPUT")}
        self.checkout = root / "checkout"
        self.checkout.mkdir()
        self.home = root / "home"
        self.home.mkdir()
        self._contexts = {"inputs.version": "", "inputs.python": sys.executable,
                          "github.action_path": str(action)}  # fmt: skip
        for path in self.files.values():
            path.touch()

    def environ(self) -> dict[str, str]:
        """Of the next step."""
        variables = dict(
            line.split("=", 1) for line in self.files["GITHUB_ENV"].read_text().splitlines()
        )
        added = self.files["GITHUB_PATH"].read_text().split()
        path = os.pathsep.join([*reversed(added), "/usr/bin", "/bin"])
        ours = {"HOME": str(self.home), "PATH": path}
        return (
            os.environ | ours | {name: str(path) for name, path in self.files.items()} | variables
        )

    def run(self, step: dict[str, Any]) -> None:
        """As `shell: bash` of a composite action."""
        named = {
            name: re.sub(r"\$\{\{ (\S+) \}\}", lambda found: self._contexts[found[1]], value)
            for name, value in step.get("env", {}).items()
        }
        assert "${{" not in step["run"]  # an input would be a command
        subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            env=self.environ() | named, cwd=self.checkout, check=True,
        )  # fmt: skip

    def uv(self, *words: str, **changes: str) -> str:
        return subprocess.run(
            ["uv", *words], env=self.environ() | changes, cwd=self.checkout, check=True,
            capture_output=True, text=True,
        ).stdout  # fmt: skip


def test_its_steps_put_the_shims_on_path_and_say_what_to_save(tmp_path: Path) -> None:
    action = read_yaml(ROOT / "action.yml")
    runner = Runner(tmp_path, checkout.copy(tmp_path / "action"))
    (runner.checkout / "pyproject.toml").write_text(
        '[project]\nname = "p"\nversion = "1"\nrequires-python = ">=3.8"\n'
        '[tool.linkpolicy]\ncache = "project"\n'
    )

    for step in action["runs"]["steps"]:
        runner.run(step)

    (output,) = re.findall(
        r"^cache-directories<<(\w+)\n(.*?)^\1$",
        runner.files["GITHUB_OUTPUT"].read_text(), re.DOTALL | re.MULTILINE,
    )  # fmt: skip
    own = runner.uv("cache", "dir", LINKPOLICY_BYPASS="1").strip()
    assert set(output[1].splitlines()) == {own, str(runner.checkout / ".uv-cache")}
    assert "linkpolicy" in runner.files["GITHUB_PATH"].read_text()
    runner.uv("venv", "--python", sys.executable)
    assert (runner.checkout / ".venv/pyvenv.cfg").exists()


def test_each_input_and_output_is_used() -> None:
    text = (ROOT / "action.yml").read_text(encoding="utf-8")
    action = read_yaml(ROOT / "action.yml")

    assert {f"inputs.{name}" for name in action["inputs"]} == set(re.findall(r"inputs\.\w+", text))
    steps = {step.get("id") for step in action["runs"]["steps"]}
    for output in action["outputs"].values():
        (found,) = re.findall(r"steps\.(\w+)\.outputs", output["value"])
        assert found in steps
