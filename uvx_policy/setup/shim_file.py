"""The text of the Python shims that `linkpolicy setup` writes. Not on the hot path itself."""

from __future__ import annotations

import os
import shlex
import sys
from typing import TYPE_CHECKING

from uvx_policy import launch, locate
from uvx_policy.setup import interpreter
from uvx_policy.state import layout

if TYPE_CHECKING:
    from collections.abc import Iterable

# Python compiles this on every call of uv, so what is hardly ever needed stays a string in it.
_TEMPLATE = """\
#!{interpreter} -IS
# {marker}: starts the real {program} under the project's policy
# Written by `linkpolicy setup`; `linkpolicy uninstall` removes it.
import sys

PROGRAM, SHIM, REMEMBERED, EMBEDDED = {program!r}, {shim}, {remembered!r}, {embedded!r}
PATHS = {paths!r}
WITHOUT_POLICY = '''\
{without_policy}'''
try:
    # Ours first while this is imported (all else that it needs is built in), then last again:
    # the directories of the standard library need not be listed.
    sys.path[:0] = PATHS
    from uvx_policy.shim import main

    sys.path[:] = [*sys.path[len(PATHS):], *PATHS]
    main(PROGRAM, SHIM, [*REMEMBERED, *EMBEDDED])
except Exception:
    exec(WITHOUT_POLICY)
"""

_LOST = "uv runs without a policy (hint: uv tool install uvx-policy && linkpolicy setup)"

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


