"""Where what programs and browsers read is written: to stdout, or to a file of the user's."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from uvx_policy.errors import CannotWrite
from uvx_policy.state import user_file
from uvx_policy.state.user_file import NotEditable
from uvx_policy.terminal.console import Console

if TYPE_CHECKING:
    from uvx_policy.state.user_file import Snapshot

#: means stdout
DASH = "-"


def to_stdout(text: str) -> None:
    """Print in UTF-8, whatever the terminal's encoding."""
    sys.stdout.buffer.write(text.encode())
    sys.stdout.flush()


def target(path: str) -> Snapshot:
    """The file as it is now, before anything is counted for it. Raises `CannotWrite`."""
    if path == DASH:
        return user_file.Snapshot(path, path, None)
    try:
        snapshot = user_file.read(path)
        user_file.check_editable(snapshot)
    except NotEditable as error:
        raise CannotWrite(path, str(error)) from error
    if not os.path.isdir(os.path.dirname(snapshot.real_path)):
        raise CannotWrite(path, "its directory does not exist")
    return snapshot


def write(text: str, snapshot: Snapshot) -> None:
    """Put the text in place of what `target` gave. Raises `CannotWrite`."""
    if snapshot.path == DASH:
        to_stdout(text)
        return
    try:
        user_file.write(snapshot, text.encode())
    except NotEditable as error:
        raise CannotWrite(snapshot.path, str(error)) from error
    Console().say(f"Wrote {snapshot.path}")
