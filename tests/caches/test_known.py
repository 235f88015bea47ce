"""Every cache that somebody named, or that linkpolicy made, is found; nothing else is."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.caches.machine import Machine
from tests.filesystems import FileSystems
from tests.ordinary_user import UID
from uvx_policy.filesystem.mounts import read_mount_table
from uvx_policy.host import Host
from uvx_policy.machine import caches as known
from uvx_policy.machine.caches import Cache
from uvx_policy.state import layout, register
from uvx_policy.state.register import Environment

pytestmark = [pytest.mark.filesystem]

NAME = layout.device_cache_name(str(os.geteuid()))


def state_directory() -> str:
    return layout.state_home(dict(os.environ), "linux")


def caches(*, uid: int | None = None) -> dict[str, Cache]:
    host = Host(environ=dict(os.environ))
    host.uid = host.uid if uid is None else uid
    table = read_mount_table(host)
    found = list(
        known.known_caches(os.environ, list(register.known(state_directory())), host, table)
    )
    assert len({cache.path for cache in found}) == len(found)
    return {cache.path: cache for cache in found}


def remember(path: Path, cache: Path | str = "", project: Path | str = "") -> None:
    environment = Environment(
        path=str(path), cache=str(cache), project=str(project), seen=int(time.time())
    )
    register.remember(state_directory(), environment)


def test_uvs_own_cache_is_known_before_it_exists(machine: Machine) -> None:
    (found,) = caches().values()

    assert (found.path, found.origin) == (str(machine.world.default_cache), "uv's default")
    assert not found.exists
    assert found.problem == ""


def test_where_a_cache_lies_and_whose_it_is(machine: Machine, fs: FileSystems) -> None:
    machine.world.default_cache.mkdir(parents=True, mode=0o750)

    found = caches()[str(machine.world.default_cache)]

    told = machine.world.default_cache.stat()
    assert (found.st_dev, found.inode, found.owner) == (told.st_dev, told.st_ino, 0)
    assert (found.mode, found.file_system, found.problem) == (0o750, "ext4", "")
    assert fs.ext4.is_relative_to(found.mount_point)
    assert found.source.startswith("/dev/loop")
    assert found.device == f"{os.major(told.st_dev)}:{os.minor(told.st_dev)}"


def test_a_cache_that_a_variable_names(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    named = machine.world.base / "named"
    monkeypatch.setenv("UV_CACHE_DIR", str(named))

    assert caches()[str(named)].origins == ("UV_CACHE_DIR",)


def test_a_cache_that_uvs_own_configuration_names(machine: Machine) -> None:
    file = machine.world.home / ".config" / "uv" / "uv.toml"
    file.parent.mkdir(parents=True)
    file.write_text(f'\ncache-dir = "{machine.world.base}/in-file"\n')

    assert caches()[f"{machine.world.base}/in-file"].origins == (f"{file}:2",)


def test_the_users_caches_for_file_systems(machine: Machine, disk: Path) -> None:
    file = machine.world.home / ".config" / "linkpolicy" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text(f'[caches]\n"{disk}" = "{disk}/mine"\n')

    assert caches()[f"{disk}/mine"].origins == (f"{file}:2",)


def test_faults_in_settings_hide_no_other_cache(machine: Machine) -> None:
    for name in ("linkpolicy/config.toml", "uv/uv.toml"):
        file = machine.world.home / ".config" / name
        file.parent.mkdir(parents=True)
        file.write_text("= no TOML")

    assert list(caches()) == [str(machine.world.default_cache)]


@pytest.mark.usefixtures("machine")
def test_the_cache_of_a_device_at_its_root(disk: Path) -> None:
    (disk / NAME).mkdir(mode=0o700)
    (disk / layout.device_cache_name(str(UID))).mkdir()

    (_, found) = caches().values()

    assert (found.path, found.origins) == (str(disk / NAME), ("device cache",))


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("above", ["me", "users/me"])
def test_the_cache_of_a_device_in_the_topmost_directory_of_the_user(disk: Path, above: str) -> None:
    mine = disk / above
    mine.mkdir(parents=True)
    cache = mine / layout.device_cache_name(str(UID))
    cache.mkdir(mode=0o700)
    for path in (mine, cache):
        os.chown(path, UID, UID)

    assert caches(uid=UID)[str(cache)].origins == ("device cache",)


@pytest.mark.usefixtures("machine")
def test_the_cache_of_a_device_on_the_way_to_a_remembered_environment(disk: Path) -> None:
    deep = disk / "a" / "b" / "c"
    cache = deep / layout.device_cache_name(str(UID))
    cache.mkdir(parents=True, mode=0o700)
    os.chown(cache, UID, UID)
    assert str(cache) not in caches(uid=UID)

    remember(deep / "project" / ".venv")

    assert str(cache) in caches(uid=UID)


def test_no_cache_of_a_device_is_looked_for_in_memory(machine: Machine, fs: FileSystems) -> None:
    root = next(path for path in fs.tmpfs.parents if path.is_mount())
    try:
        (root / NAME).mkdir()

        assert list(caches()) == [str(machine.world.default_cache)]
    finally:
        (root / NAME).rmdir()


def test_a_symbolic_link_of_that_name_is_no_cache_of_ours(machine: Machine, disk: Path) -> None:
    (disk / "bait").mkdir()
    (disk / NAME).symlink_to("bait")

    assert list(caches()) == [str(machine.world.default_cache)]


def test_the_cache_of_a_project(machine: Machine) -> None:
    workspace = machine.world.base / "workspace"
    member = workspace / "packages" / "member"
    member.mkdir(parents=True)
    (workspace / "pyproject.toml").touch()
    (workspace / ".uv-cache").mkdir()
    (member / ".uv-cache").mkdir()  # not beside a pyproject.toml
    remember(workspace / ".venv", project=member)

    assert caches()[str(workspace / ".uv-cache")].origins == ("project cache",)
    assert str(member / ".uv-cache") not in caches()


def test_caches_of_remembered_environments_also_when_they_are_gone(machine: Machine) -> None:
    remember(machine.world.base / "one", cache=machine.world.base / "gone")
    remember(machine.world.base / "two", cache="")

    found = caches()[str(machine.world.base / "gone")]

    assert (found.origins, found.exists) == (("environments",), False)


def test_two_names_of_one_directory_are_one_cache(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = machine.world.base / "real"
    real.mkdir()
    machine.world.default_cache.parent.mkdir()
    machine.world.default_cache.symlink_to(real)
    monkeypatch.setenv("UV_CACHE_DIR", str(real))

    (found,) = caches().values()

    assert (found.path, found.named) == (str(real), str(machine.world.default_cache))
    assert found.origins == ("uv's default", "UV_CACHE_DIR")


def test_a_bind_mount_of_a_cache_is_the_same_cache(
    machine: Machine, fs: FileSystems, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.world.default_cache.mkdir(parents=True)
    point = fs.bind(machine.world.default_cache)
    monkeypatch.setenv("UV_CACHE_DIR", str(point))

    assert list(caches()) == [str(machine.world.default_cache)]


def dangle(path: Path) -> None:
    path.symlink_to("nowhere")


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def make_file(path: Path) -> None:
    path.touch()


def foreign(path: Path) -> None:
    path.mkdir()
    os.chown(path, UID, UID)


def open_to_all(path: Path) -> None:
    path.mkdir()
    path.chmod(0o777)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (dangle, "it is a dangling symbolic link"),
        (loop, "cannot be read"),
        (make_file, "it is not a directory"),
        (foreign, f"belongs to user {UID}"),
        (open_to_all, "everybody can write to it (mode 0777)"),
    ],
)
def test_what_is_wrong_with_a_cache(machine: Machine, make: object, problem: str) -> None:
    machine.world.default_cache.parent.mkdir()
    assert callable(make)
    make(machine.world.default_cache)

    (found,) = caches().values()

    assert problem in found.problem


def test_a_cache_on_a_read_only_mount(
    machine: Machine, fs: FileSystems, monkeypatch: pytest.MonkeyPatch
) -> None:
    (machine.world.base / "cache").mkdir()
    point = fs.bind(machine.world.base / "cache", read_only=True)
    monkeypatch.setenv("UV_CACHE_DIR", str(point))

    assert caches()[str(point)].problem == f"`{point}` is mounted read-only"


def test_names_that_are_no_utf_8(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    path = os.fsencode(machine.world.base) + b"/caf\xe9"
    os.mkdir(path)
    monkeypatch.setenv("UV_CACHE_DIR", os.fsdecode(path))

    found = caches()[os.fsdecode(path)]

    assert found.exists
