"""Environments in which `reclaim` has left nothing to save, until they look different.

What it left has no equal on its file system, or may not share its bytes: `status` and `doctor` do
not offer it again. An environment that changes is offered anew (`installed.glance`).
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from uvx_policy.fingerprint import fingerprint
from uvx_policy.installed.distributions import site_directories
from uvx_policy.installed.glance import Glance
from uvx_policy.state import files
from uvx_policy.state.layout import SETTLED
from uvx_policy.state.reading import read

if TYPE_CHECKING:
    from collections.abc import Iterable


def remember(state: str, environments: Iterable[str]) -> None:
    """Note that nothing is left to save in these, as they look now. Fails silently."""
    glance = Glance()  # one for all: of files that they share it asks once
    for environment in environments if state else ():
        content = _content(environment, glance.of(site_directories(environment)))
        with contextlib.suppress(OSError, ValueError):
            files.write(state, SETTLED, _file_name(environment), content)


def holds(state: str, environment: str, glance: str) -> bool:
    """Was that noted, and does the environment look the same? `glance`: as it looks now."""
    if not (state and glance):
        return False
    try:
        return read(state, SETTLED, _file_name(environment)) == _content(environment, glance)
    except (OSError, ValueError):
        return False


def _content(environment: str, glance: str) -> bytes:
    # A file that a full disk cut short has not its last line.
    return os.fsencode(f"{os.path.realpath(environment)}\n{glance}\nend\n")


def _file_name(environment: str) -> str:
    name = os.fsencode(os.path.realpath(environment))
    return f"{SETTLED.prefix}{fingerprint(name):016x}"
