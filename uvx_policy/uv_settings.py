"""uv's own explicit choices for one call, each with its origin: they are always respected.

Precedence: command-line flag, variable, tool receipt, the script's own [tool.uv], project, user and
system configuration. A value that uv rejects (an empty `UV_LINK_MODE`) is a choice like any other:
it is passed through, so that uv says so itself.
"""

from __future__ import annotations

import os

from uvx_policy import uv_config
from uvx_policy.errors import Unreadable
from uvx_policy.model import Origin, Sourced
from uvx_policy.record import Record
from uvx_policy.script_block import find_script, read_block
from uvx_policy.uv_config import Configuration, Layer
from uvx_policy.workspace import TomlFiles, absolute, find_project, project_directory, table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from uvx_policy.host import Host
    from uvx_policy.invocation import Invocation
    from uvx_policy.model import UvVersion
    from uvx_policy.toml_file import TomlFile

#: clap's BoolishValueParser
_TRUE = ("y", "yes", "t", "true", "on", "1")
_FALSE = ("n", "no", "f", "false", "off", "0")

#: the oldest uv that we know; a variable that is older than it needs no version
_OLDEST = (0, 5, 23)
_SINCE = {
    "UV_ISOLATED": (0, 8, 14),
    "UV_NO_PROJECT": (0, 11, 8),
    "UV_NO_SYSTEM_CONFIG": (0, 11, 16),
    "UV_PREVIEW_FEATURES": (0, 8, 4),
}
_NO_SYNC = (("run",), ("add",), ("remove",), ("version",), ("check",))
_FROZEN = (*_NO_SYNC, ("sync",), ("workspace", "metadata"))
_ISOLATED = (("run",), ("check",), ("tool", "run"))
_NO_PROJECT = (("run",), ("check",), ("venv",))
_PIP = (("pip", "install"), ("pip", "sync"), ("pip", "uninstall"))


class UvSettings(Record):
    """What the user told uv. `None` is "said nothing"; switches are "true" or "false"."""

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
    pip = command in _PIP
    return UvSettings(
        link_mode=read.option("link-mode", "UV_LINK_MODE")
        or read.receipt("link-mode")
        or (read.configured("pip", "link-mode") if command[:1] == ("pip",) else None)
        or read.configured("link-mode"),
        cache_dir=read.option("cache-dir", "UV_CACHE_DIR") or read.configured("cache-dir"),
        no_cache=_first_on(read.switch("no-cache", "", "UV_NO_CACHE"), read.configured("no-cache")),
        offline=read.switch("offline", "no-offline", "UV_OFFLINE") or read.configured("offline"),
        no_sync=read.switch("no-sync", "", "UV_NO_SYNC") if command in _NO_SYNC else None,
        frozen=read.switch("frozen", "", "UV_FROZEN") if command in _FROZEN else None,
        isolated=read.switch("isolated", "", "UV_ISOLATED") if command in _ISOLATED else None,
        no_project=(
            read.switch("no-project", "", "UV_NO_PROJECT") if command in _NO_PROJECT else None
        ),
        preview=read.preview(),
        python_preference=read.python_preference(),
        target=(read.option("target") or read.configured("pip", "target")) if pip else None,
        prefix=(read.option("prefix") or read.configured("pip", "prefix")) if pip else None,
        python=(
            (read.option("python", "UV_PYTHON", empty_is_unset=True))
            or read.configured("pip", "python")
            if pip
            else None
        ),
        system=(
            read.switch("system", "no-system", "UV_SYSTEM_PYTHON")
            or read.configured("pip", "system")
            if pip
            else None
        ),
        project_directory=read.project_directory,
        files=read.files,
    )


def default_cache_dir(host: Host, settings: UvSettings) -> str:
    """Return the absolute path of the cache that uv uses when we set nothing; "" if unknown.

    With `--no-cache` that is a temporary directory, so unknown.
    """
    if is_on(settings.no_cache):
        return ""
    if settings.cache_dir is not None:
        value = settings.cache_dir.value
        return os.path.normpath(os.path.join(host.cwd, value)) if value else ""
    try:
        return _own_cache(host)
    except Unreadable:
        return ""


def tool_root(host: Host, version: UvVersion | None) -> Sourced:
    """Return the absolute path of the directory of all tools. Raises `Unreadable`."""
    named = host.environ.get("UV_TOOL_DIR")
    if named == "" and (version is None or version < (0, 7, 0)):
        raise Unreadable("UV_TOOL_DIR", "is empty, which versions of uv understand differently")
    if named:
        origin = Origin(kind="variable", name="UV_TOOL_DIR")
        return Sourced(value=absolute(host.cwd, named), origin=origin)
    if host.platform == "win32":
        base = host.environ.get("APPDATA", "")
        old = os.path.join(base, "uv", "data")
    else:
        base = host.environ.get("XDG_DATA_HOME", "")
        home = "" if base.startswith("/") and host.platform != "darwin" else _known_home(host)
        base = base if base.startswith("/") else os.path.join(home, ".local", "share")
        old = ""
        if host.platform == "darwin":
            old = os.path.join(home, "Library", "Application Support", "uv")
    if not base:
        raise Unreadable("APPDATA", "is not set")
    root = old if old and host.kind(old) == "directory" else os.path.join(base, "uv")
    return Sourced(value=os.path.join(root, "tools"), origin=Origin(kind="default"))


def _own_cache(host: Host) -> str:
    """Find the cache that uv takes when nobody names one."""
    if host.platform == "win32":
        base = host.environ.get("LOCALAPPDATA", "")
        return os.path.join(base, "uv", "cache") if base else ""
    if host.platform == "darwin":
        old = os.path.join(_known_home(host), "Library", "Caches", "uv")
        if host.kind(old) != "absent":
            return old
    base = host.environ.get("XDG_CACHE_HOME", "")
    if not base.startswith("/"):
        base = os.path.join(_known_home(host), ".cache")
    return os.path.join(base, "uv")


