"""Calls whose decisions depend on different things: each builds its part of the machine.

`there` is the root of another file system than the one that the machine is on.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests import inherited
from tests.replay.machine import Call, Machine, make_environment, put
from tests.seed.made import add, describe
from uvx_policy.host import Host
from uvx_policy.seed import refused

PROJECT = "[project]\nname = 'a'\nversion = '1'\n"


class Scenario(NamedTuple):
    """How it is built, and what is decided: destination, why this link mode, why this cache."""

    build: Callable[[Machine, Path], Call]
    decided: tuple[str, str, str]
    #: the kind of another file system that it needs, "" for none
    far: str


SCENARIOS: dict[str, Scenario] = {}
_Build = Callable[[Machine, Path], Call]


def _scenario(
    kind: str, link_mode: str, cache: str, *, far: str = ""
) -> Callable[[_Build], _Build]:
    def add(build: _Build) -> _Build:
        SCENARIOS[build.__name__] = Scenario(build, (kind, link_mode, cache), far)
        return build

    return add


def _project(directory: Path, more: str = "") -> Path:
    put(directory / "pyproject.toml", PROJECT + more)
    return directory


def _far(machine: Machine, there: Path, more: str = "") -> Path:
    """A project on the other file system, where a cache of ours is in use already."""
    (there / f".uv-cache-{os.geteuid()}").mkdir(mode=0o700)
    (machine.home / ".cache/uv").mkdir(parents=True)
    return _project(there / "project", more)


@_scenario("project", "hardlink-works", "same-device")
def sync(machine: Machine, _: Path) -> Call:
    make_environment(_project(machine.project) / ".venv")
    return machine.call("sync")


@_scenario("project", "hardlink-works", "same-device")
def sync_in_a_member(machine: Machine, _: Path) -> Call:
    _project(machine.project, "[tool.uv.workspace]\nmembers = ['packages/*']\n")
    member = _project(machine.project / "packages/a")
    return machine.call("sync", "--active", cwd=member)


@_scenario("project", "hardlink-works", "same-device")
def sync_of_an_active_environment(machine: Machine, _: Path) -> Call:
    _project(machine.project)
    make_environment(machine.base / "env")
    return machine.call("sync", "--active", VIRTUAL_ENV=str(machine.base / "env"))


@_scenario("project", "hardlink-works", "same-device")
def sync_of_a_named_environment(machine: Machine, _: Path) -> Call:
    _project(machine.project)
    return machine.call("sync", UV_PROJECT_ENVIRONMENT="../envs/x")


@_scenario("project", "hardlink-works", "same-device")
def sync_elsewhere(machine: Machine, _: Path) -> Call:
    elsewhere = _project(machine.base / "elsewhere")
    (machine.base / "link").symlink_to(elsewhere)
    return machine.call("sync", "--directory", "../link")


@_scenario("project", "hardlink-works", "same-device")
def sync_of_a_named_project(machine: Machine, _: Path) -> Call:
    _project(machine.base / "elsewhere")
    return machine.call("sync", "--project", "../elsewhere")


@_scenario("project", "hardlink-works", "same-device")
def sync_in_a_directory_from_a_variable(machine: Machine, _: Path) -> Call:
    elsewhere = _project(machine.base / "elsewhere")
    return machine.call("sync", UV_WORKING_DIR=str(elsewhere))


@_scenario("project", "explicit-config", "explicit-config")
def sync_with_settings_of_uv(machine: Machine, _: Path) -> Call:
    _project(machine.project)
    put(machine.project / "uv.toml", "link-mode = 'symlink'\n")
    put(machine.home / ".config/uv/uv.toml", "cache-dir = '../cache'\n")
    put(machine.base / "xdg/uv/uv.toml", "offline = true\n")
    return machine.call("sync")


@_scenario("project", "explicit-config", "same-device")
def sync_with_a_configuration_file(machine: Machine, _: Path) -> Call:
    _project(machine.project)
    put(machine.base / "settings.toml", "link-mode = 'copy'\n")
    return machine.call("sync", "--config-file", "../settings.toml")


@_scenario("project", "hackable", "same-device")
def sync_of_a_hackable_project(machine: Machine, _: Path) -> Call:
    _project(machine.project, "[tool.linkpolicy]\nhackable = true\n")
    return machine.call("sync")


@_scenario("project", "configured", "default-cache")
def sync_with_a_file_of_our_own(machine: Machine, _: Path) -> Call:
    _project(machine.project)
    put(machine.project / "linkpolicy.toml", "link-mode = 'copy'\ncache = 'default'\n")
    return machine.call("sync")


@_scenario("project", "hackable", "same-device")
def sync_under_a_rule_of_the_user(machine: Machine, _: Path) -> Call:
    _project(machine.project)
    rules = f"[[rules]]\npath = '{machine.base}/pro*'\nhackable = true\n"
    put(machine.home / ".config/linkpolicy/config.toml", rules)
    return machine.call("sync")


@_scenario("project", "configured", "same-device")
def sync_with_settings_of_the_machine(machine: Machine, _: Path) -> Call:
    _project(machine.project)
    put(machine.base / "xdg/linkpolicy/config.toml", "[defaults]\nlink-mode = 'copy'\n")
    return machine.call("sync")


@_scenario("project", "hardlink-works", "same-device")
def sync_through_a_link(machine: Machine, _: Path) -> Call:
    make_environment(machine.base / "env")
    (_project(machine.project) / ".venv").symlink_to("../second")
    (machine.base / "second").symlink_to("env")
    return machine.call("sync")


@_scenario("project", "hardlink-works", "device-cache", far="ext4")
def sync_on_another_device(machine: Machine, there: Path) -> Call:
    return machine.call("sync", cwd=_far(machine, there))


@_scenario("project", "clone-works", "device-cache", far="btrfs")
def sync_where_clones_work(machine: Machine, there: Path) -> Call:
    return machine.call("sync", cwd=_far(machine, there))


@_scenario("project", "hardlink-works", "device-cache", far="btrfs")
def sync_in_a_nocow_directory(machine: Machine, there: Path) -> Call:
    project = _far(machine, there)
    inherited.set_nocow(project)
    make_environment(project / ".venv")
    return machine.call("sync", cwd=project)


@_scenario("project", "clone-works", "device-cache", far="xfs")
def sync_in_a_quota_project(machine: Machine, there: Path) -> Call:
    project = _far(machine, there)
    inherited.set_quota_project(project, 7)
    return machine.call("sync", cwd=project)


@_scenario("project", "hardlink-works", "device-cache", far="ext4")
def sync_of_a_link_to_another_device(machine: Machine, there: Path) -> Call:
    _far(machine, there)
    make_environment(there / "env")
    (_project(machine.project) / ".venv").symlink_to(there / "env")
    return machine.call("sync")


@_scenario("project", "hardlink-works", "device-cache-configured", far="ext4")
def sync_with_a_chosen_cache(machine: Machine, there: Path) -> Call:
    chosen = there / "chosen"
    chosen.mkdir(mode=0o700)
    (there / "link").symlink_to("chosen")
    text = f"[caches]\n'{there}' = '{there}/link'\n'/nowhere' = '/nowhere'\n"
    put(machine.home / ".config/linkpolicy/config.toml", text)
    return machine.call("sync", cwd=_far(machine, there))


@_scenario("project", "hardlink-works", "device-cache", far="ext4")
def sync_below_a_directory_of_a_private_group(machine: Machine, there: Path) -> Call:
    project = _far(machine, there)
    os.chown(there, -1, 0)
    there.chmod(0o775)
    inherited.share_with(there, ("user", 0, "rwx"), ("group of directory", 0, "rwx"))
    return machine.call("sync", cwd=project)


@_scenario("project", "nothing-links", "no-eligible-place", far="ext4")
def sync_below_a_directory_that_is_shared(machine: Machine, there: Path) -> Call:
    project = _far(machine, there)
    os.chown(there, -1, 12345)
    there.chmod(0o775)
    return machine.call("sync", cwd=project)


LOCKED = """\
version = 1

