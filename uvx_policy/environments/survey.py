"""How the files of one environment are stored: shared, linked, private, edited."""

from __future__ import annotations

import errno
import heapq
import os
import time
from typing import TYPE_CHECKING

from uvx_policy.environments import edited, installed
from uvx_policy.environments.distinct import Distinct, extent_key, inode_key
from uvx_policy.environments.edited import Changed
from uvx_policy.environments.extents import devices_that_never_share, shared_extents
from uvx_policy.environments.model import Survey

if TYPE_CHECKING:
    from collections.abc import Sequence

    from uvx_policy.environments.edited import Installation

#: paths that a `Survey` names
MOST_NAMED = 1000

#: uv writes these into a `.dist-info` for each environment anew (uv-install-wheel)
_WRITTEN_ANEW = frozenset(
    ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json")
)
#: part of every symbolic link into one of uv's caches
_ARCHIVES = "/archive-v"
#: gone, or turned into something else, while we looked
_GONE = (errno.ENOENT, errno.ENOTDIR)
_NEVER = float("inf")
#: a directory is listed by its handle where that can be: each stat is then spared the long path
_BY_HANDLE = os.scandir in os.supports_fd
_DIRECTORY = getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0) | os.O_RDONLY
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)


def survey(
    environment: str,
    *,
    extents: bool = True,
    most_extents: int | None = None,
    sampled: bool = False,
) -> Survey:
    """Look at each file of `environment` once, no symbolic link below it followed. Never raises.

    `extents`: ask the file system which blocks are shared, of at most the `most_extents` largest
    files that have one name only; each costs about 10 us.

    `sampled`: fill in `shared_sample`, at 2 us for each shared file.

    What vanishes meanwhile is passed over. Of a directory without pyvenv.cfg (`--target`,
    `--prefix`), and of an environment that is a project's directory as well, only the site
    directories are looked at.
    """
    at = time.time()
    sites = installed.site_directories(environment)
    installations = edited.installations(sites)
    tops = _tops(environment, sites)
    walk = _Walk(sites, installations, _Sample((*tops, *sites)) if sampled else None)
    for top in tops:
        walk.look_below(top)
    inode_files = walk.count_names()
    extent_files = walk.count_extents(most_extents if extents else 0)
    found = edited.find_edited(installations, walk.changed)
    return Survey(
        environment=environment,
        files=walk.files,
        shared_inode_files=inode_files,
        shared_extent_files=extent_files,
        symlink_files=walk.symlinks,
        private_files=walk.files - inode_files - extent_files - walk.symlinks,
        shared_bytes=walk.shared_bytes,
        private_bytes=walk.private_bytes,
        saveable_bytes=walk.saveable_bytes,
        extents_known=walk.extents_known,
        dangling=walk.dangling,
        edited_files=len(found.paths),
        edited=found.paths[:MOST_NAMED],
        unsure_files=found.unsure,
        unreadable_files=walk.unreadable_files,
        unreadable=tuple(walk.unreadable),
        shared_sample=walk.sample.text() if walk.sample else "",
        at=at,
    )


def _tops(environment: str, sites: tuple[str, ...]) -> tuple[str, ...]:
    """The directories to look through; none lies below another."""
    is_environment = os.path.lexists(os.path.join(environment, "pyvenv.cfg"))
    is_project = os.path.lexists(os.path.join(environment, "pyproject.toml"))
    # Without any of them: the walk says what is absent or may not be entered.
    return sites if sites and (is_project or not is_environment) else (environment,)


class _Named:
    """A file that has more than one name."""

    __slots__ = ("bytes", "names", "saveable", "seen")

    def __init__(self, size: int, names: int, *, saveable: bool) -> None:
        self.bytes = size
        self.names = names
        #: how many of the names lie in this environment
        self.seen = 0
        self.saveable = saveable


