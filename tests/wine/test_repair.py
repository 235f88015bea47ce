"""uv #10896 and #15700 on Windows: edits are found and undone, a hackable environment is apart."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.uv.index_server import index_of
from tests.wine import supplies
from tests.wine.laboratory import Laboratory

WHEELS = r"C:\wheels-of-hello"
HELLO = b"VALUE = 1\n"


@pytest.fixture
def environments(laboratory: Laboratory) -> tuple[Path, Path]:
    """A module that two environments and the cache share; its path in both."""
    wheels = laboratory.path(WHEELS)
    wheels.mkdir(exist_ok=True)
    supplies.write_wheel(wheels, "hello", "1.0", {"hello/__init__.py": HELLO})
    for name in ("one", "two"):
        laboratory.ok("uv", "venv", "--quiet", "--python", laboratory.python, name)
        laboratory.ok(
            "uv", "pip", "install", "--quiet", "--python", name, "--no-index",
            "--find-links", WHEELS, "hello",
        )  # fmt: skip
    one, two = (
        laboratory.path(rf"C:\work\{name}\Lib\site-packages\hello\__init__.py")
        for name in ("one", "two")
    )
    assert os.path.samefile(one, two)
    return one, two


def test_an_edit_is_found_saved_and_undone_everywhere(
    laboratory: Laboratory, environments: tuple[Path, Path], tmp_path: Path
) -> None:
    one, two = environments
    one.write_bytes(b"VALUE = 2\n")
    found = laboratory.linkpolicy("verify", r"C:\work\two")
    assert found.code == 1, found
    assert "hello" in found.output, found
    with index_of(laboratory.path(WHEELS), tmp_path) as index:
        repaired = laboratory.linkpolicy(
            "repair", "--yes", r"C:\work\one", r"C:\work\two", environ={"UV_DEFAULT_INDEX": index}
        )
    assert repaired.code == 0, repaired
    assert two.read_bytes() == HELLO, repaired
    assert one.read_bytes() == HELLO, repaired
    assert laboratory.linkpolicy("verify", r"C:\work\two").code == 0
    saved = [
        path for path in laboratory.path(laboratory.home).rglob("*")
        if path.is_file() and b"VALUE = 2" in path.read_bytes()
    ]  # fmt: skip
    assert saved, repaired


def test_what_is_detached_can_be_edited_alone(
    laboratory: Laboratory, environments: tuple[Path, Path]
) -> None:
    one, two = environments
    time = two.stat().st_mtime_ns // 100  # what NTFS keeps
    detached = laboratory.linkpolicy("detach", "hello", "--environment", r"C:\work\two")
    assert detached.code == 0, detached
    assert not os.path.samefile(one, two)
    assert (two.read_bytes(), two.stat().st_mtime_ns // 100) == (HELLO, time)
    assert two.stat().st_nlink == 1
    left = [path.name for path in two.parent.parent.iterdir() if path.name.startswith(".tmp-")]
    assert not left, json.dumps(left)


def test_names_that_no_record_leads_to_are_found(
    laboratory: Laboratory, environments: tuple[Path, Path], tmp_path: Path
) -> None:
    one, two = environments
    other = laboratory.path(r"C:\work\two\other.py")
    os.link(one, other)
    one.write_bytes(b"VALUE = 2\n")
    with index_of(laboratory.path(WHEELS), tmp_path) as index:
        repaired = laboratory.linkpolicy(
            "repair", "--yes", r"C:\work\one", r"C:\work\two", environ={"UV_DEFAULT_INDEX": index}
        )
    assert repaired.code == 0, repaired
    assert [path.read_bytes() for path in (one, two, other)] == [HELLO] * 3
