"""What a file has besides its content: owner, permissions, times, ACLs, extended attributes."""

from __future__ import annotations

import errno
import os
import stat

from uvx_policy.replace.held import at

#: the system gives these to every file by itself
_LABELS = frozenset(("security.selinux", "security.ima", "security.evm", "security.SMACK64"))
_HAS_ATTRIBUTES = hasattr(os, "listxattr")
_UNKNOWN = (errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)


class CannotKeep(OSError):
    """Something that the file has cannot be given to another one: it is left as it is."""

    def __init__(self, what: str, path: str) -> None:
        super().__init__(errno.ENOTSUP, f"{what} cannot be kept", path)


def copy(source: int, new: int, path: str) -> None:
    """Give what the file `source` has to `new`; both are handles. `path`: for messages.

    Group, permissions, times, ACLs, capabilities and other extended attributes; the owner is
    whoever makes the copy. Raises `CannotKeep`, `OSError`.
    """
    status = os.fstat(source)
    if hasattr(os, "fchown") and os.fstat(new).st_gid != status.st_gid:
        try:
            os.fchown(new, -1, status.st_gid)
        except OSError:
            # It matters only where the group may do what others may not.
            if status.st_mode >> 3 & 0o7 != status.st_mode & 0o7:
                raise CannotKeep("its group", path) from None
    set_mode(new, stat.S_IMODE(status.st_mode))
    for name in _attributes(source):
        try:
            # After the permissions: a change of those changes an ACL.
            os.setxattr(new, name, os.getxattr(source, name))
        except OSError:  # noqa: PERF203 (few files have one)
            raise CannotKeep(f"its attribute {name}", path) from None
    at.utime(new, ns=(status.st_atime_ns, status.st_mtime_ns))


def extended(handle: int) -> dict[str, bytes]:
    """ACLs, capabilities and other extended attributes of an open file. Raises `OSError`."""
    names = _attributes(handle)
    return {name: os.getxattr(handle, name) for name in names} if names else {}


def set_mode(handle: int, mode: int) -> None:
    """chmod(2) of an open file. Raises `OSError`."""
    if hasattr(os, "fchmod"):
        os.fchmod(handle, mode)


def _attributes(handle: int) -> list[str]:
    if not _HAS_ATTRIBUTES:
        return []
    try:
        names = os.listxattr(handle)
    except OSError as error:
        if error.errno in _UNKNOWN:
            return []
        raise
    return [name for name in names if name not in _LABELS] if names else names
