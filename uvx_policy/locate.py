"""Find the real uv: on PATH what is not ours, else the binary that the extra `uv` installed.

Ours is told by identity (device and inode) and by a marker in the file, never by name or directory:
a symbolic link to a shim in another directory made pyenv loop for years (pyenv #2696).
"""

import sys

import uvx_policy
from uvx_policy.minimal_os import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: found in every shim of ours, whoever installed it
MARKER = b"linkpolicy-shim-v1"
#: enough to hold the `#!` line and the marker of a Python shim
_HEAD = 1024
#: a native shim ends with the marker
_TAIL = 64


def real_programs(
    program: str, *, search_path: str | None, shim: str = "", embedded: "Sequence[str]" = ()
) -> "Iterator[str]":
    """Each executable `program` that is not a shim of ours, in the order of PATH, then embedded.

    `search_path` is the value of PATH (None when unset: `os.defpath`, as in execvp(3)); an empty or
    relative entry counts from the cwd, as it does for every shell.
    """
    own = identity(shim) if shim else None
    listed = os.defpath if search_path is None else search_path
    directories = directories_on(listed)
    suffix = ".exe" if os.name == "nt" else ""
    for directory in [*directories, *embedded]:
        path = os.path.join(directory or ".", program + suffix)
        if os.access(path, os.X_OK) and os.path.isfile(path):
            found = identity(path)
            if found is not None and found != own and not is_ours(path):
                yield path


def not_executable(program: str, *, search_path: str | None) -> str:
    """The first file of that name on PATH that exists and may not be executed, "" when none."""
    for directory in directories_on(search_path or ""):
        path = os.path.join(directory or ".", program)
        if os.path.isfile(path) and not os.access(path, os.X_OK):
            return path
    return ""


def directories_on(search_path: str) -> list[str]:
    """The entries of a PATH, in order; on Windows `"` protects a semicolon, and goes."""
    if os.name != "nt" or '"' not in search_path:
        return search_path.split(os.pathsep) if search_path else []
    entries, quoted = [""], False
    for character in search_path:
        if character == '"':
            quoted = not quoted
        elif character == os.pathsep and not quoted:
            entries.append("")
        else:
            entries[-1] += character
    return entries


def package() -> str:
    """Directory of the package `uvx_policy` that is running, absolute."""
    return os.path.dirname(os.path.abspath(str(uvx_policy.__file__)))


def edited_files() -> list[str]:
    """Our modules that are loaded, where they are edited one by one: in a checkout.

    What is installed changes as a whole, `__init__.py` with it.
    """
    if os.path.basename(os.path.dirname(package())) in ("site-packages", "dist-packages"):
        return []
    own = [module for name, module in sys.modules.items() if name.startswith("uvx_policy.")]
    return [module.__file__ for module in own if module.__file__]


def embedded_directories() -> list[str]:
    """Where the extra `uv` puts its binary: the scripts directory of our own environment."""
    import sysconfig

    return [sysconfig.get_path("scripts")]


def is_ours(path: str) -> bool:
    """Does this file carry the marker of a linkpolicy shim? Unreadable files do not."""
    try:
        with open(path, "rb", buffering=0) as stream:
            if MARKER in (stream.read(_HEAD) or b""):
                return True
            stream.seek(-_TAIL, os.SEEK_END)  # OSError for a shorter file, which was read whole
            return MARKER in (stream.read(_TAIL) or b"")
    except OSError:
        return False


def identity(path: str) -> tuple[int, int] | None:
    """Device and inode of the file, `None` when there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
