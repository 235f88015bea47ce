"""`linkpolicy cache seed` fills a cache from the environments beside it, and every uv takes it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests import real_uv
from tests.filesystems import FileSystems, extents, same_inode
from tests.uv.test_seed import Warm, contents
from tests.uv.world import NAME, Done, archived, installed
from uvx_policy.uv import buckets

pytestmark = [pytest.mark.uv, pytest.mark.filesystem, pytest.mark.slow]

#: the oldest and the newest; the others in the exhaustive run
CACHES = real_uv.each()


class Copied(Warm):
    """The project has an environment, whose files uv has copied from its own cache."""

    def __init__(self, fs: FileSystems, uv: Path, **how: Any) -> None:
        super().__init__(fs, uv, **how)
        self.world.plain("sync", "--frozen", "--offline", cwd=self.project)
        assert self.module.stat().st_nlink == 1

    def seed(self, *words: str, cwd: Path | None = None) -> Done:
        return self.world.linkpolicy(
            "cache", "seed", *words, cwd=cwd or self.disk, PATH=self.world.environ()["PATH"]
        )

    def without_network(self, *words: str, cache: Path | None = None) -> None:
        """With the device's cache alone, and uv itself."""
        self.world.plain(
            *words, "--offline", cwd=self.project, UV_CACHE_DIR=str(cache or self.device_cache)
        )


@pytest.mark.parametrize("each_uv", CACHES, indirect=True)
@pytest.mark.parametrize("from_source", [False, True])
def test_every_uv_takes_what_comes_from_environments(
    fs: FileSystems, each_uv: Path, from_source: bool
) -> None:
    warm = Copied(fs, each_uv, from_source=from_source)
    script = warm.project / f".venv/bin/{NAME}-tool"

    done = warm.seed(str(warm.project), "--json")
    shutil.move(warm.default_cache, warm.default_cache.with_name("away"))
    (cached,) = archived(warm.device_cache)
    tool = next(warm.device_cache.glob(f"archive-v0/*/*.data/scripts/{NAME}-tool"))
    was_linked = same_inode(cached, warm.module), same_inode(tool, script)
    warm.without_network("sync", "--frozen", "--reinstall")
    warm.without_network("cache", "prune")
    shutil.rmtree(warm.project / ".venv")
    warm.without_network("sync")

    assert (done.code, done.err) == (0, "")
    assert done.json["copied"] == {NAME: ["1.0"]}
    assert done.json["environments"] == [str(warm.project / ".venv")]
    assert done.json["shared_bytes"] > 1 << 16
    assert was_linked == (True, True)
    assert warm.is_linked()


@pytest.mark.parametrize("each_uv", CACHES, indirect=True)
def test_pip_installs_what_it_could_before(fs: FileSystems, each_uv: Path) -> None:
    warm = Copied(fs, each_uv)
    words = ("pip", "install", "-p", str(warm.disk / "v"), "--index-url", warm.url, NAME)

    warm.seed(str(warm.project))
    shutil.move(warm.default_cache, warm.default_cache.with_name("away"))
    warm.world.plain("venv", str(warm.disk / "v"), cwd=warm.disk)
    warm.without_network(*words)

    assert same_inode(installed(warm.disk / "v") / "__init__.py", warm.module)


@pytest.mark.parametrize("each_uv", CACHES, indirect=True)
@pytest.mark.parametrize("side", ["default_cache", "device_cache"])
@pytest.mark.parametrize("words", [("prune",), ("clean", NAME), ("clean",)])
def test_either_cache_can_be_pruned_and_cleaned(
    fs: FileSystems, each_uv: Path, side: str, words: tuple[str, ...]
) -> None:
    warm = Copied(fs, each_uv)
    warm.seed(str(warm.project))
    other = {"default_cache": warm.device_cache, "device_cache": warm.default_cache}[side]
    environment, before = contents(warm.project / ".venv"), contents(other)

    warm.world.plain("cache", *words, cwd=warm.disk, UV_CACHE_DIR=str(getattr(warm, side)))
    same = contents(warm.project / ".venv") == environment
    shutil.rmtree(warm.project / ".venv")
    warm.without_network("sync", "--frozen", cache=other)

    assert same
    assert contents(other).items() >= before.items()


