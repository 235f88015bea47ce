"""`linkpolicy` itself beside the shims: where it is installed is not on PATH, often.

On Windows this is a batch file, which people type and no program starts.
"""

from __future__ import annotations

import os
import shlex
import sys
import sysconfig
from typing import TYPE_CHECKING

from uvx_policy import locate

if TYPE_CHECKING:
    from collections.abc import Iterator

#: its name, on PATH and in an environment
NAME = "linkpolicy"
#: of the file beside the shims, and of the program that is installed
FILE = f"{NAME}.cmd" if sys.platform == "win32" else NAME
_INSTALLED = f"{NAME}.exe" if sys.platform == "win32" else NAME

# Whoever installs linkpolicy anew and types its name means that one, so what else is on PATH comes
# first; none like this file, which would come back here. Its own by its path, because what upgrades
# linkpolicy makes it again at the same place. Not `python -m`, which would import what lies in the
# working directory.
_TEMPLATE = """\
#!/bin/sh
# {marker}: starts linkpolicy, another one on PATH before the one that wrote this
# Written by `linkpolicy setup`; `linkpolicy uninstall` removes it.
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

# In one pair of parentheses, which cmd reads as a whole: `linkpolicy uninstall` deletes this file
# while it runs. `%~$PATH:` looks along PATH alone, and for an .exe, which this is not.
_BATCH = """\
@rem {marker}: starts linkpolicy, another one on PATH before the one that wrote this
@rem Written by `linkpolicy setup`; `linkpolicy uninstall` removes it.
@for %%I in ({name}) do @(if not "%%~$PATH:I" == "" (
"%%~$PATH:I" %* & exit /b
) else if exist "{path}" (
"{path}" %* & exit /b
) else (
echo error: linkpolicy was removed from "{path}" 1>&2
echo hint: install it again, then run `linkpolicy setup`: uv tool install uvx-policy 1>&2
exit /b 127
))
"""


def script() -> bytes:
    """The content of `linkpolicy` beside the shims, b"" when this installation has no command."""
    path = installed()
    if not path:
        return b""
    if sys.platform == "win32":
        return _batch(path)
    text = _TEMPLATE.format(marker=locate.MARKER.decode("ascii"), name=NAME, path=shlex.quote(path))
    return os.fsencode(text)


def _batch(path: str) -> bytes:
    """The batch file, b"" for a path that the code page of the console cannot spell."""
    text = _BATCH.format(
        marker=locate.MARKER.decode("ascii"), name=_INSTALLED, path=path.replace("%", "%%")
    )
    try:
        return text.replace("\n", "\r\n").encode("oem" if sys.platform == "win32" else "ascii")
    except UnicodeEncodeError:
        return b""


def installed() -> str:
    """The command as it was installed with this package, "" when there is none."""
    for path in map(os.path.abspath, _candidates()):
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return ""


def _candidates() -> Iterator[str]:
    yield os.path.join(sysconfig.get_path("scripts"), _INSTALLED)
    from importlib import metadata  # late: for `pip install --user` and the like

    try:
        files = metadata.distribution("uvx-policy").files or ()
    except (metadata.PackageNotFoundError, OSError, ValueError):
        return
    yield from (str(file.locate()) for file in files if file.name == _INSTALLED)
