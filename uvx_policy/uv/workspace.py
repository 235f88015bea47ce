"""Where uv works: its current directory, its project directory, the project and the workspace.

uv's rules (`uv-workspace`, `VirtualProject::discover`), version by version. All walks are lexical,
as uv's are: a symbolic link in a path is a directory like any other.
"""

from __future__ import annotations

import os

from uvx_policy.errors import LinkPolicyError, Unreadable
from uvx_policy.toml_file import TomlFile, read_toml
from uvx_policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from uvx_policy.host import Host
    from uvx_policy.model import UvVersion
    from uvx_policy.uv.invocation import Invocation

_WORKING_DIRECTORY_SINCE = (("UV_WORKING_DIR", (0, 9, 14)), ("UV_WORKING_DIRECTORY", (0, 9, 1)))
_UV_PROJECT_SINCE = (0, 6, 11)
#: `--project path/to/pyproject.toml`
_PROJECT_FILE_SINCE = (0, 10, 11)
#: `uv run path/script.py` looks for project and configuration beside the script ...
_TARGET_DISCOVERY_SINCE = (0, 12, 0)
#: ... and did so earlier as a preview, in a version not known exactly
_TARGET_DISCOVERY_PREVIEW = (0, 9, 0)
#: a local header of a zip archive (also behind the `#!` line of a zipapp)
_ZIP_MAGIC = b"PK\x03\x04"


class Project(Value):
    """A pyproject.toml that uv finds, and the workspace it belongs to."""

    #: the directory of the nearest pyproject.toml
    root: str
    #: the workspace root, which holds `.venv` and `uv.lock`; `root` itself when it is no member
    workspace: str
    #: `tool.uv.managed`
    managed: bool
    #: it has a `[project]` table
    is_project: bool
    #: it has a `[tool.uv.workspace]` table of its own
    is_root: bool = False


