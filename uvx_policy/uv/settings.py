"""uv's own explicit choices for one call, each with its origin: they are always respected.

Precedence: command-line flag, variable, tool receipt, the script's own [tool.uv], project, user and
system configuration. A value that uv rejects (an empty `UV_LINK_MODE`) is a choice like any other:
it is passed through, so that uv says so itself.
"""

from __future__ import annotations

import os

from uvx_policy.errors import ConfigError, Unreadable
from uvx_policy.model import Origin, Sourced
from uvx_policy.uv import config as uv_config
from uvx_policy.uv.config import Configuration, Layer
from uvx_policy.uv.directories import own_cache, tool_name, tool_root
from uvx_policy.uv.script_block import find_script, read_block
from uvx_policy.uv.version import OLDEST
from uvx_policy.uv.workspace import (
    TomlFiles,
    absolute,
    find_project,
    project_directory,
    starting_points,
    table,
)
from uvx_policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from uvx_policy.host import Host
    from uvx_policy.model import UvVersion
    from uvx_policy.uv.invocation import Invocation

#: clap's BoolishValueParser
_TRUE = ("y", "yes", "t", "true", "on", "1")
_FALSE = ("n", "no", "f", "false", "off", "0")

#: the variables that are newer than `OLDEST`
_SINCE = {
    "UV_ISOLATED": (0, 8, 14),
    "UV_NO_PROJECT": (0, 11, 8),
    "UV_NO_SYSTEM_CONFIG": (0, 11, 16),
    "UV_PREVIEW_FEATURES": (0, 8, 4),
}
#: `--script` of other commands than `uv run`: [tool.uv] in the script is ignored up to the first
#: version and read from the second
_SCRIPT_OPTION = ((0, 5, 23), (0, 8, 15))
_NO_SYNC = (("run",), ("add",), ("remove",), ("version",), ("check",))
_FROZEN = (*_NO_SYNC, ("sync",), ("workspace", "metadata"))
_ISOLATED = (("run",), ("check",), ("tool", "run"))
_NO_PROJECT = (("run",), ("check",), ("venv",))
#: first words of commands where `--isolated` is not the old name of `--no-config`
_ISOLATED_IS_NOT_NO_CONFIG = (
    "add", "audit", "check", "export", "format", "init", "lock", "python", "remove", "run", "sync",
    "tree", "upgrade", "version",
)  # fmt: skip
#: UV_ISOLATED stood for that `--isolated` too, from 0.8.14 to before a version not known exactly
_ISOLATED_WAS_GLOBAL = ((0, 8, 14), (0, 8, 15), (0, 9, 30))
#: a variable that says no is "not said" up to the first, and overrules files from the second
_VARIABLE_MAY_SAY_NO = ((0, 10, 12), (0, 13, 8))
#: first words of commands that heed [tool.uv.pip]
_OF_PIP = (("pip",), ("venv",))
_PIP = (("pip", "install"), ("pip", "sync"), ("pip", "uninstall"))
#: settings after which uv takes other versions of a package than the newest
VERSION_KEYS = (
    "build-constraint-dependencies", "constraint-dependencies", "exclude-dependencies",
    "exclude-newer", "exclude-newer-package", "override-dependencies", "prerelease", "resolution",
)  # fmt: skip


class UvSettings(Value):
    """What the user told uv. `None` is "said nothing"; a switch is `None` when it is off, too."""

    #: verbatim, "" and "reflink" included
    link_mode: Sourced | None = None
    #: verbatim: relative to the cwd, wherever it was said
    cache_dir: Sourced | None = None
    no_cache: Sourced | None = None
    offline: Sourced | None = None
    no_sync: Sourced | None = None
    frozen: Sourced | None = None
    isolated: Sourced | None = None
    no_project: Sourced | None = None
    #: "all", "none" or names of features, comma separated
    preview: Sourced | None = None
    python_preference: Sourced | None = None
    #: these four are for `uv pip` only
    target: Sourced | None = None
    prefix: Sourced | None = None
    python: Sourced | None = None
    system: Sourced | None = None
    #: one of `VERSION_KEYS` is configured, or may be
    chooses_versions: bool = False
    #: where uv starts to look for the project
    project_directory: str = ""
    #: parsed files, to be passed on
    files: TomlFiles | None = None


def is_on(switch: Sourced | None) -> bool:
    """Tell whether this switch is on."""
    return switch is not None and switch.value == "true"


