"""What people are told to type calls the very linkpolicy that they called."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from uvx_policy.terminal.own_name import typed

pytestmark = pytest.mark.skipif(os.name == "nt", reason="paths of POSIX")


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Called by its path, and not on PATH."""
    monkeypatch.setattr(sys, "argv", ["/some where/bin/linkpolicy", "doctor"])
    return {"PATH": str(tmp_path)}


@pytest.mark.parametrize(
    ("told", "as_typed"),
    [
        ("linkpolicy repair", "'/some where/bin/linkpolicy' repair"),
        ("mv a b && linkpolicy setup", "mv a b && '/some where/bin/linkpolicy' setup"),
        ('eval "$(linkpolicy env)"', "eval \"$('/some where/bin/linkpolicy' env)\""),
        ("make it empty: linkpolicy cache clean", None),
        ("uv sync", "uv sync"),
        ("rm /x/linkpolicy a", "rm /x/linkpolicy a"),
        ("pip install linkpolicy", "pip install linkpolicy"),
        ("python -m linkpolicy.x a", "python -m linkpolicy.x a"),
        ("", ""),
    ],
)
def test_a_command_begins_with_the_path_it_was_called_by(
    elsewhere: dict[str, str], told: str, as_typed: str | None
) -> None:
    if as_typed is None:
        as_typed = told.replace("linkpolicy ", "'/some where/bin/linkpolicy' ")

    assert typed(told, elsewhere) == as_typed


def test_what_path_finds_needs_no_path(elsewhere: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "linkpolicy").touch(mode=0o755)

    assert typed("linkpolicy repair", elsewhere) == "linkpolicy repair"


@pytest.mark.parametrize("called", ["linkpolicy", "/x/cli.py", "-c", "", "/x/pytest"])
def test_what_is_no_path_to_it_is_not_typed(
    elsewhere: dict[str, str], monkeypatch: pytest.MonkeyPatch, called: str
) -> None:
    monkeypatch.setattr(sys, "argv", [called])

    assert typed("linkpolicy repair", elsewhere) == "linkpolicy repair"


def test_a_relative_path_works_from_everywhere(
    elsewhere: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [".venv/bin/linkpolicy"])

    assert typed("linkpolicy repair", elsewhere) == f"{tmp_path}/.venv/bin/linkpolicy repair"
