"""`.pre-commit-hooks.yaml`, used by pre-commit and prek from a local git repository."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests import real_uv
from tests.ecosystem import programs
from tests.index_programs import environment
from tests.packaging import checkout
from tests.sandbox import ROOT

pytestmark = pytest.mark.slow

_COMPILER = re.compile(r"(?:.*-)?(?:cc|gcc|clang|tcc|c89|c99)(?:-[\d.]+)?$")
_CONFIG = """\
repos:
  - repo: {repository}
    rev: {commit}
    hooks:
      - id: linkpolicy-settings
"""


def git(directory: Path, *words: str) -> str:
    return subprocess.run(
        ["git", "-c", "user.name=me", "-c", "user.email=me@example.org", *words],
        cwd=directory, check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip


def commit(directory: Path) -> str:
    git(directory, "init", "--quiet")
    git(directory, "add", "--all")
    git(directory, "commit", "--quiet", "--message", "all")
    return git(directory, "rev-parse", "HEAD")


@pytest.fixture(scope="module")
def without_compiler(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PATH with all that this machine has but a C compiler."""
    links = tmp_path_factory.mktemp("bin")
    for directory in ("/usr/bin", "/bin"):
        for program in os.listdir(directory):
            if not _COMPILER.match(program) and not os.path.lexists(links / program):
                (links / program).symlink_to(f"{directory}/{program}")
    assert not any(shutil.which(name, path=str(links)) for name in ("cc", "gcc", "clang"))
    return str(links)


@pytest.mark.parametrize("client", ["pre-commit", "prek"])
def test_the_hook_finds_faults_and_passes_what_is_right(
    tmp_path: Path, without_compiler: str, client: str
) -> None:
    repository = checkout.copy(tmp_path / "linkpolicy")
    shutil.copy2(ROOT / ".pre-commit-hooks.yaml", repository)
    project = tmp_path / "project"
    (project / "below").mkdir(parents=True)
    config = _CONFIG.format(repository=repository, commit=commit(repository))
    (project / ".pre-commit-config.yaml").write_text(config)
    (project / "pyproject.toml").write_text("[tool.linkpolicy]\nhackable = true\n")
    (project / "other.toml").write_text("hackable = 7\n")
    commit(project)
    path = f"{real_uv.provide('newest')}:{without_compiler}"  # prek installs with a uv on PATH
    program = environment("hooks", *programs.HOOKS) / client

    def run() -> subprocess.CompletedProcess[str]:
        git(project, "add", "--all")
        return subprocess.run(
            [program, "run", "--all-files"],
            env=os.environ | {"PATH": path, "PRE_COMMIT_COLOR": "never"},
            cwd=project, capture_output=True, text=True, check=False,
        )  # fmt: skip

    right = run()
    (project / "below/linkpolicy.toml").write_text("\nlink-mode = 'fast'\n")
    wrong = run()

    assert right.returncode == 0, right.stdout + right.stderr
    assert "Passed" in right.stdout
    assert wrong.returncode == 1
    assert "below/linkpolicy.toml:2: `link-mode` must be" in wrong.stdout
