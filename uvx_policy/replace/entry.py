"""Change the mode of what was seen, and make a directory where nothing was: on handles.

No content is touched. What is at the path now is compared with what was seen when the plan was
made; anything else is left as it is.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from typing import TYPE_CHECKING, NamedTuple

from uvx_policy.foreign_file import FLAGS, NO_FOLLOW
from uvx_policy.replace import attributes, foreign
from uvx_policy.replace.held import at
from uvx_policy.replace.place import Changed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Self

#: O_PATH needs no permission to read, and has no effect on what is opened
_BY_PATH = sys.platform == "linux"
_OPEN = (getattr(os, "O_PATH", 0) | getattr(os, "O_CLOEXEC", 0)) if _BY_PATH else FLAGS


class Entry(NamedTuple):
    """What was seen at a path, its content aside."""

    #: absolute, without symbolic links
    path: str
    device: int
    inode: int
    #: `st_mode`
    mode: int
    owner: int

    @classmethod
    def at(cls, path: str) -> Self:
        """Symbolic links are followed: now, and not when it is changed. Raises `OSError`."""
        real = os.path.realpath(path, strict=True)
        return cls.of(real, os.lstat(real))

    @classmethod
    def of(cls, path: str, status: os.stat_result) -> Self:
        """From lstat(2) of a path without symbolic links."""
        return cls(path, status.st_dev, status.st_ino, status.st_mode, status.st_uid)

    @property
    def permissions(self) -> int:
        """The bits that `change_mode` changes."""
        return stat.S_IMODE(self.mode)


def change_mode(entry: Entry, permissions: int) -> None:
    """Give it other permissions. Raises `Changed`, `Foreign`, `OSError`: nothing was changed."""
    directory, name = os.path.split(entry.path)
    with _opened(directory, None) as above:
        foreign.check(above, entry.path)
        with _opened(name or os.curdir, entry, above) as handle:
            if _BY_PATH:
                os.chmod(f"/proc/self/fd/{handle}", permissions)
            else:
                attributes.set_mode(handle, permissions)


def make_directory(above: Entry, name: str, permissions: int) -> None:
    """Make a directory in one that was seen; the umask applies.

    Raises `Changed` also when something of that name is there, `Foreign`, `OSError`.
    """
    with _opened(above.path, above) as handle:
        path = os.path.join(above.path, name)
        foreign.check(handle, path)
        try:
            at.mkdir(name, permissions, dir_fd=handle)
        except FileExistsError:
            raise Changed(path, "something is there now") from None


@contextlib.contextmanager
def _opened(name: str, entry: Entry | None, above: int | None = None) -> Iterator[int]:
    """A handle of what is there, if it is what was seen; `None`: of any directory."""
    try:
        kind = 0 if entry else getattr(os, "O_DIRECTORY", 0)
        handle = at.open(name, _OPEN | NO_FOLLOW | kind, dir_fd=above)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            raise
        raise Changed(entry.path if entry else name) from None
    try:
        if entry is not None and Entry.of(entry.path, os.fstat(handle)) != entry:
            raise Changed(entry.path)
        yield handle
    finally:
        os.close(handle)
