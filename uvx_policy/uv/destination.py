"""The directory that one call of uv will link files into, as the real uv of that version finds it.

Where it cannot be told the answer is "unknown", and uv is left alone, which is always right.
"""

from __future__ import annotations

import os

from uvx_policy.errors import ConfigError, Unreadable
from uvx_policy.model import DEFAULT, Destination, Origin
from uvx_policy.state import layout
from uvx_policy.uv.directories import tool_name, tool_root
from uvx_policy.uv.environments import find_environment
from uvx_policy.uv.script_block import find_script, read_block
from uvx_policy.uv.settings import UvSettings, is_on
from uvx_policy.uv.workspace import Project, TomlFiles, absolute, ancestors, find_project
from uvx_policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from uvx_policy.host import Host
    from uvx_policy.model import Sourced, UvVersion
    from uvx_policy.uv.invocation import Invocation

#: pyproject.toml without [project] is a project all the same
_PROJECT_TABLE_OPTIONAL = (0, 8, 18)
#: `uv version --bump` locks and syncs
_VERSION_SYNCS = (0, 7, 0)
_ACTIVE_SINCE = (0, 5, 29)
_ACTIVE_SCRIPT_SINCE = (0, 6, 0)
#: `--env-file` no longer reaches uv itself
_ENV_FILE_STAYS_OUT = (0, 11, 17)
_CENTRALIZED_SINCE = (0, 11, 25)
_CENTRALIZED = "centralized-project-envs"

_WITH = ("with", "with-editable", "with-requirements")
_IN_CACHE = (("build",), ("tool", "run"))
_SYNCING = (("sync",), ("add",), ("remove",), ("version",), ("check",), ("workspace", "metadata"))
#: their --check is a dry run
_CHECKING = (("sync",), ("pip", "install"), ("pip", "sync"))
_LINKS_NOTHING = (
    "auth", "audit", "build-backend", "cache", "clean", "export", "format",
    "generate-shell-completion", "help", "init", "lock", "publish", "python", "self", "tree",
    "upgrade",
)  # fmt: skip
_LINKS_NOTHING_BELOW = (
    ("workspace", "dir"), ("workspace", "list"),
    ("pip", "check"), ("pip", "compile"), ("pip", "debug"), ("pip", "freeze"), ("pip", "list"),
    ("pip", "show"), ("pip", "tree"), ("pip", "uninstall"),
    ("tool", "audit"), ("tool", "dir"), ("tool", "list"), ("tool", "uninstall"),
    ("tool", "update-shell"),
)  # fmt: skip


def find_destination(
    host: Host, invocation: Invocation, settings: UvSettings, version: UvVersion | None
) -> Destination:
    """Find it. `host` is the one after `working_directory`. Never raises on purpose."""
    files = settings.files or TomlFiles(host)
    finder = _Finder(
        host=host, invocation=invocation, settings=settings, version=version, files=files
    )
    try:
        return finder.with_project(finder.find())
    except (Unreadable, ConfigError) as error:
        return _unknown(str(error))


def project_environment(
    host: Host, invocation: Invocation, settings: UvSettings, version: UvVersion | None
) -> Destination:
    """The environment that `uv sync` would use where this call is made. No path: none. Never raises

    on purpose.
    """
    files = settings.files or TomlFiles(host)
    finder = _Finder(
        host=host, invocation=invocation, settings=settings, version=version, files=files
    )
    try:
        return finder.with_project(finder.of_project())
    except (Unreadable, ConfigError) as error:
        return _unknown(str(error))


def manages_cache(invocation: Invocation) -> bool:
    """Tell whether this is `uv cache ...`, or `uv clean`, its hidden name."""
    return invocation.command[:1] in (("cache",), ("clean",))


