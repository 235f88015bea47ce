"""Whether the installed files of an environment are as they were, for a tenth of a survey.

Three numbers tell: how many files there are, how large they are together, and the latest time of
change. An edit in place, a file that is emptied, replaced or gone changes one of them. RECORDs are
not read. Environments that were linked from one cache share their files: those are asked once.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from uvx_policy.installed.distributions import status_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: bytecode comes and goes with each run, and no RECORD vouches for it
BYTECODE_ENDING = ".pyc"
#: shared files of one device that are remembered at most, about 10 MB
_MOST = 50_000


class Glance:
    """Looks at one environment after the other, also from several threads."""

    def __init__(self) -> None:
        #: device -> inode of a file with several names -> bytes and time of change
        self._shared: dict[int, dict[int, tuple[int, float]]] = {}

    def of(self, sites: Iterable[str]) -> str:
        """The three numbers, of all site directories of an environment. Never raises."""
        count, size, latest = 0, 0, 0.0
        for site in sites:
            told = status_of(site)
            device = told.st_dev if told else 0
            known = self._shared.setdefault(device, {})
            waiting = [site]
            while waiting:
                directory = waiting.pop()
                with contextlib.suppress(OSError), os.scandir(directory) as entries:
                    for entry in entries:
                        # Here each line is run for each file of each environment.
                        name = entry.name
                        if entry.is_dir(follow_symlinks=False):
                            if name != "__pycache__":
                                waiting.append(f"{directory}/{name}")
                        elif not name.endswith(BYTECODE_ENDING):
                            found = known.get(entry.inode()) or _look_at(entry, device, known)
                            count += 1
                            size += found[0]
                            latest = max(latest, found[1])
        return f"{count} {size} {latest}"


def numbers(files: Sequence[tuple[int, float]]) -> str:
    """The same of files that somebody looked at; of each: bytes and time of change."""
    sizes, times = zip(*files, strict=True) if files else ((), ())
    return f"{len(files)} {sum(sizes)} {max(times, default=0.0)}"


def _look_at(
    entry: os.DirEntry[str], device: int, known: dict[int, tuple[int, float]]
) -> tuple[int, float]:
    """Bytes and time of change of a file. Raises `OSError`, but not for a link to nothing."""
    try:
        status = entry.stat()
    except FileNotFoundError:
        status = entry.stat(follow_symlinks=False)
    found = (status.st_size, status.st_mtime)
    is_shared = status.st_nlink > 1 and status.st_dev == device and len(known) < _MOST
    if is_shared and not entry.is_symlink():
        known[entry.inode()] = found
    return found
