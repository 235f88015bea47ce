"""Which environment `uv pip` finds (`uv-python`, discovery), told without starting an interpreter.

uv asks each candidate's interpreter who it is. We look at the files beside it instead, and say
`None`, "cannot be told", wherever the two could differ.
"""

from __future__ import annotations

import os

from uvx_policy.model import DEFAULT, Destination, Origin
from uvx_policy.uv.settings import UvSettings, is_on
from uvx_policy.uv.workspace import absolute, ancestors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from uvx_policy.host import Host
    from uvx_policy.model import DestinationKind, Sourced, UvVersion

#: a dangling `.venv` is an error; before, uv goes on to the directories above
_DANGLING_IS_ERROR = (0, 12, 0)
#: a file `.venv` names the environment, "experimental and may change"; before, uv passes it over
_VENV_FILE_NAMES_ANOTHER = (0, 13, 9)
#: an active conda base environment is no target; earlier versions took it for a child in places
_SKIPS_CONDA_BASE = (0, 8, 18)
#: names of interpreters that uv looks for when it is told none
_INTERPRETERS = ("python3", "python")
_PATH = Origin(kind="variable", name="PATH")


def find_environment(
    host: Host, settings: UvSettings, version: UvVersion | None
) -> Destination | None:
    """Find what `uv pip install` installs into, `--target` and `--prefix` aside.

    `None` when it cannot be told or uv will fail. Raises `Unreadable`.
    """
    request = settings.python
    parts: tuple[int, ...] = ()
    if request is not None:
        named = _named_interpreter(host, request, settings)
        if not isinstance(named, tuple):
            return named
        parts = named
    found = _search(host, settings, version)
    if found is None or not parts:
        return found
    # The request filters the search; what else would be found needs interpreters to be asked.
    return found if _has_version(host, found.path, parts) else None


def _search(host: Host, settings: UvSettings, version: UvVersion | None) -> Destination | None:
    system = settings.system if is_on(settings.system) else None
    parent = host.environ.get("UV_INTERNAL__PARENT_INTERPRETER")
    if parent and system is not None:
        return None  # uv skips the parent if it is in an environment
    if parent:
        origin = Origin(kind="variable", name="UV_INTERNAL__PARENT_INTERPRETER")
        return _of_interpreter(host, absolute(host.cwd, parent), origin)
    if system is not None:
        if host.environ.get("CONDA_PREFIX") or settings.python_preference or settings.python:
            return None
        return _first_on_path(host, _INTERPRETERS, "interpreter", system.origin)
    active = host.environ.get("VIRTUAL_ENV")
    if active:
        path = absolute(host.cwd, active)
        usable = _has_python(host, path)
        if usable != _is_environment(host, path):
            return None  # a broken environment, or an interpreter that is in none
        if usable:
            return _environment(host, path, Origin(kind="variable", name="VIRTUAL_ENV"))
    if host.environ.get("CONDA_PREFIX") and not _is_conda_base(host, version):
        return _conda(host)
    return _above(host, settings, version)


def _above(host: Host, settings: UvSettings, version: UvVersion | None) -> Destination | None:
    """Find `.venv` in the cwd or above, or an environment that the cwd lies in, or one on PATH."""
    for directory in ancestors(host.cwd):
        if _is_environment(host, directory):
            return _discovered(host, directory, settings)
        path = os.path.join(directory, ".venv")
        kind = host.kind(path)
        if kind == "directory":  # without a pyvenv.cfg it is an error of uv's
            return _discovered(host, path, settings) if _is_environment(host, path) else None
        if kind == "file" and (version is None or version >= _VENV_FILE_NAMES_ANOTHER):
            return None
        dangles = kind == "absent" and host.link_kind(path) == "symlink"
        if dangles and (version is None or version >= _DANGLING_IS_ERROR):
            return None
    return _first_on_path(host, _INTERPRETERS)


def _discovered(host: Host, path: str, settings: UvSettings) -> Destination | None:
    preference = settings.python_preference
    if preference is not None and preference.value.startswith("only"):
        return None  # uv skips environments of the other kind of interpreter
    return _environment(host, path, DEFAULT) if _has_python(host, path) else None


def _is_conda_base(host: Host, version: UvVersion | None) -> bool:
    """Tell whether CONDA_PREFIX is surely the base environment, which this uv surely skips."""
    name = host.environ.get("CONDA_DEFAULT_ENV")
    path = absolute(host.cwd, host.environ["CONDA_PREFIX"])
    if version is None or version < _SKIPS_CONDA_BASE or name not in ("base", "root"):
        return False
    if os.path.basename(path) in ("base", "root"):
        return False  # an environment of that name, to some versions
    return host.kind(os.path.join(path, "conda-meta", "pixi")) == "absent"


def _conda(host: Host) -> Destination | None:
    """CONDA_PREFIX comes before `.venv` when it is no base environment: only where that is sure."""
    path = absolute(host.cwd, host.environ["CONDA_PREFIX"])
    name = host.environ.get("CONDA_DEFAULT_ENV")
    root = host.environ.get("_CONDA_ROOT")
    if name != os.path.basename(path) or name in ("base", "root") or root == path:
        return None
    if host.kind(os.path.join(path, "conda-meta")) != "directory" or not _has_python(host, path):
        return None
    because, origin = "the active conda environment", Origin(kind="variable", name="CONDA_PREFIX")
    return Destination(kind="environment", path=path, because=because, origin=origin)