class _Finder(Value):
    """Finds the destination of one call."""

    host: Host
    invocation: Invocation
    settings: UvSettings
    version: UvVersion | None
    files: TomlFiles

    def find(self) -> Destination:
        command = self.invocation.command
        name = f"`uv {' '.join(command)}`"
        if self.invocation.uncertain:
            return _unknown("the command line is not understood")
        if self.invocation.informative or not command:
            return _nothing("this command only prints something")
        if command[0] in _LINKS_NOTHING or command in _LINKS_NOTHING_BELOW:
            return _nothing(f"{name} links nothing")
        checks = command in _CHECKING and self.invocation.has("check")
        if checks or self.invocation.has("dry-run"):
            return _nothing("a dry run links nothing")
        if command in _IN_CACHE:
            return _in_cache(f"{name} installs into uv's cache")
        for commands, finder in (
            ((("run",),), self._run),
            (_SYNCING, self._sync),
            ((("venv",),), self._venv),
            ((("pip", "install"), ("pip", "sync")), self._pip),
            ((("tool", "install"), ("tool", "upgrade")), self._tool),
        ):
            if command in commands:
                return finder()
        return _unknown(f"{name} is not known")

    def _run(self) -> Destination:
        script = find_script(self.host, self.invocation)
        if script is not None and read_block(self.host, script) is not None:
            return self._script()
        if is_on(self.settings.no_project):
            return self._beside_project("uv runs without a project")
        project = self._project()
        if project is None or not project.managed:
            return self._beside_project("uv runs outside of a project")
        if is_on(self.settings.isolated):
            return _in_cache("an isolated environment is in uv's cache")
        environment = self._project_environment(project)
        # Nothing is installed then, but an environment that is missing is made.
        if is_on(self.settings.no_sync) and not self._is_missing(environment):
            return self._beside_project("nothing is installed without a sync")
        return environment

    def _is_missing(self, environment: Destination) -> bool:
        return bool(environment.path) and self.host.kind(environment.path) == "absent"

    def _beside_project(self, because: str) -> Destination:
        """Handle `uv run` where only what --with adds is installed, if anything."""
        if any(self.invocation.has(name) for name in _WITH):
            return _in_cache("the environment of --with is in uv's cache")
        return _nothing(because)

    def _sync(self) -> Destination:
        """Handle all commands that install what the lock file says."""
        command = self.invocation.command
        scripted = self.invocation.has("script")
        reason = self._why_nothing(command, scripted=scripted)
        if reason and command == ("check",):
            environment = self.of_project()
            return environment if self._is_missing(environment) else _nothing(reason)
        if reason:
            return _nothing(reason)
        if scripted:
            return self._script()
        if is_on(self.settings.isolated):
            return _in_cache("an isolated environment is in uv's cache")
        return self.of_project()

    def of_project(self) -> Destination:
        project = None if is_on(self.settings.no_project) else self._project()
        if project is None or not project.managed:
            return _nothing("uv finds no project")
        return self._project_environment(project)

    def _why_nothing(self, command: tuple[str, ...], *, scripted: bool) -> str:
        if self.invocation.has("no-sync") or is_on(self.settings.no_sync):
            return "nothing is installed without a sync"
        if command in (("add",), ("remove",)) and scripted:
            return "a script's environment is made when it runs"
        if command in (("add",), ("remove",), ("version",)) and is_on(self.settings.frozen):
            return "nothing is installed when the lock file is frozen"
        if command == ("version",):
            changes = self.invocation.has("bump") or self.invocation.positionals
            if not changes or (self.version is not None and self.version < _VERSION_SYNCS):
                return "uv only prints a version"
        if command == ("workspace", "metadata") and not self.invocation.has("sync"):
            return "uv only prints metadata"
        return ""

    def _script(self) -> Destination:
        active = self._active()
        if active is None:
            return _in_cache("a script's environment is in uv's cache")
        if self.version is None or self.version < _ACTIVE_SCRIPT_SINCE:
            return _unknown("whether this uv knows --active for scripts is not known")
        because, origin = "the active environment", Origin(kind="variable", name="VIRTUAL_ENV")
        return Destination(kind="environment", path=active, because=because, origin=origin)

    def _project(self) -> Project | None:
        """Find the project; `None` when uv finds none. Raises `Unreadable`."""
        project = self._nearest_project()
        if project is None or project.is_project or project.is_root:
            return project
        if self.version is None:
            raise Unreadable(project.root, "whether this uv needs a [project] table is not known")
        return project if self.version >= _PROJECT_TABLE_OPTIONAL else None

    def _nearest_project(self) -> Project | None:
        start = self.settings.project_directory or self.host.cwd
        return find_project(self.host, start, self.version, self.files)

    def _project_environment(self, project: Project) -> Destination:
        if self._hidden_in_env_file():
            return _unknown("an --env-file may move the environment")
        named = self.host.environ.get("UV_PROJECT_ENVIRONMENT")
        path = os.path.join(project.workspace, named or ".venv")
        origin = DEFAULT
        because = f"the project environment of `{project.workspace}`"
        if named:
            path = self._plain(path)
            origin = Origin(kind="variable", name="UV_PROJECT_ENVIRONMENT")
            because = "UV_PROJECT_ENVIRONMENT names the project environment"
        active = self._active()
        if active is not None and not self._is_same(active, path):
            because = "--active: the active environment"
            origin = Origin(kind="variable", name="VIRTUAL_ENV")
            return Destination(kind="project", path=active, because=because, origin=origin)
        if not named:
            moved = self._centralized()
            if moved is not None:
                return moved
        if self.host.link_kind(path) not in ("directory", "symlink", "absent"):
            return _unknown(f"`{path}` is not a directory")
        return Destination(kind="project", path=path, because=because, origin=origin)

    def _centralized(self) -> Destination | None:
        """Handle the preview that keeps project environments in the cache."""
        preview = self.settings.preview
        if preview is None or preview.value == "none":
            return None
        words = preview.value.replace(" ", ",").split(",")
        if preview.value != "all" and _CENTRALIZED not in words:
            return None
        if self.version is None:
            return _unknown("whether this uv centralizes project environments is not known")
        if self.version < _CENTRALIZED_SINCE or is_on(self.settings.no_cache):
            return None
        return _in_cache("the preview centralized-project-envs keeps it in uv's cache")

    def _active(self) -> str | None:
        """Path of the environment that --active selects; `None` when it selects none."""
        if not self.invocation.switch("active", "no-active"):
            return None
        named = self.host.environ.get("VIRTUAL_ENV")
        if not named:
            return None
        if self.version is None:
            raise Unreadable("--active", "whether this uv knows it is not known")
        if self.version < _ACTIVE_SINCE:
            return None
        return self._plain(os.path.join(self.host.cwd, named))

    def _plain(self, path: str) -> str:
        """Drop `..` from a path that uv hands to the kernel as it is. Raises `Unreadable`."""
        plain = absolute(self.host.cwd, path)
        if ".." in path.split("/") and self.host.real_path(path) != self.host.real_path(plain):
            raise Unreadable(path, "`..` leads through a symbolic link")
        return plain

    def _is_same(self, one: str, other: str) -> bool:
        if one == other:
            return True
        first, second = self.host.status(one), self.host.status(other)
        if first is None or second is None:
            return False
        return (first.device, first.inode) == (second.device, second.inode)

    def _hidden_in_env_file(self) -> bool:
        """Tell whether a file of `uv run --env-file` may name the environment (uv < 0.11.17)."""
        if self.invocation.command != ("run",) or self.invocation.has("no-env-file"):
            return False
        if self.version is not None and self.version >= _ENV_FILE_STAYS_OUT:
            return False
        named = self.invocation.values("env-file")
        files = named or tuple(self.host.environ.get("UV_ENV_FILE", "").split())
        for name in files:
            text = self.host.read_text(os.path.join(self.host.cwd, name)) or ""
            if any(
                variable in text and variable not in self.host.environ
                for variable in ("UV_PROJECT_ENVIRONMENT", "VIRTUAL_ENV")
            ):
                return True
        return False

    def _venv(self) -> Destination:
        if self.invocation.positionals:
            named = self.invocation.positionals[0]
            if not named:
                return _unknown("the path is empty")
            path = self._plain(os.path.join(self.host.cwd, named))
            because, origin = "the path that was given", Origin(kind="flag", name="PATH")
            return Destination(kind="new", path=path, because=because, origin=origin)
        here = os.path.join(self.host.cwd, ".venv")
        because = "`.venv` in the current directory"
        start = self.settings.project_directory or self.host.cwd
        project = None if is_on(self.settings.no_project) else self._project()
        if project is None or not project.managed or project.workspace != start:
            return Destination(kind="new", path=here, because=because)
        found = self._project_environment(project)
        return found.replace(kind="new") if found.kind == "project" else found

    def _pip(self) -> Destination:
        # A target wins over a prefix, wherever the two were said.
        if self.settings.target is not None:
            return self._named("target", self.settings.target)
        if self.settings.prefix is not None:
            return self._named("prefix", self.settings.prefix)
        found = find_environment(self.host, self.settings, self.version)
        return found or _unknown("which environment uv finds cannot be told from files alone")

    def _named(self, kind: Literal["target", "prefix"], named: Sourced) -> Destination:
        if not named.value:
            return _unknown(f"the {kind} is empty")
        path = self._plain(os.path.join(self.host.cwd, named.value))
        because = f"the {kind} directory that was given"
        return Destination(kind=kind, path=path, because=because, origin=named.origin)

    def _tool(self) -> Destination:
        root = tool_root(self.host, self.version)
        words = self.invocation.positionals
        if (
            self.invocation.command == ("tool", "upgrade")
            and not words
            and not self._has_tool(root)
        ):
            return _nothing("no tool is installed")
        name = tool_name(words[0]) if len(words) == 1 else ""
        if name and self.host.link_kind(os.path.join(self.host.cwd, words[0])) != "absent":
            name = ""  # uv may take it for a path to install from
        path = os.path.join(root.value, name) if name else root.value
        if not name and any(
            self.host.link_kind(os.path.join(path, entry)) == "symlink"
            for entry in self.host.list_names(path)
        ):
            return _unknown("some tools lie elsewhere")
        because = "the tool's directory"
        return Destination(kind="tool", path=path, because=because, origin=root.origin)

    def _has_tool(self, root: Sourced) -> bool:
        return any(
            self.host.kind(os.path.join(root.value, name)) == "directory"
            for name in self.host.list_names(root.value)
        )

    def with_project(self, found: Destination) -> Destination:
        """Add the project that the environment belongs to."""
        if not found.path or found.kind == "tool":
            return found
        # A target directory may be a project itself; an environment belongs to what holds it.
        inside = found.kind in ("target", "prefix")
        directory = project_above(self.host, found.path if inside else os.path.dirname(found.path))
        if directory:
            project = find_project(self.host, directory, self.version, self.files)
            same = project is not None and project.root == directory
            workspace = project.workspace if project is not None and same else directory
            return found.replace(project=directory, workspace=workspace)
        own = self._nearest_project() if found.kind == "project" else None
        return found.replace(project=own.workspace, workspace=own.workspace) if own else found


def project_above(host: Host, start: str) -> str:
    """Find the nearest directory with settings of a project, "" for none. Raises `Unreadable`."""
    for directory in ancestors(start):
        for name in ("pyproject.toml", layout.PROJECT_FILE):
            if host.kind(os.path.join(directory, name)) == "file":
                return directory
    return ""


def _nothing(because: str) -> Destination:
    return Destination(kind="none", because=because)


def _in_cache(because: str) -> Destination:
    return Destination(kind="cache", because=because)


def _unknown(because: str) -> Destination:
    return Destination(kind="unknown", because=because)
