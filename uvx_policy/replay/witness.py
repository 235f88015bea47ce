"""Witnesses: what was seen of the machine, as short texts that can be seen again and compared.

A witness is a *token*, what to look at and how, and a *sight*, the text that was seen:

    s       stat(2)         absent "-"; a directory "d:<mode>:<uid>:<gid>:<device>:<inode>"; else
    l       lstat(2)        "<f|k|o>:<the same>:<size>:<mtime ns>:<ctime ns>"
    a<mode> access(2)       "y" or "n"
    n       names within    "<count>:<sum of their mixed fingerprints>", "-" when absent
    c       whole content   "<length>:<fingerprint>", of files of /proc, and of text that was read
    r       readlink(2)     "<length>:<fingerprint>", "-" when it is no link
    v       statvfs(3)      "<f_fsid>:<size in bytes, at most 2**35>:<1 read-only, 8 noexec>",
                            "-" when it fails
    f<n>    free space      "y" when at least n bytes are free for us, and as many files can be made
                            as `files_in` n bytes, "n", "-" when it fails
    d       ioctl(2)        what new files in a directory inherit (`read_attributes`):
                            "<bits>:<project>:<policy>", "-" where the file system tells of none
    x       getxattr(2)     the access list of a directory, whose ctime is no witness:
                            "<length>:<fingerprint>", "-" when it has none
    m       statx(2)        which mount a path lies on, and whether it is its top (`mount_sight`):
                            "<id>:<top>"; where ids are used again, "<id>:<top>:<major number of the
                            device>:<minor>:<inode>:<ns of birth, or of the last change>"

Numbers are lower-case hexadecimal, of 64 bits without a sign. The launcher renders the same texts
(`shims/launcher.c`). A sight of "!" is never equal to anything. On Windows and macOS some are
rendered in another way, and there are others (`replay.windows_sights`, `replay.macos_sights`).
"""

from __future__ import annotations

import errno
import sys

from uvx_policy.fingerprint import fingerprint
from uvx_policy.minimal_os import os

#: file types of st_mode (inode(7)) -> first letter of a sight
_KINDS = {0o100000: "f", 0o040000: "d", 0o120000: "k"}
_ABSENT = (errno.ENOENT, errno.ENOTDIR)
_64_BITS = 2**64 - 1
#: what could not be seen for another reason than being absent
BLURRED = "!"

# How long ago a file must have been changed for the next change to get another time: the kernel
# takes times from a clock that ticks every 1 to 10 ms (CONFIG_HZ); some file systems keep whole
# seconds, or two (FAT).
_TICK = 50_000_000
_COARSE_TICK = 2_100_000_000
_SECOND = 10**9

#: bytes of a content that is looked at, and at a time: files of /proc/sys refuse 4 MiB at once
_LONGEST = 2**24
_PART = 2**16


class Witnesses:
    """All that one decision has seen, collected by `Host` as it reads."""

    def __init__(self, now: int) -> None:
        """`now`: the time in ns (CLOCK_REALTIME) before anything was read."""
        self._now = now
        self._seen: dict[tuple[str, str], str] = {}
        self._meanwhile: dict[tuple[str, str], str] = {}
        #: why the decision cannot be repeated from its witnesses, "" when it can
        self.spoilt = ""
        #: only this one cannot: what spoilt it passes by itself
        self.passing = False
        #: it depends on words that not every key has
        self.is_detailed = False

    def add(self, token: str, path: str, sight: str) -> None:
        """Keep what was seen. Seeing two different things makes the decision unrepeatable."""
        if sight == BLURRED:
            self.spoil(f"`{path}` cannot be read")
        elif self._seen.setdefault((token, path), sight) != sight:
            self.spoil(f"`{path}` changed meanwhile", passing=True)

    def add_meanwhile(self, token: str, path: str, sight: str) -> None:
        """Keep what has to stay as it is until the decision is made (`settle`), and no longer."""
        if self._meanwhile.setdefault((token, path), sight) != sight:
            self.spoil(f"`{path}` changed meanwhile", passing=True)

    def settle(self) -> None:
        """Spoil the decision if what `add_meanwhile` was told is no longer so."""
        for (token, path), sight in self._meanwhile.items():
            if look(token, path) != sight:
                self.spoil(f"`{path}` changed meanwhile", passing=True)

    def add_status(self, token: str, path: str, told: os.stat_result | None) -> None:
        """Keep a status; `None` for absent. What was changed this moment is no witness yet."""
        if told is not None and _KINDS.get(told.st_mode & 0o170000) != "d":
            tick = _COARSE_TICK if told.st_ctime_ns % _SECOND == 0 else _TICK
            # Not an absolute difference: a time in the future never is old enough.
            if told.st_ctime_ns > self._now - tick:
                self.spoil(f"`{path}` was changed this moment", passing=True)
        self.add(token, path, status_sight(told))

    def look_closer(self) -> None:
        """Say that the decision depends on `Invocation.detailed` instead of `significant`."""
        self.is_detailed = True

    def spoil(self, reason: str, *, passing: bool = False) -> None:
        """Say that the decision depends on what no witness tells, or not yet (`passing`)."""
        if not self.spoilt or (self.passing and not passing):
            self.spoilt, self.passing = reason, passing

    def __iter__(self) -> Iterator[tuple[str, str, str]]:
        """Give token, path and sight of each."""
        return ((token, path, sight) for (token, path), sight in self._seen.items())

    def needed(self) -> Iterator[tuple[str, str, str]]:
        """Give those that no other one implies."""
        # Of what is no symbolic link, stat(2) and lstat(2) see the same.
        seen = self._seen
        return (each for each in self if each[0] != "s" or each[2] != seen.get(("l", each[1])))


