"""File systems that environments lie on, and how files can share their space there."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from array import array
from bisect import bisect_left
from typing import TYPE_CHECKING

from uvx_policy.filesystem.mounts import is_read_only, why_network
from uvx_policy.foreign_file import FLAGS
from uvx_policy.replace import kernel
from uvx_policy.replace.outcome import Outcome

if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    from uvx_policy.model import Mount

    Method: TypeAlias = Literal["dedupe", "clone", "hardlink", ""]

#: file systems with FIDEDUPERANGE: of others it is tried nowhere
_CAN_DEDUPE = frozenset(("bcachefs", "btrfs", "ocfs2", "xfs"))
#: bytes of a file that btrfs keeps among the metadata, unless `max_inline` says otherwise
_INLINE = 2048
_CANNOT = (errno.EOPNOTSUPP, errno.ENOTTY, errno.ENOSYS)


class Volume:
    """One file system: what will be done there, and what was."""

    def __init__(self, mount: Mount | None, path: str) -> None:
        """`path`: an environment or a cache on it."""
        self.path = path
        self.mount_point = mount.point if mount else path
        self.file_system = mount.fstype if mount else ""
        self.is_read_only = mount is not None and is_read_only(mount)
        self._mount = mount
        self.method: Method = ""
        #: why it is this method, or why there is none
        self.why = ""
        #: `st_dev`: each subvolume of btrfs has one
        self.devices: set[int] = set()
        self.environments: list[str] = []
        self.caches: list[str] = []
        #: groups with files to work on, in order; and where the source of each lies
        self.groups = array("I")
        self.places = array("Q")
        #: files, and bytes at most
        self.files = self.size = 0
        #: what was left by the plan
        self.planned = Outcome()
        #: `None`: not done
        self.done: Outcome | None = None
        #: bytes that are free now and were not before
        self.freed = 0
        #: processes that use what was replaced: words for people
        self.held_by: list[str] = []

    @property
    def inline(self) -> int:
        """Bytes of the largest file that may lie among the metadata, where nothing can be saved."""
        if self.file_system != "btrfs" or self._mount is None:
            return 0
        for option in self._mount.super_options:
            name, _, value = option.partition("=")
            if name == "max_inline" and value.isdecimal():
                return int(value)
        return _INLINE

    def place(self, group: int) -> int:
        """Where the source of a group lies, 0 where that is not known."""
        return self.places[bisect_left(self.groups, group)] if self.places else 0

    def choose(self, wanted: str) -> None:
        """Set `method`. `wanted`: "auto", "dedupe" or "hardlink"."""
        if self.is_read_only:
            self.why = "it is mounted read-only"
            return
        if self._mount is not None and "noowners" in self._mount.options:
            # Of another user's process nobody is told what it has open.
            self.why = "it ignores owners: every user can write there"
            return
        if wanted == "hardlink":
            self.method, self.why = "hardlink", "--method hardlink"
            return
        can_dedupe = self._can_dedupe()
        if can_dedupe:
            self.method = "dedupe"
            self.why = "equal files share their blocks and stay separate files"
        elif self._can_clone():
            self.method, self.why = "clone", "equal files become clones and stay separate files"
        elif wanted == "dedupe":
            self.why = f"{self.file_system or 'this file system'} cannot share blocks"
        elif sys.platform == "linux":
            self.method, self.why = "hardlink", "equal files become hard links to one file"
        else:
            self.why = "files cannot be exchanged safely on this system"

    def _can_clone(self) -> bool:
        """Where the kernel can clone, and not compare what is to share its blocks."""
        is_local = self._mount is not None and not why_network(self._mount)
        return sys.platform == "darwin" and self.file_system == "apfs" and is_local

    def _can_dedupe(self) -> bool:
        if sys.platform != "linux" or self._mount is None or why_network(self._mount):
            return False
        if self.file_system not in _CAN_DEDUPE:
            return False
        # A file with itself is refused by what can do it, and unknown to what cannot.
        for name in ("pyvenv.cfg", ".lock", "CACHEDIR.TAG"):
            with contextlib.suppress(OSError):
                handle = os.open(os.path.join(self.path, name), FLAGS)
                try:
                    size = os.fstat(handle).st_size
                    state = kernel.dedupe(handle, 0, size or 1, [handle])[0][1]
                except OSError as error:
                    state = -(error.errno or 0)
                finally:
                    os.close(handle)
                return -state not in _CANNOT
        return True

    @property
    def held(self) -> int:
        """Bytes that were counted and are not free yet."""
        return max(self.done.size - self.freed, 0) if self.done is not None else 0

    @property
    def left(self) -> Outcome:
        """Everything that was left, by the plan and by the work."""
        every = Outcome()
        every.add(self.planned)
        if self.done is not None:
            every.add(self.done)
        return every

    def free(self) -> int:
        """Bytes that are free; after all that is known to the file system is on the disk."""
        kernel.sync(self.path)
        told = os.statvfs(self.path)
        return told.f_bfree * told.f_frsize
