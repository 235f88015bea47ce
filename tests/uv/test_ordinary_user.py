"""The main jobs for somebody who is not root, and what root must not do to other people's files.

The suite is root, users are not: here every uv runs as a user without privileges (a few tests as
root under sudo), on disks whose directories belong to root, to the user, or to a third one.
"""

from __future__ import annotations

import os
import re
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import real_uv
from tests.filesystems import FileSystems, same_inode
from tests.ordinary_user import OTHER_UID, UID
from tests.uv.world import World, archived, installed

pytestmark = [pytest.mark.uv, pytest.mark.filesystem]


@pytest.fixture(params=[real_uv.SUPPORTED[0], real_uv.SUPPORTED[-1]], ids=["oldest", "newest"])
def uv(request: pytest.FixtureRequest) -> Path:
    return real_uv.provide(request.param) / "uv"


@pytest.fixture
def disk(fs: FileSystems) -> Path:
    """A disk of the test's own; its root belongs to root, as `mount` leaves it."""
    mount = fs.image("ext4", size=200 << 20)
    (mount / "lost+found").rmdir()
    assert (mount.stat().st_uid, stat.S_IMODE(mount.stat().st_mode)) == (0, 0o755)
    return mount


@pytest.fixture
def world(fs: FileSystems, uv: Path) -> World:
    """Home and uv's own cache are on another disk than `disk`."""
    return World(fs.ext4 / "world", uv, fs.ext4 / "home", uid=UID)


def names(directory: Path) -> list[str]:
    return sorted(os.listdir(directory))


def ownership(path: Path) -> tuple[int, int]:
    told = path.lstat()
    return told.st_uid, stat.S_IMODE(told.st_mode)


def tree(directory: Path) -> dict[str, tuple[object, ...]]:
    """Everything that a change would change."""
    found: dict[str, tuple[object, ...]] = {}
    for path in (directory, *directory.rglob("*")):
        told = path.lstat()
        found[str(path)] = (told.st_ino, told.st_mode, told.st_uid, told.st_nlink, told.st_mtime_ns)
    return found


def links_from(cache: Path, environment: Path) -> bool:
    (cached,) = archived(cache)
    return same_inode(installed(environment) / "__init__.py", cached)


def is_quiet_copy(environment: Path, done: subprocess.CompletedProcess[str]) -> bool:
    module = installed(environment) / "__init__.py"
    assert "linkpolicy:" not in done.stderr
    return module.stat().st_nlink == 1 and "falling back" not in done.stderr


def everything_belongs_to(uid: int, directory: Path) -> bool:
    return {path.lstat().st_uid for path in (directory, *directory.rglob("*"))} == {uid}


# The user's own places ---------------------------------------------------------------------------


def test_on_the_device_of_the_home_uvs_own_cache_links(world: World, fs: FileSystems) -> None:
    work = world.own_directory(fs.ext4 / "work")
    project = world.project(work / "project")

    world.uv("sync", cwd=project)

    assert links_from(world.default_cache, project / ".venv")
    assert names(work) == ["project"]
    assert names(project) == [".venv", "pyproject.toml", "uv.lock"]
    assert everything_belongs_to(UID, project)
    assert everything_belongs_to(UID, world.home)


def test_a_directory_of_the_user_on_another_disk_gets_a_cache_of_its_own(
    world: World, disk: Path
) -> None:
    me = world.own_directory(disk / "me")
    project = world.project(me / "code" / "project")
    world.give(me)

    world.uv("sync", cwd=project)

    cache = me / f".uv-cache-{UID}"
    assert links_from(cache, project / ".venv")
    assert ownership(cache) == (UID, 0o700)
    assert everything_belongs_to(UID, cache)
    assert not archived(world.default_cache)
    assert names(disk) == ["me"]
    assert names(me) == [f".uv-cache-{UID}", "code"]
    assert names(me / "code") == ["project"]


def test_the_second_project_uses_the_same_cache(world: World, disk: Path) -> None:
    me = world.own_directory(disk / "me")
    first, second = world.project(me / "first"), world.project(me / "second")

    world.uv("sync", cwd=first)
    world.uv("sync", cwd=second)

    assert links_from(me / f".uv-cache-{UID}", second / ".venv")
    assert names(me) == [f".uv-cache-{UID}", "first", "second"]


