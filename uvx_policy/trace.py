"""What the shim says on stderr: warnings always, everything under `LINKPOLICY_LOG=debug`."""

from __future__ import annotations

import os
import sys


def debugging(environ: dict[str, str]) -> bool:
    """Did the user ask to hear everything?"""
    return environ.get("LINKPOLICY_LOG", "").lower() == "debug"


def warn(message: str) -> None:
    """One line on stderr, never more, never an error of its own."""
    line = " ".join(message.split("\n"))
    try:  # noqa: SIM105 (contextlib costs the hot path 1 ms)
        # Not print(): sys.stderr may be None (closed) and may not encode a surrogate.
        os.write(2, os.fsencode(f"linkpolicy: {line}\n"))
    except OSError:
        pass


def debug(environ: dict[str, str], message: str) -> None:
    """`warn` under `LINKPOLICY_LOG=debug`, silence otherwise."""
    if debugging(environ):
        warn(message)


def debug_exception(environ: dict[str, str]) -> None:
    """The traceback of the exception being handled, under `LINKPOLICY_LOG=debug`."""
    if debugging(environ):
        kind, error, where = sys.exc_info()
        while where is not None:
            code = where.tb_frame.f_code
            warn(f"  {code.co_filename}:{where.tb_lineno} in {code.co_name}")
            where = where.tb_next
        warn(f"  {kind.__name__ if kind else ''}: {error}")
