"""Which files were verified before, so that the next run reads only what has changed.

One private file for each environment or cache. It consists of windows: rows of one RECORD that were
verified together. Each has 16 bytes that stand for all its files in just the state that they were
in (zeros where one of them was not well), the number of its tokens, and the tokens: 16 bytes that
stand for one file in its state (`hashing.token_of`). A token says nothing about a path. What is
damaged counts as nothing.
"""

from __future__ import annotations

import contextlib
import os
from functools import cached_property
from typing import TYPE_CHECKING

from uvx_policy.fingerprint import fingerprint
from uvx_policy.state import files
from uvx_policy.state.layout import VERIFIED
from uvx_policy.state.reading import read

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEAD = b"linkpolicy-verified-v3\n"
_WIDTH = 16
_COUNT = 4
#: the token of a window with a file that was not well
NOT_WELL = bytes(_WIDTH)


class Memory:
    """What is remembered of one environment or cache, and what will be."""

    def __init__(self, content: bytes = b"") -> None:
        """`content`: of a file, b"" for nothing."""
        #: as it was found
        self.before = content
        self._windows = {token for token, _ in _windows(content)} - {NOT_WELL}
        self._kept: set[bytes] = set()
        self._new: list[bytes] = []

    def has_window(self, token: bytes) -> bool:
        """Tell whether all files of a window are as they were; then it stays remembered."""
        if token not in self._windows:
            return False
        self._kept.add(token)
        return True

    def has_file(self, token: bytes) -> bool:
        """Tell whether one file is as it was."""
        return token in self.files

    @cached_property
    def files(self) -> frozenset[bytes]:
        """The token of each file. Hardly ever needed: of 500,000 files they take 60 MB."""
        return frozenset(
            self.before[at : at + _WIDTH]
            for _, window in _windows(self.before)
            for at in range(window.start + _WIDTH + _COUNT, window.stop, _WIDTH)
        )

    def add(self, window: bytes, files: bytes) -> None:
        """Remember the token of a window, and those of its files one after the other."""
        if window == NOT_WELL and not files:
            return
        count = (len(files) // _WIDTH).to_bytes(_COUNT, "little")
        self._new.append(b"".join((window, count, files)))

    def content(self, *, complete: bool) -> bytes:
        """What a file shall hold. `complete`: what was not seen this time is gone."""
        kept = (
            self.before[window]
            for token, window in _windows(self.before)
            if token in self._kept or not complete
        )
        return b"".join((_HEAD, *kept, *self._new))


def _windows(content: bytes) -> Iterator[tuple[bytes, slice]]:
    """Give the token of each window, and where all of it stands; none of a damaged file."""
    at = len(_HEAD)
    found = []
    while at < len(content):
        count = int.from_bytes(content[at + _WIDTH : at + _WIDTH + _COUNT], "little")
        end = at + _WIDTH + _COUNT + count * _WIDTH
        found.append((content[at : at + _WIDTH], slice(at, end)))
        at = end
    if content.startswith(_HEAD) and at == len(content):
        yield from found


def load(state: str, owner: str) -> Memory:
    """What is remembered of an environment or cache (absolute path). Never raises."""
    if not state:
        return Memory()
    try:
        return Memory(read(state, VERIFIED, _name(owner)))
    except (OSError, ValueError):
        return Memory()


def save(state: str, owner: str, memory: Memory, *, complete: bool) -> None:
    """Keep this instead of what was kept before, if it is something else. Fails silently."""
    if not state:
        return
    content = memory.content(complete=complete)
    if content == (memory.before or _HEAD):
        return
    with contextlib.suppress(OSError, ValueError):
        files.write(state, VERIFIED, _name(owner), content)


def _name(owner: str) -> str:
    return f"{VERIFIED.prefix}{fingerprint(os.fsencode(owner)):016x}"
