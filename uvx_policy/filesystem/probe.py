"""Find out by trying which links are possible from a cache directory into a destination.

The only module besides `cache_directory` and `memory` that writes during a decision.

Linux: unnamed files (O_TMPFILE) on both sides; the one in the destination is cloned into (FICLONE)
and then linked into the cache directory under a hidden name that is removed at once. Nothing is
ever visible in the destination, and a kill between two system calls leaves one empty hidden file
in the cache directory at most. The opposite direction would have to name a file in the destination.
Elsewhere, and on file systems without O_TMPFILE: hidden files, removed at once.
"""

from __future__ import annotations

import errno
import os
import sys

from uvx_policy.filesystem.clone import clone_into, clone_to
from uvx_policy.host import attributes_of
from uvx_policy.model import Capability
from uvx_policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from uvx_policy.model import Support

#: every name that we ever make in another's directory begins so
HIDDEN = ".tmp-linkpolicy-probe-"
_CONTENT = b"linkpolicy"

#: Worked (0), could not be tried (-1), or the errno of the attempt.
WORKED = 0
NOT_TRIED = -1


class Attempt(Value):
    """What happened when both kinds of link were tried between two directories."""

    #: `WORKED`, `NOT_TRIED`, or the errno that refused
    clone: int
    hardlink: int
    #: one line for people
    detail: str

    @property
    def capability(self) -> Capability:
        """The attempt as three-valued facts."""
        return Capability(
            clone=_support(self.clone, _NO_CLONE),
            hardlink=_support(self.hardlink, _NO_HARDLINK),
            detail=self.detail,
        )


def try_links(*, cache: str, destination: str) -> Capability:
    """Clone and hard link a file from `cache` into `destination`, directories, maybe the same.

    Costs about 0.2 ms. Never raises `OSError`: what could not be tried is "unknown".
    """
    return attempt_links(cache=cache, destination=destination).capability


def attempt_links(*, cache: str, destination: str) -> Attempt:
    """Do what `try_links` does and keep the errno of each attempt."""
    where = f"tried from `{cache}` into `{destination}`"
    try:
        try:
            clone, hardlink = _try_unnamed(cache, destination)
        except _NoUnnamedFiles:
            clone, hardlink = _try_named(cache, destination)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return Attempt(clone=NOT_TRIED, hardlink=NOT_TRIED, detail=f"{where}: {reason}")
    detail = f"clone {_words(clone)}, hard link {_words(hardlink)}; {where}"
    return Attempt(clone=clone, hardlink=hardlink, detail=detail)


# What an errno means -----------------------------------------------------------------------------
# Everything that is not in these tables is "unknown": EACCES, EROFS, ENOSPC, EDQUOT, EIO, ENOMEM,
# ETXTBSY (a swap file), EINTR and the rest say something about this moment or this user, and
# nothing about what the file systems can do.

#: ioctl_ficlone(2)
_NO_CLONE = frozenset((
    errno.EXDEV,  # "dest_fd and src_fd are not on the same mounted filesystem"
    errno.EOPNOTSUPP,  # "the filesystem does not support reflinking either file descriptor"
    errno.ENOTSUP,  # the same number on Linux; clonefile(2) on macOS says this
    errno.ENOTTY,  # the file system knows no such ioctl
    errno.ENOSYS,  # nor does the kernel, or a FUSE server
    # "The filesystem does not support reflinking the ranges of the given files": btrfs between a
    # nodatacow (chattr +C) and an ordinary directory, XFS between real-time and data device.
    errno.EINVAL,
    # "the filesystem which src_fd resides on does not support reflink"; ours are open as required
    errno.EBADF,
))  # fmt: skip

#: link(2). The file is ours, new and readable, so that fs.protected_hardlinks has no say.
_NO_HARDLINK = frozenset((
    errno.EXDEV,  # other mounts, other btrfs subvolumes, another encryption policy or quota project
    errno.EPERM,  # "the filesystem [...] does not support the creation of hard links"
    errno.EOPNOTSUPP,
    errno.ENOTSUP,
    errno.ENOSYS,
    errno.EMLINK,  # the second name of a new file is one too many
))  # fmt: skip

#: open(2), O_TMPFILE: what kernels and file systems say that do not have it
_NO_TMPFILE = frozenset((errno.EOPNOTSUPP, errno.ENOTSUP, errno.EISDIR, errno.EINVAL, errno.ENOSYS))


def _support(outcome: int, refusals: frozenset[int]) -> Support:
    if outcome == WORKED:
        return "yes"
    return "no" if outcome in refusals else "unknown"


def _words(outcome: int) -> str:
    if outcome == WORKED:
        return "works"
    return f"refused ({errno.errorcode.get(outcome, outcome)})" if outcome > 0 else "not tried"


def _outcome(attempt: Callable[[], None]) -> int:
    try:
        attempt()
    except OSError as error:
        return error.errno or NOT_TRIED
    return WORKED


class _NoUnnamedFiles(Exception):
    """O_TMPFILE, or a link of such a file, is not supported here."""


