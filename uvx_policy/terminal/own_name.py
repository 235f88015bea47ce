"""What to type to call linkpolicy again, in the shell that called it."""

from __future__ import annotations

import os
import re
import shlex
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME = "linkpolicy"
#: our name where a command begins, and not as the end of a path
_CALL = re.compile(rf"(?<![\w/.'-]){_NAME} (?=[a-z])")


def typed(command: str, environ: Mapping[str, str] = os.environ) -> str:
    """The same command or hint; where PATH has no `linkpolicy`, with the path it was called by.

    That is so after `.venv/bin/linkpolicy setup`, for one: the shims are on PATH, we are not.
    """
    return _CALL.sub(lambda _: f"{_own_name(environ)} ", command)


def _own_name(environ: Mapping[str, str]) -> str:
    called = sys.argv[0] if sys.argv else ""
    if os.path.basename(called) != _NAME or not os.path.dirname(called):
        return _NAME
    from shutil import which  # rarely needed, 3 ms

    if which(_NAME, path=environ.get("PATH", os.defpath)):
        return _NAME
    return shlex.quote(os.path.abspath(called))
