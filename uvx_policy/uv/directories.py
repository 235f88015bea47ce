"""uv's own directories and where its configuration files are: cache, tools, user and system."""

from __future__ import annotations

import os

from uvx_policy.errors import Unreadable
from uvx_policy.model import DEFAULT, Origin, Sourced
from uvx_policy.state import layout
from uvx_policy.uv.workspace import absolute

TYPE_CHECKING = False
if TYPE_CHECKING:
    from uvx_policy.host import Host
    from uvx_policy.model import UvVersion

#: an empty entry in XDG_CONFIG_DIRS ends the search up to the first, and does not from the second
_STOPS_AT_EMPTY = (0, 10, 12)
_SKIPS_EMPTY = (0, 13, 8)


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
    return Sourced(value=os.path.join(root, "tools"), origin=DEFAULT)


def own_cache(host: Host) -> str:
    """Find the cache that uv takes when nobody names one; "" if unknown. Raises `Unreadable`."""
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
    home = home_directory(host)
    if not home.startswith("/"):
        raise Unreadable("HOME", "is not an absolute path")
    return home


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


def user_file(host: Host) -> str:
    """Path of the user's uv.toml, whether it exists or not; "" when there is no home."""
    if host.platform == "win32":
        base = host.environ.get("APPDATA", "")
        return os.path.join(base, "uv", "uv.toml") if base else ""
    base = host.environ.get("XDG_CONFIG_HOME", "")
    if not base.startswith("/"):
        home = home_directory(host)
        base = os.path.join(home, ".config") if home else ""
    return os.path.join(base, "uv", "uv.toml") if base else ""


def system_file(host: Host, version: UvVersion | None) -> str:
    """Path of the machine's uv.toml, whether it exists or not. Raises `Unreadable`."""
    if host.platform == "win32":
        drive = host.environ.get("SYSTEMDRIVE", "")
        return f"{drive}\\ProgramData\\uv\\uv.toml" if drive else ""
    directories = (host.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")
    stop = directories.index("") if "" in directories else len(directories)
    found = _first_system_file(host, directories[:stop])
    if found or (version is not None and version <= _STOPS_AT_EMPTY):
        return found or "/etc/uv/uv.toml"
    found = _first_system_file(host, directories[stop:])
    if found and (version is None or version < _SKIPS_EMPTY):
        raise Unreadable(found, "whether uv reads on after an empty entry in XDG_CONFIG_DIRS")
    return found or "/etc/uv/uv.toml"


def _first_system_file(host: Host, directories: list[str]) -> str:
    for directory in directories:
        path = os.path.join(host.cwd, directory, "uv", "uv.toml")
        if directory and host.kind(path) == "file":
            return path
    return ""


def home_directory(host: Host) -> str:
    """Return the home directory as uv finds it, "" when there is none. Raises `Unreadable`."""
    if host.platform != "win32" and host.environ.get("HOME") == "":
        raise Unreadable("HOME", "is empty, which versions of uv understand differently")
    return layout.home(host.environ, host.platform)


def is_user_base(host: Host, path: str) -> bool:
    """Tell whether this is `~/.local`, from where every Python of the user imports."""
    home = host.environ.get("HOME", "")
    return bool(home) and path == host.real_path(os.path.join(home, ".local"))