def is_first_here():
    # Once for each terminal session, and never to a program that reads stderr.
    if not os.isatty(2):
        return False
    base = os.environ.get("XDG_STATE_HOME", "")
    if base[:1] != "/":
        base = os.environ["HOME"] + "/STATE_BELOW_HOME"
    state = base + "/linkpolicy"
    if os.stat(state).st_uid != os.geteuid():
        return False
    if not os.path.isdir(state + "/TOLD"):
        os.mkdir(state + "/TOLD", 0o700)
    name = os.ttyname(2).replace("/", "-") + "." + str(os.getsid(0))
    os.close(os.open(state + "/TOLD/" + name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    return True


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


if "SAVED_PATH" in os.environ:
    os.environ["PATH"] = os.environ.pop("SAVED_PATH")
    if not os.environ["PATH"]:
        del os.environ["PATH"]
try:
    if os.environ.get("LINKPOLICY_LOG") or is_first_here():
        say("cannot run `" + SHIM + "`: LOST")
except (OSError, KeyError):
    pass
me, depth = identity(), os.environ.get("UV_RUN_RECURSION_DEPTH", "").replace(os.pathsep, "")
given = os.environ.get("_LINKPOLICY_TRIED", "").split(os.pathsep) + ["", "", ""]
(before, depth_before, turns), tried = given[:3], [path for path in given[3:] if path]
turns = "+" if depth != depth_before else turns + "+"
if turns == "+" or not (me and me == before or len(turns) > 25):
    tried = []
# Python ignores both when it starts; these were ignored before, says the native launcher.
ignored = os.environ.pop("_LINKPOLICY_IGNORED", "").split(",")
ways = [(PROGRAM, [PROGRAM])]
if PROGRAM == "uvx":
    ways.append(("uv", ["uv", "tool", "uvx"]))
on_path = os.environ.get("PATH", os.defpath).split(os.pathsep)
for directories in (on_path, *([directory] for directory in [*REMEMBERED, *EMBEDDED])):
    for name, words in ways:
        for directory in directories:
            path = os.path.join(directory or ".", name)
            if path in tried or not os.path.isfile(path) or not os.access(path, os.X_OK):
                continue
            try:
                if not is_ours(path):
                    for signal in (_signal.SIGPIPE, _signal.SIGXFSZ):
                        if str(int(signal)) not in ignored:
                            _signal.signal(signal, _signal.SIG_DFL)
                    started = os.pathsep.join([me, depth, turns, *tried, path])
                    os.environ["_LINKPOLICY_TRIED"] = started
                    os.execv(path, [*words, *sys.argv[1:]])
            except OSError:
                pass
if tried:
    say("`" + tried[-1] + "` starts this shim (`" + SHIM + "`) again, and PATH has no other")
    sys.exit(126)
say("no " + PROGRAM + " on PATH but the shim `" + SHIM + "`")
sys.exit(127)
"""

#: What `env` starts with `-IS SHIM WORDS...` where the Python of the shims is gone. It does what
#: `_WITHOUT_POLICY` does, with nothing but POSIX; so that it never has to, it is a file of its own.
_STAND_IN = """\
#!/bin/sh
# MARKER: for the shims `uv` and `uvx` when their Python is gone
# Written by `linkpolicy setup`; `linkpolicy uninstall` removes it.
shim=$2
case ${2##*/} in uvx*) program=uvx ;; *) program=uv ;; esac
shift 2
search=$SAVED_PATH
unset SAVED_PATH
if [ "$search" ]; then PATH=$search; else unset PATH; fi

say() {
    if [ ! "$LINKPOLICY_LOG" ]; then
        # Once for each terminal session, and never to a program that reads stderr.
        [ -t 3 ] || return
        case $XDG_STATE_HOME in /*) state=$XDG_STATE_HOME ;; *) state=$HOME/STATE_BELOW_HOME ;; esac
        state=$state/linkpolicy session=$PPID
        [ -O "$state" ] || return
        read -r _ _ _ _ _ session _ </proc/self/stat
        PATH=/usr/bin:/bin
        umask 077
        [ -d "$state/TOLD" ] || mkdir "$state/TOLD"
        terminal=$(tty <&3 | tr / -)
        set -C
        : >"$state/TOLD/$terminal.$session" || return
    fi
    echo "linkpolicy: $1" >&3
}

# The first NAME in DIRECTORIES... that is no shim of ours and did not start this one again.
first() {
    name=$1
    shift
    for directory; do
        found=${directory:-.}/$name
        [ -f "$found" ] && [ -x "$found" ] || continue
        case $tried: in *:"$found":*) continue ;; esac
        (PATH=/usr/bin:/bin; grep -q MARKER "$found") 2>/dev/null || return 0
    done
    return 1
}

look() {
    first "$program" "$@" || { [ "$program" = uvx ] && first uv "$@"; }
}

(say 'cannot run `'"$shim"'`: LOST') 3>&2 2>/dev/null
# As in the Python text: who, the depth that uv counted, a "+" for each turn, and what was started.
who=${_LINKPOLICY_TRIED%%:*} rest=${_LINKPOLICY_TRIED#*:}
counted=${rest%%:*} rest=${rest#*:}
turns=${rest%%:*}+ tried=:${rest#*:}
[ "$counted" = "$UV_RUN_RECURSION_DEPTH" ] || turns=+
[ "$turns" != + ] && { [ "$who" = "$$" ] || [ ${#turns} -gt 25 ]; } || tried=
set -f
IFS=:
if ! LOOK; then
    if [ "$tried" ]; then
        echo "linkpolicy: "'`'"${tried##*:}"'`'" starts this shim again, and PATH has no other" >&2
        exit 126
    fi
    echo "linkpolicy: no $program on PATH but the shim "'`'"$shim"'`' >&2
    exit 127
fi
[ "$program" = "${found##*/}" ] || set -- tool uvx "$@"
_LINKPOLICY_TRIED=$$:$UV_RUN_RECURSION_DEPTH:$turns$tried:$found
export _LINKPOLICY_TRIED
exec "$found" "$@"
"""


def render(program: str, *, shim: str = "", remembered: str = "", stand_in: str = "") -> bytes:
    """The shim `uv` or `uvx`, for the interpreter and the package that are running now.

    `shim`: the file on PATH, when that is a native launcher and this is what it falls back to.
    `remembered`: directory of the uv that serves where PATH has none, "" for none. `stand_in`:
    where `render_stand_in` lies, if it does. Raises `ValueError` when the interpreter's path cannot
    stand in a `#!` line.
    """
    text = _TEMPLATE.format(
        interpreter=interpreter.line(stand_in),
        marker=locate.MARKER.decode("ascii"),
        program=program,
        shim=repr(shim) if shim else "__file__",
        paths=package_paths(),
        remembered=[remembered] if remembered else [],
        embedded=locate.embedded_directories(),
        without_policy=_filled_in(_WITHOUT_POLICY),
    )
    return os.fsencode(text)


def render_stand_in(remembered: Iterable[str | None]) -> bytes:
    """What runs instead of the interpreter of both shims, when that is gone: uv without a policy.

    `remembered`: as for `render`, of each.
    """
    after_path = dict.fromkeys(filter(None, (*remembered, *locate.embedded_directories())))
    looks = ["${search:-/bin:/usr/bin}", *map(shlex.quote, after_path)]
    look = " || ".join(f"look {directories}" for directories in looks)
    return os.fsencode(_filled_in(_STAND_IN).replace("LOOK", f"{{ {look}; }}"))


def _filled_in(text: str) -> str:
    below = layout.state_home({"HOME": "/"}, sys.platform)
    for name, value in (
        ("MARKER", locate.MARKER.decode("ascii")),
        ("SAVED_PATH", launch.SAVED_PATH),
        ("STATE_BELOW_HOME", below.removesuffix(f"/{layout.APP}").lstrip("/")),
        ("TOLD", layout.TOLD.directory),
        ("LOST", _LOST),
    ):
        text = text.replace(name, value)
    return text


def package_paths() -> list[str]:
    """Directories to import `uvx_policy` and tomli from (they differ in an editable install)."""
    import tomli

    import uvx_policy

    found = [os.path.dirname(os.path.dirname(os.path.abspath(str(uvx_policy.__file__))))]
    beside = os.path.dirname(os.path.dirname(os.path.abspath(tomli.__file__)))
    return [*found, beside] if beside not in found else found
