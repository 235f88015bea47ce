"""Directories that differ from their mount: what is said for them is what a real uv then does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.filesystems import FileSystems, flush, same_inode, shared_extents
from tests.inherited import encrypt, set_nocow, set_quota_project
from tests.uv.world import NAME, World, archived, installed

pytestmark = [pytest.mark.filesystem, pytest.mark.uv, pytest.mark.slow]

STRICT = '[tool.linkpolicy]\nlink-mode = "{}"\nfallback = "error"\n'


def linkpolicy(world: World, *words: str, cwd: Path, code: int | None = 0, **environ: Any) -> str:
    done: subprocess.CompletedProcess[str] = subprocess.run(
        [sys.executable, "-m", "uvx_policy.cli", *words],
        env=world.environ(**environ), cwd=cwd, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert code is None or done.returncode == code, done.stdout + done.stderr
    return done.stdout


def explained(world: World, project: Path) -> tuple[str, str]:
    """The link mode and why, of `uv sync` in a project; the words fit together."""
    told = json.loads(linkpolicy(world, "explain", "--json", cwd=project))
    mode: dict[str, str] = told["link_mode"]
    assert ("nothing is shared" in mode["because"]) is (mode["value"] == "clone")
    return mode["value"], mode["code"]


def in_fact(world: World, project: Path) -> str:
    """How the large file of the wheel is stored, by inode, link count and extents."""
    flush(project)
    here = installed(project / ".venv") / "data.bin"
    archived = sorted(world.default_cache.glob(f"archive-v0/*/{NAME}/data.bin"))
    assert archived
    if any(same_inode(here, each) for each in archived):
        assert here.stat().st_nlink > 1
        return "hardlink"
    assert here.stat().st_nlink == 1
    return "clone" if shared_extents(here) else "copy"


def synced(world: World, project: Path) -> str:
    world.uv("sync", cwd=project)
    return in_fact(world, project)


def with_clones(uv: Path) -> tuple[str, str]:
    """What is said where clones work: uv before 0.10.6 loses modes when it clones."""
    told = subprocess.run([uv, "--version"], capture_output=True, text=True, check=True).stdout
    version = tuple(map(int, told.split()[1].split(".")))
    if version < (0, 10, 6):
        return "copy", "copy-shares-extents"
    return "clone", "clone-works"


@pytest.mark.parametrize("first", ["ordinary", "nocow"])
def test_in_a_nocow_directory_files_are_hard_linked_and_nobody_promises_clones(
    each_uv: Path, fs: FileSystems, first: str
) -> None:
    world = World(fs.btrfs, each_uv)
    nocow = fs.btrfs / "nocow"
    nocow.mkdir()
    set_nocow(nocow)
    expected = {
        world.project(fs.btrfs / "ordinary"): (with_clones(each_uv), "clone"),
        world.project(nocow / "p"): (("hardlink", "hardlink-works"), "hardlink"),
    }
    for project in sorted(expected, key=lambda each: (first not in str(each), each)):
        said, stored = expected[project]
        assert explained(world, project) == said

        assert synced(world, project) == stored

        # Now in the site-packages that are there.
        assert explained(world, project) == said


def test_a_decided_project_that_becomes_nocow_is_decided_anew(
    newest_uv: Path, fs: FileSystems
) -> None:
    world = World(fs.btrfs, newest_uv)
    project = world.project(fs.btrfs / "p")
    assert synced(world, project) == "clone"
    for _ in range(2):  # decided, and then recorded for a project without an environment
        shutil.rmtree(project / ".venv")
        time.sleep(0.06)
        assert synced(world, project) == "clone"
    shutil.rmtree(project / ".venv")

    set_nocow(project)

    told = json.loads(linkpolicy(world, "explain", "--json", cwd=project))
    assert told["record"]["state"] != "replayed"
    assert explained(world, project) == ("hardlink", "hardlink-works")
    assert synced(world, project) == "hardlink"
    set_nocow(project, False)
    shutil.rmtree(project / ".venv")
    assert explained(world, project) == ("clone", "clone-works")
    assert synced(world, project) == "clone"


def test_what_counts_is_the_directory_in_which_the_files_appear(
    newest_uv: Path, fs: FileSystems
) -> None:
    world = World(fs.btrfs, newest_uv)
    project = world.project(fs.btrfs / "p")
    assert synced(world, project) == "clone"

    # An environment that was made before keeps its own attributes.
    set_nocow(project)
    assert explained(world, project) == ("clone", "clone-works")
    world.uv("sync", "--reinstall", cwd=project)
    assert in_fact(world, project) == "clone"

    # Its site-packages may have others than all that lies above.
    set_nocow(project, False)
    set_nocow(installed(project / ".venv").parent)
    assert explained(world, project) == ("hardlink", "hardlink-works")
    world.uv("sync", "--reinstall", cwd=project)
    assert in_fact(world, project) == "hardlink"

    # And behind a link the target's count.
    target = fs.btrfs / "target"
    target.mkdir()
    set_nocow(target)
    linked = world.project(fs.btrfs / "linked")
    (linked / ".venv").symlink_to(target / "env")
    assert explained(world, linked) == ("hardlink", "hardlink-works")
    assert synced(world, linked) == "hardlink"


def test_a_nocow_cache_clones_into_nocow_directories_only(newest_uv: Path, fs: FileSystems) -> None:
    world = World(fs.btrfs, newest_uv)
    set_nocow(world.home)
    nocow = fs.btrfs / "nocow"
    nocow.mkdir()
    set_nocow(nocow)
    ordinary, odd = world.project(fs.btrfs / "ordinary"), world.project(nocow / "p")

    assert explained(world, ordinary) == ("hardlink", "hardlink-works")
    assert synced(world, ordinary) == "hardlink"
    assert explained(world, odd) == ("clone", "clone-works")
    assert synced(world, odd) == "clone"


def test_a_clone_that_must_be_and_cannot_be_is_refused(newest_uv: Path, fs: FileSystems) -> None:
    world = World(fs.btrfs, newest_uv)
    nocow = fs.btrfs / "nocow"
    nocow.mkdir()
    set_nocow(nocow)
    ordinary = world.project(fs.btrfs / "ordinary", STRICT.format("clone"))
    odd = world.project(nocow / "p", STRICT.format("clone"))
    assert synced(world, ordinary) == "clone"

    done = world.uv("sync", cwd=odd, check=False)

    assert done.returncode == 2
    assert f"`{odd}` is NOCOW (chattr +C), unlike `{world.default_cache}`" in done.stderr
    assert not (odd / ".venv").exists()


class Kind(NamedTuple):
    """A disk on which nothing links into odd directories."""

    disk: Callable[[FileSystems], Path]
    make_odd: Callable[[Path], object]
    words: str


NOTHING_LINKS = {
    "quota project": Kind(
        lambda fs: fs.image("xfs", "-m", "reflink=0"),
        lambda directory: set_quota_project(directory, 42),
        "in quota project 42",
    ),
    "encryption": Kind(lambda fs: fs.encrypting_ext4, encrypt, "encrypted (fscrypt)"),
}


@pytest.mark.parametrize("kind", NOTHING_LINKS)
@pytest.mark.parametrize("first", ["ordinary", "odd"])
def test_where_nothing_links_nothing_is_promised(
    newest_uv: Path, fs: FileSystems, kind: str, first: str
) -> None:
    disk = NOTHING_LINKS[kind].disk(fs)
    world = World(disk / "world", newest_uv)

    def odd_project(name: str, policy: str = "") -> Path:
        """The directory of the project itself is odd: no cache can be beside it."""
        (disk / name).mkdir()
        NOTHING_LINKS[kind].make_odd(disk / name)
        return world.project(disk / name, policy)

    ordinary, odd = world.project(disk / "ordinary"), odd_project("odd")
    expected = {ordinary: ("hardlink", "hardlink-works"), odd: ("copy", "nothing-links")}
    for project in sorted(expected, key=lambda each: (first not in str(each), each)):
        assert explained(world, project) == expected[project]
        assert synced(world, project) == expected[project][0]
        assert explained(world, project) == expected[project]

    # Neither for what was decided here ...
    assert saved(world, odd) == 0
    # ... nor for what a plain uv has made, and no decision is known of.
    other = odd_project("other")
    world.plain("sync", cwd=other, UV_LINK_MODE="copy")
    assert saved(world, other, "--refresh") == 0
    plain = world.project(disk / "plain")
    world.plain("sync", cwd=plain, UV_LINK_MODE="copy")
    assert saved(world, plain) > 0
    for chosen in ({}, {"UV_LINK_MODE": "hardlink"}):
        told = linkpolicy(world, "doctor", cwd=odd, code=None, **chosen)
        assert "--reinstall" not in told
        assert chosen or NOTHING_LINKS[kind].words in told
    strict = odd_project("strict", STRICT.format("auto"))
    assert world.uv("sync", cwd=strict, check=False).returncode == 2


@pytest.mark.parametrize("kind", NOTHING_LINKS)
@pytest.mark.parametrize("in_use", [False, True], ids=["the first", "one above in use"])
def test_a_cache_lies_as_far_down_as_it_must_to_link(
    newest_uv: Path, fs: FileSystems, kind: str, in_use: bool
) -> None:
    disk = NOTHING_LINKS[kind].disk(fs)
    world = World(fs.ext4 / "world", newest_uv, fs.ext4 / "home")
    odd = disk / "home" / "odd"
    odd.mkdir(parents=True)
    NOTHING_LINKS[kind].make_odd(odd)
    above = f".uv-cache-{os.geteuid()}"
    if in_use:
        world.uv("sync", cwd=world.project(disk / "home" / "ordinary"))
    project = world.project(odd / "p")
    second = world.project(odd / "second")

    try:
        assert explained(world, project) == ("hardlink", "hardlink-works")
        for each in (project, second):
            world.uv("sync", cwd=each)

            (cached,) = archived(odd / above)
            assert same_inode(installed(each / ".venv") / "__init__.py", cached)
            told = linkpolicy(world, "doctor", cwd=each, code=None)
            assert "Every file is copied" not in told
    finally:
        for made in (disk / above, disk / "home" / above, disk.parent / above):
            shutil.rmtree(made, ignore_errors=True)


def saved(world: World, project: Path, *words: str) -> int:
    told = json.loads(linkpolicy(world, "status", "--json", *words, str(project), cwd=project))
    (row,) = told["environments"]
    assert row["private_bytes"] > 0
    found: int = row["save_bytes"]
    return found


def test_in_a_quota_project_of_a_disk_with_reflinks_files_are_cloned(
    newest_uv: Path, fs: FileSystems
) -> None:
    world = World(fs.xfs, newest_uv)
    odd = fs.xfs / "odd"
    odd.mkdir()
    set_quota_project(odd, 42)
    ordinary = world.project(fs.xfs / "ordinary", STRICT.format("hardlink"))
    strict = world.project(odd / "strict", STRICT.format("hardlink"))
    project = world.project(odd / "p")

    assert synced(world, ordinary) == "hardlink"
    assert world.uv("sync", cwd=strict, check=False).returncode == 2
    assert explained(world, project) == ("clone", "clone-works")
    assert synced(world, project) == "clone"


def test_a_chosen_mode_that_cannot_be_is_no_drift(newest_uv: Path, fs: FileSystems) -> None:
    """`UV_LINK_MODE=clone` in a NOCOW directory: uv hard links, and would so again."""
    world = World(fs.btrfs, newest_uv)
    project = world.project(fs.btrfs / "p")
    set_nocow(project)
    world.uv("sync", cwd=project, UV_LINK_MODE="clone")
    assert in_fact(world, project) == "hardlink"

    told = linkpolicy(world, "doctor", "environment", cwd=project, UV_LINK_MODE="clone", code=None)

    assert "✓ Files are linked as the policy says" in told
    assert "--reinstall" not in told
