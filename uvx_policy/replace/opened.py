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

from uvx_policy.foreign_file import DIRECTORY, NO_FOLLOW
from uvx_policy.replace import foreign
from uvx_policy.replace.place import READ, Changed, Root

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from typing_extensions import Self

    from uvx_policy.replace.outcome import Outcome

#: directories that are held open
_MOST_DIRECTORIES = 300
#: files that are open, and bytes that are read, before a group has its turn
_AHEAD, _AHEAD_BYTES = 200, 64 << 20
_READ_AHEAD = hasattr(os, "posix_fadvise")


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
    #: its directory, a path below the root, "" for the root itself; and its name there
    directory: str
    name: str
    is_target: bool

    @property
    def below(self) -> str:
        """Its path below the root."""
        return f"{self.directory}{os.sep}{self.name}" if self.directory else self.name

    @property
    def path(self) -> str:
        """Absolute."""
        return f"{self.root}{os.sep}{self.below}"


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
        handle = self._handles.get((root, below))
        if handle is not None:
            return handle
        if not below:
            return self.root(root).handle
        above, _, name = below.rpartition(os.sep)
        path = f"{root}{os.sep}{below}"
        inside = self.handle(root, above)
        try:
            handle = os.open(name, DIRECTORY | NO_FOLLOW, dir_fd=inside)
        except OSError as error:
            # A link, or a file that has taken the place of a directory.
            if error.errno in (errno.ELOOP, errno.ENOTDIR) and os.path.islink(path):
                raise Changed(path, "there is a symbolic link on the way to it") from error
            raise type(error)(error.errno, error.strerror, path) from error
        try:
            foreign.check(handle, path)
        except OSError:
            os.close(handle)
            raise
        if len(self._handles) >= _MOST_DIRECTORIES:
            for old in list(self._handles)[: _MOST_DIRECTORIES // 2]:
                os.close(self._handles.pop(old))
        self._handles[root, below] = handle
        return handle


def opened(
    groups: Iterable[Group], directories: Directories, outcome: Outcome
) -> Iterator[tuple[Group, list[File]]]:
    """Each group with its files, open until the next is asked for; those of later ones are read.

    Whoever keeps a file takes it off the list. What is not a file of the right size is left, and
    counted.
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
                files -= len(first[1])
                size -= first[0].size * len(first[1])
                yield first
                _close(ready.popleft()[1])
        while ready:
            yield ready[0]
            _close(ready.popleft()[1])
    finally:
        for _, some in ready:
            _close(some)


def _opened(group: Group, directories: Directories, outcome: Outcome) -> Iterator[File]:
    size, open_, fstat, handle_of, separator = (
        group.size, os.open, os.fstat, directories.handle, os.sep,
    )  # fmt: skip
    for root, below, is_target in group.members:
        directory, _, name = below.rpartition(separator)
        try:
            handle = open_(name, READ, dir_fd=handle_of(root, directory))
        except Changed:  # a link is on the way: what lies behind it is another one's
            continue
        except OSError as error:
            if error.errno != errno.ELOOP:
                outcome.fail(error, os.path.join(root, below), size)
            continue
        status = fstat(handle)
        if not stat.S_ISREG(status.st_mode) or status.st_size != size:
            os.close(handle)
            outcome.leave("edited", os.path.join(root, below), size)
            continue
        if _READ_AHEAD:
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_WILLNEED)
        yield File(handle, status, root, directory, name, is_target)


def _close(files: list[File]) -> None:
    for file in files:
        os.close(file.handle)
