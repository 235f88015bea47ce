"""Tracebacks of checks that failed themselves: one private file, of the last run that had any."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvx_policy.state import files
from uvx_policy.state.layout import CRASHES

if TYPE_CHECKING:
    from uvx_policy.doctor.case import Case

NAME = "crash.log"


def keep(case: Case, check: str, error: BaseException, earlier: list[str]) -> str:
    """Write the traceback below those of this run; the path of the file, "" when there is none.

    `earlier`: the tracebacks of this run so far; this one is added to it. Raises nothing.
    """
    import traceback

    told = "".join(traceback.format_exception(error))
    earlier.append(f"{check}:\n{told}")
    content = "\n".join(earlier).encode("utf-8", "backslashreplace")[: CRASHES.longest]
    try:
        if not case.state:
            return ""
        files.write(case.state, CRASHES, NAME, content)
        return files.path_of(case.state, CRASHES, NAME)
    except Exception:  # noqa: BLE001 (the log of a fault must not be the next one)
        return ""
