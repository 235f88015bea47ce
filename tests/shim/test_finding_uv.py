"""The real uv is found by identity; recursion ends at the first turn; nothing of ours stops uv."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests import sandbox
from tests.shim.conftest import Installed
from uvx_policy import locate
from uvx_policy.setup import shim_file


def path_of(*directories: Path | str) -> str:
    return ":".join([*map(str, directories), "/usr/bin", "/bin"])


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda shim, other: other.symlink_to(shim), id="symbolic link"),
        pytest.param(lambda shim, other: os.link(shim, other), id="hard link"),
        pytest.param(lambda shim, other: shutil.copy2(shim, other), id="copy"),
    ],
)
def test_our_own_shim_under_another_name_is_skipped(
    installed: Installed, tmp_path: Path, make: object
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    make(installed.shims / "uv", other / "uv")  # type: ignore[operator]
    path = path_of(installed.shims, other, installed.shims, installed.real)

    done = installed.run("uv", "sync", environ=installed.environ(PATH=path))

    assert done.returncode == 0
    assert installed.seen().words == (b"uv", b"sync")


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("{shims}:real", id="relative entry"),
        pytest.param("{shims}:/unreadable-nowhere:{real}", id="missing directory"),
        pytest.param("{shims}:{real}:{shims}", id="twice"),
        pytest.param("{shims}:{cwd}/file:{real}", id="a file as entry"),
    ],
)
def test_odd_path_entries(installed: Installed, tmp_path: Path, path: str) -> None:
    (tmp_path / "file").write_text("")
    given = path.format(shims=installed.shims, real=installed.real, cwd=tmp_path)

    done = installed.run(
        installed.shims / "uv", "sync", environ=installed.environ(PATH=given), cwd=tmp_path
    )

    assert done.returncode == 0
    assert installed.seen().words == (b"uv", b"sync")


def test_an_empty_path_entry_is_the_cwd(installed: Installed) -> None:
    environ = installed.environ(PATH=f"{installed.shims}::/usr/bin")

    installed.run(installed.shims / "uv", "sync", environ=environ, cwd=installed.real)

    assert installed.seen().words == (b"uv", b"sync")


@pytest.mark.parametrize(
    ("path", "code", "told"),
    [
        pytest.param("", 127, "no uv on PATH but this shim", id="empty PATH"),
        pytest.param("{shims}", 127, "no uv on PATH but this shim", id="only the shim"),
        pytest.param("{shims}:{blocked}", 126, "is not executable", id="not executable"),
    ],
)
def test_without_a_real_uv_one_line_says_so(
    installed: Installed, tmp_path: Path, path: str, code: int, told: str
) -> None:
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    (blocked / "uv").write_text("#!/bin/sh\n")
    (installed.shims / "uv").write_bytes(
        shim_file.render("uv").replace(
            repr(locate.embedded_directories()).encode(), repr([]).encode()
        )
    )
    environ = installed.environ(PATH=path.format(shims=installed.shims, blocked=blocked))

    done = installed.run(installed.shims / "uv", "sync", environ=environ)

    assert done.returncode == code
    assert done.stdout == b""
    assert done.stderr.count(b"\n") == 1
    assert told in done.stderr.decode()


def test_a_uv_that_the_kernel_refuses_is_126(installed: Installed) -> None:
    (installed.real / "uv").unlink()
    (installed.real / "uv").write_bytes(b"#!/nowhere/interpreter\n")
    (installed.real / "uv").chmod(0o755)

    done = installed.run("uv", "--version")

    assert done.returncode == 126
    assert str(installed.real / "uv").encode() in done.stderr


def test_a_script_without_interpreter_line_runs_as_in_a_shell(installed: Installed) -> None:
    (installed.real / "uv").unlink()
    (installed.real / "uv").write_text('echo "script $*"; exit 5\n')
    (installed.real / "uv").chmod(0o755)

    done = installed.run("uv", "help", "me")

    assert (done.returncode, done.stdout) == (5, b"script help me\n")


def test_the_embedded_uv_serves_when_path_has_none(installed: Installed, tmp_path: Path) -> None:
    embedded = tmp_path / "embedded"
    embedded.mkdir()
    shutil.move(installed.real / "uv", embedded / "uv")
    (installed.shims / "uv").write_bytes(
        shim_file.render("uv").replace(
            repr(locate.embedded_directories()).encode(), repr([str(embedded)]).encode()
        )
    )

    installed.run("uv", "sync")

    assert installed.seen().words == (b"uv", b"sync")


def foreign_shim(directory: Path, script: str) -> Path:
    directory.mkdir()
    (directory / "uv").write_text(f"#!/bin/sh\n{script}\n")
    (directory / "uv").chmod(0o755)
    return directory


#: what mise, pyenv and asdf do when they have no uv of their own: the next one on PATH
NEXT_ON_PATH = """
IFS=:
for directory in $PATH; do
  if [ "$directory" != "{own}" ] && [ -x "$directory/uv" ]; then
    {start} "$directory/uv" "$@"
    exit $?
  fi
