"""Where a variable of the environment comes from, and what to do about it."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from uvx_policy.doctor.project_files import read_text
from uvx_policy.setup.shells import every_start_up_file
from uvx_policy.state import layout
from uvx_policy.uv.workspace import ancestors

if TYPE_CHECKING:
    from uvx_policy.doctor.case import Case


def set_in(case: Case, variable: str) -> str:
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


def unset_text(where: str) -> str:
    """The text of a fix that removes it; `where`: as `set_in` tells."""
    return f"Remove it from `{where}` and from this shell" if where else "Unset it"
