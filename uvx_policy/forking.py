"""Another process of ours: may there be one, is there a processor for it, and what it says."""

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


def forked() -> tuple[int, int]:
    """Fork. Here: the child's pid, and the pipe to read what it says; there: 0, and where to write.

    Raises `OSError`, with nothing left open.
    """
    source, sink = os.pipe()
    try:
        child = os.fork()
    except OSError:
        os.close(source)
        os.close(sink)
        raise
    os.close(sink if child else source)
    return (child, source) if child else (0, sink)
