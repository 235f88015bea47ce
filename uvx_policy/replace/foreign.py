"""Root does not work in a directory that another user can change.

Whoever can rename what is in a directory chooses what root's calls reach there and below: with
root's rights that is a way to become root. So root refuses, and says who may.
"""

from __future__ import annotations

import errno
import os
import stat

from uvx_policy.errors import Unreadable
from uvx_policy.filesystem.cache_safety import exchangeable_on_way
from uvx_policy.host import Host
from uvx_policy.terminal.command import command
from uvx_policy.terminal.words import user


class Foreign(OSError):
    """A directory that other users can change; `uid` is who, 0 for a group or everybody."""

    def __init__(self, path: str, uid: int) -> None:
        can = f"other users can change: {command('chmod', 'go-w', path)}"
        whose = f"belongs to user {user(uid)}" if uid else can
        super().__init__(errno.EPERM, f"root does not work in `{path}`, which {whose}", path)
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


def check_way(path: str) -> None:
    """Raises `Foreign` for root where another user can choose what `path` (absolute) leads to.

    What is missing ends the way.
    """
    if not is_root():
        return
    try:
        others = exchangeable_on_way(Host(environ={}), path)
    except Unreadable as error:
        raise OSError(errno.EACCES, str(error), path) from error
    if others is not None:
        raise Foreign(*others)


def owner_of(path: str) -> int:
    """The user whom root would be in danger of at this directory, 0 for nobody. Never raises."""
    try:
        return os.stat(path).st_uid if is_root() else 0
    except OSError:
        return 0
