"""Does the installation that runs us last as long as the shims that it writes?

Shims name this installation's directories. Where those go away by themselves, uv would run without
a policy one day, and nobody would know why.
"""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

import uvx_policy
from uvx_policy.caches import contents
from uvx_policy.errors import LinkPolicyError
from uvx_policy.terminal.command import command

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: what `pipx run` names the environments in its cache, and where that is
_PIPX_NAME = re.compile(r"[0-9a-f]{15}\Z")
_PIPX_CACHES = (".cache", "pipx")
#: beside an environment: it is the environment of a project, or of a clone
_OF_A_PROJECT = ("pyproject.toml", "setup.py", ".git")
#: directories that the next start of the machine, or somebody, empties
TEMPORARY = ("/tmp", "/var/tmp", "/dev/shm") if os.name == "posix" else ()  # noqa: S108 (nothing is put there)


class DoesNotLast(LinkPolicyError):
    """The installation will go away by itself. `str()` says why."""

    def __init__(self, why: str, *install: str) -> None:
        super().__init__(
            f"{why}: the shims would be left without linkpolicy",
            hint="install linkpolicy where it stays, and run `setup` from there",
            commands=(command(*(install or ("uv", "tool", "install")), "uvx-policy"),),
        )


def check(shim_directory: str, environ: Mapping[str, str]) -> str:
    """The project or clone that linkpolicy is installed in, "" for none.

    Raises `DoesNotLast` when it lies where `uvx`, `pipx run` or the system will remove it. A
    temporary directory is fine for shims that lie in the same one: they go with it.
    """
    places = _own_places()
    for place in places:
        cache = cache_of_uv(place)
        if cache:
            raise DoesNotLast(f"linkpolicy runs from uv's cache `{cache}`, as with `uvx`")
        if _is_of_pipx_run(place):
            why = f"linkpolicy runs from pipx's cache `{os.path.dirname(place)}`"
            raise DoesNotLast(why, "pipx", "install")
    project = _project(places)
    shims = os.path.realpath(shim_directory)
    for directory in () if project else _temporary_directories(environ):
        for place in places:
            if is_below(place, directory) and not is_below(shims, directory):
                raise DoesNotLast(f"linkpolicy is installed in a temporary directory, `{place}`")
    return project


def _own_places() -> tuple[str, ...]:
    """Our environment, if it is a virtual one, and the directory that the package lies in."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(str(uvx_policy.__file__))))
    own = (package,) if sys.prefix == sys.base_prefix else (sys.prefix, package)
    return tuple(map(os.path.realpath, own))


def cache_of_uv(path: str) -> str:
    """The cache of uv that the path lies in, "" for none."""
    for above in _ancestors(path):
        is_bucket = bool(contents.bucket_kind(os.path.basename(above)))
        cache = os.path.dirname(above)
        if is_bucket and os.path.isfile(os.path.join(cache, "CACHEDIR.TAG")):
            return cache
    return ""


def _is_of_pipx_run(place: str) -> bool:
    above, name = os.path.split(place)
    return bool(_PIPX_NAME.match(name)) and os.path.basename(above) in _PIPX_CACHES


def _project(places: tuple[str, ...]) -> str:
    """Where the environment or, installed editable, the package itself lies."""
    environment, package = places[0], places[-1]
    for directory in (os.path.dirname(environment) if len(places) > 1 else package, package):
        if any(os.path.exists(os.path.join(directory, name)) for name in _OF_A_PROJECT):
            return directory
    return ""


def _temporary_directories(environ: Mapping[str, str]) -> Iterator[str]:
    variables = ("TEMP", "TMP") if sys.platform == "win32" else ("TMPDIR",)
    named = (environ.get(name, "") for name in variables)
    found = map(os.path.realpath, (*filter(os.path.isabs, named), *TEMPORARY))
    yield from dict.fromkeys(path for path in found if path != os.path.dirname(path))


def is_below(path: str, directory: str) -> bool:
    """Is it this directory, or below it? Both are absolute; nothing is below ""."""
    if not directory:
        return False
    try:
        common = os.path.commonpath((path, directory))
    except ValueError:  # on different drives
        return False
    return os.path.normcase(common) == os.path.normcase(directory.rstrip("/" + os.sep))


def _ancestors(path: str) -> Iterator[str]:
    while path != os.path.dirname(path):
        path = os.path.dirname(path)
        yield path