def _try_unnamed(cache: str, destination: str) -> tuple[int, int]:
    if not hasattr(os, "O_TMPFILE"):
        raise _NoUnnamedFiles
    with _Handles() as handles:
        cache_directory = handles.open(cache, _DIRECTORY)
        destination_directory = handles.open(destination, _DIRECTORY)
        original = handles.open_unnamed(cache_directory)
        copy = handles.open_unnamed(destination_directory)
        _fill(original)
        clone = _outcome(lambda: clone_into(original, copy))
        # What is about to get a name shall be empty, should we be killed before it is taken away.
        os.ftruncate(copy, 0)
        hardlink = _outcome(lambda: _link_unnamed(copy, cache_directory))
        if hardlink in (WORKED, errno.EXDEV):
            # Whether the other direction is allowed as well, for which the destination would have
            # to hold a name for a moment, is told by what files inherit there.
            try:
                here, there = attributes_of(cache_directory), attributes_of(destination_directory)
            except OSError:  # an encryption policy before Linux 5.4
                raise _NoUnnamedFiles from None
            if hardlink == WORKED and not there.admits(here):
                hardlink = errno.EXDEV
            elif hardlink == errno.EXDEV and not here.admits(there):
                raise _NoUnnamedFiles
    return clone, hardlink


def _link_unnamed(file: int, directory: int) -> None:
    name = _hidden_name()
    try:
        os.link(
            f"/proc/self/fd/{file}",
            name,
            # Without a src_dir_fd CPython calls link(2), which does not follow: always EXDEV.
            src_dir_fd=directory,
            dst_dir_fd=directory,
            follow_symlinks=True,
        )
        told = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:  # no /proc here
        raise _NoUnnamedFiles from None
    finally:
        _remove(name, directory)
    if not os.path.samestat(told, os.fstat(file)):
        raise OSError(errno.EIO, "the link is another file")


def _try_named(cache: str, destination: str) -> tuple[int, int]:
    original = os.path.join(cache, _hidden_name())
    copy = os.path.join(destination, _hidden_name())
    return _clone_named(original, copy), _link_named(original, copy)


def _clone_named(original: str, copy: str) -> int:
    if sys.platform == "win32":
        return _clone_on_windows(original, copy)
    with _Handles() as handles:
        try:
            source = handles.open(original, _NEW, 0o600)
            if sys.platform == "darwin":  # the clone has a name from its beginning
                _fill(source)
                return _outcome(lambda: clone_to(source, copy))
            target = handles.open(copy, _NEW, 0o600)
        finally:
            _remove(copy)
            _remove(original)
        _fill(source)
        return _outcome(lambda: clone_into(source, target))


def _clone_on_windows(original: str, copy: str) -> int:
    if sys.platform == "win32":
        from uvx_policy.windows import blocks

        if not blocks.may_be_shared(os.path.dirname(copy)):
            return errno.EOPNOTSUPP
        with _Handles() as handles:
            try:
                source = handles.open(original, _NEW, 0o600)
                target = handles.open(copy, _NEW, 0o600)
                _fill(source)
                return _outcome(lambda: clone_into(source, target))
            finally:
                handles.close()  # Windows removes no name of an open file
                _remove(copy)
                _remove(original)
    return errno.EOPNOTSUPP


def _link_named(original: str, copy: str) -> int:
    with _Handles() as handles:
        try:
            source = handles.open(original, _NEW, 0o600)
            outcome = _outcome(lambda: os.link(original, copy))
            if outcome == WORKED and not os.path.samestat(os.lstat(copy), os.fstat(source)):
                outcome = errno.EIO
        finally:
            handles.close()  # Windows removes no name of an open file
            _remove(copy)
            _remove(original)
    return outcome


_CLOEXEC = getattr(os, "O_CLOEXEC", 0)
_DIRECTORY = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | _CLOEXEC
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | _CLOEXEC


def _fill(file: int) -> None:
    # Whole blocks: less than one cannot be cloned on some file systems. No zeros: a file system
    # that compresses would have nothing to share.
    size = min(max(os.fstat(file).st_blksize, 4096), 131072) if hasattr(os, "O_TMPFILE") else 65536
    os.write(file, _CONTENT.ljust(size, b"."))


def is_written_by_probe(content: bytes) -> bool:
    """Is it what a file of a probe holds, or the beginning of that?"""
    return content == _CONTENT[: len(content)].ljust(len(content), b".")


def _hidden_name() -> str:
    return HIDDEN + os.urandom(8).hex()


def _remove(name: str, directory: int | None = None) -> None:
    try:  # noqa: SIM105 (contextlib is slow to import)
        os.unlink(name, dir_fd=directory)
    except OSError:
        # Not there, as after a refused link; or no longer ours to remove.
        pass


class _Handles:
    """File descriptors that are closed together (contextlib is too slow to import)."""

    def __init__(self) -> None:
        self._open: list[int] = []

    def __enter__(self) -> _Handles:  # noqa: PYI034 (typing.Self needs Python 3.11)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        while self._open:
            os.close(self._open.pop())

    def open(self, path: str, flags: int, mode: int = 0o777, within: int | None = None) -> int:
        self._open.append(os.open(path, flags, mode, dir_fd=within))
        return self._open[-1]

    def open_unnamed(self, directory: int) -> int:
        try:
            return self.open(".", os.O_TMPFILE | os.O_RDWR | _CLOEXEC, 0o600, directory)
        except OSError as error:
            if error.errno in _NO_TMPFILE:
                raise _NoUnnamedFiles from None
            raise
