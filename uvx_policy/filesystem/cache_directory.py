"""Make a cache directory outside HOME so that nobody else can have a hand in it."""

from __future__ import annotations

import errno
import os

from uvx_policy.errors import LinkPolicyError, Unreadable
from uvx_policy.filesystem import cache_safety, of_windows, others
from uvx_policy.host import Host
from uvx_policy.model import Status
from uvx_policy.state.layout import PROJECT_CACHE
from uvx_policy.state.reading import flag


class UnsafeCacheDirectory(LinkPolicyError):
    """The cache directory is not ours alone, or cannot be made; nothing there was changed."""

    hint = "`linkpolicy explain` tells which directories were considered"

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"cannot use `{path}` as a cache: {reason}")


def make_cache_directory(path: str) -> None:
    """Make the directory `path` (absolute, no symbolic links in it) with mode 0700.

    Fine when it is there already; then it is checked and never changed.
    Missing parents are made with mode 0700, too. The way is walked component by component and no
    symbolic link is followed; every directory on it must belong to root or us, and nobody else may
    exchange what is below (`others.who_may_exchange`).
    A project's own cache (`layout.PROJECT_CACHE`) may lie below anybody's directories: whoever
    may change them controls the project and the environment beside it anyway.
    On Windows access lists stand for modes; what is made inherits none (`security`).
    Raises `UnsafeCacheDirectory`.
    """
    if os.name == "nt":
        _make_for_windows(path)
        return
    if not os.path.isabs(path) or os.path.normpath(path) != path or "\0" in path:
        raise UnsafeCacheDirectory(path, "is not a plain absolute path")
    names = [name for name in path.split("/") if name]
    here = os.open("/", _WALK)
    try:
        for depth, name in enumerate(names, start=1):
            reached = f"/{'/'.join(names[:depth])}"
            below = _enter(path, here, name, reached)
            os.close(here)
            here = below
            reason = ""
            if depth == len(names):
                reason = _why_not_ours(reached, here)
            elif names[-1] != PROJECT_CACHE:
                reason = _why_not_trusted(reached, here)
            if reason:
                raise UnsafeCacheDirectory(path, f"`{reached}` {reason}")
    finally:
        os.close(here)


#: O_PATH asks for no permission to read: `/home` may have mode 0711
_WALK = flag("O_PATH") | flag("O_DIRECTORY") | flag("O_NOFOLLOW") | flag("O_CLOEXEC")


def _enter(path: str, parent: int, name: str, reached: str) -> int:
    try:
        try:
            return os.open(name, _WALK, dir_fd=parent)
        except FileNotFoundError:
            pass
        try:
            # Not makedirs(exist_ok=True): it takes whatever is there. mkdir(2) follows no link in
            # the last component, so a dangling one is EEXIST here and refused below.
            os.mkdir(name, 0o700, dir_fd=parent)
            _hand_down_no_access(reached)
        except FileExistsError:  # by another process of ours, this moment, or a dangling link
            pass
        return os.open(name, _WALK, dir_fd=parent)
    except OSError as error:
        # O_NOFOLLOW: ELOOP on a link; with O_DIRECTORY Linux says ENOTDIR instead.
        linked = error.errno in (errno.ELOOP, errno.ENOTDIR, errno.EMLINK)
        told = os.strerror(error.errno or 0)
        reason = "is a symbolic link, or not a directory" if linked else told
        raise UnsafeCacheDirectory(path, f"`{name}`: {reason}") from error


def _hand_down_no_access(made: str) -> None:
    """Let nobody be in the access lists of new files whom a directory above puts there (acl(5)).

    He cannot come in here, but to a file that is hard linked into an environment he can.
    """
    if hasattr(os, "removexattr"):
        try:  # noqa: SIM105 (contextlib is slow to import)
            os.removexattr(made, "system.posix_acl_default", follow_symlinks=False)
        except OSError:  # there is none, as nearly always
            pass


# An access list is read by its path, as an O_PATH handle gives none. That path leads here: what is
# above was found to be nobody else's to exchange. In a project's directory it may be exchanged,
# which gains nothing (see above).


def _why_not_ours(path: str, handle: int) -> str:
    told = Status.of(os.fstat(handle))
    if told.uid != os.geteuid():
        return f"belongs to user {told.uid}"
    try:
        reason = cache_safety.why_shared(Host(environ={}), path, told)
    except Unreadable as error:
        return f"cannot be checked: {error.reason}"
    return reason and f"is not yours alone: {reason}"


def _why_not_trusted(path: str, handle: int) -> str:
    told = Status.of(os.fstat(handle))
    host = Host(environ={})
    if told.uid not in (0, host.uid) and told.uid != host.unmapped_uid():
        return f"belongs to user {told.uid}"
    try:
        who = others.who_may_exchange(host, path, told)
    except Unreadable as error:
        return f"cannot be checked: {error.reason}"
    return who and f"is writable by {who}"


def _make_for_windows(path: str) -> None:
    """The same, with access lists instead of modes.

    Looked at after it was made: the root of a drive lets every user make a directory of that name.
    """
    host = Host(environ={})
    try:
        for directory in (*of_windows.above(path), path):
            if not os.path.lexists(directory):
                of_windows.make_private_directory(directory)
        status = host.link_status(path)
        if status is None or status.kind != "directory" or host.real_path(path) != path:
            raise UnsafeCacheDirectory(path, "is a link, or not a directory")
        reason = ""
        if os.path.basename(path) != PROJECT_CACHE:
            reason = of_windows.why_open_to_others(host, path)
        if not reason and not of_windows.is_own(host, path):
            reason = "belongs to another user"
        reason = reason or cache_safety.why_shared(host, path, status)
    except Unreadable as error:
        reason = f"cannot be looked at: {error.reason}"
    except OSError as error:
        reason = error.strerror or str(error)
    if reason:
        raise UnsafeCacheDirectory(path, reason)
