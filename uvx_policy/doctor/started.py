"""Programs that a check starts, and asks later what came of them."""

from __future__ import annotations

import errno
import os
import subprocess
from typing import TYPE_CHECKING, TypeAlias

from uvx_policy.errors import Unreadable
from uvx_policy.value import Value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: seconds to wait for each; none needs more than 0.1 on a quiet machine
_PATIENCE = 10
#: no process can be started, whatever is in the file: files or processes or memory have run out
_FOR_WANT = (errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM)

#: a program that runs, or why it does not
Begun: TypeAlias = "subprocess.Popen[bytes] | OSError"


class Ended(Value):
    """What came of a program."""

    #: exit code, negative for a signal, `None` when it could not be started or did not end
    code: int | None
    #: what it said on stderr, or why it could not be started
    said: str


def begin(command: Sequence[str], *, environ: Mapping[str, str], cwd: str) -> Begun:
    """Start it, and wait for nothing. Only its stderr is kept."""
    try:
        return subprocess.Popen(
            command,
            env=environ,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
    except OSError as error:
        return error


def end(path: str, begun: Begun) -> Ended:
    """Wait for the program `path`, ten seconds at most; then it is killed.

    Raises `Unreadable` when no process could be started at all.
    """
    if isinstance(begun, OSError):
        if begun.errno in _FOR_WANT:
            raise Unreadable(path, f"it could not be started: {begun.strerror}")
        return Ended(code=None, said=begun.strerror or str(begun))
    with begun:
        try:
            said = os.fsdecode(begun.communicate(timeout=_PATIENCE)[1])
        except subprocess.TimeoutExpired:
            begun.kill()
            return Ended(code=None, said=f"it did not end within {_PATIENCE} seconds")
    return Ended(code=begun.returncode, said=said)
