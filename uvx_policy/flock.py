"""flock(2) on an open file: for one process alone, or for all who take it shared."""

from __future__ import annotations

import sys


def take_alone(handle: int) -> bool:
    """Take the lock for this handle alone; `False` when somebody holds it.

    Where there are no locks (Windows, some file systems) it counts as taken.
    """
    return _take(handle, alone=True)


def take_shared(handle: int) -> bool:
    """Take the lock with all who take it shared; `False` when somebody holds it alone.

    Where there are no locks (Windows, some file systems) it counts as taken.
    """
    return _take(handle, alone=False)


def _take(handle: int, *, alone: bool) -> bool:
    if sys.platform == "win32":
        return True
    import fcntl

    try:
        fcntl.flock(handle, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True