def test_a_sticky_root_for_everybody_holds_a_cache_of_each_user(
    world: World, disk: Path, fs: FileSystems, uv: Path
) -> None:
    disk.chmod(0o1777)
    other = World(fs.ext4 / "other-world", uv, fs.ext4 / "other-home", uid=OTHER_UID)
    for each in (world, other):
        project = each.project(each.own_directory(disk / str(each.uid)) / "project")
        each.uv("sync", cwd=project)
        assert links_from(disk / f".uv-cache-{each.uid}", project / ".venv")

    assert [ownership(disk / f".uv-cache-{uid}") for uid in (UID, OTHER_UID)] == [
        (UID, 0o700),
        (OTHER_UID, 0o700),
    ]
    assert names(disk) == [".uv-cache-12345", ".uv-cache-12346", "12345", "12346"]


def test_a_root_where_everybody_may_exchange_things_holds_no_cache(
    world: World, disk: Path
) -> None:
    disk.chmod(0o777)
    me = world.own_directory(disk / "me")
    project = world.project(me / "project")

    done = world.uv("sync", cwd=project)

    assert is_quiet_copy(project / ".venv", done)
    assert archived(world.default_cache)
    assert (names(disk), names(me)) == (["me"], ["project"])


@pytest.mark.parametrize(
    ("group", "mode"),
    [
        pytest.param(0, 0o1777, id="sticky, as /tmp"),
        pytest.param(0, 0o777, id="for everybody"),
        pytest.param(UID, 0o2775, id="for the user's group"),
    ],
)
def test_a_directory_that_users_share_below_the_root_holds_no_cache(
    world: World, disk: Path, group: int, mode: int
) -> None:
    """Only the root of a disk is for all its users; elsewhere the user's own directory counts."""
    shared = disk / "shared"
    shared.mkdir()
    os.chown(shared, 0, group)
    shared.chmod(mode)
    project = world.project(shared / "project")

    done = world.uv("sync", cwd=project)

    assert is_quiet_copy(project / ".venv", done)
    assert (names(disk), names(shared)) == (["shared"], ["project"])


@pytest.mark.parametrize("where", [".", "project"], ids=["the mount is the project", "below it"])
def test_where_nothing_above_the_project_is_the_users_uv_copies_quietly(
    world: World, disk: Path, where: str
) -> None:
    project = world.project(disk / where)
    before = names(disk)

    done = world.uv("sync", cwd=project)

    assert is_quiet_copy(project / ".venv", done)
    assert archived(world.default_cache)
    assert names(project) == sorted(
        {".venv", "pyproject.toml", "uv.lock", *(before if where == "." else ())}
    )
    assert names(disk) == (before if where != "." else names(project))


def test_a_read_only_home_is_made_up_for_by_a_cache_beside_the_projects(
    fs: FileSystems, disk: Path, uv: Path
) -> None:
    (fs.ext4 / "home").mkdir()
    os.chown(fs.ext4 / "home", UID, UID)
    home = fs.bind(fs.ext4 / "home", read_only=True)
    world = ReadOnlyHome(fs.ext4 / "world", uv, home, uid=UID)
    project = world.project(world.own_directory(disk / "me") / "project")
    failed = world.plain("sync", cwd=project, check=False)

    done = world.uv("sync", cwd=project)

    assert failed.returncode == 2
    assert links_from(disk / "me" / f".uv-cache-{UID}", project / ".venv")
    assert "linkpolicy:" not in done.stderr
    assert names(fs.ext4 / "home") == []


def test_a_read_only_home_and_nothing_above_the_project_leave_the_project_itself(
    fs: FileSystems, disk: Path, uv: Path
) -> None:
    (fs.ext4 / "home").mkdir()
    home = fs.bind(fs.ext4 / "home", read_only=True)
    world = ReadOnlyHome(fs.ext4 / "world", uv, home, uid=UID)
    project = world.project(disk / "project")

    world.uv("sync", cwd=project)

    assert links_from(project / ".uv-cache", project / ".venv")
    assert ownership(project / ".uv-cache") == (UID, 0o700)
    assert names(disk) == ["project"]
    assert names(project) == [".uv-cache", ".venv", "pyproject.toml", "uv.lock"]


