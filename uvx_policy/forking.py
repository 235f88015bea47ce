"""May this process be forked, and is there a processor for another one?"""

from __future__ import annotations

import os
import sys


def processors() -> int:
    """How many processes can work at once here; 1 where this one must not be forked."""
    if not hasattr(os, "fork"):
        return 1
    threading = sys.modules.get("threading")
    if threading is not None and threading.active_count() > 1:
        return 1  # a lock that another thread holds would be held in the child for ever
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
