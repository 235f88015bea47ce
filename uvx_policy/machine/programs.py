"""Every `uv` on PATH, as a shell finds them, and which packages lie beside a program.

There `find_uv_bin()` of the `uv` package looks first.
"""

from __future__ import annotations

import glob
import os
import shutil
import sys
from typing import TYPE_CHECKING

from uvx_policy import locate
from uvx_policy.foreign_file import read_foreign
from uvx_policy.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterator

#: bytes; longer `#!` lines are not run by any kernel
_HEAD = 1024
_SUFFIX = ".exe" if sys.platform == "win32" else ""
#: below an environment; `dist-packages` is Debian's own
_SITES = (
    "lib/python*/site-packages", "lib/python*/dist-packages",
    "lib64/python*/site-packages", "lib64/python*/dist-packages", "Lib/site-packages",
)  # fmt: skip


class Program(Value):
    """One executable file of the name that was looked for."""

    path: str
    #: a shim of linkpolicy's
    ours: bool
    #: directory of the virtual or conda environment that it belongs to, "" for none
    environment: str


def on_path(program: str, search_path: str) -> Iterator[Program]:
    """The first one is what `program` starts. `search_path`: value of PATH."""
    seen: set[str] = set()
    for directory in locate.directories_on(search_path):
        path = os.path.join(directory or ".", program + _SUFFIX)
        if path in seen or not os.path.isfile(path) or not os.access(path, os.X_OK):
            continue
        seen.add(path)
        yield Program(path=path, ours=locate.is_ours(path), environment=_environment(path))


def _environment(path: str) -> str:
    directory = os.path.dirname(os.path.dirname(os.path.abspath(path)))
    signs = ("pyvenv.cfg", "conda-meta")
    return directory if any(os.path.exists(os.path.join(directory, sign)) for sign in signs) else ""


def environment_of(program: str, *, search_path: str) -> str:
    """The environment of a program on PATH, or at a path; "" when it is missing or belongs to none.

    Recognized by its `#!` line, because a program may be linked or copied to another directory.
    What has none, as the interpreter, belongs to the environment that it lies in.
    """
    found = shutil.which(program, path=search_path)
    if not found:
        return ""
    interpreter = _interpreter(found)
    return os.path.dirname(os.path.dirname(interpreter)) if interpreter else _environment(found)


def own_uv(environment: str) -> str:
    """The uv that the `uv` package of an environment brings; "" when it has none."""
    names = ("Scripts", "uv.exe") if sys.platform == "win32" else ("bin", "uv")
    path = os.path.join(environment, *names)
    is_there = environment and os.path.isfile(path) and os.access(path, os.X_OK)
    return (
        path if is_there and not locate.is_ours(path) and "uv" in packages_in(environment) else ""
    )


def _interpreter(path: str) -> str:
    try:
        lines = os.fsdecode(read_foreign(path, _HEAD, cut=True)).split("\n")
    except OSError:
        return ""
    words = lines[0].removeprefix("#!").split() if lines[0].startswith("#!") else []
    if words[:1] == ["/bin/sh"] and len(lines) > 1 and lines[1].startswith("'''exec'"):
        # What pip and uv write where the path is too long for a `#!` line, or has blanks in it.
        words = [lines[1].removeprefix("'''exec'").strip().partition(' "$0"')[0].strip("'\"")]
    name = os.path.basename(words[0]) if words else ""
    return words[0] if name.startswith(("python", "pypy")) and os.path.isabs(words[0]) else ""


def packages_in(environment: str) -> frozenset[str]:
    """Names of the distributions in an environment, normalised; empty when it cannot be read."""
    sites = [os.path.join(glob.escape(environment), site) for site in _SITES]
    infos = (each for site in sites for each in glob.iglob(f"{site}/*.dist-info"))
    names = (os.path.basename(each).partition("-")[0].lower() for each in infos)
    return frozenset(name.replace("_", "-").replace(".", "-") for name in names)
