"""Files of many groups, opened through directories that are held open, and read ahead.

What compares two files reads them page by page: on a cold disk it decides the speed whether they
have been asked for before.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from uvx_policy.replace.place import READ, Changed, Root

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from typing_extensions import Self

    from uvx_policy.replace.outcome import Outcome

#: directories that are held open
_MOST_DIRECTORIES = 200
#: files that are open, and bytes that are read, before a group has its turn
_AHEAD, _AHEAD_BYTES = 200, 64 << 20
_GONE = (errno.ENOENT, errno.ENOTDIR)
_CANNOT_WRITE = (errno.EROFS, errno.EACCES, errno.EPERM)


class Group(NamedTuple):
    """Files that should be equal."""

    #: bytes of each
    size: int
    #: as a RECORD has it
    hash: str
    #: where the first lies, a number for who asked; 0 for unknown
    place: int
    #: an absolute directory, a path below it, and whether the file may be replaced; those first
    #: that the others shall be equal to
    members: list[tuple[str, str, bool]]


class File(NamedTuple):
    """A regular file of the right size, open for reading."""

    handle: int
    status: os.stat_result
    root: str
    below: str
    is_target: bool

    @property
    def path(self) -> str:
        """Absolute."""
        return os.path.join(self.root, self.below)


class Directories:
    """Directories below some roots, of which the last that were asked for are held open."""

    def __init__(self) -> None:
        self._roots: dict[str, Root] = {}
        self._handles: dict[tuple[str, str], int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles.values():
            os.close(handle)
        for root in self._roots.values():
            root.close()

    def root(self, path: str) -> Root:
        """The directory at `path` (absolute). Raises `OSError`."""
        root = self._roots.get(path)
        if root is None:
            root = self._roots[path] = Root(path)
        return root

    def handle(self, root: str, below: str) -> int:
        """A handle of the directory `below` a root: to be used now, it may be closed by the next.

        No symbolic link is followed. Raises `OSError` as `Root.directory`.
        """
        key = (root, below)
        handle = self._handles.get(key)
        if handle is None:
            top = self.root(root)
            handle = top.directory(os.path.join(root, below) if below else root)
            if len(self._handles) >= _MOST_DIRECTORIES:
                for old in list(self._handles)[: _MOST_DIRECTORIES // 2]:
                    os.close(self._handles.pop(old))
            self._handles[key] = handle
        return handle


def opened(
    groups: Iterable[Group], directories: Directories, outcome: Outcome
) -> Iterator[tuple[Group, list[File]]]:
    """Each group with its files, open until the next is asked for; those of later ones are read.

    Whoever keeps a handle duplicates it. What is no file of the right size is left, and counted.
    """
    ready: deque[tuple[Group, list[File]]] = deque()
    files = size = 0
    try:
        for group in groups:
            some = list(_opened(group, directories, outcome))
            ready.append((group, some))
            files += len(some)
            size += group.size * len(some)
            while files > _AHEAD or size > _AHEAD_BYTES:
                first = ready[0]
                yield first
                _close(ready.popleft()[1])
                files -= len(first[1])
                size -= first[0].size * len(first[1])
        while ready:
            yield ready[0]
            _close(ready.popleft()[1])
    finally:
        for _, some in ready:
            _close(some)


def reason_of(error: OSError) -> str:
    """Why a file is left, of an error that came of opening or replacing it."""
    from uvx_policy.replace.foreign import Foreign
    from uvx_policy.replace.kernel import Unsupported

    if isinstance(error, Foreign):
        return "foreign"
    if isinstance(error, Unsupported):
        return "no-exchange"
    if isinstance(error, Changed):
        return "busy"
    if error.errno in _GONE:
        return "missing"
    return "read-only" if error.errno in _CANNOT_WRITE else "error"


def _opened(group: Group, directories: Directories, outcome: Outcome) -> Iterator[File]:
    size = group.size
    for root, below, is_target in group.members:
        directory, _, name = below.rpartition(os.sep)
        try:
            handle = os.open(name, READ, dir_fd=directories.handle(root, directory))
        except OSError as error:
            if error.errno != errno.ELOOP:  # a link: whose it is is known already
                outcome.leave(reason_of(error), os.path.join(root, below), size)
            continue
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode) or status.st_size != size:
            os.close(handle)
            outcome.leave("edited", os.path.join(root, below), size)
            continue
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_WILLNEED)
        yield File(handle, status, root, below, is_target)


def _close(files: list[File]) -> None:
    for file in files:
        os.close(file.handle)