class ReadOnlyHome(World):
    def give(self, *paths: Path) -> None:
        super().give(*(path for path in paths if path != self.home))


def test_a_home_of_root_is_no_home_for_a_cache(fs: FileSystems, disk: Path, uv: Path) -> None:
    """`su` and containers leave HOME=/root behind."""
    (fs.ext4 / "home").mkdir(mode=0o700)
    world = ReadOnlyHome(fs.ext4 / "world", uv, fs.ext4 / "home", uid=UID)
    me = world.own_directory(disk / "me")
    project = world.project(me / "project")

    world.uv("sync", cwd=project, check=False)

    assert names(fs.ext4 / "home") == []
    assert names(disk) == ["me"]


# Hackable projects, tools and targets ------------------------------------------------------------


def test_a_hackable_project_of_a_user_shares_nothing(world: World, fs: FileSystems) -> None:
    work = world.own_directory(fs.ext4 / "work")
    project = world.project(work / "project", "[tool.linkpolicy]\nhackable = true\n")

    world.uv("sync", cwd=project)

    assert (installed(project / ".venv") / "__init__.py").stat().st_nlink == 1


def test_a_symlinked_environment_of_a_user_is_kept(world: World, disk: Path) -> None:
    me = world.own_directory(disk / "me")
    project = world.project(me / "project")
    (project / ".venv").symlink_to(me / "environment")

    world.uv("sync", cwd=project)

    assert (project / ".venv").is_symlink()
    assert everything_belongs_to(UID, me / "environment")
    assert links_from(me / f".uv-cache-{UID}", project / ".venv")


def test_a_link_to_where_the_user_may_not_write_is_left_to_uv(world: World, disk: Path) -> None:
    me = world.own_directory(disk / "me")
    project = world.project(me / "project")
    (disk / "roots").mkdir()
    (project / ".venv").symlink_to(disk / "roots" / "environment")

    done = world.uv("sync", cwd=project, check=False)

    ours = [line for line in done.stderr.splitlines() if line.startswith("linkpolicy:")]
    assert len(ours) <= 1
    assert names(disk / "roots") == []
    assert (project / ".venv").is_symlink() or (project / ".venv").is_dir()


# Other people's things ---------------------------------------------------------------------------


@pytest.mark.parametrize("owner", [0, OTHER_UID], ids=["root", "another user"])
def test_a_cache_of_that_name_that_is_not_the_users_is_left_in_peace(
    world: World, disk: Path, owner: int
) -> None:
    me = world.own_directory(disk / "me")
    project = world.project(me / "project")
    foreign = me / f".uv-cache-{UID}"
    (foreign / "archive-v0").mkdir(parents=True)
    (foreign / "archive-v0").chmod(0o777)
    foreign.chmod(0o777)
    for path in (foreign, foreign / "archive-v0"):
        os.chown(path, owner, owner)
    before = tree(foreign)

    done = world.uv("sync", cwd=project)

    assert is_quiet_copy(project / ".venv", done)
    assert tree(foreign) == before
    assert names(me) == [f".uv-cache-{UID}", "project"]


def test_a_name_taken_in_a_sticky_root_sends_the_user_to_their_own_directory(
    world: World, disk: Path
) -> None:
    disk.chmod(0o1777)
    squatted = disk / f".uv-cache-{UID}"
    squatted.mkdir(mode=0o777)
    os.chown(squatted, OTHER_UID, OTHER_UID)
    before = tree(squatted)
    me = world.own_directory(disk / "me")
    project = world.project(me / "project")

    world.uv("sync", cwd=project)

    assert links_from(me / f".uv-cache-{UID}", project / ".venv")
    assert tree(squatted) == before


def test_the_user_never_writes_into_anothers_project(world: World, disk: Path) -> None:
    other = disk / "other"
    World.project(world, other / "project")
    for path in (other, *other.rglob("*")):
        os.chown(path, OTHER_UID, OTHER_UID)
    before = tree(disk)

    done = world.uv("sync", cwd=other / "project", check=False)

    assert done.returncode != 0
    assert tree(disk) == before


