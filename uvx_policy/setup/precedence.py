"""What comes before the shims on Windows, although the user's Path has them in front.

A process gets the machine's Path, then the user's. What starts it may put more in front: the
profile of PowerShell, a terminal, a virtual environment.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from uvx_policy.machine.programs import on_path
from uvx_policy.setup import registry_path, user_variables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from uvx_policy.setup.user_variables import Registry


class InFront(NamedTuple):
    """A uv that starts instead of the shim."""

    path: str
    #: its directory is on the machine's Path
    is_machines: bool


def uv_in_front(registry: Registry, directory: str, environ: Mapping[str, str]) -> InFront | None:
    """The uv that comes before shims in `directory` in a shell like the one that runs us.

    None of a virtual or conda environment: those go as they came. Never raises.
    """
    machine = _directories(registry, environ, of_machine=True)
    user = _directories(registry, environ, of_machine=False)
    listed = environ.get("PATH", "").split(os.pathsep)
    before = listed[: place(listed, directory, machine=machine, user=user)]
    for program in on_path("uv", os.pathsep.join(before)):
        if not program.ours and not program.environment:
            of_machine = _among(os.path.dirname(program.path), machine)
            return InFront(program.path, is_machines=of_machine)
    return None


def place(
    listed: Sequence[str], directory: str, *, machine: Sequence[str], user: Sequence[str]
) -> int:
    """How many entries of PATH come before the shims: where they are, or where they will be."""
    for number, entry in enumerate(listed):
        if registry_path.same(entry, directory):
            return number
    for number, entry in enumerate(listed):
        if _among(entry, user) and not _among(entry, machine):
            return number
    last = [number for number, entry in enumerate(listed, start=1) if _among(entry, machine)]
    return last[-1] if last else 0


def _directories(registry: Registry, environ: Mapping[str, str], *, of_machine: bool) -> list[str]:
    read = registry.of_machine if of_machine else registry.of_user
    try:
        found = registry_path.entries(read(user_variables.PATH), environ)
        return [entry.directory for entry in found]
    except (OSError, registry_path.NotText):
        return []


def _among(entry: str, directories: Sequence[str]) -> bool:
    return bool(entry) and any(registry_path.same(entry, each) for each in directories)
