"""Small facts that are dear to find out, remembered in the state directory between two calls.

One file for each fact, holding its whole key: its name is a checksum of the key and may collide.
A file is believed when it and its directory are ours alone (0600, 0700) and it is complete.
Nothing here ever raises: a fact that cannot be remembered is found out again.
"""

from __future__ import annotations

import os

from uvx_policy.fingerprint import fingerprint
from uvx_policy.state import files
from uvx_policy.state.layout import FACTS
from uvx_policy.state.reading import read

_FORMAT = b"linkpolicy-memory-v1\n"
_END = b"\nend\n"


def recall(state: str, kind: str, key: tuple[str, ...]) -> str | None:
    """Give the value that was remembered for exactly this `key`, `None` when there is none.

    `state` is `layout.state_home(...)` ("" remembers nothing), `kind` a short word of [a-z-].
    """
    if not state:
        return None
    try:
        content = read(state, FACTS, _file_name(kind, key))
    except (OSError, ValueError):
        return None
    head = _head(kind, key)
    if not content.startswith(head) or not content.endswith(_END):
        return None
    return _unescape(content[len(head) : -len(_END)])


def remember(state: str, kind: str, key: tuple[str, ...], value: str) -> None:
    """Keep `value` for `key`, instead of what was kept for it. Fails silently."""
    if not state:
        return
    try:
        content = _head(kind, key) + _escape(value) + _END
        files.write(state, FACTS, _file_name(kind, key), content, prefix=f"{kind}-")
    except (OSError, ValueError):
        pass


def _head(kind: str, key: tuple[str, ...]) -> bytes:
    lines = b"".join(b"key " + _escape(part) + b"\n" for part in key)
    return _FORMAT + b"kind " + _escape(kind) + b"\n" + lines + b"value "


def _escape(text: str) -> bytes:
    return os.fsencode(text.replace("\\", "\\\\").replace("\n", "\\n"))


def _unescape(line: bytes) -> str:
    return "\\".join(part.replace("\\n", "\n") for part in os.fsdecode(line).split("\\\\"))


def _file_name(kind: str, key: tuple[str, ...]) -> str:
    return f"{kind}-{fingerprint(_head(kind, key)):016x}"