@pytest.mark.skipif(
    Path("/proc/sys/fs/protected_hardlinks").read_bytes() != b"1\n",
    reason="fs.protected_hardlinks is off on this machine",
)
def test_files_of_root_in_the_users_cache_cannot_be_linked_and_are_copied(
    world: World, fs: FileSystems
) -> None:
    """`sudo uv` with the user's HOME leaves them: link(2) says EPERM for a stranger's file."""
    work = world.own_directory(fs.ext4 / "work")
    first, second = world.project(work / "first"), world.project(work / "second")
    world.uv("sync", cwd=first)
    archives = world.default_cache / "archive-v0"
    for path in archives.rglob("*"):
        os.chown(path, 0, 0)
    before = tree(archives)

    world.uv("sync", cwd=second)

    module = installed(second / ".venv") / "__init__.py"
    assert (module.stat().st_nlink, module.stat().st_uid) == (1, UID)
    assert tree(archives) == before


# What the user may not see or write ---------------------------------------------------------------


def closed_directory(_: World, project: Path) -> None:
    project.chmod(0o700)
    os.chown(project, 0, 0)


def unreadable_directory(_: World, project: Path) -> None:
    project.chmod(0o711)
    os.chown(project, 0, 0)


def closed_parent(_: World, project: Path) -> None:
    project.parent.chmod(0o700)
    os.chown(project.parent, 0, 0)


def unreadable_pyproject(_: World, project: Path) -> None:
    (project / "pyproject.toml").chmod(0o600)
    os.chown(project / "pyproject.toml", 0, 0)


def closed_environment(_: World, project: Path) -> None:
    (project / ".venv").mkdir(mode=0o700)


def environment_of_root(world: World, project: Path) -> None:
    World.uv(world, "venv", cwd=project, shim=False)


def closed_home(world: World, _: Path) -> None:
    world.home.chmod(0o700)
    os.chown(world.home, 0, 0)


def unreadable_uv_settings(world: World, _: Path) -> None:
    settings = world.home / ".config" / "uv" / "uv.toml"
    settings.parent.mkdir(parents=True)
    settings.touch(mode=0o600)


@pytest.mark.parametrize("words", [("sync",), ("venv",), ("pip", "install", "tinypkg")])
@pytest.mark.parametrize(
    "shut",
    [
        closed_directory, unreadable_directory, closed_parent, unreadable_pyproject,
        closed_environment, environment_of_root, closed_home, unreadable_uv_settings,
    ],
    ids=lambda shut: shut.__name__,
)  # fmt: skip
def test_where_the_user_is_shut_out_uv_says_so_and_nobody_else(
    fs: FileSystems, shut: Callable[[World, Path], None], words: tuple[str, ...]
) -> None:
    real = real_uv.provide(real_uv.SUPPORTED[-1]) / "uv"
    told = []
    for name in ("plain", "shim"):
        world = World(fs.ext4 / name / "world", real, fs.ext4 / name / "home", uid=UID)
        project = world.project(world.own_directory(fs.ext4 / name / "work") / "project")
        shut(world, project)
        done = world.uv(*words, cwd=project, check=False, shim=name == "shim")
        told.append((done.returncode, re.sub(rf"/{name}/|\b[\d.]+m?s\b", "", done.stderr)))

    assert told[0] == told[1]


@pytest.mark.parametrize("mode", [0o600, 0o666], ids=["unreadable", "for everybody"])
def test_a_config_that_the_user_cannot_trust_is_told_and_not_used(
    world: World, fs: FileSystems, mode: int
) -> None:
    config = world.home / ".config" / "linkpolicy" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text("[defaults]\nhackable = true\n")
    config.chmod(mode)
    project = world.project(world.own_directory(fs.ext4 / "work") / "project")

    done = world.uv("sync", cwd=project)

    (line,) = [line for line in done.stderr.splitlines() if line.startswith("linkpolicy:")]
    assert str(config) in line
    assert links_from(world.default_cache, project / ".venv")


