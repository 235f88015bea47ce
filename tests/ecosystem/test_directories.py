"""The snippets for direnv and mise in the documentation, read by the real programs."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from tests import real_uv
from tests.launcher.programs import missing
from tests.sandbox import ROOT, linkpolicy
from tests.test_docs import blocks

pytestmark = pytest.mark.slow

PAGE = ROOT / "docs/how-to/clients-that-bypass-path.md"


def snippet(heading: str) -> str:
    """The last block below a heading of the page that holds a setting."""
    text = PAGE.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return blocks(text, "text", "sh")[-1]


def mise() -> str:
    """From npm, once for a checkout; it is no package of Debian's."""
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), "")
    package = f"@jdxcode/mise-linux-{machine}"
    into = real_uv.store() / "mise"
    program = into / "node_modules" / package / "bin/mise"
    if not program.exists():
        npm = shutil.which("npm")
        if not machine or npm is None:
            pytest.skip("no npm here, which is not everywhere: see `.ci/run` on nushell")
        done = subprocess.run(
            [npm, "install", "--silent", "--no-fund", "--no-audit", "--ignore-scripts",
             "--prefix", into, package],
            check=False,
        )  # fmt: skip
        if done.returncode != 0:
            pytest.skip("npm cannot reach its registry here")
    return str(program)


@pytest.fixture
def project(isolation: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With the shims where `setup` puts them, and uv on PATH before a directory adds anything."""
    monkeypatch.setenv("PATH", f"{real_uv.provide('newest')}:/usr/bin:/bin")
    done = subprocess.run([*linkpolicy(), "setup", "--no-modify-path"], check=False,
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr
    directory = isolation / "project"
    directory.mkdir()
    return directory


def uv_seen_by(project: Path, *words: str) -> str:
    """Which `uv` a shell in the project gets, when these words start it."""
    return subprocess.run(
        [*words, "sh", "-c", "command -v uv"],
        cwd=project, env=dict(os.environ), check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip


def test_direnv_puts_the_shims_first(project: Path, isolation: Path) -> None:
    direnv = shutil.which("direnv", path="/usr/bin:/usr/local/bin")
    if direnv is None:
        missing("direnv")
    (project / ".envrc").write_text(snippet("direnv"))
    subprocess.run([direnv, "allow", "."], cwd=project, check=True, capture_output=True)

    assert uv_seen_by(project) == f"{real_uv.provide('newest')}/uv"
    assert uv_seen_by(project, direnv, "exec", ".") == str(
        isolation / ".local/share/linkpolicy/shims/uv"
    )


def test_mise_puts_the_shims_first(project: Path, isolation: Path) -> None:
    (project / "mise.toml").write_text(snippet("mise exec and mise run"))
    subprocess.run([mise(), "trust", "--quiet", "."], cwd=project, check=True, capture_output=True)

    assert uv_seen_by(project, mise(), "exec", "--") == str(
        isolation / ".local/share/linkpolicy/shims/uv"
    )
