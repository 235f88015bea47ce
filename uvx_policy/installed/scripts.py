"""Scripts of an environment that differ from their RECORD in nothing but the interpreter's path.

Installers write `#!/path/of/the/environment/bin/python` (or, for a long path, two lines of sh)
into the scripts of `bin`, and hash the result. Who moves an environment, or makes it relocatable,
changes that line and not the RECORD.
"""

from __future__ import annotations

import contextlib
import os
import re
from typing import TYPE_CHECKING

from uvx_policy.foreign_file import read_foreign
from uvx_policy.installed.hash import of_pieces

if TYPE_CHECKING:
    from collections.abc import Iterator

    from uvx_policy.installed.record import Row

_LONGEST = 1 << 20
_DIRECTORIES = ("bin", "Scripts")
#: `#!/bin/sh`, then `'''exec' '/path/python' "$0" "$@"` and `' '''`: sh starts Python with itself
_BY_SHELL = re.compile(rb"#!/bin/sh\n'''exec' [^\n]*\n' '''\n")
_BY_KERNEL = re.compile(rb"#![^\n]*\n")
_NAMES = ("python", "python3", "pythonw")


def differs_in_first_line(path: str, row: Row, *, environment: str) -> bool:
    """Is this script what RECORD says, but for the interpreter it names? Never raises.

    Tried are the interpreters of `environment` where it is now and where its
    `activate` script says that it was made, and the `#!python` of a wheel.
    """
    if not row.path.startswith("..") or os.path.basename(os.path.dirname(path)) not in _DIRECTORIES:
        return False
    try:
        content = read_foreign(path, _LONGEST + 1, cut=True)
        found = _BY_SHELL.match(content) or _BY_KERNEL.match(content)
        if found is None or len(content) > _LONGEST:
            return False
        body = content[found.end() :]
        lines = _first_lines(environment)
        return any(of_pieces([line, body], row.hash.algorithm) == row.hash for line in lines)
    except (OSError, ValueError):
        return False


def body(path: str) -> bytes:
    """What follows the line, or lines, that name the interpreter. Raises `OSError`."""
    content = read_foreign(path, _LONGEST, cut=True)
    found = _BY_SHELL.match(content) or _BY_KERNEL.match(content)
    return content[found.end() :] if found is not None else content


def _first_lines(environment: str) -> Iterator[bytes]:
    yield b"#!python\n"
    for top in dict.fromkeys((environment, os.path.realpath(environment), *_made_at(environment))):
        for name in _NAMES:
            for directory in _DIRECTORIES:
                interpreter = os.fsencode(os.path.join(top, directory, name))
                yield b"#!" + interpreter + b"\n"
                for quote in (b"'", b'"', b""):
                    start = b"#!/bin/sh\n'''exec' " + quote + interpreter + quote
                    yield start + b" \"$0\" \"$@\"\n' '''\n"
    # Of an environment that can be moved (`uv venv --relocatable`).
    yield (
        b"#!/bin/sh\n'''exec' \"$(dirname -- \"$(realpath -- \"$0\")\")\"/'python' "
        b"\"$0\" \"$@\"\n' '''\n"
    )


def _made_at(environment: str) -> Iterator[str]:
    """`VIRTUAL_ENV=...` of `bin/activate`, which uv and virtualenv quote in their own ways."""
    for directory in _DIRECTORIES:
        with contextlib.suppress(OSError):
            activate = os.path.join(environment, directory, "activate")
            text = read_foreign(activate, _LONGEST, cut=True)
            for told in re.findall(
                rb"^(?:export )?VIRTUAL_ENV=['\"]?([^'\"\n]+)", text, re.MULTILINE
            ):
                yield os.fsdecode(told)
