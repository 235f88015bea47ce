"""Words of every report: sizes, counts, ages, paths and lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvx_policy.safe import safe

if TYPE_CHECKING:
    from collections.abc import Iterable

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
_THOUSAND = 1000
_ONE_DIGIT = 9.95
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


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


def count(number: int, noun: str) -> str:
    """`1 file`, `1,234 files`, `2 entries`, `0 crashes`."""
    return f"{number:,} {noun if number == 1 else _plural(noun)}"


def _plural(noun: str) -> str:
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith(("sh", "ch")) else f"{noun}s"


def verb(number: int, one: str, many: str) -> str:
    """`one` for one thing, `many` for none and for more: `verb(2, "is", "are")`."""
    return one if number == 1 else many


def listed(items: Iterable[str], most: int = 3) -> str:
    """`a`, `a and b`, `a, b and c`, `a, b, c and 4 more`."""
    every = list(items)
    *before, last = every if len(every) <= most else [*every[:most], f"{len(every) - most:,} more"]
    return f"{', '.join(before)} and {last}" if before else last


def path(name: str, home: str) -> str:
    """A path with `~` for the home directory, safe to show."""
    if home and home != "/" and (name == home or name.startswith((f"{home}/", f"{home}\\"))):
        name = f"~{name[len(home) :]}"
    return safe(name)


def user(uid: int) -> str:
    """The name of a user, or the number."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def age(seconds: float) -> str:
    """How long ago, roughly: `just now`, `5 minutes ago`, `3 days ago`."""
    for length, noun in ((_DAY, "day"), (_HOUR, "hour"), (_MINUTE, "minute")):
        number = int(seconds // length)
        if number > 0:
            return f"{count(number, noun)} ago"
    return "just now"


def cells(text: str) -> int:
    """How many cells of a terminal the text takes."""
    if text.isascii():
        return len(text)
    from unicodedata import category, east_asian_width

    return sum(
        0 if category(char) in ("Mn", "Me") else 2 if east_asian_width(char) in "WF" else 1
        for char in text
    )


def shorten(text: str, width: int, sign: str) -> str:
    """At most `width` cells: of a path its end tells more than its beginning.

    Cut between two names where that leaves the last one whole.
    """
    if cells(text) <= width:
        return text
    room = width - cells(sign)
    if room <= 0:
        return sign[:width]
    while text and cells(text) > room:
        text = text[1:]
    return f"{sign}{text[max(text.find('/'), 0) :]}"
