"""Which environments depend on a cache: they would break, or lose what they save, without it.

Hard links, clones and copies outlive a cache. Symbolic links do not (`link-mode = "symlink"`), nor
do environments that lie in the cache themselves (`environments-v2`, to which a `.venv` may lead).
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from uvx_policy.caches import contents
from uvx_policy.foreign_file import read_foreign
from uvx_policy.installed import distributions as installed
from uvx_policy.uv.requirement import normalized
from uvx_policy.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from uvx_policy.state.register import Environment

#: bytes of a `.venv` that is a text file with a path in it
_SMALL = 4096


class Symlinked(Value):
    """One distribution whose files are symbolic links into a cache."""

    #: normalized as in PEP 503
    package: str
    #: the archive that it leads into: absolute, as the links say
    archive: str


class Dependent(Value):
    """One environment, and how it depends on caches."""

    environment: Environment
    exists: bool
    #: the environment without symbolic links
    real: str
    symlinked: tuple[Symlinked, ...] = ()


def look_at(environment: Environment) -> Dependent:
    """Look at the links of one environment. Never raises.

    One file tells for a distribution: uv links METADATA like all others of its files.
    """
    real = _real(environment.path)
    found = []
    for site in installed.site_directories(real):
        for name in contents.names_in(site):
            if not name.endswith(".dist-info"):
                continue
            archive = _archive_behind(os.path.join(site, name, "METADATA"))
            if archive:
                package = normalized(name.removesuffix(".dist-info").partition("-")[0])
                found.append(Symlinked(package=package, archive=archive))
    exists = os.path.isdir(real)
    return Dependent(environment=environment, exists=exists, real=real, symlinked=tuple(found))


def linked_environments(cache: str, known: Iterable[Dependent]) -> list[Dependent]:
    """Those that were last linked from `cache`, lead into it by symbolic links, or lie in it.

    Also those that do not exist any more. `cache` is absolute and without symbolic links.
    """
    return [
        each
        for each in known
        if (each.environment.cache and os.path.realpath(each.environment.cache) == cache)
        or leading_into(cache, each)
        or lies_in(cache, each)
    ]


def leading_into(cache: str, looked: Dependent) -> tuple[Symlinked, ...]:
    """Distributions of an environment that are symbolic links into `cache`."""
    return tuple(
        each
        for each in looked.symlinked
        if os.path.realpath(os.path.dirname(os.path.dirname(each.archive))) == cache
    )


def lies_in(cache: str, looked: Dependent) -> bool:
    """Is the environment itself a part of `cache`?"""
    return looked.real.startswith(os.path.join(cache, ""))


def _archive_behind(link: str) -> str:
    """`/c/archive-v0/<id>` for a link to `/c/archive-v0/<id>/foo.dist-info/METADATA`, else ""."""
    try:
        target = os.readlink(link)
    except (OSError, ValueError):
        return ""
    archive = os.path.dirname(os.path.dirname(os.path.join(os.path.dirname(link), target)))
    bucket = os.path.basename(os.path.dirname(archive))
    return archive if bucket.startswith("archive-v") else ""


def _real(path: str) -> str:
    """Where an environment really lies: behind links, or behind a `.venv` that is a text file."""
    real = os.path.realpath(path)
    with contextlib.suppress(OSError):
        if os.path.isfile(real) and os.path.getsize(real) <= _SMALL:
            text = os.fsdecode(read_foreign(real, _SMALL)).strip()
            if text and "\0" not in text:
                return os.path.realpath(os.path.join(os.path.dirname(real), text))
    return real
