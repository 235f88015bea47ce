"""What a fix says to type mends also in a shell where `uv` is not the shim."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.doctor.conftest import Person
from tests.filesystems import FileSystems
from tests.uv.world import NAME, World, installed
from uvx_policy.doctor.case import Case
from uvx_policy.doctor.diagnostic import Fix
from uvx_policy.doctor.to_type import for_this_shell


@pytest.fixture
def without_shim(tmp_path: Path) -> Case:
    return Case(environ={"PATH": str(tmp_path), "HOME": str(tmp_path)}, cwd=str(tmp_path))


@pytest.mark.parametrize(
    ("command", "typed"),
    [
        ("uv sync --reinstall", "linkpolicy run -- uv sync --reinstall"),
        ("rm .venv && uv sync", "rm .venv && linkpolicy run -- uv sync"),
        ("uv venv && uv sync", "linkpolicy run -- uv venv && linkpolicy run -- uv sync"),
        ("UV_OFFLINE=0 uv sync", "UV_OFFLINE=0 linkpolicy run -- uv sync"),
        ("uv cache clean a && uv sync", "uv cache clean a && linkpolicy run -- uv sync"),
        ("uv self update", "uv self update"),
        ("mv '/a/uv sync' /b", "mv '/a/uv sync' /b"),
        ("linkpolicy setup", "linkpolicy setup"),
        ("", ""),
    ],
)  # fmt: skip
def test_what_links_files_runs_through_linkpolicy(
    without_shim: Case, command: str, typed: str
) -> None:
    fix = Fix(text="Do it", command=command, safe=True)

    assert for_this_shell(fix, without_shim) == fix.replace(command=typed)


@pytest.mark.uv
def test_behind_the_shim_nothing_changes(settled: Person) -> None:
    case = Case(environ=settled.environ, cwd=str(settled.cwd))
    fix = Fix(text="Do it", command="uv sync --reinstall")

    assert for_this_shell(fix, case) == fix


@pytest.mark.uv
@pytest.mark.filesystem
def test_copies_are_mended_before_anything_is_set_up(fs: FileSystems, newest_uv: Path) -> None:
    """Home and cache on one disk, the project on another, and no shim on PATH."""
    disk = fs.image("ext4")
    world = World(fs.ext4 / "world", newest_uv)
    person = Person(fs.ext4 / "person", newest_uv)
    person.variables["UV_PYTHON_DOWNLOADS"] = "never"
    person.cwd = world.project(disk / "project")
    person.types("uv", "sync", "-q")
    module = installed(person.cwd / ".venv") / "__init__.py"
    assert module.stat().st_nlink == 1

    command = person.one("files-copies")["fix"]["command"]
    person.types_line(command)

    assert command == "linkpolicy run -- uv sync --reinstall"
    assert module.stat().st_nlink == 2
    assert person.found("files-copies", "cache-cold") == {}
    assert NAME in str(module)
