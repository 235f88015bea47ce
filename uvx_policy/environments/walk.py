"""One look at each file of an environment, and what it tells of how the file is stored."""

from __future__ import annotations

import errno
import heapq
import os
from typing import TYPE_CHECKING

from uvx_policy.environments.edited import Changed
from uvx_policy.environments.extents import devices_that_never_share, extents_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from uvx_policy.environments.distinct import SharedFiles
    from uvx_policy.environments.edited import Installation
    from uvx_policy.environments.extents import Extent

#: paths that a `Survey` names
MOST_NAMED = 1000

#: uv writes these into a `.dist-info` for each environment anew (uv-install-wheel)
_WRITTEN_ANEW = frozenset(
    ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json")
)
#: uv writes these into the site-packages of a new environment: 0.10.12 does, 0.13.8 does not
_WRITTEN_BY_VENV = frozenset(("_virtualenv.py", "_virtualenv.pth"))
#: part of every symbolic link into one of uv's caches
_ARCHIVES = "/archive-v"
#: gone, or turned into something else, while we looked; ELOOP: into a symbolic link (macOS)
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
_NEVER = float("inf")
#: a directory is listed by its handle where that can be: each stat is then spared the long path
_BY_HANDLE = os.scandir in os.supports_fd
_DIRECTORY = getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0) | os.O_RDONLY
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)


class Walk:
    """Counts what one look at each file tells, and keeps what more must be asked of."""

    def __init__(
        self,
        sites: Sequence[str],
        installations: Sequence[Installation],
        sample: SharedFiles | None = None,
    ) -> None:
        self.sample = sample
        self.files = 0
        self.symlinks = 0
        self.dangling = 0
        self.shared_inode_files = 0
        self.shared_extent_files = 0
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
        #: (device, inode) of each file with several names -> how many of them were seen
        self._names_seen: dict[tuple[int, int], int] = {}
        #: (bytes, path, device, saveable) of the files whose extents are to be asked for
        self._to_ask: list[tuple[int, str, int, bool]] = []

    @property
    def private_files(self) -> int:
        """All that nothing else is known of."""
        shared = self.shared_inode_files + self.shared_extent_files + self.symlinks
        return self.files - shared

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
        self._count(path, files, linkable=in_site and not path.endswith("__pycache__"))

    def _count(
        self, directory: str, files: list[tuple[str, os.stat_result]], *, linkable: bool
    ) -> None:
        """Count the files of one directory: here each line is run 30,000 times."""
        if not files:
            return
        device = files[0][1].st_dev  # files are not mounted on
        asks = device not in self._never_share
        copied_until = self._copied_until
        total = 0
        for name, told in files:
            if told.st_nlink > 1:
                self._look_at_name(name, told, directory, linkable=linkable)
                continue
            size = told.st_blocks * 512 if _BY_HANDLE else told.st_size
            total += size
            if told.st_mtime > copied_until:
                self._note(f"{directory}{os.sep}{name}", told, linked=False)
            if asks and size:
                self._to_ask.append((size, f"{directory}{os.sep}{name}", device, linkable))
        self.files += len(files)
        self.private_bytes += total
        if linkable:
            self.saveable_bytes += total
            anew = self._written_anew(directory)
            if anew:
                self.saveable_bytes -= sum(_bytes(told) for name, told in files if name in anew)

    def _look_at_name(
        self, name: str, told: os.stat_result, directory: str, *, linkable: bool
    ) -> None:
        """Count a file with several names: as shared, until all of them are found in here."""
        self.shared_inode_files += 1
        seen = self._names_seen
        key = (told.st_dev, told.st_ino)
        seen[key] = count = seen.get(key, 0) + 1
        if count == 1:
            self.shared_bytes += _bytes(told)
            if self.sample:
                may_be_cloned = told.st_dev not in self._never_share
                path = f"{directory}{os.sep}{name}" if may_be_cloned else ""
                self.sample.add_file(told, _bytes(told), path)
        elif count == told.st_nlink:
            if self.sample:
                self.sample.drop_file(told)
            self.shared_inode_files -= count
            self.shared_bytes -= _bytes(told)
            self.private_bytes += _bytes(told)
            self.saveable_bytes += _bytes(told) if linkable else 0
        if told.st_mtime > self._linked_until:
            self._note(f"{directory}{os.sep}{name}", told, linked=True)

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
            may_be_cloned = told.st_dev not in self._never_share
            self.sample.add_target(told, _bytes(told), path, may_be_cloned=may_be_cloned)
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

    def count_extents(self, most: int | None) -> None:
        """Ask which files share blocks, at most `most` of them, and count those as shared."""
        to_ask = self._to_ask
        if most is not None and len(to_ask) > most:
            to_ask = heapq.nlargest(most, to_ask)
            self.extents_known = False
        silent: set[int] = set()
        for size, path, device, saveable in to_ask:
            if device in silent:
                continue
            try:
                told = extents_of(path)
            except OSError:  # gone, or not for us to open
                self.extents_known = False
                continue
            if told is None:
                silent.add(device)
                self.extents_known = False
            else:
                self._count_extents(told, path, size, saveable=saveable)

    def _count_extents(self, told: list[Extent], path: str, size: int, *, saveable: bool) -> None:
        shared = [one for one in told if one.is_shared]
        if shared:
            # Of compressed extents the file has more bytes than the disk.
            count = min(size, sum(one.length for one in shared))
            self.shared_extent_files += 1
            self.shared_bytes += count
            self.private_bytes -= count
            self.saveable_bytes -= count if saveable else 0
            if self.sample:
                self.sample.add_extents(shared, count)
        elif saveable and any(one.is_inline for one in told):
            directory, name = os.path.split(path)
            if name not in self._written_anew(directory):
                self.saveable_bytes -= size

    def _written_anew(self, directory: str) -> frozenset[str]:
        """Names of the files that uv writes here for each environment, and links to nothing."""
        if directory.endswith(".dist-info"):
            return _WRITTEN_ANEW
        return _WRITTEN_BY_VENV if directory in self._sites else frozenset()


def _bytes(told: os.stat_result) -> int:
    """Bytes on the disk; where the system does not tell blocks, those of the content."""
    return told.st_blocks * 512 if _BY_HANDLE else told.st_size