def look(token: str, path: str | bytes) -> str:
    """See again what a witness saw: its sight now. Never raises for what the machine does."""
    try:
        return _LOOKS[token[:1]](path, token[1:])
    except OSError as error:
        is_absent = error.errno in _ABSENT and token in ("s", "l", "n")
        return "-" if is_absent or token[:1] in ("r", "v", "f", "x") else BLURRED
    except (ValueError, KeyError):
        return BLURRED


def status_sight(told: os.stat_result | None) -> str:
    """Render a status. Of a directory only what stays when entries come and go."""
    if told is None:
        return "-"
    if sys.platform == "win32":
        return windows_sights.status_sight(told)
    kind = _KINDS.get(told.st_mode & 0o170000, "o")
    owners = f"{told.st_uid:x}:{told.st_gid:x}"
    whose = f"{kind}:{told.st_mode & 0o7777:x}:{owners}:{told.st_dev:x}:{told.st_ino:x}"
    if kind == "d":
        return whose
    times = f"{told.st_mtime_ns & _64_BITS:x}:{told.st_ctime_ns & _64_BITS:x}"
    return f"{whose}:{told.st_size:x}:{times}"


def names_sight(names: Iterable[str | bytes]) -> str:
    """Render a listing, in any order."""
    found = [_mixed(fingerprint(os.fsencode(name))) for name in names]
    return f"{len(found):x}:{sum(found) & _64_BITS:x}"


def _mixed(number: int) -> int:
    """64 other bits. Without this, two names that swap a letter would leave the sum as it is."""
    number = (number ^ number >> 32) * 0x9E3779B97F4A7C15 & _64_BITS
    return number ^ number >> 32


def content_sight(content: bytes | bytearray) -> str:
    """Render the content of a file, or the text of a symbolic link."""
    return f"{len(content):x}:{fingerprint(content):x}"


def file_system_sight(told: os.statvfs_result) -> str:
    """Render which file system this is."""
    flags = told.f_flag & (_READ_ONLY | _NOEXEC)
    return f"{told.f_fsid & _64_BITS:x}:{size_of(told):x}:{flags:x}"


def size_of(told: os.statvfs_result) -> int:
    """Bytes of a file system, at most 32 GiB: on ZFS the size changes with every file written."""
    return min(told.f_blocks * told.f_frsize, 2**35)


def room_sight(told: os.statvfs_result, needed: int) -> str:
    """Render whether there is room for so many bytes, in files of a usual size."""
    free = free_files(told)
    has_files = free is None or free >= files_in(needed)
    return "y" if has_files and told.f_bavail * told.f_frsize >= needed else "n"


def free_files(told: os.statvfs_result) -> int | None:
    """How many more files can be made; `None` where they are not counted, as on btrfs."""
    return told.f_favail if told.f_files else None


def files_in(size: int) -> int:
    """How many files these bytes of a cache are: one for 16 KiB, as mkfs.ext4 has it."""
    return size >> 14


