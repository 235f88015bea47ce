"""What belongs to somebody else: which of it may be taken back, and how."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from uvx_policy.doctor.diagnostic import Fix
from uvx_policy.terminal.command import chown

if TYPE_CHECKING:
    from uvx_policy.doctor.case import Case


#: names in a path that root may take
_DEEP = 3


def take_back(case: Case, path: str) -> Fix:
    """Let `path`, and everything below, belong to this user again.

    Without a command where it is not this user's to take.
    """
    if not is_ours(case, path):
        return Fix.by(
            f"Use a directory of your own, or ask the owner: nothing above `{path}` is yours"
        )
    return Fix.by(
        f"Change the owner of `{path}` back to you", chown(path, uid=case.host.uid, gid=os.getgid())
    )


def is_ours(case: Case, path: str) -> bool:
    """Does `path` (absolute) lie in a directory of this user's?

    Whoever owns a directory can exchange what lies in it. Root owns them all, and takes nothing
    that lies as high as `/var/lib`.
    """
    uid, real = case.host.uid, os.path.realpath(path)
    if uid == 0:
        return real.count(os.sep) >= _DEEP
    above = os.path.dirname(real)
    while above != os.path.dirname(above):
        if _owner(above) == uid:
            return True
        above = os.path.dirname(above)
    return False


def _owner(path: str) -> int | None:
    try:
        return os.stat(path).st_uid
    except OSError:
        return None
