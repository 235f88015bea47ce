"""The text of the two files that `linkpolicy setup` puts on PATH. Not on the hot path itself."""

from __future__ import annotations

import os
import sys
import sysconfig

from uvx_policy import layout

#: execve(2): the kernel reads 256 bytes of a `#!` line since Linux 5.1, 127 before, macOS 512.
_MAX_SHEBANG = 127

_TEMPLATE = """\
#!{interpreter} -IS
# {marker}: starts the real {program} under the project's policy
# Written by `linkpolicy setup`; `linkpolicy uninstall` takes it away again.
import sys

PROGRAM, EMBEDDED = {program!r}, {embedded!r}
sys.path += {paths!r}


def without_policy():
    # linkpolicy is gone or broken: uv must run all the same. What was started from here and came
    # back (the pid survives exec) is not started again.
    import _signal
    import os

    if os.environ.get("LINKPOLICY_LOG"):
        sys.stderr.write("linkpolicy: cannot run; `linkpolicy setup` renews `" + __file__ + "`\\n")
    pid, *tried = os.environ.get("_LINKPOLICY_TRIED", "").split(os.pathsep)
    tried = tried if pid == str(os.getpid()) else []
    for directory in [*os.environ.get("PATH", os.defpath).split(os.pathsep), *EMBEDDED]:
        path = os.path.join(directory or ".", PROGRAM)
        if path in tried or not os.path.isfile(path) or not os.access(path, os.X_OK):
            continue
        try:
            with open(path, "rb") as stream:
                ours = b"{marker}" in stream.read(1024)
            if not ours:
                _signal.signal(_signal.SIGPIPE, _signal.SIG_DFL)
                _signal.signal(_signal.SIGXFSZ, _signal.SIG_DFL)
                os.environ["_LINKPOLICY_TRIED"] = os.pathsep.join([str(os.getpid()), *tried, path])
                os.execv(path, [PROGRAM, *sys.argv[1:]])
        except OSError:
            pass
    sys.stderr.write("linkpolicy: no " + PROGRAM + " on PATH but the shim `" + __file__ + "`\\n")
    sys.exit(127)


try:
    from uvx_policy.shim import main

    main(PROGRAM, __file__, EMBEDDED)
except Exception:
    without_policy()
"""


def render(program: str) -> bytes:
    """The shim `uv` or `uvx`, for the interpreter and the package that are running now.

    Raises `ValueError` when the interpreter's path cannot stand in a `#!` line.
    """
    interpreter = base_interpreter()
    if len(interpreter) + len("#! -IS") > _MAX_SHEBANG or any(c in interpreter for c in " \t\n"):
        raise ValueError(f"the interpreter's path cannot stand in a `#!` line: `{interpreter}`")
    text = _TEMPLATE.format(
        interpreter=interpreter,
        marker=layout.MARKER.decode("ascii"),
        program=program,
        paths=package_paths(),
        embedded=embedded_directories(),
    )
    return os.fsencode(text)


def base_interpreter() -> str:
    """The interpreter below any virtual environment.

    It starts faster (no pyvenv.cfg to look for), and when the environment that holds linkpolicy is
    deleted, the shim still starts and hands over to uv.
    """
    base = getattr(sys, "_base_executable", None) or sys.executable
    versioned = os.path.join(
        os.path.dirname(os.path.realpath(base)),
        f"python{sys.version_info.major}.{sys.version_info.minor}",
    )
    return versioned if os.path.exists(versioned) else os.path.realpath(base)


def package_paths() -> list[str]:
    """Directories to import `uvx_policy` and tomli from (they differ in an editable install)."""
    import tomli

    import uvx_policy

    found = [os.path.dirname(os.path.dirname(os.path.abspath(str(uvx_policy.__file__))))]
    beside = os.path.dirname(os.path.dirname(os.path.abspath(tomli.__file__)))
    return [*found, beside] if beside not in found else found


def embedded_directories() -> list[str]:
    """Where the extra `uv` puts its binary: the scripts directory of our own environment."""
    return [sysconfig.get_path("scripts")]
