"""The completion scripts and the man page: in the package, and beside the shims.

`docs/generate.py` makes them. `linkpolicy setup` copies them, because what is installed may be
upgraded or moved, and shells look for a name that stays. Not on Windows, which has no man, and
where PowerShell reads nothing but profiles.

A shell reads its script at the first TAB and not when it starts: `shell_lines` names the script.
For each entry of PATH, man-db and the man of macOS look in the directory `man` in it.
"""

from __future__ import annotations

import os
import stat
import sys
from typing import TYPE_CHECKING

from uvx_policy import locate
from uvx_policy.state import layout

if TYPE_CHECKING:
    from collections.abc import Iterator

#: shell -> name of its script, as it is called where that shell looks for it
SCRIPTS = {
    "bash": "linkpolicy",
    "zsh": "_linkpolicy",
    "fish": "linkpolicy.fish",
    "powershell": "linkpolicy.ps1",
}
SHELLS = tuple(SCRIPTS)
#: below the package
DIRECTORY = "completions"
PAGE = "linkpolicy.1"

#: below a directory of shims -> below the package. fish finds its script by the name; no name may
#: be that of a program, which `layout.SHIM_FALLBACKS` holds too.
_COPIES = (
    {
        f"{layout.SHIM_FALLBACKS}/linkpolicy.bash": f"{DIRECTORY}/{SCRIPTS['bash']}",
        f"{layout.SHIM_FALLBACKS}/_linkpolicy": f"{DIRECTORY}/{SCRIPTS['zsh']}",
        f"{layout.SHIM_FALLBACKS}/linkpolicy.fish": f"{DIRECTORY}/{SCRIPTS['fish']}",
        f"man/man1/{PAGE}": PAGE,
    }
    if sys.platform != "win32"
    else {}
)


def script(shell: str) -> str:
    """The script for one of `SHELLS`."""
    return _read(f"{DIRECTORY}/{SCRIPTS[shell]}")


def places(directory: str) -> tuple[str, ...]:
    """Where the copies lie, for this directory of shims."""
    return tuple(os.path.join(directory, name) for name in _COPIES)


def directories(directory: str) -> tuple[str, ...]:
    """The directories that only these files need, for this directory of shims; innermost first."""
    page = os.path.dirname(os.path.join(directory, "man", "man1", PAGE))
    return (page, os.path.dirname(page)) if _COPIES else ()


def owner(path: str) -> str:
    """The directory of shims that has this path among its `places`, "" when it is none of them."""
    names = (f"{os.sep}{name}" for name in _COPIES)
    return next((path.removesuffix(name) for name in names if path.endswith(name)), "")


def copies(directory: str) -> Iterator[tuple[str, bytes]]:
    """Path and content of each copy; those left out whose directory is somebody's file or link."""
    for name, source in _COPIES.items():
        path = os.path.join(directory, name)
        if all(map(_can_be_a_directory, _between(directory, path))):
            yield path, _read(source).encode("utf-8") + _signature(name)


def _signature(name: str) -> bytes:
    """A comment that makes the file ours to `locate.is_ours`, which looks at the last 64 bytes."""
    comment = b'.\\"' if name.endswith(".1") else b"#"
    return comment + b" " + locate.MARKER + b": a copy by `linkpolicy setup`\n"


def _between(directory: str, path: str) -> Iterator[str]:
    above = os.path.dirname(path)
    while above != directory:
        yield above
        above = os.path.dirname(above)


def _can_be_a_directory(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return not os.path.lexists(path)


def _read(name: str) -> str:
    """A file of the package."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    with open(os.path.join(package, *name.split("/")), encoding="utf-8") as stream:
        return stream.read()