def read_uv_settings(host: Host, invocation: Invocation, version: UvVersion | None) -> UvSettings:
    """Find every choice that counts for this call. `host` is the one after `working_directory`.

    Raises `Unreadable` and `ConfigError` when one cannot be told; then uv is to be left alone.
    """
    read = _Reader(host, invocation, version)
    command = invocation.command
    settings = UvSettings(
        link_mode=read.option("link-mode", "UV_LINK_MODE")
        or read.receipt("link-mode")
        or (read.configured("pip", "link-mode") if command[:1] in _OF_PIP else None)
        or read.configured("link-mode"),
        cache_dir=read.option("cache-dir", "UV_CACHE_DIR") or read.configured("cache-dir"),
        no_cache=_if_on(read.global_switch("no-cache", "", "UV_NO_CACHE")),
        offline=_if_on(read.global_switch("offline", "no-offline", "UV_OFFLINE")),
        no_sync=read.switch("no-sync", "", "UV_NO_SYNC") if command in _NO_SYNC else None,
        frozen=read.switch("frozen", "", "UV_FROZEN") if command in _FROZEN else None,
        isolated=read.switch("isolated", "", "UV_ISOLATED") if command in _ISOLATED else None,
        no_project=read.switch("no-project", "", "UV_NO_PROJECT")
        if command in _NO_PROJECT
        else None,
        preview=read.preview(),
        python_preference=read.python_preference(),
        chooses_versions=read.has_version_keys(),
        project_directory=read.project_directory,
        files=read.files,
    )
    if command not in _PIP:
        return settings
    return settings.replace(
        target=read.option("target") or read.configured("pip", "target"),
        prefix=read.option("prefix") or read.configured("pip", "prefix"),
        python=read.option("python", "UV_PYTHON", empty_is_unset=True)
        or read.configured("pip", "python"),
        system=_if_on(
            read.switch("system", "no-system", "UV_SYSTEM_PYTHON")
            or read.configured("pip", "system")
        ),
    )


def default_cache_dir(host: Host, settings: UvSettings) -> str:
    """The cache that uv uses when we set nothing, absolute; "" if unknown."""
    if is_on(settings.no_cache):
        return ""  # a temporary directory
    try:
        if settings.cache_dir is None:
            return own_cache(host)
        value = settings.cache_dir.value
        path = os.path.join(host.cwd, value)
        if ".." in value.split("/"):  # behind a symbolic link that is the kernel's to resolve
            return host.real_path(path)
        return os.path.normpath(path) if value else ""
    except Unreadable:
        return ""


