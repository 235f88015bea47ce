from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fake_host import access_list
from tests.inherited import share_with
from tests.ordinary_user import only_root
from uvx_policy.filesystem.cache_directory import UnsafeCacheDirectory, make_cache_directory

if TYPE_CHECKING:
    from collections.abc import Callable

REPOSITORY = Path(__file__).resolve().parents[2]
OTHER = 12345


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return Path(os.path.realpath(tmp_path)) / ".uv-cache-1000"


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_new_cache_is_mine_alone_whatever_the_umask(place: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        make_cache_directory(str(place))
    finally:
        os.umask(before)

    assert mode(place) == 0o700
    assert place.stat().st_uid == os.geteuid()


def test_one_that_is_there_is_left_as_it_is(place: Path) -> None:
    place.mkdir(mode=0o755)
    (place / "CACHEDIR.TAG").touch()

    make_cache_directory(str(place))

    assert mode(place) == 0o755
    assert os.listdir(place) == ["CACHEDIR.TAG"]


def test_missing_parents_are_made_for_me_alone(place: Path) -> None:
    make_cache_directory(str(place / "a" / "b"))

    assert [mode(path) for path in (place, place / "a", place / "a" / "b")] == [0o700] * 3


@only_root
def test_what_lies_in_it_is_for_nobody_whom_a_directory_above_lets_in(place: Path) -> None:
    """`setfacl -d`: through a hard link in an environment he would write into the cache."""
    name = "system.posix_acl_default"
    os.setxattr(place.parent, name, access_list(("user", OTHER, "rwx")))
    beside = place.parent / "beside"
    beside.touch()
    assert os.listxattr(beside) == ["system.posix_acl_access"]

    make_cache_directory(str(place / "cache"))
    (place / "cache" / "file").touch()

    assert os.listxattr(place / "cache" / "file") == []
    assert name in os.listxattr(place.parent)


def link(path: Path) -> None:
    (path.parent / "elsewhere").mkdir(mode=0o700)
    path.symlink_to("elsewhere")


def dangling_link(path: Path) -> None:
    path.symlink_to(path.parent / "nowhere")


def looping_link(path: Path) -> None:
    path.symlink_to(path)


def file(path: Path) -> None:
    path.touch()


def fifo(path: Path) -> None:
    os.mkfifo(path)


def of_another_user(path: Path) -> None:
    path.mkdir(mode=0o700)
    os.chown(path, OTHER, OTHER)


def for_everybody(path: Path) -> None:
    path.mkdir()
    path.chmod(0o777)


def sticky_for_everybody(path: Path) -> None:
    path.mkdir()
    path.chmod(0o1777)


def for_a_group(path: Path) -> None:
    path.mkdir()
    os.chown(path, -1, OTHER)
    path.chmod(0o770)


def by_list(path: Path) -> None:
    path.mkdir()
    share_with(path, ("user", OTHER, "rwx"))


@pytest.mark.parametrize("nested", [False, True], ids=["as the cache", "as its parent"])
@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        pytest.param(link, "symbolic link", id="link"),
        pytest.param(dangling_link, "symbolic link", id="dangling link"),
        pytest.param(looping_link, "symbolic link", id="link to itself"),
        pytest.param(file, "not a directory", id="file"),
        pytest.param(fifo, "not a directory", id="FIFO"),
        pytest.param(
            of_another_user, "belongs to user 12345", id="another user's", marks=only_root
        ),
        pytest.param(for_everybody, "everybody", id="for everybody"),
        pytest.param(for_a_group, "group 12345", id="for a group", marks=only_root),
        pytest.param(by_list, "user 12345", id="by ACL", marks=only_root),
    ],
)
def test_what_somebody_put_there_before_is_refused_and_left_alone(
    place: Path, prepare: Callable[[Path], None], reason: str, nested: bool
) -> None:
    prepare(place)
    before = sorted((path, path.lstat().st_mode) for path in place.parent.rglob("*"))

    with pytest.raises(UnsafeCacheDirectory, match=reason):
        make_cache_directory(str(place / "cache" if nested else place))

    assert sorted((path, path.lstat().st_mode) for path in place.parent.rglob("*")) == before


@only_root
@pytest.mark.parametrize("prepare", [sticky_for_everybody, for_a_group, by_list])
def test_a_cache_that_others_may_write_is_refused_even_with_some_order(
    place: Path, prepare: Callable[[Path], None]
) -> None:
    prepare(place)

    with pytest.raises(UnsafeCacheDirectory, match="is not yours alone: "):
        make_cache_directory(str(place))


def test_a_sticky_directory_may_hold_a_cache(place: Path) -> None:
    sticky_for_everybody(place)

    make_cache_directory(str(place / "cache"))

    assert mode(place / "cache") == 0o700


@only_root
def test_a_projects_own_cache_may_lie_in_a_directory_of_another_user(place: Path) -> None:
    of_another_user(place)

    make_cache_directory(str(place / ".uv-cache"))

    assert (place / ".uv-cache").stat().st_uid == os.geteuid()


@only_root
def test_a_projects_own_cache_of_another_user_is_refused(place: Path) -> None:
    place.mkdir()
    of_another_user(place / ".uv-cache")

    with pytest.raises(UnsafeCacheDirectory, match="belongs to user 12345"):
        make_cache_directory(str(place / ".uv-cache"))


@pytest.mark.parametrize("path", ["relative", "/a/../b", "/a//b", "/a/", "", "/a\0b"])
def test_only_a_plain_absolute_path_is_made(path: str) -> None:
    with pytest.raises(UnsafeCacheDirectory, match="not a plain absolute path"):
        make_cache_directory(path)


@pytest.mark.parametrize("path", ["/proc/cache", "/dev/null/cache"])
def test_what_the_kernel_refuses_is_our_error(path: str) -> None:
    with pytest.raises(UnsafeCacheDirectory):
        make_cache_directory(path)


def test_handles_are_closed_again(place: Path) -> None:
    before = sorted(os.listdir("/proc/self/fd"))
    file(place)

    make_cache_directory(str(place.with_name("cache")))
    with pytest.raises(UnsafeCacheDirectory):
        make_cache_directory(str(place / "cache"))

    assert sorted(os.listdir("/proc/self/fd")) == before


def test_32_processes_at_once_make_one_directory(place: Path) -> None:
    program = (
        "import sys; from uvx_policy.filesystem import cache_directory;"
        "sys.stdin.read(); cache_directory.make_cache_directory(sys.argv[1])"
    )
    waiting, go = os.pipe()
    started = [
        subprocess.Popen(
            [sys.executable, "-S", "-c", program, str(place / "cache")],
            cwd=REPOSITORY,
            stdin=waiting,
        )
        for _ in range(32)
    ]
    os.close(waiting)
    os.close(go)

    assert [process.wait() for process in started] == [0] * 32
    assert mode(place / "cache") == 0o700


def test_a_directory_that_becomes_a_link_on_the_way_is_not_followed(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine = os.mkdir

    def exchange(name: str, access: int, **rest: int) -> None:
        genuine(name, access, **rest)
        place.rename(place.parent / "elsewhere")
        place.symlink_to("elsewhere")

    with monkeypatch.context() as patch:
        patch.setattr(os, "mkdir", exchange)
        with pytest.raises(UnsafeCacheDirectory, match="symbolic link"):
            make_cache_directory(str(place))

    assert os.listdir(place.parent / "elsewhere") == []
