"""This computer as one user sees it from one directory.

Each fact is looked up when it is first asked for, and kept on the object. Nothing here starts uv,
writes, or decides anything, except `plan`, which makes a decision and says so.
"""

from __future__ import annotations

import contextlib
import os
import sys
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from uvx_policy import guard, pipeline, shim
from uvx_policy.errors import ConfigError, LinkPolicyError, Unreadable
from uvx_policy.filesystem.mounts import read_mount_table
from uvx_policy.host import Host, nearest_existing
from uvx_policy.machine.onlooker import Onlooker
from uvx_policy.machine.policy import policy_of, settings_for
from uvx_policy.state import layout, register
from uvx_policy.state.register import Environment
from uvx_policy.state.remembered import after_path
from uvx_policy.uv import directories
from uvx_policy.uv.destination import project_above
from uvx_policy.uv.workspace import ancestors, find_project

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from typing_extensions import Self

    from uvx_policy.faults import Fault
    from uvx_policy.filesystem.mounts import MountTable
    from uvx_policy.machine.caches import Cache
    from uvx_policy.machine.clients import Place
    from uvx_policy.machine.policy import Policy
    from uvx_policy.model import Mount, UvVersion
    from uvx_policy.pipeline import Plan

T = TypeVar("T")

#: the call of uv that installs here: into the project's environment, or into one without a project
SYNC = ("sync",)
PIP_INSTALL = ("pip", "install")
#: values of `link-mode` under which uv makes hard links
_LINKING = ("auto", "hardlink")


