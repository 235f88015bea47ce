"""The interpreter that the Python shims start: by which name, and how their `#!` line says it."""

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

from uvx_policy import launch

if TYPE_CHECKING:
    from collections.abc import Iterator

#: execve(2): the kernel reads 256 bytes of a `#!` line since Linux 5.1, 127 before, macOS 512.
_MAX_SHEBANG = 127
_MAX_SHEBANG_NOW = 255
#: has -S since coreutils 8.30 (2018); BSD and macOS have always had it
_ENV = "/usr/bin/env"
#: what means nothing to `env -S` in a path
_PLAIN = re.compile(r"[\w/.@+,~=-]+", re.ASCII)


def line(stand_in: str = "") -> str:
    """What starts the interpreter in a `#!` line, but for its options.

    `stand_in`: what `place_of_stand_in` said, "" for no such program. Raises `ValueError` when the
    interpreter's path cannot stand in such a line.
    """
    return _with(stand_in) if stand_in else _direct()


def place_of_stand_in(directory: str) -> str:
    """Where the program must lie, below this directory, that `env` starts without an interpreter.

    "" where this machine's `env` cannot do that, or the line would be too long.
    """
    path = os.path.join(directory, os.path.basename(base_interpreter()))
    fits = len(_with(path)) + len("#! -IS") <= _MAX_SHEBANG_NOW
    is_plain = all(map(_PLAIN.fullmatch, (path, base_interpreter())))
    return path if fits and is_plain and _env_splits() else ""


def _direct() -> str:
    interpreter = base_interpreter()
    if len(interpreter) + len("#! -IS") > _MAX_SHEBANG or any(c in interpreter for c in " \t\n"):
        raise ValueError(f"the interpreter's path cannot stand in a `#!` line: `{interpreter}`")
    return interpreter


def _with(stand_in: str) -> str:
    """Let `env` look for the interpreter in its own directory, then in that of the stand-in.

    No shell could: they drop variables whose names they do not like, and add others.
    """
    directory, name = os.path.split(base_interpreter())
    search_path = f"{directory}:{os.path.dirname(stand_in)}"
    return f"{_ENV} -S {launch.SAVED_PATH}=${{PATH}} PATH={search_path} {name}"


@functools.cache
def _env_splits() -> bool:
    """Does this machine's `env` know `-S` and variables in it, and the kernel so long a line?"""
    words = f"-S SAVED=${{PATH}} PATH=/nowhere:{os.path.dirname(_ENV)} env"
    try:
        done = subprocess.run(
            [_ENV, words], env={"PATH": "a b"}, capture_output=True, check=False, timeout=10
        )
        version = re.match(r"(\d+)\.(\d+)", os.uname().release)
    except (OSError, subprocess.TimeoutExpired):
        return False
    old = sys.platform == "linux" and (not version or tuple(map(int, version.groups())) < (5, 1))
    return b"SAVED=a b\n" in done.stdout and not old


def base_interpreter() -> str:
    """The interpreter below any virtual environment, by a name that outlives its next update.

    It starts faster (no pyvenv.cfg to look for), and when the environment that holds linkpolicy is
    deleted, the shim still starts and hands over to uv.
    """
    path = os.path.abspath(getattr(sys, "_base_executable", None) or sys.executable)
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    real = os.path.realpath(path)
    # A link to the interpreter is followed only until its directory has this very minor version.
    while True:
        directory = os.path.dirname(path)
        versioned = os.path.join(directory, name)
        in_environment = os.path.exists(os.path.join(os.path.dirname(directory), "pyvenv.cfg"))
        if os.path.realpath(versioned) == real and not in_environment:
            return _stable(versioned)
        if not os.path.islink(path):
            return _stable(path)
        path = os.path.normpath(os.path.join(directory, os.readlink(path)))


def _stable(path: str) -> str:
    """The same file through a link that its installer moves to the next patch version, if any."""
    minor = "{}.{}".format(*sys.version_info)
    patch = re.compile(rf"(?<![\d.]){re.escape(minor)}\.\d+[^/+-]*")
    for before, directory, after in _split_at_each(path):
        links = [patch.sub(minor, directory)]  # uv, mise, pyenv
        if patch.fullmatch(directory) and os.path.basename(os.path.dirname(before)) == "Cellar":
            # Homebrew: Cellar/python@3.12/3.12.7 is opt/python@3.12
            links.append(os.path.join("..", "..", "opt", os.path.basename(before)))
        for link in links:
            stable = os.path.normpath(os.path.join(before, link, after))
            if link != directory and os.path.realpath(stable) == os.path.realpath(path):
                return stable
    return path


def _split_at_each(path: str) -> Iterator[tuple[str, str, str]]:
    """Directories before, one directory, and the rest; for each directory of the path."""
    parts = path.split(os.sep)
    for index in range(len(parts) - 2, 0, -1):
        before, after = os.sep.join(parts[:index]), os.sep.join(parts[index + 1 :])
        yield before or os.sep, parts[index], after
