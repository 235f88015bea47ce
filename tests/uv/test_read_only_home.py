"""A home that cannot be written: what plain uv does with a writable cache works all the same."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests import real_uv
from tests.filesystems import FileSystems
from tests.ordinary_user import UID
from tests.uv.world import NAME, World

pytestmark = [pytest.mark.uv, pytest.mark.filesystem, pytest.mark.slow]

#: in each run the newest, which has every command
VERSIONS = pytest.mark.parametrize(
    "each_uv",
    [
        pytest.param(version, marks=() if version == "newest" else pytest.mark.exhaustive)
        for version in real_uv.SUPPORTED
    ],
    indirect=True,
)
SCRIPT = "# /// script\n# dependencies = []\n# ///\nprint('ran')\n"

#: directories that commands make
MADE = ("other", "below", "new", "dist")

#: in a project that was synced
IN_PROJECT = (
    "lock", "lock --check", "tree", "export", "add --frozen six", "sync --dry-run", "version",
    "run --no-sync python -c 1", "run script.py", "run --isolated python -c 1",
    "pip list", "pip freeze", "pip show {name}", "pip check", "pip tree", "pip compile in.txt",
    "pip uninstall {name}", "python find", "tool list", "build --wheel --no-build-isolation",
    "cache size", "cache prune", "cache clean", "python list --only-installed", "venv other",
    "init --no-workspace below", "tool dir", "cache dir", "help", "self version",
)  # fmt: skip
RUN_TOOL = "--no-index --find-links {wheels} --from {name} {name}-tool"
#: anywhere
OUTSIDE = (
    "pip compile in.txt", "python find", "tool list", "run script.py",
    "run --no-project python -c 1", "venv other", "init new", "python list --only-installed",
    "cache dir", "cache clean", f"tool run {RUN_TOOL}", f"uvx {RUN_TOOL}",
    "run --no-project --no-index --find-links {wheels} --with {name} python -c 1",
)  # fmt: skip


class ReadOnlyHome(World):
    def give(self, *paths: Path) -> None:
        super().give(*(path for path in paths if path != self.home))


@pytest.fixture
def disk(fs: FileSystems) -> Path:
    return fs.image("ext4")


@pytest.fixture
def world(fs: FileSystems, disk: Path, each_uv: Path) -> World:
    (disk / "home").mkdir()
    home = fs.bind(disk / "home", read_only=True)
    return ReadOnlyHome(disk / "world", each_uv, home, uid=UID)


def works_as_with_a_cache(world: World, cwd: Path, command: str) -> None:
    words = command.format(name=NAME, wheels=world.wheels).split()
    chosen = str(world.own_directory(world.base / "mine") / "chosen")
    plain = world.plain(*words, cwd=cwd, check=False, UV_CACHE_DIR=chosen)
    if "unrecognized subcommand" in plain.stderr or "unexpected argument" in plain.stderr:
        pytest.skip("this uv does not know the command")
    for made in MADE:
        shutil.rmtree(cwd / made, ignore_errors=True)

    done = world.uv(*words, cwd=cwd, check=False)

    assert (done.returncode, "linkpolicy" in done.stderr) == (plain.returncode, False), done.stderr
    assert not list(world.home.iterdir())


@VERSIONS
@pytest.mark.parametrize("command", IN_PROJECT)
def test_in_a_project(world: World, disk: Path, command: str) -> None:
    project = world.project(world.own_directory(disk / "me") / "project")
    _files(world, project)
    world.uv("sync", cwd=project)

    works_as_with_a_cache(world, project, command)


@VERSIONS
@pytest.mark.parametrize("command", OUTSIDE)
@pytest.mark.parametrize("mine", [True, False])
def test_outside_of_a_project(world: World, disk: Path, command: str, mine: bool) -> None:
    """Where the directories above are not the user's, only a temporary cache is left."""
    directory = world.own_directory((disk / "me" if mine else disk) / "somewhere")
    _files(world, directory)

    works_as_with_a_cache(world, directory, command)


def _files(world: World, directory: Path) -> None:
    (directory / "script.py").write_text(SCRIPT)
    (directory / "in.txt").write_text("")
    world.give(directory)
