"""Mounts that nobody else sees: for the time of a test this process has a mount table of its own.

Records depend on the mount table, and other tests, in other processes, mount and unmount all the
time: without this a record may stop holding for a reason that a test knows nothing of.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

from tests.filesystems import _PREFIX, _mount_points_below

_libc = ctypes.CDLL(None, use_errno=True)
# mount(2), unshare(2), setns(2); `os` has the last two since Python 3.12 only
_CLONE_NEWNS = 0x20000
_MS_RDONLY, _MS_REMOUNT, _MS_BIND, _MS_REC, _MS_PRIVATE = 0x1, 0x20, 0x1000, 0x4000, 0x40000
_MNT_DETACH = 2


@contextlib.contextmanager
def private(*, keep: Path) -> Iterator[None]:
    """Give this process (and what it starts) a copy of the mount table; needs root.

    `keep`: the directory of this session's file systems. Those of other sessions are taken out:
    a mount vanishes from every table when its mount point is removed, whoever does that.
    """
    here = os.getcwd()
    before = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _check(_libc.unshare(_CLONE_NEWNS), "unshare")
        try:
            _mount("none", "/", None, _MS_REC | _MS_PRIVATE)
            for point in reversed(_mount_points_below(keep.parent)):
                if keep not in point.parents and _is_of_a_test(point):
                    unmount(str(point))
            yield
        finally:
            _check(_libc.setns(before, _CLONE_NEWNS), "setns")
            os.chdir(here)
    finally:
        os.close(before)


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
    _mount(source, point, None, _MS_BIND)
    try:
        if read_only:
            _mount(None, point, None, _MS_BIND | _MS_REMOUNT | _MS_RDONLY)
        yield
    finally:
        unmount(point)


def mount_tmpfs(point: str, options: str = "size=1m,mode=755", *, flags: int = 0) -> None:
    """See `tmpfs`. `flags` as for mount(2)."""
    _mount("linkpolicy-test", point, "tmpfs", flags, options)


def unmount(point: str) -> None:
    """Take the topmost mount of `point` away. Raises `OSError`."""
    _check(_libc.umount2(os.fsencode(point), _MNT_DETACH), point)


def _is_of_a_test(point: Path) -> bool:
    return any(part.startswith(_PREFIX) for part in point.parts)


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
