"""What is left of linkpolicy when its Python or its package is gone: uv, and one line about it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.shim.conftest import Installed, in_terminal
from tests.shim.test_finding_uv import MINIMAL, NEXT_ON_PATH, foreign_shim, path_of
from uvx_policy import locate
from uvx_policy.setup import interpreter, shim_file


@pytest.fixture
def without_python(installed: Installed) -> Installed:
    """Shims whose interpreter was removed."""
    directory = os.path.dirname(interpreter.base_interpreter())
    for program in ("uv", "uvx"):
        text = (installed.shims / program).read_bytes()
        if b"env -S" not in text.splitlines()[0]:
            pytest.skip("this `env` cannot do it")
        (installed.shims / program).write_bytes(
            text.replace(f" PATH={directory}:".encode(), b" PATH=/nowhere/bin:")
        )
    return installed


ODD_WORDS = ("", "a b", "$HOME", "*", b"\xff", "line\nbreak", "-x", "A=1")


@pytest.mark.parametrize("program", ["uv", "uvx"])
def test_without_python_uv_runs_all_the_same(without_python: Installed, program: str) -> None:
    environ = without_python.environ(RECORD_EXIT="9", EMPTY="", BYTES="\udcff")

    done = without_python.run(program, *ODD_WORDS, environ=environ, cwd=without_python.real)

    assert (done.returncode, done.stdout, done.stderr) == (9, b"", b"")
    seen = without_python.seen()
    # A shell starts it by its path.
    assert seen.words[0] == os.fsencode(without_python.real / program)
    assert seen.words[1:] == tuple(os.fsencode(word) for word in ODD_WORDS)
    variables = dict(entry.split(b"=", 1) for entry in seen.environ)
    assert variables[b"PATH"] == os.fsencode(environ["PATH"])
    assert variables[b"EMPTY"] == b""
    assert variables[b"BYTES"] == b"\xff"
    assert b"_LINKPOLICY_PATH" not in variables


def test_without_python_and_uvx_uv_is_told_to_be_uvx(without_python: Installed) -> None:
    (without_python.real / "uvx").unlink()

    without_python.run("uvx", "x")

    assert without_python.seen().words[1:] == (b"tool", b"uvx", b"x")


def test_without_python_death_by_signal_passes(without_python: Installed) -> None:
    environ = without_python.environ(RECORD_SIGNAL="15")

    assert without_python.run("uv", "sync", environ=environ).returncode == -15


@pytest.mark.parametrize("path", [None, "", MINIMAL], ids=["unset", "empty", "minimal"])
def test_without_python_the_remembered_uv_is_found(
    without_python: Installed, path: str | None
) -> None:
    (stand_in,) = (without_python.shims / ".linkpolicy").glob("python*")
    stand_in.write_bytes(shim_file.render_stand_in([str(without_python.real)]))
    environ = without_python.environ(PATH=path or "")
    if path is None:
        del environ["PATH"]

    done = without_python.run(without_python.shims / "uv", "sync", environ=environ)

    assert (done.returncode, done.stderr) == (0, b"")
    assert without_python.seen().words[1:] == (b"sync",)


def test_without_python_and_uv_one_line_says_so(without_python: Installed) -> None:
    (stand_in,) = (without_python.shims / ".linkpolicy").glob("python*")
    embedded = locate.embedded_directories()[0]
    stand_in.write_text(stand_in.read_text().replace(embedded, "/nowhere"))

    done = without_python.run(
        without_python.shims / "uv", "sync", environ=without_python.environ(PATH=MINIMAL)
    )

    assert (done.returncode, done.stdout) == (127, b"")
    shim = without_python.shims / "uv"
    assert done.stderr.decode() == f"linkpolicy: no uv on PATH but the shim `{shim}`\n"


def test_without_python_a_foreign_shim_is_survived(
    without_python: Installed, tmp_path: Path
) -> None:
    own = tmp_path / "foreign"
    foreign = foreign_shim(own, NEXT_ON_PATH.format(own=own, start="exec"))
    path = path_of(without_python.shims, foreign, without_python.real)

    done = without_python.run("uv", "sync", environ=without_python.environ(PATH=path))

    assert (done.returncode, done.stderr) == (0, b"")
    assert without_python.seen().words[-1] == b"sync"


# The policy is off --------------------------------------------------------------------------------


def without_package(installed: Installed) -> None:
    text = (installed.shims / "uv").read_text()
    (installed.shims / "uv").write_text(text.replace("uvx_policy.shim", "uvx_policy_gone.shim"))


@pytest.mark.parametrize("python", [True, False], ids=["no linkpolicy", "no Python"])
def test_a_terminal_is_told_once_that_the_policy_is_off(
    request: pytest.FixtureRequest, installed: Installed, tmp_path: Path, python: bool
) -> None:
    if python:
        without_package(installed)
    else:
        request.getfixturevalue("without_python")
    state = tmp_path / "state"
    environ = installed.environ(XDG_STATE_HOME=str(state))

    assert said_in_terminals(environ, "uv sync; uv sync") == [b"", b""]  # nowhere to note it
    (state / "linkpolicy").mkdir(parents=True)
    assert installed.run("uv", "sync", environ=environ).stderr == b""
    assert not list((state / "linkpolicy").iterdir())
    said = said_in_terminals(environ, "uv sync; uv sync; uv sync 2>/dev/null")

    for each in said:
        assert each.startswith(b"linkpolicy: cannot run `%b/uv`: " % os.fsencode(installed.shims))
        assert each.count(b"\n") == 1
        assert b"linkpolicy setup" in each
    told = list((state / "linkpolicy/told").iterdir())
    assert [path.stat().st_mode & 0o777 for path in told] == [0o600, 0o600]
    assert stat.S_IMODE((state / "linkpolicy/told").stat().st_mode) == 0o700


def said_in_terminals(environ: dict[str, str], line: str) -> list[bytes]:
    """What two terminals show, each with a shell that runs this line."""
    return [in_terminal(["/bin/sh", "-c", line], environ) for _ in range(2)]
