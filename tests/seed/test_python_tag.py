"""For which Python wheels have to be, and where that cannot be told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.facts import facts
from uvx_policy.host import Host
from uvx_policy.model import Destination
from uvx_policy.seed.python_tag import python_tag
from uvx_policy.uv.invocation import parse_detailed

SITE = ".venv/lib/python3.11/site-packages"


def tag(project: Path, *words: str, kind: str = "project", site: str = SITE, **environ: str) -> str:
    path = str(project / ".venv")
    destination = Destination(kind=kind, path=path, workspace=str(project))  # type: ignore[arg-type]
    return python_tag(
        Host(environ=environ),
        facts(destination=destination),
        parse_detailed("uv", words),
        os.path.join(project, site),
    )


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("sync", "cp311"),
        ("sync -p 3.12", "cp312"),
        ("sync -p 3.12.4", "cp312"),
        ("sync -p 3.13t", "cp313"),
        ("sync -p python3.12", "cp312"),
        ("sync -p cpython@3.12", "cp312"),
        ("sync -p >=3.12", ""),
        ("sync -p pypy", ""),
        ("sync -p /usr/bin/python3", ""),
    ],
)
def test_an_environment_has_one_unless_another_is_asked_for(
    tmp_path: Path, words: str, expected: str
) -> None:
    (tmp_path / SITE).mkdir(parents=True)

    assert tag(tmp_path, *words.split()) == expected


def test_one_that_is_not_there_yet_has_what_is_asked_for(tmp_path: Path) -> None:
    assert tag(tmp_path, "sync") == ""
    assert tag(tmp_path, "sync", UV_PYTHON="3.10") == "cp310"
    (tmp_path / ".python-version").write_text("3.12\n")
    assert tag(tmp_path, "sync") == "cp312"


def test_pip_takes_what_is_there(tmp_path: Path) -> None:
    (tmp_path / SITE).mkdir(parents=True)
    words = ("pip", "install", "x", "-p", ">=3.8")

    assert tag(tmp_path, *words, kind="environment") == "cp311"
    other = ".venv/lib/pypy3.10/site-packages"
    assert tag(tmp_path, *words, kind="environment", site=other) == ""
