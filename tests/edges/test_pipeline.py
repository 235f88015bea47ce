"""What is left of a plan when the machine cannot be read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import pytest

from uvx_policy import pipeline
from uvx_policy.errors import Unreadable
from uvx_policy.host import Host


@pytest.fixture
def uv(tmp_path: Path) -> str:
    program = tmp_path / "uv"
    program.write_text("#!/bin/sh\necho uv 0.13.8\n")
    program.chmod(0o755)
    return str(program)


@pytest.fixture
def unreadable_mounts(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_host: Host) -> NoReturn:
        raise Unreadable("/proc/self/mountinfo", "Permission denied")

    monkeypatch.setattr(Host, "mount_table", refuse)


@pytest.mark.usefixtures("unreadable_mounts")
@pytest.mark.parametrize(
    ("policy", "variables"),
    [
        pytest.param("", {}, id="nothing asked: nothing changed"),
        pytest.param("hackable = true\n", {"UV_LINK_MODE": "copy"}, id="hackable needs no facts"),
        pytest.param('link-mode = "hardlink"\n', {}, id="a hard link could not be tried"),
        pytest.param('fallback = "error"\n', {}, id="unknown is no reason to refuse"),
        pytest.param('cache = "project"\n', {}, id="no cache is chosen blindly"),
    ],
)
def test_without_a_mount_table_only_what_needs_no_facts_is_done(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    uv: str,
    policy: str,
    variables: dict[str, str],
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text(
        f'[project]\nname = "p"\nversion = "1"\n[tool.linkpolicy]\n{policy}'
    )
    monkeypatch.chdir(project)

    plan = pipeline.make_plan("uv", ["sync"], environ=dict(os.environ), uv=uv)

    assert plan.outcome.refusal is None
    assert plan.edits.variables == variables
