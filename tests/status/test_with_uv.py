"""What `status` says of environments that a real uv made, compared with a count of its own."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.filesystems import FileSystems, extents, flush
from tests.uv.world import World, installed

pytestmark = [pytest.mark.filesystem, pytest.mark.uv]

HACKABLE = "[tool.linkpolicy]\nhackable = true\n"
SYMLINK = '[tool.linkpolicy]\nlink-mode = "symlink"\n'


class Count(NamedTuple):
    """Of the files below some environments, counted without any code of ours."""

    files: int
    #: by what it is -> bytes; a key of one inode, or of one place on the device
    shared: dict[tuple[str, int], int]
    private: int


def count(*environments: Path) -> Count:
    """As `du` does, each environment by itself: names of one inode count once."""
    files, private, shared = 0, 0, dict[tuple[str, int], int]()
    for environment in environments:
        paths = [
            Path(directory) / name
            for directory, directories, names in os.walk(environment)
            for name in [*names, *directories]
            if not (Path(directory) / name).is_dir() or (Path(directory) / name).is_symlink()
        ]
        files += len(paths)
        names = [(path.lstat().st_dev, path.lstat().st_ino) for path in paths]
        for path, name in zip(paths, names, strict=True):
            status = path.lstat()
            clones = [extent for extent in extents_of(path) if extent.shared]
            if stat.S_ISLNK(status.st_mode):
                if "/archive-v0/" in os.readlink(path):
                    shared[key(path.stat(), path.resolve())] = path.stat().st_blocks * 512
            elif status.st_nlink > names.count(name):
                shared[key(status, path)] = status.st_blocks * 512
            elif clones:
                for extent in clones:
                    shared["extent", extent.physical] = extent.length
            else:
                private += status.st_blocks * 512 // names.count(name)
    return Count(files, shared, private)


def key(status: os.stat_result, path: Path) -> tuple[str, int]:
    """A clone of a file that also has several names has the same extents."""
    placed = extents_of(path)
    if any(extent.shared for extent in placed):
        return "extent", placed[0].physical
    return "inode", status.st_ino


def extents_of(path: Path) -> tuple[Any, ...]:
    return extents(path) if path.is_file() and not path.is_symlink() else ()


def run(world: World, *words: str) -> str:
    """What `linkpolicy` says, called from somewhere else."""
    done = subprocess.run(
        [sys.executable, "-m", "uvx_policy.cli", *words],
        env=world.environ(),
        cwd=world.base, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def said(world: World) -> str:
    return run(world, "status")


def status_of(world: World, *words: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(run(world, "status", "--json", *words))
    return told


def environments(told: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["path"]: row for row in told["environments"]}


def test_each_way_of_linking_is_told_with_its_bytes(each_uv: Path, fs: FileSystems) -> None:
    world = World(fs.ext4, each_uv)
    plans = {
        world.project(fs.ext4 / "work" / "linked"): ("hardlink", "auto"),
        world.project(fs.ext4 / "work" / "hackable", HACKABLE): ("copy", "hackable"),
        world.project(fs.btrfs / "cloned"): ("clone", "auto"),
        world.project(fs.btrfs / "hackable", HACKABLE): ("clone", "hackable"),
        world.project(fs.xfs / "cloned"): ("clone", "auto"),
        world.project(fs.xfs / "symlinked", SYMLINK): ("symlink", "symlink"),
        world.project(fs.other_ext4 / "linked"): ("hardlink", "auto"),
    }
    for project in plans:
        world.uv("sync", cwd=project)
    for disk in (fs.ext4, fs.btrfs, fs.xfs, fs.other_ext4):
        flush(disk)
    told = environments(status_of(world))

    assert set(told) == {str(project / ".venv") for project in plans}
    for project, (links, policy) in plans.items():
        row, expected = told[str(project / ".venv")], count(project / ".venv")
        assert (row["links"], row["policy"], row["drift"]) == (links, policy, None), project
        assert row["files"] == expected.files
        assert row["shared_bytes"] == sum(expected.shared.values())
        assert row["private_bytes"] == expected.private
        assert row["exact"]
        assert row["project"] == str(project)
        assert (row["edited_files"], row["save_bytes"], row["state"]) == (0, 0, "present")
        assert row["mount_point"] == str(mount_point(project))
    kinds = {row["path"]: row["file_system"] for row in told.values()}
    assert set(kinds.values()) == {"ext4", "btrfs", "xfs"}
    assert told[str(fs.ext4 / "work" / "linked" / ".venv")]["cache"] == str(world.default_cache)


def mount_point(path: Path) -> Path:
    while not path.is_mount():
        path = path.parent
    return path


@pytest.mark.parametrize("kind", ["ext4", "btrfs", "xfs"])
def test_totals_count_what_several_environments_and_the_cache_share_once(
    world: World, fs: FileSystems, kind: str
) -> None:
    projects = [world.project(getattr(fs, kind) / "work" / f"p{number}") for number in range(4)]
    modes = {2: "hardlink", 3: "symlink"} if kind == "xfs" else {}
    for number, project in enumerate(projects):
        # A choice for uv itself: a cache that hard links, symbolic links and clones come from.
        chosen: dict[str, Any] = {"UV_LINK_MODE": modes[number]} if number in modes else {}
        world.uv("sync", cwd=project, **chosen)
    flush(getattr(fs, kind))
    told = status_of(world)
    (total,) = told["devices"]
    expected = count(*(project / ".venv" for project in projects))

    assert total["environments"] == 4
    assert total["shared_bytes"] == sum(expected.shared.values())
    assert total["private_bytes"] == expected.private
    assert total["files"] == expected.files
    assert (total["exact"], total["estimated"]) == (True, False)
    alone = [row["shared_bytes"] for row in told["environments"]]
    assert total["shared_bytes"] < sum(alone) / 3


def test_copies_of_another_device_are_what_could_be_saved(world: World, fs: FileSystems) -> None:
    """What plain uv does where its cache is on another file system (uv #3886)."""
    project = world.project(fs.other_ext4 / "old")
    world.plain("sync", cwd=project)
    before = environments(status_of(world, str(fs.other_ext4)))[str(project / ".venv")]
    world.uv("sync", "--reinstall", cwd=project)
    after = environments(status_of(world, str(fs.other_ext4)))[str(project / ".venv")]

    assert (before["links"], before["cache"]) == ("copy", None)
    assert (after["links"], after["save_bytes"]) == ("hardlink", 0)
    assert after["cache"].startswith(str(mount_point(project)))
    # Linking saved what was told, and the script that is not in site-packages.
    script = (project / ".venv" / "bin" / "tinypkg-tool").stat().st_blocks * 512
    assert before["save_bytes"] == after["shared_bytes"] - script
    assert before["private_bytes"] - after["private_bytes"] == after["shared_bytes"]


def test_nothing_could_be_saved_where_nothing_links(world: World, fs: FileSystems) -> None:
    """The last decision was to copy, although the policy would link."""
    project = world.project(fs.tmpfs / "p")
    world.uv("sync", cwd=project)
    row = environments(status_of(world))[str(project / ".venv")]

    assert (row["links"], row["policy"], row["save_bytes"]) == ("copy", "auto", 0)
    assert row["file_system"] == "tmpfs"


def test_drift_from_the_policy_is_told_until_it_is_fixed(world: World, fs: FileSystems) -> None:
    project = world.project(fs.ext4 / "work" / "p")
    world.uv("sync", cwd=project)
    world.project(project, HACKABLE)
    world.uv("sync", cwd=project)
    drifted = environments(status_of(world))[str(project / ".venv")]
    module = installed(project / ".venv") / "__init__.py"
    module.write_text("VALUE = 'mine'\n", encoding="utf-8")
    (hint,) = [line for line in said(world).splitlines() if " hint: copy the shared" in line]
    _, *words = shlex.split(hint.rpartition(": ")[2])
    run(world, *words)
    fixed = environments(status_of(world))[str(project / ".venv")]

    assert drifted["drift"].startswith("hackable, but ")
    assert drifted["policy_origin"].startswith(f"{project}/pyproject.toml:")
    assert (fixed["drift"], fixed["links"]) == (None, "copy")
    assert (module.read_text(encoding="utf-8"), module.stat().st_nlink) == ("VALUE = 'mine'\n", 1)


def written(path: Path) -> None:
    path.write_text("VALUE = 'edited'\n", encoding="utf-8")


def shortened(path: Path) -> None:
    """As `strip -p` does: the time stays."""
    told = path.stat()
    os.truncate(path, 3)
    os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))


