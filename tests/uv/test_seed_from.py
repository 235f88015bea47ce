"""Caches that an image or a site shares: the shim fills from them what uv's own cache lacks."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests import mounts
from tests.filesystems import FileSystems, same_inode
from tests.uv.index_server import index_of
from tests.uv.test_seed import Warm, contents
from tests.uv.world import NAME, archived, build_wheel, installed

pytestmark = [pytest.mark.uv, pytest.mark.filesystem]


class Shared(Warm):
    """What uv's own cache held is in one of the site, that nobody writes."""

    def __init__(self, fs: FileSystems, uv: Path, *, disk: Path | None = None) -> None:
        super().__init__(fs, uv, disk=disk)
        self.site = fs.other_ext4 / "site"
        shutil.move(self.default_cache, self.site)
        self.config = self.world.home / ".config/linkpolicy/config.toml"
        self.config.parent.mkdir(parents=True)
        self.config.write_text(f'[caches]\nseed-from = ["{self.site}"]\n')


def test_a_cache_of_the_device_is_filled_from_there(fs: FileSystems, newest_uv: Path) -> None:
    warm = Shared(fs, newest_uv)
    before = contents(warm.site)

    said = warm.sync("--offline")

    assert warm.is_linked()
    assert "linkpolicy" not in said
    assert contents(warm.site) == before


def test_so_is_uvs_own_cache(fs: FileSystems, newest_uv: Path) -> None:
    """In a container there is one device, and nothing in the cache of its user."""
    disk = fs.other_ext4 / "disk"
    disk.mkdir()
    warm = Shared(fs, newest_uv, disk=disk)
    before = contents(warm.site)

    told = warm.explain()["cache_dir"]
    warm.sync("--offline")

    assert told["because"].endswith(f"what it lacks is copied from `{warm.site}` first")
    (cached,) = archived(warm.default_cache)
    assert same_inode(warm.module, cached)
    assert contents(warm.site) == before


def test_so_is_the_one_that_stands_in_for_an_unwritable_cache(
    fs: FileSystems, newest_uv: Path
) -> None:
    """A read-only home: uv alone fails there, whatever the site has."""
    warm = Shared(fs, newest_uv)
    warm.default_cache.mkdir(parents=True)
    with mounts.bound(str(warm.default_cache), str(warm.default_cache), read_only=True):
        told = warm.explain()["cache_dir"]
        warm.sync("--offline")
        again = warm.explain()["cache_dir"]

    assert told["value"] == str(warm.device_cache)
    assert told["because"].endswith(f"what it lacks is copied from `{warm.site}` first")
    assert again["value"] == told["value"]
    assert "copied" not in again["because"]
    assert warm.is_linked()


def test_each_cache_gives_what_it_has(fs: FileSystems, newest_uv: Path) -> None:
    warm = Shared(fs, newest_uv)
    build_wheel(warm.world.wheels, "another")
    pyproject = warm.project / "pyproject.toml"
    with index_of(warm.world.wheels, fs.other_ext4 / "index2") as url:
        text = pyproject.read_text().replace(warm.url, url)
        pyproject.write_text(text.replace(f'"{NAME}"', f'"{NAME}", "another"'))
        warm.world.plain("lock", cwd=warm.project)
        warm.world.plain("sync", cwd=warm.project)
        # Now the site has one of them, and uv's own cache the other: of the same index.
        shutil.rmtree(warm.site)
        shutil.copytree(warm.default_cache, warm.site, symlinks=True)
        warm.world.plain("cache", "clean", "another", cwd=warm.disk, UV_CACHE_DIR=str(warm.site))
        warm.world.plain("cache", "clean", NAME, cwd=warm.disk)
    shutil.rmtree(warm.project / ".venv")

    warm.sync("--offline")

    assert warm.is_linked()
    another = next((warm.project / ".venv").rglob("another/__init__.py"))
    (cached,) = warm.device_cache.glob("archive-v0/*/another/__init__.py")
    assert same_inode(another, cached)


@pytest.mark.parametrize("why", ["never", "open", "gone", "poisoned"])
def test_nothing_is_taken_where_that_is_not_wanted_or_not_safe(
    fs: FileSystems, newest_uv: Path, why: str
) -> None:
    warm = Shared(fs, newest_uv)
    (cached,) = archived(warm.site)
    if why == "never":
        warm.config.write_text(f'[defaults]\nseed = "never"\n{warm.config.read_text()}')
    elif why == "open":
        (warm.site / "archive-v0").chmod(0o777)
    elif why == "gone":
        shutil.rmtree(warm.site)
    else:
        cached.write_text("poisoned")

    warm.sync("--offline", check=False)

    assert not warm.has_device_cache() or archived(warm.device_cache) == []
    assert archived(warm.default_cache) == []


def test_pip_installs_from_there_as_well(fs: FileSystems, newest_uv: Path) -> None:
    warm = Shared(fs, newest_uv)
    warm.world.plain("venv", str(warm.disk / "v"), cwd=warm.disk)
    shutil.rmtree(warm.default_cache)

    warm.world.uv(
        "pip", "install", "-p", str(warm.disk / "v"), "--offline", "--index-url", warm.url, NAME,
        cwd=warm.disk,
    )  # fmt: skip

    (cached,) = archived(warm.device_cache)
    assert same_inode(installed(warm.disk / "v") / "__init__.py", cached)
