"""flock(2) on an open file, for one process alone."""

from __future__ import annotations

import sys


def take_alone(handle: int) -> bool:
    """Take the lock for this handle alone; `False` when somebody holds it.

    Where there are no locks (Windows, some file systems) it counts as taken.
    """
    if sys.platform == "win32":
        return True
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True
