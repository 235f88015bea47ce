"""How the files that RECORDs name are stored, for half of what a walk through all files costs.

A RECORD says where the files are, so no directory has to be listed. What no RECORD names, such as
bytecode, is not counted.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

from uvx_policy.foreign_file import DIRECTORY
from uvx_policy.installed import record
from uvx_policy.installed.distributions import site_directories
from uvx_policy.installed.extents import devices_that_never_share
from uvx_policy.installed.model import MOST_NAMED, Survey
from uvx_policy.installed.quick import Look
from uvx_policy.installed.tree import Tree
from uvx_policy.installed.walk import CHANGEABLE, READABLE, leads_into_cache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from uvx_policy.installed.finding import Finding
    from uvx_policy.installed.walk import Seen

_BY_HANDLE = os.stat in os.supports_dir_fd
_HAS_BLOCKS = hasattr(os.stat_result, "st_blocks")
#: inode(7)
_TYPE, _LINK = 0o170000, 0o120000
_SCRIPTS = "Scripts" if os.name == "nt" else "bin"


def inspect(environment: str) -> Survey:
    """Look at what RECORDs of `environment` name, without extents or a sample. Never raises."""
    at = time.time()
    inspection, look = _Inspection(), Look()
    findings = [
        finding
        for site in site_directories(environment)
        for finding in inspection.of(Tree(path=site, kind="site", owner=environment), look)
    ]
    return inspection.survey().replace(environment=environment, at=at, **look.fields(findings))


class _Inspection:
    """Counts over all trees."""

    def __init__(self) -> None:
        self._uid = os.geteuid() if hasattr(os, "geteuid") else 0
        self._never_share = devices_that_never_share()
        self._private_files = self._symlinks = self._dangling = 0
        #: blocks of 512 bytes
        self._shared = self._private = self._saveable = 0
        #: names of shared files beyond the first of each
        self._again = 0
        self._extents_known = True
        #: (inode, device) of a file with several names -> how many of them were not seen
        self._unseen: dict[tuple[int, int], int] = {}
        self._unreadable: list[str] = []
        #: in the order in which they were found
        self._closed: dict[str, None] = {}

    def of(self, tree: Tree, look: Look) -> Iterator[Finding]:
        """Compare one tree, and count its files."""
        handle = None
        directories: set[str] = set()
        try:
            handle = os.open(tree.path, DIRECTORY) if _BY_HANDLE else None
            yield from look.at(tree, self._reader(tree.path, handle, directories))
        except OSError:
            self._unreadable.append(tree.path)
        finally:
            if handle is not None:
                os.close(handle)
        if self._uid:
            self._look_at_permissions(tree.owner, tree.path, directories)

    def _reader(
        self, site: str, handle: int | None, directories: set[str]
    ) -> Callable[[str], Seen | None]:
        """What looks at one file."""
        stat, is_root, unseen = os.stat, not self._uid, self._unseen

        def read(name: str) -> Seen | None:
            # Here each line is run 30,000 times.
            path = f"{site}/{name}" if handle is None else name
            try:
                status = stat(path, dir_fd=handle, follow_symlinks=False)
            except (OSError, ValueError) as error:
                if isinstance(error, PermissionError):
                    self._unreadable.append(f"{site}/{name}")
                return None
            if not is_root:
                directories.add(name[: name.rfind("/") + 1])
                if not status.st_mode & READABLE:
                    self._unreadable.append(f"{site}/{name}")
            names = status.st_nlink
            if names > 1:
                key = (status.st_ino, status.st_dev)
                if key in unseen:
                    self._see_again(key, status)
                else:
                    unseen[key] = names - 1
                    self._shared += status.st_blocks if _HAS_BLOCKS else _blocks(status)
                return status.st_size, status.st_mtime, True
            if status.st_mode & _TYPE == _LINK:
                return self._follow(path, handle)
            self._count_private(name, status)
            return status.st_size, status.st_mtime, False

        return read

    def _count_private(self, name: str, status: os.stat_result) -> None:
        self._private_files += 1
        self._private += _blocks(status)
        if not name.endswith(record.WRITTEN_ANEW_ENDINGS):
            self._saveable += _blocks(status)
        if status.st_dev not in self._never_share:
            self._extents_known = False

    def _see_again(self, key: tuple[int, int], status: os.stat_result) -> None:
        """A file is no longer shared once all of its names have been found in here."""
        self._unseen[key] -= 1
        self._again += 1
        if not self._unseen[key]:
            self._again -= status.st_nlink
            self._private_files += status.st_nlink
            self._shared -= _blocks(status)
            self._private += _blocks(status)
            self._saveable += _blocks(status)

    def _follow(self, path: str, handle: int | None) -> Seen | None:
        """A symbolic link: into a cache, or to anywhere else."""
        into_cache = False
        try:
            into_cache = leads_into_cache(os.readlink(path, dir_fd=handle))
            self._symlinks += into_cache
            self._private_files += not into_cache
            status = os.stat(path, dir_fd=handle)
        except PermissionError:
            return None
        except OSError:
            self._dangling += into_cache
            return None
        if into_cache:
            self._shared += _blocks(status)
        return status.st_size, status.st_mtime, into_cache or status.st_nlink > 1

    def _look_at_permissions(self, environment: str, site: str, directories: set[str]) -> None:
        self._note_closed(*_up_to(environment, site), os.path.join(environment, _SCRIPTS))
        for below in sorted(directories):
            self._note_closed(os.path.join(site, below), os.path.join(site, below, "__pycache__"))
        # What uv left when it failed half-way is no longer in any RECORD.
        named = {below.partition("/")[0] for below in directories}
        with contextlib.suppress(OSError), os.scandir(site) as entries:
            for entry in entries:
                if entry.name not in named and entry.is_dir(follow_symlinks=False):
                    self._note_closed(*(top for top, _, _ in os.walk(entry.path)))

    def _note_closed(self, *paths: str) -> None:
        for path in paths:
            with contextlib.suppress(OSError):
                status = os.stat(path)
                mine = status.st_uid == self._uid
                if mine and status.st_mode & CHANGEABLE == CHANGEABLE:
                    continue
                if not os.access(path, os.W_OK | os.X_OK):
                    self._closed.setdefault(os.path.normpath(path))

    def survey(self) -> Survey:
        """What was counted."""
        shared_files = len(self._unseen) + self._again
        return Survey(
            environment="",
            files=shared_files + self._symlinks + self._private_files,
            shared_inode_files=shared_files,
            symlink_files=self._symlinks,
            private_files=self._private_files,
            shared_bytes=self._shared * 512,
            private_bytes=self._private * 512,
            saveable_bytes=self._saveable * 512,
            extents_known=self._extents_known,
            dangling=self._dangling,
            closed_directories=len(self._closed),
            closed=tuple(self._closed)[:MOST_NAMED],
            unreadable_files=len(self._unreadable),
            unreadable=tuple(self._unreadable[:MOST_NAMED]),
        )


def _up_to(environment: str, site: str) -> Iterator[str]:
    """The directories from a site up to its environment, both included."""
    above = site
    while above.startswith(environment) and above != os.path.dirname(above):
        yield above
        above = os.path.dirname(above)


def _blocks(status: os.stat_result) -> int:
    """Of 512 bytes; Windows counts none."""
    return status.st_blocks if _HAS_BLOCKS else -(-status.st_size // 512)
