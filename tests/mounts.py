"""mount(2) and its relatives, for a process that has a mount namespace of its own (`sandbox`)."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator

_libc = ctypes.CDLL(None, use_errno=True)
# mount(2), unshare(2), setns(2); `os` has the last two since Python 3.12 only
_CLONE_FS, _CLONE_NEWNS = 0x200, 0x20000
_MS_RDONLY, _MS_NOEXEC, _MS_REMOUNT, _MS_BIND, _MS_MOVE = 0x1, 0x8, 0x20, 0x1000, 0x2000
_MS_REC, _MS_PRIVATE = 0x4000, 0x40000
_MNT_DETACH = 2


@contextlib.contextmanager
def private() -> Iterator[None]:
    """Give this thread, and what it starts, a copy of the mount table. Raises `OSError`.

    The root directory and the working directory are its own as well, until the end of the block.
    """
    here = os.getcwd()
    before = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _check(_libc.unshare(_CLONE_NEWNS), "unshare")
        try:
            _mount("none", "/", None, _MS_REC | _MS_PRIVATE)
            yield
        finally:
            # setns(2) refuses a process whose other threads share its root directory.
            _check(_libc.unshare(_CLONE_FS), "unshare")
            _check(_libc.setns(before, _CLONE_NEWNS), "setns")
            os.chdir(here)
    finally:
        os.close(before)


def become_root(point: str) -> None:
    """Let the mount at `point` be `/`, as switch_root(8) does. Nothing else can be seen then."""
    os.chdir(point)
    _mount(point, "/", None, _MS_MOVE)
    os.chroot(".")
    os.chdir("/")


@contextlib.contextmanager
def tmpfs(point: str, options: str = "size=1m,mode=755") -> Iterator[None]:
    """An empty file system over the directory `point`."""
    mount_tmpfs(point, options)
    try:
        yield
    finally:
        unmount(point)


@contextlib.contextmanager
def bound(source: str, point: str, *, read_only: bool = False) -> Iterator[None]:
    """`source` over `point`: two directories or two files."""
    bind(source, point, read_only=read_only)
    try:
        yield
    finally:
        unmount(point)


def bind(source: str, point: str, *, read_only: bool = False, recursive: bool = False) -> None:
    """See `bound`. `recursive`: with all that is mounted below, which is never made read-only."""
    _mount(source, point, None, _MS_BIND | (_MS_REC if recursive else 0))
    if read_only:
        remount(point, read_only=True)


def remount(point: str, *, read_only: bool = False, noexec: bool = False) -> None:
    """Change how what is mounted at `point` is mounted there."""
    flags = (_MS_RDONLY if read_only else 0) | (_MS_NOEXEC if noexec else 0)
    _mount(None, point, None, _MS_BIND | _MS_REMOUNT | flags)


def mount_disk(device: str, point: str, kind: str) -> None:
    """A block device."""
    _mount(device, point, kind, 0)


def mount_tmpfs(point: str, options: str = "size=1m,mode=755", *, flags: int = 0) -> None:
    """See `tmpfs`. `flags` as for mount(2)."""
    _mount("linkpolicy-test", point, "tmpfs", flags, options)


def unmount(point: str) -> None:
    """Take the topmost mount of `point` away. Raises `OSError`."""
    _check(_libc.umount2(os.fsencode(point), _MNT_DETACH), point)


def _mount(source: str | None, point: str, kind: str | None, flags: int, options: str = "") -> None:
    _check(
        _libc.mount(
            source and os.fsencode(source), os.fsencode(point), kind and kind.encode(),
            ctypes.c_ulong(flags), options.encode(),
        ),
        point,
    )  # fmt: skip


def _check(outcome: int, what: str) -> None:
    if outcome:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), what)
