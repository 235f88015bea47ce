"""Start the real uv in our place. Nothing of ours runs afterwards (on POSIX)."""

import errno
import sys

from uvx_policy.minimal_os import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

#: what PEP 538 puts into LC_CTYPE when Python starts in the C locale
_COERCED = ("C.UTF-8", "C.utf8", "UTF-8")


# The C module: `signal` imports enum, 4 ms. A type checker knows only `signal`.
if TYPE_CHECKING:
    import signal as _signal
else:
    import _signal

#: CPython ignores them at start, and ignored stays ignored across exec (signal(7))
IGNORED_BY_PYTHON = [
    getattr(_signal, name) for name in ("SIGPIPE", "SIGXFSZ") if hasattr(_signal, name)
]
#: the launcher, which starts without that, tells which of them its caller had ignored
IGNORED_BEFORE = "_LINKPOLICY_IGNORED"
#: PATH as the caller had it: `env` in the `#!` line looked along another one (`setup.shim_file`)
SAVED_PATH = "_LINKPOLICY_PATH"
_ignored_before: list[str] = []


def become_invisible() -> None:
    """Undo what starting Python did to this process and uv would inherit, but for two signals.

    - SIGINT has Python's handler: during our few milliseconds Ctrl-C must kill, silently.
    - PEP 538 sets LC_CTYPE in the C locale.
    - PATH led `env` to Python. An empty one comes back as none: `env` says the same of both.

    SIGPIPE and SIGXFSZ stay ignored until `execute`: a warning for a pipe that nobody reads, or a
    fact remembered where no file may grow, would end the shim instead of failing.
    """
    if os.name == "posix" and _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    if SAVED_PATH in os.environ:
        os.environ["PATH"] = os.environ.pop(SAVED_PATH)
        if not os.environ["PATH"]:
            del os.environ["PATH"]
    if IGNORED_BEFORE in os.environ:
        _ignored_before[:] = os.environ.pop(IGNORED_BEFORE).split(",")
    if os.environ.get("LC_CTYPE") in _COERCED and sys.flags.utf8_mode and _was_coerced():
        del os.environ["LC_CTYPE"]


def execute(path: str, words: list[str]) -> "NoReturn":
    """Replace this process by `path` with `words` (argv[0] first) and the present `os.environ`.

    On Windows: start it, pass Ctrl-C on, exit with its code. Raises `OSError`.
    """
    if os.name == "nt":
        _spawn(path, words)
    for number in IGNORED_BY_PYTHON:
        if str(int(number)) not in _ignored_before:
            _signal.signal(number, _signal.SIG_DFL)
    try:
        os.execv(path, words)
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
        # A script without `#!`: execvp(3) and every shell give it to /bin/sh.
        os.execv("/bin/sh", ["sh", path, *words[1:]])


def _was_coerced() -> bool:
    try:
        with open("/proc/self/environ", "rb") as stream:
            return not any(entry.startswith(b"LC_CTYPE=") for entry in stream.read().split(b"\0"))
    except OSError:
        # utf8_mode is on by itself only when the locale was C, which no user's UTF-8 LC_CTYPE is.
        return True


def _spawn(path: str, words: list[str]) -> "NoReturn":
    """Windows has no exec: the console sends Ctrl-C to both of us, and uv decides."""
    import signal
    import subprocess

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with subprocess.Popen([path, *words[1:]]) as process:
        if sys.platform == "win32":
            from uvx_policy import child

            child.tie(process)
            child.leave(process.wait())
        sys.exit(process.wait())
