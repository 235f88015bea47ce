"""The text of the Python shims that `linkpolicy setup` writes. Not on the hot path itself."""

from __future__ import annotations

import os
import sys

from uvx_policy import locate

#: execve(2): the kernel reads 256 bytes of a `#!` line since Linux 5.1, 127 before, macOS 512.
_MAX_SHEBANG = 127

# Python compiles this on every call of uv, so what is hardly ever needed stays a string in it.
_TEMPLATE = """\
#!{interpreter} -IS
# {marker}: starts the real {program} under the project's policy
# Written by `linkpolicy setup`; `linkpolicy uninstall` takes it away again.
import sys

PROGRAM, SHIM, EMBEDDED = {program!r}, {shim}, {embedded!r}
PATHS = {paths!r}
WITHOUT_POLICY = '''\\
{without_policy}'''
try:
    # Ours first while this is imported (all else that it needs is built in), then last again:
    # the directories of the standard library need not be listed.
    sys.path[:0] = PATHS
    from uvx_policy.shim import main

    sys.path[:] = [*sys.path[len(PATHS):], *PATHS]
    main(PROGRAM, SHIM, EMBEDDED)
except Exception:
    exec(WITHOUT_POLICY)
"""

#: Holds no backslash, no brace and no `'''`: it goes into the template as it is.
_WITHOUT_POLICY = """\
# linkpolicy is gone or broken: uv must run all the same. What was started from here and came back
# is not started again: this process is the same, or too many are below one another without a
# `uv run` that has counted itself.
import _signal
import os


def say(text):
    if sys.stderr:  # print(file=None) goes to stdout
        print("linkpolicy: " + text, file=sys.stderr)


def is_ours(path):
    with open(path, "rb") as stream:
        head = stream.read(1024)
        stream.seek(max(0, stream.seek(0, 2) - 64))
        return b"MARKER" in head or b"MARKER" in stream.read()


def identity():
    try:
        with open("/proc/self/stat", "rb") as stream:
            status = stream.read().decode("ascii", "replace")
        return status.split()[0] + "." + status.rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        # A pid repeats in every pid namespace.
        return "" if sys.platform == "linux" else str(os.getpid())


if os.environ.get("LINKPOLICY_LOG"):
    say("cannot run; `linkpolicy setup` renews `" + SHIM + "`")
me, depth = identity(), os.environ.get("UV_RUN_RECURSION_DEPTH", "").replace(os.pathsep, "")
given = os.environ.get("_LINKPOLICY_TRIED", "").split(os.pathsep) + ["", "", ""]
(before, depth_before, turns), tried = given[:3], [path for path in given[3:] if path]
turns = "+" if depth != depth_before else turns + "+"
if turns == "+" or not (me and me == before or len(turns) > 25):
    tried = []
# Python ignores both when it starts; these were ignored before, says the native launcher.
ignored = os.environ.pop("_LINKPOLICY_IGNORED", "").split(",")
for directory in [*os.environ.get("PATH", os.defpath).split(os.pathsep), *EMBEDDED]:
    path = os.path.join(directory or ".", PROGRAM)
    if path in tried or not os.path.isfile(path) or not os.access(path, os.X_OK):
        continue
    try:
        if not is_ours(path):
            for signal in (_signal.SIGPIPE, _signal.SIGXFSZ):
                if str(int(signal)) not in ignored:
                    _signal.signal(signal, _signal.SIG_DFL)
            os.environ["_LINKPOLICY_TRIED"] = os.pathsep.join([me, depth, turns, *tried, path])
            os.execv(path, [PROGRAM, *sys.argv[1:]])
    except OSError:
        pass
if tried:
    say("`" + tried[-1] + "` starts this shim (`" + SHIM + "`) again, and PATH has no other")
    sys.exit(126)
say("no " + PROGRAM + " on PATH but the shim `" + SHIM + "`")
sys.exit(127)
"""


def render(program: str, *, shim: str = "") -> bytes:
    """The shim `uv` or `uvx`, for the interpreter and the package that are running now.

    `shim`: the file on PATH, when that is a native launcher and this is what it falls back to.
    Raises `ValueError` when the interpreter's path cannot stand in a `#!` line.
    """
    interpreter = base_interpreter()
    if len(interpreter) + len("#! -IS") > _MAX_SHEBANG or any(c in interpreter for c in " \t\n"):
        raise ValueError(f"the interpreter's path cannot stand in a `#!` line: `{interpreter}`")
    marker = locate.MARKER.decode("ascii")
    text = _TEMPLATE.format(
        interpreter=interpreter,
        marker=marker,
        program=program,
        shim=repr(shim) if shim else "__file__",
        paths=package_paths(),
        embedded=locate.embedded_directories(),
        without_policy=_WITHOUT_POLICY.replace("MARKER", marker),
    )
    return os.fsencode(text)


def base_interpreter() -> str:
    """The interpreter below any virtual environment.

    It starts faster (no pyvenv.cfg to look for), and when the environment that holds linkpolicy is
    deleted, the shim still starts and hands over to uv.
    """
    base = getattr(sys, "_base_executable", None) or sys.executable
    base = os.path.realpath(base)
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    versioned = os.path.join(os.path.dirname(base), name)
    return versioned if os.path.exists(versioned) else base


def package_paths() -> list[str]:
    """Directories to import `uvx_policy` and tomli from (they differ in an editable install)."""
    import tomli

    import uvx_policy

    found = [os.path.dirname(os.path.dirname(os.path.abspath(str(uvx_policy.__file__))))]
    beside = os.path.dirname(os.path.dirname(os.path.abspath(tomli.__file__)))
    return [*found, beside] if beside not in found else found
