"""A cache that is used at two paths: by the host, and by a container that mounts it elsewhere."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import real_uv
from tests.doctor.standing import Standing, only
from tests.filesystems import FileSystems, same_inode
from tests.uv.world import NAME, World, archived, installed
from uvx_policy.doctor.cache_contents import CHECKS

pytestmark = [pytest.mark.uv, pytest.mark.filesystem]

COPIED = only(CHECKS, "caches-copied")
#: uv up to 0.11.16 writes absolute links
WITH_ABSOLUTE_LINKS = real_uv.SUPPORTED[:-1]


class Shared:
    """One cache, which a container has at a path of its own, without the host's."""

    def __init__(self, disk: Path, uv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = World(disk / "world", uv)
        self.cache = self.world.default_cache
        self.cache.mkdir(parents=True)
        self.inside = disk / "container" / "home" / ".cache" / "uv"
        self.inside.mkdir(parents=True)
        self.project = self.world.project(disk / "project")
        self.in_container = self.world.project(disk / "container" / "project")
        self.standing = Standing(self.world, self.project, monkeypatch)

    def container(self, *words: str) -> None:
        """Run uv in it."""
        script = (
            'mount --bind "$1" "$2"; mount -t tmpfs none "$3"; shift 3; cd "$1"; shift; exec "$@"'
        )
        subprocess.run(
            ["unshare", "--mount", "--propagation", "private", "/bin/sh", "-ec", script, "sh",
             self.cache, self.inside, self.world.home, self.in_container, "uv", *words],
            env=self.world.environ(shim=False, HOME=str(self.inside.parent.parent)),
            check=True, capture_output=True,
        )  # fmt: skip

    def links(self) -> list[Path]:
        return [each for each in self.cache.rglob("*") if each.is_symlink()]


@pytest.fixture
def shared(
    fs: FileSystems, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Shared:
    return Shared(fs.ext4, real_uv.provide(request.param) / "uv", monkeypatch)


@pytest.mark.parametrize("shared", WITH_ABSOLUTE_LINKS, indirect=True)
@pytest.mark.fixes("caches-copied", by="fix")
def test_after_the_fix_a_cache_is_good_for_host_and_container(shared: Shared) -> None:
    shared.container("sync")
    (link,) = shared.links()
    assert link.readlink().is_relative_to(shared.inside)
    told = shared.standing.one(COPIED)
    assert told.status == "fail"
    assert "copied" not in told.detail
    assert f"to `{shared.inside}`: it is used at that path, too" in told.detail

    shared.standing.fix(COPIED)

    assert not link.readlink().is_absolute()
    assert shared.standing.told(COPIED) == []
    (before,) = archived(shared.cache)
    for uv in (shared.container, lambda *words: shared.world.plain(*words, cwd=shared.project)):
        uv("cache", "prune")
        uv("sync", "--reinstall", "--offline")
        assert archived(shared.cache) == [before]
    assert same_inode(installed(shared.project / ".venv") / "__init__.py", before)


@pytest.mark.parametrize("shared", ["0.9.30"], indirect=True)
def test_without_the_fix_the_host_destroys_what_the_container_uses(shared: Shared) -> None:
    """The fault of the test before is real."""
    shared.container("sync")
    assert archived(shared.cache)

    shared.world.plain("cache", "prune", cwd=shared.project)

    assert archived(shared.cache) == []


@pytest.mark.parametrize("shared", real_uv.SUPPORTED[-1:], indirect=True)
def test_relative_links_are_well(shared: Shared) -> None:
    shared.container("sync")

    assert shared.links()
    assert shared.standing.told(COPIED) == []


@pytest.fixture
def twice(shared: Shared) -> Iterator[Path]:
    """The cache at a second path of the same host."""
    second = shared.world.base / "second"
    second.mkdir()
    subprocess.run(["mount", "--bind", shared.cache, second], check=True)
    yield second
    subprocess.run(["umount", second], check=True)


@pytest.mark.parametrize("shared", ["0.10.12"], indirect=True)
@pytest.mark.fixes("caches-copied", by="fix")
def test_a_cache_that_is_mounted_twice_is_no_copy(shared: Shared, twice: Path) -> None:
    shared.world.plain("sync", cwd=shared.project, UV_CACHE_DIR=str(twice))
    told = shared.standing.one(COPIED)
    assert "copied" not in told.detail

    shared.standing.fix(COPIED)

    assert shared.standing.told(COPIED) == []
    for cache in (shared.cache, twice):
        shared.world.plain("cache", "prune", cwd=shared.project, UV_CACHE_DIR=str(cache))
        assert archived(shared.cache)


@pytest.mark.parametrize("shared", ["0.10.12"], indirect=True)
def test_a_copy_is_called_one(shared: Shared, fs: FileSystems) -> None:
    shared.world.plain("sync", cwd=shared.project)
    copy = fs.image("ext4") / "copy"
    shutil.copytree(shared.cache, copy, symlinks=True)
    shared.standing.environ["UV_CACHE_DIR"] = str(copy)

    told = shared.standing.one(COPIED)

    assert f"The cache `{copy}` was copied: 1 link in it still points to" in told.detail
    assert [path.name for path in copy.glob(f"archive-v0/*/{NAME}")] == [NAME]
