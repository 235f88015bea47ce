"""What all checks of one run look at: each thing found out once, when it is first asked for."""

from __future__ import annotations

import os
import sys
from functools import cached_property
from typing import TYPE_CHECKING

from uvx_policy import guard, layout, pipeline, shim
from uvx_policy.errors import ConfigError
from uvx_policy.host import Host
from uvx_policy.setup import shim_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from uvx_policy.pipeline import Plan


class Case:
    """The machine, this directory, and the call `uv sync` in it."""

    def __init__(self, *, environ: Mapping[str, str], cwd: str, verify: bool = False) -> None:
        """`environ`: the process's variables; `cwd`: absolute; `verify`: read every byte."""
        #: as the process has them, our own old values removed
        self.environ = guard.without_ours(environ)
        self.cwd = cwd
        self.verify = verify

    @cached_property
    def host(self) -> Host:
        """The door to the machine."""
        return Host(environ=self.environ, cwd=self.cwd)

    @cached_property
    def state(self) -> str:
        """Directory for what is remembered, "" for nowhere."""
        return pipeline.state_directory(Host(environ=self.environ, cwd=self.cwd))

    @cached_property
    def shim_directory(self) -> str:
        """Where `setup` puts the shims unless told otherwise."""
        return layout.shim_directory(self.environ, sys.platform)

    @cached_property
    def uv(self) -> str:
        """Path of the real uv, "" when there is none."""
        return next(shim.candidates("uv", shim="", embedded=shim_file.embedded_directories()), "")

    @cached_property
    def plan(self) -> Plan | None:
        """What would be decided for `uv sync` here; `None` without a real uv.

        Raises `ConfigError` for faults in linkpolicy's settings.
        """
        if not self.uv:
            return None
        return pipeline.make_plan("uv", ["sync"], environ=self.environ, uv=self.uv)

    @cached_property
    def faults(self) -> tuple[str, ...]:
        """Faults in linkpolicy's settings that stand in the way of the plan."""
        try:
            _ = self.plan
        except ConfigError as error:
            return error.faults
        return ()

    @cached_property
    def sound_plan(self) -> Plan | None:
        """The plan; `None` also when faults stand in its way. For checks that do not tell them."""
        return None if self.faults else self.plan

    @cached_property
    def environment(self) -> str:
        """The environment of this project, "" when there is none: absolute, may be absent."""
        plan = self.sound_plan
        return plan.destination.path if plan and plan.facts is not None else ""

    @cached_property
    def real_environment(self) -> str:
        """The same without symbolic links, "" when it does not exist."""
        return os.path.realpath(self.environment) if os.path.isdir(self.environment) else ""
