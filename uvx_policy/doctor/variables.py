"""Where a variable of the environment comes from, and what to do about it."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from uvx_policy.doctor.diagnostic import Fix
from uvx_policy.doctor.project_files import read_text
from uvx_policy.setup.shells import every_start_up_file
from uvx_policy.state import layout
from uvx_policy.terminal.command import command
from uvx_policy.uv.workspace import ancestors

if TYPE_CHECKING:
    from uvx_policy.doctor.case import Case


def unset(case: Case, name: str, value: str | None = None) -> tuple[str, Fix]:
    """A variable with its value and the file that sets it, and how to be rid of it.

    `value`: what is said, when not what the variable holds.
    """
    where = _set_in(case, name)
    said = f"`{name}={case.environ[name] if value is None else value}`"
    text = f"Remove it from `{where}` and from this shell" if where else "Unset it"
    return f"{said}{where and f' ({where})'}", Fix.by(text, command("unset", name))


def _set_in(case: Case, variable: str) -> str:
    """`path:line` of the start-up file that sets this variable, "" when none of them does."""
    home = layout.home(case.environ, case.host.platform)
    files = every_start_up_file(environ=case.environ, home=home, platform=case.host.platform)
    nearby = [os.path.join(above, ".envrc") for above in ancestors(case.cwd)]
    sets = re.compile(rf"^[^#]*\b{variable}\b")
    for path in (*nearby, *files, "/etc/environment", "/etc/profile"):
        for number, line in enumerate(read_text(path).splitlines(), 1):
            if sets.match(line):
                return f"{path}:{number}"
    return ""
