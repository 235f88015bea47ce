"""The difference between a file and its original, as text for people."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from uvx_policy.verify.originals import Original, chunks

if TYPE_CHECKING:
    from collections.abc import Iterator

#: bytes and lines of one file that are compared: difflib takes 3 seconds for so many at worst
_MOST = 1 << 20
_MOST_LINES = 20_000
#: of so many first bytes, one NUL makes a file binary (as git does)
_TELLS = 8000


def difference(path: str, original: Original | None, label: str) -> str:
    """What changes `original` into the file at `path`: a unified diff, or a sentence. Never raises.

    `label`: how the file is called in it; `original` is `None` when none can be had. Each line ends
    with a newline; bytes that are no UTF-8 are kept as surrogates.
    """
    if original is None:
        return f"{label}: its original is nowhere to be found\n"
    try:
        before = _content(original)
    except OSError as error:
        return f"{label}: its original cannot be read: {error.strerror or error}\n"
    try:
        after = _content(Original(path=path))
    except FileNotFoundError:
        return f"{label}: it is missing\n"
    except (OSError, ValueError) as error:
        return f"{label}: it cannot be read: {getattr(error, 'strerror', '') or error}\n"
    if before is None or after is None:
        return f"{label}: it is too large to be compared line by line\n"
    if before == after:
        return ""
    if b"\0" in before[:_TELLS] or b"\0" in after[:_TELLS]:
        sizes = f"{len(after):,} bytes, {len(before):,} in the original"
        return f"{label}: binary files differ ({sizes})\n"
    if max(before.count(b"\n"), after.count(b"\n")) > _MOST_LINES:
        return f"{label}: it is too large to be compared line by line\n"
    return "".join(_unified(_lines(before), _lines(after), label))


def _content(original: Original) -> bytes | None:
    """All of it, `None` when it is too large. Raises `OSError`."""
    pieces = []
    size = 0
    for piece in chunks(original):
        size += len(piece)
        if size > _MOST:
            return None
        pieces.append(piece)
    return b"".join(pieces)


def _lines(content: bytes) -> list[str]:
    # Not `splitlines`: that of a `str` also breaks at form feeds and the like.
    lines = content.decode("utf-8", "surrogateescape").split("\n")
    return [*(f"{line}\n" for line in lines[:-1]), *filter(None, lines[-1:])]


def _unified(before: list[str], after: list[str], label: str) -> Iterator[str]:
    for line in difflib.unified_diff(before, after, f"{label} (original)", label):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
