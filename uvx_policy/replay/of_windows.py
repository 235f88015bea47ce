"""Sights of witnesses that only Windows has; "" where there is none, as on other systems."""

from __future__ import annotations

import sys


def processes_sight() -> str:
    """Render whether a Python program may be above this process."""
    if sys.platform == "win32":
        from uvx_policy.windows.processes import python_above

        return "" if python_above() else "-"
    return ""


def registry_sight(path: str) -> str:
    """Render when a key below HKEY_LOCAL_MACHINE was written last."""
    if sys.platform == "win32":
        from uvx_policy.windows.registry import last_write

        return last_write(path)
    return ""
