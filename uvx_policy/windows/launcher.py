"""What the launchers of Windows have to know, as the content of a file beside them.

`uv.exe`, `uvx.exe` and `uvw.exe` are plain copies of what was compiled: a signature stays good.
What the launcher of Linux has written into it lies in one file for all three (`shims/windows.c`).
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

#: name of the file, in the directory of the launchers; as in shims/windows.c
NAME = "linkpolicy-launcher.cfg"
_HEAD = b"linkpolicy-launcher-config-v2\n"
#: bytes that the launcher reads
_LONGEST = 65536
#: fields before the directories: package, Python, command line
_BEFORE = 3


def windows_configuration(
    *, package: str, python: str, script: str, embedded: Iterable[str], paths: Iterable[str] = ()
) -> bytes:
    """The configuration of the launchers of one directory.

    `package`: whose records are repeated. `python`, `script`: who is asked what changes for a call,
    and `uvx_policy/answer.py`; `paths`: where that finds tomli, if not beside the package.
    `embedded`: directories to search after PATH, best first.

    After the head, in UTF-8 and each ended by NUL: the package, Python, the command line to start
    it with, the directories, and one empty string. Raises `ValueError` for what has no room or
    cannot be written so.
    """
    asking = subprocess.list2cmdline([python, "-I", "-S", script, *paths])
    fields = (package, python, asking, *filter(None, embedded), "")
    if any("\0" in field for field in fields):
        raise ValueError("a path holds a NUL")
    content = _HEAD + "".join(f"{field}\0" for field in fields).encode()
    if len(content) > _LONGEST:
        raise ValueError("the paths in its configuration are too long")
    return content


def is_configuration(content: bytes) -> bool:
    """Did we write this?"""
    return content.startswith(_HEAD)


def directories_in(content: bytes) -> tuple[str, ...]:
    """`embedded` of a configuration; none for what is not one."""
    if not is_configuration(content):
        return ()
    fields = content[len(_HEAD) :].decode("utf-8", "replace").split("\0")
    return tuple(fields[_BEFORE:-2])
