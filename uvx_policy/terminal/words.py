"""Numbers, paths and bars as people read them, in whatever the terminal can show."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from rich.text import Text

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
_THOUSAND = 1000
_ONE_DIGIT = 9.95
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


class Signs(NamedTuple):
    """What stands for what; `PLAIN` where the output cannot encode the others."""

    shared: str = "█"
    save: str = "▒"
    private: str = "░"
    at_least: str = "≥"
    at_most: str = "≤"
    cut: str = "…"
    rule: str = "─"


PLAIN = Signs("#", "+", ".", ">=", "<=", "...", "-")


def signs_for(encoding: str) -> Signs:
    """The signs that this encoding knows."""
    try:
        "".join(Signs()).encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return PLAIN
    return Signs()


def size(count: int) -> str:
    """Bytes in decimal units, as `ls --si` has them: `0`, `812 B`, `4.1 kB`, `309 MB`."""
    if not count:
        return "0"
    value, unit = float(count), 0
    while value >= _THOUSAND - 0.5 and unit < len(_UNITS) - 1:
        value /= _THOUSAND
        unit += 1
    digits = 1 if unit and value < _ONE_DIGIT else 0
    return f"{value:.{digits}f} {_UNITS[unit]}"


def bar(width: int, signs: Signs, *, shared: int, save: int, private: int) -> Text:
    """Shared against private bytes; `save` is a part of `private`. Empty when both are 0.

    What is there at all gets a cell.
    """
    from rich.text import Text  # slow to import, and nothing for --json

    total = shared + private
    if not total or width <= 0:
        return Text("")
    left = _cells(shared, total, width)
    middle = min(_cells(save, total, width), width - left)
    return Text.assemble(
        (signs.shared * left, "green"),
        (signs.save * middle, "yellow"),
        (signs.private * (width - left - middle), "dim"),
    )


def _cells(part: int, total: int, width: int) -> int:
    if part <= 0:
        return 0
    if part >= total:
        return width
    return min(max(round(part / total * width), 1), width - 1)


def path(name: str, home: str) -> str:
    """A path with `~` for the home directory; nothing in it moves the cursor."""
    if home and home != "/" and (name == home or name.startswith(home + os.sep)):
        name = f"~{name[len(home) :]}"
    return harmless(name)


def harmless(text: str) -> str:
    """The text with control characters written out. Bytes that are no UTF-8 stay what they are."""
    return "".join(
        char if char.isprintable() or "\udc80" <= char <= "\udcff" else ascii(char)[1:-1]
        for char in text
    )


def shorten(text: str, width: int, sign: str) -> str:
    """At most `width` cells: of a path its end tells more than its beginning.

    Cut between two names where that leaves the last one whole.
    """
    from rich.cells import cell_len

    if cell_len(text) <= width:
        return text
    room = width - cell_len(sign)
    if room <= 0:
        return sign[:width]
    while text and cell_len(text) > room:
        text = text[1:]
    separator = text.find(os.sep)
    return f"{sign}{text[max(separator, 0) :]}"


def encodable(text: str, encoding: str) -> str:
    """The text without what this encoding does not know: `?` stands for it."""
    try:
        text.encode(encoding, "surrogateescape")
    except (UnicodeEncodeError, LookupError):
        return "".join(char if _can(char, encoding) else "?" for char in text)
    return text


def _can(char: str, encoding: str) -> bool:
    try:
        char.encode(encoding, "surrogateescape")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def age(seconds: float) -> str:
    """How long ago, roughly: `just now`, `5 minutes ago`, `3 days ago`."""
    for length, name in ((_DAY, "day"), (_HOUR, "hour"), (_MINUTE, "minute")):
        count = int(seconds // length)
        if count > 0:
            return f"{count} {name}{'s' if count != 1 else ''} ago"
    return "just now"
