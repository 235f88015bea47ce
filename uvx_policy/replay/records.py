"""Find the record of a call and see whether all its witnesses still hold.

A record is a file in the state directory, named by the fingerprint of its key. It consists of
fields, each ended by a NUL, which no path, word or variable can hold:

    linkpolicy-decision-v1
    k<length of the key>
    <the key>
    a<word>                     a word to append to uv's
    e<NAME>=<value>             a variable to set
    w<token>=<sight> <path>     a witness (`replay.witness`)
    .

The launcher reads the same files (`shims/launcher.c`).
"""

from __future__ import annotations

from uvx_policy.edits import Edits
from uvx_policy.fingerprint import fingerprint
from uvx_policy.minimal_os import os
from uvx_policy.replay.witness import Witnesses, look
from uvx_policy.state.layout import DECISIONS
from uvx_policy.state.reading import read
from uvx_policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


_FORMAT = b"linkpolicy-decision-v1"
_END = b"."


class Decided(Value):
    """What a record says."""

    edits: Edits
    #: (token, path, sight)
    witnesses: tuple[tuple[bytes, bytes, bytes], ...]

    def changed(self) -> Iterator[bytes]:
        """Give the path of each witness that sees something else now."""
        for token, path, sight in self.witnesses:
            if look(os.fsdecode(token), path).encode() != sight:
                yield path


def replay(state: str, key: bytes) -> Edits | None:
    """What was decided for this key, if nothing has changed since; `None`: decide afresh."""
    found = find(state, key)
    if found is None or any(True for _ in found.changed()):
        return None
    return found.edits


def find(state: str, key: bytes) -> Decided | None:
    """Read the record of this key, unchecked; `None` when there is none that can be used."""
    if not state or not key:
        return None
    try:
        return _parse(read(state, DECISIONS, file_name(key)), key)
    except (OSError, ValueError):
        return None


def file_name(key: bytes) -> str:
    """Name of this key's record."""
    return f"{fingerprint(key):016x}"


def render(key: bytes, edits: Edits, witnesses: Witnesses) -> bytes:
    """The content of a record."""
    seen = [f"w{token}={sight} {path}" for token, path, sight in witnesses.needed()]
    body = render_edits(edits) + _fields(seen)
    return b"%b\0k%d\0%b%b%b\0" % (_FORMAT, len(key), key, body, _END)


def render_edits(edits: Edits) -> bytes:
    """Words and variables as they stand in a record."""
    fields = [f"a{word}" for word in edits.words]
    fields += [f"e{name}={value}" for name, value in edits.variables.items()]
    return _fields(fields)


def _fields(fields: list[str]) -> bytes:
    return os.fsencode("".join(f"{field}\0" for field in fields))


def _parse(content: bytes, key: bytes) -> Decided | None:
    head = b"%b\0k%d\0%b" % (_FORMAT, len(key), key)
    tail = b"\0%b\0" % _END
    if not content.startswith(head) or not content.endswith(tail):
        return None
    words = []
    variables = {}
    witnesses = []
    body = content[len(head) : 1 - len(tail)]
    for field in body.split(b"\0")[:-1]:
        tag, rest = field[:1], field[1:]
        if tag == b"a":
            words.append(os.fsdecode(rest))
        elif tag == b"e":
            name, _, value = os.fsdecode(rest).partition("=")
            variables[name] = value
        elif tag == b"w":
            seen, _, path = rest.partition(b" ")
            token, _, sight = seen.partition(b"=")
            witnesses.append((token, path, sight))
        else:
            return None
    return Decided(edits=Edits(variables=variables, words=tuple(words)), witnesses=tuple(witnesses))
