"""Every `uv` on PATH, in the order in which a shell finds them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from uvx_policy import locate
from uvx_policy.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterator


class Program(Value):
    """One executable file of the name that was looked for."""

    path: str
    #: a shim of linkpolicy's
    ours: bool
    #: directory of the virtual or conda environment that it belongs to, "" for none
    environment: str


def on_path(program: str, search_path: str) -> tuple[Program, ...]:
    """The first one is what `program` starts. `search_path`: value of PATH."""
    return tuple(_on_path(program, search_path))


def _on_path(program: str, search_path: str) -> Iterator[Program]:
    seen: set[str] = set()
    for directory in search_path.split(os.pathsep) if search_path else ():
        path = os.path.join(directory or ".", program)
        if path in seen or not os.path.isfile(path) or not os.access(path, os.X_OK):
            continue
        seen.add(path)
        yield Program(path=path, ours=locate.is_ours(path), environment=_environment(path))


def _environment(path: str) -> str:
    directory = os.path.dirname(os.path.dirname(os.path.abspath(path)))
    signs = ("pyvenv.cfg", "conda-meta")
    return directory if any(os.path.exists(os.path.join(directory, sign)) for sign in signs) else ""