[[package]]
name = "rich"
version = "14.0.0"
source = { registry = "https://example.com/simple" }
"""


def _held(cache: Path) -> None:
    put(cache / "wheels-v6/index/0123456789abcdef/rich/14.0.0-py3-none-any.http", "", 0o644)


@_scenario("project", "nothing-links", "warm-cache", far="ext4")
def sync_with_what_only_uvs_own_cache_holds(machine: Machine, there: Path) -> Call:
    project = _far(machine, there)
    put(project / "linkpolicy.toml", 'seed = "never"\n', 0o644)
    put(project / "uv.lock", LOCKED, 0o644)
    _held(machine.home / ".cache/uv")
    return machine.call("sync", cwd=project)


@_scenario("project", "nothing-links", "warm-cache", far="ext4")
def sync_with_what_cannot_be_copied_to_another_cache(machine: Machine, there: Path) -> Call:
    project = _far(machine, there)
    put(project / "uv.lock", LOCKED, 0o644)
    _held(machine.home / ".cache/uv")
    refused.remember(
        Host(environ={}), machine.state, "it was edited", source=str(machine.home / ".cache/uv"),
        package="rich", versions=("14.0.0",),
    )  # fmt: skip
    return machine.call("sync", cwd=project)


@_scenario("project", "hardlink-works", "device-cache", far="ext4")
def sync_with_what_both_caches_hold(machine: Machine, there: Path) -> Call:
    project = _far(machine, there)
    put(project / "uv.lock", LOCKED, 0o644)
    _held(machine.home / ".cache/uv")
    _held(there / f".uv-cache-{os.geteuid()}")
    return machine.call("sync", cwd=project)


@_scenario("project", "hardlink-works", "device-cache", far="ext4")
def sync_with_all_installed(machine: Machine, there: Path) -> Call:
    project = _far(machine, there)
    put(project / "uv.lock", LOCKED, 0o644)
    _held(machine.home / ".cache/uv")
    make_environment(project / ".venv")
    (project / ".venv/lib/python3.12/site-packages/rich-14.0.0.dist-info").mkdir()
    return machine.call("sync", cwd=project)


@_scenario("none", "links-nothing", "device-cache", far="ext4")
def cache_dir_on_another_device(machine: Machine, there: Path) -> Call:
    return machine.call("cache", "dir", cwd=_far(machine, there))


@_scenario("project", "nothing-links", "offline-cold-cache", far="ext4")
def sync_offline_on_another_device(machine: Machine, there: Path) -> Call:
    project = _far(machine, there, 'dependencies = ["rich @ git+https://nowhere/rich"]\n')
    return machine.call("sync", "--offline", cwd=project)


@_scenario("project", "hardlink-works", "device-cache", far="ext4")
def sync_offline_with_a_warm_cache(machine: Machine, there: Path) -> Call:
    project = _far(machine, there)
    put(project / "uv.lock", "version = 1\n", 0o644)
    return machine.call("sync", cwd=project, UV_OFFLINE="1")


@_scenario("project", "hardlink-works", "project-cache")
def sync_with_a_cache_of_the_project(machine: Machine, _: Path) -> Call:
    _project(machine.project, "[tool.linkpolicy]\ncache = 'project'\n")
    (machine.project / ".uv-cache").mkdir(mode=0o700)
    return machine.call("sync")


@_scenario("project", "hardlink-works", "same-device")
def sync_with_a_cache_that_is_in_use(machine: Machine, _: Path) -> Call:
    _project(machine.project)
    for name in ("sdists-v6", "sdists-v9", "archive-v0"):
        (machine.base / "cache/uv" / name).mkdir(parents=True)
    put(machine.base / "cache/uv/.lock", "", 0o644)
    put(machine.base / "cache/uv/sdists-v9/.git", "", 0o644)
    return machine.call("sync", XDG_CACHE_HOME=str(machine.base / "cache"))


@_scenario("project", "hardlink-works", "same-device")
def run(machine: Machine, _: Path) -> Call:
    _project(machine.project)
    put(machine.project / ".env", "NAME=value\n")
    return machine.call("run", "--env-file", ".env", "pytest", "-k", "slow")


@_scenario("cache", "cache-resident", "cache-resident")
def run_a_script(machine: Machine, _: Path) -> Call:
    put(machine.project / "script.py", "# /// script\n# dependencies = []\n# ///\n")
    return machine.call("run", "./script.py", "--option")


@_scenario("none", "links-nothing", "links-nothing")
def run_without_a_project(machine: Machine, _: Path) -> Call:
    put(machine.project / "script.py", "print()\n")
    return machine.call("run", "script.py")


@_scenario("environment", "hardlink-works", "same-device")
def pip_install(machine: Machine, _: Path) -> Call:
    make_environment(machine.base / "env")
    return machine.call("pip", "install", "rich", VIRTUAL_ENV=str(machine.base / "env"))


@_scenario("environment", "hardlink-works", "device-cache", far="ext4")
def pip_install_on_another_device(machine: Machine, there: Path) -> Call:
    """What both caches have, and what is built of a directory and of a commit."""
    project = _far(machine, there)
    make_environment(there / "env")
    put(project / "in.txt", "rich\n-c limits.txt\n", 0o644)
    put(project / "limits.txt", "rich<15\n", 0o644)
    for cache in (machine.home / ".cache/uv", there / f".uv-cache-{os.geteuid()}"):
        add(cache, "rich", "14.0.0", "markdown-it-py")
        add(cache, "markdown-it-py")
        describe(cache, "markdown-it-py", "1.0")
        put(cache / "simple-v1/index/0123456789abcdef/rich.rkyv", "", 0o644)
        (cache / "git-v0/checkouts/0123456789abcdef/0123456").mkdir(parents=True)
        (cache / "git-v0/db/0123456789abcdef").mkdir(parents=True)
    commit = "0123456789" * 4
    words = ("-r", "in.txt", "-e", ".", f"git+https://nowhere/x@{commit}")
    return machine.call("pip", "install", *words, cwd=project, VIRTUAL_ENV=str(there / "env"))


@_scenario("environment", "hardlink-works", "same-device")
def pip_install_into_what_is_above(machine: Machine, _: Path) -> Call:
    make_environment(_project(machine.project) / ".venv")
    deep = machine.project / "src/package"
    deep.mkdir(parents=True)
    return machine.call("pip", "install", "--python", "3.12", "rich", cwd=deep)


@_scenario("environment", "hardlink-works", "same-device")
def pip_install_into_what_is_on_path(machine: Machine, _: Path) -> Call:
    make_environment(machine.base / "env")
    (machine.base / "tools").mkdir()
    put(machine.base / "tools/other", "", 0o755)
    path = f"{machine.base}/tools:{machine.base}/env/bin:{machine.bin}"
    return machine.call("pip", "sync", "r.txt", PATH=path)


@_scenario("interpreter", "hardlink-works", "same-device")
def pip_install_into_the_system(machine: Machine, _: Path) -> Call:
    prefix = machine.base / "usr"
    put(prefix / "bin/python3.12", b"")
    (prefix / "bin/python3").symlink_to("python3.12")
    put(prefix / "lib/python3.12/os.py", "")
    (prefix / "lib/python3.12/site-packages").mkdir()
    path = f"{prefix}/bin:{machine.bin}"
    return machine.call("pip", "install", "--system", "rich", PATH=path)


@_scenario("environment", "hardlink-works", "same-device")
def pip_install_into_conda(machine: Machine, _: Path) -> Call:
    prefix = machine.base / "conda"
    make_environment(prefix)
    (prefix / "conda-meta").mkdir()
    return machine.call(
        "pip", "install", "rich", CONDA_PREFIX=str(prefix), CONDA_DEFAULT_ENV="conda"
    )


@_scenario("target", "hardlink-works", "same-device")
def pip_install_into_a_target(machine: Machine, _: Path) -> Call:
    _project(machine.project)
    return machine.call("pip", "install", "--target", "../project/vendored", "rich")


@_scenario("new", "hardlink-works", "same-device")
def venv(machine: Machine, _: Path) -> Call:
    _project(machine.project)
    return machine.call("venv", "../envs/new")


@_scenario("new", "hardlink-works", "same-device")
def venv_of_a_project_behind_a_link(machine: Machine, _: Path) -> Call:
    make_environment(machine.base / "env")
    (_project(machine.project) / ".venv").symlink_to("../env")
    return machine.call("venv")


@_scenario("tool", "hardlink-works", "same-device")
def tool_install(machine: Machine, _: Path) -> Call:
    return machine.call("tool", "install", "ruff", UV_TOOL_DIR=str(machine.base / "tools"))


@_scenario("tool", "explicit-config", "same-device")
def tool_upgrade(machine: Machine, _: Path) -> Call:
    for name, text in (("black", "[tool]\n"), ("ruff", "[tool.options]\nlink-mode = 'copy'\n")):
        put(machine.base / "data/uv/tools" / name / "uv-receipt.toml", text)
    return machine.call("tool", "upgrade", "--all", XDG_DATA_HOME=str(machine.base / "data"))


@_scenario("cache", "cache-resident", "cache-resident")
def uvx(machine: Machine, _: Path) -> Call:
    return machine.call("ruff", "check", program="uvx")