def test_a_state_directory_of_root_costs_the_memory_only(world: World, fs: FileSystems) -> None:
    state = world.home / ".local" / "state"
    state.mkdir(parents=True)
    state.chmod(0o700)
    project = world.project(
        world.own_directory(fs.ext4 / "work") / "project", "[tool.linkpolicy]\nhackable = true\n"
    )

    done = world.uv("sync", cwd=project)

    assert "linkpolicy:" not in done.stderr
    assert (installed(project / ".venv") / "__init__.py").stat().st_nlink == 1
    assert names(state) == []


# Root for somebody else --------------------------------------------------------------------------


SUDO: dict[str, Any] = {
    "SUDO_UID": str(UID),
    "SUDO_GID": str(UID),
    "SUDO_USER": "me",
    "SUDO_COMMAND": "uv sync",
}


def test_under_sudo_nothing_of_roots_appears_in_the_users_directories(
    fs: FileSystems, disk: Path, uv: Path
) -> None:
    home = fs.ext4 / "root-home"
    user = World(fs.ext4 / "world", uv, fs.ext4 / "home", uid=UID)
    me = user.own_directory(disk / "me")
    project = user.project(me / "project")
    root = World(fs.ext4 / "root-world", uv, home)

    root.uv("sync", cwd=project, **SUDO)

    cache = disk / ".uv-cache-0"
    assert names(me) == ["project"]
    assert names(user.home) == []
    assert names(disk) == [".uv-cache-0", "me"]
    assert links_from(cache, project / ".venv")
    assert ownership(cache) == (0, 0o700)


def test_under_sudo_a_disk_of_the_user_gets_no_cache_of_root(
    fs: FileSystems, disk: Path, uv: Path
) -> None:
    os.chown(disk, UID, UID)
    user = World(fs.ext4 / "world", uv, fs.ext4 / "home", uid=UID)
    cache = user.own_directory(disk / f".uv-cache-{UID}")
    project = user.project(disk / "code" / "project")
    before = tree(cache)
    root = World(fs.ext4 / "root-world", uv, fs.ext4 / "root-home")

    done = root.uv("sync", cwd=project, **SUDO)

    assert is_quiet_copy(project / ".venv", done)
    assert tree(cache) == before
    assert names(disk) == [f".uv-cache-{UID}", "code"]


@pytest.mark.parametrize("exists", [True, False], ids=["the user has one", "the user has none"])
def test_under_sudo_the_users_project_gets_no_cache_of_root(
    fs: FileSystems, disk: Path, uv: Path, exists: bool
) -> None:
    user = World(fs.ext4 / "world", uv, fs.ext4 / "home", uid=UID)
    project = user.project(disk / "project", '[tool.linkpolicy]\ncache = "project"\n')
    own = project / ".uv-cache"
    if exists:
        user.own_directory(own)
    before = tree(own) if exists else {}
    root = World(fs.ext4 / "root-world", uv, fs.ext4 / "root-home")

    root.uv("sync", cwd=project, **SUDO)

    assert own.exists() == exists
    assert (tree(own) if exists else {}) == before
    assert links_from(disk / ".uv-cache-0", project / ".venv")


@pytest.mark.parametrize("exists", ["", ".local/state", ".local/state/linkpolicy"])
def test_under_sudo_with_the_users_home_nothing_of_roots_is_remembered_there(
    fs: FileSystems, disk: Path, uv: Path, exists: str
) -> None:
    """`sudo -E`, or a sudoers file that keeps HOME: what root leaves there, the user cannot use."""
    user = World(fs.ext4 / "world", uv, fs.ext4 / "home", uid=UID)
    (user.home / exists).mkdir(parents=True, exist_ok=True)
    user.give(user.home)
    before = sorted(user.home.rglob("*"))
    project = user.project(user.own_directory(disk / "me") / "project")
    root = World(fs.ext4 / "root-world", uv, user.home)

    root.uv("sync", cwd=project, **SUDO)

    # uv's own cache in that home is uv's business.
    ours = [path for path in user.home.rglob("*") if ".cache" not in path.parts]
    assert {path.lstat().st_uid for path in ours} <= {UID}
    assert sorted(ours) == before
