"""What is installed in an environment: its distributions, and the rows of their RECORD.

The formats are those of the packaging specifications ("Recording installed projects", "Binary
distribution format"). Nothing here is trusted: files may be missing, damaged, huge, or no files.
"""

from __future__ import annotations

import csv
import json
import os
import stat
from io import BufferedReader, FileIO, TextIOWrapper
from itertools import chain
from typing import TYPE_CHECKING

from uvx_policy.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: bytes of INSTALLER and direct_url.json that are read
_SMALL = 65536
#: characters of a RECORD that are read at a time
_BLOCK = 1 << 18
_COLUMNS = 3
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


class Row(Value):
    """One row of a RECORD."""

    #: as written, relative to the site directory: "/" between names, `..` possible
    path: str
    #: "sha256"; "" when there is no digest
    algorithm: str = ""
    #: base64 of RFC 4648 for URLs, without "="
    digest: str = ""
    #: bytes, `None` when not told
    size: int | None = None
    #: why the row is no good, "" when it is
    problem: str = ""


def site_directories(environment: str) -> tuple[str, ...]:
    """Directories that hold distributions, spelled from `environment` on. Never raises.

    `lib/pythonX.Y/site-packages` (`pypyX.Y`, ...), that of `lib64` unless it is the same, and
    `Lib/site-packages` of Windows; for `uv pip install --target` the directory itself.
    """
    found: dict[tuple[int, int], str] = {}
    for library in ("lib", "lib64", "Lib"):
        above = os.path.join(environment, library)
        for name in ("", *_names(above)):
            path = os.path.join(above, name, "site-packages")
            told = _status(path)
            if told is not None and stat.S_ISDIR(told.st_mode):
                # Windows may say inode 0 of all; there nothing else is the same twice.
                key = (told.st_dev, told.st_ino) if told.st_ino else (0, len(found))
                found.setdefault(key, path)
    if not found and any(name.endswith(".dist-info") for name in _names(environment)):
        return (environment,)
    return tuple(found.values())


def distributions(site: str, *, origins: bool = True) -> Iterator[Distribution]:
    """Each distribution that is installed in `site`, by name. Never raises.

    `origins`: read what INSTALLER and direct_url.json tell, too.
    """
    for name in _names(site):
        if name.endswith(_SUFFIXES):
            yield _distribution(site, name, origins=origins)


def record_rows(distribution: Distribution) -> Iterator[Row]:
    """Each row of the RECORD as it is read; none when there is no RECORD. Raises `OSError`.

    A row that is no good has `problem`, and as much else as can be told.
    """
    for fields in record_fields(distribution):
        yield row_of(fields)


def record_fields(distribution: Distribution) -> Iterator[list[str]]:
    """The same rows as they stand there, never empty: a `Row` costs 50 times as much to make.

    Lines that are no CSV are given as one field, "". Raises `OSError`.
    """
    if not distribution.record:
        return
    with _open(distribution.record) as stream:
        while lines := stream.readlines(_BLOCK):
            text = "".join(lines)
            if '"' in text or "\r" in text or max(map(len, lines)) > csv.field_size_limit():
                break
            # Nearly always: in half of the time that the reader takes.
            yield from [line.split(",") for line in text.split("\n") if line]
        yield from _parsed(chain(lines, stream))


def record_content(distribution: Distribution, most: int) -> bytes | None:
    """Its bytes, b"" when there is no RECORD, `None` for more than `most`. Raises `OSError`."""
    if not distribution.record:
        return b""
    with _open_file(distribution.record) as stream:
        size = os.fstat(stream.fileno()).st_size
        return stream.read() if size <= most else None


def _parsed(lines: Iterable[str]) -> Iterator[list[str]]:
    rows = csv.reader(lines)
    while True:
        # The reader goes on behind a NUL (before Python 3.11) or a field of 128 KiB.
        try:
            yield from filter(None, rows)
        except csv.Error:  # noqa: PERF203
            yield [""]
        else:
            return


def row_of(fields: list[str]) -> Row:
    """What one row says."""
    if len(fields) != _COLUMNS:
        return Row(path=fields[0], problem=f"{len(fields)} columns instead of {_COLUMNS}")
    path, digest, size = fields
    problem = ""
    if not path or "\0" in path:
        problem = "no path"
    algorithm, equals, value = digest.partition("=")
    if digest and not (algorithm and equals and value):
        problem, algorithm, value = f"no digest: {digest!r}", "", ""
    told = None
    if size.isascii() and size.isdecimal() and len(size) < 20:  # noqa: PLR2004 (2**64)
        told = int(size)
    elif size:
        problem = f"no size: {size!r}"
    return Row(path=path, algorithm=algorithm, digest=value, size=told, problem=problem)


def located(site: str, path: str) -> str:
    """Where the file of a row lies, spelled from `site` on; `path` as it stands there."""
    # Of 30,000 rows only those are normalized that need it: that takes as long as all else.
    return f"{site}/{path}" if is_plain(path) else os.path.normpath(os.path.join(site, path))


def is_plain(path: str) -> bool:
    """Tell whether a row's path needs nothing but the site directory in front of it."""
    return not (
        ".." in path or "//" in path or "./" in path or path.startswith("/") or os.sep != "/"
    )


def _distribution(site: str, directory: str, *, origins: bool) -> Distribution:
    path = os.path.join(site, directory)
    name, _, version = directory.rpartition(".")[0].partition("-")
    if directory.endswith(".egg-info"):
        return Distribution(name=name, version=version.partition("-")[0], dist_info=path, site=site)
    record = os.path.join(path, "RECORD")
    installer, url, editable = _origins(path) if origins else ("", "", False)
    return Distribution(
        name=name,
        version=version,
        dist_info=path,
        site=site,
        installer=installer,
        direct_url=url,
        editable=editable,
        record=record if _status(record) is not None else "",
    )


def _origins(dist_info: str) -> tuple[str, str, bool]:
    installer = _head(os.path.join(dist_info, "INSTALLER")).partition("\n")[0].strip()
    return (installer, *_direct_url(_head(os.path.join(dist_info, "direct_url.json"))))


def _direct_url(text: str) -> tuple[str, bool]:
    """The URL and whether it is editable: ("", False) when there is nothing, or no such JSON."""
    try:
        told = json.loads(text) if text else {}
        url = told.get("url", "")
        editable = told.get("dir_info", {}).get("editable", False)
    except (ValueError, AttributeError, RecursionError):
        return "", False
    return (url if isinstance(url, str) else "", editable is True)


def _head(path: str) -> str:
    try:
        with _open(path) as stream:
            return stream.read(_SMALL)
    except OSError:
        return ""


def _open(path: str) -> TextIOWrapper:
    """Open a regular file for reading as text that keeps every byte. Raises `OSError`."""
    return TextIOWrapper(
        BufferedReader(_open_file(path)), encoding="utf-8", errors="surrogateescape", newline=""
    )


def _open_file(path: str) -> FileIO:
    """Open a regular file for reading. Raises `OSError`."""
    # O_NONBLOCK: a FIFO of that name must not hang us.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(f"{path} is no file")
    return FileIO(handle)


def _status(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except (OSError, ValueError):
        return None


def _names(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except (OSError, ValueError):
        return []
