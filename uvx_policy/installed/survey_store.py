"""Surveys kept in the state directory, so that `status` need not look at each file again.

A survey is believed until the environment looks different: packages came or went, the environment
is another one, or a package is no longer linked as it was (its METADATA is linked as all its files
are). An edit of a file in place shows only to who looks at each file, if for a moment only
(`installed.glance`).
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from typing import TYPE_CHECKING, Any

from uvx_policy.fingerprint import fingerprint
from uvx_policy.installed import distributions as installed
from uvx_policy.installed.model import Survey
from uvx_policy.state import files
from uvx_policy.state.layout import SURVEYS
from uvx_policy.state.reading import read

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: paths that are kept of `edited` and of `unreadable`
_MOST_NAMED = 100

_SCHEMA = 3
#: one value of each field's type
_EXAMPLE = Survey(environment="")


def keep(state: str, survey: Survey) -> None:
    """Keep `survey` instead of what was kept for its environment. Fails silently.

    Of `edited` and `unreadable` the first 100 paths are kept. `state` is `layout.state_home(...)`,
    "" keeps nothing. Nothing is kept when packages came or went since the survey began.
    """
    environment = survey.environment
    if not state or not environment:
        return
    sites = installed.site_directories(environment)
    if any(_changed_at(site) >= survey.at for site in sites):
        return
    short = survey.replace(
        edited=survey.edited[:_MOST_NAMED], unreadable=survey.unreadable[:_MOST_NAMED]
    )
    with contextlib.suppress(OSError, ValueError):
        told = {"schema": _SCHEMA, "sight": _sight(environment, sites), "survey": short.as_dict()}
        files.write(state, SURVEYS, _file_name(environment), json.dumps(told).encode("ascii"))


def kept(
    state: str, environment: str, glance: str | None = None, sites: Sequence[str] | None = None
) -> Survey | None:
    """What was kept; `None` when there is nothing, or it no longer holds. Never raises.

    `glance`: what `Glance.of` tells now; `None` when nobody looked. `sites`: the environment's site
    directories, where they are known already.
    """
    if not state:
        return None
    try:
        told = json.loads(read(state, SURVEYS, _file_name(environment)))
        # A file that a full disk cut short is no JSON: `ValueError`.
        if told["schema"] != _SCHEMA or told["survey"]["environment"] != environment:
            return None
        survey = _survey(told["survey"])
        if glance is not None and survey.glance != glance:
            return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    if sites is None:
        sites = installed.site_directories(environment)
    return survey if told["sight"] == _sight(environment, sites) else None


def _survey(told: dict[str, Any]) -> Survey:
    """Raises `TypeError` for what is not of the fields' types."""
    values: dict[str, Any] = {}
    for name, value in told.items():
        wanted = getattr(_EXAMPLE, name, None)
        values[name] = tuple(value) if isinstance(value, list) else value
        if type(values[name]) is not type(wanted):
            raise TypeError(name)
        if isinstance(value, list) and not all(isinstance(one, str) for one in value):
            raise TypeError(name)
    return Survey(**values)


def _sight(environment: str, sites: Sequence[str]) -> str:
    """What an environment looks like from outside its packages, in 16 digits."""
    told = "\0".join(_looks(environment, sites))
    return f"{fingerprint(os.fsencode(told)):016x}"


def _looks(environment: str, sites: Sequence[str]) -> Iterator[str]:
    yield _identity(environment)
    for site in sites:
        yield _identity(site)
        # Every installation and every removal makes or removes a name in here.
        yield str(_changed_at(site))
        for name in installed.names_in(site):
            if name.endswith(".dist-info"):
                yield name
                yield _how_linked(os.path.join(site, name, "METADATA"))


def _identity(directory: str) -> str:
    try:
        told = os.stat(directory)
    except OSError as error:
        return f"-{error.errno}"
    return f"{told.st_dev} {told.st_ino}"


def _changed_at(directory: str) -> float:
    """Seconds since the epoch, 0.0 when it cannot be told."""
    told = installed.status_of(directory)
    return told.st_mtime if told else 0.0


def _how_linked(path: str) -> str:
    """How METADATA is linked. The number of names matters only in being more than one."""
    try:
        told = os.lstat(path)
        if stat.S_ISLNK(told.st_mode):
            os.stat(path)  # a dangling link looks like an absent file
    except OSError as error:
        return f"-{error.errno}"
    return f"{told.st_ino} {told.st_nlink > 1}"


def _file_name(environment: str) -> str:
    return f"{SURVEYS.prefix}{fingerprint(os.fsencode(environment)):016x}"
