"""What all checks of one run look at: each thing found out once, when it is first asked for."""

from __future__ import annotations

import contextlib
import os
import sys
from functools import cached_property
from typing import TYPE_CHECKING

from uvx_policy import guard, pipeline, shim
from uvx_policy.errors import ConfigError, LinkPolicyError
from uvx_policy.filesystem.mounts import read_mount_table
from uvx_policy.host import Host
from uvx_policy.installed import distributions as installed
from uvx_policy.installed import linking
from uvx_policy.installed.prefetch import Ahead
from uvx_policy.installed.survey import survey
from uvx_policy.setup import shim_file
from uvx_policy.state import layout, register
from uvx_policy.uv.workspace import find_project

if TYPE_CHECKING:
    from collections.abc import Mapping

    from uvx_policy.filesystem.mounts import MountTable
    from uvx_policy.installed.finding import Finding
    from uvx_policy.installed.index import Index
    from uvx_policy.installed.linking import Linking
    from uvx_policy.installed.model import Survey
    from uvx_policy.machine.caches import Cache
    from uvx_policy.pipeline import Plan
    from uvx_policy.state.register import Environment

#: files that look edited and are compared with their RECORD without being asked to verify
_MOST_COMPARED = 200


class Case:
    """The machine, this directory, and the call `uv sync` in it."""

    def __init__(self, *, environ: Mapping[str, str], cwd: str, verify: bool = False) -> None:
        """`environ`: the process's variables; `cwd`: absolute; `verify`: read every byte."""
        #: as the process has them, our own old values removed
        self.environ = guard.without_ours(environ)
        self.cwd = cwd
        self.verify = verify
        #: files that a check of this run has reported already
        self.told: set[str] = set()
        self._ahead: Ahead | None = None

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

    @cached_property
    def mounts(self) -> MountTable | None:
        """The mount table, `None` where there is none or it cannot be read."""
        try:
            return read_mount_table(self.host)
        except LinkPolicyError:
            return None

    @cached_property
    def caches(self) -> tuple[Cache, ...]:
        """Every cache that is known, also those that do not exist yet."""
        from uvx_policy.machine.caches import known_caches

        return tuple(known_caches(self.environ, self.state, self.host, self.mounts))

    @cached_property
    def used_cache(self) -> str:
        """The cache that uv uses here, no symbolic links in its path; "" when it is not known."""
        plan = self.sound_plan
        if plan is None or plan.facts is None:
            return ""
        path = plan.outcome.cache_dir.value or plan.facts.cache
        return os.path.realpath(path) if path else ""

    @cached_property
    def workspace(self) -> str:
        """The workspace root that uv finds from here, "" when there is none or uv shall not."""
        plan = self.sound_plan
        try:
            found = find_project(self.host, self.cwd, plan.version if plan else None)
        except LinkPolicyError:
            return ""
        return found.workspace if found and found.managed else ""

    @cached_property
    def survey(self) -> Survey | None:
        """How the environment is stored, shared extents aside; `None` when there is none."""
        there = self.real_environment
        if not there:
            return None
        return self._ahead.survey() if self._ahead else survey(there, extents=False)

    def look_ahead(self) -> None:
        """Have that begun now that takes longest. Raises nothing: the checks tell what is wrong."""
        with contextlib.suppress(Exception):
            if self.real_environment:
                self._ahead = Ahead(self.real_environment)

    @cached_property
    def linkings(self) -> tuple[Linking, ...]:
        """How each distribution was put into the environment."""
        sites = installed.site_directories(self.real_environment) if self.real_environment else ()
        return tuple(each for site in sites for each in linking.linkings(site))

    @cached_property
    def edited(self) -> tuple[Finding, ...]:
        """Installed files that look edited, and whose content is not what their RECORD says."""
        if self.survey is None or not self.survey.edited:
            return ()
        from uvx_policy.installed.index import trees_of_environment
        from uvx_policy.verify.elsewhere import with_places
        from uvx_policy.verify.engine import verify

        base = self.real_environment
        paths = [os.path.normpath(os.path.join(base, path)) for path in self.survey.edited]
        # No processes: these are few files.
        found = verify(trees_of_environment(base), only=paths[:_MOST_COMPARED], workers=0)
        edited = [each for each in found if each.state in ("edited", "missing", "unreadable")]
        return tuple(with_places(edited, self.index))

    @cached_property
    def index(self) -> Index:
        """Where every known distribution lies."""
        from uvx_policy.installed.index import Index

        environments = (self.real_environment, *(each.path for each in self.registered))
        return Index(
            caches=[each.path for each in self.caches if each.exists],
            environments=[path for path in environments if path],
        )

    @cached_property
    def registered(self) -> tuple[Environment, ...]:
        """The environments that decisions were made for, also those that are gone."""
        return tuple(register.known(self.state))
