"""`linkpolicy` itself beside the shims: where it is installed is not on PATH, often."""

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

# Whoever installs linkpolicy anew and types its name means that one, so what else is on PATH comes
# first; none like this file, which would come back here. Its own by its path, because what upgrades
# linkpolicy makes it again at the same place. Not `python -m`, which would import what lies in the
# working directory.
_TEMPLATE = """\
#!/bin/sh
# {marker}: starts linkpolicy, another one on PATH before the one that wrote this
# Written by `linkpolicy setup`; `linkpolicy uninstall` takes it away again.
IFS=:
set -f
for directory in ${{PATH-}}; do
    program=$directory/{name}
    if [ -f "$program" ] && [ -x "$program" ]; then
        line=
        {{ read -r line; read -r line; }} 2>/dev/null <"$program"
        case $line in "# {marker}:"*) ;; *) exec "$program" "$@" ;; esac
    fi
done
python=
{{ read -r line && python=${{line#??}}; }} 2>/dev/null <{path}
python=${{python%% *}}
if [ -x {path} ] && [ -x "$python" ]; then
    exec {path} "$@"
fi
printf '%s\\n' 'error: linkpolicy was removed from '{path} \\
    'hint: install it again, then run `linkpolicy setup`: uv tool install uvx-policy' >&2
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