done
exit 1
"""


@pytest.mark.parametrize("start", ["exec", "command"])
@pytest.mark.parametrize("first", [True, False], ids=["before ours", "behind ours"])
def test_a_foreign_shim_that_takes_the_next_uv_is_survived(
    installed: Installed, tmp_path: Path, start: str, first: bool
) -> None:
    own = tmp_path / "foreign"
    foreign = foreign_shim(own, NEXT_ON_PATH.format(own=own, start=start))
    order = [foreign, installed.shims] if first else [installed.shims, foreign]

    done = installed.run(
        "uv", "sync", "--frozen", environ=installed.environ(PATH=path_of(*order, installed.real))
    )

    assert (done.returncode, done.stderr) == (0, b"")
    assert installed.seen().words[-2:] == (b"sync", b"--frozen")


@pytest.mark.parametrize("variables", [{}, {"UV_WORKING_DIRECTORY": "/"}])
def test_a_foreign_shim_is_started_once_for_each_call(
    installed: Installed, tmp_path: Path, variables: dict[str, str]
) -> None:
    """It may install uv first: no question of ours sets that off, or breaks it off.

    Not even where uv's version matters: the variable is unknown before uv 0.9.1.
    """
    log = tmp_path / "started"
    script = f'echo "$*" >>{log}; sleep 0.1; exec {installed.real}/uv "$@"'
    foreign = foreign_shim(tmp_path / "foreign", script)
    environ = installed.environ(PATH=path_of(installed.shims, foreign), **variables)

    for _ in range(2):
        done = installed.run("uv", "sync", environ=environ)

        assert (done.returncode, done.stderr) == (0, b"")
        assert installed.seen().words == (f"{installed.real}/uv".encode(), b"sync")
    assert log.read_text() == "sync\nsync\n"


@pytest.mark.parametrize("start", ["exec", "command"])
@pytest.mark.parametrize("word", ["sync", "--version"])
def test_recursion_ends_at_once_and_names_both_paths(
    installed: Installed, tmp_path: Path, start: str, word: str
) -> None:
    foreign = foreign_shim(
        tmp_path / "foreign", f'echo turn >> {tmp_path}/turns; {start} {installed.shims}/uv "$@"'
    )
    (installed.shims / "uv").write_bytes(
        shim_file.render("uv").replace(
            repr(locate.embedded_directories()).encode(), repr([]).encode()
        )
    )
    path = path_of(installed.shims, foreign)

    done = installed.run("uv", word, environ=installed.environ(PATH=path, LINKPOLICY_BYPASS="1"))

    assert done.returncode == 126
    assert (tmp_path / "turns").read_text() == "turn\n"
    assert f"{foreign}/uv" in done.stderr.decode()
    assert f"{installed.shims}/uv" in done.stderr.decode()


def test_a_nested_uv_of_another_process_is_no_recursion(installed: Installed) -> None:
    script = installed.real / "nested"
    script.write_text("#!/bin/sh\nunset RECORD_RUN\nexec uv sync --nested\n")
    script.chmod(0o755)
    environ = installed.environ(RECORD_RUN="nested", RECORD_FORK="1")

    done = installed.run("uv", "run", "nested", environ=environ)

    assert (done.returncode, done.stderr) == (0, b"")
    assert installed.seen().words == (b"uv", b"sync", b"--nested")


def test_the_shim_outlives_its_package(installed: Installed) -> None:
    text = (installed.shims / "uv").read_text()
    (installed.shims / "uv").write_text(text.replace("uvx_policy.shim", "uvx_policy_gone.shim"))

    done = installed.run("uv", "sync", environ=installed.environ(RECORD_EXIT="9"))

    assert (done.returncode, done.stderr) == (9, b"")
    assert installed.seen().words == (b"uv", b"sync")


@pytest.mark.parametrize(
    "sabotage",
    [
        pytest.param(("uvx_policy.shim", "uvx_policy_gone.shim"), id="package gone"),
        pytest.param(("    main(PROGRAM, ", "    raise KeyError("), id="package broken"),
    ],
)
def test_a_broken_package_and_a_foreign_shim_still_end_in_uv(
    installed: Installed, tmp_path: Path, sabotage: tuple[str, str]
) -> None:
    text = (installed.shims / "uv").read_text()
    assert sabotage[0] in text
    (installed.shims / "uv").write_text(text.replace(*sabotage))
    own = tmp_path / "foreign"
    foreign = foreign_shim(own, NEXT_ON_PATH.format(own=own, start="exec"))
    path = path_of(installed.shims, foreign, installed.real)

    done = installed.run("uv", "sync", environ=installed.environ(PATH=path))

    assert (done.returncode, done.stderr) == (0, b"")
    assert installed.seen().words[-1] == b"sync"


def test_without_the_package_a_fifo_on_path_hangs_nobody(
    installed: Installed, tmp_path: Path
) -> None:
    text = (installed.shims / "uv").read_text()
    (installed.shims / "uv").write_text(text.replace("uvx_policy.shim", "uvx_policy_gone.shim"))
    pipes = tmp_path / "pipes"
    pipes.mkdir()
    os.mkfifo(pipes / "uv", 0o755)
    path = path_of(installed.shims, pipes, installed.real)

    done = installed.run("uv", "sync", environ=installed.environ(PATH=path))

    assert (done.returncode, done.stderr) == (0, b"")
    assert installed.seen().words == (b"uv", b"sync")


def test_bypass_switches_everything_off(installed: Installed, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.linkpolicy]\nhackable = 'broken'\n")

    done = installed.run(
        "uv", "sync", environ=installed.environ(LINKPOLICY_BYPASS="1"), cwd=tmp_path
    )

    assert done.stderr == b""
    assert not any(entry.startswith(b"UV_") for entry in installed.seen().environ)


def test_a_vanished_cwd_stops_nothing(installed: Installed, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()

    done = subprocess.run(
        ["/bin/sh", "-c", f"cd {gone} && rmdir {gone} && exec uv sync"],
        env=installed.environ(),
        capture_output=True,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert installed.seen().words == (b"uv", b"sync")


# What setup remembered ----------------------------------------------------------------------------


def remembering(installed: Installed, directory: Path, *, package: bool = True) -> None:
    """Let both shims remember this directory, and nothing else. `package`: it is there."""
    for program in ("uv", "uvx"):
        text = shim_file.render(program, remembered=str(directory))
        text = text.replace(repr(locate.embedded_directories()).encode(), b"[]")
        if not package:
            text = text.replace(b"uvx_policy.shim", b"uvx_policy_gone.shim")
        (installed.shims / program).write_bytes(text)


MINIMAL = "/usr/bin:/bin"


@pytest.mark.parametrize("package", [True, False], ids=["with", "without"])
@pytest.mark.parametrize("program", ["uv", "uvx"])
def test_where_path_has_none_the_remembered_one_serves(
    installed: Installed, program: str, package: bool
) -> None:
    remembering(installed, installed.real, package=package)

    done = installed.run(installed.shims / program, "x", environ=installed.environ(PATH=MINIMAL))

    assert (done.returncode, done.stderr) == (0, b"")
    assert installed.seen().words == (program.encode(), b"x")


@pytest.mark.parametrize("package", [True, False], ids=["with", "without"])
def test_a_remembered_uv_alone_is_told_to_be_uvx(installed: Installed, package: bool) -> None:
    (installed.real / "uvx").unlink()
    remembering(installed, installed.real, package=package)

    installed.run(installed.shims / "uvx", "x", environ=installed.environ(PATH=MINIMAL))

    assert installed.seen().words == (b"uv", b"tool", b"uvx", b"x")


@pytest.mark.parametrize("package", [True, False], ids=["with", "without"])
def test_path_is_before_what_is_remembered(
    installed: Installed, tmp_path: Path, package: bool
) -> None:
    remembering(installed, tmp_path / "old", package=package)
    shutil.copytree(installed.real, tmp_path / "old")
    (tmp_path / "old/uv").unlink()
    (tmp_path / "old/uv").write_text("#!/bin/sh\nexit 9\n")
    (tmp_path / "old/uv").chmod(0o755)

    assert installed.run("uv", "x").returncode == 0
    minimal = installed.environ(PATH=MINIMAL)
    assert installed.run(installed.shims / "uv", "x", environ=minimal).returncode == 9


@pytest.mark.parametrize("package", [True, False], ids=["with", "without"])
def test_a_remembered_uv_that_is_gone_or_ours_is_none(
    installed: Installed, tmp_path: Path, package: bool
) -> None:
    for directory in (tmp_path / "gone", installed.shims):
        remembering(installed, directory, package=package)

        minimal = installed.environ(PATH=MINIMAL)
        done = installed.run(installed.shims / "uv", "x", environ=minimal)

        assert done.returncode == 127


@pytest.mark.parametrize("launcher", ["python", "native"])
def test_linkpolicy_run_and_explain_know_it_as_well(
    installed: Installed, tmp_path: Path, launcher: str
) -> None:
    home = tmp_path / "home"
    shims = home / ".local/share/linkpolicy/shims"
    environ = {"HOME": str(home), "PATH": f"{installed.real}:{MINIMAL}", "RECORD_VERSION": "1"}
    environ["RECORD_TO"] = str(installed.record)
    # A directory below HOME: everything else below a temporary directory is temporary.
    shutil.move(installed.real, tmp_path / "home/bin")
    environ["PATH"] = f"{home}/bin:{MINIMAL}"
    linkpolicy = sandbox.linkpolicy(sandbox.PYTHON)
    setup = ("setup", "--no-modify-path", "--launcher", launcher)
    done = installed.run(*linkpolicy, *setup, environ=environ)
    if launcher == "native" and b"no native launcher" in done.stderr:
        pytest.skip("no native launcher here")
    assert done.returncode == 0, done.stderr
    minimal = {**environ, "PATH": MINIMAL}

    for start in ((shims / "uvx",), (*linkpolicy, "run", "--", "uvx")):
        assert installed.run(*start, "x", environ=minimal).returncode == 0
        assert installed.seen().words == (b"uvx", b"x")
    told = installed.run(*linkpolicy, "explain", "--json", "--", "uv", "sync", environ=minimal)
    assert json.loads(told.stdout)["uv"] == str(home / "bin/uv")
