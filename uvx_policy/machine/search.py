"""Environments below some directories, found by their pyvenv.cfg."""

from __future__ import annotations

import errno
import os
import sys
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING

from uvx_policy.errors import UsageError
from uvx_policy.filesystem.mounted import mounted
from uvx_policy.foreign_file import DIRECTORY, NO_FOLLOW

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: paths of unreadable directories that are named
MOST_NAMED = 1000

_MARK = "pyvenv.cfg"
#: "Cache Directory Tagging Specification": caches, build directories
_CACHE = "CACHEDIR.TAG"
_PASSED_OVER = frozenset((".git", ".hg", ".svn", "node_modules", "__pycache__", "site-packages"))
#: what the kernel or a daemon makes up: endless, or mounted when it is looked at
_NO_DISK = frozenset(
    (
        "proc", "sysfs", "devtmpfs", "devpts", "cgroup", "cgroup2", "debugfs", "tracefs", "bpf",
        "securityfs", "configfs", "fusectl", "pstore", "efivarfs", "mqueue", "hugetlbfs", "autofs",
        "binfmt_misc", "rpc_pipefs", "nsfs", "selinuxfs",
    )
)  # fmt: skip
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
_BY_HANDLE = os.scandir in os.supports_fd


def typed_root(word: str, cwd: str) -> str:
    """The absolute path of a directory that somebody has typed in `cwd`. Raises `UsageError`."""
    path = os.path.normpath(os.path.join(cwd, word))
    if not os.path.isdir(path):
        raise UsageError(f"`{word}` is not a directory")
    return path


class Search:
    """Gives each environment below `roots` (or that is one) once, as it is found, in no order.

    To be iterated over once. Paths are spelled from the root on. No symbolic link is followed, but
    a root that is one; other mounts below a root are looked at. Environments, caches
    (CACHEDIR.TAG), repositories and node_modules are not descended into.
    """

    def __init__(self, roots: Sequence[str], *, workers: int = 8) -> None:
        """`roots`: absolute paths. `workers`: threads; they help where a disk is waited for."""
        #: directories that were listed
        self.directories = 0
        #: the first 1,000 directories that could not be listed
        self.unreadable: list[str] = []
        # Last in, first out: then what waits is a few levels, not all of one level.
        self._waiting = list(dict.fromkeys(roots))[::-1]
        self._roots = frozenset(self._waiting)
        self._workers = workers
        self._busy = 0
        self._over = False
        self._changed = threading.Condition()
        #: a path, an error that no worker expected, or `None` when a worker is done
        self._found: SimpleQueue[str | BaseException | None] = SimpleQueue()

    def __iter__(self) -> Iterator[str]:
        no_disk = {row.point for row in mounted() if row.fstype in _NO_DISK}
        self._passed_over = no_disk - self._roots
        for _ in range(self._workers):
            # Daemons: a network that does not answer must not keep the program from ending.
            threading.Thread(target=self._work, daemon=True).start()
        seen: set[tuple[int, int]] = set()
        working = self._workers
        try:
            while working:
                found = self._found.get()
                if found is None:
                    working -= 1
                elif isinstance(found, BaseException):
                    raise found
                elif _is_new(found, seen):
                    yield found
        finally:
            with self._changed:
                self._over = True
                self._changed.notify_all()

    def _work(self) -> None:
        try:
            while (directory := self._next()) is not None:
                self._done(self._look_in(directory))
        except BaseException as error:  # noqa: BLE001 (whoever iterates must hear of it)
            self._found.put(error)
        self._found.put(None)

    def _next(self) -> str | None:
        """The next directory; `None` when there is nothing left, or nobody wants to know."""
        with self._changed:
            while not self._waiting and self._busy and not self._over:
                self._changed.wait()
            if self._over or not self._waiting:
                return None
            self._busy += 1
            return self._waiting.pop()

    def _done(self, below: list[str]) -> None:
        with self._changed:
            self._busy -= 1
            self.directories += 1
            self._waiting += below
            if below or not self._busy:
                self._changed.notify_all()

    def _look_in(self, path: str) -> list[str]:
        """The directories in `path` to look at; none if it is an environment, which is told."""
        try:
            names, below = _list(path, follow=path in self._roots)
        except OSError as error:
            # ELOOP: it has become a symbolic link.
            if error.errno not in _GONE or path in self._roots:
                with self._changed:
                    if len(self.unreadable) < MOST_NAMED:
                        self.unreadable.append(path)
            return []
        if _MARK in names:
            self._found.put(path)
            return []
        if _CACHE in names and path not in self._roots:
            return []
        return [inner for inner in below if inner not in self._passed_over]


def _list(path: str, *, follow: bool) -> tuple[set[str], list[str]]:
    """Names of the marks that are in `path`, paths of its directories. Raises `OSError`."""
    if not _BY_HANDLE:
        return _list_by(path, path)
    handle = os.open(path, DIRECTORY | (0 if follow else NO_FOLLOW))
    try:
        return _list_by(handle, path)
    finally:
        os.close(handle)


def _list_by(directory: int | str, path: str) -> tuple[set[str], list[str]]:
    marks = set()
    below = []
    with os.scandir(directory) as entries:
        for entry in entries:
            name = entry.name
            if _is_directory(entry):
                if name not in _PASSED_OVER:
                    below.append(os.path.join(path, name))
            elif name in (_MARK, _CACHE):
                marks.add(name)
    return marks, below


def _is_directory(entry: os.DirEntry[str]) -> bool:
    """Is it one, and no symbolic link or junction to one?"""
    try:
        if not entry.is_dir(follow_symlinks=False):
            return False
        # Windows: a junction is a directory, and leads anywhere, upwards too.
        return sys.platform != "win32" or not entry.stat(follow_symlinks=False).st_reparse_tag
    except OSError:
        return False


def _is_new(path: str, seen: set[tuple[int, int]]) -> bool:
    """Roots may overlap, and a directory may be mounted twice."""
    try:
        told = os.stat(path)
    except OSError:
        return False
    known = len(seen)
    seen.add((told.st_dev, told.st_ino))
    return len(seen) > known
