"""One look at what lies in a cache: whose it is, where links lead, what is wrong with the files.

RECORDs say which files there are; nothing is hashed that looks as it should (`installed.quick`). A
large cache is looked at as long as there is time for it, the newest archives first: those are what
was just unpacked when the power failed. What was not looked at is counted, and nothing is concluded
about it.
"""

from __future__ import annotations

import contextlib
import os
from time import monotonic
from typing import TYPE_CHECKING

from uvx_policy.caches import contents
from uvx_policy.caches.archive_links import LINKING_BUCKETS, Link
from uvx_policy.filesystem.change_time import changed_at
from uvx_policy.foreign_file import DIRECTORY
from uvx_policy.installed.quick import Look
from uvx_policy.installed.tree import ARCHIVES, Tree, archives, trees_of_environment
from uvx_policy.terminal.words import count, listed, verb
from uvx_policy.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from uvx_policy.installed.finding import Finding
    from uvx_policy.installed.walk import Seen
    from uvx_policy.pipeline import Plan

#: files, links and directories of each cache that are looked at however long it takes: 15 ms
SMALL = 2000
#: after so many the time is looked at again
_AT_ONCE = 50
#: paths that are kept of what belongs to others
_MOST_NAMED = 1000
#: below the cache: bucket, index, package, version
_DEEP = 3
_BY_HANDLE = os.stat in os.supports_dir_fd
#: inode(7)
_TYPE, _LINK = 0o170000, 0o120000


class Inspection(Value):
    """What one look at a cache showed."""

    cache: str
    #: archives that something in the cache leads to, and how many of them were looked at
    archives: int = 0
    looked_at: int = 0
    #: the directories that lead to the archives were looked at, all of them
    buckets_complete: bool = True
    #: files that are edited or missing, and damaged RECORDs
    findings: tuple[Finding, ...] = ()
    #: files whose time is late, and that are too many bytes to compare quickly
    unsure_files: int = 0
    #: what belongs to another user, and to whom; of a directory only itself
    foreign: tuple[tuple[str, int], ...] = ()
    foreign_files: int = 0
    #: links that name an archive, of this cache or another one, by an absolute path
    absolute_links: tuple[Link, ...] = ()
    #: a file of an archive has a name outside: an environment is linked from here
    is_linked: bool = False
    #: of the archives that were looked at
    bytes: int = 0

    @property
    def is_complete(self) -> bool:
        """Was everything looked at?"""
        return self.buckets_complete and self.looked_at == self.archives


def inspect(cache: str, *, uid: int, until: float) -> Inspection:
    """Look at a cache. Never raises.

    `uid`: whose it should be, -1 where files have no owners; `until`, of `time.monotonic`: when to
    stop.
    """
    return _Inspecting(cache, uid, until).inspection()


def hard_links_are_protected() -> bool:
    """Does the kernel refuse hard links to files of others, so that uv copies those?

    `fs.protected_hardlinks` (Documentation/admin-guide/sysctl/fs.rst): 1 on every distribution that
    uses systemd. Such a file can be linked by its owner, by root, and by who may write it.
    """
    try:
        with open("/proc/sys/fs/protected_hardlinks", "rb") as stream:
            return stream.read(1) == b"1"
    except OSError:
        return False


def why_copied(plan: Plan) -> str:
    """Why uv copies some files although this plan says hard links, "" when nothing is known.

    Only the archives themselves are looked at, not what is in them: 2 us for each.
    """
    facts, mode = plan.facts, plan.outcome.link_mode.value
    if facts is None or (mode or (facts.link_mode and facts.link_mode.value)) != "hardlink":
        return ""
    cache = plan.outcome.cache_dir.value or facts.cache
    uid = os.geteuid() if hasattr(os, "geteuid") else 0
    if uid == 0 or not hard_links_are_protected():
        return ""
    owners = [_owner(path) for path in archives(cache)]
    others = sorted({owner for owner in owners if owner not in (uid, None)}, key=str)
    if not others:
        return ""
    number = sum(owner in others for owner in owners)
    return (
        f"{number:,} of {count(len(owners), 'archive')} in the cache "
        f"{verb(number, 'belongs', 'belong')} to {listed(f'user {owner}' for owner in others)}: "
        "uv copies what is in there, because the kernel lets nobody else hard link it "
        "(fs.protected_hardlinks)"
    )


def _owner(path: str) -> int | None:
    try:
        return os.lstat(path).st_uid
    except OSError:
        return None


class _TimeIsUp(Exception):
    pass