class TomlFiles:
    """The TOML files of one decision: each is read and parsed once."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._known: dict[str, TomlFile | LinkPolicyError | None] = {}

    def read(self, path: str) -> TomlFile | None:
        """`None` when absent. Raises `Unreadable` and `ConfigError`."""
        if path not in self._known:
            try:
                self._known[path] = read_toml(self._host, path)
            except LinkPolicyError as error:
                self._known[path] = error
        found = self._known[path]
        if isinstance(found, LinkPolicyError):
            raise found
        return found


def working_directory(host: Host, invocation: Invocation, version: UvVersion | None) -> Host:
    """See the machine as uv does after `--directory` or its variables: at the new cwd.

    Raises `Unreadable` when uv will not get there, or when its version decides and is not known.
    """
    named = invocation.value("directory")
    for variable, since in _WORKING_DIRECTORY_SINCE:
        if named is None and variable in host.environ:
            if version is None:
                raise Unreadable(variable, "whether this uv knows it cannot be told")
            named = host.environ[variable] if version >= since else None
    if not host.cwd:
        raise Unreadable(".", "the current directory has vanished")
    if named is None:
        return host
    path = os.path.join(host.cwd, named)
    if not named or host.kind(path) != "directory":
        raise Unreadable(path, "no directory to work in")
    # chdir(2) and getcwd(3): from here on the path is physical.
    return host.at(cwd=host.real_path(path))


def project_directory(
    host: Host, invocation: Invocation, version: UvVersion | None, files: TomlFiles | None = None
) -> str:
    """Where uv starts to look for the project: the first directory in which it finds one.

    Absolute, lexical. `host` is the one after `working_directory`. Raises `Unreadable` when it
    cannot be told.
    """
    files = files or TomlFiles(host)
    *before, last = starting_points(host, invocation, version, files)
    for path in before:
        if find_project(host, path, version, files) is not None:
            return path
    return last


def starting_points(
    host: Host, invocation: Invocation, version: UvVersion | None, files: TomlFiles
) -> tuple[str, ...]:
    """Where uv starts to look for a project and for its configuration, each for itself.

    Several: where it finds none from the one, it looks from the next. Raises `Unreadable`.
    """
    named = invocation.value("project")
    if named is None and "UV_PROJECT" in host.environ:
        if version is None:
            raise Unreadable("UV_PROJECT", "whether this uv knows it cannot be told")
        if version >= _UV_PROJECT_SINCE:
            named = host.environ["UV_PROJECT"]
    if named is None:
        return _beside_target(host, invocation, version, files)
    if not named:
        raise Unreadable("UV_PROJECT", "is empty, which uv takes for an error")
    path = absolute(host.cwd, named)
    if os.path.basename(path) != "pyproject.toml" or host.kind(path) != "file":
        return (path,)
    if version is None:
        raise Unreadable(path, "whether this uv accepts a file as project cannot be told")
    return (os.path.dirname(path) if version >= _PROJECT_FILE_SINCE else path,)


def find_project(
    host: Host, start: str, version: UvVersion | None, files: TomlFiles | None = None
) -> Project | None:
    """Find the project of `start` (absolute), if any. Raises `Unreadable` or `ConfigError`."""
    files = files or TomlFiles(host)
    root = _nearest_with_pyproject(host, start)
    if not root:
        return None
    data = _pyproject(files, root)
    settings = table(data, "tool", "uv")
    managed = settings.get("managed") is not False
    is_project = isinstance(data.get("project"), dict)
    is_root = isinstance(settings.get("workspace"), dict)
    workspace = root
    if is_project and managed and not is_root:
        workspace = _enclosing_workspace(host, root, version, files)
    return Project(
        root=root, workspace=workspace, managed=managed, is_project=is_project, is_root=is_root
    )


def absolute(base: str, path: str) -> str:
    """`path` seen from `base`, without `.` and `..`, which are resolved lexically as uv does."""
    whole = os.path.normpath(os.path.join(base, path))
    # POSIX lets two leading slashes mean something else; nobody does.
    return whole[1:] if whole.startswith("//") else whole


def ancestors(path: str) -> Iterator[str]:
    """`path` and every directory above it."""
    while True:
        yield path
        parent = os.path.dirname(path)
        if parent == path:
            return
        path = parent


def table(data: dict[str, Any], *keys: str) -> dict[str, Any]:
    """Return the table at `keys`, empty when there is none or something else is there."""
    for key in keys:
        found = data.get(key)
        data = found if isinstance(found, dict) else {}
    return data


def _enclosing_workspace(
    host: Host, member: str, version: UvVersion | None, files: TomlFiles
) -> str:
    """Root of the workspace that lists `member`; `member` itself when none does."""
    # Only the next pyproject.toml counts: one without a workspace hides those above it.
    root = _nearest_with_pyproject(host, os.path.dirname(member))
    if root in ("", member):
        return member
    workspace = table(_pyproject(files, root), "tool", "uv").get("workspace")
    if not isinstance(workspace, dict):
        return member
    included = _any_matches(workspace.get("members"), root, member, version)
    excluded = included and _any_matches(
        workspace.get("exclude"), root, member, version, excluding=True
    )
    return root if included and not excluded else member


def _any_matches(
    patterns: object, root: str, member: str, version: UvVersion | None, *, excluding: bool = False
) -> bool:
    from uvx_policy.uv.member_glob import matches

    unsure = False
    for pattern in patterns if isinstance(patterns, list) else ():
        if isinstance(pattern, str):
            answer = matches(
                pattern, root=root, member=member, version=version, excluding=excluding
            )
            if answer:
                return True
            unsure = unsure or answer is None
    if unsure:
        because = f"whether `{member}` belongs to this workspace depends on uv's version"
        raise Unreadable(root, because)
    return False


def _nearest_with_pyproject(host: Host, start: str) -> str:
    for directory in ancestors(start):
        if host.kind(os.path.join(directory, "pyproject.toml")) == "file":
            return directory
    return ""


def _pyproject(files: TomlFiles, directory: str) -> dict[str, Any]:
    path = os.path.join(directory, "pyproject.toml")
    found = files.read(path)
    if found is None:
        raise Unreadable(path, "has vanished just now")
    return found.data


def _beside_target(
    host: Host, invocation: Invocation, version: UvVersion | None, files: TomlFiles
) -> tuple[str, ...]:
    """The starting points of `uv run path/script.py`, and of everything else: the cwd."""
    beside = _target_directory(host, invocation)
    if not beside or (version is not None and version < _TARGET_DISCOVERY_PREVIEW):
        return (host.cwd,)
    path = absolute(host.cwd, beside)
    if path == host.cwd:
        return (host.cwd,)
    if version is not None and version >= _TARGET_DISCOVERY_SINCE:
        return (path, host.cwd)
    previews = (
        invocation.has("preview")
        or invocation.has("preview-features")
        or host.environ.get("UV_PREVIEW")
        or host.environ.get("UV_PREVIEW_FEATURES")
    )
    if version is not None and not previews:
        return (host.cwd,)
    here = find_project(host, host.cwd, version, files)
    there = find_project(host, path, version, files)
    if here is None or there is None or here.workspace != there.workspace:
        raise Unreadable(path, "whether this uv looks for a project there cannot be told")
    return (host.cwd,)


def _target_directory(host: Host, invocation: Invocation) -> str:
    """Directory part of the script, package or zipapp that `uv run` will run, "" when none."""
    if invocation.command != ("run",) or not invocation.external or invocation.has("module"):
        return ""
    target = invocation.external[0]
    directory = os.path.dirname(target)
    if not directory:
        return ""
    path = os.path.join(host.cwd, target)
    if invocation.has("script") or invocation.has("gui-script"):
        return directory  # whatever the file is called
    kind = host.kind(path)
    if kind == "directory":
        return directory if host.kind(os.path.join(path, "__main__.py")) == "file" else ""
    if kind != "file":
        return ""
    is_python = target.lower().endswith((".py", ".pyw", ".pyc"))
    return directory if is_python or _ZIP_MAGIC in host.read_head(path, 4096) else ""
