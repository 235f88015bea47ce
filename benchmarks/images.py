"""File systems of their own in files, through loop devices: as root on Linux."""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
import time
from typing import TYPE_CHECKING, NamedTuple

from benchmarks import harness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MAKE = {
    "btrfs": ("mkfs.btrfs", "-q"),
    "ext4": ("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=1,lazy_journal_init=1"),
    "xfs": ("mkfs.xfs", "-q", "-m", "reflink=1"),
}
KINDS = sorted(_MAKE)

#: The copies of an image have its UUID.
_OPTIONS = {"xfs": "loop,nouuid"}

_CLONE_NEWNS = 0x20000

#: of the store, sparse
_STORE_SIZE = 1 << 36
_SECTOR = 512
#: seconds between two looks at what is used, until both say the same
_PAUSE = 0.3


def alone() -> None:
    """Let all mounts from now on be this process's and its children's, and end with them.

    Others that start in a mount table of their own would keep a copy of ours busy.
    Raises `BenchmarkError`.
    """
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNS):
        raise harness.BenchmarkError(f"cannot mount: {os.strerror(ctypes.get_errno())}")
    as_root("mount", "--make-rprivate", "/")


@contextlib.contextmanager
def fresh(scratch: str, kind: str, *, size: int, inodes: int = 0) -> Iterator[str]:
    """Mount a fresh file system of `size` bytes (sparse), for as long as the block runs.

    `inodes`: at least so many on ext4, where their number is fixed.
    """
    image, point = os.path.join(scratch, "image"), os.path.join(scratch, "device")
    _make(image, kind, size=size, inodes=inodes)
    os.mkdir(point)
    with mounted(image, kind, point):
        yield point
    os.rmdir(point)
    os.unlink(image)


@contextlib.contextmanager
def mounted(image: str, kind: str, point: str) -> Iterator[None]:
    """Mount an image for as long as the block runs."""
    as_root("mount", "-t", kind, "-o", _OPTIONS.get(kind, "loop"), image, point)
    before = os.getcwd()
    try:
        yield
    finally:
        os.chdir(before)
        try:
            as_root("umount", point)
        except harness.BenchmarkError:
            # Who deletes the scratch directory must not reach into it.
            as_root("umount", "--lazy", point)


def _make(image: str, kind: str, *, size: int, inodes: int = 0) -> None:
    with open(image, "xb") as stream:
        stream.truncate(size)
    as_root(*_MAKE[kind], *(("-N", str(inodes)) if inodes and kind == "ext4" else ()), image)


class Store:
    """Images that are filled once, and copied in no time: they lie on an XFS of its own."""

    def __init__(self, path: str, *, point: str) -> None:
        """`path`: where it is mounted, `point`: where its images are."""
        self.path = path
        self._point = point

    @classmethod
    @contextlib.contextmanager
    def opened(cls, directory: str, *, scratch: str) -> Iterator[Store]:
        """Mount the one that is kept in `directory` (made), for as long as the block runs."""
        os.makedirs(directory, exist_ok=True)
        kept = os.path.join(directory, "store")
        if not os.path.exists(kept):
            _make(kept, "xfs", size=_STORE_SIZE)
        path, point = os.path.join(scratch, "store"), os.path.join(scratch, "copy")
        os.mkdir(path)
        os.mkdir(point)
        with mounted(kept, "xfs", path):
            yield cls(path, point=point)

    def fill(self, kind: str, *, size: int, with_what: Callable[[str], None]) -> None:
        """Make the image of this kind, unless it is there: `with_what` gets the mount point."""
        image = self._image(kind)
        if os.path.exists(image):
            return
        new = f"{image}.new"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new)
        _make(new, kind, size=size)
        with mounted(new, kind, self._point):
            with_what(self._point)
            settle(self._point)
        os.rename(new, image)

    @contextlib.contextmanager
    def copy(self, kind: str) -> Iterator[Device]:
        """Mount a copy of that image for as long as the block runs. Always at the same path."""
        copy = f"{self._image(kind)}.{os.getpid()}"
        as_root("cp", "--reflink=always", self._image(kind), copy)
        try:
            with mounted(copy, kind, self._point):
                yield Device(self._point)
        finally:
            os.unlink(copy)

    def _image(self, kind: str) -> str:
        return os.path.join(self.path, f"{kind}.image")


class Device(NamedTuple):
    """A mounted image."""

    point: str

    def below(self, *names: str) -> str:
        """A path on it."""
        return os.path.join(self.point, *names)

    def settled(self) -> int:
        """Bytes in use once everything is written, and what was deleted is given back."""
        while True:
            settle(self.point)
            before = used(self.point)
            time.sleep(_PAUSE)
            if used(self.point) == before:
                return before

    def transferred(self) -> tuple[int, int]:
        """Bytes that were read from the device and written to it so far, metadata included."""
        device = os.stat(self.point).st_dev
        if os.major(device) == 0:  # btrfs: a number of its own
            device = _device_of_mount(self.point)
        name = f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat"
        with open(name, encoding="ascii") as stream:
            fields = stream.read().split()
        return int(fields[2]) * _SECTOR, int(fields[6]) * _SECTOR


def _device_of_mount(point: str) -> int:
    with open("/proc/self/mounts", encoding="utf-8") as stream:
        sources = [line.split()[0] for line in stream if line.split()[1] == point]
    return os.stat(sources[-1]).st_rdev


def used(directory: str) -> int:
    """Bytes that are in use on a file system, as statvfs(3) says."""
    status = os.statvfs(directory)
    return (status.f_blocks - status.f_bfree) * status.f_frsize


def settle(directory: str) -> None:
    """Wait until the file system (and no other) has written everything."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        ctypes.CDLL(None).syncfs(handle)
    finally:
        os.close(handle)


def forget() -> None:
    """Drop what the kernel has read of any file system: the next read is from the device."""
    with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as stream:
        stream.write("3")


def as_root(*words: str) -> None:
    """Run a command silently. Raises `BenchmarkError`."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except OSError as error:
        raise harness.BenchmarkError(f"cannot run {words[0]}: {error.strerror}") from error
    if done.returncode:
        raise harness.BenchmarkError(f"{words[0]}: {done.stderr.strip()}")
