"""Root does not work in a directory that another user can change.

Whoever can rename what is in a directory chooses what root's calls reach there: with root's rights
that is a way to become root. So root refuses, and says who may.
"""

from __future__ import annotations

import errno
import os
import stat

from uvx_policy.foreign_file import DIRECTORY
from uvx_policy.terminal.words import user


class Foreign(OSError):
    """A directory that another user can change; `uid` is who."""

    def __init__(self, path: str, uid: int) -> None:
        whose = f"belongs to user {user(uid)}" if uid else "can be changed by other users"
        what = f"root does not change files in a directory that {whose}"
        super().__init__(errno.EPERM, what, path)
        self.uid = uid


def is_root() -> bool:
    """Does this process have root's rights?"""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def check(handle: int, path: str) -> None:
    """Raises `Foreign` for root, of a directory that is open. `path`: for messages."""
    if not is_root():
        return
    status = os.fstat(handle)
    if status.st_uid != 0:
        raise Foreign(path, status.st_uid)
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise Foreign(path, 0)


def check_above(path: str) -> None:
    """The same of the directory that `path` (absolute) lies in, or will. Raises `OSError`, too."""
    if not is_root():
        return
    directory = os.path.dirname(path)
    while not os.path.lexists(directory):
        directory = os.path.dirname(directory)
    handle = os.open(directory, DIRECTORY)
    try:
        check(handle, path)
    finally:
        os.close(handle)


def owner_of(path: str) -> int:
    """The user whom root would be in danger of at this directory, 0 for nobody. Never raises."""
    try:
        return os.stat(path).st_uid if is_root() else 0
    except OSError:
        return 0
