"""RECORD: the only module that opens one.

The formats are those of the PyPA specifications "Recording installed projects" and "Binary
distribution format". Nothing in it is trusted: it may be absent, cut short, huge, or not a file.

A RECORD names itself and the METADATA and WHEEL beside it. One that does not was cut short by a
crash or a full disk, or published that way: nothing may be concluded from what it does not name.
"""

from __future__ import annotations

import csv
import io
import os
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from uvx_policy.foreign_file import read_foreign
from uvx_policy.installed.hash import NO_HASH, Hash
from uvx_policy.terminal.words import listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from uvx_policy.installed.distributions import Distribution

NAME = "RECORD"
#: what installers add to a `.dist-info`, each time anew; no wheel has them
BY_INSTALLERS = (
    "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json",
)  # fmt: skip
#: files of a `.dist-info` that are written for each environment anew, and are linked to nothing
WRITTEN_ANEW = frozenset((NAME, *BY_INSTALLERS))
#: how their paths in a RECORD end
WRITTEN_ANEW_ENDINGS = tuple(f".dist-info/{name}" for name in WRITTEN_ANEW)
#: what Python writes beside modules; a RECORD may name it, and nobody misses it
BYTECODE = (".pyc", ".pyo")
#: bytes: of the largest known, a tenth is reached
MOST = 64 << 20
COLUMNS = 3
#: digits of 2**64
_MOST_DIGITS = 20
_ALWAYS_NAMED = (NAME, "METADATA", "WHEEL")


class Row(NamedTuple):
    """One row."""

    #: as written, relative to the site directory: "/" between names, `..` possible
    path: str
    hash: Hash = NO_HASH
    #: bytes, `None` when not given
    size: int | None = None
    #: why the row is damaged, "" when it is not
    problem: str = ""


class RecordFile:
    """The content of one RECORD, read once."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def __iter__(self) -> Iterator[Row]:
        """Each row; a damaged one has `problem`, and as much else as can be understood."""
        return map(row_of, self.fields)

    @cached_property
    def text(self) -> str:
        """The content; bytes that are not UTF-8 are kept as surrogates."""
        return self.content.decode("utf-8", "surrogateescape")

    @cached_property
    def fields(self) -> list[list[str]]:
        """Rows as written, never empty (a `Row` takes five times as long); [""] for no CSV."""
        if '"' in self.text or "\r" in self.text or "\0" in self.text:
            return list(_parsed(self.text))
        # Nearly always: in half of the time that the reader takes.
        return [line.split(",") for line in self.text.split("\n") if line]

    @cached_property
    def whole(self) -> list[list[str]]:
        """Those of `fields` that have all columns, and a path."""
        if "\0" in self.text:
            return [row for row in self.fields if _is_whole(row)]
        return [row for row in self.fields if len(row) == COLUMNS and row[0]]

    def problem(self, dist_info: str) -> str:
        """Why it cannot be relied on, "" if it can. `dist_info`: path or name of its directory."""
        if not self.content.strip(b"\0 \r\n\t"):
            return "it is empty"
        damaged = len(self.fields) - len(self.whole)
        if damaged:
            first = next(row for row in self.fields if not _is_whole(row))
            verb = "is" if damaged == 1 else "are"
            return f"{damaged:,} of its rows {verb} damaged: {row_of(first).problem}"
        if not any(row[1] for row in self.fields):
            return "none of its rows has a hash"
        name = os.path.basename(dist_info)
        content = self.content.replace(b"\\", b"/")
        missing = [
            each
            for each in _ALWAYS_NAMED
            if f"{name}/{each}".encode("utf-8", "surrogateescape") not in content
        ]
        return f"it is truncated: it does not list its own {listed(missing)}" if missing else ""


def read(distribution: Distribution) -> RecordFile:
    """Read the RECORD of a distribution. Raises `OSError`, also when there is none."""
    return read_at(distribution.record or os.path.join(distribution.dist_info, NAME))


def read_at(path: str) -> RecordFile:
    """Read the RECORD at this path. Raises `OSError`: absent, not a file, too large."""
    return RecordFile(read_foreign(path, MOST))


def hashes_at(path: str, tree: str) -> dict[str, Hash]:
    """Absolute path -> hash, of all rows that have one, for a RECORD of `tree`. Never raises."""
    try:
        rows = list(read_at(path))
    except OSError:
        return {}
    return {located(tree, row.path): row.hash for row in rows if row.hash and row.path}


def _is_whole(fields: list[str]) -> bool:
    return len(fields) == COLUMNS and bool(fields[0]) and "\0" not in fields[0]


def row_of(fields: list[str]) -> Row:
    """What one row says."""
    if len(fields) != COLUMNS:
        return Row(fields[0], problem=f"{len(fields)} columns instead of {COLUMNS}")
    path, hash_text, size_text = fields
    problem = "" if _is_whole(fields) else "no path"
    try:
        found = Hash.parse(hash_text)
    except ValueError as error:
        problem, found = str(error), NO_HASH
    size = None
    if size_text.isascii() and size_text.isdecimal() and len(size_text) < _MOST_DIGITS:
        size = int(size_text)
    elif size_text:
        problem = f"not a size: {size_text!r}"
    return Row(path, found, size, problem)


def located(site: str, path: str) -> str:
    """Where the file of a row lies, spelled from `site` on; `path` as it is written."""
    # Of 30,000 rows only those are normalized that need it: that takes as long as all else.
    return f"{site}/{path}" if is_plain(path) else os.path.normpath(os.path.join(site, path))


def is_plain(path: str) -> bool:
    """Tell whether a row's path needs nothing but the site directory in front of it."""
    return not (
        ".." in path or "//" in path or "./" in path or path.startswith("/") or os.sep != "/"
    )


def corrected(content: bytes, tree: str, rows: Mapping[str, Row]) -> bytes:
    """The same RECORD with other hashes and sizes; every other byte stays as it is.

    `rows`: absolute path of a file -> what its row shall say; `tree`: the directory that the paths
    in the RECORD are relative to. A row that spans several lines is left as it is.
    """
    lines = io.StringIO(content.decode("utf-8", "surrogateescape"), newline="")
    text = "".join(_corrected_line(line, tree, rows) for line in lines)
    return text.encode("utf-8", "surrogateescape")


def written(rows: Iterable[Row]) -> bytes:
    """A RECORD with these rows."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows((row.path, row.hash, row.size) for row in rows)
    return text.getvalue().encode("utf-8", "surrogateescape")


def _corrected_line(line: str, tree: str, rows: Mapping[str, Row]) -> str:
    body = line.rstrip("\r\n")
    try:
        fields = next(csv.reader([body]), [])
    except csv.Error:
        return line
    row = rows.get(located(tree, fields[0])) if fields and "\0" not in fields[0] else None
    if row is None:
        return line
    corrected_row = written([row._replace(path=fields[0])]).decode("utf-8", "surrogateescape")
    return corrected_row.rstrip("\n") + line[len(body) :]


def _parsed(text: str) -> Iterator[list[str]]:
    rows = csv.reader(io.StringIO(text, newline=""))
    while True:
        # The reader goes on behind a NUL (before Python 3.11) or a field of 128 KiB.
        try:
            yield from filter(None, rows)
        except csv.Error:  # noqa: PERF203
            yield [""]
        else:
            return
