"""A Mac as its calls tell of it: an APFS container, firmlinks, other disks, an image, a server.

The layout is the one that `mount`, `df` and `stat` show of macOS 14, in the structs of sys/mount.h
and sys/attr.h.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import uuid
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from tests.fake_host import FakeHost, fake_mount
from uvx_policy.macos_host import OnMacOS

BLOCK = 4096
RDONLY, NOEXEC, LOCAL, NOOWNERS = 0x1, 0x4, 0x1000, 0x200000


class Disk(NamedTuple):
    """A volume."""

    device: int
    point: str
    source: str
    kind: str = "apfs"
    flags: int = LOCAL
    has_uuid: bool = True
    #: finds `/A` for `/a`
    folds: bool = True
    #: tells two disks with the same numbers apart
    serial: str = ""
    born: int = 1_700_000_000 * 10**9
    free: int = 10**7


SYSTEM = Disk(0x1000011, "/", "/dev/disk3s1s1", flags=RDONLY | LOCAL)
DATA = Disk(0x1000014, "/System/Volumes/Data", "/dev/disk3s5")
EXTERNAL = Disk(0x1000020, "/Volumes/Work", "/dev/disk5s1", flags=LOCAL | NOOWNERS)
CASED = Disk(0x1000021, "/Volumes/Cased", "/dev/disk6s1", folds=False)
IMAGE = Disk(0x1000022, "/Volumes/Installer", "/dev/disk7s1", "hfs", RDONLY | LOCAL)
SERVER = Disk(0x1D00003, "/Volumes/share", "//me@nas/share", "smbfs", 0, has_uuid=False)
DEVICES = Disk(0x2000001, "/dev", "devfs", "devfs", has_uuid=False)
LAYOUT = (SYSTEM, DATA, EXTERNAL, CASED, IMAGE, SERVER, DEVICES)
#: /usr/share/firmlinks, in part: paths of the system volume that lead to the one with the data
FIRMLINKS = ("/Applications", "/Library", "/Users", "/opt", "/private", "/usr/local", "/Volumes")


class Libc:
    """statfs, getfsstat, getattrlist and sysctlbyname of a Mac with these paths."""

    def __init__(self, paths: list[str], layout: tuple[Disk, ...] = LAYOUT) -> None:
        self.layout = list(layout)
        self.boot = b"0C4C1E1C-6A2B-4B52-B7E4-6B1E5B4C0F11"
        self.paths = {*paths}
        for path in paths:
            self.paths.update(map(str, PurePosixPath(path).parents))

    def exchange(self, old: Disk, new: Disk) -> None:
        self.layout[self.layout.index(old)] = new

    def disk(self, path: str) -> Disk:
        """The volume of a path, firmlinks included."""
        points = [disk for disk in self.layout if _within(path, disk.point)]
        nearest = max(points, key=lambda disk: len(disk.point))
        if nearest.point == "/" and any(_within(path, link) for link in FIRMLINKS):
            return next(disk for disk in self.layout if disk.point == DATA.point)
        return nearest

    def look_up(self, path: str) -> str:
        """As the volume spells it. Raises `OSError`."""
        for known in self.paths:
            folds = self.disk(known).folds
            if known == path or (folds and known.lower() == path.lower()):
                return known
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)

    def statfs(self, path: bytes, answer: Any) -> int:
        try:
            disk = self.disk(self.look_up(os.fsdecode(path)))
        except OSError as error:
            return _fail(error.errno)
        answer.raw = _struct(disk)
        return 0

    def getfsstat(self, answer: Any, size: Any, flags: Any) -> int:
        assert flags.value == 2, "a server that is gone would be waited for"
        if answer is None:
            return len(self.layout)
        content = b"".join(map(_struct, self.layout))[: size.value]
        answer.raw = content + bytes(size.value - len(content))
        return min(len(self.layout), int(size.value) // 2168)

    def getattrlist(self, path: bytes, asked: bytes, answer: Any, size: Any, options: Any) -> int:
        count, _, common, volume, *rest = struct.unpack("=HHIIIII", asked)
        assert (count, rest, options.value) == (5, [0, 0, 0], 0)
        try:
            known = self.look_up(os.fsdecode(path))
        except OSError as error:
            return _fail(error.errno)
        disk = self.disk(known)
        if volume:
            assert known == disk.point
            if not disk.has_uuid:
                return _fail(errno.EINVAL)
            body = uuid.uuid5(uuid.NAMESPACE_OID, f"{disk.source} {disk.serial}").bytes
        elif common == 0x200:
            body = struct.pack("=qq", *divmod(disk.born, 10**9))
        else:
            text = os.fsencode(known) + b"\0"
            body = struct.pack("=iI", 8, len(text)) + text
        content = struct.pack("=I", 4 + len(body)) + body
        answer.raw = content + bytes(size.value - len(content))
        return 0

    def sysctlbyname(self, name: bytes, answer: Any, size: Any, new: Any, length: Any) -> int:
        assert (new, length.value) == (None, 0)
        if name != b"kern.bootsessionuuid":
            return _fail(errno.ENOENT)
        content = self.boot + b"\0"
        answer.raw = content + bytes(len(answer) - len(content))
        size._obj.value = len(content)
        return 0


class X86Libc:
    """The one of x86-64, where the plain names of two calls are those of other structs."""

    def __init__(self, libc: Libc) -> None:
        self.getattrlist, self.sysctlbyname = libc.getattrlist, libc.sysctlbyname
        setattr(self, "statfs$INODE64", libc.statfs)
        setattr(self, "getfsstat$INODE64", libc.getfsstat)

    def statfs(self, *_: Any) -> int:
        raise AssertionError("the struct with 32-bit inodes")

    getfsstat = statfs


class FakeMac(OnMacOS, FakeHost):
    """A `FakeHost` whose mounts are told by the calls above."""

    def __init__(self, paths: dict[str, Any], **rest: Any) -> None:
        rows = [
            fake_mount("/", "apfs", "ro", device="system"),
            *[fake_mount(link, "apfs", device="data") for link in (*FIRMLINKS, DATA.point)],
            *[
                fake_mount(disk.point, disk.kind, *(["ro"] if disk.flags & RDONLY else []))
                for disk in LAYOUT
                if disk not in (SYSTEM, DATA)
            ],
        ]
        super().__init__(paths, mounts=rows, platform="darwin", **rest)


def _struct(disk: Disk) -> bytes:
    return struct.pack(
        "=IiQQQQQiiIIII16s1024s1024sI28x",
        BLOCK, BLOCK, 2 * 10**8, 10**7, disk.free, 2**32, 2**31, disk.device, 0x1A, 0, 0x1A,
        disk.flags, 0, disk.kind.encode(), disk.point.encode(), disk.source.encode(), 0,
    )  # fmt: skip


def _within(path: str, directory: str) -> bool:
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def _fail(number: int | None) -> int:
    ctypes.set_errno(number or 0)
    return -1
