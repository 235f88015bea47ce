"""A whole package kept aside while something else replaces it, so that there is a way back.

Each file gets a second name in a private directory; links take no space. A list there says where
each belongs, so that the next run finds the way back as well.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from typing import TYPE_CHECKING

from uvx_policy.replace import shop
from uvx_policy.replace.build import copied
from uvx_policy.replace.held import at
from uvx_policy.replace.place import READ, Changed, Place, Root, put_where_nothing_is
from uvx_policy.replace.shop import Shop

if TYPE_CHECKING:
    from collections.abc import Iterable

_LIST = "package"
_MOST = 64 << 20


class Aside:
    """The files of one package, kept. Close it when they are no longer needed."""

    def __init__(self, root: str, paths: Iterable[str]) -> None:
        """`root`: absolute path that all files lie below. Raises `OSError`: nothing is kept then.

        What is not there, or no file or link, is passed over.
        """
        self._shop = Shop(root)
        self._kept: dict[str, str] = {}
        #: something that was kept is not at its path, and may be the only copy
        self._is_owed = False
        try:
            for number, path in enumerate(dict.fromkeys(paths)):
                self._keep(path, f"kept-{number}")
            rows = json.dumps({"root": root, "files": self._kept}).encode("ascii")
            handle = at.open(_LIST, os.O_WRONLY | os.O_CREAT, 0o600, dir_fd=self._shop.handle)
            with open(handle, "wb") as stream:
                stream.write(rows)
                stream.flush()
                os.fsync(handle)
        except BaseException:
            self.close()
            raise

    def bring_back(self) -> int:
        """Put back what is no longer at its path; how many files. Raises `OSError`."""
        self._is_owed = True
        count = _bring_back(self._shop.handle, self._shop.root, self._kept)
        self._is_owed = False
        return count

    def close(self) -> None:
        """Give up what was kept; what could not be brought back is left to `finish`."""
        if not self._is_owed:
            _clear(self._shop.handle)
        self._shop.close()

    def _keep(self, path: str, name: str) -> None:
        try:
            with self._shop.root.place(path) as place:
                if place.kind not in (stat.S_IFREG, stat.S_IFLNK):
                    return
                try:
                    at.link(
                        place.name, name, src_dir_fd=place.directory,
                        dst_dir_fd=self._shop.handle, follow_symlinks=False,
                    )  # fmt: skip
                except OSError:  # no hard links here, or not of another user's file
                    copied(place, Place(self._shop.handle, name, path))
        except (FileNotFoundError, Changed):  # nothing, or nothing of this environment's
            return
        self._kept[name] = path


def finish(directory: str) -> int:
    """Bring back what a process that was killed had kept aside in `directory`; how many files.

    Only what is missing is put back, so a package that was installed again meanwhile stays. Never
    raises: what cannot be put back stays where it is.
    """
    count = 0
    with (
        contextlib.suppress(OSError, ValueError),
        contextlib.closing(Root(directory)) as root,
        at.scandir(root.handle) as entries,
    ):
        for entry in entries:
            if shop.is_abandoned(entry):
                with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                    count += _finished(root, entry.name)
    return count


def _finished(root: Root, name: str) -> int:
    with shop.taken_over(root, name) as handle:
        try:
            listed = at.open(_LIST, READ, dir_fd=handle)
        except FileNotFoundError:
            return 0
        with open(listed, "rb") as stream:
            told = json.loads(stream.read(_MOST))
        if os.path.realpath(told["root"]) != os.path.realpath(root.path):
            return 0
        count = _bring_back(handle, root, told["files"])
        _clear(handle)
        return count


def _bring_back(shop_handle: int, root: Root, kept: dict[str, str]) -> int:
    """The `.dist-info` last: with it the package is there."""
    count = 0
    for name, path in sorted(kept.items(), key=lambda row: ".dist-info" in row[1]):
        if not os.path.lexists(path):
            with root.place(path, make=True) as place:
                put_where_nothing_is(Place(shop_handle, name, path), place)
                count += 1
    return count


def _clear(handle: int) -> None:
    for name in at.listdir(handle):
        if name == _LIST or name.startswith("kept-"):
            with contextlib.suppress(OSError):
                at.unlink(name, dir_fd=handle)
