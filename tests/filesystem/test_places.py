"""The choice of a place on real mounts, and whether what was chosen really links."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import mounts
from tests.filesystems import FileSystems
from tests.inherited import share_with
from tests.replay.machine import patient, wait_for_tick
from uvx_policy.filesystem.cache_directory import make_cache_directory
from uvx_policy.filesystem.cache_safety import Surroundings, Wish, why_not
from uvx_policy.filesystem.mounts import read_mount_table
from uvx_policy.filesystem.places import (
    Places,
    cache_is_mount_point,
    default_cache_usable,
    find_place,
)
from uvx_policy.filesystem.probe import try_links
from uvx_policy.host import Host
from uvx_policy.model import DEFAULT
from uvx_policy.replay.witness import look
from uvx_policy.settings.keys import CacheEntry
from uvx_policy.state import layout

pytestmark = pytest.mark.filesystem

REPOSITORY = Path(__file__).resolve().parents[2]
NAME = layout.device_cache_name(str(os.geteuid()))
ME, OTHER = 12345, 23456


class User(Host):
    """This machine with the eyes of another user, as far as owner and mode go."""

    def __init__(self, uid: int) -> None:
        super().__init__(environ={}, cwd="/")
        self.uid = uid

    def may_write(self, path: str) -> bool:
        status = self.status(path)
        if status is None or not super().may_write(path):
            return False
        return bool((status.mode >> 6 if status.uid == self.uid else status.mode) & 0o2)


def find(
    destination: Path, *, host: Host | None = None, entries: tuple[CacheEntry, ...] = (),
    project: Path | None = None, allow_project: bool = False,
) -> Places:  # fmt: skip
    host = host or Host(environ={}, cwd="/")
    return find_place(
        host,
        read_mount_table(host),
        destination=str(destination),
        project=str(project or ""),
        workspace=str(project or ""),
        entries=entries,
        allow_project=allow_project,
    )


def chosen(places: Places) -> str:
    assert places.chosen, places.rejected
    return places.chosen.directory


@pytest.mark.parametrize("name", ["btrfs", "xfs", "ext4", "other_ext4"])
def test_the_root_of_a_disk_of_mine_gets_a_cache_that_really_links(
    fs: FileSystems, name: str
) -> None:
    destination = getattr(fs, name) / "p" / ".venv"
    destination.mkdir(parents=True)

    place = chosen(find(destination))
    make_cache_directory(place)

    try:
        assert place == os.path.join(os.path.dirname(getattr(fs, name)), NAME)
        assert try_links(cache=place, destination=str(destination)).hardlink == "yes"
        assert chosen(find(destination)) == place
    finally:
        os.rmdir(place)


def test_a_user_gets_the_topmost_directory_that_is_his(fs: FileSystems) -> None:
    own = fs.ext4 / "users" / "me"
    (own / "p").mkdir(parents=True)
    for path in (own, own / "p"):
        os.chown(path, ME, ME)

    assert chosen(find(own / "p" / ".venv", host=User(ME))) == str(own / f".uv-cache-{ME}")


def test_a_sticky_root_is_used_and_an_open_one_is_not(fs: FileSystems) -> None:
    root = fs.image("ext4", size=64 * 1024**2)

    root.chmod(0o1777)
    assert chosen(find(root / "p" / ".venv", host=User(ME))) == str(root / f".uv-cache-{ME}")
    root.chmod(0o777)
    assert find(root / "p" / ".venv", host=User(ME)).chosen is None


def shared_with_a_group(directory: Path) -> None:
    os.chown(directory, -1, OTHER)
    directory.chmod(0o2775)


def shared_by_a_list(directory: Path) -> None:
    share_with(directory, ("user", ME, "rwx"), ("group", OTHER, "rwx"))


@pytest.mark.parametrize("share", [shared_with_a_group, shared_by_a_list])
def test_below_a_directory_that_is_shared_no_cache_lies_unless_it_is_sticky(
    fs: FileSystems, share: Callable[[Path], None]
) -> None:
    root = fs.image("ext4", size=64 * 1024**2)
    (root / "me").mkdir()
    os.chown(root / "me", ME, ME)
    share(root)

    found = find(root / "me" / "p" / ".venv", host=User(ME))

    assert found.chosen is None
    assert f"`{root}`, on the way to it, is writable by group {OTHER}" in found.rejected[-1][1]
    root.chmod(root.stat().st_mode | 0o1000)
    assert chosen(find(root / "me" / "p" / ".venv", host=User(ME))) == str(
        root / "me" / f".uv-cache-{ME}"
    )


DATABASES = {
    "a private group": (f"me:x:{ME}:{ME}::/:\n", f"me:x:{ME}:\n", True),
    "with root in it": (f"me:x:{ME}:{ME}::/:\n", f"me:x:{ME}:root,me\n", True),
    "with another member": (f"me:x:{ME}:{ME}::/:\n", f"me:x:{ME}:you\n", False),
    "another's primary group": (
        f"me:x:{ME}:{ME}::/:\nyou:x:{OTHER}:{ME}::/:\n", f"me:x:{ME}:\n", False,
    ),
    "a group of all users": (f"me:x:{ME}:{ME}::/:\n", f"users:x:{ME}:\n", False),
    "a group of mine": (f"me:x:{ME}:7::/:\n", f"club:x:{ME}:me\n", True),
    "nobody's": ("", "", False),
}  # fmt: skip


@pytest.mark.parametrize("database", DATABASES)
def test_a_group_of_one_user_is_that_user(fs: FileSystems, tmp_path: Path, database: str) -> None:
    """As where the umask is 002 by default, because every user has such a group."""
    passwd, group, is_private = DATABASES[database]
    root = fs.image("ext4", size=64 * 1024**2)
    os.chown(root, ME, ME)
    root.chmod(0o775)
    (tmp_path / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\n" + passwd)
    (tmp_path / "group").write_text("root:x:0:\n" + group)
    wait_for_tick()

    with (
        patient(),
        mounts.private(),
        mounts.bound(str(tmp_path / "passwd"), "/etc/passwd"),
        mounts.bound(str(tmp_path / "group"), "/etc/group"),
    ):
        host = User(ME)
        found = find(root / "p" / ".venv", host=host)

    assert (found.chosen is not None) is is_private, found
    assert host.witnesses.spoilt == ""
    assert {("c", "/etc/passwd"), ("c", "/etc/group"), ("x", str(root))} <= {
        (token, path) for token, path, _ in host.witnesses
    }


def test_without_a_shared_directory_no_account_is_looked_up(fs: FileSystems) -> None:
    host = User(ME)

    find(fs.ext4 / "p" / ".venv", host=host)

    assert not any(path.startswith("/etc/") for _, path, _ in host.witnesses)


def test_what_another_user_put_into_a_sticky_root_is_not_used(fs: FileSystems) -> None:
    root = fs.image("ext4", size=64 * 1024**2)
    root.chmod(0o1777)
    (root / f".uv-cache-{ME}").mkdir()
    os.chown(root / f".uv-cache-{ME}", OTHER, OTHER)

    found = find(root / "p" / ".venv", host=User(ME))

    assert found.chosen is None
    assert f"belongs to user {OTHER}" in found.rejected[0][1]


@pytest.mark.parametrize(
    ("name", "why"), [("tmpfs", "do not outlive a reboot"), ("overlay", "layers of a container")]
)
def test_such_a_file_system_gets_no_cache(fs: FileSystems, name: str, why: str) -> None:
    found = find(getattr(fs, name) / "p" / ".venv")

    assert found.chosen is None
    assert why in found.rejected[-1][1]


@pytest.mark.parametrize(
    ("options", "why"),
    [({"noexec": True}, "noexec"), ({"read_only": True}, "cannot be written")],
)
def test_such_a_mount_gets_no_cache(fs: FileSystems, options: dict[str, bool], why: str) -> None:
    entry = fs.bind(fs.ext4, **options)
    configured = CacheEntry(filesystem=str(entry), directory=f"{entry}/cache", origin=DEFAULT)

    found = find(entry / "p" / ".venv", entries=(configured,))

    assert found.chosen is None
    assert why in found.rejected[0][1]


def test_a_nearly_full_disk_gets_no_cache(fs: FileSystems) -> None:
    root = fs.image("ext4", size=64 * 1024**2)
    subprocess.run(["fallocate", "-l", "30M", root / "ballast"], check=True)

    found = find(root / "p" / ".venv")

    assert found.chosen is None
    assert "MiB are free" in found.rejected[0][1]


def use_up_inodes(root: Path, left: int) -> None:
    directory = root / "ballast"
    directory.mkdir()
    for number in range(os.statvfs(root).f_favail - left):
        (directory / str(number)).touch()


def test_a_disk_with_hardly_any_inodes_gets_no_cache(fs: FileSystems) -> None:
    """With room for a gigabyte, and not for the files of one more package."""
    root = fs.image("ext4", size=100 * 1024**2)
    host = Host(environ={}, cwd="/")
    assert find(root / "p" / ".venv", host=host).chosen
    assert ("f2000000", str(root), "y") in host.witnesses
    use_up_inodes(root, left=100)

    host = Host(environ={}, cwd="/")
    found = find(root / "p" / ".venv", host=host)

    assert found.chosen is None
    assert "only 100 more files (inodes) fit there, 2048 are needed" in found.rejected[0][1]
    # Seen again by what replays the decision.
    assert ("f2000000", str(root), "n") in host.witnesses
    assert look("f2000000", str(root)) == "n"


def test_a_bind_mounted_project_gets_a_cache_only_within_itself_and_when_allowed(
    fs: FileSystems,
) -> None:
    project = fs.bind(fs.ext4)

    assert find(project / ".venv", project=project).chosen is None
    place = chosen(find(project / ".venv", project=project, allow_project=True))
    assert place == str(project / ".uv-cache")
    make_cache_directory(place)
    assert try_links(cache=place, destination=str(project)).hardlink == "yes"


def test_in_a_subvolume_the_cache_lies_where_clones_reach(fs: FileSystems) -> None:
    first, _ = fs.subvolumes

    found = find(first / "p" / ".venv")

    assert found.chosen
    assert try_links(cache=found.chosen.probe_from, destination=str(first)).clone == "yes"


def test_the_environment_behind_a_symbolic_link_counts(fs: FileSystems) -> None:
    (fs.xfs / "venv").mkdir()
    (fs.ext4 / ".venv").symlink_to(fs.xfs / "venv")

    place = chosen(find(fs.ext4 / ".venv", project=fs.ext4))

    assert place == os.path.join(os.path.dirname(fs.xfs), NAME)


def test_the_users_entry_is_known_by_its_mount(fs: FileSystems) -> None:
    entries = (
        CacheEntry(filesystem=str(fs.btrfs), directory=str(fs.btrfs / "c"), origin=DEFAULT),
        CacheEntry(filesystem=str(fs.xfs), directory=str(fs.xfs / "c"), origin=DEFAULT),
    )

    assert chosen(find(fs.xfs / "p" / ".venv", entries=entries)) == str(fs.xfs / "c")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may always make user namespaces")
def test_a_user_namespace_is_recognised() -> None:
    program = "from uvx_policy.host import Host; print(Host(environ={}).unmapped_uid())"
    inside = subprocess.run(
        ["unshare", "--user", "--map-root-user", sys.executable, "-c", program],
        cwd=REPOSITORY, check=True, capture_output=True, text=True,
    )  # fmt: skip
    overflow = Path("/proc/sys/kernel/overflowuid").read_text(encoding="ascii")

    assert inside.stdout.strip() == overflow.strip()


# uv's own cache -----------------------------------------------------------------------------------


def uv_accepts(uv: Path, cache: Path) -> bool:
    """Does the real uv start with this cache?"""
    ended = subprocess.run(
        [uv, "pip", "list", "--quiet", "--python", sys.executable, "--cache-dir", cache],
        env={**os.environ, "UV_PYTHON_DOWNLOADS": "never"},
        check=False,
        capture_output=True,
    )
    return ended.returncode == 0


@pytest.mark.uv
@pytest.mark.parametrize(
    "frozen",
    [".lock", "sdists-v*/.git", "CACHEDIR.TAG", ".gitignore", "sdists-v*/.gitignore", "sdists-v*"],
)
def test_the_real_uv_agrees_on_which_files_it_must_write(
    fs: FileSystems, each_uv: Path, frozen: str
) -> None:
    cache = fs.ext4 / "uv"
    assert uv_accepts(each_uv, cache)
    there = list(cache.glob(frozen))  # uv before 0.8.19 has no .lock
    for path in there:
        subprocess.run(["chattr", "+i", path], check=True)

    try:
        accepted = uv_accepts(each_uv, cache)
        told = default_cache_usable(Host(environ={}), str(cache))
    finally:
        subprocess.run(["chattr", "-R", "-i", cache], check=True)

    assert told == ("yes" if accepted else "no")
    assert accepted is not (bool(there) and frozen in (".lock", "sdists-v*/.git"))


@pytest.mark.uv
def test_the_real_uv_agrees_on_a_read_only_home(fs: FileSystems, each_uv: Path) -> None:
    assert uv_accepts(each_uv, fs.ext4 / "uv")
    home = fs.bind(fs.ext4, read_only=True)

    for cache in (home / "uv", home / "missing" / "uv"):
        assert not uv_accepts(each_uv, cache)
        assert default_cache_usable(Host(environ={}), str(cache)) == "no"


def test_a_cache_mount_is_recognised(fs: FileSystems) -> None:
    cache = fs.bind(fs.xfs)

    host = Host(environ={})
    table = read_mount_table(host)

    assert cache_is_mount_point(host, table, str(cache))
    assert not cache_is_mount_point(host, table, str(fs.xfs))


def test_a_disk_quota_that_leaves_no_room_is_seen(fs: FileSystems) -> None:
    disk = fs.image("btrfs")
    free = Host(environ={}).free_bytes(str(disk), needed=0)
    subprocess.run(["btrfs", "quota", "enable", disk], check=True, capture_output=True)
    for name, limit in (("narrow", "20M"), ("wide", "100M")):
        subprocess.run(
            ["btrfs", "subvolume", "create", disk / name], check=True, capture_output=True
        )
        subprocess.run(["btrfs", "qgroup", "limit", limit, disk / name], check=True)
    host = Host(environ={})
    table = read_mount_table(host)
    near = Surroundings(destination="", project="", workspace="", cwd="/")

    reasons = {
        name: why_not(host, table, f"{disk}/{name}/cache", near=near, wish=Wish())
        for name in ("narrow", "wide")
    }

    assert free > 64 << 20
    assert reasons == {"narrow": "a disk quota leaves less than 32 MiB there", "wide": ""}
    assert os.listdir(disk / "narrow") == []
