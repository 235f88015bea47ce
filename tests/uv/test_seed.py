"""The first sync on another device: what uv's own cache holds is brought there, and linked."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests import real_uv
from tests.filesystems import FileSystems, same_inode
from tests.uv.index_server import index_of
from tests.uv.world import World, archived, build_wheel, installed

pytestmark = [pytest.mark.uv, pytest.mark.filesystem]

#: uvs around those from which on caches are locked, and links in them are relative
CACHES = real_uv.each((0, 8, 19), (0, 11, 17))


class Warm:
    """A project on another device than the home, whose packages only uv's own cache holds.

    The index that they came from is closed.
    """

    def __init__(self, fs: FileSystems, uv: Path, *, disk: Path | None = None) -> None:
        self.disk = disk or fs.image("ext4")
        self.world = World(fs.other_ext4 / "world", uv, home=fs.other_ext4 / "home")
        build_wheel(self.world.wheels, "other")
        self.project = self.world.project(self.disk / "project")
        with index_of(self.world.wheels, fs.other_ext4 / "index") as url:
            self.world.project(
                self.project, uv=f'[[tool.uv.index]]\nurl = "{url}"\ndefault = true\n', own=False
            )
            self.world.plain("sync", cwd=self.project)
        shutil.rmtree(self.project / ".venv")

    @property
    def default_cache(self) -> Path:
        return self.world.default_cache

    @property
    def device_cache(self) -> Path:
        (cache,) = self.disk.glob(".uv-cache-*")
        return cache

    def sync(self, *words: str) -> str:
        return self.world.uv("sync", "--frozen", *words, cwd=self.project).stderr

    @property
    def module(self) -> Path:
        return installed(self.project / ".venv") / "__init__.py"

    def is_linked(self) -> bool:
        (cached,) = archived(self.device_cache)
        return same_inode(self.module, cached)


@pytest.mark.parametrize("flag", [(), ("--offline",)])
@pytest.mark.parametrize("each_uv", CACHES, indirect=True)
def test_the_first_sync_links_without_a_network(
    fs: FileSystems, each_uv: Path, flag: tuple[str, ...]
) -> None:
    warm = Warm(fs, each_uv)

    said = warm.sync(*flag)

    assert warm.is_linked()
    assert "falling back" not in said
    assert "linkpolicy" not in said
