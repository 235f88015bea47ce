"""The value `Path` of the registry: our directory in front, and out again, byte for byte. Pure.

The value says itself what `without` must know, so that uninstalling is exact even when our record
of it is lost: in front of a value stands our directory and `;`, even if it is empty; the directory
alone stands where there was no value.

Entries are what uv and every shell take for entries: a `;` between quotes separates nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from uvx_policy.errors import LinkPolicyError
from uvx_policy.windows.user_environment import REG_EXPAND_SZ, REG_SZ, Stored

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: characters of an environment variable, its end included (SetEnvironmentVariableW): of a longer
#: one nothing reaches a process
LONGEST = 32_767

_CODEC = ("utf-16-le", "surrogatepass")
_END = "\0".encode(*_CODEC)


class UnsuitableDirectory(LinkPolicyError, ValueError):
    """A directory that cannot be an entry of Path."""


class NotText(LinkPolicyError):
    """The value is of another type, or cut in the middle of a character."""


class Entry(NamedTuple):
    """One entry of a search path."""

    #: as it is spelled there
    text: str
    #: the directory that it names: no quotes, variables expanded
    directory: str


def with_first(stored: Stored | None, directory: str) -> Stored:
    """The value with our directory in front, and nowhere else. `None`: there is none yet.

    The type stays what it was. Raises `NotText` and `UnsuitableDirectory`. Idempotent.
    """
    _check(directory)
    rest = without(stored, directory)
    if rest is None:
        kind = REG_EXPAND_SZ if stored is None else stored.kind
        return Stored(kind, directory.encode(*_CODEC) + _END)
    data = f"{directory};".encode(*_CODEC) + rest.data
    return Stored(rest.kind, data if data.endswith(_END) else data + _END)


def without(stored: Stored | None, directory: str) -> Stored | None:
    """The value without our directory as `with_first` spells it. Raises `NotText`."""
    if stored is None:
        return None
    text, end = _split(stored)
    if text == directory:
        return None
    parts = _parts(text)
    while directory in parts:
        at = parts.index(directory)
        del parts[at]
        if not parts:
            return None
    return Stored(stored.kind, ";".join(parts).encode(*_CODEC) + end)


def entries(stored: Stored | None, environ: Mapping[str, str]) -> Iterator[Entry]:
    """The entries that name something, in order. Raises `NotText`.

    `environ`: what `%NAME%` stands for, where the type is the one that has such.
    """
    if stored is None:
        return
    for part in _parts(_split(stored)[0]):
        directory = part.replace('"', "")
        if stored.kind == REG_EXPAND_SZ:
            directory = expanded(directory, environ)
        if directory:
            yield Entry(part, directory)


def is_first(stored: Stored | None, directory: str, environ: Mapping[str, str]) -> bool:
    """Is the first entry our directory, however it is spelled? Raises `NotText`."""
    first = next(entries(stored, environ), None)
    return first is not None and same(first.directory, directory)


def same(one: str, other: str) -> bool:
    """Do these name the same directory, as Windows compares names?"""
    return _plain(one) == _plain(other)


def length(machine: Stored | None, user: Stored | None, environ: Mapping[str, str]) -> int:
    """Characters of the PATH that a session gets from both, its end included."""
    both = [entry.directory for each in (machine, user) for entry in entries(each, environ)]
    return len(";".join(both).encode(*_CODEC)) // 2 + 1


def text_of(stored: Stored | None) -> str:
    """The value as people read it, "" for none. Raises `NotText`."""
    return "" if stored is None else _split(stored)[0]


def expanded(text: str, environ: Mapping[str, str]) -> str:
    """As ExpandEnvironmentStringsW: an unknown variable stays as it is."""
    known = {name.casefold(): value for name, value in environ.items()}
    done, *rest = text.split("%")
    # A variable ended right before: this `%` was its end.
    ended = False
    for index, part in enumerate(rest, start=1):
        value = None if ended or index == len(rest) else known.get(part.casefold())
        done += part if ended else f"%{part}" if value is None else value
        ended = value is not None
    return done


def _check(directory: str) -> None:
    for character in ';"':
        if character in directory:
            raise UnsuitableDirectory(
                f"`{directory}` cannot be on Path: `{character}` separates or quotes its entries"
            )
    if directory.count("%") > 1:
        raise UnsuitableDirectory(
            f"`{directory}` cannot be on Path: what stands between two `%` is taken for a variable"
        )


def _split(stored: Stored) -> tuple[str, bytes]:
    """The text, and the bytes from its end on. Raises `NotText`."""
    if stored.kind not in (REG_SZ, REG_EXPAND_SZ):
        raise NotText(f"is no text but a value of type {stored.kind}")
    data = stored.data
    if len(data) % 2:
        raise NotText("ends in the middle of a character")
    units = (data[at : at + 2] for at in range(0, len(data), 2))
    end = next((2 * number for number, unit in enumerate(units) if unit == _END), len(data))
    return data[:end].decode(*_CODEC), data[end:]


def _parts(text: str) -> list[str]:
    """The entries as they are spelled, empty ones as well: `";".join` makes the text again."""
    parts = text.split(";")
    if text.count('"') % 2:  # whoever reads it, nobody knows what is meant
        return parts
    joined: list[str] = []
    for part in parts:
        if joined and joined[-1].count('"') % 2:
            joined[-1] += f";{part}"
        else:
            joined.append(part)
    return joined


def _plain(directory: str) -> str:
    return directory.replace("/", "\\").rstrip("\\").casefold()
