"""Tracebacks of checks that failed themselves: one private file, of the last run that had any."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from uvx_policy.state import files as state_files

if TYPE_CHECKING:
    from uvx_policy.doctor.case import Case

#: directory below the state directory
DIRECTORY = "doctor"
NAME = "crash.log"
#: bytes
_MOST = 262_144


def keep(case: Case, check: str, error: BaseException, earlier: list[str]) -> str:
    """Write the traceback below those of this run; the path of the file, "" when there is none.

    `earlier`: the tracebacks of this run so far; this one is added to it. Raises nothing.
    """
    import traceback

    told = "".join(traceback.format_exception(error))
    earlier.append(f"{check}:\n{told}")
    content = "\n".join(earlier).encode("utf-8", "backslashreplace")[:_MOST]
    try:
        if not case.state:
            return ""
        state_files.write(case.state, DIRECTORY, NAME, content)
        return os.path.join(case.state, DIRECTORY, NAME)
    except Exception:  # noqa: BLE001 (the log of a fault must not be the next one)
        return ""


def forget(state: str) -> None:
    """Remove the log. Fails silently. `state`: the state directory, "" for none."""
    if state:
        state_files.remove_directory(state, DIRECTORY)