@pytest.mark.parametrize("kind", ["btrfs", "xfs"])
def test_where_there_are_clones_nothing_gets_another_name(
    fs: FileSystems, newest_uv: Path, kind: str
) -> None:
    disk = fs.image(kind)
    warm = Copied(fs, newest_uv, disk=disk)
    (disk / "target").mkdir(0o700)

    done = warm.seed(str(warm.project), "--to", str(disk / "target"))

    assert done.code == 0
    (cached,) = (disk / "target").glob(f"archive-v0/*/{NAME}/data.bin")
    data = installed(warm.project / ".venv") / "data.bin"
    assert extents(cached)[0].physical == extents(data)[0].physical
    assert (cached.stat().st_nlink, data.stat().st_nlink) == (1, 1)


@pytest.mark.parametrize(
    "policy", ["hackable = true", 'link-mode = "copy"', 'link-mode = "symlink"']
)
def test_where_the_policy_has_no_hard_links_it_is_copied(
    fs: FileSystems, newest_uv: Path, policy: str
) -> None:
    warm = Copied(fs, newest_uv)
    (warm.project / "linkpolicy.toml").write_text(f"{policy}\n")

    done = warm.seed(str(warm.project), "--json")

    assert done.json["copied"] == {NAME: ["1.0"]}
    assert done.json["shared_bytes"] == 0
    assert warm.module.stat().st_nlink == 1


def test_where_uvs_own_settings_have_no_hard_links_it_is_copied(
    fs: FileSystems, newest_uv: Path
) -> None:
    warm = Copied(fs, newest_uv)
    (warm.project / "uv.toml").write_text('link-mode = "copy"\n')

    warm.seed(str(warm.project))

    assert archived(warm.device_cache)
    assert warm.module.stat().st_nlink == 1


def test_without_a_root_known_environments_on_that_device_count(
    fs: FileSystems, newest_uv: Path
) -> None:
    warm = Copied(fs, newest_uv)
    shutil.rmtree(warm.project / ".venv")
    (warm.project / "linkpolicy.toml").write_text('cache = "default"\n')
    warm.world.uv("sync", "--frozen", "--offline", cwd=warm.project)  # registers it
    (warm.project / "linkpolicy.toml").unlink()
    elsewhere = warm.world.project(warm.world.base / "elsewhere/project", index=warm.url)
    shutil.copy2(warm.project / "uv.lock", elsewhere)
    warm.world.uv("sync", "--frozen", "--offline", cwd=elsewhere)

    done = warm.seed("--to", str(warm.disk / "target"), "--json")

    assert (elsewhere / ".venv").exists()
    assert done.json["environments"] == [str(warm.project / ".venv")]
    assert done.json["copied"] == {NAME: ["1.0"]}
    (cached,) = archived(warm.disk / "target")
    assert same_inode(cached, warm.module)


def test_a_directory_above_a_link_and_a_target_are_roots_as_well(
    fs: FileSystems, newest_uv: Path
) -> None:
    warm = Copied(fs, newest_uv)
    linked = warm.disk / "linked"
    linked.mkdir()
    (warm.project / ".venv").rename(warm.disk / "environment")
    (linked / ".venv").symlink_to(warm.disk / "environment")
    (warm.disk / "below/there").mkdir(parents=True)
    target = warm.disk / "target"
    shutil.copytree(installed(warm.disk / "environment").parent, target)

    for root in (linked, warm.disk, target):
        done = warm.seed(str(root), "--dry-run", "--json")
        assert done.json["copied"] == {NAME: ["1.0"]}
    none = warm.seed(str(warm.disk / "below"))

    assert none.code == 2
    assert "no environment in" in none.err


def test_everything_comes_with_what_environments_lend(fs: FileSystems, newest_uv: Path) -> None:
    warm = Copied(fs, newest_uv)

    done = warm.seed(str(warm.project), "--all", "--json")

    assert done.json["copied"] == {NAME: ["1.0"]}
    assert done.json["shared_bytes"] > 1 << 16


