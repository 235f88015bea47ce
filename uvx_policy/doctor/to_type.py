"""What people are told to type: it must work, and mend, in the very shell that called us."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from uvx_policy.doctor.programs import on_path
from uvx_policy.terminal.own_name import typed

if TYPE_CHECKING:
    from uvx_policy.doctor.case import Case
    from uvx_policy.doctor.diagnostic import Fix

#: a command of uv that links files, at the beginning or behind `&&`, variables before it or not
_LINKING = re.compile(r"(?P<before>(?:^|&& )(?:[A-Z_]+=\S* )*)uv (?=(?:sync|remove|venv)\b)")


def for_this_shell(fix: Fix, case: Case) -> Fix:
    """The same fix; where the shim does not come first here, its `uv` runs through linkpolicy.

    Without that, `uv sync --reinstall` would make again what it is to mend.
    """
    command = fix.command
    if not _shim_comes_first(case):
        command = _LINKING.sub(r"\g<before>linkpolicy run -- uv ", command)
    return fix.replace(command=typed(command, case.environ))


def chown_to_you(path: str, uid: int) -> str:
    """The command that gives everything below `path` to the user `uid`, who types it."""
    sudo = "sudo " if uid else ""
    return f'{sudo}chown -R "$(id -u):$(id -g)" {shlex.quote(path)}'


def _shim_comes_first(case: Case) -> bool:
    first = next(iter(on_path("uv", case.environ.get("PATH", ""))), None)
    return first is not None and first.ours
