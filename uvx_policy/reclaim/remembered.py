"""Where files lie whose extents were looked at: on some file systems it takes long to ask.

A file is known by its file system, inode, size and times, as long as none of these changes. Whoever
moves blocks without changing the file (a defragmentation) takes a saving away that is not noticed.
"""

from __future__ import annotations

import contextlib
from array import array
from bisect import bisect_left
from typing import TYPE_CHECKING

from uvx_policy.installed.distinct import file_system_of
from uvx_policy.installed.extents import extents_of
from uvx_policy.state import files
from uvx_policy.state.layout import RECLAIMED
from uvx_policy.state.reading import read

if TYPE_CHECKING:
    import os

    from uvx_policy.installed.extents import Extent

_HEAD = b"linkpolicy reclaimed 1\n\0"
#: files that are remembered: 16 bytes each
_MOST = RECLAIMED.longest // 16 - 2
#: what is known of a file whose place is not
UNKNOWN = 0
_64_BITS = 2**64 - 1


class Remembered:
    """What is known of the files of all file systems."""

    def __init__(self, state: str) -> None:
        """`state`: the state directory, "" for none. Never raises."""
        self._state = state
        #: in order, and the place of each
        self._tokens = array("Q")
        self._places = array("Q")
        #: what this run has found out: token, place
        self.found = array("Q")
        #: `st_dev` -> what stays the same when the computer starts again
        self._file_systems: dict[int, int] = {}
        with contextlib.suppress(OSError, ValueError):
            self._load(read(state, RECLAIMED, RECLAIMED.prefix) if state else b"")

    def token(self, status: os.stat_result, path: str) -> int:
        """What a file is known by in just this state. `path`: some path on its file system."""
        device = status.st_dev
        number = self._file_systems.get(device)
        if number is None:
            number = device
            with contextlib.suppress(OSError):
                number = file_system_of(path, device)
            self._file_systems[device] = number
        told = (number, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        return hash(told) & _64_BITS

    def place(self, token: int) -> int:
        """A number for where a file lies, `UNKNOWN` where that is not remembered."""
        at = bisect_left(self._tokens, token)
        if at < len(self._tokens) and self._tokens[at] == token:
            return self._places[at]
        return UNKNOWN

    def look(self, path: str, token: int) -> tuple[int, bool]:
        """Ask where a file lies, and whether it shares any of that. Raises `OSError`."""
        extents = extents_of(path)
        place = place_of(extents)
        if place != UNKNOWN:
            self.found.extend((token, place))
        return place, bool(extents and any(each.is_shared for each in extents))

    def save(self) -> None:
        """Keep what was found out, and what was known before, as long as there is room."""
        if not (self._state and self.found):
            return
        found_tokens, found_places = self.found[::2], self.found[1::2]
        if len(found_tokens) + len(self._tokens) > _MOST:
            self._tokens, self._places = array("Q"), array("Q")
        # Of several the last counts. Each as one number, to be sorted: a dictionary of a million
        # files would take ten times as much memory.
        every = self._tokens + found_tokens
        last = len(every) - 1
        rows = [token << 64 | last - number for number, token in enumerate(every)]
        rows.sort()
        every_place = self._places + found_places
        tokens, places = array("Q"), array("Q")
        for row in rows:
            token = row >> 64
            if (not tokens or tokens[-1] != token) and len(tokens) < _MOST:
                tokens.append(token)
                places.append(every_place[last - (row & _64_BITS)])
        content = b"".join((_HEAD, tokens.tobytes(), places.tobytes()))
        with contextlib.suppress(OSError, ValueError):
            files.write(self._state, RECLAIMED, RECLAIMED.prefix, content)

    def _load(self, content: bytes) -> None:
        body = content[len(_HEAD) :]
        if content.startswith(_HEAD) and not len(body) % 16:
            self._tokens.frombytes(body[: len(body) // 2])
            self._places.frombytes(body[len(body) // 2 :])


def place_of(extents: list[Extent] | None) -> int:
    """A number for where a file lies: two files of the same bytes with one number share them."""
    if not extents or not all(each.is_placed for each in extents):
        return UNKNOWN
    pieces = [(extents[0].physical, extents[0].length)]
    for each in extents[1:]:
        start, length = pieces[-1]
        if start + length == each.physical:
            pieces[-1] = (start, length + each.length)
        else:
            pieces.append((each.physical, each.length))
    return hash(tuple(pieces)) & _64_BITS or 1
