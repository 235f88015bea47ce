"""What stays on the disk after `linkpolicy uninstall`, because it is the user's to remove."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from uvx_policy.caches.measure import measure
from uvx_policy.errors import LinkPolicyError
from uvx_policy.machine import caches as known
from uvx_policy.settings.reader import read_settings
from uvx_policy.state import files, layout
from uvx_policy.terminal.command import command
from uvx_policy.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from uvx_policy.machine.caches import Cache
    from uvx_policy.machine.machine import Machine
    from uvx_policy.terminal.command import Command

#: seconds to measure one of them; the size of a larger one is "at least"
_PATIENCE = 1.0


class Leftover(Value):
    """One directory."""

    #: absolute
    path: str
    #: what is in it, for people
    what: str
    #: on the disk
    bytes: int
    #: False: there was no time to measure all of it
    is_complete: bool
    #: what to type to remove it
    command: Command


def leftovers(machine: Machine) -> Iterator[Leftover]:
    """Caches that only linkpolicy makes uv use, and the edits that `linkpolicy repair` saved.

    To be asked before the state directory is forgotten: it says which caches there are. Reads only,
    and never raises.
    """
    for cache in _caches(machine):
        clean = command("linkpolicy", "cache", "clean", "--cache-dir", cache.path)
        yield _measured(cache.path, "uv cache", clean)
    state = layout.state_home(machine.environ, sys.platform)
    saved = files.path_of(state, layout.EDITS)
    if state and os.path.isdir(saved):
        yield _measured(saved, "edits that `linkpolicy repair` saved", command("rm", "-r", saved))


def _caches(machine: Machine) -> Iterator[Cache]:
    try:
        entries = read_settings(machine.host, project="", workspace="", place="").caches
    except LinkPolicyError:
        entries = ()
    configured = {os.path.realpath(entry.directory) for entry in entries}
    for cache in machine.caches:
        made = {known.DEVICE_CACHE, known.PROJECT_CACHE} & set(cache.origins)
        is_ours = bool(made or cache.path in configured) and known.UV_DEFAULT not in cache.origins
        if cache.exists and is_ours and cache.owner in (None, machine.host.uid):
            yield cache


def _measured(path: str, what: str, removal: Command) -> Leftover:
    told = measure(path, seconds=_PATIENCE)
    return Leftover(
        path=path,
        what=what,
        bytes=told.physical_bytes,
        is_complete=told.is_complete,
        command=removal,
    )