def _known_home(host: Host) -> str:
    home = uv_config.home_directory(host)
    if not home.startswith("/"):
        raise Unreadable("HOME", "is no absolute path")
    return home


def _first_on(*switches: Sourced | None) -> Sourced | None:
    """uv joins these with "or": one that says no does not stop the next."""
    return next((one for one in switches if is_on(one)), None)


class _Reader:
    """Looks choices up for one call."""

    def __init__(self, host: Host, invocation: Invocation, version: UvVersion | None) -> None:
        self.host = host
        self.invocation = invocation
        self.version = version
        self.files = TomlFiles(host)
        self.project_directory = project_directory(host, invocation, version, self.files)
        self._configuration = self._read_configuration()

    def option(
        self, name: str, variable: str = "", *, empty_is_unset: bool = False
    ) -> Sourced | None:
        """Look up a value option and its variable."""
        given = self.invocation.value(name)
        if given is not None:
            return Sourced(value=given, origin=Origin(kind="flag", name=f"--{name}"))
        named = self.host.environ.get(variable) if variable else None
        if named is None or (empty_is_unset and not named):
            return None
        return Sourced(value=named, origin=Origin(kind="variable", name=variable))

    def switch(self, on: str, off: str, variable: str) -> Sourced | None:
        """Look up a pair of flags and its variable, which can switch on only: 0 is "not said"."""
        given = self.invocation.switch(on, off)
        if given is not None:
            name = f"--{on if given else off}"
            return Sourced(
                value="true" if given else "false", origin=Origin(kind="flag", name=name)
            )
        return _true(Origin(kind="variable", name=variable)) if self._is_set(variable) else None

    def configured(self, *keys: str) -> Sourced | None:
        """Look a key up in the configuration files."""
        return self._configuration.get(*keys)

    def receipt(self, key: str) -> Sourced | None:
        """What `uv tool install` was told is remembered for `uv tool upgrade`."""
        if self.invocation.command != ("tool", "upgrade"):
            return None
        root = tool_root(self.host, self.version).value
        names = self.invocation.positionals or self.host.list_names(root)
        for name in names:
            path = os.path.join(root, tool_name(name), "uv-receipt.toml")
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
        features = self.option("preview-features", "UV_PREVIEW_FEATURES")
        if features is not None:
            given = self.invocation.options.get("preview-features")
            return features.replace(value=",".join(given)) if given else features
        configured = self.configured("preview")
        if is_on(configured) and configured is not None:
            return configured.replace(value="all")
        return self.configured("preview-features") or configured

    def python_preference(self) -> Sourced | None:
        """Which kind of interpreter uv may use."""
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
        since = _SINCE.get(variable, _OLDEST)
        if value is None or (self.version is not None and self.version < since):
            return False
        if value.lower() in _FALSE:
            return False
        if value.lower() not in _TRUE:
            raise Unreadable(variable, "is no boolean, which uv takes for an error")
        if self.version is None and since != _OLDEST:
            raise Unreadable(variable, "whether this uv knows it cannot be told")
        return True

    def _read_configuration(self) -> Configuration:
        return self._files_that_count().below(self._script_layer())

    def _files_that_count(self) -> Configuration:
        named = self.option("config-file", "UV_CONFIG_FILE")
        if named is not None:
            if not named.value:
                raise Unreadable("UV_CONFIG_FILE", "is empty, which uv takes for an error")
            return uv_config.explicit_file(self.files, absolute(self.host.cwd, named.value))
        command = self.invocation.command
        # On commands without an --isolated of their own it is the old name of --no-config.
        old_name = command not in (*_ISOLATED, ("init",)) and self.invocation.has("isolated")
        if old_name or is_on(self.switch("no-config", "", "UV_NO_CONFIG")):
            return Configuration()
        return uv_config.discovered(
            self.host,
            self.files,
            None if command[:1] in (("tool",), ("self",)) else self._configuration_start(),
            self.version,
            system=not self._is_set("UV_NO_SYSTEM_CONFIG"),
        )

    def _configuration_start(self) -> str:
        project = find_project(self.host, self.project_directory, self.version, self.files)
        if project is None or not project.managed:
            return self.project_directory
        return project.workspace

    def _script_layer(self) -> Layer | None:
        """Read the [tool.uv] of a PEP 723 script."""
        try:
            path = find_script(self.host, self.invocation)
        except Unreadable:
            return None  # on stdin or remote: its environment is in the cache anyway
        block: TomlFile | None = read_block(self.host, path) if path else None
        if block is None or not table(block.data, "tool", "uv"):
            return None
        return Layer(file=block, prefix=("tool", "uv"))


def tool_name(requirement: str) -> str:
    """Directory name of a tool: `Foo_Bar[extra]>=1` and `foo.bar@2` are both `foo-bar`.

    "" when the requirement does not begin with a name (a path, a URL).
    """
    end = 0
    while end < len(requirement) and (requirement[end].isalnum() or requirement[end] in "-_."):
        end += 1
    name, rest = requirement[:end].lower(), requirement[end:].lstrip()
    if not name.isascii() or (rest and rest[0] not in "[@<>=!~;("):
        return ""
    if not name or not (name[0].isalnum() and name[-1].isalnum()):
        return ""
    parts = name.replace("_", "-").replace(".", "-").split("-")
    return "-".join(part for part in parts if part)


def _true(origin: Origin) -> Sourced:
    return Sourced(value="true", origin=origin)
