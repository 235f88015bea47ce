"""What the shim says on stderr: warnings always, everything under `LINKPOLICY_LOG=debug`."""

from __future__ import annotations

import sys

from uvx_policy.minimal_os import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def debugging(environ: dict[str, str]) -> bool:
    """Did the user ask to hear everything?"""
    return environ.get("LINKPOLICY_LOG", "").lower() == "debug"


#: Not more than PIPE_BUF bytes in UTF-8: shorter ones of many processes never mix (pipe(7)).
_LONGEST = 1000


def warn(message: str) -> None:
    """One line on stderr, never more, never an error of its own.

    What a stranger wrote may be in the message (names of keys and directories): it is shown so that
    it cannot move the cursor, set a title or turn the writing direction.
    """
    from uvx_policy.safe import safe  # not for those who only ask whether to say anything

    line = safe(message[: _LONGEST + 1].replace("\n", " "))
    line = line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."
    try:
        # Not print(): sys.stderr may be None (closed). The locale may not know a letter of a file.
        told = f"linkpolicy: {line}\n"
        os.write(2, told.encode(sys.getfilesystemencoding(), "backslashreplace"))
    except OSError:
        pass


def stop(code: int, message: str, hint: str) -> NoReturn:
    """Say one line and end this process at once, with `code`."""
    warn(f"{message} (hint: {hint})" if hint else message)
    os._exit(code)  # noqa: SLF001 (public in all but its name)


def debug_exception(environ: dict[str, str]) -> None:
    """The traceback of the exception being handled, under `LINKPOLICY_LOG=debug`."""
    if debugging(environ):
        kind, error, where = sys.exc_info()
        while where is not None:
            code = where.tb_frame.f_code
            warn(f"  {code.co_filename}:{where.tb_lineno} in {code.co_name}")
            where = where.tb_next
        warn(f"  {kind.__name__ if kind else ''}: {error}")
