"""Let a command fail, or end it, at the n-th call that changes something on the disk."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from uvx_policy import cli
from uvx_policy.replace import kernel

#: functions that change something on the disk
CALLS = (
    *((os, name) for name in (
        "mkdir", "rmdir", "rename", "replace", "link", "symlink", "unlink", "write", "pwrite",
        "fsync", "ftruncate", "truncate", "utime", "chmod", "fchmod", "fchown", "setxattr",
    )),
    (kernel, "exchange"),
    (kernel, "move"),
    (kernel, "dedupe"),
)  # fmt: skip
#: signals are negative
FAULTS: dict[str, int] = {
    "SIGKILL": -signal.SIGKILL, "SIGINT": -signal.SIGINT, "EIO": errno.EIO,
    "ENOSPC": errno.ENOSPC, "EDQUOT": errno.EDQUOT, "EROFS": errno.EROFS,
    "EACCES": errno.EACCES, "EMFILE": errno.EMFILE,
}  # fmt: skip


def faulty(words: tuple[str, ...], cwd: Path, *, before: int, fault: int) -> int | None:
    """Run a command in a child of which the n-th call (from 0) fails; its exit code.

    A signal that ended it is negative, as in `subprocess`. `None`: there are fewer calls.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        code = 70
        try:
            os.close(reader)
            write = os.write
            _plant(before, fault, lambda: write(writer, b"x"))
            os.chdir(cwd)
            for number in (1, 2):
                os.dup2(os.open(os.devnull, os.O_WRONLY), number)
            code = cli.main([*words])
        except KeyboardInterrupt:
            code = 130
        finally:
            os._exit(code)
    os.close(writer)
    with open(reader, "rb") as stream:
        was_reached = bool(stream.read())
    status = os.waitpid(child, 0)[1]
    return os.waitstatus_to_exitcode(status) if was_reached else None


def _plant(before: int, fault: int, tell: Callable[[], object]) -> None:
    left = before

    def planted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*words: Any, **named: Any) -> Any:
            nonlocal left
            left -= 1
            if left != -1:
                return real(*words, **named)
            tell()
            if fault < 0:
                os.kill(os.getpid(), -fault)
                return real(*words, **named)
            raise OSError(fault, os.strerror(fault))

        return call

    for module, name in CALLS:
        setattr(module, name, planted(getattr(module, name)))
