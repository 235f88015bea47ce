"""Which packages lie beside a program: there `find_uv_bin()` of the `uv` package looks first."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: bytes; longer `#!` lines are not run by any kernel
_HEAD = 1024


def environment_of(program: str, *, search_path: str) -> str:
    """The environment of a program on PATH, "" when it is not there or is no Python program.

    Recognized by its `#!` line, because a program may be linked or copied to another directory.
    """
    found = shutil.which(program, path=search_path)
    if not found:
        return ""
    interpreter = _interpreter(found)
    return os.path.dirname(os.path.dirname(interpreter)) if interpreter else ""


def packages_in(environment: str) -> frozenset[str]:
    """Names of the distributions in an environment, normalised; empty when it cannot be read."""
    found = set()
    for site in _sites(environment):
        for name in _names(site):
            if name.endswith(".dist-info"):
                found.add(name.partition("-")[0].replace("_", "-").replace(".", "-").lower())
    return frozenset(found)


def _sites(environment: str) -> Iterator[str]:
    for library in ("lib", "lib64"):
        for name in _names(os.path.join(environment, library)):
            if name.startswith("python"):
                for packages in ("site-packages", "dist-packages"):  # Debian's own
                    yield os.path.join(environment, library, name, packages)
    yield os.path.join(environment, "Lib", "site-packages")


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []


def _interpreter(path: str) -> str:
    try:
        with open(path, "rb") as stream:
            lines = os.fsdecode(stream.read(_HEAD)).split("\n")
    except OSError:
        return ""
    words = lines[0].removeprefix("#!").split() if lines[0].startswith("#!") else []
    if words[:1] == ["/bin/sh"] and len(lines) > 1 and lines[1].startswith("'''exec'"):
        # What pip and uv write where the path is too long for a `#!` line, or has blanks in it.
        words = [lines[1].removeprefix("'''exec'").strip().partition(' "$0"')[0].strip("'\"")]
    name = os.path.basename(words[0]) if words else ""
    return words[0] if name.startswith(("python", "pypy")) and os.path.isabs(words[0]) else ""