class _Inspecting:
    """Collects what becomes an `Inspection`."""

    def __init__(self, cache: str, uid: int, until: float) -> None:
        self._cache = cache
        self._uid = uid
        self._until = until
        #: so many things are looked at before the time is looked at
        self._left = SMALL
        self._foreign: list[tuple[str, int]] = []
        self._foreign_files = 0
        self._absolute: list[Link] = []
        self._targets: set[str] = set()
        self._is_linked = False
        self._bytes = 0

    def inspection(self) -> Inspection:
        complete = True
        try:
            self._look_at_buckets()
        except _TimeIsUp:
            complete = False
        self._left = max(self._left, SMALL)
        every = sorted(self._archives(all_known=complete), reverse=True)
        look = Look()
        findings: list[Finding] = []
        looked_at = 0
        for _, path, is_foreign in every:
            try:
                findings += self._wrong_in(path, look, is_foreign=is_foreign)
                looked_at += 1
            except _TimeIsUp:  # noqa: PERF203
                break
            except OSError:  # gone meanwhile, or not for us to read: not looked at
                continue
        return Inspection(
            cache=self._cache,
            archives=len(every),
            looked_at=looked_at,
            buckets_complete=complete,
            findings=tuple(findings),
            unsure_files=look.unsure,
            foreign=tuple(self._foreign),
            foreign_files=self._foreign_files,
            absolute_links=tuple(self._absolute),
            is_linked=self._is_linked,
            bytes=self._bytes,
        )

    def _count(self) -> None:
        """One thing more was looked at. Raises `_TimeIsUp`."""
        self._left -= 1
        if self._left <= 0:
            if monotonic() > self._until:
                raise _TimeIsUp
            self._left = _AT_ONCE

    def _note_owner(self, path: str, owner: int) -> bool:
        """Tell whether this belongs to another user."""
        if owner == self._uid or self._uid < 0:
            return False
        self._foreign_files += 1
        if len(self._foreign) < _MOST_NAMED:
            self._foreign.append((path, owner))
        return True

    # Everything but archives ---------------------------------------------------------------------

    def _look_at_buckets(self) -> None:
        """Raises `_TimeIsUp`."""
        waiting = [(self._cache, 0)]
        while waiting:
            directory, depth = waiting.pop()
            if not self._has_links_or_owners(directory, depth):
                continue
            entries: list[os.DirEntry[str]] = []
            with contextlib.suppress(OSError), os.scandir(directory) as found:
                entries = list(found)
            for entry in entries:
                self._count()
                with contextlib.suppress(OSError):
                    owner = entry.stat(follow_symlinks=False).st_uid
                    is_foreign = self._note_owner(entry.path, owner)
                    if entry.is_symlink():
                        self._look_at_link(Link(entry.path, os.readlink(entry.path)))
                    elif entry.is_dir(follow_symlinks=False) and not is_foreign:
                        waiting.append((entry.path, depth + 1))

    def _look_at_link(self, link: Link) -> None:
        self._targets.add(link.archive)
        if link.is_absolute:
            self._absolute.append(link)

    def _has_links_or_owners(self, directory: str, depth: int) -> bool:
        """Is this directory worth a look?"""
        below = directory[len(self._cache) + 1 :]
        # What an sdist was unpacked into holds no links of uv's; there and deeper in other buckets
        # everything was written by one uv.
        if below == ARCHIVES or os.path.basename(below) == "src":
            return False
        # Being written, or left: nothing there is part of the cache.
        if below.startswith(contents.TEMPORARY):
            return False
        return depth <= _DEEP or below.startswith(LINKING_BUCKETS)

    # Archives ------------------------------------------------------------------------------------

    def _archives(self, *, all_known: bool) -> Iterator[tuple[float, str, bool]]:
        """Give when each was unpacked, its path, and whether another user owns it.

        Only those that something leads to: nothing installs the others ever again.
        """
        for path in archives(self._cache):
            with contextlib.suppress(OSError):
                told = os.lstat(path)
                is_foreign = self._note_owner(path, told.st_uid)
                if not (all_known and self._targets) or os.path.basename(path) in self._targets:
                    yield changed_at(path), path, is_foreign

    def _wrong_in(self, archive: str, look: Look, *, is_foreign: bool) -> list[Finding]:
        """Raises `_TimeIsUp`, and `OSError` when it cannot be listed."""
        trees: tuple[Tree, ...] = (Tree(path=archive, kind="archive", owner=self._cache),)
        if os.path.lexists(os.path.join(archive, "pyvenv.cfg")):
            trees = trees_of_environment(archive)  # of a tool or a script
        return [one for tree in trees for one in self._compared(tree, look, is_foreign=is_foreign)]

    def _compared(self, tree: Tree, look: Look, *, is_foreign: bool) -> list[Finding]:
        """What differs from the RECORDs of a tree; owners are looked at by the way.

        `is_foreign`: it is known that all of it belongs to somebody else. Raises as `_wrong_in`.
        """
        handle = os.open(tree.path, DIRECTORY) if _BY_HANDLE else None
        directories: set[str] = set()

        def read(name: str) -> Seen | None:
            self._count()
            try:
                path = f"{tree.path}/{name}" if handle is None else name
                status = os.stat(path, dir_fd=handle, follow_symlinks=False)
            except (OSError, ValueError):
                return None
            directories.add(name[: name.rfind("/") + 1])
            linked = status.st_nlink > 1
            self._bytes += status.st_size
            self._is_linked = self._is_linked or linked
            if status.st_uid != self._uid and not is_foreign:
                self._note_owner(f"{tree.path}/{name}", status.st_uid)
            if status.st_mode & _TYPE == _LINK:  # in an environment: compared is what it leads to
                with contextlib.suppress(OSError):
                    status = os.stat(path, dir_fd=handle)
            return status.st_size, status.st_mtime, linked

        try:
            found = list(look.at(tree, read))
        finally:
            if handle is not None:
                os.close(handle)
        for below in directories - {""} if not is_foreign else ():
            self._count()
            with contextlib.suppress(OSError):
                directory = os.path.join(tree.path, below)
                self._note_owner(directory, os.lstat(directory).st_uid)
        return found
