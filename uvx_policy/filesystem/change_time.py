"""When anything about a file or directory was changed last."""

from __future__ import annotations

import os
import sys

_BILLION = 10**9


def changed_at(path: str) -> float:
    """Seconds since the epoch; a link is not followed. Raises `OSError`.

    `st_ctime`, which on Windows is the time of creation.
    """
    if sys.platform == "win32":
        from uvx_policy.windows import files

        return files.status(path, follow=False).st_ctime_ns / _BILLION
    return os.lstat(path).st_ctime
