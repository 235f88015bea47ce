"""Real file systems for tests: made by the suite itself, as root, and taken away again.

Claims about clones, hard links and EXDEV are only worth something on a mount that first proves
that it has the property in question; every mount made here is asserted to have it.

`fs` is the fixture that tests use. Each file system is made when it is first asked for (about
0.2 s), once for each session and pytest-xdist worker; each test gets a fresh directory on it.
Without root or mkfs the test is skipped with the reason; under CI, or when LINKPOLICY_TEST_REQUIRE
names "filesystem", it fails instead. They are mounted in the process's own `sandbox`, from images
without a name: nothing is left of a session that was killed.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import pytest

from tests import inherited, sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
if sys.platform != "win32":  # where conftest imports this module, too
    import fcntl

#: mkfs.xfs refuses less than 300 MB; the images are sparse
_IMAGE_SIZE = 400 * 1024 * 1024
_FICLONE = 0x40049409


# What tests use ----------------------------------------------------------------------------------


@pytest.fixture
def fs(mounted: MountedFileSystems, request: pytest.FixtureRequest) -> Iterator[FileSystems]:
    """Real file systems, a fresh directory of mode 0755 on each; emptied after the test."""
    with contextlib.ExitStack() as undo:
        yield FileSystems(mounted, request.node.name, undo)


@pytest.fixture(scope="session")
def mounted(
    own_machine: None,  # noqa: ARG001 (on which they are mounted)
    tmp_path_factory: pytest.TempPathFactory,
) -> MountedFileSystems:
    """The mounts of this session; use `fs` in tests."""
    reason = _why_impossible()
    if reason:
        unavailable(reason)
    return MountedFileSystems(sandbox.MOUNTS, tmp_path_factory.mktemp("images"))


class FileSystems:
    """One test's view. Every attribute is a fresh directory, the same one within the test."""

    def __init__(self, mounted: MountedFileSystems, test: str, undo: contextlib.ExitStack) -> None:
        self._mounted = mounted
        self._name = re.sub(r"[^A-Za-z0-9]+", "-", test)[:40].strip("-")
        self._undo = undo

    @functools.cached_property
    def btrfs(self) -> Path:
        """Clones, hard links."""
        return self._fresh(self._mounted.btrfs)

    @functools.cached_property
    def xfs(self) -> Path:
        """Clones (reflink=1), hard links."""
        return self._fresh(self._mounted.xfs)

    @functools.cached_property
    def ext4(self) -> Path:
        """No clones; hard links."""
        return self._fresh(self._mounted.ext4)

    @functools.cached_property
    def encrypting_ext4(self) -> Path:
        """An ext4 whose directories can be encrypted (fscrypt)."""
        point = self.image("ext4", "-O", "encrypt", size=64 * 1024**2)
        try:
            inherited.encrypt(_made(point / "encrypted"))
        except OSError as error:
            unavailable(f"directories cannot be encrypted: {error}")
        assert link_errno(point, point / "encrypted") == errno.EXDEV
        return point

    @functools.cached_property
    def other_ext4(self) -> Path:
        """Another ext4 file system than `ext4`."""
        return self._fresh(self._mounted.other_ext4)

    @functools.cached_property
    def tmpfs(self) -> Path:
        """No clones; hard links; gone after a reboot."""
        return self._fresh(self._mounted.tmpfs)

    @functools.cached_property
    def overlay(self) -> Path:
        """An overlay whose two layers lie on one ext4, as containers have it."""
        return self._fresh(self._mounted.overlay)

    @functools.cached_property
    def subvolumes(self) -> tuple[Path, Path]:
        """Two btrfs subvolumes of one file system: different `st_dev`, EXDEV, but clones work."""
        top = self._fresh(self._mounted.btrfs)
        pair = (top / "first", top / "second")
        for subvolume in pair:
            _run("btrfs", "--quiet", "subvolume", "create", str(subvolume))
            self._undo.callback(_run, "btrfs", "--quiet", "subvolume", "delete", str(subvolume))
        assert pair[0].stat().st_dev != pair[1].stat().st_dev
        assert clone_errno(*pair) == 0
        assert link_errno(*pair) == errno.EXDEV
        return pair

    def bind(self, source: Path, *, read_only: bool = False, noexec: bool = False) -> Path:
        """`source` a second time, below another mount point, until the test is over."""
        point = self._mounted.new_point("bind")
        self._undo.callback(point.rmdir)
        _run("mount", "--bind", str(source), str(point))
        self._undo.callback(_unmount, point)
        assert same_inode(source, point)
        options = [*(["ro"] if read_only else []), *(["noexec"] if noexec else [])]
        if options:
            _run("mount", "-o", ",".join(["remount", "bind", *options]), str(point))
        if read_only:
            assert not os.access(point, os.W_OK)
        elif os.access(source, os.W_OK):
            assert link_errno(source, point) == errno.EXDEV
        return point

    def image(self, kind: str, *options: str, size: int = _IMAGE_SIZE) -> Path:
        """A file system ("btrfs", "xfs" or "ext4") of the test's own: its root may be chmod'ed.

        `options`: more for mkfs.
        """
        point = self._mounted.make(kind, *options, name=f"own-{kind}", size=size)
        self._undo.callback(self._mounted.drop, point)
        return point

    def _fresh(self, mount: Path) -> Path:
        directory = Path(tempfile.mkdtemp(prefix=f"{self._name}-", dir=mount))
        directory.chmod(0o755)
        self._undo.callback(_forget_caches, mount)
        self._undo.callback(shutil.rmtree, directory)
        return directory


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory


