"""Recursion is told from a program that starts uv again by what uv leaves, never by words."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests import real_uv
from tests.shim.conftest import Installed, put_recorder
from uvx_policy import guard, recursion
from uvx_policy.setup import interpreter

#: starts the shim again with the very same words, until N is as many as TIMES
AGAIN = """\
import os, subprocess, sys
n = int(os.environ.get("N", "0"))
print(n, flush=True)
if n < int(os.environ["TIMES"]):
    os.environ["N"] = str(n + 1)
    words = [os.environ["SHIM"], "run", "--no-project", "--python", sys.executable, "again.py"]
    how = os.environ["HOW"]
    if how == "exec":
        os.execv(words[0], words)
    if how == "fork":
        sys.exit(subprocess.call(words))
    sys.exit(subprocess.call(["/bin/sh", "-c", " ".join(words) + "; exit $?"]))
"""
PYTHON = interpreter.base_interpreter()
#: what runs a command without /proc, and in another pid namespace that has the /proc of this one
WITHOUT_PROC = ("unshare", "-m", "/bin/sh", "-ec", 'mount -t tmpfs none /proc\nexec "$@"', "sh")
FIRST_PID = ("unshare", "--pid", "--fork", *WITHOUT_PROC[1:])
OTHER_PIDS = ("unshare", "--pid", "--fork")
NESTED = ("unshare", "--pid", "--fork", "--mount-proc")


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def with_uv(installed: Installed, version: str, *behind: Path, **changes: str) -> dict[str, str]:
    """The environment, with a real uv instead of the stand-in."""
    path = [installed.shims, real_uv.provide(version), *behind, "/usr/bin", "/bin"]
    return installed.environ(
        PATH=":".join(map(str, path)),
        # uv puts the directory of the interpreter first on PATH.
        SHIM=str(installed.shims / "uv"),
        UV_OFFLINE="1",
        UV_PYTHON_DOWNLOADS="never",
        **changes,
    )


@pytest.mark.parametrize("before", [(), WITHOUT_PROC], ids=["", "without /proc"])
@pytest.mark.parametrize(
    ("how", "times"),
    [("exec", 3), ("fork", 3), pytest.param("fork", 20, marks=pytest.mark.exhaustive), ("sh", 3)],
)
@pytest.mark.parametrize("version", real_uv.each((0, 6)))
def test_what_uv_runs_may_start_the_very_same_again(
    installed: Installed,
    tmp_path: Path,
    version: str,
    how: str,
    times: int,
    before: tuple[str, ...],
) -> None:
    (tmp_path / "again.py").write_text(AGAIN)
    other = script(tmp_path / "other" / "uv", "exit 77").parent
    bypass = {"LINKPOLICY_BYPASS": "1"} if times == 3 else {}
    environ = with_uv(installed, version, other, HOW=how, TIMES=str(times), **bypass)
    words = [environ["SHIM"], "run", "--no-project", "--python", PYTHON, "again.py"]

    done = installed.run(*before, *words, environ=environ, cwd=tmp_path)

    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.split() == [str(n).encode() for n in range(times + 1)]


@pytest.mark.parametrize("before", [(), FIRST_PID, NESTED], ids=["", "without /proc", "nested"])
@pytest.mark.parametrize("inside", [OTHER_PIDS, NESTED], ids=["outer /proc", "own /proc"])
@pytest.mark.parametrize("version", real_uv.each((0, 6)))
def test_a_uv_in_a_pid_namespace_below_another_uv(
    installed: Installed,
    tmp_path: Path,
    version: str,
    before: tuple[str, ...],
    inside: tuple[str, ...],
) -> None:
    if before == FIRST_PID and inside == NESTED:
        pytest.skip("it would bring a /proc back")
    other = script(tmp_path / "other" / "uv", "exit 77").parent
    environ = with_uv(installed, version, other)
    words = [environ["SHIM"], "run", "--no-project", "--python", PYTHON]

    done = installed.run(
        *before, *words, *inside, environ["SHIM"], "--version", environ=environ, cwd=tmp_path
    )

    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"uv ")


#: what a wrapper may do before it comes back
CHANGES = {
    "nothing": 'set -- "$@"',
    "an option": 'set -- "$@" --quiet',
    "the directory": "mkdir -p d; cd d",
    "variables": "N=x$N; UV_CACHE_DIR=/$N; VIRTUAL_ENV=/$N; export N UV_CACHE_DIR VIRTUAL_ENV",
    "depth": "unset UV_RUN_RECURSION_DEPTH UV",
}


def coming_back(installed: Installed, tmp_path: Path, change: str, start: str) -> dict[str, str]:
    """The environment of a wrapper as the only uv, which notes each time that it is started."""
    again = f'{start} {installed.shims}/uv "$@"'
    script(tmp_path / "foreign" / "uv", f"echo turn >> {tmp_path}/turns\n{change}\n{again}")
    return installed.environ(PATH=f"{installed.shims}:{tmp_path}/foreign:/usr/bin:/bin")


@pytest.mark.usefixtures("without_embedded")
@pytest.mark.parametrize("start", ["exec", "command", 'sh -c \'"$0" "$@"; exit $?\''])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("above", [{}, {"UV": "/bin/uv", "UV_RUN_RECURSION_DEPTH": "3"}])
def test_a_wrapper_that_comes_back_is_recognized_at_once(
    installed: Installed, tmp_path: Path, start: str, change: str, above: dict[str, str]
) -> None:
    environ = coming_back(installed, tmp_path, change, start)

    done = installed.run("uv", "cache", "dir", environ=environ | above, cwd=tmp_path)

    assert done.returncode == 126
    assert (tmp_path / "turns").read_text() == "turn\n"
    assert f"`{tmp_path}/foreign/uv` starts this shim" in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1


@pytest.mark.usefixtures("without_embedded")
@pytest.mark.parametrize("before", [WITHOUT_PROC, OTHER_PIDS], ids=["without /proc", "other pids"])
@pytest.mark.parametrize("start", ["exec", "command", f"{' '.join(NESTED)}"])
def test_it_is_stopped_wherever_it_is(
    installed: Installed, tmp_path: Path, before: tuple[str, ...], start: str
) -> None:
    environ = coming_back(installed, tmp_path, 'set -- "$@" --quiet', start)

    done = installed.run(*before, "uv", "cache", "dir", environ=environ, cwd=tmp_path)

    turns = (tmp_path / "turns").read_text().count("turn")
    assert done.returncode == 126
    assert b"starts this shim" in done.stderr
    # Nothing shows what forks without /proc, and who is the parent of a pid namespace's first.
    unseen = start.startswith("unshare") or (before == WITHOUT_PROC and start != "exec")
    most = recursion.MOST_TURNS // recursion.UNKNOWN_TURNS + 1
    assert turns == (most if unseen else 1)


@pytest.mark.usefixtures("without_embedded")
def test_a_native_wrapper_that_forks_is_no_uv(installed: Installed) -> None:
    put_recorder(installed.real, is_uv=False)
    environ = installed.environ(RECORD_RUN="uv", RECORD_FORK="silent")

    done = installed.run("uv", "cache", "dir", environ=environ)

    assert done.returncode == 126
    assert f"`{installed.real}/uv` starts this shim".encode() in done.stderr
    variables = dict(os.fsdecode(each).split("=", 1) for each in installed.seen().environ)
    left = guard.read(variables)
    assert left is not None
    assert (left.turn, left.tried) == (0, (f"{installed.real}/uv",))


def test_a_uv_that_starts_the_shim_without_end_is_stopped(
    installed: Installed, tmp_path: Path
) -> None:
    """Each time another value of UV, as of another uv; but no `uv run`, which stops by itself."""
    uv = f"echo >> {tmp_path}/turns\nUV=/$$ {installed.shims}/uv cache"
    script(tmp_path / "real" / "uv", uv)
    script(tmp_path / "other" / "uv", "exit 77")
    path = f"{installed.shims}:{tmp_path}/real:{tmp_path}/other:/usr/bin:/bin"

    done = installed.run(
        *WITHOUT_PROC, "uv", "cache", environ=installed.environ(PATH=path), cwd=tmp_path
    )

    assert done.returncode == 126
    assert f"`{tmp_path}/real/uv` keeps starting this shim" in done.stderr.decode()
    assert (tmp_path / "turns").read_text().count("\n") == recursion.MOST_TURNS + 1