class _Reader:
    def __init__(self, host: Host, invocation: Invocation, version: UvVersion | None) -> None:
        self.host = host
        self.invocation = invocation
        self.version = version
        self.files = TomlFiles(host)
        self.project_directory = project_directory(host, invocation, version, self.files)
        self._configuration = self._files_that_count().below(self._script_layer())

    def option(
        self, name: str, variable: str = "", *, empty_is_unset: bool = False
    ) -> Sourced | None:
        given = self.invocation.value(name)
        if given is not None:
            return Sourced(value=given, origin=Origin(kind="flag", name=f"--{name}"))
        named = self.host.environ.get(variable) if variable else None
        if named is None or (empty_is_unset and not named):
            return None
        return _of_variable(variable, named)

    def switch(self, on: str, off: str, variable: str) -> Sourced | None:
        """Look up a pair of flags and its variable, which can switch on only: 0 is "not said"."""
        given = self.invocation.switch(on, off)
        if given is not None:
            origin = Origin(kind="flag", name=f"--{on if given else off}")
            return Sourced(value="true" if given else "false", origin=origin)
        return _of_variable(variable, "true") if self._is_set(variable) else None

    def global_switch(self, on: str, off: str, variable: str) -> Sourced | None:
        """Look up a switch that files can have as well. Raises `Unreadable`."""
        said = self.switch(on, off, variable)
        configured = self.configured(on)
        denied = self.host.environ.get(variable, "").lower() in _FALSE
        if said is not None or not denied or not is_on(configured):
            return said or configured
        quiet, overrules = _VARIABLE_MAY_SAY_NO
        if self.version is not None and self.version <= quiet:
            return configured
        if self.version is None or self.version < overrules:
            raise Unreadable(variable, "whether it overrules configuration is not known")
        return _of_variable(variable, "false")

    def configured(self, *keys: str) -> Sourced | None:
        return self._configuration.get(*keys)

    def has_version_keys(self) -> bool:
        """Is one of `VERSION_KEYS` configured? Yes where that cannot be told."""
        is_pip = self.invocation.command[:1] in _OF_PIP
        try:
            return any(
                self.configured(key) or (is_pip and self.configured("pip", key))
                for key in VERSION_KEYS
            )
        except Unreadable:
            return True

    def receipt(self, key: str) -> Sourced | None:
        """What `uv tool install` was told is remembered for `uv tool upgrade`."""
        if self.invocation.command != ("tool", "upgrade"):
            return None
        root = tool_root(self.host, self.version).value
        names = self.invocation.positionals or self.host.list_names(root)
        for name in names:
            path = os.path.join(root, tool_name(name) or name, "uv-receipt.toml")
            found = self.files.read(path)
            value = found and table(found.data, "tool", "options").get(key)
            if found and isinstance(value, str):
                line = found.line_of("tool", "options", key)
                return Sourced(value=value, origin=Origin(kind="receipt", name=path, line=line))
        return None

    def preview(self) -> Sourced | None:
        """Preview features: "all", "none" or their names."""
        pair = self.switch("preview", "no-preview", "UV_PREVIEW")
        if pair is not None:
            return pair.replace(value="all" if is_on(pair) else "none")
        configured = self.configured("preview")
        if configured is not None and is_on(configured):
            return configured.replace(value="all")
        features = self.option("preview-features", "UV_PREVIEW_FEATURES")
        if features is not None:
            given = self.invocation.values("preview-features")
            return features.replace(value=",".join(given)) if given else features
        return self.configured("preview-features")

    def python_preference(self) -> Sourced | None:
        for name, variable, value in (
            ("managed-python", "UV_MANAGED_PYTHON", "only-managed"),
            ("no-managed-python", "UV_NO_MANAGED_PYTHON", "only-system"),
        ):
            found = self.switch(name, "", variable)
            if found is not None:
                return found.replace(value=value)
        return self.option("python-preference", "UV_PYTHON_PREFERENCE") or self.configured(
            "python-preference"
        )

    def _is_set(self, variable: str) -> bool:
        """Tell whether this uv knows the variable and its value is true. Raises `Unreadable`."""
        value = self.host.environ.get(variable)
        since = _SINCE.get(variable, OLDEST)
        if value is None or (self.version is not None and self.version < since):
            return False
        told = boolean(value)
        if told is None:
            raise Unreadable(variable, "is not a boolean, which uv takes for an error")
        if told and self.version is None and since != OLDEST:
            raise Unreadable(variable, "whether this uv knows it cannot be told")
        return told

    def _files_that_count(self) -> Configuration:
        named = self.option("config-file", "UV_CONFIG_FILE")
        if named is not None:
            if not named.value:
                raise Unreadable("UV_CONFIG_FILE", "is empty, which uv takes for an error")
            return uv_config.explicit_file(self.files, absolute(self.host.cwd, named.value))
        if self._is_isolated() or is_on(self.switch("no-config", "", "UV_NO_CONFIG")):
            return Configuration()
        command = self.invocation.command
        return uv_config.discovered(
            self.host,
            self.files,
            () if command[:1] in (("tool",), ("self",)) else self._configuration_starts(),
            self.version,
            system=not self._is_set("UV_NO_SYSTEM_CONFIG"),
        )

    def _is_isolated(self) -> bool:
        """Tell whether `--isolated` stands for --no-config, its newer name. Raises `Unreadable`."""
        command = self.invocation.command
        if command == ("tool", "run") or (command and command[0] in _ISOLATED_IS_NOT_NO_CONFIG):
            return False
        if self.invocation.has("isolated"):
            return True
        since, last, before = _ISOLATED_WAS_GLOBAL
        has_left = self.version is not None and not since <= self.version < before
        if has_left or not self._is_set("UV_ISOLATED"):
            return False
        if self.version is None or self.version > last:
            raise Unreadable("UV_ISOLATED", "whether it stands for --no-config is not known")
        return True

    def _configuration_starts(self) -> tuple[str, ...]:
        """Start at the workspace root; where uv discovers none, at the directory itself."""
        starts = []
        for directory in starting_points(self.host, self.invocation, self.version, self.files):
            root = self._workspace_root(directory)
            starts.append(root or directory)
            if root:  # its settings are the project's, also when it has none
                break
        return tuple(starts)

    def _workspace_root(self, directory: str) -> str:
        try:
            project = find_project(self.host, directory, self.version, self.files)
        except ConfigError:
            return ""
        if project is None or not project.managed or not (project.is_project or project.is_root):
            return ""
        return project.workspace

    def _script_layer(self) -> Layer | None:
        """Read the [tool.uv] of a PEP 723 script. Raises `Unreadable`."""
        of_run = self.invocation.command == ("run",)
        ignores, reads = _SCRIPT_OPTION
        if not of_run and self.version is not None and self.version <= ignores:
            return None
        try:
            path = find_script(self.host, self.invocation)
        except Unreadable:
            return None  # on stdin or remote: its environment is in the cache anyway
        block = read_block(self.host, path) if path else None
        if block is None or not table(block.data, "tool", "uv"):
            return None
        if not of_run and (self.version is None or self.version < reads):
            because = "whether this uv reads the script's [tool.uv] is not known"
            raise Unreadable(block.path, because)
        return Layer(file=block, prefix=("tool", "uv"))


def boolean(value: str) -> bool | None:
    """What uv takes this value of a variable for; `None` when it refuses it."""
    if value.lower() in _FALSE:
        return False
    return True if value.lower() in _TRUE else None


def _if_on(switch: Sourced | None) -> Sourced | None:
    return switch if is_on(switch) else None


def _of_variable(name: str, value: str) -> Sourced:
    return Sourced(value=value, origin=Origin(kind="variable", name=name))
