"""Sights of macOS: what `replay.witness` lists, rendered there as follows.

    v       statfs(2)       "<f_fsid>:<size in bytes, at most 2**35>:<f_flags that count>:<length>:
                            <fingerprint>" of type, source and mount point; "-" when it fails
    f<n>    free space, without regard to files
    m       getattrlist(2)  which volume a path lies on: "<f_fsid>:<its UUID, 0 without>:<birth of
                            its topmost directory, in ns>"
    k       sysctlbyname(3) what the kernel has by a name: "<length>:<fingerprint>"
    q       getattrlist(2)  how a volume spells a path: "<length>:<fingerprint>"
    u       getgrgid(3)     who is in the group of a number: "<length>:<fingerprint>", "-" for none

There are no `d` and `x`. Numbers and the rest are as elsewhere.
"""

from __future__ import annotations

from uvx_policy.fingerprint import fingerprint
from uvx_policy.macos import calls
from uvx_policy.minimal_os import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_FLAGS = calls.MNT_RDONLY | calls.MNT_NOEXEC | calls.MNT_LOCAL | calls.MNT_IGNORE_OWNERSHIP


def file_system_sight(told: calls.Statfs) -> str:
    """Render which file system this is, and how it is mounted."""
    numbers = [told.number, min(told.total, 2**35), told.flags & _FLAGS]
    names = text_sight(f"{told.kind}\0{told.source}\0{told.point}")
    return ":".join([*[f"{number:x}" for number in numbers], names])


def room_sight(told: calls.Statfs, needed: int) -> str:
    """Render whether there is room for so many bytes."""
    return "y" if told.free >= needed else "n"


def volume_sight(path: str | bytes) -> str:
    """See which volume a path lies on, so that no other one has the same sight. Raises `OSError`.

    Volumes of servers have no UUID.
    """
    told = calls.statfs(path)
    number = 0
    try:  # noqa: SIM105 (contextlib is slow to import)
        number = int.from_bytes(calls.volume_id(told.point), "big")
    except OSError:
        pass
    return f"{told.number:x}:{number:x}:{calls.born(told.point) & 2**64 - 1:x}"


def text_sight(text: str) -> str:
    """Render a text."""
    content = os.fsencode(text)
    return f"{len(content):x}:{fingerprint(content):x}"


def group_sight(gid: int) -> str:
    """Render who is in a group; the directory service is asked, which has no file to look at."""
    import grp
    import pwd

    try:
        group = grp.getgrgid(gid)
    except (KeyError, OverflowError):
        return "-"
    try:
        me = pwd.getpwuid(os.geteuid())
        mine = f"{me.pw_name}\0{me.pw_gid}"
    except (KeyError, OverflowError):
        mine = ""
    return text_sight("\0".join([group.gr_name, mine, *sorted(group.gr_mem)]))


LOOKS: dict[str, Callable[[str | bytes, str], str]] = {
    "v": lambda path, _: file_system_sight(calls.statfs(path)),
    "f": lambda path, needed: room_sight(calls.statfs(path), int(needed, 16)),
    "m": lambda path, _: volume_sight(path),
    "k": lambda path, _: text_sight(os.fsdecode(calls.sysctl(os.fsdecode(path)))),
    "q": lambda path, _: text_sight(calls.spelled(path)),
    "u": lambda path, _: group_sight(int(path)),
}
