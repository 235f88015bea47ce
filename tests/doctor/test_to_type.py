"""What a fix says to type fixes it in a shell where `uv` is not the shim, too."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.doctor.conftest import Person
from tests.filesystems import FileSystems
from tests.uv.world import NAME, World, installed
from uvx_policy.terminal.command import shell_of


@pytest.mark.uv
def test_behind_the_shim_nothing_changes(settled: Person) -> None:
    assert shell_of(settled.environ).has_shim


@pytest.mark.uv
def test_another_uv_in_front_of_the_shim_is_seen(settled: Person) -> None:
    settled.path.insert(0, str(settled.uv.parent))

    assert not shell_of(settled.environ).has_shim


@pytest.mark.uv
@pytest.mark.filesystem
def test_copies_are_fixed_before_anything_is_set_up(fs: FileSystems, newest_uv: Path) -> None:
    """Home and cache on one disk, the project on another, and no shim on PATH."""
    disk = fs.image("ext4")
    world = World(fs.ext4 / "world", newest_uv)
    person = Person(fs.ext4 / "person", newest_uv)
    person.variables["UV_PYTHON_DOWNLOADS"] = "never"
    person.cwd = world.project(disk / "project")
    person.types("uv", "sync", "-q")
    module = installed(person.cwd / ".venv") / "__init__.py"
    assert module.stat().st_nlink == 1

    typed = person.one("files-copies")["fix"]["command"]
    person.types_line(f"{typed} --yes")

    assert typed == f"linkpolicy reclaim --seed {person.cwd}/.venv"
    assert module.stat().st_nlink == 2
    assert person.found("files-copies", "cache-cold") == {}
    assert NAME in str(module)
