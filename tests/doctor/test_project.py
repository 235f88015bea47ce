"""What is decided here and what it costs: each fault is made, found, fixed, and gone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.doctor.checks import typed
from tests.doctor.standing import ROOT, Standing, only, write
from tests.filesystems import FileSystems, same_inode
from tests.ordinary_user import UID, as_user
from tests.uv.world import World, archived, installed
from uvx_policy.doctor.diagnostic import Diagnostic
from uvx_policy.doctor.project import CHECKS

pytestmark = [pytest.mark.uv, pytest.mark.filesystem]


def wrong(here: Standing) -> list[tuple[str, Diagnostic]]:
    """All that is not well."""
    return here.wrong(CHECKS)


def decision(here: Standing) -> str:
    return here.one(only(CHECKS, "decision")).detail


# All is well --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs"])
@pytest.mark.parametrize("before", ["nothing yet", "installed"])
def test_a_healthy_default_set_up_has_no_finding(
    fs: FileSystems, newest_uv: Path, monkeypatch: pytest.MonkeyPatch, kind: str, before: str
) -> None:
    disk: Path = getattr(fs, kind)
    world = World(disk, newest_uv)
    here = Standing(world, world.project(disk / "project"), monkeypatch)
    if before == "installed":
        world.uv("sync", cwd=here.cwd)

    assert wrong(here) == []
    assert f"`{here.cwd}/.venv` on " in decision(here)
    assert f"({kind})" in decision(here)
    assert "[same-device]" in decision(here)
    assert f"Clone: {'no' if kind == 'ext4' else 'yes'}, hard link: yes" in decision(here)
    temperature = "is warm" if before == "installed" else "is cold"
    assert temperature in here.one(only(CHECKS, "cache-cold")).detail
    room = here.one(only(CHECKS, "free-space"))
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    assert room.bytes == pytest.approx(free, abs=1 << 20)


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_a_project_on_another_disk_is_well_once_its_cache_is_filled(
    fs: FileSystems, newest_uv: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    disk = fs.image(kind)
    world = World(disk / "world", newest_uv, home=fs.other_ext4 / "home")
    here = Standing(world, world.project(disk / "project"), monkeypatch)
    world.uv("sync", cwd=here.cwd)

    assert wrong(here) == []
    assert f"from `{disk}/.uv-cache-0`" in decision(here)
    assert "[device-cache]" in decision(here)
    assert f"uv's own cache is `{world.default_cache}`" in decision(here)


@pytest.mark.parametrize("table", ["hackable = true", 'link-mode = "copy"', 'fallback = "error"'])
def test_copies_that_were_asked_for_are_no_finding(
    fs: FileSystems, newest_uv: Path, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    world = World(fs.ext4, newest_uv)
    project = world.project(fs.ext4 / "project", f"[tool.linkpolicy]\n{table}\n")
    here = Standing(world, project, monkeypatch)
    world.uv("sync", cwd=here.cwd)

    assert wrong(here) == []


def test_no_project_and_no_uv_is_no_finding(
    fs: FileSystems, newest_uv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(fs.ext4, newest_uv)
    here = Standing(world, fs.ext4, monkeypatch)
    assert wrong(here) == []
    assert "finds no project" in decision(here)

    here.environ["PATH"] = str(world.shims)
    assert [told for told in here.every(CHECKS) if told[1].status == "warn"] == []


# What cannot be told ------------------------------------------------------------------------------


@pytest.mark.fixes("decision", by="hand: its command only shows what is known")
def test_a_file_that_hides_the_destination_is_told(
    fs: FileSystems, newest_uv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(fs.ext4, newest_uv)
    here = Standing(world, world.project(fs.ext4 / "project"), monkeypatch)
    broken = write(here.cwd / "uv.toml", "link-mode = \n")

    told = here.one(only(CHECKS, "decision"))
    assert told.status == "warn"
    assert f"{broken}:1" in told.detail
    broken.unlink()

    assert wrong(here) == []


# Copies -------------------------------------------------------------------------------------------


@pytest.fixture
def elsewhere(fs: FileSystems, newest_uv: Path, monkeypatch: pytest.MonkeyPatch) -> Standing:
    """In a project that is a mount of its own: every place for a cache on it is in the project."""
    disk = fs.image("ext4")
    world = World(fs.other_ext4 / "world", newest_uv, home=fs.other_ext4 / "home")
    project = world.project(disk)
    with (project / "pyproject.toml").open("a") as stream:
        stream.write("\n# a comment of mine\n")
    return Standing(world, project, monkeypatch)


@pytest.mark.parametrize(
    "by",
    [
        pytest.param("fix", marks=pytest.mark.fixes("linking", by="fix")),
        pytest.param("typing", marks=pytest.mark.fixes("linking", by="typing")),
    ],
)
def test_a_cache_that_could_only_lie_in_the_project_is_suggested(
    elsewhere: Standing, by: str
) -> None:
    here, linking = elsewhere, only(CHECKS, "linking")
    here.world.uv("sync", cwd=here.cwd)
    package = installed(here.cwd / ".venv")
    assert (package / "data.bin").stat().st_nlink == 1

    ((name, told),) = wrong(here)
    assert (name, told.status) == ("linking", "warn")
    assert told.fix
    assert told.fix.safe
    assert told.bytes
    assert told.bytes >= 64 * 1024
    before = (here.cwd / "pyproject.toml").read_text()
    said = here.fix(linking, dry_run=True)
    assert "would" in said[0]
    assert (here.cwd / "pyproject.toml").read_text() == before
    if by == "fix":
        assert here.fix(linking)
    else:
        here.types(typed(told.fix))

    assert (here.cwd / "pyproject.toml").read_text().startswith(before)
    assert here.told(linking) == []
    assert here.fix(linking) == []
    here.world.uv("sync", "--reinstall", cwd=here.cwd)
    (cached,) = archived(here.cwd / ".uv-cache")
    assert same_inode(cached, package / "__init__.py")
    assert wrong(here) == []


@pytest.mark.parametrize("how", ["variable", "uv.toml", "[tool.uv]"])
def test_a_cache_that_was_chosen_for_uv_on_another_disk_is_told_with_a_better_one(
    fs: FileSystems, newest_uv: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    disk = fs.image("ext4")
    world = World(disk / "world", newest_uv)
    far = fs.other_ext4 / "cache"
    project = world.project(
        disk / "project", uv=f'cache-dir = "{far}"\n' if how == "[tool.uv]" else ""
    )
    here = Standing(world, project, monkeypatch)
    if how == "variable":
        here.environ["UV_CACHE_DIR"] = str(far)
    elif how == "uv.toml":
        write(world.home / ".config" / "uv" / "uv.toml", f'cache-dir = "{far}"\n')

    ((name, told),) = wrong(here)
    assert name == "linking"
    assert f"uv's own, `{world.default_cache}`, would link them" in told.detail
    origin = {"variable": "UV_CACHE_DIR", "uv.toml": "uv.toml:1", "[tool.uv]": "pyproject.toml:"}
    assert origin[how] in told.detail
    assert told.fix
    assert not told.fix.safe
    assert here.fix(only(CHECKS, "linking")) == []
    if how == "variable":
        here.types(typed(told.fix))
    elif how == "uv.toml":
        (world.home / ".config" / "uv" / "uv.toml").unlink()
    else:
        world.project(project)

    assert wrong(here) == []


def test_no_place_that_qualifies_is_told_with_each_reason(
    fs: FileSystems, newest_uv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = fs.image("ext4")
    world = World(fs.other_ext4 / "world", newest_uv, home=fs.other_ext4 / "home")
    project = world.project(disk / "project")
    here = Standing(world, project, monkeypatch)
    (project / ".uv-cache").mkdir()
    for path in (disk, project, project / ".uv-cache"):
        os.chown(path, UID, UID)

    told = here.one(only(CHECKS, "linking"))
    assert f"`{disk}/project`, on the way to it, belongs" not in told.detail
    assert "no directory on the environment's file system can hold one" in told.detail
    assert told.fix
    assert (typed(told.fix), told.fix.safe) == ("", False)
    assert here.fix(only(CHECKS, "linking")) == []
    named = disk / "project" / "mine"
    for path in (disk, project, project / ".uv-cache"):
        os.chown(path, 0, 0)
    write(world.home / ".config/linkpolicy/config.toml", f'[caches]\n"{disk}" = "{named}"\n')

    assert wrong(here) == []
    assert f"from `{named}`" in decision(here)


@pytest.mark.fixes("linking", by="typing")
def test_a_cache_of_ours_that_others_may_write_is_told_and_closed_by_typing_alone(
    fs: FileSystems, newest_uv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = fs.image("ext4")
    world = World(fs.other_ext4 / "world", newest_uv, home=fs.other_ext4 / "home")
    here = Standing(world, world.project(disk / "project"), monkeypatch)
    (here.cwd / ".uv-cache").write_text("in the way of what would be suggested first")
    cache = disk / ".uv-cache-0"
    cache.mkdir()
    cache.chmod(0o777)

    told = here.one(only(CHECKS, "linking"))
    assert f"`{cache}`: everybody can write to it (mode 0777)" in told.detail
    assert told.fix
    assert not told.fix.safe
    assert here.fix(only(CHECKS, "linking")) == []
    here.types(typed(told.fix))

    assert wrong(here) == []
    assert f"from `{cache}`" in decision(here)


@pytest.mark.parametrize("fault", ["mode", "owner"])
@pytest.mark.fixes("linking", by="typing")
def test_a_cache_of_ours_that_can_be_fixed_is_no_reason_to_write_settings(
    fs: FileSystems, newest_uv: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    disk = fs.image("ext4")
    world = World(fs.other_ext4 / "world", newest_uv, home=fs.other_ext4 / "home")
    here = Standing(world, world.project(disk / "project"), monkeypatch)
    world.uv("sync", cwd=here.cwd)
    cache = disk / ".uv-cache-0"
    before = (here.cwd / "pyproject.toml").read_text()
    if fault == "mode":
        cache.chmod(0o777)
    else:
        subprocess.run(["chown", "-R", f"{UID}:{UID}", cache], check=True)

    told = here.one(only(CHECKS, "linking"))
    assert here.fix(only(CHECKS, "linking")) == []
    assert told.fix
    assert not told.fix.safe
    here.types(typed(told.fix))

    assert wrong(here) == []
    assert f"from `{cache}`" in decision(here)
    assert (here.cwd / "pyproject.toml").read_text() == before


@pytest.mark.fixes("linking", by="typing")
def test_a_disk_that_a_group_may_write_is_told_and_what_to_type(
    fs: FileSystems, newest_uv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = fs.image("ext4")
    world = World(fs.other_ext4 / "world", newest_uv, home=fs.other_ext4 / "home")
    here = Standing(world, world.project(disk / "project"), monkeypatch)
    (here.cwd / ".uv-cache").write_text("in the way of what would be suggested first")
    os.chown(disk, -1, UID)
    disk.chmod(0o775)

    told = here.one(only(CHECKS, "linking"))
    assert f"`{disk}`, on the way to it, is writable by group {UID}" in told.detail
    assert told.fix
    assert typed(told.fix) == f"chmod +t {disk}"
    here.types(typed(told.fix))

    assert wrong(here) == []
    assert f"from `{disk}/.uv-cache-0`" in decision(here)


@pytest.mark.fixes("linking", by="typing")
def test_a_cache_that_is_a_mount_of_its_own_is_not_left_but_told(
    fs: FileSystems, newest_uv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(fs.ext4, newest_uv)
    here = Standing(world, world.project(fs.ext4 / "project"), monkeypatch)
    mounted = fs.bind(fs.other_ext4)
    world.default_cache.parent.mkdir(parents=True)
    world.default_cache.mkdir()
    subprocess.run(["mount", "--bind", mounted, world.default_cache], check=True)
    try:
        told = here.one(only(CHECKS, "linking"))
        assert "a mount of its own" in told.detail
        assert told.fix
        assert typed(told.fix) == "linkpolicy init --cache project"
        here.types(typed(told.fix))
        assert here.told(only(CHECKS, "linking")) == []
    finally:
        subprocess.run(["umount", world.default_cache], check=True)


def test_a_cache_of_caches_is_used_instead_of_one_that_is_a_mount_of_its_own(
    fs: FileSystems, newest_uv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dev container: the cache is a volume, the project lies on another."""
    disk = fs.image("ext4")
    world = World(fs.ext4, newest_uv)
    here = Standing(world, world.project(disk / "project"), monkeypatch)
    mounted = fs.bind(fs.other_ext4)
    world.default_cache.mkdir(parents=True)
    subprocess.run(["mount", "--bind", mounted, world.default_cache], check=True)
    named = disk / "named"
    write(world.home / ".config/linkpolicy/config.toml", f'[caches]\n"{disk}" = "{named}"\n')
    try:
        world.uv("sync", cwd=here.cwd)

        (cached,) = archived(named)
        assert same_inode(installed(here.cwd / ".venv") / "__init__.py", cached)
        assert f"from `{named}`" in decision(here)
        assert here.told(only(CHECKS, "linking")) == []
    finally:
        subprocess.run(["umount", world.default_cache], check=True)


