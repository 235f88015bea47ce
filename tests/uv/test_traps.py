"""The traps of wrapping uv, each with a real uv. Where the policy stands aside, that is the test.

Traps about the destination (`uv pip` discovery, scripts, workspaces, versions) are in
test_destination_contract.py, about the command line in test_command_line_contract.py, about the
process (exec, signals, PATH) in tests/shim/.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests import real_uv
from tests.filesystems import FileSystems, same_inode
from tests.uv.index_server import index_of
from tests.uv.world import NAME, ORIGINAL, World, archived, installed

pytestmark = [pytest.mark.uv, pytest.mark.filesystem]

#: uvs around those from which on clones that cannot be are hard links, and keep executable bits
CLONES = real_uv.each((0, 10, 5), (0, 10, 6))
#: ... and from which on `uv venv` and `uv sync` keep a symbolic link
SYMLINKS = real_uv.each((0, 8, 5), (0, 11, 25))


def print_environment(world: World) -> str:
    """A program for `uv run` that prints what it inherited."""
    program = world.base / "print-environment"
    program.write_text("#!/bin/sh\nexec env\n")
    program.chmod(0o755)
    return str(program)


def link_count(environment: Path) -> int:
    return (installed(environment) / "data.bin").stat().st_nlink


# Leaks (traps 1 and 2) ---------------------------------------------------------------------------


@pytest.mark.parametrize("each_uv", SYMLINKS, indirect=True)
def test_a_nested_sync_does_not_empty_the_outer_environment(fs: FileSystems, each_uv: Path) -> None:
    world = World(fs.ext4, each_uv)
    outer, inner = world.project(fs.ext4 / "outer"), world.project(fs.ext4 / "inner")
    (fs.ext4 / "environment").mkdir()
    (outer / ".venv").symlink_to(fs.ext4 / "environment")
    (inner / "pyproject.toml").write_text('[project]\nname = "inner"\nversion = "1"\n')
    world.uv("sync", cwd=outer)

    world.uv("run", "sh", "-c", f"cd {inner} && exec uv sync", cwd=outer)

    assert installed(outer / ".venv").is_dir()
    assert (inner / ".venv" / "pyvenv.cfg").is_file()


def test_programs_under_uv_run_never_see_a_project_environment_of_ours(
    fs: FileSystems, each_uv: Path
) -> None:
    world = World(fs.ext4, each_uv)
    project = world.project(fs.ext4 / "project")
    (fs.ext4 / "environment").mkdir()
    (project / ".venv").symlink_to(fs.ext4 / "environment")

    done = world.uv("run", print_environment(world), cwd=project)

    assert "UV_PROJECT_ENVIRONMENT=" not in done.stdout


def test_a_nested_uv_on_another_device_is_decided_afresh(fs: FileSystems, each_uv: Path) -> None:
    far = fs.image("ext4")
    world = World(far / "world", each_uv, home=fs.other_ext4 / "home")
    outer = world.project(far / "outer")
    inner = world.project(fs.other_ext4 / "inner")

    world.uv("run", "sh", "-c", f"cd {inner} && exec uv sync", cwd=outer)

    (cached,) = archived(world.default_cache)
    assert same_inode(installed(inner / ".venv") / "__init__.py", cached)


def test_a_nested_uv_in_a_hackable_project_copies(fs: FileSystems, each_uv: Path) -> None:
    world = World(fs.ext4, each_uv)
    outer = world.project(fs.ext4 / "outer")
    inner = world.project(fs.ext4 / "inner", "[tool.linkpolicy]\nhackable = true\n")

    world.uv("run", "sh", "-c", f"cd {inner} && exec uv sync", cwd=outer)

    assert link_count(outer / ".venv") > 1
    assert link_count(inner / ".venv") == 1


def test_what_a_program_under_uv_run_chose_itself_wins(fs: FileSystems, newest_uv: Path) -> None:
    world = World(fs.ext4, newest_uv)
    outer, inner = world.project(fs.ext4 / "outer"), world.project(fs.ext4 / "inner")

    world.uv("run", "sh", "-c", f"cd {inner} && UV_LINK_MODE=copy uv sync", cwd=outer)

    assert link_count(inner / ".venv") == 1


# Link modes (traps 3, 4, 16, 20, 22) -------------------------------------------------------------


@pytest.mark.parametrize("each_uv", CLONES, indirect=True)
def test_clone_asked_on_ext4_never_becomes_a_hard_link(fs: FileSystems, each_uv: Path) -> None:
    world = World(fs.ext4, each_uv)
    project = world.project(fs.ext4 / "project", '[tool.linkpolicy]\nlink-mode = "clone"\n')

    done = world.uv("sync", cwd=project)

    assert link_count(project / ".venv") == 1
    assert "falling back" not in done.stderr


@pytest.mark.parametrize("kind", ["xfs", "btrfs"])
@pytest.mark.parametrize("each_uv", CLONES, indirect=True)
def test_executable_bits_survive(fs: FileSystems, each_uv: Path, kind: str) -> None:
    disk: Path = getattr(fs, kind)
    world = World(disk, each_uv)
    project = world.project(disk / "project", '[tool.linkpolicy]\nlink-mode = "reflink"\n')

    world.uv("sync", cwd=project)

    assert os.access(project / ".venv" / "bin" / f"{NAME}-tool", os.X_OK)
    assert link_count(project / ".venv") == 1


def test_symlinks_only_when_asked(fs: FileSystems, each_uv: Path) -> None:
    world = World(fs.ext4, each_uv)
    asked = world.project(fs.ext4 / "asked", '[tool.linkpolicy]\nlink-mode = "symlink"\n')

    world.uv("sync", cwd=asked)
    world.uv("sync", "--no-cache", "--reinstall", cwd=asked)  # an error if symlinks were forced

    assert not (installed(asked / ".venv") / "data.bin").is_symlink()


def test_an_existing_environment_changes_only_when_it_is_reinstalled(
    fs: FileSystems, each_uv: Path
) -> None:
    world = World(fs.ext4, each_uv)
    project = world.project(fs.ext4 / "project")
    world.uv("sync", cwd=project)
    with (project / "pyproject.toml").open("a") as stream:
        stream.write("[tool.linkpolicy]\nhackable = true\n")

    world.uv("sync", cwd=project)
    before = link_count(project / ".venv")
    world.uv("sync", "--reinstall", cwd=project)

    assert before > 1
    assert link_count(project / ".venv") == 1


# Caches (traps 6, 11, 12, 13, 14, 24) ------------------------------------------------------------


def test_nothing_of_ours_lies_in_a_cache(fs: FileSystems, each_uv: Path) -> None:
    far = fs.image("ext4")
    world = World(far / "world", each_uv, home=fs.other_ext4 / "home")
    project = world.project(far / "project")
    world.uv("sync", cwd=project)
    (cache,) = far.glob(".uv-cache-*")

    world.plain("cache", "prune", cwd=project, UV_CACHE_DIR=str(cache))
    shutil.rmtree(project / ".venv")
    world.uv("sync", cwd=project)

    assert link_count(project / ".venv") > 1
    assert not [path for path in cache.rglob("*") if "linkpolicy" in path.name]


@pytest.mark.parametrize(
    "words", [("cache", "dir"), ("cache", "clean", NAME), ("cache", "prune"), ("clean", NAME)]
)
def test_cache_commands_act_on_the_cache_of_the_project(
    fs: FileSystems, each_uv: Path, words: tuple[str, ...]
) -> None:
    """`uv cache clean PACKAGE` (uv #15700), `find $(uv cache dir)` (uv #10896)."""
    far = fs.image("ext4")
    world = World(far / "world", each_uv, home=fs.other_ext4 / "home")
    project = world.project(far / "project")
    world.plain("sync", cwd=project)
    world.uv("sync", "--reinstall", cwd=project)
    (cache,) = far.glob(".uv-cache-*")
    shutil.rmtree(project / ".venv")

    done = world.uv(*words, cwd=project)

    named = world.uv("cache", "dir", cwd=project).stdout
    assert named == f"{cache}\n"
    assert archived(world.default_cache)
    assert bool(archived(cache)) is (words[-1] != NAME)
    assert "linkpolicy:" not in done.stderr


def test_cache_clean_removes_what_the_next_sync_would_install(
    fs: FileSystems, newest_uv: Path
) -> None:
    """Also while it is installed: uv #15700 says to clean a package and to sync again."""
    far = fs.image("ext4")
    world = World(far / "world", newest_uv, home=fs.other_ext4 / "home")
    with index_of(world.wheels, far / "index") as url:
        project = world.project(far / "project", index=url)
        world.plain("sync", cwd=project)
        (poisoned,) = archived(world.default_cache)
        poisoned.write_text("POISON\n")

        world.uv("cache", "clean", NAME, cwd=project)
        shutil.rmtree(project / ".venv")
        world.uv("sync", cwd=project)

    assert (installed(project / ".venv") / "__init__.py").read_text() == ORIGINAL


def test_cache_commands_outside_of_a_project_act_on_uvs_own(fs: FileSystems, each_uv: Path) -> None:
    far = fs.image("ext4")
    world = World(far / "world", each_uv, home=fs.other_ext4 / "home")
    world.uv("sync", cwd=world.project(far / "project"))

    assert world.uv("cache", "dir", cwd=far).stdout == f"{world.default_cache}\n"


def test_a_cache_that_was_chosen_is_the_one_that_cache_commands_see(
    fs: FileSystems, newest_uv: Path
) -> None:
    far = fs.image("ext4")
    world = World(far / "world", newest_uv, home=fs.other_ext4 / "home")
    project = world.project(far / "project")
    chosen = str(far / "chosen")

    by_flag = world.uv("cache", "dir", "--cache-dir", chosen, cwd=project)
    by_variable = world.uv("cache", "dir", cwd=project, UV_CACHE_DIR=chosen)

    assert by_flag.stdout == by_variable.stdout == f"{chosen}\n"


def test_asking_for_the_cache_makes_none(fs: FileSystems, newest_uv: Path) -> None:
    far = fs.image("ext4")
    world = World(far / "world", newest_uv, home=fs.other_ext4 / "home")
    project = world.project(far / "project")

    world.uv("cache", "dir", cwd=project)

    assert not list(far.glob(".uv-cache-*"))


def test_a_read_only_home_gets_a_cache_that_can_be_written(fs: FileSystems, each_uv: Path) -> None:
    disk = fs.image("ext4")
    (disk / "home").mkdir()
    world = World(disk / "world", each_uv, home=fs.bind(disk / "home", read_only=True))
    project = world.project(disk / "project")
    failed = world.plain("sync", cwd=project, check=False)

    world.uv("sync", cwd=project)

    assert failed.returncode == 2
    (cache,) = disk.glob(".uv-cache-*")
    (cached,) = archived(cache)
    assert same_inode(installed(project / ".venv") / "__init__.py", cached)


def test_a_bind_mount_of_the_same_device_gets_its_own_cache_or_a_copy(
    fs: FileSystems, each_uv: Path
) -> None:
    """`st_dev` is equal, link(2) refuses: only a try tells."""
    disk = fs.image("ext4")
    (disk / "work").mkdir()
    work = fs.bind(disk / "work")
    world = World(disk / "world", each_uv, home=disk / "home")
    project = world.project(work / "project")

    done = world.uv("sync", cwd=project)

    (cache,) = work.glob(".uv-cache-*")
    (cached,) = archived(cache)
    assert same_inode(installed(project / ".venv") / "__init__.py", cached)
    assert "falling back" not in done.stderr


def test_two_subvolumes_share_extents(fs: FileSystems, each_uv: Path) -> None:
    """`st_dev` differs, clones work: the default cache stays."""
    from tests.filesystems import shared_extents

    first, second = fs.subvolumes
    world = World(first / "world", each_uv, home=first / "home")
    project = world.project(second / "project")

    done = world.uv("sync", cwd=project)

    assert shared_extents(installed(project / ".venv") / "data.bin")
    assert archived(world.default_cache)
    assert "falling back" not in done.stderr


def test_a_tmpfs_never_holds_a_cache(fs: FileSystems, each_uv: Path) -> None:
    world = World(fs.ext4, each_uv)
    project = world.project(fs.tmpfs / "project")

    done = world.uv("sync", cwd=project)

    assert link_count(project / ".venv") == 1
    assert archived(world.default_cache)
    assert not list(fs.tmpfs.parent.glob(".uv-cache-*"))
    assert "falling back" not in done.stderr


def test_where_uv_alone_has_inodes_enough_so_has_the_shim(fs: FileSystems, newest_uv: Path) -> None:
    """A cache there would take as many again (uv #7642, with a quota of inodes)."""
    disk = fs.image("ext4", size=100 << 20)
    world = World(fs.ext4 / "world", newest_uv, fs.ext4 / "home")
    project = world.project(disk / "project")
    ballast = disk / "ballast"
    ballast.mkdir()
    for number in range(os.statvfs(disk).f_favail - 45):
        (ballast / str(number)).touch()

    world.uv("sync", cwd=project)

    assert (installed(project / ".venv") / "__init__.py").stat().st_nlink == 1
    assert archived(world.default_cache)


def test_offline_stays_with_the_cache_where_needs_cannot_be_told(
    fs: FileSystems, each_uv: Path
) -> None:
    far = fs.image("ext4")
    world = World(far / "world", each_uv, home=fs.other_ext4 / "home")
    project = world.project(far / "project")
    world.plain("venv", str(project / ".venv"), cwd=project)

    world.pip_install("--offline", cwd=project)

    assert archived(world.default_cache)
    assert not list(far.glob(".uv-cache-*"))


@pytest.mark.parametrize("flag", [(), ("--offline",)])
@pytest.mark.parametrize(("policy", "is_linked"), [("auto", True), ("never", False)])
def test_a_warm_cache_is_not_exchanged_for_one_that_needs_the_network(
    fs: FileSystems, each_uv: Path, flag: tuple[str, ...], policy: str, is_linked: bool
) -> None:
    """What it holds is brought over; where that is not wanted, it stays."""
    far = fs.image("ext4")
    world = World(far / "world", each_uv, home=fs.other_ext4 / "home")
    with index_of(world.wheels, far / "index") as url:
        project = world.project(
            far / "project", f'[tool.linkpolicy]\nseed = "{policy}"\n', index=url
        )
        world.plain("sync", cwd=project)
    shutil.rmtree(project / ".venv")

    done = world.uv("sync", "--frozen", *flag, cwd=project)  # nobody listens there any more

    assert (link_count(project / ".venv") > 1) is is_linked
    assert "falling back" not in done.stderr
    assert bool(list(far.glob(".uv-cache-*"))) is is_linked


def test_what_both_caches_hold_comes_from_the_one_on_the_device(
    fs: FileSystems, newest_uv: Path
) -> None:
    far = fs.image("ext4")
    world = World(far / "world", newest_uv, home=fs.other_ext4 / "home")
    with index_of(world.wheels, far / "index") as url:
        project = world.project(far / "project", index=url)
        world.uv("sync", cwd=project)  # both are cold: the device's it is
        world.plain("sync", "--reinstall", cwd=project)
    assert archived(world.default_cache)
    (cache,) = far.glob(".uv-cache-*")
    shutil.rmtree(project / ".venv")

    world.uv("sync", "--frozen", cwd=project)

    (cached,) = archived(cache)
    assert same_inode(installed(project / ".venv") / "__init__.py", cached)


def test_a_cache_that_is_a_mount_is_left_in_peace(fs: FileSystems, each_uv: Path) -> None:
    far = fs.image("ext4")
    home = fs.other_ext4 / "home"
    (home / ".cache").mkdir(parents=True)
    mount = fs.image("xfs")
    (home / ".cache" / "uv").symlink_to(mount)
    world = World(far / "world", each_uv, home=home)
    project = world.project(far / "project")

    world.uv("sync", cwd=project)

    assert not list(far.glob(".uv-cache-*"))
    assert archived(mount)


def test_a_project_that_is_the_mount_gets_a_cache_only_when_it_says_so(
    fs: FileSystems, each_uv: Path
) -> None:
    """A bind-mounted workspace: the only directory there is the project itself."""
    disk = fs.image("ext4")
    home = fs.other_ext4 / "home"
    world = World(fs.other_ext4 / "world", each_uv, home=home)
    project = world.project(disk)

    world.uv("sync", cwd=project)
    before = sorted(path.name for path in disk.glob(".uv-cache*"))
    world.project(disk, '[tool.linkpolicy]\ncache = "project"\n')
    world.uv("sync", "--reinstall", cwd=project)

    assert before == []
    (cached,) = archived(disk / ".uv-cache")
    package = next((disk / ".venv").rglob(f"site-packages/{NAME}"))
    assert same_inode(package / "__init__.py", cached)


def test_central_environments_are_left_alone(fs: FileSystems) -> None:
    """Preview of uv 0.11.25: `.venv` is a link into the cache that uv made itself."""
    far = fs.image("ext4")
    world = World(far / "world", real_uv.provide("newest") / "uv", home=fs.other_ext4 / "home")
    project = world.project(far / "project", uv='preview-features = ["centralized-project-envs"]')

    world.uv("sync", cwd=project)
    world.uv("sync", cwd=project)

    assert (project / ".venv").is_symlink()
    assert str(world.default_cache) in str((project / ".venv").resolve())
    assert not list(far.glob(".uv-cache-*"))


# Explicit choices (traps 10, 15, 19) -------------------------------------------------------------


@pytest.mark.parametrize("name", ["UV_CACHE_DIR", "UV_LINK_MODE"])
@pytest.mark.parametrize("value", ["", "bogus"])
def test_bad_values_of_the_user_reach_uv(
    fs: FileSystems, each_uv: Path, name: str, value: str
) -> None:
    world = World(fs.ext4, each_uv)
    project = world.project(fs.ext4 / "project")
    bad: dict[str, Any] = {name: value}

    shimmed = world.uv("sync", cwd=project, check=False, **bad)
    shutil.rmtree(project / ".venv", ignore_errors=True)
    shutil.rmtree(project / "bogus", ignore_errors=True)
    (project / "uv.lock").unlink(missing_ok=True)
    plain = world.plain("sync", cwd=project, check=False, **bad)

    assert shimmed.returncode == plain.returncode
    assert shimmed.stderr.splitlines()[:2] == plain.stderr.splitlines()[:2]


@pytest.mark.parametrize(
    ("words", "uv", "environ"),
    [
        pytest.param(("--link-mode", "copy"), "", {}, id="flag"),
        pytest.param((), "", {"UV_LINK_MODE": "copy"}, id="variable"),
        pytest.param((), 'link-mode = "copy"', {}, id="tool.uv"),
    ],
)
def test_an_explicit_link_mode_wins(
    fs: FileSystems, each_uv: Path, words: tuple[str, ...], uv: str, environ: dict[str, Any]
) -> None:
    world = World(fs.ext4, each_uv)
    wish = '[tool.linkpolicy]\nlink-mode = "hardlink"\n'
    project = world.project(fs.ext4 / "project", wish, uv=uv)

    world.uv("sync", *words, cwd=project, **environ)

    assert link_count(project / ".venv") == 1


@pytest.mark.parametrize(
    ("words", "uv", "environ"),
    [
        pytest.param(("--cache-dir", "{cache}"), "", {}, id="flag"),
        pytest.param((), "", {"UV_CACHE_DIR": "{cache}"}, id="variable"),
        pytest.param((), 'cache-dir = "{cache}"', {}, id="tool.uv"),
    ],
)
def test_an_explicit_cache_wins(
    fs: FileSystems, each_uv: Path, words: tuple[str, ...], uv: str, environ: dict[str, Any]
) -> None:
    far = fs.image("ext4")
    world = World(far / "world", each_uv, home=fs.other_ext4 / "home")
    cache = fs.other_ext4 / "chosen"
    project = world.project(far / "project", uv=uv.format(cache=cache))

    done = world.uv(
        "sync",
        *(word.format(cache=cache) for word in words),
        cwd=project,
        **{name: value.format(cache=cache) for name, value in environ.items()},
    )

    assert archived(cache)
    assert not list(far.glob(".uv-cache-*"))
    assert "falling back" not in done.stderr


# Other destinations ------------------------------------------------------------------------------


def test_a_tool_on_another_device_gets_a_cache_there(fs: FileSystems, each_uv: Path) -> None:
    far = fs.image("ext4")
    world = World(far / "world", each_uv, home=fs.other_ext4 / "home")

    world.uv(
        "tool", "install", "--no-index", "--find-links", str(world.wheels), NAME,
        cwd=far, UV_TOOL_DIR=str(far / "tools"), UV_TOOL_BIN_DIR=str(far / "bin"), check=False,
    )  # fmt: skip

    (cache,) = far.glob(".uv-cache-*")
    (cached,) = archived(cache)
    assert same_inode(installed(far / "tools") / "__init__.py", cached)


def test_uvx_is_left_alone(fs: FileSystems, each_uv: Path) -> None:
    far = fs.image("ext4")
    world = World(far / "world", each_uv, home=fs.other_ext4 / "home")

    done = world.uv(
        "uvx", "--no-index", "--find-links", str(world.wheels), "--from", NAME, f"{NAME}-tool",
        cwd=far,
    )  # fmt: skip

    assert done.stdout == "tool\n"
    assert archived(world.default_cache)
    assert not list(far.glob(".uv-cache-*"))


@pytest.mark.parametrize("option", ["--target", "--prefix"])
def test_a_target_on_another_device_gets_a_cache_there(
    fs: FileSystems, each_uv: Path, option: str
) -> None:
    far = fs.image("ext4")
    world = World(far / "world", each_uv, home=fs.other_ext4 / "home")
    world.uv("venv", cwd=fs.other_ext4)

    world.pip_install(option, str(far / "there"), cwd=fs.other_ext4)

    (cache,) = far.glob(".uv-cache-*")
    (cached,) = archived(cache)
    assert same_inode(installed(far / "there") / "__init__.py", cached)


# Refusal, and broken policies --------------------------------------------------------------------


def test_fallback_error_refuses_before_uv_starts(fs: FileSystems, each_uv: Path) -> None:
    world = World(fs.ext4, each_uv)
    project = world.project(fs.tmpfs / "project", '[tool.linkpolicy]\nfallback = "error"\n')

    done = world.uv("sync", cwd=project, check=False)

    assert done.returncode == 2
    assert not (project / ".venv").exists()
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "pyproject.toml:" in done.stderr


def test_a_broken_policy_warns_in_one_line_and_leaves_uv_alone(
    fs: FileSystems, each_uv: Path
) -> None:
    world = World(fs.ext4, each_uv)
    project = world.project(fs.ext4 / "project", '[tool.linkpolicy]\nhackabel = "yes"\n')

    done = world.uv("sync", cwd=project)

    ours = [line for line in done.stderr.splitlines() if line.startswith("linkpolicy:")]
    assert len(ours) == 1
    assert "`hackable`" in ours[0]
    assert "pyproject.toml:" in ours[0]
    assert installed(project / ".venv").is_dir()
