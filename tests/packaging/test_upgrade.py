"""A new version is installed over one whose shims stand on PATH, by pip and by uv itself."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import uvx_policy
from tests.packaging import checkout

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the launcher is for Linux"),
]

NEXT = "99.0"
PROJECT = """[project]
name = "a"
version = "1"
requires-python = ">=3.10"

[tool.linkpolicy]
hackable = true
"""


@pytest.fixture(scope="session")
def next_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same package, as a later version."""
    checkout.need_compiler()
    root = tmp_path_factory.mktemp("next")
    tree = checkout.copy(root / "tree")
    init = tree / "uvx_policy/__init__.py"
    init.write_text(init.read_text().replace(f'"{uvx_policy.__version__}"', f'"{NEXT}"'))
    built = checkout.build(tree, "wheel", root / "dist")
    assert built.code == 0
    return built.made


class Upgraded:
    """An environment that linkpolicy is installed in, a home with shims, and the real uv."""

    def __init__(self, root: Path, uv: Path) -> None:
        self.home, self.environment = root / "me", root / "environment"
        self.project = root / "project"
        for directory in (self.home, self.project):
            directory.mkdir()
        (self.project / "pyproject.toml").write_text(PROJECT)
        self.shims = self.home / ".local/share/linkpolicy/shims"
        self.environ = {"HOME": str(self.home), "PATH": f"{self.shims}:{uv.parent}:/usr/bin:/bin"}
        self.run(sys.executable, "-m", "venv", self.environment)
        # What linkpolicy needs, as the environment of the tests has it.
        (site,) = self.environment.glob("lib/python*/site-packages")
        (site / "needed.pth").write_text(sysconfig.get_path("purelib") + "\n")

    def run(self, *words: str | Path, **changes: str) -> str:
        """Standard output of a program that says nothing else."""
        done = subprocess.run(
            words, env=self.environ | changes, cwd=self.project,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout

    def install(self, program: str, wheel: Path) -> None:
        """`program`: "pip", or the "uv" that is first on PATH, which is the shim."""
        python = self.environment / "bin/python"
        options: tuple[str | Path, ...] = ("--quiet", "--no-deps", "--no-index", "--upgrade", wheel)
        if program == "uv" and self.shims.exists():
            self.run(self.shims / "uv", "pip", "install", "--python", python, *options)
        else:
            self.run(python, "-m", "pip", "install", "--disable-pip-version-check", *options)

    def link_mode(self) -> str:
        """As the shim tells uv, which hands it on."""
        words = ("--quiet", "--offline", "--python", sys.executable, "printenv", "UV_LINK_MODE")
        return self.run(self.shims / "uv", "run", *words)


@pytest.mark.parametrize("kind", ["native", "python"])
@pytest.mark.parametrize("program", ["pip", "uv"])
def test_shims_keep_working_over_an_upgrade(
    wheel: Path, next_wheel: Path, newest_uv: Path, tmp_path: Path, program: str, kind: str
) -> None:
    machine = Upgraded(tmp_path, newest_uv)
    machine.install(program, wheel)
    linkpolicy = machine.environment / "bin/linkpolicy"
    machine.run(linkpolicy, "setup", "--shell", "sh", "--launcher", kind)
    before = {name: (machine.shims / name).read_bytes() for name in ("uv", "uvx")}
    assert machine.link_mode() == "copy\n"

    machine.install(program, next_wheel)

    assert machine.run(linkpolicy, "--version") == f"linkpolicy {NEXT}\n"
    # Twice: decided by the new version, and replayed.
    assert [machine.link_mode(), machine.link_mode()] == ["copy\n", "copy\n"]
    assert {name: (machine.shims / name).read_bytes() for name in before} == before
    assert os.access(machine.shims / "linkpolicy", os.X_OK)
    assert machine.run(machine.shims / "linkpolicy", "--version") == f"linkpolicy {NEXT}\n"
    machine.run(linkpolicy, "uninstall")
    assert not machine.shims.exists()
