"""Let equal files be clones of each other where the file system cannot compare them: on APFS.

The protocol is that of `links`, with a clone in the place of another name. It has the permissions,
times and attributes of the file that it replaces, and stays a file of its own: what is written to
one is in no other. Bytecode stays valid, for the time is the same.
"""

from __future__ import annotations

import os
import stat
import sys

from uvx_policy.filesystem.clone import clone_to
from uvx_policy.installed.extents import extents_of
from uvx_policy.installed.hash import Hash, of_handle
from uvx_policy.macos import calls
from uvx_policy.replace import attributes
from uvx_policy.replace.links import Linker
from uvx_policy.replace.place import READ

TYPE_CHECKING = False
if TYPE_CHECKING:
    from uvx_policy.replace.opened import File, Group
    from uvx_policy.replace.shop import Shop


class Cloner(Linker):
    """Clones files of groups, in one process; within `kernel.leases`. Close it."""

    _has_other_names = False

    def _kind(self, status: os.stat_result) -> tuple[int, int, int, int]:
        return (0, 0, 0, status.st_dev)

    def _attributes(self, handle: int) -> dict[str, bytes]:  # noqa: ARG002
        return {}

    def _made(
        self, source: File, target: File, group: Group, shop: Shop, name: str
    ) -> os.stat_result | None:
        """A clone of the source that looks like the target; `None` when that is left."""
        clone_to(source.handle, name, directory=shop.handle)
        reason = "error"
        try:
            handle = os.open(name, READ, dir_fd=shop.handle)
            try:
                _dress(target.handle, handle, target.path)
                made = os.fstat(handle)
                # The source may have been written to since it was hashed.
                content = Hash.parse(group.hash)
                if of_handle(handle, content.algorithm) != content:
                    reason = "busy"
                elif not _looks_like(made, target.status):
                    reason = "attributes"
                else:
                    reason = ""
                    return made
            finally:
                os.close(handle)
        except attributes.CannotKeep:
            reason = "attributes"
        finally:
            if reason:
                os.unlink(name, dir_fd=shop.handle)
        self._leave(reason, target)
        return None


def place_of_clone(path: str) -> int:
    """A number that clones have in common until one is written to; 0 for unknown."""
    try:
        if sys.platform == "darwin":
            return calls.clone_id(path)
        extents = extents_of(path)
    except OSError:
        return 0
    return hash(tuple(extents)) if extents and all(each.is_placed for each in extents) else 0


def _dress(source: int, new: int, path: str) -> None:
    """Give `new` what `source` has besides its content. Raises `OSError`."""
    if sys.platform == "darwin":
        calls.copy_metadata(source, new, path)
        status = os.fstat(source)
        # copyfile(3) may cut the time to microseconds.
        os.utime(new, ns=(status.st_atime_ns, status.st_mtime_ns))
    else:
        attributes.copy(source, new, path)


def _looks_like(made: os.stat_result, target: os.stat_result) -> bool:
    return (
        stat.S_IMODE(made.st_mode) == stat.S_IMODE(target.st_mode)
        and (made.st_uid, made.st_gid) == (target.st_uid, target.st_gid)
        and made.st_mtime_ns == target.st_mtime_ns
        and made.st_size == target.st_size
    )
