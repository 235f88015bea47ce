"""Which distributions are installed in an environment or unpacked in an archive.

The formats are those of the PyPA specifications "Recording installed projects" and "Direct URL".
Nothing is trusted: files may be missing, damaged, huge, or not files.
"""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING

from uvx_policy.foreign_file import read_foreign
from uvx_policy.installed.record import NAME
from uvx_policy.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterator

#: bytes of INSTALLER and direct_url.json that are read
_SMALL = 65536
_SUFFIXES = (".dist-info", ".egg-info")


class Distribution(Value):
    """One installed distribution, as the name of its `.dist-info` tells it."""

    #: as the directory's name has it, such as `Foo_Bar`
    name: str
    #: "" when the directory's name has none
    version: str
    #: absolute path of the `.dist-info`, or of an old `.egg-info`, which may be a file
    dist_info: str
    #: the directory that it is installed in
    site: str
    #: first line of INSTALLER: "uv", "pip"; "" when not told
    installer: str = ""
    #: "url" of direct_url.json, "" for what came from an index
    direct_url: str = ""
    editable: bool = False
    #: absolute path of RECORD, "" when there is none
    record: str = ""


def site_directories(environment: str) -> tuple[str, ...]:
    """Directories that hold distributions, spelled from `environment` on. Never raises.

    `lib/pythonX.Y/site-packages` (`pypyX.Y`, ...), that of `lib64` unless it is the same, and
    `Lib/site-packages` of Windows; for `uv pip install --target` the directory itself.
    """
    found: dict[tuple[int, int], str] = {}
    for library in ("lib", "lib64", "Lib"):
        above = os.path.join(environment, library)
        for name in ("", *names_in(above)):
            path = os.path.join(above, name, "site-packages")
            told = status_of(path)
            if told is not None and stat.S_ISDIR(told.st_mode):
                # Windows may say inode 0 of all; there nothing else is the same twice.
                key = (told.st_dev, told.st_ino) if told.st_ino else (0, len(found))
                found.setdefault(key, path)
    if not found and any(name.endswith(".dist-info") for name in names_in(environment)):
        return (environment,)
    return tuple(found.values())


def distributions(site: str, *, origins: bool = True) -> Iterator[Distribution]:
    """All in `site`, by name; `origins`: with INSTALLER and direct_url.json. Never raises."""
    for name in names_in(site):
        if name.endswith(_SUFFIXES):
            yield _distribution(site, name, origins=origins)


def at(dist_info: str) -> Distribution:
    """The distribution of an absolute path. Never raises."""
    return _distribution(*os.path.split(dist_info), origins=True)


def _distribution(site: str, directory: str, *, origins: bool) -> Distribution:
    path = os.path.join(site, directory)
    name, _, version = directory.rpartition(".")[0].partition("-")
    if directory.endswith(".egg-info"):
        return Distribution(name=name, version=version.partition("-")[0], dist_info=path, site=site)
    record = os.path.join(path, NAME)
    url, editable = _direct_url(path) if origins else ("", False)
    return Distribution(
        name=name,
        version=version,
        dist_info=path,
        site=site,
        installer=installer_of(path) if origins else "",
        direct_url=url,
        editable=editable,
        record=record if status_of(record) is not None else "",
    )


def installer_of(dist_info: str) -> str:
    """First line of INSTALLER in the `.dist-info` at this path, "" when not told. Never raises."""
    return _head(os.path.join(dist_info, "INSTALLER")).partition("\n")[0].strip()


def _direct_url(dist_info: str) -> tuple[str, bool]:
    """The URL and whether it is editable: ("", False) when there is nothing, or no such JSON."""
    text = _head(os.path.join(dist_info, "direct_url.json"))
    try:
        told = json.loads(text) if text else {}
        url = told.get("url", "")
        editable = told.get("dir_info", {}).get("editable", False)
    except (ValueError, AttributeError, RecursionError):
        return "", False
    return (url if isinstance(url, str) else "", editable is True)


def _head(path: str) -> str:
    try:
        return read_foreign(path, _SMALL, cut=True).decode("utf-8", "surrogateescape")
    except OSError:
        return ""


def status_of(path: str) -> os.stat_result | None:
    """What stat(2) says, `None` for what is not there or cannot be asked for. Never raises."""
    try:
        return os.stat(path)
    except (OSError, ValueError):
        return None


def names_in(directory: str) -> list[str]:
    """The names in a directory, in order; none when it cannot be listed. Never raises."""
    try:
        return sorted(os.listdir(directory))
    except (OSError, ValueError):
        return []