# Cold ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("offline", [False, True])
@pytest.mark.fixes("cache-cold", by="typing")
def test_a_cold_cache_beside_a_warm_one_is_told_and_filled(
    fs: FileSystems, newest_uv: Path, monkeypatch: pytest.MonkeyPatch, offline: bool
) -> None:
    disk = fs.image("ext4")
    world = World(disk / "world", newest_uv, home=fs.other_ext4 / "home")
    here = Standing(world, world.project(disk / "project"), monkeypatch)
    world.plain("sync", cwd=here.cwd)
    assert archived(world.default_cache)
    if offline:
        # What a workspace needs cannot be told without its lock file.
        (here.cwd / "uv.lock").unlink()
        with (here.cwd / "pyproject.toml").open("a") as stream:
            stream.write("[tool.uv.workspace]\nmembers = []\n")
        here.environ["UV_OFFLINE"] = "1"

    ((name, told),) = wrong(here)
    assert name == "cache-cold"
    assert told.paths == (f"{disk}/.uv-cache-0",)
    assert ("offline" in told.detail) is offline
    assert "copies" not in told.detail
    assert told.fix
    here.types(typed(told.fix))

    assert archived(disk / ".uv-cache-0")
    assert wrong(here) == []


# A cache that cannot be used ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "by",
    [
        pytest.param("fix", marks=pytest.mark.fixes("cache-makeable", by="fix")),
        pytest.param("typing", marks=pytest.mark.fixes("cache-makeable", by="typing")),
    ],
)
def test_a_cache_behind_a_dangling_link_is_made(
    fs: FileSystems, newest_uv: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    world = World(fs.ext4, newest_uv)
    here = Standing(world, world.project(fs.ext4 / "project"), monkeypatch)
    world.default_cache.parent.mkdir(parents=True)
    world.default_cache.symlink_to(fs.ext4 / "gone")
    assert world.plain("sync", cwd=here.cwd, check=False).returncode

    usable = only(CHECKS, "cache-makeable")
    told = here.one(usable)
    assert told.fix
    assert told.fix.safe
    assert here.fix(usable, dry_run=True) == [f"would make `{fs.ext4 / 'gone'}`"]
    assert not (fs.ext4 / "gone").exists()
    if by == "fix":
        here.fix(usable)
    else:
        here.types(typed(told.fix))

    assert wrong(here) == []
    world.plain("sync", cwd=here.cwd)


def test_a_cache_on_a_disk_that_is_not_mounted_is_not_made_by_itself(
    fs: FileSystems, newest_uv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(fs.ext4, newest_uv)
    here = Standing(world, world.project(fs.ext4 / "project"), monkeypatch)
    world.default_cache.parent.mkdir(parents=True)
    world.default_cache.symlink_to(fs.ext4 / "disk" / "cache")

    told = here.one(only(CHECKS, "cache-makeable"))
    assert told.fix
    assert not told.fix.safe
    assert here.fix(only(CHECKS, "cache-makeable")) == []
    here.types(typed(told.fix))

    assert wrong(here) == []


@pytest.mark.fixes("cache-makeable", by="typing")
def test_a_file_in_the_place_of_the_cache_is_put_aside(
    fs: FileSystems, newest_uv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(fs.ext4, newest_uv)
    here = Standing(world, world.project(fs.ext4 / "project"), monkeypatch)
    write(world.default_cache, "no cache")

    told = here.one(only(CHECKS, "cache-makeable"))
    assert told.fix
    here.types(typed(told.fix))

    assert wrong(here) == []


def test_a_cache_below_a_read_only_mount_is_told_and_named_elsewhere(
    fs: FileSystems, newest_uv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_only = fs.bind(fs.ext4, read_only=True)
    world = World(fs.ext4 / "world", newest_uv)
    here = Standing(world, world.project(fs.ext4 / "project"), monkeypatch)
    here.environ["UV_CACHE_DIR"] = str(read_only / "cache")

    told = here.one(only(CHECKS, "cache-makeable"))
    assert told.status == "fail"
    assert "is mounted read-only" in told.detail
    here.environ["UV_CACHE_DIR"] = str(fs.ext4 / "cache")

    assert here.told(only(CHECKS, "cache-makeable")) == []


_ORDINARY = textwrap.dedent("""
    import json, os, sys
    sys.path.insert(0, sys.argv[1])
    from uvx_policy.doctor.case import Case
    from uvx_policy.doctor.project import CHECKS

    def case():
        return Case(environ=dict(os.environ), cwd=os.getcwd())

    (check,) = [check for check in CHECKS if check.id == "cache-makeable"]
    before = [
        {
            "status": told.status, "detail": told.detail,
            "command": str(*told.fix.commands), "safe": told.fix.safe,
        }
        for told in check.look(case())
    ]
    deeds = check.fix(case()) if sys.argv[2] == "fix" else []
    done = [line for deed in deeds for line in deed.do()]
    if sys.argv[2] == "type":
        os.system(before[0]["command"])
    after = [told.detail for told in check.look(case())]
    print(json.dumps([before, done, after]))
""")


@pytest.mark.parametrize("how", ["fix", "type"])
def test_a_directory_of_ours_without_the_right_to_make_the_cache_gets_it(
    fs: FileSystems, newest_uv: Path, how: str
) -> None:
    world = World(fs.ext4, newest_uv)
    project = world.project(fs.ext4 / "project")
    closed = world.default_cache.parent
    closed.mkdir(parents=True)
    subprocess.run(["chown", "-R", f"{UID}:{UID}", fs.ext4], check=True)
    closed.chmod(0o500)

    done = subprocess.run(
        as_user([sys.executable, "-c", _ORDINARY, str(ROOT), how]),
        cwd=project, env=world.environ(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    before, lines, after = json.loads(done.stdout)

    assert before[0]["safe"]
    assert before[0]["status"] == (
        "fail" if before[0]["detail"].endswith("fails here.") else "warn"
    )
    assert lines == ([f"let you write `{closed}`"] if how == "fix" else [])
    assert after == []
    assert closed.stat().st_mode & 0o7777 == 0o700


# Room ---------------------------------------------------------------------------------------------


@pytest.mark.fixes("free-space", by="hand: what to delete only people know")
def test_a_full_disk_is_told_and_gone_when_there_is_room(
    fs: FileSystems, newest_uv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = fs.image("ext4", size=128 * 1024 * 1024)
    world = World(disk / "world", newest_uv, home=fs.other_ext4 / "home")
    here = Standing(world, world.project(disk / "project"), monkeypatch)
    world.uv("sync", cwd=here.cwd)
    assert wrong(here) == []
    # A cache in use is no place any more when the disk is full: uv's own takes over.
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    with (disk / "film").open("wb") as stream:
        os.posix_fallocate(stream.fileno(), 0, free - 8 * 1024 * 1024)

    told = here.one(only(CHECKS, "free-space"))
    assert told.bytes is not None
    assert 0 <= told.bytes <= 8 * 1024 * 1024
    assert "MiB are free there" in here.one(only(CHECKS, "linking")).detail
    (disk / "film").unlink()

    assert wrong(here) == []
