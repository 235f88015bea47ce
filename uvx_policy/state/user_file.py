"""A file of the user's that we change: a start-up file, pyproject.toml, a program on PATH.

Every write is: build beside, look again, rename. Killed at any point, the file is the old or the
new one. A symbolic link (dotfile managers) stays a link. Content is bytes, whatever they mean.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from typing import TYPE_CHECKING, NamedTuple

from uvx_policy.errors import LinkPolicyError
from uvx_policy.flock import take_alone

if TYPE_CHECKING:
    from collections.abc import Callable

#: end of the name of a file that is being built
UNFINISHED = ".linkpolicy-new"
_CHANGED = "was changed by another program just now; run the command again"


class NotEditable(LinkPolicyError):
    """A file that we leave alone. `str()` is the reason, without the path."""


class Snapshot(NamedTuple):
    """A file as it was when the plan was made."""

    #: as it was named
    path: str
    #: where the bytes are, symbolic links followed
    real_path: str
    #: `None` when it does not exist
    content: bytes | None
    mode: int = 0o644


def read(path: str) -> Snapshot:
    """The file as it is now. Raises `NotEditable` for what we could not write back safely."""
    try:
        real_path = os.path.realpath(path, strict=os.path.lexists(path))
    except OSError as error:
        reason = "is a dangling symbolic link" if error.errno == errno.ENOENT else _reason(error)
        raise NotEditable(reason) from error
    try:
        status = os.stat(real_path)
        if not stat.S_ISREG(status.st_mode):
            raise NotEditable("is not a regular file")
        with open(real_path, "rb") as stream:
            content = stream.read()
    except (FileNotFoundError, NotADirectoryError):
        return Snapshot(path=path, real_path=real_path, content=None)
    except OSError as error:
        raise NotEditable(_reason(error)) from error
    return Snapshot(path, real_path, content, stat.S_IMODE(status.st_mode))


def check_editable(snapshot: Snapshot) -> None:
    """Raises `NotEditable` where a rename would work and still be wrong, or would not work."""
    if snapshot.content is None:
        return
    try:
        status = os.stat(snapshot.real_path)
    except OSError as error:
        raise NotEditable(_reason(error)) from error
    # root may write to everything; a file that forbids writing to all says so to root, too.
    if not status.st_mode & 0o222 or not os.access(snapshot.real_path, os.W_OK):
        raise NotEditable("is read-only")
    if status.st_nlink > 1:
        raise NotEditable("has another hard link, which would keep the old content")
    if not os.access(os.path.dirname(snapshot.real_path), os.W_OK | os.X_OK):
        raise NotEditable("is in a directory that cannot be written to")


def write(snapshot: Snapshot, content: bytes | None, *, link: bool = False) -> None:
    """Put `content` in place of what `snapshot` holds; `None` deletes the file.

    Owner, mode and extended attributes are kept. `link`: a new file gets its name by link(2), which
    replaces nothing that is made in the last moment; a kill may leave the unfinished name beside
    it. Raises `NotEditable`, also when the file is no longer what `snapshot` says.
    """
    try:
        remove_unfinished(snapshot.real_path)
        check_editable(snapshot)
        if content is None:
            _still_the_same(snapshot)
            os.unlink(snapshot.real_path)
            return

        def prepare(handle: int) -> None:
            if snapshot.content is not None:
                _copy_ownership(snapshot.real_path, handle, snapshot.mode)

        put(
            snapshot.real_path,
            content,
            mode=snapshot.mode & 0o777,
            prepare=prepare,
            check=lambda: _still_the_same(snapshot),
            rename=_link if link and snapshot.content is None else os.replace,
        )
    except OSError as error:
        raise NotEditable(_reason(error)) from error


def put(
    path: str,
    content: bytes,
    *,
    mode: int,
    prepare: Callable[[int], None],
    check: Callable[[], None],
    rename: Callable[[str, str], None] = os.replace,
) -> None:
    """Build the file beside `path` (no link), flush it, and rename it.

    `mode`: less the umask. `prepare`: called with the open file; `check`: at the last moment before
    the rename, raises what shall be raised. Raises `OSError`, and `NotEditable` when another
    process is building this very file.
    """
    unfinished = path + UNFINISHED
    remove_unfinished(path)
    handle = _created(unfinished, mode)
    try:
        with open(handle, "wb") as stream:
            prepare(handle)
            stream.write(content)
            stream.flush()
            os.fsync(handle)
            if sys.platform == "win32":  # an open file has a name for good
                stream.close()
            check()
            rename(unfinished, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(unfinished)
        raise


def remove_unfinished(path: str) -> None:
    """Remove what a killed run has left of a file that was to become `path`.

    Raises `OSError`, and `NotEditable` when another process is building it.
    """
    path += UNFINISHED
    if os.name == "nt":  # what is open cannot be unlinked there, whoever has it open
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass
        except PermissionError:
            raise NotEditable(_CHANGED) from None
        return
    flags = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        handle = os.open(path, os.O_RDONLY | flags)
    except OSError:  # absent, or a link
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        return
    try:
        _lock(handle)
        os.unlink(path)
    finally:
        os.close(handle)


def _created(path: str, mode: int) -> int:
    """A new file, locked as long as it is open."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode)
    try:
        _lock(handle)
        if os.path.samestat(os.fstat(handle), os.lstat(path)):
            return handle
    except BaseException:
        os.close(handle)
        raise
    os.close(handle)
    raise NotEditable(_CHANGED)


def _lock(handle: int) -> None:
    if not take_alone(handle):
        raise NotEditable(_CHANGED)


def _link(unfinished: str, path: str) -> None:
    try:
        os.link(unfinished, path)
    except FileExistsError:
        raise NotEditable(_CHANGED) from None
    except OSError:  # a file system without hard links
        if os.path.lexists(path):
            raise NotEditable(_CHANGED) from None
        os.rename(unfinished, path)
    else:
        os.unlink(unfinished)


def _copy_ownership(path: str, handle: int, mode: int) -> None:
    """Owner, mode and extended attributes (SELinux labels), as far as we may; ACLs in any case.

    Raises `NotEditable`: without its ACL, a group might have more rights than it had.
    """
    if not hasattr(os, "fchmod"):  # Windows: the directory's rights are inherited
        return
    status = os.stat(path)
    own = os.fstat(handle)
    if (status.st_uid, status.st_gid) != (own.st_uid, own.st_gid):
        with contextlib.suppress(OSError):
            os.fchown(handle, status.st_uid, status.st_gid)
    os.fchmod(handle, mode)
    if hasattr(os, "listxattr"):
        with contextlib.suppress(OSError):
            for name in os.listxattr(path):
                try:
                    os.setxattr(handle, name, os.getxattr(path, name))
                except OSError:  # noqa: PERF203 (few files have one)
                    if name == "system.posix_acl_access":
                        raise NotEditable("its ACL cannot be kept") from None


def _still_the_same(snapshot: Snapshot) -> None:
    now = read(snapshot.path)
    if (now.real_path, now.content) != (snapshot.real_path, snapshot.content):
        raise NotEditable(_CHANGED)


def _reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error)
