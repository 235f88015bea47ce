"""The command line as a whole: where its output goes, how it ends, and that no part is left out."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from uvx_policy import cli

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = "from uvx_policy.cli import program; program()"
#: none of them needs a uv, a project, or leaves anything
READING = ("doctor --list", "doctor --list --json", "setup --dry-run", "status", "status --json")

posix = pytest.mark.skipif(os.name == "nt", reason="written for sh")


def run(words: str, redirection: str = "") -> subprocess.CompletedProcess[str]:
    """What a shell makes of `linkpolicy WORDS REDIRECTION`, in this process's own isolation."""
    line = f"exec {sys.executable} -c '{PROGRAM}' {words} {redirection}"
    return subprocess.run(
        ["/bin/sh", "-c", line],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@posix
@pytest.mark.usefixtures("isolation")
@pytest.mark.parametrize("words", READING)
def test_a_full_disk_is_told_in_one_line(words: str) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full on this system")

    done = run(words, ">/dev/full")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: the output cannot be written: No space left on device\n"


@posix
@pytest.mark.usefixtures("isolation")
@pytest.mark.parametrize("words", READING)
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_what_is_closed_is_nothing_to_fail_of(words: str, closed: str) -> None:
    whole = run(words)

    done = run(words, closed)

    assert (done.returncode, done.stderr) == (whole.returncode, "")
    assert done.stdout == ("" if ">&-" in closed.split() else whole.stdout)


@posix
def test_what_was_to_be_done_at_the_end_is_done(isolation: Path) -> None:
    told = isolation / "told"
    program = f"import atexit; atexit.register(open, {str(told)!r}, 'x'); {PROGRAM}"

    done = subprocess.run(
        [sys.executable, "-c", program, "doctor", "--list"],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stderr, told.exists()) == (0, b"", True)


@posix
def test_words_behind_two_dashes_are_ours_where_uv_takes_none(isolation: Path) -> None:
    (isolation / "elsewhere").mkdir()

    whole = run("doctor --list")
    one = run("doctor --list -- shims")
    root = run(f"status -- {isolation}/elsewhere")

    assert 0 < len(one.stdout) < len(whole.stdout)
    assert "shims" in one.stdout
    assert "elsewhere" in root.stdout


@posix
def test_a_list_needs_no_working_directory(isolation: Path) -> None:
    gone = isolation / "gone"
    gone.mkdir()
    line = f'cd {gone} && rmdir {gone} && exec {sys.executable} -c "{PROGRAM}" doctor --list'

    done = subprocess.run(
        ["/bin/sh", "-c", line],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "")


def test_one_command_alone_says_what_it_says_among_all(capsys: pytest.CaptureFixture[str]) -> None:
    def help_of(name: str, only: str) -> str:
        with pytest.raises(SystemExit):
            cli.build_parser(only).parse_args([name, "--help"])
        return capsys.readouterr().out

    for name in cli._COMMANDS:
        assert help_of(name, name) == help_of(name, "")


@pytest.mark.parametrize("command", ["--version", "uninstall", "env"])
def test_a_command_imports_no_other(command: str) -> None:
    program = (
        "import sys; from uvx_policy import cli; cli.build_parser(sys.argv[1]); print(*sys.modules)"
    )

    done = subprocess.run(
        [sys.executable, "-c", program, command],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True,
    )  # fmt: skip

    others = set(cli._COMMANDS) - {command}
    assert not {f"uvx_policy.{name}.command" for name in others} & set(done.stdout.split())
    assert "rich" not in done.stdout.split() or command == "env"


@posix
def test_explain_shows_a_directory_s_name_so_that_it_steers_nothing(
    isolation: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cloned repository can have any name."""
    hostile = os.fsencode(isolation) + b"/a\x1b]0;x\x07\xe2\x80\xae\xff"
    os.mkdir(hostile)
    Path(os.fsdecode(hostile), "pyproject.toml").write_text(
        '[project]\nname = "a"\nversion = "1"\nrequires-python = ">=3.8"\n'
    )
    uv = isolation / "bin" / "uv"
    uv.parent.mkdir()
    uv.write_text("#!/bin/sh\necho uv 0.13.8\n")
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", f"{uv.parent}:/usr/bin:/bin")
    monkeypatch.chdir(os.fsdecode(hostile))

    done = run("explain")

    assert (done.returncode, done.stderr) == (0, "")
    assert "/a\\x1b]0;x\\x07\\u202e\\xff/.venv" in done.stdout
    assert all(char.isprintable() or char == "\n" for char in done.stdout)
