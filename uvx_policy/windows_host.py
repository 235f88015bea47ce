"""The machine as `Host` shows it, where it is Windows."""

from __future__ import annotations

import os
import sys

from uvx_policy.model import FileSystem
from uvx_policy.replay import windows_sights
from uvx_policy.windows import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from uvx_policy.errors import Unreadable
    from uvx_policy.model import Attributes, Status
    from uvx_policy.replay.witness import Witnesses

assert sys.platform == "win32"  # noqa: S101 (type checkers take it from here)

_LINK = 0o120000


class OnWindows:
    """What `Host` does in another way; its witnesses are those of `replay.windows_sights`."""

    cwd: str
    witnesses: Witnesses
    status: Callable[[str], Status | None]
    _unreadable: Callable[[str, OSError], Unreadable]

    @property
    def user(self) -> str:
        """The SID."""
        from uvx_policy.windows.security import user_sid

        return user_sid()

    def read_link(self, path: str) -> str:
        """Text of a symbolic link or junction; its status is the witness. Raises `Unreadable`."""
        self._stat(path, follow=False)
        try:
            return os.readlink(path).removeprefix("\\\\?\\")
        except OSError as error:
            raise self._unreadable(path, error) from error

    def real_path(self, path: str) -> str:
        """As Windows spells it, without links; a missing tail is kept. Raises `Unreadable`."""
        self.status(path)
        # What `os.path.realpath` looks at leaves no witness.
        whole = os.path.abspath(os.path.join(self.cwd, path))
        drive, tail = os.path.splitdrive(whole)
        here = drive + "\\"
        for name in filter(None, tail.split("\\")):
            here = os.path.join(here, name)
            told = self._stat(here, follow=False)
            if told is None:
                break
            if told.st_mode & 0o170000 == _LINK:
                self.witnesses.spoil(f"`{here}` is a link, which may lead through others")
        return os.path.realpath(whole)

    def file_system(self, path: str) -> FileSystem | None:
        """The volume of `path`; `None` if unknown."""
        try:
            told = files.volume(path)
        except OSError:
            self.witnesses.add("v", path, "-")
            return None
        sight = windows_sights.volume_sight(told)
        self.witnesses.add("v", path, sight)
        return FileSystem(total=min(told.total, 2**35), identity=sight)

    def attributes(self, directory: str) -> Attributes | None:  # noqa: ARG002
        """Nothing that new files inherit decides there what links."""
        return None

    def free_bytes(self, path: str, *, needed: int) -> int:
        """Bytes that are free for us at `path`, -1 if unknown: see `Host.free_bytes`."""
        try:
            free, _ = files.space(path)
        except OSError:
            self.witnesses.add(f"f{needed:x}", path, "-")
            return -1
        self.witnesses.add(f"f{needed:x}", path, windows_sights.room_sight(free, needed))
        return free

    def free_files(self, path: str, *, needed: int) -> tuple[int, int] | None:  # noqa: ARG002
        """Nobody counts them."""
        return None

    def mount_identity(self, path: str) -> str:
        """Tell the volume from all others; "" if unknown."""
        told = self.file_system(path)
        return told.identity if told else ""

    def boot_id(self) -> str:
        """Always the same: what is known of a volume holds for as long as it has its identity."""
        return "any"

    def unmapped_uid(self) -> int | None:
        """There are no user namespaces."""
        return None

    _allows = staticmethod(files.may)

    def _ask(self, path: str, *, follow: bool) -> Any:
        return files.status(path, follow=follow)
