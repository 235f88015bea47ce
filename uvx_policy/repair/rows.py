"""Put rows of a RECORD back to what the wheel said, and leave every other byte as it is."""

from __future__ import annotations

import csv
import io
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from uvx_policy.installed.distributions import Row


def corrected(text: str, tree: str, rows: Mapping[str, Row]) -> str:
    """The text of a RECORD with other hashes and sizes.

    `rows`: absolute path of a file -> what its row shall say; `tree`: the directory that the paths
    in the RECORD are relative to. A row that spans several lines is left as it is.
    """
    return "".join(_corrected_line(line, tree, rows) for line in io.StringIO(text, newline=""))


def _corrected_line(line: str, tree: str, rows: Mapping[str, Row]) -> str:
    body = line.rstrip("\r\n")
    try:
        fields = next(csv.reader([body]), [])
    except csv.Error:
        return line
    row = rows.get(os.path.normpath(os.path.join(tree, fields[0]))) if fields else None
    if row is None:
        return line
    size = "" if row.size is None else str(row.size)
    written = io.StringIO()
    csv.writer(written, lineterminator="").writerow(
        [fields[0], f"{row.algorithm}={row.digest}", size]
    )
    return written.getvalue() + line[len(body) :]
