"""`linkpolicy` itself beside the shims: what setup was called with is not on PATH everywhere."""

from __future__ import annotations

import os
import shlex
import sysconfig
from typing import TYPE_CHECKING

from uvx_policy import locate

if TYPE_CHECKING:
    from collections.abc import Iterator

#: its name, on PATH and in an environment
NAME = "linkpolicy"

# The installed command by its path, because what upgrades linkpolicy makes it again at the same
# place. Not `python -m`, which would import what lies in the working directory.
_TEMPLATE = """\
#!/bin/sh
# {marker}: starts the linkpolicy that `linkpolicy setup` was called with
# Written by `linkpolicy setup`; `linkpolicy uninstall` takes it away again.
if [ -x {path} ]; then
    exec {path} "$@"
fi
# It is gone. Another one, but none like this file: that would come back here.
IFS=:
set -f
for directory in $PATH; do
    if [ -f "$directory/{name}" ] && [ -x "$directory/{name}" ]; then
        line=
        {{ read -r line; read -r line; }} 2>/dev/null <"$directory/{name}"
        case $line in "# {marker}:"*) ;; *) exec "$directory/{name}" "$@" ;; esac
    fi
done
printf '%s\\n' 'linkpolicy: it was removed from '{path} \\
    'hint: install it again, then run `setup` from there: uv tool install uvx-policy' >&2
exit 127
"""


def script() -> bytes:
    """The content of `linkpolicy` beside the shims, b"" when this installation has no command."""
    path = installed()
    if not path:
        return b""
    text = _TEMPLATE.format(marker=locate.MARKER.decode("ascii"), name=NAME, path=shlex.quote(path))
    return os.fsencode(text)


def installed() -> str:
    """The command as it was installed with this package, "" when there is none."""
    for path in map(os.path.abspath, _candidates()):
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return ""


def _candidates() -> Iterator[str]:
    yield os.path.join(sysconfig.get_path("scripts"), NAME)
    from importlib import metadata  # late: for `pip install --user` and the like

    try:
        files = metadata.distribution("uvx-policy").files or ()
    except (metadata.PackageNotFoundError, OSError, ValueError):
        return
    yield from (str(file.locate()) for file in files if file.name == NAME)
