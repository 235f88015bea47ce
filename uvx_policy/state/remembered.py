"""Where uv is looked for after PATH: first what `linkpolicy setup` saw, as the shims know it.

The shims hold it themselves, so that they open no other file; here it is read from them, for all
that starts or asks for the real uv without being a shim.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from uvx_policy import locate
from uvx_policy.foreign_file import read_foreign
from uvx_policy.state import layout

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: bytes of a Python shim, by far
_MOST = 1 << 16
#: how the line of a Python shim starts that says it (`setup.shim_file`)
_LINE = "PROGRAM, SHIM, REMEMBERED, EMBEDDED = "
_SUFFIX = ".exe" if sys.platform == "win32" else ""


def after_path(environ: Mapping[str, str], program: str = "uv") -> list[str]:
    """Directories to search after PATH for this program, best first; as the shims do."""
    known = (remembered_by(directory, program) for directory in _shim_directories(environ))
    first = next((each for each in known if each is not None), "")
    return list(dict.fromkeys([*([first] if first else []), *locate.embedded_directories()]))


def remembered_by(shims: str, program: str) -> str | None:
    """The directory that this shim remembers, "" for none; `None`: it cannot say. Never raises."""
    if sys.platform == "win32":
        return _configured(shims)
    import ast

    for path in (f"{shims}/{layout.SHIM_FALLBACKS}/{program}", f"{shims}/{program}"):
        if not locate.is_ours(path):
            continue
        try:
            text = os.fsdecode(read_foreign(path, _MOST))
            (line,) = [line for line in text.splitlines() if line.startswith(_LINE)]
            values = ast.parse(line.removeprefix(_LINE), mode="eval").body
            remembered = values.elts[2] if isinstance(values, ast.Tuple) else values
            (directory,) = ast.literal_eval(remembered) or ("",)
            return str(directory)
        except (OSError, ValueError, SyntaxError, TypeError):
            continue
    return None


def _configured(shims: str) -> str | None:
    """The same on Windows, where one file for all shims has it, before the embedded ones."""
    from uvx_policy.windows import launcher as windows_launcher

    try:
        content = read_foreign(os.path.join(shims, windows_launcher.NAME), _MOST)
    except (OSError, ValueError):
        return None
    if not windows_launcher.is_configuration(content):
        return None
    first = next(iter(windows_launcher.directories_in(content)), "")
    return "" if first in locate.embedded_directories() else first


def _shim_directories(environ: Mapping[str, str]) -> Iterator[str]:
    """Where our shims may lie: beside this command, on PATH, in the usual place."""
    yield os.path.dirname(os.path.abspath(sys.argv[0]))
    for directory in locate.directories_on(environ.get("PATH", "")):
        if os.path.isabs(directory) and locate.is_ours(os.path.join(directory, f"uv{_SUFFIX}")):
            yield directory
    yield layout.shim_directory(dict(environ), sys.platform)
