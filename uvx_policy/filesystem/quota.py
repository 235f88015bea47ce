"""Whether a disk quota leaves room: statvfs(3) tells of the whole file system only.

It is tried, since each file system has its own kinds of quota and its own way to ask for them.
"""

from __future__ import annotations

import errno
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from uvx_policy.model import Mount

#: mount options of ext4 and XFS
_OPTIONS = frozenset((
    "quota", "usrquota", "uquota", "usrjquota", "grpquota", "gquota", "grpjquota", "prjquota",
    "pquota",
))  # fmt: skip


def may_be_enforced(mount: Mount) -> bool:
    """Tell whether a quota may refuse what this mount has room for. btrfs does not say."""
    options = {option.partition("=")[0] for option in mount.super_options}
    return mount.fstype == "btrfs" or bool(options & _OPTIONS)


def refuses(directory: str, size: int) -> bool:
    """Tell whether a quota surely refuses a file of so many bytes in this directory. Never raises.

    Space is reserved and given back at once; nothing is written, and no name appears.
    """
    try:
        file = os.open(directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except (OSError, AttributeError) as error:
        return getattr(error, "errno", 0) == errno.EDQUOT
    try:
        os.posix_fallocate(file, 0, size)
    except (OSError, AttributeError) as error:
        return getattr(error, "errno", 0) == errno.EDQUOT
    finally:
        os.close(file)
    return False
