"""One look at each file of an environment, and what it tells of how the file is stored."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from uvx_policy.foreign_file import DIRECTORY, NO_FOLLOW
from uvx_policy.installed import record
from uvx_policy.installed.extents import extents_of
from uvx_policy.installed.glance import BYTECODE_ENDING, numbers
from uvx_policy.installed.model import MOST_NAMED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from uvx_policy.installed.distinct import SharedFiles
    from uvx_policy.installed.extents import Extent

#: uv writes these into the site-packages of a new environment: 0.10.12 does, 0.13.8 does not
_WRITTEN_BY_VENV = frozenset(("_virtualenv.py", "_virtualenv.pth"))
#: a file without any of these can be read by nobody but root
READABLE = 0o444
#: a directory of one's own without these needs a closer look
CHANGEABLE = 0o300
#: part of every symbolic link into one of uv's caches
_ARCHIVES = "/archive-v"
#: gone, or turned into something else, while we looked; ELOOP: into a symbolic link (macOS)
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
#: a directory is listed by its handle where that can be: each stat is then spared the long path
_BY_HANDLE = os.scandir in os.supports_fd


#: what one look at an installed file showed; of a symbolic link into a cache, its target: bytes;
#: `st_mtime`; and whether it has other names or is such a link, so that its time is that of the
#: unpacking. Plain tuples: to make a NamedTuple of 30,000 files takes 10 ms more
Seen: TypeAlias = tuple[int, float, bool]


class _Place(NamedTuple):
    """A directory of a site directory: where its files are noted, and under which prefix."""

    files: dict[str, Seen]
    prefix: str


_NOWHERE = _Place({}, "")


class Walk:
    """Counts what one look at each file shows, and keeps what else has to be asked about it."""

    def __init__(
        self, sites: Sequence[str], sample: SharedFiles | None, never_share: frozenset[int]
    ) -> None:
        """`never_share`: `devices_that_never_share()`."""
        self._uid = os.geteuid() if hasattr(os, "geteuid") else 0
        self.sample = sample
        self.count = 0
        self.symlinks = 0
        self.dangling = 0
        self.shared_inode_files = 0
        self.shared_extent_files = 0
        self.shared_bytes = 0
        self.private_bytes = 0
        self.saveable_bytes = 0
        self.extents_known = True
        #: site directory -> path below it, as a RECORD writes it -> the file; bytecode left out
        self.files: dict[str, dict[str, Seen]] = {site: {} for site in sites}
        self.unreadable: list[str] = []
        self.unreadable_files = 0
        #: directories in which this user cannot replace or remove anything
        self.closed: list[str] = []
        self.closed_directories = 0
        self._sites = frozenset(sites)
        #: bytes and `st_mtime` behind each link of the site directories that is not in `files`
        self._other_links: list[tuple[int, float]] = []
        self._never_share = never_share
        #: device -> inode of each file with several names -> how many of them were seen
        self._names_seen: dict[int, dict[int, int]] = {}
        #: (bytes, path, device, saveable) of the files whose extents are to be asked for
        self._to_ask: list[tuple[int, str, int, bool]] = []

    @property
    def private_files(self) -> int:
        """All that nothing else is known of."""
        shared = self.shared_inode_files + self.shared_extent_files + self.symlinks
        return self.count - shared

    def look_below(self, top: str) -> None:
        """Look at every file below `top`, which may itself be a symbolic link."""
        waiting: list[tuple[str, _Place | None]] = [(top, None)]
        flags = DIRECTORY
        while waiting:
            path, place = waiting.pop()
            if path in self._sites:
                place = _Place(self.files[path], "")
            try:
                if not _BY_HANDLE:
                    self._look_in(path, path, place, waiting)
                    continue
                handle = os.open(path, flags)
                flags = DIRECTORY | NO_FOLLOW
                try:
                    self._look_in(handle, path, place, waiting)
                finally:
                    os.close(handle)
            except OSError as error:
                self._failed(path, error)

    def _look_in(
        self,
        directory: int | str,
        path: str,
        place: _Place | None,
        waiting: list[tuple[str, _Place | None]],
    ) -> None:
        """Look at one directory. Raises `OSError` when it cannot be listed."""
        files: list[tuple[str, os.stat_result]] = []
        with os.scandir(directory) as entries:
            for entry in entries:
                try:
                    if entry.is_dir(follow_symlinks=False):
                        name = entry.name
                        below = place and _Place(place.files, f"{place.prefix}{name}/")
                        waiting.append((f"{path}{os.sep}{name}", below))
                    elif entry.is_symlink():
                        self._look_at_link(f"{path}{os.sep}{entry.name}", entry.name, place)
                    else:
                        # Windows: an entry does not know its number of names.
                        told = entry.stat(follow_symlinks=False) if _BY_HANDLE else os.lstat(entry)
                        files.append((entry.name, told))
                except OSError as error:  # noqa: PERF203
                    self._failed(f"{path}{os.sep}{entry.name}", error)
        if files:
            self._count(path, files, place)
        if self._uid:
            self._look_at_permissions(directory, path, files)

    def _look_at_permissions(
        self, directory: int | str, path: str, files: list[tuple[str, os.stat_result]]
    ) -> None:
        """For everybody but root, whom nothing is closed to."""
        for name, told in files:
            if not told.st_mode & READABLE:
                self._note_unreadable(f"{path}{os.sep}{name}")
        told = os.stat(directory)
        is_mine = told.st_uid == self._uid and told.st_mode & CHANGEABLE == CHANGEABLE
        if not is_mine and not os.access(path, os.W_OK | os.X_OK):
            self.closed_directories += 1
            if len(self.closed) < MOST_NAMED:
                self.closed.append(path)

    def _count(
        self, directory: str, files: list[tuple[str, os.stat_result]], place: _Place | None
    ) -> None:
        """Count the files of one directory: here each line is run 30,000 times."""
        installed, prefix = place or _NOWHERE
        linkable = place is not None and not directory.endswith("__pycache__")
        device = files[0][1].st_dev  # files are not mounted on
        anew = self._written_anew(directory) if linkable else frozenset()
        may_be_cloned = device not in self._never_share
        seen = self._names_seen.setdefault(device, {})
        sample = self.sample
        names = shared = private = 0
        for name, told in files:
            size = told.st_blocks * 512 if _BY_HANDLE else told.st_size
            linked = told.st_nlink > 1
            if linkable:
                installed[prefix + name] = (told.st_size, told.st_mtime, linked)
            if linked:
                names += 1
                inode = told.st_ino
                if inode in seen:
                    self._look_at_name_again(told, seen, linkable=linkable)
                    continue
                seen[inode] = 1
                shared += size
                if sample:
                    sample.add_file(
                        told, size, f"{directory}{os.sep}{name}" if may_be_cloned else ""
                    )
                continue
            private += size
            if may_be_cloned and size:
                saveable = linkable and name not in anew
                self._to_ask.append((size, f"{directory}{os.sep}{name}", device, saveable))
        self.count += len(files)
        self.shared_inode_files += names
        self.shared_bytes += shared
        self.private_bytes += private
        if linkable and private:
            self.saveable_bytes += private - sum(
                _bytes(told) for name, told in files if told.st_nlink <= 1 and name in anew
            )

    def _look_at_name_again(
        self, told: os.stat_result, seen: dict[int, int], *, linkable: bool
    ) -> None:
        """A file is no longer shared once all of its names have been found in here."""
        seen[told.st_ino] = count = seen[told.st_ino] + 1
        if count == told.st_nlink:
            if self.sample:
                self.sample.drop_file(told)
            self.shared_inode_files -= count
            self.shared_bytes -= _bytes(told)
            self.private_bytes += _bytes(told)
            self.saveable_bytes += _bytes(told) if linkable else 0

    def _look_at_link(self, path: str, name: str, place: _Place | None) -> None:
        target = os.readlink(path)
        self.count += 1
        into_cache = leads_into_cache(target)
        self.symlinks += into_cache
        if not into_cache and place is None:
            return  # the interpreter, `lib64`
        try:
            told = os.stat(path)
        except PermissionError:
            return
        except OSError:
            self.dangling += into_cache
            told, into_cache = os.lstat(path), False
        if not into_cache:
            if not name.endswith(BYTECODE_ENDING):
                self._other_links.append((told.st_size, told.st_mtime))
            return
        self.shared_bytes += _bytes(told)
        if self.sample:
            may_be_cloned = told.st_dev not in self._never_share
            self.sample.add_target(told, _bytes(told), path, may_be_cloned=may_be_cloned)
        if place is not None:
            place.files[place.prefix + name] = (told.st_size, told.st_mtime, True)

    def glance(self) -> str:
        """What `Glance.of` tells of the site directories as they were seen."""
        seen = [
            found[:2]
            for files in self.files.values()
            for path, found in files.items()
            if not path.endswith(BYTECODE_ENDING)
        ]
        return numbers([*seen, *self._other_links])

    def _failed(self, path: str, error: OSError) -> None:
        if error.errno not in _GONE:
            self._note_unreadable(path)

    def _note_unreadable(self, path: str) -> None:
        self.unreadable_files += 1
        if len(self.unreadable) < MOST_NAMED:
            self.unreadable.append(path)

    def count_extents(self) -> None:
        """Ask which files share blocks, and count those as shared."""
        silent: set[int] = set()
        for size, path, device, saveable in self._to_ask:
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
                self._count_extents(told, size, saveable=saveable)

    def _count_extents(self, told: list[Extent], size: int, *, saveable: bool) -> None:
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
            self.saveable_bytes -= size

    def _written_anew(self, directory: str) -> frozenset[str]:
        """Names of the files that uv writes here for each environment, and links to nothing."""
        if directory.endswith(".dist-info"):
            return record.WRITTEN_ANEW
        return _WRITTEN_BY_VENV if directory in self._sites else frozenset()


def leads_into_cache(target: str) -> bool:
    """Tell whether a symbolic link with this target leads to what is unpacked in one of uv's."""
    return _ARCHIVES in target.replace("\\", "/")


def _bytes(told: os.stat_result) -> int:
    """Bytes on the disk; where the system does not tell blocks, those of the content."""
    return told.st_blocks * 512 if _BY_HANDLE else told.st_size
