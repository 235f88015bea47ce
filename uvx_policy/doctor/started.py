"""Programs that a check starts, and asks later what came of them."""

from __future__ import annotations

import errno
import os
import subprocess
import tempfile
from typing import TYPE_CHECKING, TypeAlias

from uvx_policy.errors import Unreadable
from uvx_policy.value import Value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import IO

#: What is started may be another manager's shim, or lead to one: mise and proto install on first
#: use unless they are told not to.
_INSTALLS_NOTHING = {
    "MISE_AUTO_INSTALL": "false",
    "MISE_EXEC_AUTO_INSTALL": "false",
    "MISE_NOT_FOUND_AUTO_INSTALL": "false",
    "PROTO_AUTO_INSTALL": "false",
}
#: seconds to wait for each; none needs more than 0.1 on a quiet machine
_PATIENCE = 10
#: no process can be started, whatever is in the file: files or processes or memory have run out
_FOR_WANT = (errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM)

#: a program that runs and what it says on stderr, or why it does not
Begun: TypeAlias = "tuple[subprocess.Popen[bytes], IO[bytes]] | OSError"


class Ended(Value):
    """What came of a program."""

    #: exit code, negative for a signal, `None` when it could not be started or did not end
    code: int | None
    #: what it said on stderr, or why it could not be started
    said: str


def begin(command: Sequence[str], *, environ: Mapping[str, str], cwd: str) -> Begun:
    """Start it, and wait for nothing. Only its stderr is kept."""
    # A file, not a pipe: whoever still runs when nobody listens any more can go on.
    said = tempfile.TemporaryFile()  # noqa: SIM115 (`end` closes it)
    try:
        begun = subprocess.Popen(
            command,
            env={**environ, **_INSTALLS_NOTHING},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
        )
    except OSError as error:
        said.close()
        return error
    return begun, said


def end(path: str, begun: Begun) -> Ended:
    """Wait for the program `path`, ten seconds at most; it is never killed: it may be at work.

    Raises `Unreadable` when no process could be started at all.
    """
    if isinstance(begun, OSError):
        if begun.errno in _FOR_WANT:
            raise Unreadable(path, f"it could not be started: {begun.strerror}")
        return Ended(code=None, said=begun.strerror or str(begun))
    process, stream = begun
    with stream:
        try:
            code = process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            return Ended(code=None, said=f"it did not end within {_PATIENCE} seconds")
        stream.seek(0)
        return Ended(code=code, said=os.fsdecode(stream.read()))