def access_list_sight(told: bytes) -> str:
    """Render what `access_list_of` gives."""
    return content_sight(told) if told else "-"


def access_list_of(path: str | bytes) -> bytes:
    """The POSIX access list of what is at `path`; b"" where there is none, or no such thing.

    On Windows the security descriptor, with its owner.
    """
    if sys.platform == "win32":
        from uvx_policy.windows.security import descriptor_bytes

        return descriptor_bytes(os.fsdecode(path))
    if not hasattr(os, "getxattr"):
        return b""
    try:
        return os.getxattr(path, "system.posix_acl_access")
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.EOPNOTSUPP):
            return b""
        raise


def mount_sight(told: bytes | None) -> str:
    """Render the answer of `statx`: which mount this is, so that no other one has the same sight.

    Since Linux 6.8 a mount has an id that no other one gets until the next boot. Before, ids are
    used again, also for another disk at the same place; no two disks have a directory that was born
    in the same nanosecond. Before 5.8 mounts have no ids here (`tells_mount`).
    """
    if told is None:
        return BLURRED
    mask = _number(told, 0)
    top = _number(told, 8) >> 13 & 1  # STATX_ATTR_MOUNT_ROOT
    number = _number(told, 144, 8) if mask & (_MNT_ID_UNIQUE | _MNT_ID) else _NO_MOUNT_ID
    numbers = [number, top]
    if not mask & _MNT_ID_UNIQUE:
        at = 80 if mask & _BIRTH else 96  # ctime: it changes more often, and is as fit to tell
        seconds, nanoseconds = _number(told, at, 8), _number(told, at + 8)
        born = seconds * _SECOND + nanoseconds & _64_BITS
        numbers += [_number(told, 136), _number(told, 140), _number(told, 32, 8), born]
    return ":".join([f"{number:x}" for number in numbers])


def tells_mount(sight: str) -> bool:
    """Is there an id in this sight, or are all mounts of one file system alike in it?"""
    return sight != BLURRED and not sight.startswith(f"{_NO_MOUNT_ID:x}:")


def statx(path: str | bytes) -> bytes | None:
    """Ask the kernel about a path, links followed; `None` where there is no answer.

    Before Python 3.15 there is no `os.statx`. `ctypes` alone would cost a replay 3 ms, its inner
    module 0.5; who has built Python without it has no records.
    """
    global _ask_statx  # noqa: PLW0603 (asked for once in each process, on the hot path)
    try:
        if _ask_statx is None:
            _ask_statx = _statx_of_libc()
        return _ask_statx(os.fsencode(path))
    except Exception:  # noqa: BLE001 (an inner module of another Python may lack anything)
        return None


_ask_statx: Callable[[bytes], bytes | None] | None = None
# linux/stat.h; the same for all processors
_BIRTH, _MNT_ID, _MNT_ID_UNIQUE = 0x800, 0x1000, 0x4000
_STATX_MASK = _MNT_ID_UNIQUE | _MNT_ID | _BIRTH | 0x180  # inode, ctime
_AT_FDCWD, _AT_NO_AUTOMOUNT = -100, 0x800
_NO_MOUNT_ID = _64_BITS
#: statvfs(3)
_READ_ONLY, _NOEXEC = 1, 8


def _statx_of_libc() -> Callable[[bytes], bytes | None]:
    import _ctypes

    class Int(_ctypes._SimpleCData):  # type: ignore[type-arg]  # noqa: SLF001
        _type_ = "i"

    class Byte(_ctypes._SimpleCData):  # type: ignore[type-arg]  # noqa: SLF001
        _type_ = "c"

    class Answer(_ctypes.Array):  # type: ignore[type-arg]
        _type_ = Byte
        _length_ = 256

    class Function(_ctypes.CFuncPtr):
        _flags_ = _ctypes.FUNCFLAG_CDECL
        _restype_ = Int

    library = _ctypes.dlopen(None, 2)  # type: ignore[arg-type] # RTLD_NOW
    statx_of_libc = Function(_ctypes.dlsym(library, "statx"))

    def ask(path: bytes) -> bytes | None:
        answer = Answer()
        failed = statx_of_libc(_AT_FDCWD, path, _AT_NO_AUTOMOUNT, _STATX_MASK, answer)
        return None if failed else bytes(answer)

    return ask