class _Sample:
    """The bytes that are shared, to be counted together with those of other environments."""

    def __init__(self, directories: Sequence[str]) -> None:
        """`directories`: one on each file system that files with several names may lie on."""
        self._distinct = Distinct()
        #: `st_dev` -> `f_fsid`
        self._file_systems: dict[int, int] = {}
        for directory in directories:
            try:
                self._learn(os.stat(directory).st_dev, directory)
            except OSError:  # noqa: PERF203 (two at most)
                continue

    def _learn(self, device: int, path: str) -> int:
        known = self._file_systems.get(device)
        if known is None:
            # Where the file system has no id, or the system no such call, the device has to do.
            told = os.statvfs(path).f_fsid if hasattr(os, "statvfs") else 0
            known = self._file_systems[device] = told or device
        return known

    def add_file(self, device: int, inode: int, size: int) -> None:
        """A file with several names."""
        self._distinct.add(inode_key(self._file_systems.get(device, device), inode), size)

    def add_target(self, told: os.stat_result, path: str, size: int) -> None:
        """A file in a cache that the symbolic link `path` leads to. Raises `OSError`."""
        self._distinct.add(inode_key(self._learn(told.st_dev, path), told.st_ino), size)

    def add_extents(self, extents: Sequence[tuple[int, int]], size: int) -> None:
        """Shared extents that take `size` bytes on the disk."""
        total = sum(length for _, length in extents)
        for physical, length in extents:
            self._distinct.add(extent_key(physical), length * size // total)

    def text(self) -> str:
        """For `Survey.shared_sample`."""
        return self._distinct.sample()


class _Walk:
    """Counts what one look at each file tells, and keeps what more must be asked of."""

    def __init__(
        self,
        sites: Sequence[str],
        installations: Sequence[Installation],
        sample: _Sample | None = None,
    ) -> None:
        self.sample = sample
        self.files = 0
        self.symlinks = 0
        self.dangling = 0
        self.shared_bytes = 0
        self.private_bytes = 0
        self.saveable_bytes = 0
        self.extents_known = True
        #: files that are later than the oldest installation
        self.changed: dict[str, Changed] = {}
        self.unreadable: list[str] = []
        self.unreadable_files = 0
        self._sites = frozenset(sites)
        self._copied_until = min((one.copied_until for one in installations), default=_NEVER)
        self._linked_until = min((one.linked_until for one in installations), default=_NEVER)
        self._never_share = devices_that_never_share()
        #: (device, inode) -> file
        self._named: dict[tuple[int, int], _Named] = {}
        #: (bytes, path, device, saveable) of the files whose extents are to be asked for
        self._to_ask: list[tuple[int, str, int, bool]] = []

    def look_below(self, top: str) -> None:
        """Look at every file below `top`, which may itself be a symbolic link."""
        waiting = [(top, top in self._sites)]
        flags = _DIRECTORY
        while waiting:
            path, in_site = waiting.pop()
            try:
                if not _BY_HANDLE:
                    self._look_in(path, path, waiting, in_site=in_site)
                    continue
                handle = os.open(path, flags)
                flags = _DIRECTORY | _NO_FOLLOW
                try:
                    self._look_in(handle, path, waiting, in_site=in_site)
                finally:
                    os.close(handle)
            except OSError as error:
                self._failed(path, error)

    def _look_in(
        self, directory: int | str, path: str, waiting: list[tuple[str, bool]], *, in_site: bool
    ) -> None:
        """Look at one directory. Raises `OSError` when it cannot be listed."""
        files: list[tuple[str, os.stat_result]] = []
        with os.scandir(directory) as entries:
            for entry in entries:
                try:
                    if entry.is_dir(follow_symlinks=False):
                        below = f"{path}{os.sep}{entry.name}"
                        waiting.append((below, in_site or below in self._sites))
                    elif entry.is_symlink():
                        self._look_at_link(f"{path}{os.sep}{entry.name}")
                    else:
                        # Windows: an entry does not know its number of names.
                        told = entry.stat(follow_symlinks=False) if _BY_HANDLE else os.lstat(entry)
                        files.append((entry.name, told))
                except OSError as error:  # noqa: PERF203
                    self._failed(f"{path}{os.sep}{entry.name}", error)
        self._count(path, files, in_site=in_site and not path.endswith("__pycache__"))

    def _count(
        self, directory: str, files: list[tuple[str, os.stat_result]], *, in_site: bool
    ) -> None:
        """Count the files of one directory; what is spent here is spent 30,000 times."""
        copied_until, linked_until, never_share = (
            self._copied_until, self._linked_until, self._never_share
        )  # fmt: skip
        own = _WRITTEN_ANEW if directory.endswith(".dist-info") else ()
        total = 0
        saveable = 0
        for name, told in files:
            size = told.st_blocks * 512 if _BY_HANDLE else told.st_size
            linked = told.st_nlink > 1
            if told.st_mtime > (linked_until if linked else copied_until):
                self._note(f"{directory}{os.sep}{name}", told, linked=linked)
            can_save = in_site and name not in own
            if linked:
                self._look_at_names(told, size, saveable=can_save)
                continue
            total += size
            if can_save:
                saveable += size
            if size and told.st_dev not in never_share:
                self._to_ask.append((size, f"{directory}{os.sep}{name}", told.st_dev, can_save))
        self.files += len(files)
        self.private_bytes += total
        self.saveable_bytes += saveable

    def _look_at_names(self, told: os.stat_result, size: int, *, saveable: bool) -> None:
        key = (told.st_dev, told.st_ino)
        file = self._named.get(key)
        if file is None:
            file = self._named[key] = _Named(size, told.st_nlink, saveable=saveable)
        file.seen += 1

    def _look_at_link(self, path: str) -> None:
        target = os.readlink(path)
        self.files += 1
        if _ARCHIVES not in target.replace("\\", "/"):
            return  # the interpreter, `lib64`
        self.symlinks += 1
        try:
            told = os.stat(path)
        except PermissionError:
            return
        except OSError:
            self.dangling += 1
            return
        self.shared_bytes += _bytes(told)
        if self.sample:
            self.sample.add_target(told, path, _bytes(told))
        if told.st_mtime > self._linked_until:
            self._note(path, told, linked=True)

    def _note(self, path: str, told: os.stat_result, *, linked: bool) -> None:
        if not path.endswith(".pyc"):
            self.changed[path] = Changed(told.st_size, told.st_mtime, linked)

    def _failed(self, path: str, error: OSError) -> None:
        if error.errno in _GONE:
            return
        self.unreadable_files += 1
        if len(self.unreadable) < MOST_NAMED:
            self.unreadable.append(path)

    def count_names(self) -> int:
        """How many files have a name outside this environment; count their bytes."""
        count = 0
        for (device, inode), file in self._named.items():
            if file.seen < file.names:
                count += file.seen
                self.shared_bytes += file.bytes
                if self.sample:
                    self.sample.add_file(device, inode, file.bytes)
            else:  # all its names are in here
                self.private_bytes += file.bytes
                self.saveable_bytes += file.bytes if file.saveable else 0
        return count

    def count_extents(self, most: int | None) -> int:
        """How many files share blocks; count their bytes as shared. Ask for at most `most`."""
        to_ask = self._to_ask
        if most is not None and len(to_ask) > most:
            to_ask = heapq.nlargest(most, to_ask)
            self.extents_known = False
        count = 0
        silent: set[int] = set()
        for size, path, device, saveable in to_ask:
            if device in silent:
                continue
            try:
                told = shared_extents(path)
            except OSError:  # gone, or not for us to open
                self.extents_known = False
                continue
            if told is None:
                silent.add(device)
                self.extents_known = False
            elif told:
                # Of compressed extents the file has more bytes than the disk.
                shared = min(size, sum(length for _, length in told))
                count += 1
                self.shared_bytes += shared
                if self.sample:
                    self.sample.add_extents(told, shared)
                self.private_bytes -= shared
                self.saveable_bytes -= shared if saveable else 0
        return count


def _bytes(told: os.stat_result) -> int:
    """Bytes on the disk; where the system does not tell blocks, those of the content."""
    return told.st_blocks * 512 if _BY_HANDLE else told.st_size
