"""The edits that `repair` saved: what is there, and what a file would be with one applied again."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

from uvx_policy.errors import LinkPolicyError
from uvx_policy.foreign_file import read_foreign
from uvx_policy.repair.backup import MANIFEST
from uvx_policy.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterator

#: bytes of a manifest, and of a file that a difference is applied to
_LONGEST_MANIFEST = 64 << 20
_LONGEST_FILE = 16 << 20
_HUNK = re.compile(rb"@@ -(\d+)(?:,(\d+))? \+\d+(?:,\d+)? @@")
#: lines that a hunk may have moved, up or down
_FARTHEST = 10_000


class SavedFile(Value):
    """One file of a saved edit."""

    #: absolute path of what was saved
    path: str
    #: absolute path of the difference from the original, "" when there is none
    difference: str
    #: such as "rich-15.0.0"
    distribution: str
    #: as in the RECORD of the distribution
    name: str
    #: absolute paths where the edit was found
    found_at: tuple[str, ...]


class SavedEdits(Value):
    """What one repair saved."""

    #: absolute path of the directory
    directory: str
    #: seconds since the epoch
    time: float
    files: tuple[SavedFile, ...]


class DoesNotApply(LinkPolicyError):
    """A file is too different for the edit. `str()` says why, without the path."""


def every(directory: str) -> list[SavedEdits]:
    """All of them, the newest first; damaged ones are left out. Never raises.

    `directory`: where `repair` saves them.
    """
    try:
        names = os.listdir(directory)
    except OSError:
        return []
    found = [each for name in names if (each := _read(os.path.join(directory, name)))]
    return sorted(found, key=lambda each: (-each.time, each.directory))


def _read(directory: str) -> SavedEdits | None:
    path = os.path.join(directory, MANIFEST)
    try:
        manifest = json.loads(read_foreign(path, _LONGEST_MANIFEST))
        files = tuple(_file(directory, row) for row in manifest["edits"])
        return SavedEdits(directory=directory, time=os.stat(path).st_mtime, files=files)
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def _file(directory: str, row: dict[str, Any]) -> SavedFile:
    saved = str(row["saved"])
    distribution, _, name = saved.partition("/")
    return SavedFile(
        path=os.path.join(directory, saved),
        difference=os.path.join(directory, str(row["diff"])) if row["diff"] else "",
        distribution=distribution,
        name=name,
        found_at=tuple(map(str, row["from"])),
    )


def content_of(path: str) -> bytes:
    """The bytes of a file. Raises `OSError`, also for what is not a file or too large."""
    return read_foreign(path, _LONGEST_FILE)


def applied(saved: SavedFile, current: bytes, *, is_original: bool) -> bytes:
    """What a file that holds `current` is with the edit. Raises `OSError`, `DoesNotApply`.

    `is_original`: `current` is the very content that was edited. Otherwise the difference is
    applied to it, as patch(1) does: each hunk where its old lines are, near the line that it names.
    """
    edited = content_of(saved.path)
    if is_original or current == edited:
        return edited
    if not saved.difference:
        raise DoesNotApply("the file has another version, and the edit was saved without a diff")
    hunks = list(_hunks(content_of(saved.difference)))
    if not hunks:
        raise DoesNotApply("the file has another version, and the edit cannot be shown as a diff")
    return _patched(current, hunks)


def _hunks(difference: bytes) -> Iterator[tuple[int, list[bytes], list[bytes]]]:
    """Number of the first line (from 0), the old lines and the new ones of each hunk."""
    lines = difference.split(b"\n")[:-1]
    at = 0
    while at < len(lines):
        head = _HUNK.match(lines[at])
        at += 1
        if head is None:
            continue
        old: list[bytes] = []
        new: list[bytes] = []
        last: tuple[list[bytes], ...] = ()
        while at < len(lines) and not _HUNK.match(lines[at]):
            sign, text = lines[at][:1], lines[at][1:] + b"\n"
            if sign == b"\\":  # "No newline at end of file", of the line above
                for side in last:
                    side[-1] = side[-1][:-1]
            last = {b"-": (old,), b"+": (new,), b" ": (old, new)}.get(sign, ())
            for side in last:
                side.append(text)
            at += 1
        first = int(head[1])
        yield (first if head[2] == b"0" else first - 1), old, new


def _patched(current: bytes, hunks: list[tuple[int, list[bytes], list[bytes]]]) -> bytes:
    lines = _lines(current)
    moved = 0
    for first, old, new in hunks:
        at = _place(lines, old, first + moved)
        lines[at : at + len(old)] = new
        moved = at - first + len(new) - len(old)
    return b"".join(lines)


def _place(lines: list[bytes], old: list[bytes], wanted: int) -> int:
    """Where the old lines are, the nearest to `wanted`."""
    for distance in range(min(len(lines), _FARTHEST) + 1):
        for at in dict.fromkeys((wanted + distance, wanted - distance)):
            if at >= 0 and lines[at : at + len(old)] == old:
                return at
    raise DoesNotApply("the lines that the edit changed are not in the file any more")


def _lines(content: bytes) -> list[bytes]:
    # Not `splitlines`: a lone carriage return does not end a line of a diff.
    *whole, rest = content.split(b"\n")
    return [*(line + b"\n" for line in whole), *filter(None, [rest])]