def attributes_sight(told: tuple[int, int, int] | None) -> str:
    """Render what `read_attributes` gives."""
    return ":".join([f"{number:x}" for number in told]) if told else "-"


def attributes_of(path: str | bytes) -> tuple[int, int, int] | None:
    """See `read_attributes`; of the directory at `path`."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return read_attributes(handle)
    finally:
        os.close(handle)


def read_attributes(directory: int) -> tuple[int, int, int] | None:
    """Ask what new files in an open directory inherit, as far as it decides what links (Linux).

    Gives flags (`model.Attributes` says which), the quota project, and the fingerprint of the
    encryption policy, the last two 0 for none; `None` where the file system tells of none of them.
    Raises `OSError` for a policy that cannot be read.
    """
    flags = _asked(directory, _FS_IOC_GETFLAGS, 8)
    extended = _asked(directory, _FS_IOC_FSGETXATTR, 28)
    if not flags and not extended:
        return None
    bits = _number(flags, 0) & _FLAGS | _number(extended, 0) & _EXTENDED_FLAGS
    policy = 0
    if bits & _ENCRYPTED:
        answer = bytearray(_ROOM_FOR_POLICY.to_bytes(8, sys.byteorder) + bytes(_ROOM_FOR_POLICY))
        _ioctl(directory, _FS_IOC_GET_ENCRYPTION_POLICY_EX, answer)
        policy = fingerprint(answer)
    return bits, _number(extended, 12) if bits & _PROJECT else 0, policy


# linux/fs.h, linux/fscrypt.h. The kernel has other numbers on Alpha, MIPS, PowerPC and SPARC, where
# nothing is told. The first one says the size of a `long`, and gives 4 bytes.
_FS_IOC_GETFLAGS = 0x80086601 if sys.maxsize > 2**32 else 0x80046601
_FS_IOC_FSGETXATTR = 0x801C581F
_FS_IOC_GET_ENCRYPTION_POLICY_EX = 0xC0096616
_FLAGS, _EXTENDED_FLAGS = 0x800800, 0x20008300
_ENCRYPTED, _PROJECT = 0x800, 0x20000200
_ROOM_FOR_POLICY = 64


def _asked(directory: int, request: int, size: int) -> bytearray | None:
    answer = bytearray(size)
    try:
        _ioctl(directory, request, answer)
    except OSError:
        return None
    return answer


def _ioctl(directory: int, request: int, answer: bytearray) -> None:
    from fcntl import ioctl  # a file of its own in some builds of Python, and rarely needed

    ioctl(directory, request, answer)


def _number(answer: bytes | bytearray | None, at: int, size: int = 4) -> int:
    return int.from_bytes(answer[at : at + size], sys.byteorder) if answer else 0


def _look_inside(path: str | bytes, _: str) -> str:
    # What has taken the place of a file may be a FIFO, a terminal, or never end.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
    handle = os.open(path, flags | getattr(os, "O_CLOEXEC", 0))
    try:
        content = bytearray()
        while len(content) < _LONGEST and (part := os.read(handle, _PART)):
            content += part
    finally:
        os.close(handle)
    if len(content) >= _LONGEST:  # as the launcher has it: the beginning alone is equal to nothing
        raise ValueError
    return content_sight(content)


def _look_for_room(path: str | bytes, needed: str) -> str:
    return room_sight(os.statvfs(path), int(needed, 16))


_LOOKS: dict[str, Callable[[str | bytes, str], str]] = {
    "s": lambda path, _: status_sight(os.stat(path)),
    "l": lambda path, _: status_sight(os.lstat(path)),
    "a": lambda path, mode: "y" if os.access(path, int(mode, 16)) else "n",
    "n": lambda path, _: names_sight(os.listdir(path)),
    "c": _look_inside,
    "r": lambda path, _: content_sight(os.fsencode(os.readlink(os.fsencode(path)))),
    "v": lambda path, _: file_system_sight(os.statvfs(path)),
    "f": _look_for_room,
    "d": lambda path, _: attributes_sight(attributes_of(path)),
    "x": lambda path, _: access_list_sight(access_list_of(path)),
    "m": lambda path, _: mount_sight(statx(path)),
}
if sys.platform == "win32":
    from uvx_policy.replay import windows_sights

    _LOOKS.update(windows_sights.LOOKS)
elif sys.platform == "darwin":
    from uvx_policy.replay import macos_sights

    _LOOKS.update(macos_sights.LOOKS)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
