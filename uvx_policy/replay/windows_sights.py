"""Sights of Windows: what `replay.witness` lists, rendered there as follows.

    s, l    FILE_ID_INFO and times: absent "-"; a directory
            "d:<attributes>:<volume>:<id, upper 64 bits>:<lower 64 bits>"; else
            "<f|k>:<the same>:<size>:<LastWriteTime>:<ChangeTime>", times in 100 ns since 1601
    a<mode> can it be opened for this? "y" or "n"
    v       "<serial number>:<flags>:<length>:<fingerprint of the file system's name>:<bytes in all,
            at most 2**35>", "-" when it fails
    f<n>    free space, without regard to files
    p       processes: "-" when, by their names, none above may be a Python program, else "!"
    g       registry: when a key below HKEY_LOCAL_MACHINE was written last, "-" when absent
    x       owner and access list: "<length>:<fingerprint>" of the security descriptor

There are no `d`, `m` and `r`: of a link, `l` tells all. Numbers and the rest are as elsewhere.
"""

from __future__ import annotations

import os
import sys

from uvx_policy.fingerprint import fingerprint
from uvx_policy.replay.of_windows import processes_sight, registry_sight
from uvx_policy.windows import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

assert sys.platform == "win32"  # noqa: S101 (type checkers take it from here)

_64_BITS = 2**64 - 1


def status_sight(told: files.FileStatus) -> str:
    """Render a status. Of a directory only what stays when entries come and go."""
    kind = {0o100000: "f", 0o040000: "d", 0o120000: "k"}[told.st_mode & 0o170000]
    attributes = told.st_file_attributes & files.STAYING
    numbers = [attributes, told.st_dev, told.st_ino >> 64, told.st_ino & _64_BITS]
    if kind != "d":
        numbers += [told.st_size, told.written & _64_BITS, told.changed & _64_BITS]
    return ":".join([kind, *[f"{number:x}" for number in numbers]])


def volume_sight(told: files.Volume) -> str:
    """Render which volume this is."""
    name = told.name.encode("utf-8", "surrogatepass")
    numbers = [told.serial, told.flags, len(name), fingerprint(name), min(told.total, 2**35)]
    return ":".join([f"{number:x}" for number in numbers])


def room_sight(free: int, needed: int) -> str:
    """Render whether there is room for so many bytes."""
    return "y" if free >= needed else "n"


LOOKS: dict[str, Callable[[str | bytes, str], str]] = {
    "s": lambda path, _: status_sight(files.status(os.fsdecode(path), follow=True)),
    "l": lambda path, _: status_sight(files.status(os.fsdecode(path), follow=False)),
    "a": lambda path, mode: "y" if files.may(os.fsdecode(path), int(mode, 16)) else "n",
    "v": lambda path, _: volume_sight(files.volume(os.fsdecode(path))),
    "f": lambda path, n: room_sight(files.space(os.fsdecode(path))[0], int(n, 16)),
    "p": lambda *_: processes_sight() or "!",
    "g": lambda path, _: registry_sight(os.fsdecode(path)) or "!",
}