def test_to_look_is_not_to_touch(fs: FileSystems, newest_uv: Path) -> None:
    warm = Copied(fs, newest_uv)
    before = contents(warm.disk)

    dry = warm.seed(str(warm.project), "--dry-run", "--json")

    assert contents(warm.disk) == before
    assert not warm.has_device_cache()
    done = warm.seed(str(warm.project), "--json")
    told = ("copied", "bytes", "shared_bytes", "buckets", "serves")
    assert [dry.json[name] for name in told] == [done.json[name] for name in told]


def test_two_devices_want_a_cache_to_be_named(fs: FileSystems, newest_uv: Path) -> None:
    warm = Copied(fs, newest_uv)
    third = fs.image("ext4")
    other = warm.world.environment(third / "other", mode="copy")

    refused = warm.seed(str(warm.project), str(other))
    done = warm.seed(str(warm.project), str(other), "--to", str(warm.disk / "target"), "--json")

    assert refused.code == 2
    assert "several file systems" in refused.err
    assert done.json["copied"] == {NAME: ["1.0"]}


def test_a_cache_is_not_filled_from_itself(fs: FileSystems, newest_uv: Path) -> None:
    warm = Copied(fs, newest_uv)
    same = str(warm.default_cache)

    assert warm.seed(str(warm.project), "--from", same, "--to", same).code == 2


def test_what_no_cache_knows_is_named(fs: FileSystems, newest_uv: Path) -> None:
    """uv finds nothing without its own pointers, whoever has the bytes."""
    warm = Copied(fs, newest_uv)
    for pointer in warm.default_cache.glob(f"wheels-v*/index/*/{NAME}/*.http"):
        pointer.unlink()

    done = warm.seed(str(warm.project))

    assert f"in none of these caches: {NAME}" in done.out


# `seed-from` -------------------------------------------------------------------------------------


def shared(warm: Copied, path: Path) -> Path:
    """A cache of the site, that nobody writes; uv's own is empty. It is named in the settings."""
    shutil.move(warm.default_cache, path)
    config = warm.world.home / ".config/linkpolicy/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(f'[caches]\nseed-from = ["{path}"]\n')
    return path


def test_a_cache_of_the_site_is_a_source(fs: FileSystems, newest_uv: Path) -> None:
    warm = Copied(fs, newest_uv)
    site = shared(warm, fs.other_ext4 / "site")
    before = contents(site)

    done = warm.seed(str(warm.project), "--json")
    warm.without_network("sync", "--frozen", "--reinstall")

    assert done.json["sources"] == [str(site)]
    assert done.json["copied"] == {NAME: ["1.0"]}
    assert contents(site) == before
    assert warm.is_linked()


def test_a_cache_that_others_can_write_is_none(fs: FileSystems, newest_uv: Path) -> None:
    warm = Copied(fs, newest_uv)
    site = shared(warm, fs.other_ext4 / "site")
    (site / "archive-v0").chmod(0o777)

    done = warm.seed(str(warm.project))

    assert done.code == 2
    assert "archive-v0`: everybody can write to it" in done.err


# For which versions of uv ------------------------------------------------------------------------


@pytest.mark.parametrize("each_uv", CACHES, indirect=True)
def test_it_says_which_versions_of_uv_it_serves(fs: FileSystems, each_uv: Path) -> None:
    warm = Copied(fs, each_uv)
    version = warm.world.plain("--version", cwd=warm.disk).stdout.split()[1]

    done = warm.seed(str(warm.project))

    (bucket,) = {path.name for path in warm.device_cache.glob("wheels-v*")}
    told = buckets.served(bucket)
    assert f"for {told} ({bucket})" if told else f"for `{bucket}`" in done.out
    if told:
        first, _, last = told.removeprefix("uv ").partition(" to ")
        numbers = [tuple(map(int, each.split("."))) for each in (first, version, last or first)]
        assert numbers == sorted(numbers)


def test_of_an_unknown_bucket_its_name_is_said() -> None:
    assert buckets.described(["wheels-v6", "wheels-v99"]) == [
        "uv 0.10.0 to 0.12.24 (wheels-v6)",
        "`wheels-v99`",
    ]
