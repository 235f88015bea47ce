"""On a terminal, a check that takes long says what it is doing. On stderr: it is no finding."""

from __future__ import annotations

import contextlib
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from uvx_policy.doctor.diagnostic import Check

#: seconds that a check may take silently
_PATIENCE = 1.0


@contextlib.contextmanager
def told_when_slow(check: Check) -> Iterator[None]:
    """Nothing on the screen for what is quick, and nothing left on it afterwards."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    status = Console(stderr=True, highlight=False).status(f"{check.id}: {check.title} ...")
    timer = threading.Timer(_PATIENCE, status.start)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        status.stop()
