"""Make a cache directory outside HOME so that nobody else can have a hand in it."""

from __future__ import annotations

import errno
import os

from uvx_policy.errors import LinkPolicyError
from uvx_policy.host import Host
from uvx_policy.state.layout import PROJECT_CACHE
from uvx_policy.state.reading import flag

_OTHERS_MAY_WRITE = 0o022
_STICKY = 0o1000


class UnsafeCacheDirectory(LinkPolicyError):
    """The cache directory is not ours alone, or cannot be made; nothing there was changed."""

    hint = "`linkpolicy explain` tells which directories were considered"

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"cannot use `{path}` as a cache: {reason}")


def make_cache_directory(path: str) -> None:
    """Make the directory `path` (absolute, no symbolic links in it) with mode 0700.

    Fine when it is there already; then it is checked and never changed.
    Missing parents are made with mode 0700, too. The way is walked component by component and no
    symbolic link is followed; every directory on it must belong to root or us and must not be
    writable for everybody unless it is sticky, or another user could exchange what is below.
    A project's own cache (`layout.PROJECT_CACHE`) may lie below anybody's directories: whoever
    owns them controls the environment beside it anyway.
    Raises `UnsafeCacheDirectory`.
    """
    if not hasattr(os, "O_NOFOLLOW") or not hasattr(os, "geteuid"):
        _make_by_name(path)
        return
    if not os.path.isabs(path) or os.path.normpath(path) != path or "\0" in path:
        raise UnsafeCacheDirectory(path, "is not a plain absolute path")
    names = [name for name in path.split("/") if name]
    here = os.open("/", _WALK)
    try:
        for depth, name in enumerate(names, start=1):
            below = _enter(path, here, name)
            os.close(here)
            here = below
            told = os.fstat(here)
            reason = ""
            if depth == len(names):
                reason = _why_not_ours(told)
            elif names[-1] != PROJECT_CACHE:
                reason = _why_not_trusted(told)
            if reason:
                raise UnsafeCacheDirectory(path, f"`/{'/'.join(names[:depth])}` {reason}")
    finally:
        os.close(here)


#: O_PATH asks for no permission to read: `/home` may have mode 0711
_WALK = flag("O_PATH") | flag("O_DIRECTORY") | flag("O_NOFOLLOW") | flag("O_CLOEXEC")


def _enter(path: str, parent: int, name: str) -> int:
    try:
        try:
            return os.open(name, _WALK, dir_fd=parent)
        except FileNotFoundError:
            pass
        try:  # noqa: SIM105 (contextlib is slow to import)
            # Not makedirs(exist_ok=True): it takes whatever is there. mkdir(2) follows no link in
            # the last component, so a dangling one is EEXIST here and refused below.
            os.mkdir(name, 0o700, dir_fd=parent)
        except FileExistsError:  # by another process of ours, this moment, or a dangling link
            pass
        return os.open(name, _WALK, dir_fd=parent)
    except OSError as error:
        # O_NOFOLLOW: ELOOP on a link; with O_DIRECTORY Linux says ENOTDIR instead.
        linked = error.errno in (errno.ELOOP, errno.ENOTDIR, errno.EMLINK)
        told = os.strerror(error.errno or 0)
        reason = "is a symbolic link, or not a directory" if linked else told
        raise UnsafeCacheDirectory(path, f"`{name}`: {reason}") from error


def _why_not_ours(told: os.stat_result) -> str:
    if told.st_uid != os.geteuid():
        return f"belongs to user {told.st_uid}"
    if told.st_mode & _OTHERS_MAY_WRITE:
        return f"is writable for others (mode {told.st_mode & 0o7777:04o})"
    return ""


def _why_not_trusted(told: os.stat_result) -> str:
    if told.st_uid not in (0, os.geteuid()) and told.st_uid != Host(environ={}).unmapped_uid():
        return f"belongs to user {told.st_uid}"
    if told.st_mode & 0o002 and not told.st_mode & _STICKY:
        return "is writable for everybody"
    return ""


def _make_by_name(path: str) -> None:
    """Windows: the access list is inherited; no owner or mode to check."""
    try:
        os.makedirs(path, 0o700, exist_ok=True)
    except OSError as error:
        raise UnsafeCacheDirectory(path, str(error)) from error
    if os.path.islink(path):
        raise UnsafeCacheDirectory(path, "is a symbolic link")