@pytest.mark.parametrize("policy", [HACKABLE, "", SYMLINK])
@pytest.mark.parametrize("edit", [written, shortened])
def test_a_fresh_edit_is_seen_at_once(
    world: World, fs: FileSystems, policy: str, edit: Callable[[Path], None]
) -> None:
    project = world.project(fs.ext4 / "work" / "p", policy)
    world.uv("sync", cwd=project)
    name = str(project / ".venv")
    first, second = environments(status_of(world))[name], environments(status_of(world))[name]
    time.sleep(0.01)  # file systems have clocks of their own
    edit(installed(project / ".venv") / "__init__.py")
    third, fourth = environments(status_of(world))[name], environments(status_of(world))[name]

    assert (first["edited_files"], first["kept"]) == (0, False)
    assert (second["edited_files"], second["kept"]) == (0, True)
    assert (third["edited_files"], third["kept"]) == (1, False)
    assert third["edited"] == ["tinypkg/__init__.py"]
    assert (fourth["edited_files"], fourth["kept"]) == (1, True)
    assert all(each["edits_looked_for"] for each in (first, second, third, fourth))


def test_an_edit_of_another_environment_that_has_the_same_file_is_seen(
    world: World, fs: FileSystems
) -> None:
    projects = [world.project(fs.ext4 / "work" / name) for name in "ab"]
    for project in projects:
        world.uv("sync", cwd=project)
    assert {each["edited_files"] for each in environments(status_of(world)).values()} == {0}
    time.sleep(0.01)
    written(installed(projects[0] / ".venv") / "__init__.py")

    assert [each["edited_files"] for each in environments(status_of(world)).values()] == [1, 1]