def _forget_caches(mount: Path) -> None:
    """Remove the cache that the policy made at the root: the next test would find it."""
    for cache in mount.glob(".uv-cache-*"):
        shutil.rmtree(cache)


# What is on the disk -----------------------------------------------------------------------------


class Extent(NamedTuple):
    """One row of what FIEMAP tells (Documentation/filesystems/fiemap.rst), in bytes."""

    logical: int
    physical: int
    length: int
    shared: bool


def extents(path: Path) -> tuple[Extent, ...]:
    """Where the file's bytes lie on the device, delayed allocation flushed first."""
    fs_ioc_fiemap, flag_sync, extent_last, extent_shared = 0xC020660B, 1, 0x1, 0x2000
    header, row = struct.Struct("=QQLLLL"), struct.Struct("=QQQQQLLLL")
    count, found, start = 256, list[Extent](), 0
    with path.open("rb") as stream:
        while True:
            buffer = bytearray(header.size + count * row.size)
            header.pack_into(buffer, 0, start, 2**64 - 1 - start, flag_sync, 0, count, 0)
            fcntl.ioctl(stream, fs_ioc_fiemap, buffer)
            mapped = header.unpack_from(buffer)[3]
            flags = 0
            for index in range(mapped):
                logical, physical, length, _, _, flags, *_ = row.unpack_from(
                    buffer, header.size + index * row.size
                )
                found.append(Extent(logical, physical, length, bool(flags & extent_shared)))
            if not mapped or flags & extent_last:
                return tuple(found)
            start = found[-1].logical + found[-1].length


def flush(directory: Path) -> None:
    """Let the file system decide where everything lies: before that it tells no blocks.

    This one alone: sync(2) would wait for all that the machine has to write.
    """
    _run("sync", "-f", str(directory))


def physical_ranges(path: Path) -> tuple[tuple[int, int], ...]:
    """(physical offset, length) of every extent; equal for a clone and its origin."""
    return tuple((extent.physical, extent.length) for extent in extents(path))


def shared_bytes(path: Path) -> int:
    """Bytes of `path` that also belong to another file (or to another place in it)."""
    return sum(extent.length for extent in extents(path) if extent.shared)


def shared_extents(path: Path) -> bool:
    """Is every byte shared with another file? Files below 2 kB lie inline on btrfs: never."""
    found = extents(path)
    return bool(found) and all(extent.shared for extent in found)


def same_inode(a: Path, b: Path) -> bool:
    """Are the two paths (links not followed) names of one file?"""
    one, other = a.lstat(), b.lstat()
    return (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)


def clone_errno(source: Path, destination: Path) -> int:
    """FICLONE of a file between two directories, the plain way: 0 or the errno."""
    with _scratch(source) as origin, _scratch(destination) as copy:
        origin.write_bytes(b"x" * 65536)
        return _errno_of(lambda: _clone(origin, copy))


def link_errno(source: Path, destination: Path) -> int:
    """link(2) of a file between two directories, the plain way: 0 or the errno."""
    with _scratch(source) as origin, _scratch(destination) as name:
        origin.touch()
        return _errno_of(lambda: os.link(origin, name))


def _clone(origin: Path, copy: Path) -> None:
    with origin.open("rb") as readable, copy.open("wb") as writable:
        fcntl.ioctl(writable, _FICLONE, readable.fileno())


def _errno_of(attempt: Callable[[], None]) -> int:
    try:
        attempt()
    except OSError as error:
        return error.errno or -1
    return 0


