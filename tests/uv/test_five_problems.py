"""The five reports of the design, end to end, with every supported uv on real file systems.

Evidence is inode numbers, link counts and shared extents, never what uv prints.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests import real_uv
from tests.filesystems import FileSystems, same_inode, shared_extents
from tests.uv.world import ORIGINAL, World, archived, installed

pytestmark = [pytest.mark.uv, pytest.mark.filesystem]

HACKABLE = "[tool.linkpolicy]\nhackable = true\n"
EDIT = "VALUE = 'edited by accident'\n"
#: uvs around those from which on clones keep executable bits
CLONES = real_uv.each((0, 10, 6))
#: ... and from which on `uv venv` and `uv sync` keep a symbolic link
SYMLINKS = real_uv.each((0, 8, 5), (0, 11, 25))


def edit_in_place(path: Path) -> None:
    with path.open("r+") as stream:
        stream.write(EDIT)
        stream.truncate()


# uv #10896 and #15700: an edit leaks ------------------------------------------------------------


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs"])
def test_an_edit_in_a_hackable_project_stays_there(
    fs: FileSystems, each_uv: Path, kind: str
) -> None:
    disk: Path = getattr(fs, kind)
    world = World(disk, each_uv)
    mine = world.project(disk / "mine", HACKABLE)
    other = world.project(disk / "other")
    world.uv("sync", cwd=mine)
    world.uv("sync", cwd=other)
    (cached,) = archived(world.default_cache)

    edited = installed(mine / ".venv") / "__init__.py"
    assert not same_inode(edited, cached)
    assert edited.stat().st_nlink == 1
    edit_in_place(edited)

    assert cached.read_text() == ORIGINAL
    assert (installed(other / ".venv") / "__init__.py").read_text() == ORIGINAL
    shutil.rmtree(mine / ".venv")
    world.uv("sync", cwd=mine)
    assert (installed(mine / ".venv") / "__init__.py").read_text() == ORIGINAL


@pytest.mark.parametrize("kind", ["xfs", "btrfs"])
@pytest.mark.parametrize("each_uv", CLONES, indirect=True)
def test_where_the_file_system_clones_no_project_shares_an_inode(
    fs: FileSystems, each_uv: Path, kind: str
) -> None:
    disk: Path = getattr(fs, kind)
    world = World(disk, each_uv)
    project = world.project(disk / "project")

    world.uv("sync", cwd=project)

    package = installed(project / ".venv")
    (cached,) = archived(world.default_cache)
    assert not same_inode(package / "__init__.py", cached)
    assert shared_extents(package / "data.bin")
    assert os.access(project / ".venv" / "bin" / "tinypkg-tool", os.X_OK)


def test_without_the_policy_the_edit_does_leak(fs: FileSystems, each_uv: Path) -> None:
    """The problem is real here; otherwise the tests above prove nothing."""
    world = World(fs.ext4, each_uv)
    mine, other = world.project(fs.ext4 / "mine"), world.project(fs.ext4 / "other")
    world.plain("sync", cwd=mine)
    edit_in_place(installed(mine / ".venv") / "__init__.py")

    world.plain("sync", cwd=other)

    assert (installed(other / ".venv") / "__init__.py").read_text() == EDIT


# uv #7918: a third party starts uv, and private copies are wanted --------------------------------


def test_a_path_rule_reaches_uv_however_it_is_started(fs: FileSystems, each_uv: Path) -> None:
    disk = fs.ext4
    world = World(disk, each_uv)
    config = world.home / ".config" / "linkpolicy" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(f'[[rules]]\npath = "{disk}/foreign/**"\nhackable = true\n')
    foreign = disk / "foreign" / "tool"
    foreign.mkdir(parents=True)
    third_party = disk / "third-party"
    third_party.write_text(
        "#!/bin/sh\nset -e\n"
        "uv venv -q env\n"
        f"uv pip install -q --python env --no-index --find-links {world.wheels} tinypkg\n"
    )
    third_party.chmod(0o755)

    subprocess.run([third_party], cwd=foreign, env=world.environ(), check=True)

    package = installed(foreign / "env")
    assert {path.stat().st_nlink for path in package.glob("*.*")} == {1}


# uv #3886: another device ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs"])
@pytest.mark.parametrize("command", ["sync", "add", "pip install", "run"])
def test_a_project_on_another_device_gets_a_cache_there(
    fs: FileSystems, each_uv: Path, kind: str, command: str
) -> None:
    disk = fs.image(kind)
    world = World(disk / "world", each_uv, home=fs.other_ext4 / "home")
    project = world.project(disk / "project")
    if command == "pip install":
        world.uv("venv", cwd=project)
        world.pip_install(cwd=project)
    elif command == "run":
        world.uv("run", "true", cwd=project)
    else:
        world.uv(command, *(["tinypkg"] if command == "add" else []), cwd=project)

    package = installed(project / ".venv")
    (cache,) = disk.glob(".uv-cache-*")
    (cached,) = archived(cache)
    if kind == "ext4":
        assert same_inode(package / "__init__.py", cached)
    else:
        assert shared_extents(package / "data.bin")
        assert not same_inode(package / "__init__.py", cached)
    assert cache.stat().st_mode & 0o777 == 0o700
    assert archived(world.default_cache) == []


# uv #14670: a symbolic link at .venv -------------------------------------------------------------


@pytest.mark.parametrize("each_uv", SYMLINKS, indirect=True)
@pytest.mark.parametrize("command", [("sync",), ("venv",), ("run", "true"), ("add", "tinypkg")])
def test_a_dangling_link_is_filled_and_kept(
    fs: FileSystems, each_uv: Path, command: tuple[str, ...]
) -> None:
    world = World(fs.ext4, each_uv)
    project = world.project(fs.ext4 / "project")
    (fs.ext4 / "environments").mkdir()
    target = fs.ext4 / "environments" / "project"
    (project / ".venv").symlink_to(target)

    world.uv(*command, cwd=project)

    assert (project / ".venv").is_symlink()
    assert (target / "pyvenv.cfg").is_file()


@pytest.mark.parametrize("command", [("sync",), ("venv",)])
def test_a_link_of_a_cloned_repository_makes_no_user_base(
    fs: FileSystems, each_uv: Path, command: tuple[str, ...]
) -> None:
    """`.venv -> ../../.local`: what is installed there, every Python of this user imports."""
    world = World(fs.ext4, each_uv)
    project = world.project(world.home / "src/evil")
    (project / ".venv").symlink_to("../../.local")

    state: dict[str, Any] = {f"XDG_{name}_HOME": str(fs.ext4 / name) for name in ("STATE", "DATA")}
    shutil.rmtree(world.home / ".local", ignore_errors=True)
    plain = world.plain(*command, cwd=project, check=False, **state)
    shimmed = world.uv(*command, cwd=project, check=False, **state)

    assert (shimmed.returncode, shimmed.stderr) == (plain.returncode, plain.stderr)
    assert plain.returncode != 0
    assert not (world.home / ".local").exists()


@pytest.mark.parametrize("each_uv", SYMLINKS, indirect=True)
@pytest.mark.parametrize("command", [("sync",), ("add", "tinypkg")])
def test_a_link_to_a_broken_environment_is_kept(
    fs: FileSystems, each_uv: Path, command: tuple[str, ...]
) -> None:
    world = World(fs.ext4, each_uv)
    project = world.project(fs.ext4 / "project")
    target = fs.ext4 / "environment"
    (project / ".venv").symlink_to(target)
    target.mkdir()
    world.uv("sync", cwd=project)
    for python in (target / "bin").glob("python*"):
        python.unlink()
        python.symlink_to("/nowhere/python")

    world.uv(*command, cwd=project)

    assert (project / ".venv").is_symlink()
    assert installed(target).is_dir()


@pytest.mark.parametrize("each_uv", SYMLINKS, indirect=True)
def test_venv_twice_keeps_the_link(fs: FileSystems, each_uv: Path) -> None:
    world = World(fs.ext4, each_uv)
    project = world.project(fs.ext4 / "project")
    target = fs.ext4 / "environment"
    target.mkdir()
    (project / ".venv").symlink_to(target)

    world.uv("venv", cwd=project)
    world.uv("venv", cwd=project, check=False)  # an error of uv's own since 0.10

    assert (project / ".venv").is_symlink()
    assert (target / "pyvenv.cfg").is_file()
