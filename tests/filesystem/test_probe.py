from __future__ import annotations

import errno
import fcntl
import os
import signal
import struct
import subprocess
import sys
import textwrap
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.filesystems import FileSystems, clone_errno, link_errno
from uvx_policy.filesystem import probe
from uvx_policy.filesystem.probe import NOT_TRIED, attempt_links, try_links

if TYPE_CHECKING:
    from collections.abc import Callable

    from uvx_policy.model import Support

#: CPython 3.12 warns of any fork beside a thread (pytest-xdist has one)
forks = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
REPOSITORY = Path(__file__).resolve().parents[2]
real_filesystem = pytest.mark.filesystem


def support(cache: Path, destination: Path) -> tuple[Support, Support]:
    """(clone, hard link), having checked that both directories are left as they were."""
    before = [sorted(os.listdir(directory)) for directory in (cache, destination)]

    found = try_links(cache=str(cache), destination=str(destination))

    assert [sorted(os.listdir(directory)) for directory in (cache, destination)] == before
    return found.clone, found.hardlink


@pytest.fixture(params=["unnamed", "named"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of trying: with O_TMPFILE and, as if the file system had none, without."""
    if request.param == "named":
        monkeypatch.delattr(os, "O_TMPFILE")
    return str(request.param)


@real_filesystem
@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("btrfs", ("yes", "yes"), id="btrfs clones and links"),
        pytest.param("xfs", ("yes", "yes"), id="XFS clones and links"),
        pytest.param("ext4", ("no", "yes"), id="ext4 links only"),
        pytest.param("tmpfs", ("no", "yes"), id="tmpfs links only"),
        pytest.param("overlay", ("no", "yes"), id="an overlay on ext4 links only"),
    ],
)
def test_two_directories_of_one_file_system(
    fs: FileSystems, name: str, expected: tuple[Support, Support]
) -> None:
    cache, destination = getattr(fs, name) / "cache", getattr(fs, name) / "destination"
    cache.mkdir()
    destination.mkdir()

    assert support(cache, destination) == expected
    assert support(cache, cache) == expected


@real_filesystem
@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(
    ("cache", "destination"),
    [
        ("ext4", "btrfs"), ("btrfs", "xfs"), ("xfs", "ext4"), ("ext4", "other_ext4"),
        ("tmpfs", "ext4"), ("ext4", "overlay"),
    ],
)  # fmt: skip
def test_nothing_can_be_linked_between_two_file_systems(
    fs: FileSystems, cache: str, destination: str
) -> None:
    assert support(getattr(fs, cache), getattr(fs, destination)) == ("no", "no")


@real_filesystem
@pytest.mark.usefixtures("way")
def test_btrfs_subvolumes_clone_although_their_devices_differ(fs: FileSystems) -> None:
    first, second = fs.subvolumes

    assert first.stat().st_dev != second.stat().st_dev
    assert support(first, second) == ("yes", "no")


@real_filesystem
@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(("name", "clone"), [("ext4", "no"), ("xfs", "yes"), ("btrfs", "yes")])
def test_bind_mounts_refuse_hard_links_although_their_devices_are_equal(
    fs: FileSystems, name: str, clone: Support
) -> None:
    original: Path = getattr(fs, name)
    bound = fs.bind(original)

    assert original.stat().st_dev == bound.stat().st_dev
    assert support(original, bound) == (clone, "no")


@real_filesystem
@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("side", ["cache", "destination"])
def test_a_read_only_mount_tells_nothing(fs: FileSystems, side: str) -> None:
    read_only = fs.bind(fs.btrfs, read_only=True)
    pair = (read_only, fs.btrfs) if side == "cache" else (fs.btrfs, read_only)

    assert support(*pair) == ("unknown", "unknown")


@real_filesystem
@pytest.mark.usefixtures("way")
def test_a_full_file_system_tells_nothing(fs: FileSystems) -> None:
    with (fs.tmpfs / "ballast").open("wb", buffering=0) as ballast, suppress(OSError):
        while ballast.write(b"." * 4096):
            pass

    assert support(fs.tmpfs, fs.tmpfs) == ("unknown", "unknown")


@real_filesystem
@forks
def test_an_ordinary_user_gets_the_same_answers(fs: FileSystems) -> None:
    for directory in (fs.btrfs, fs.ext4):
        os.chown(directory, 12345, 12345)

    told = as_user(
        12345,
        f"""
        print(*(getattr(try_links(cache={str(fs.btrfs)!r}, destination={str(fs.btrfs)!r}), kind)
                for kind in ("clone", "hardlink")))
        print(*(getattr(try_links(cache={str(fs.ext4)!r}, destination={str(fs.ext4)!r}), kind)
                for kind in ("clone", "hardlink")))
        """,
    )

    assert told.split() == ["yes", "yes", "no", "yes"]
    assert (os.listdir(fs.btrfs), os.listdir(fs.ext4)) == ([], [])


@real_filesystem
@forks
def test_a_directory_that_the_user_may_not_write_tells_nothing(fs: FileSystems) -> None:
    os.chown(fs.ext4, 12345, 12345)

    told = as_user(
        12345,
        f"found = try_links(cache={str(fs.ext4)!r}, destination={str(fs.ext4.parent)!r})\n"
        "print(found.clone, found.hardlink, found.detail)",
    )

    assert told.startswith("unknown unknown ")
    assert "Permission denied" in told


@real_filesystem
def test_an_unclonable_attribute_is_seen(fs: FileSystems) -> None:
    nodatacow = fs.btrfs / "nodatacow"
    nodatacow.mkdir()
    subprocess.run(["chattr", "+C", nodatacow], check=True)

    assert clone_errno(fs.btrfs, nodatacow) == errno.EINVAL
    assert support(fs.btrfs, nodatacow) == ("no", "yes")


@real_filesystem
def test_a_quota_project_that_takes_no_foreign_files_is_seen(fs: FileSystems) -> None:
    plain, project = fs.xfs / "plain", fs.xfs / "project"
    plain.mkdir()
    project.mkdir()
    set_quota_project(project, 7)

    assert (link_errno(plain, project), link_errno(project, plain)) == (errno.EXDEV, 0)
    assert support(plain, project) == ("yes", "no")
    assert support(project, plain) == ("yes", "yes")
    assert support(project, project) == ("yes", "yes")


def set_quota_project(directory: Path, project: int) -> None:
    fs_ioc_fssetxattr, flag_projinherit = 0x401C5820, 0x200
    handle = os.open(directory, os.O_RDONLY)
    try:
        wanted = struct.pack("=IIIII8s", flag_projinherit, 0, 0, project, 0, b"")
        fcntl.ioctl(handle, fs_ioc_fssetxattr, wanted)
    finally:
        os.close(handle)


# Faults ------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("missing", ["cache", "destination"])
def test_a_missing_directory_tells_nothing(tmp_path: Path, missing: str) -> None:
    paths = {"cache": str(tmp_path), "destination": str(tmp_path), missing: str(tmp_path / "none")}

    found = attempt_links(**paths)

    assert (found.clone, found.hardlink) == (NOT_TRIED, NOT_TRIED)
    assert "No such file" in found.detail
    assert os.listdir(tmp_path) == []


@pytest.mark.usefixtures("way")
def test_a_file_in_the_place_of_a_directory_tells_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    found = try_links(cache=str(tmp_path), destination=str(tmp_path / "file"))

    assert (found.clone, found.hardlink) == ("unknown", "unknown")


REFUSALS = [
    pytest.param("EXDEV", "no", "no"),
    pytest.param("EOPNOTSUPP", "no", "no"),
    pytest.param("ENOSYS", "no", "no"),
    pytest.param("ENOTTY", "no", "unknown"),
    pytest.param("EINVAL", "no", "unknown"),
    pytest.param("EBADF", "no", "unknown"),
    pytest.param("EPERM", "unknown", "no"),
    pytest.param("EMLINK", "unknown", "no"),
    pytest.param("EACCES", "unknown", "unknown"),
    pytest.param("EROFS", "unknown", "unknown"),
    pytest.param("ENOSPC", "unknown", "unknown"),
    pytest.param("EDQUOT", "unknown", "unknown"),
    pytest.param("ETXTBSY", "unknown", "unknown"),
    pytest.param("EIO", "unknown", "unknown"),
    pytest.param("EINTR", "unknown", "unknown"),
    pytest.param("ENOMEM", "unknown", "unknown"),
    pytest.param("EAGAIN", "unknown", "unknown"),
]


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(("name", "clone", "hardlink"), REFUSALS)
def test_every_errno_means_no_or_tells_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, clone: Support, hardlink: Support
) -> None:
    def refuse(*_: object, **__: object) -> None:
        code = getattr(errno, name)
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "ioctl", refuse)
    monkeypatch.setattr(os, "link", refuse)

    assert support(tmp_path, tmp_path) == (clone, hardlink)


@pytest.mark.parametrize("code", ["EOPNOTSUPP", "EISDIR", "EINVAL", "ENOSYS"])
def test_a_file_system_without_unnamed_files_is_tried_with_named_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    opened: list[str] = []
    genuine = os.open

    def refuse_unnamed(path: str, flags: int, mode: int = 0o777, **rest: int) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(getattr(errno, code), "no O_TMPFILE")
        opened.append(path)
        return genuine(path, flags, mode, **rest)

    monkeypatch.setattr(os, "open", refuse_unnamed)

    assert support(tmp_path, tmp_path)[1] == "yes"
    assert any(probe.HIDDEN in path for path in opened)


def test_without_proc_named_files_are_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine = os.link

    def without_proc(source: str, target: str, **rest: object) -> None:
        if source.startswith("/proc/"):
            raise FileNotFoundError(errno.ENOENT, "no /proc")
        genuine(source, target, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "link", without_proc)

    assert support(tmp_path, tmp_path)[1] == "yes"


@pytest.mark.usefixtures("way")
def test_a_link_that_leads_to_another_file_is_no_proof(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make_something_else(_: str, target: str, **rest: int) -> None:
        os.symlink("elsewhere", target, dir_fd=rest.get("dst_dir_fd"))

    monkeypatch.setattr(os, "link", make_something_else)

    assert support(tmp_path, tmp_path)[1] == "unknown"


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("step", ["open", "write", "link", "stat", "lstat", "ftruncate", "fstat"])
@pytest.mark.parametrize("after", [False, True], ids=["before the call", "after the call"])
@pytest.mark.parametrize("fault", [OSError(errno.EIO, "broken"), KeyboardInterrupt()], ids=repr)
def test_nothing_is_left_behind_whatever_step_fails(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    after: bool,
    fault: BaseException,
) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "destination").mkdir()
    handles = sorted(os.listdir("/proc/self/fd"))

    for nth in range(5):
        with monkeypatch.context() as patch:
            patch.setattr(os, step, failing(getattr(os, step), nth, fault, after=after))
            try:
                try_links(cache=f"{tmp_path}/cache", destination=f"{tmp_path}/destination")
            except KeyboardInterrupt:
                assert isinstance(fault, KeyboardInterrupt)

    assert os.listdir(tmp_path / "cache") == []
    assert os.listdir(tmp_path / "destination") == []
    if not (step == "open" and after):  # then the handle never reached us
        assert sorted(os.listdir("/proc/self/fd")) == handles


def failing(
    genuine: Callable[..., object], nth: int, fault: BaseException, *, after: bool
) -> Callable[..., object]:
    calls = iter(range(100))

    def call(*arguments: object, **options: object) -> object:
        if next(calls) != nth:
            return genuine(*arguments, **options)
        if after:
            genuine(*arguments, **options)
        raise fault

    return call


@pytest.mark.parametrize("step", ["link", "stat", "unlink", "ftruncate", "fstat", "write"])
def test_a_kill_leaves_one_empty_hidden_file_at_most(tmp_path: Path, step: str) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "destination").mkdir()
    program = f"""
        import os, signal
        from uvx_policy.filesystem.probe import try_links
        genuine = os.{step}
        def fatal(*arguments, **options):
            if "{step}" == "link":
                genuine(*arguments, **options)
            os.kill(os.getpid(), signal.SIGKILL)
        os.{step} = fatal
        try_links(cache={f"{tmp_path}/cache"!r}, destination={f"{tmp_path}/destination"!r})
    """

    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], cwd=REPOSITORY, check=False
    )

    assert ended.returncode == -signal.SIGKILL
    assert os.listdir(tmp_path / "destination") == []
    left = list((tmp_path / "cache").iterdir())
    assert len(left) <= 1
    assert all(path.name.startswith(".tmp-linkpolicy-probe-") for path in left)
    assert sum(path.stat().st_size for path in left) == 0


def as_user(uid: int, program: str) -> str:
    """Run lines of Python as another user, in a forked child: that user may not read our files."""
    readable, writable = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            os.dup2(writable, 1)
            sys.stdout = os.fdopen(1, "w", closefd=False)
            exec(textwrap.dedent(program), {"try_links": try_links})  # noqa: S102
            sys.stdout.flush()
        finally:
            os._exit(0)
    os.close(writable)
    with os.fdopen(readable) as answer:
        told = answer.read()
    os.waitpid(child, 0)
    return told