class Machine:
    """Caches, environments, settings, mounts and the real uv."""

    def __init__(self, *, environ: Mapping[str, str], cwd: str) -> None:
        """`environ`: the process's variables; `cwd`: absolute."""
        #: without the values that our own shim has set
        self.environ = guard.without_ours(environ)
        self.cwd = cwd
        self._computed: dict[Callable[..., Any], Any] = {}
        self._plans: dict[tuple[Place, str], Plan] = {}
        self._known_at: dict[str, tuple[Environment, Policy]] = {}

    def once(self, compute: Callable[[Self], T]) -> T:
        """The result of `compute(self)`, which is called at most once for this object."""
        if compute not in self._computed:
            self._computed[compute] = compute(self)
        found: T = self._computed[compute]
        return found

    @cached_property
    def host(self) -> Host:
        """The door to the machine."""
        return Host(environ=self.environ, cwd=self.cwd)

    @cached_property
    def state(self) -> str:
        """Our state directory, "" when nothing may be kept."""
        return pipeline.state_directory(Host(environ=self.environ, cwd=self.cwd))

    @cached_property
    def shim_directory(self) -> str:
        """Where `setup` puts the shims unless told otherwise."""
        return layout.shim_directory(self.environ, sys.platform)

    @cached_property
    def uv(self) -> str:
        """Path of the real uv, "" when there is none."""
        return next(shim.candidates("uv", shim="", embedded=after_path(self.environ)), "")

    @cached_property
    def uv_version(self) -> UvVersion | None:
        """The real uv's version, as far as it is remembered: uv is not asked."""
        from uvx_policy.uv.version import remembered_version

        return remembered_version(self.host, self.uv, state=self.state) if self.uv else None

    # File systems --------------------------------------------------------------------------------

    @cached_property
    def mounts(self) -> MountTable | None:
        """The mount table, `None` where there is none or it cannot be read."""
        try:
            return read_mount_table(self.host)
        except LinkPolicyError:
            return None

    def mount_of(self, path: str) -> Mount | None:
        """Mount of the nearest existing directory, links followed, if known. Never raises."""
        if self.mounts is None:
            return None
        try:
            there = nearest_existing(self.host, os.path.realpath(path))
        except Unreadable:
            return None
        return self.mounts.find(there, self.host.mount_id(there))

    # Caches and environments ---------------------------------------------------------------------

    @cached_property
    def caches(self) -> tuple[Cache, ...]:
        """Every known cache, also those that do not exist yet."""
        from uvx_policy.machine.caches import known_caches

        return tuple(known_caches(self.environ, self.registered, self.host, self.mounts))

    @cached_property
    def registered(self) -> tuple[Environment, ...]:
        """The environments that decisions were made for, also those that are gone."""
        return tuple(register.known(self.state))

    @cached_property
    def environments(self) -> tuple[Environment, ...]:
        """Known environments: registered ones, the one here, the active one, those of tools."""
        found = {each.path: each for each in self.registered}
        for path in (self.environment_here, self.environ.get("VIRTUAL_ENV", ""), *self._tools()):
            if path and os.path.isabs(path):
                found.setdefault(path, Environment(path=path))
        return tuple(found.values())

    @cached_property
    def environment_paths(self) -> tuple[str, ...]:
        """The paths of those that exist: two paths of one directory are listed once."""
        found: dict[str, str] = {}
        for each in self.environments:
            real = os.path.realpath(each.path)
            if os.path.isdir(real):
                found.setdefault(real, each.path)
        return tuple(found.values())

    def environment_at(self, path: str) -> Environment:
        """What the register says of the environment at `path`, and which project it belongs to."""
        return self._at(path)[0]

    def policy_at(self, path: str) -> Policy:
        """The policy that the settings give the environment at `path`. Never raises."""
        return self._at(path)[1]

    def may_hard_link(self, path: str) -> bool:
        """May the files of the environment at `path` be hard links, by all settings?

        linkpolicy's, and uv's own (its files and UV_LINK_MODE), with which uv would copy or clone
        here. Where they cannot be told, no. Never raises.
        """
        if self.policy_at(path).name not in _LINKING:
            return False
        project = self.environment_at(path).project
        host = Host(environ=self.environ, cwd=project or os.path.dirname(path))
        return all(self._makes_hard_links(words, host) for words in (SYNC, PIP_INSTALL))

    def _makes_hard_links(self, words: tuple[str, ...], host: Host) -> bool:
        from uvx_policy.uv import invocation
        from uvx_policy.uv.settings import read_uv_settings

        try:
            choices = read_uv_settings(host, invocation.parse("uv", words), self.uv_version)
        except LinkPolicyError:
            return False
        return choices.link_mode is None or choices.link_mode.value in _LINKING

    def _at(self, path: str) -> tuple[Environment, Policy]:
        if path not in self._known_at:
            found = self._by_real_path.get(os.path.realpath(path), Environment(path=path))
            project, policy = policy_of(found.replace(path=path), self._onlooker)
            self._known_at[path] = (found.replace(path=path, project=project), policy)
        return self._known_at[path]

    @cached_property
    def _onlooker(self) -> Onlooker:
        """For settings of environments elsewhere: each file is read once."""
        return Onlooker(self.environ)

    @cached_property
    def _by_real_path(self) -> dict[str, Environment]:
        return {os.path.realpath(each.path): each for each in self.registered}

    def _tools(self) -> list[str]:
        try:
            root = directories.tool_root(self.host, self.uv_version).value
            with os.scandir(root) as entries:
                return sorted(entry.path for entry in entries if entry.is_dir())
        except (LinkPolicyError, OSError):
            return []

    # Here ----------------------------------------------------------------------------------------

    @cached_property
    def usual_call(self) -> tuple[str, ...]:
        """`SYNC`, or `PIP_INSTALL` where there is no project but an environment."""
        try:
            project = find_project(self.host, self.cwd, self.uv_version)
        except LinkPolicyError:
            return SYNC
        if project is not None and project.managed:
            return SYNC
        return PIP_INSTALL if self._destination(PIP_INSTALL) or self._nearby else SYNC

    @cached_property
    def environment_here(self) -> str:
        """The existing environment that uv installs into here, "" when there is none; absolute.

        Found from files alone. Where uv itself would refuse or has to be asked, it is the active
        environment, or the nearest `.venv`.
        """
        found = self._destination(self.usual_call)
        return found if found and os.path.isdir(found) else self._nearby

    @cached_property
    def _nearby(self) -> str:
        """The active environment, or the nearest `.venv`; "" when neither is a directory."""
        nearby = [os.path.join(above, ".venv") for above in ancestors(self.cwd)]
        for name in filter(None, (self.environ.get("VIRTUAL_ENV", ""), *nearby)):
            path = os.path.join(self.cwd, name)
            if os.path.isdir(path):
                return os.path.normpath(path)
        return ""

    def _destination(self, words: tuple[str, ...]) -> str:
        """Where a call of uv installs to; "" when it cannot be told without asking uv."""
        from uvx_policy.uv import invocation, workspace
        from uvx_policy.uv.destination import find_destination
        from uvx_policy.uv.settings import read_uv_settings

        call = invocation.parse("uv", words)
        try:
            host = workspace.working_directory(self.host, call, self.uv_version)
            choices = read_uv_settings(host, call, self.uv_version)
        except LinkPolicyError:
            return ""
        return find_destination(host, call, choices, self.uv_version).path

    # A decision ----------------------------------------------------------------------------------

    @cached_property
    def plan(self) -> Plan | None:
        """The decision for `usual_call` here; `None` without a real uv.

        Asks uv for its version and tries links, unless both are remembered. Raises `ConfigError`
        for faults in linkpolicy's settings.
        """
        if not self.uv:
            return None
        return pipeline.make_plan("uv", self.usual_call, environ=self.environ, uv=self.uv)

    def plan_into(self, place: Place, uv: str = "") -> Plan | None:
        """The decision for what a program installs into that brings the real `uv` with it, perhaps.

        `None` without a real uv. Raises as `plan`.
        """
        uv = uv or self.uv
        elsewhere = place.is_cache or place.path
        if not elsewhere and uv == self.uv:
            return self.plan
        if uv and (place, uv) not in self._plans:
            words = _words_into(place) if elsewhere else self.usual_call
            plan = pipeline.make_plan("uv", words, environ=self.environ, uv=uv)
            self._plans[place, uv] = plan
        return self._plans.get((place, uv))

    @cached_property
    def faults(self) -> tuple[Fault, ...]:
        """Faults in linkpolicy's settings that prevent the decision."""
        try:
            _ = self.plan
        except ConfigError as error:
            return error.faults
        return ()

    @cached_property
    def sound_plan(self) -> Plan | None:
        """The decision; `None` also where faults prevent it."""
        return None if self.faults else self.plan

    @cached_property
    def used_cache(self) -> str:
        """The cache that uv uses here, without symbolic links; "" when unknown. Decides."""
        plan = self.sound_plan
        if plan is None or plan.facts is None:
            return ""
        path = plan.outcome.cache_dir.value or plan.facts.cache
        return os.path.realpath(path) if path else ""

    @cached_property
    def workspace(self) -> str:
        """The workspace root that uv finds from here, "" when there is none or it is unmanaged."""
        try:
            found = find_project(self.host, self.cwd, self.uv_version)
        except LinkPolicyError:
            return ""
        return found.workspace if found and found.managed else ""


def _words_into(place: Place) -> tuple[str, ...]:
    """A call of uv that installs there."""
    if place.is_cache:
        return ("tool", "run", "any")
    for environment in (place.path, os.path.join(place.path, ".venv")):
        if os.path.exists(os.path.join(environment, "pyvenv.cfg")):
            return (*PIP_INSTALL, "--python", environment)
    return (*PIP_INSTALL, "--target", place.path)


def machine_here() -> Machine:
    """The machine as this process sees it from its working directory. Never raises."""
    try:
        cwd = os.getcwd()
    except OSError:
        cwd = os.sep
    return Machine(environ=os.environ, cwd=cwd)


def open_machine() -> Machine:
    """The same. Raises `ConfigError` for faults in the settings here."""
    machine = machine_here()
    project = ""
    with contextlib.suppress(LinkPolicyError):
        project = project_above(machine.host, machine.cwd)
    with contextlib.suppress(Unreadable):
        settings_for(machine.host, project, machine.cwd)
    return machine
