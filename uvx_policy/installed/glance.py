"""Whether the installed files of an environment are as they were, for a tenth of a survey.

Three numbers tell: how many files there are, how large they are together, and the latest time of
change. An edit in place, a file that is emptied, replaced or gone changes one of them. RECORDs are
not read. Environments that were linked from one cache share their files: those are asked once.
"""

from __future__ import annotations

import contextlib
import os

from uvx_policy.installed.distributions import site_directories

#: shared files that are remembered at most, about 10 MB
_MOST = 50_000


class Glance:
    """Looks at one environment after the other, also from several threads."""

    def __init__(self) -> None:
        #: (device, inode) of a file with several names -> bytes and time of change
        self._shared: dict[tuple[int, int], tuple[int, float]] = {}

    def of(self, environment: str) -> str:
        """The three numbers, of all site directories. Never raises."""
        count, size, latest = 0, 0, 0.0
        for site in site_directories(environment):
            waiting = [site]
            device = _device(site)
            while waiting:
                with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
                    for entry in entries:
                        # Here each line is run for each file of each environment.
                        name = entry.name
                        if entry.is_dir(follow_symlinks=False):
                            if name != "__pycache__":
                                waiting.append(entry.path)
                        elif not name.endswith(".pyc"):
                            key = (device, entry.inode())
                            bytes_, changed = self._shared.get(key) or self._look_at(entry, key)
                            count += 1
                            size += bytes_
                            latest = max(latest, changed)
        return f"{count} {size} {latest}"

    def _look_at(self, entry: os.DirEntry[str], key: tuple[int, int]) -> tuple[int, float]:
        """Raises `OSError`, but not for a symbolic link to nothing."""
        try:
            status = entry.stat()
        except FileNotFoundError:
            status = entry.stat(follow_symlinks=False)
        found = (status.st_size, status.st_mtime)
        is_shared = status.st_nlink > 1 and not entry.is_symlink() and status.st_dev == key[0]
        if is_shared and len(self._shared) < _MOST:
            self._shared[key] = found
        return found


def _device(directory: str) -> int:
    try:
        return os.stat(directory).st_dev
    except OSError:
        return 0
