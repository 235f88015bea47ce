"""Which real uv the shims remember, for callers whose PATH has none: cron, sudo, services, editors.

Remembered is the directory on PATH, as PATH has it: what that leads to changes with each update.
"""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from typing import TYPE_CHECKING

from uvx_policy import locate
from uvx_policy.setup import lasting, shim_directories
from uvx_policy.state.remembered import remembered_by

if TYPE_CHECKING:
    from collections.abc import Mapping

#: `tempfile` knows others
_TEMPORARY = (*lasting.TEMPORARY, "/run/user")
#: in uv's cache: what `uvx` and `uv run --with` start
_IN_CACHE = ("archive-v", "builds-v", "environments-v")


def to_remember(environ: Mapping[str, str], *, home: str, shims: str) -> dict[str, str]:
    """For each program the directory that shims in the directory `shims` shall remember.

    It is the first on PATH that lasts; where there is none, what they remember already if that
    still serves. "" for none.
    """
    search_path = environ.get("PATH", "")
    return {
        program: _seen(program, search_path, home) or _kept(program, shims)
        for program in shim_directories.PROGRAMS
    }


def serves(program: str, directory: str) -> bool:
    """Is there a real uv for this program in that directory?"""
    return any(
        path
        for name in _names(program)
        for path in locate.real_programs(name, search_path="", embedded=(directory,))
    )


def _seen(program: str, search_path: str, home: str) -> str:
    for name in _names(program):
        for path in locate.real_programs(name, search_path=search_path):
            if os.path.isabs(path) and _lasts(path, home):
                return os.path.dirname(path)
    return ""


def _kept(program: str, shims: str) -> str:
    before = remembered_by(shims, program) or ""
    return before if before and serves(program, before) else ""


def _names(program: str) -> tuple[str, ...]:
    return (program, "uv") if program != "uv" else ("uv",)


def _lasts(path: str, home: str) -> bool:
    """Will this be here tomorrow, and nobody else's? By its path: what it leads to may change."""
    directory = os.path.dirname(path)
    parent = os.path.dirname(directory)
    if _is_environment(parent):
        return False
    if any(part.startswith(_IN_CACHE) for part in directory.split(os.sep)):
        return False
    # A home may be temporary as a whole: then all is.
    if not lasting.is_below(directory, home) and any(
        lasting.is_below(directory, temporary) for temporary in (*_TEMPORARY, tempfile.gettempdir())
    ):
        return False
    return all(map(_is_trusted, (path, directory)))


def _is_environment(directory: str) -> bool:
    """Is this one that goes as it came, and is on PATH only while it is active?"""

    def has(name: str) -> bool:
        return os.path.lexists(os.path.join(directory, name))

    is_base_of_conda = has("condabin")
    return has("pyvenv.cfg") or (has("conda-meta") and not is_base_of_conda)


def _is_trusted(path: str) -> bool:
    """Can nobody but us and root put something else there?"""
    try:
        status = os.stat(path)
    except OSError:
        return False
    if sys.platform == "win32":
        return True
    return status.st_uid in (0, os.geteuid()) and not status.st_mode & stat.S_IWOTH
