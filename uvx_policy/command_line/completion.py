"""The completion scripts that come with the package; `docs/generate.py` makes them."""

from __future__ import annotations

import os

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


def script(shell: str) -> str:
    """The script for one of `SHELLS`."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    path = os.path.join(package, DIRECTORY, SCRIPTS[shell])
    with open(path, encoding="utf-8") as stream:
        return stream.read()