def _named_interpreter(
    host: Host, request: Sourced, settings: UvSettings
) -> Destination | tuple[int, ...] | None:
    """What `--python` names: a destination, or the version numbers that filter the search."""
    value = request.value
    parts = _version_parts(value)
    if parts is not None:
        return parts
    if value in ("default", "any", "cpython"):
        # Environments of CPython, in practice; another implementation has a version in its name.
        return () if value != "cpython" else None
    path = absolute(host.cwd, value)
    kind = host.kind(path)
    if kind == "directory":
        return _environment(host, path, request.origin) if _has_python(host, path) else None
    if kind == "file":
        return _of_interpreter(host, path, request.origin)
    if any(char in value for char in "/<>=!~@,+") or is_on(settings.system):
        return None
    return _first_on_path(host, (value,))


def _version_parts(value: str) -> tuple[int, ...] | None:
    """`3.12`, `python3.12`, `cpython3.12`, `cpython@3.12` -> (3, 12); `None` for anything else."""
    for prefix in ("cpython@", "cpython", "python"):
        if value.lower().startswith(prefix):
            value = value[len(prefix) :]
            break
    if value.isdecimal() and len(value) > 1:  # `312`
        value = f"{value[0]}.{value[1:]}"
    words = value.split(".")
    if not all(word.isascii() and word.isdecimal() for word in words):
        return None
    return tuple(map(int, words))


def _has_version(host: Host, environment: str, wanted: tuple[int, ...]) -> bool:
    """Tell whether pyvenv.cfg says this version, and a CPython."""
    text = host.read_text(os.path.join(environment, "pyvenv.cfg")) or ""
    lines = [line.partition("=") for line in text.splitlines()]
    said = {key.strip().lower(): value.strip() for key, _, value in lines}
    if said.get("implementation", "CPython") != "CPython":
        return False
    words = (said.get("version_info") or said.get("version") or "").split(".")
    return tuple(words[: len(wanted)]) == tuple(map(str, wanted))


def _is_environment(host: Host, directory: str) -> bool:
    return host.kind(os.path.join(directory, "pyvenv.cfg")) == "file"


def _has_python(host: Host, environment: str) -> bool:
    """Tell whether uv will find an interpreter in this environment."""
    places = ("bin/python3", "bin/python")
    if host.platform == "win32":
        places = ("Scripts/python.exe", "python.exe")
    return any(host.kind(os.path.join(environment, place)) == "file" for place in places)


def _environment(host: Host, path: str, origin: Origin) -> Destination | None:
    if _is_environment(host, path):
        because = f"the environment: {origin.name or 'found by uv in this directory or above'}"
        return Destination(kind="environment", path=path, because=because, origin=origin)
    for name in _INTERPRETERS:
        interpreter = os.path.join(path, "bin", name)
        if host.kind(interpreter) == "file":
            return _of_interpreter(host, interpreter, origin)
    return None


def _of_interpreter(host: Host, path: str, origin: Origin) -> Destination | None:
    """Find where packages of the interpreter at `path` (absolute) go; `None` if not sure."""
    prefix = os.path.dirname(os.path.dirname(path))
    if _is_environment(host, prefix):
        because = f"the environment of `{path}`"
        return Destination(kind="environment", path=prefix, because=because, origin=origin)
    if _is_environment(host, os.path.dirname(path)):
        return None
    real = host.real_path(path)
    if _leads_through_environment(host, path):
        return None  # versions of Python differ on what such a link means
    prefix = os.path.dirname(os.path.dirname(real))
    if not _is_plain_prefix(host, prefix, os.path.basename(real)):
        return None
    because = f"the prefix of `{path}`"
    return Destination(kind="interpreter", path=prefix, because=because, origin=origin)


def _leads_through_environment(host: Host, path: str) -> bool:
    """Tell whether a chain of symbolic links that starts at `path` meets an environment."""
    while host.link_kind(path) == "symlink":  # the chain ends, or `real_path` would have failed
        path = absolute(os.path.dirname(path), host.read_link(path))
        if _is_environment(host, os.path.dirname(os.path.dirname(path))):
            return True
    return False


def _is_plain_prefix(host: Host, prefix: str, program: str) -> bool:
    """Tell whether this interpreter surely uses `<prefix>/lib/pythonX.Y/site-packages`.

    Distributions patch their Python to use other directories: those have no site-packages there.
    """
    if host.platform == "win32" or not program.startswith("python3."):
        return False
    library = os.path.join(prefix, "lib", program)
    return (
        host.kind(os.path.join(library, "os.py")) == "file"
        and host.link_kind(os.path.join(library, "site-packages")) == "directory"
        and host.kind(os.path.join(prefix, "lib", "python3", "dist-packages")) == "absent"
    )


def _first_on_path(
    host: Host,
    names: tuple[str, ...],
    kind: DestinationKind = "environment",
    origin: Origin = _PATH,
) -> Destination | None:
    """Find the first of these programs on PATH, if it is in an environment, or in none."""
    found = _which(host, names)
    place = _of_interpreter(host, found, origin) if found is not None else None
    return place if place is not None and place.kind == kind else None


def _which(host: Host, names: tuple[str, ...]) -> str | None:
    if host.platform == "win32" or "UV_PYTHON_SEARCH_PATH" in host.environ:
        return None
    for directory in host.environ.get("PATH", "").split(":"):
        if not directory:
            continue
        for name in names:
            path = absolute(host.cwd, os.path.join(directory, name))
            if host.may_execute(path):
                return path
        # uv looks for `python3.12` and for other implementations as well.
        if names == _INTERPRETERS and any(
            name.startswith(("python3.", "pypy", "graalpy"))
            for name in host.list_names(os.path.join(host.cwd, directory))
        ):
            return None
    return None