@contextlib.contextmanager
def _scratch(directory: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        yield Path(scratch) / "file"


# The mounts --------------------------------------------------------------------------------------


class MountedFileSystems:
    """What this session has mounted below `directory`, each made when first asked for."""

    def __init__(self, directory: Path, images: Path) -> None:
        self._directory = directory
        self._images = images
        self._count = 0
        self._namespace = os.readlink("/proc/self/ns/mnt")

    @functools.cached_property
    def btrfs(self) -> Path:
        point = self.make("btrfs")
        assert (clone_errno(point, point), link_errno(point, point)) == (0, 0)
        return point

    @functools.cached_property
    def xfs(self) -> Path:
        point = self.make("xfs")
        assert (clone_errno(point, point), link_errno(point, point)) == (0, 0)
        return point

    @functools.cached_property
    def ext4(self) -> Path:
        point = self.make("ext4")
        assert clone_errno(point, point) in (errno.EOPNOTSUPP, errno.ENOTTY)
        assert link_errno(point, point) == 0
        return point

    @functools.cached_property
    def other_ext4(self) -> Path:
        point = self.make("ext4", name="other-ext4")
        assert link_errno(self.ext4, point) == errno.EXDEV
        return point

    @functools.cached_property
    def tmpfs(self) -> Path:
        point = self.new_point("tmpfs")
        _run("mount", "-t", "tmpfs", "-o", "size=64m,mode=755", "linkpolicy-test", str(point))
        assert clone_errno(point, point) in (errno.EOPNOTSUPP, errno.ENOTTY)
        assert link_errno(point, point) == 0
        return point

    @functools.cached_property
    def overlay(self) -> Path:
        lower, upper, work = (Path(tempfile.mkdtemp(dir=self.ext4)) for _ in range(3))
        point = self.new_point("overlay")
        layers = f"lowerdir={lower},upperdir={upper},workdir={work}"
        try:
            _run("mount", "-t", "overlay", "-o", layers, "linkpolicy-test", str(point))
        except subprocess.CalledProcessError as error:
            unavailable(f"overlay cannot be mounted: {error.stderr.strip()}")
        return point

    def make(self, kind: str, *more: str, name: str = "", size: int = _IMAGE_SIZE) -> Path:
        """Make and mount an image; the mount point. `more`: options for mkfs."""
        options = {
            "btrfs": ("-q", "-f"),
            "xfs": ("-q", "-f", *(() if "reflink=0" in more else ("-m", "reflink=1"))),
            "ext4": ("-q", "-F", "-m", "0", "-E", "lazy_itable_init=1,lazy_journal_init=1"),
        }[kind]
        mkfs = _program(f"mkfs.{kind}")
        if not mkfs:
            unavailable(f"no mkfs.{kind} on this machine")
        point = self.new_point(name or kind)
        image = self._images / point.name
        with image.open("xb") as stream:
            stream.truncate(size)
        _run(mkfs, *options, *more, str(image))
        try:
            # `mount -o loop` sets autoclear: unmounting frees the loop device, also `umount -l`.
            _run("mount", "-t", kind, "-o", "loop", str(image), str(point))
        except subprocess.CalledProcessError as error:
            unavailable(f"{kind} cannot be mounted: {error.stderr.strip()}")
        finally:
            image.unlink()
        return point

    def drop(self, point: Path) -> None:
        """Take one image away again."""
        _unmount(point)
        point.rmdir()

    def new_point(self, name: str) -> Path:
        """An empty directory to mount something on."""
        # In a mount table of a single test it would be gone with that test, and not be made again.
        assert os.readlink("/proc/self/ns/mnt") == self._namespace, "ask for it before own mounts"
        self._count += 1
        point = self._directory / f"{self._count}-{name}"
        point.mkdir()
        return point


def required() -> bool:
    """Must a test that needs a file system fail where there is none?"""
    if "filesystem" in os.environ.get("LINKPOLICY_TEST_REQUIRE", "").replace(",", " ").split():
        return True
    return sys.platform == "linux" and os.environ.get("CI", "") not in ("", "0", "false")


def unavailable(reason: str) -> NoReturn:
    """Skip with the reason, or fail where skipping is not allowed."""
    if required():
        pytest.fail(f"real file systems are required here: {reason}", pytrace=False)
    pytest.skip(f"needs real file systems: {reason}")


def _why_impossible() -> str:
    if sys.platform != "linux":
        return f"loop mounts are made on Linux only, not on {sys.platform}"
    if os.geteuid() != 0:
        return "only root can mount"
    if not sandbox.is_own():
        return "root may not mount here"
    if not Path("/dev/loop-control").exists():
        return "no /dev/loop-control"
    return ""


def _unmount(point: Path) -> None:
    # A process that a test left behind must not keep the suite from cleaning: then detach (-l).
    umount = [_program("umount") or "umount", str(point)]
    if subprocess.run(umount, check=False, capture_output=True).returncode:
        _run("umount", "-l", str(point))


def _program(name: str) -> str:
    """Its path, "" when there is none. A test may have left neither on PATH."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin:/sbin:/bin"
    return shutil.which(name, path=path) or ""


def _run(name: str, *words: str) -> None:
    program = _program(name) or name
    subprocess.run((program, *words), check=True, capture_output=True, text=True)
