"""Which files were verified before, so that the next run reads only what has changed.

One private file for each environment or cache: a line, then 16 bytes for each file, a
`hashing.token_of`, in no order. A token says nothing about a path: it stands for an inode, the
state that it was in, and the digest that was found. What is damaged counts as nothing.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from uvx_policy import state_files
from uvx_policy.fingerprint import fingerprint

if TYPE_CHECKING:
    from collections.abc import Collection

#: directory below the state directory
DIRECTORY = "verified"
#: files of ours in it; the oldest go first
_MOST_OWNERS = 512
_HEAD = b"linkpolicy-verified-v1\n"
_WIDTH = 16
#: tokens that are kept for one owner: 16 MB on the disk, about 100 MB in memory
_MOST = 1_000_000


def load(state: str, owner: str) -> set[bytes]:
    """The tokens of an environment or cache (absolute path). Never raises."""
    if not state:
        return set()
    path = os.path.join(state, DIRECTORY, _name(owner))
    try:
        content = state_files.read(path, len(_HEAD) + _MOST * _WIDTH)
    except (OSError, ValueError):
        return set()
    if not content.startswith(_HEAD) or (len(content) - len(_HEAD)) % _WIDTH:
        return set()
    return {content[at : at + _WIDTH] for at in range(len(_HEAD), len(content), _WIDTH)}


def save(state: str, owner: str, tokens: Collection[bytes]) -> None:
    """Keep these tokens instead of those before. Fails silently."""
    if not state or len(tokens) > _MOST:
        return
    try:
        state_files.write(state, DIRECTORY, _name(owner), _HEAD + b"".join(tokens))
        state_files.forget_oldest(state, DIRECTORY, prefix=_PREFIX, most=_MOST_OWNERS)
    except (OSError, ValueError):
        pass


def forget(state: str) -> None:
    """Remove everything that was remembered. Fails silently."""
    if state:
        state_files.remove_directory(state, DIRECTORY)


_PREFIX = "verified-"


def _name(owner: str) -> str:
    return f"{_PREFIX}{fingerprint(os.fsencode(owner)):016x}"