def test_kept_counts_are_the_same_numbers_until_packages_come(
    world: World, fs: FileSystems
) -> None:
    projects = [world.project(getattr(fs, kind) / "work" / "p") for kind in ("ext4", "btrfs")]
    for project in projects:
        world.uv("sync", cwd=project)
    first, second = status_of(world), status_of(world)
    world.uv("pip", "uninstall", "tinypkg", cwd=projects[0])
    third = environments(status_of(world))

    assert first["devices"] == second["devices"]
    assert [row["kept"] for row in second["environments"]] == [True, True]
    strip = {"kept", "counted_at"}
    assert [
        {name: value for name, value in row.items() if name not in strip}
        for row in first["environments"]
    ] == [
        {name: value for name, value in row.items() if name not in strip}
        for row in second["environments"]
    ]
    assert not third[str(projects[0] / ".venv")]["kept"]
    assert third[str(projects[0] / ".venv")]["shared_bytes"] == 0
    assert third[str(projects[1] / ".venv")]["kept"]


def test_a_cleaned_cache_leaves_dangling_links(world: World, fs: FileSystems) -> None:
    project = world.project(fs.ext4 / "work" / "p", SYMLINK)
    world.uv("sync", cwd=project)
    shutil.rmtree(world.default_cache / "archive-v0")
    row = environments(status_of(world, "--refresh"))[str(project / ".venv")]

    assert row["links"] == "symlink"
    assert row["dangling_files"] > 0
    assert row["shared_bytes"] == 0


def test_below_a_root_environments_are_found_and_links_lead_nowhere(
    world: World, fs: FileSystems
) -> None:
    inside = world.project(fs.ext4 / "work" / "team" / "inside")
    outside = world.project(fs.ext4 / "outside")
    elsewhere = world.project(fs.btrfs / "elsewhere")
    for project in (inside, outside, elsewhere):
        world.uv("sync", cwd=project)
    (fs.ext4 / "work" / "link").symlink_to(fs.ext4 / "outside")
    (fs.ext4 / "work" / "loop").symlink_to(fs.ext4 / "work")
    told = status_of(world, os.path.relpath(fs.ext4 / "work", world.base))
    both = status_of(world, str(fs.ext4 / "work"), str(fs.btrfs))

    # Relative to where the command runs, and told in absolute paths.
    assert list(environments(told)) == [str(inside / ".venv")]
    assert set(environments(both)) == {str(inside / ".venv"), str(elsewhere / ".venv")}
    assert environments(both)[str(inside / ".venv")]["cache"] == str(world.default_cache)


def test_two_subvolumes_are_one_device(world: World, fs: FileSystems) -> None:
    """`st_dev` differs; blocks are shared all the same (uv >= 0.10.5 clones across)."""
    projects = [world.project(subvolume / "p") for subvolume in fs.subvolumes]
    for project in projects:
        world.uv("sync", cwd=project)
    flush(fs.btrfs)
    told = status_of(world)
    (total,) = told["devices"]
    expected = count(*(project / ".venv" for project in projects))

    assert total["environments"] == 2
    assert total["file_system"] == "btrfs"
    assert total["shared_bytes"] == sum(expected.shared.values())


def test_two_paths_to_one_environment_count_once(world: World, fs: FileSystems) -> None:
    project = world.project(fs.ext4 / "work" / "p")
    world.uv("sync", cwd=project)
    other = world.project(fs.ext4 / "work" / "q")
    (other / ".venv").symlink_to(project / ".venv")
    world.uv("sync", cwd=other)
    told = status_of(world)
    (total,) = told["devices"]

    assert len(told["environments"]) == 2
    assert total["environments"] == 1
    assert total["private_bytes"] == told["environments"][0]["private_bytes"]
