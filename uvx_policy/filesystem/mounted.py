"""The file systems that are mounted at this moment, off the hot path."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from uvx_policy.errors import Unreadable
from uvx_policy.filesystem.mounts import parse_mountinfo

if TYPE_CHECKING:
    from uvx_policy.model import Mount


def mounted() -> tuple[Mount, ...]:
    """The rows of the mount table; none where there is no /proc, or it cannot be read."""
    try:
        with open("/proc/self/mountinfo", "rb") as stream:
            return parse_mountinfo(os.fsdecode(stream.read())).rows
    except (OSError, Unreadable):
        return ()
