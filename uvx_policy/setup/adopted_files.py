"""The two files of an adopted environment: a `.pth` in it, and the shim that this names.

The `.pth` costs each start of that Python 0.15 ms (twice that on a busy machine): one finder,
which waits for the two modules that programs ask for the uv beside them. `uv.find_uv_bin()` and
`shutil.which("uv")` (hatch) then answer with the shim where they would have answered with that very
uv. Without the shim, or its interpreter, they answer as ever.
"""

from __future__ import annotations

import os

from uvx_policy import locate
from uvx_policy.errors import LinkPolicyError
from uvx_policy.setup import interpreter, shim_file

#: in a site directory
PTH = "_linkpolicy_adopted.pth"
#: how it begins
MARKER = b"# linkpolicy-adopted-v1"

# Python runs a line of a `.pth` that begins with `import`, and that of a virtual environment twice.
# What is not needed at each start stays a string: to compile takes longest. Of SimpleNamespace, not
# of a class, for the same reason. ASCII, because a `.pth` is read in the locale's encoding.
_PTH = """\
{marker}: uv of this environment runs through `{shim}`
# Written by `linkpolicy adopt`; `linkpolicy adopt --undo` removes it.
import sys; hasattr(sys, "_linkpolicy") or exec({first})
"""
_FIRST = """\
sys._linkpolicy=type(sys.implementation)(find_spec=\
lambda name,path=None,target=None,scope={scope}:\
(exec({rest},scope)or scope["find_spec"](name,path,target))if name in("uv","shutil")else None)
sys.meta_path.insert(0,sys._linkpolicy)
"""
_REST = """\
import functools, os, sys
def find_spec(name, path, target):
    for finder in sys.meta_path:
        if finder is not sys._linkpolicy and hasattr(finder, "find_spec"):
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                break
    else:
        return None
    try:
        load = spec.loader.exec_module
        def exec_module(module):
            load(module)
            replace(module, "which" if name == "shutil" else "find_uv_bin")
        spec.loader.exec_module = exec_module
    except AttributeError:
        pass
    return spec
def replace(module, name):
    ask = getattr(module, name, None)
    if ask is not None:
        def answer(*args, **kwargs):
            found = ask(*args, **kwargs)
            return SHIM if is_own(found) else found
        setattr(module, name, functools.wraps(ask)(answer))
def is_own(found):
    try:
        return (
            os.path.basename(found) == os.path.basename(UV) and os.path.samefile(found, UV)
            and os.access(SHIM, os.X_OK) and os.access(INTERPRETER, os.X_OK)
        )
    except (OSError, TypeError, ValueError):
        return False
"""

_SHIM = """\
#!{interpreter} -IS
# {marker}: starts `{shown}` under the project's policy
# Written by `linkpolicy adopt`; `linkpolicy adopt --undo` removes it.
import sys

UV, PATHS = {uv}, {paths}
try:
    sys.path[:0] = PATHS
    from uvx_policy.shim import main

    sys.path[:] = [*sys.path[len(PATHS):], *PATHS]
    main("uv", __file__, (), (UV.rpartition("/")[0],))
except Exception:
    # linkpolicy is gone or broken: uv must run all the same.
    import _signal
    import os

    ignored = os.environ.pop("_LINKPOLICY_IGNORED", "").split(",")
    for signal in (_signal.SIGPIPE, _signal.SIGXFSZ):
        if str(int(signal)) not in ignored:
            _signal.signal(signal, _signal.SIG_DFL)
    os.execv(UV, ["uv", *sys.argv[1:]])
"""


def pth(*, shim: str, uv: str) -> bytes:
    """The `.pth` of the environment that `uv` (absolute path) lies in."""
    scope = {"SHIM": shim, "INTERPRETER": interpreter.base_interpreter(), "UV": uv}
    first = _FIRST.format(scope=ascii(scope), rest=ascii(_REST))
    text = _PTH.format(marker=MARKER.decode("ascii"), shim=ascii(shim)[1:-1], first=ascii(first))
    return text.encode("ascii")


def shim(uv: str) -> bytes:
    """The shim that becomes this `uv` (absolute path), whatever PATH says.

    Raises `LinkPolicyError` when the interpreter's path cannot stand in a `#!` line.
    """
    try:
        python = interpreter.line()
    except ValueError as error:
        raise LinkPolicyError(str(error)) from error
    text = _SHIM.format(
        interpreter=python,
        marker=locate.MARKER.decode("ascii"),
        shown=ascii(uv)[1:-1],
        uv=ascii(uv),
        paths=ascii(shim_file.package_paths()),
    )
    return os.fsencode(text)
