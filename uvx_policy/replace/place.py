"""One path below a root: what is there, and putting something there or taking it away.

Nobody loses what he saved between the look and the deed: what came out of the path is compared
with what was seen. If it is anything else, it goes back, and the newest of what was saved at the
path stays there. What was at the path, be it for a moment, is handed to `retire` and not deleted:
who was about to open it may write to it yet.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from uvx_policy.foreign_file import FLAGS, NO_FOLLOW
from uvx_policy.installed.hash import Hash, of_handle
from uvx_policy.replace import foreign, kernel
from uvx_policy.replace.held import DIRECTORY, at
from uvx_policy.replace.kernel import Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from typing_extensions import Self

#: to read a file of which the name itself counts
READ = FLAGS | NO_FOLLOW
#: times that somebody may save a file while it is put back
_MOST = 1000


class Changed(OSError):
    """The path has not what it had when the plan was made: it is left as it is."""

    def __init__(self, path: str, what: str = "it changed in the meantime") -> None:
        super().__init__(errno.EBUSY, what, path)


class Seen(NamedTuple):
    """What lies at a path, its last link not followed."""

    device: int
    inode: int
    #: `stat.S_IFMT`
    kind: int
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Self:
        """From lstat(2). Permissions are left out: they can be changed without a loss."""
        return cls(
            status.st_dev, status.st_ino, stat.S_IFMT(status.st_mode), status.st_size,
            status.st_mtime_ns,
        )  # fmt: skip


def seen_at(path: str) -> Seen | None:
    """What lies at `path`, `None` for nothing. Never raises."""
    try:
        return Seen.of(os.lstat(path))
    except (OSError, ValueError):
        return None


class Root:
    """A directory below which files are replaced, held open. Close it.

    For root neither it, nor what leads to it, nor a directory below it that is opened may be
    another user's to change: all raise `Foreign` then.
    """

    def __init__(self, path: str) -> None:
        """`path`: absolute; links in it are followed, those below it are not. Raises `OSError`."""
        foreign.check_way(path)
        self.path = path
        # What Windows holds open is not a link.
        self.handle = at.open(os.path.realpath(path) if os.name == "nt" else path, DIRECTORY)
        try:
            foreign.check(self.handle, path)
        except OSError:
            os.close(self.handle)
            raise

    def close(self) -> None:
        """Let go."""
        os.close(self.handle)

    def directory(self, path: str, *, make: bool = False) -> int:
        """A handle of the directory `path` (absolute, below the root). `make`: where it is missing.

        Raises `OSError`, and `Changed` where a symbolic link is on the way or it is not below.
        """
        below = os.path.relpath(path, self.path)
        if below == os.curdir:
            return os.dup(self.handle)
        if below.split(os.sep)[0] == os.pardir:
            raise Changed(path, f"it is not below `{self.path}`")
        try:
            return self._open(below)
        except FileNotFoundError:
            if not make:
                raise
        self._make(below)
        return self._open(below)

    @contextlib.contextmanager
    def place(self, path: str, *, make: bool = False) -> Iterator[Place]:
        """The place at `path`, its directory held open. Raises as `directory`."""
        directory, name = os.path.split(path)
        handle = self.directory(directory, make=make)
        try:
            yield Place(handle, name, path)
        finally:
            os.close(handle)

    def _open(self, below: str) -> int:
        try:
            # Root looks at each of them on the way.
            if not foreign.is_root():
                return kernel.open_beneath(self.handle, below, DIRECTORY)
        except Unsupported:
            pass
        except OSError as error:
            raise self._explained(error, below) from error
        handle = os.dup(self.handle)
        path = self.path
        try:
            for name in below.split(os.sep):
                inner = at.open(name, DIRECTORY | NO_FOLLOW, dir_fd=handle)
                os.close(handle)
                handle, path = inner, os.path.join(path, name)
                foreign.check(handle, path)
        except foreign.Foreign:
            os.close(handle)
            raise
        except OSError as error:
            os.close(handle)
            raise self._explained(error, below) from error
        return handle

    def _explained(self, error: OSError, below: str) -> OSError:
        path = os.path.join(self.path, below)
        if error.errno in (errno.ELOOP, errno.EXDEV) or (
            error.errno == errno.ENOTDIR and _is_link_on_the_way(self.path, below)
        ):
            return Changed(path, "there is a symbolic link on the way to it")
        return type(error)(error.errno, error.strerror, path)

    def _make(self, below: str) -> None:
        made = os.path.dirname(below)
        if made:
            with contextlib.suppress(FileExistsError):
                self._make(made)
        handle = self._open(made) if made else os.dup(self.handle)
        try:
            at.mkdir(os.path.basename(below), dir_fd=handle)
        finally:
            os.close(handle)


class Place:
    """A name in a directory that is held open."""

    def __init__(self, directory: int, name: str, path: str) -> None:
        """`path`: for messages."""
        self.directory = directory
        self.name = name
        self.path = path

    @property
    def seen(self) -> Seen | None:
        """What is there. Raises `OSError`, but not for nothing."""
        try:
            return Seen.of(at.lstat(self.name, dir_fd=self.directory))
        except FileNotFoundError:
            return None

    @property
    def kind(self) -> int:
        """`stat.S_IFMT` of what is there, 0 for nothing. Raises `OSError`."""
        return self.seen.kind if self.seen is not None else 0

    def renamed(self, other: Place) -> Place:
        """Rename what is there to another place, and give that. Raises `OSError`."""
        at.rename(self.name, other.name, src_dir_fd=self.directory, dst_dir_fd=other.directory)
        return other

    def beside(self, name: str) -> Place:
        """Another name in the same directory."""
        return Place(self.directory, name, os.path.join(os.path.dirname(self.path), name))

    def unlink(self) -> None:
        """Remove what is there. Never raises."""
        with contextlib.suppress(OSError):
            at.unlink(self.name, dir_fd=self.directory)


def put(
    new: Place,
    place: Place,
    expected: Seen | None,
    content: Hash,
    retire: Callable[[Place, Seen | None], None],
    unchanged: Callable[[], bool] = lambda: True,
) -> None:
    """Put the file `new`, which lies in a directory of ours, at `place`, where `expected` is.

    `content`: what a file there holds that may be given up, `NO_HASH` for what its `expected`
    alone tells (a symbolic link). `retire`: takes over what lies at a place of ours, with the state
    in which nothing is lost with it. `unchanged`: asked again in the end whether what the new file
    was made from is still the same.
    Raises `Changed`, and `OSError`: then the path has what somebody saved there last.
    """
    ours = new.seen
    try:
        is_exchanged = _bring(new, place, expected, content, retire, unchanged)
    except BaseException:
        new.unlink()  # it never was at the path
        raise
    if not is_exchanged:
        return
    assert expected is not None  # noqa: S101 (with nothing there is nothing to exchange)
    harmless: Seen | None = None
    try:
        if unchanged() and _may_go(new, expected, content):
            harmless = expected
            return
        put_back(new, place, ours)
        harmless = ours
    finally:
        # Also after Ctrl-C: what is not known to be harmless is read, and rescued.
        retire(new, harmless)
    raise Changed(place.path, "a program is changing it, or has it open for writing")


def _bring(
    new: Place,
    place: Place,
    expected: Seen | None,
    content: Hash,
    retire: Callable[[Place, Seen | None], None],
    unchanged: Callable[[], bool],
) -> bool:
    """Is the new file at the path in exchange for what was there? `False`: for what is gone."""
    if place.seen != expected or not unchanged():
        raise Changed(place.path)
    if expected is None:
        put_where_nothing_is(new, place)
        return False
    if expected.kind == stat.S_IFDIR:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), place.path)
    try:
        kernel.exchange(new.directory, new.name, place.directory, place.name)
    except Unsupported:
        take_away(place, new.beside(f"{new.name}.old"), expected, content, retire)
        # For a moment nothing is at the path; whoever is killed then leaves it to the next run.
        put_where_nothing_is(new, place)
        return False
    except FileNotFoundError:
        raise Changed(place.path) from None
    return True


def take_away(
    place: Place,
    aside: Place,
    expected: Seen | None,
    content: Hash,
    retire: Callable[[Place, Seen | None], None],
) -> None:
    """Remove what is at `place` by way of `aside`, a free name in a directory of ours.

    The rest as for `put`.
    """
    if expected is None or place.seen != expected:
        raise Changed(place.path)
    if expected.kind == stat.S_IFDIR:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), place.path)
    try:
        at.rename(place.name, aside.name, src_dir_fd=place.directory, dst_dir_fd=aside.directory)
    except FileNotFoundError:
        raise Changed(place.path) from None
    if _may_go(aside, expected, content):
        retire(aside, expected)
        return
    try:
        put_where_nothing_is(aside, place)
    except OSError:
        retire(aside, None)
    raise Changed(place.path)


def _may_go(place: Place, expected: Seen, content: Hash) -> bool:
    """Is it exactly what was expected, and is nobody writing to it?"""
    if place.seen != expected:
        return False
    if expected.kind != stat.S_IFREG or not content:
        return True
    try:
        handle = at.open(place.name, READ, dir_fd=place.directory)
    except OSError:  # not for us to read, or too many files: nobody knows
        return False
    try:
        if _has_writer(handle):
            return False
        return of_handle(handle, content.algorithm) == content and place.seen == expected
    except OSError:
        return False
    finally:
        os.close(handle)


def _has_writer(handle: int) -> bool:
    """`False` also where nobody can tell."""
    try:
        return kernel.has_writer(handle)
    except Unsupported:
        return False


def is_free_to_go(place: Place, contents: Collection[Hash] | None) -> bool | None:
    """Does a file of ours hold nothing but what is known? `None`: somebody writes to it yet.

    `contents`: what is known; `None`: this file is, without being read again.
    """
    seen = place.seen
    if seen is None or seen.kind != stat.S_IFREG:
        return True
    handle = at.open(place.name, READ, dir_fd=place.directory)
    try:
        if _has_writer(handle):
            return None
        if contents is None:
            return True
        algorithms = {each.algorithm for each in contents}
        return any(of_handle(handle, each) in contents for each in algorithms)
    finally:
        os.close(handle)


def put_back(new: Place, place: Place, ours: Seen | None, *, has_other_names: bool = False) -> None:
    """Put what is in `new`, a place of ours, back to `place`, where `ours` was put instead of it.

    Exchange until what comes out is what was put there last: then nobody saved in between.
    `has_other_names`: what was written to `ours` stays with its other names, and is not what was
    saved here.
    """
    put_last = ours
    for _ in range(_MOST):
        holds = new.seen
        try:
            kernel.exchange(new.directory, new.name, place.directory, place.name)
        except FileNotFoundError:  # it was deleted meanwhile: what we hold is the last there was
            with contextlib.suppress(Changed):
                put_where_nothing_is(new, place)
                return
            continue
        seen = new.seen
        if seen == put_last:
            return
        if has_other_names and seen and ours and seen[:2] == ours[:2]:
            return
        put_last = holds


def put_where_nothing_is(new: Place, place: Place) -> None:
    """Rename to where nothing is. Raises `Changed` when something is, `OSError`."""
    try:
        try:
            kernel.move(new.directory, new.name, place.directory, place.name)
        except Unsupported:
            at.link(
                new.name, place.name, src_dir_fd=new.directory, dst_dir_fd=place.directory,
                follow_symlinks=False,
            )  # fmt: skip
            new.unlink()
    except FileExistsError:
        raise Changed(place.path) from None


def _is_link_on_the_way(root: str, below: str) -> bool:
    path = root
    for name in below.split(os.sep):
        path = os.path.join(path, name)
        if os.path.islink(path):
            return True
    return False
