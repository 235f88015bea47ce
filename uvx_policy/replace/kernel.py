"""What Python lacks of Linux: renameat2(2), openat2(2), read leases (fcntl(2)), FIDEDUPERANGE.

Of macOS it lacks renameatx_np(2), and what tells which files are open (`macos.processes`).

Each says with `Unsupported` that it cannot be had: another system, an old kernel, a file system
that does not do it, or a sandbox that does not let it through.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import signal
import stat
import struct
import sys
from functools import cache
from typing import TYPE_CHECKING, Any

from uvx_policy.macos import calls, processes

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_NOREPLACE, _EXCHANGE = 1, 2
#: the same number on every architecture but alpha
_SYS_OPENAT2 = 437
_NO_MAGIC_LINKS, _NO_SYMLINKS, _BENEATH = 0x02, 0x04, 0x08
_HOW = struct.Struct("=QQQ")
#: linux/fs.h: _IOWR(0x94, 54, struct file_dedupe_range), and what is in it for each target
_FIDEDUPERANGE = 0xC0189436
_DEDUPE, _RANGE = struct.Struct("=QQHHL"), struct.Struct("=qQQiL")
#: the kernel takes no more than fit into a page
MOST_TARGETS = 120
#: EXDEV: overlayfs, of what lies in its lower layer
_CANNOT = frozenset(
    (errno.ENOSYS, errno.EINVAL, errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EXDEV)
)


class Unsupported(OSError):
    """It cannot be done here."""


def exchange(first: int, name: str, second: int, other: str) -> None:
    """Exchange two names, of which each is in a directory that is held open, in one step.

    Raises `Unsupported`, and `OSError` such as `FileNotFoundError` when one of them is gone.
    """
    _rename(first, name, second, other, _EXCHANGE)


def move(first: int, name: str, second: int, other: str) -> None:
    """Rename, but never over something. Raises `Unsupported`, `FileExistsError`, `OSError`."""
    _rename(first, name, second, other, _NOREPLACE)


def open_beneath(directory: int, path: str, flags: int) -> int:
    """Open what lies below a directory, through no symbolic link. Raises `Unsupported`, `OSError`.

    ELOOP: there is a link on the way; EXDEV: the path leaves the directory.
    """
    how = ctypes.create_string_buffer(
        _HOW.pack(flags, 0, _NO_MAGIC_LINKS | _NO_SYMLINKS | _BENEATH), _HOW.size
    )
    call = _libc().syscall if sys.platform == "linux" else None
    if call is None:
        raise Unsupported(errno.ENOSYS, os.strerror(errno.ENOSYS), path)
    result = call(
        ctypes.c_long(_SYS_OPENAT2), ctypes.c_int(directory), os.fsencode(path), how,
        ctypes.c_size_t(_HOW.size),
    )  # fmt: skip
    if result < 0:
        number = ctypes.get_errno()
        # EPERM: seccomp of a container that does not know the call.
        unknown = number in (errno.ENOSYS, errno.EPERM, errno.EINVAL)
        raise (Unsupported if unknown else OSError)(number, os.strerror(number), path)
    return int(result)


@contextlib.contextmanager
def leases() -> Iterator[None]:
    """What takes leases does so in here: who opens a leased file would have us killed by SIGIO."""
    if sys.platform != "linux":
        yield
        return
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGIO, before)


def lease(handle: int) -> bool:
    """Have whoever opens this file for writing wait until the handle is closed (in `leases`).

    `handle`: open for reading alone. `False`: somebody has it open for writing. Raises
    `Unsupported` where there are no leases, or not for this user.
    """
    if sys.platform != "linux":
        raise Unsupported(errno.ENOSYS, os.strerror(errno.ENOSYS))
    try:
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        if error.errno == errno.EAGAIN:
            return False
        raise Unsupported(error.errno, error.strerror) from None
    return True


def is_leased(handle: int) -> bool:
    """Has nobody tried to open this file for writing since `lease`?"""
    return fcntl.fcntl(handle, fcntl.F_GETLEASE) == fcntl.F_RDLCK


def sync(path: str) -> None:
    """Let the file system of `path` put on its disk what it has in memory, if it can."""
    call = getattr(_libc(), "syncfs", None) if sys.platform == "linux" else None
    if call is None:
        return
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            call(handle)
        finally:
            os.close(handle)


def dedupe(source: int, offset: int, length: int, targets: Sequence[int]) -> list[tuple[int, int]]:
    """Let the same range of other files share the blocks of `source`: handles, `MOST_TARGETS`.

    For each the bytes that are shared now, and 0, 1 (they differ), or an errno, negative
    (ioctl_fideduperange(2)). The kernel compares, under its own locks. Raises `OSError`.
    """
    request = bytearray(_DEDUPE.pack(offset, length, len(targets), 0, 0))
    for target in targets:
        request += _RANGE.pack(target, offset, 0, 0, 0)
    fcntl.ioctl(source, _FIDEDUPERANGE, request)
    return [row[2:4] for row in _RANGE.iter_unpack(request[_DEDUPE.size :])]


def has_writer(handle: int) -> bool:
    """Does any process have this file open for writing? `handle`: open for reading alone.

    A read lease is granted only if nobody has. It is for files of one's own; where there are no
    leases (overlayfs, NFS), /proc tells of the processes that may be looked at. Raises
    `Unsupported` where neither does.
    """
    if sys.platform != "linux":
        raise Unsupported(errno.ENOSYS, os.strerror(errno.ENOSYS))
    try:
        # Who opens it for writing while we hold the lease would have us killed by SIGIO.
        fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        if error.errno == errno.EAGAIN:
            return True
        status = os.fstat(handle)
        return (status.st_dev, status.st_ino) in written_files()
    fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False


def knows_writers() -> bool:
    """Does `written_files` tell anything here?"""
    return processes.is_sure() if sys.platform == "darwin" else os.path.isdir("/proc/self/fd")


def written_files() -> frozenset[tuple[int, int]]:
    """Device and inode of what any process has open for writing that may be looked at.

    Takes some milliseconds, on macOS more. Raises `Unsupported` without /proc or its like.
    """
    if not knows_writers():
        raise Unsupported(errno.ENOSYS, os.strerror(errno.ENOSYS))
    return frozenset(processes.written() if sys.platform == "darwin" else _written_files())


def _written_files() -> Iterator[tuple[int, int]]:
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        # What ended meanwhile, or belongs to another user, is passed over.
        with contextlib.suppress(OSError):
            for number in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    if os.lstat(f"/proc/{pid}/fd/{number}").st_mode & stat.S_IWUSR:
                        opened = os.stat(f"/proc/{pid}/fd/{number}")
                        yield opened.st_dev, opened.st_ino
            # Whoever has mapped it may have closed it: proc_pid_maps(5).
            with open(f"/proc/{pid}/maps", "rb") as maps:
                for line in maps:
                    _, permissions, _, device, inode, *_ = line.split(None, 5)
                    if permissions[1:2] == b"w" and permissions[3:4] == b"s":
                        major, _, minor = device.partition(b":")
                        yield os.makedev(int(major, 16), int(minor, 16)), int(inode)


def _rename(first: int, name: str, second: int, other: str, flags: int) -> None:
    if sys.platform == "darwin":
        try:
            calls.exchange(first, name, second, other, only_move=flags == _NOREPLACE)
        except OSError as error:
            kind = Unsupported if error.errno in _CANNOT else OSError
            raise kind(error.errno, error.strerror, name, None, other) from None
        return
    call = _renameat2_call()
    if call is None:
        raise Unsupported(errno.ENOSYS, os.strerror(errno.ENOSYS), name)
    if call(first, os.fsencode(name), second, os.fsencode(other), flags) == 0:
        return
    number = ctypes.get_errno()
    kind = Unsupported if number in _CANNOT else OSError
    raise kind(number, os.strerror(number), name, None, other)


@cache
def _renameat2_call() -> Any:
    return getattr(_libc(), "renameat2", None) if sys.platform == "linux" else None


@cache
def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)
