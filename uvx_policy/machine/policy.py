"""Which policy holds for one environment, from settings alone: no uv is asked."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from uvx_policy.decide import is_hackable
from uvx_policy.errors import ConfigError, Unreadable
from uvx_policy.settings.reader import read_settings
from uvx_policy.uv.destination import project_above
from uvx_policy.uv.workspace import find_project
from uvx_policy.value import Value

if TYPE_CHECKING:
    from uvx_policy.host import Host
    from uvx_policy.settings.reader import Settings
    from uvx_policy.state.register import Environment

_INSIDE = ("target", "prefix")


class Policy(Value):
    """What the settings say about one environment."""

    #: "hackable", or the value of `link-mode`; "unknown" when the settings cannot be read
    name: str = "auto"
    #: what made it so: `path:line` of a file, or "default"; for "unknown" what is wrong
    origin: str = "default"

    @property
    def keeps_edits(self) -> bool:
        """Are edits of installed files intended here? Unknown counts as yes: nothing is undone."""
        return self.name in ("hackable", "unknown")


def policy_of(environment: Environment, host: Host) -> tuple[str, Policy]:
    """Give the directory of its project ("" when there is none) and its policy. Never raises.

    A project that the register names counts; otherwise the nearest directory with a
    pyproject.toml or a linkpolicy.toml above the environment, as for a decision.
    """
    project = environment.project
    try:
        if not project and environment.kind != "tool":
            inside = environment.kind in _INSIDE
            start = environment.path if inside else os.path.dirname(environment.path)
            project = project_above(host, start)
        settings = settings_for(host, project, os.path.dirname(environment.path))
    except (ConfigError, Unreadable) as error:
        what = error.faults[0] if isinstance(error, ConfigError) else error
        return project, Policy(name="unknown", origin=str(what))
    if is_hackable(settings):
        return project, Policy(name="hackable", origin=str(settings.hackable.origin))
    mode = settings.link_mode
    return project, Policy(name=mode.value, origin=str(mode.origin))


def settings_for(host: Host, project: str, place: str) -> Settings:
    """The settings of `project` for what is in `place`. Raises `ConfigError` and `Unreadable`."""
    found = find_project(host, project, None) if project else None
    workspace = found.workspace if found is not None and found.root == project else project
    return read_settings(host, project=project, workspace=workspace, place=place)
