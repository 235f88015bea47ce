"""What people are told to type does what it says in the very shell that called us."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from uvx_policy.terminal.command import Command, Hint, Shell, ShellLine, chown, command, shell_of

BARE = Shell(has_shim=False)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """linkpolicy was called by its path, and is not on PATH."""
    monkeypatch.setattr(sys, "argv", ["/some where/bin/linkpolicy", "doctor"])
    return {"PATH": str(tmp_path)}


# Quoting ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["a b", "it's", "$(id -u)", "`x`", "uv sync", "", "~/a", "*", "é"])
def test_a_shell_passes_every_word_on_as_it_is(word: str) -> None:
    line = command(sys.executable, "-c", "import sys; print(ascii(sys.argv[1]))", word)

    done = subprocess.run(["/bin/sh", "-c", str(line)], capture_output=True, text=True, check=True)

    assert done.stdout == f"{word!a}\n"


def test_variables_are_set_for_one_command() -> None:
    line = command("sh", "-c", 'printf %s "$A"', A="a b")

    assert subprocess.run(["/bin/sh", "-c", str(line)], stdout=-1, check=True).stdout == b"a b"


def test_commands_are_typed_one_after_the_other() -> None:
    hint = Hint(text="Do it", commands=(command("mv", "a", "b c"), command("uv", "sync")))

    assert hint.typed(Shell()) == "mv a 'b c' && uv sync"
    assert Hint(text="Wait").typed(Shell()) == ""


def test_a_line_of_the_user_s_shell_is_left_as_it_is() -> None:
    line = ShellLine(text="set -gx PATH '/uv sync' $PATH")

    assert Hint(commands=(line,)).typed(BARE) == "set -gx PATH '/uv sync' $PATH"


def test_to_take_a_directory_back_takes_no_shell_syntax() -> None:
    assert str(chown("/c", uid=1000, gid=100)) == "sudo chown -R 1000:100 /c"
    assert str(chown("/c", uid=0, gid=0)) == "chown -R 0:0 /c"


@pytest.mark.parametrize("raw", [b"caf\xe9", b"a\nb", b"it's \x1b[31m \\ x", "\u202e".encode()])
def test_what_does_not_print_is_typed_all_the_same(raw: bytes) -> None:
    line = str(command("printf", "%s", os.fsdecode(raw)))

    assert line.isprintable()
    assert subprocess.run(["bash", "-c", line], stdout=-1, check=True).stdout == raw


# How linkpolicy is called -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "as_typed"),
    [
        (command("linkpolicy", "repair"), "'/some where/bin/linkpolicy' repair"),
        (command("uv", "sync"), "'/some where/bin/linkpolicy' run -- uv sync"),
        (command("rm", "/x/linkpolicy", "linkpolicy"), "rm /x/linkpolicy linkpolicy"),
        (command("pip", "install", "linkpolicy setup"), "pip install 'linkpolicy setup'"),
    ],
)
def test_a_command_begins_with_the_path_it_was_called_by(
    elsewhere: dict[str, str], told: Command, as_typed: str
) -> None:
    assert told.rendered(shell_of(elsewhere)) == as_typed


def test_what_path_finds_needs_no_path(elsewhere: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "linkpolicy").touch(mode=0o755)

    assert shell_of(elsewhere).linkpolicy == "linkpolicy"


@pytest.mark.parametrize("called", ["linkpolicy", "/x/cli.py", "-c", "", "/x/pytest"])
def test_what_is_no_path_to_it_is_not_typed(
    elsewhere: dict[str, str], monkeypatch: pytest.MonkeyPatch, called: str
) -> None:
    monkeypatch.setattr(sys, "argv", [called])

    assert shell_of(elsewhere).linkpolicy == "linkpolicy"


def test_a_relative_path_works_from_everywhere(
    elsewhere: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [os.path.join(".venv", "bin", "linkpolicy")])

    assert shell_of(elsewhere).linkpolicy == f"{tmp_path}/.venv/bin/linkpolicy"


# Under policy -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "as_typed"),
    [
        (command("uv", "sync", "--reinstall"), "linkpolicy run -- uv sync --reinstall"),
        (command("uv", "sync", UV_OFFLINE="0"), "UV_OFFLINE=0 linkpolicy run -- uv sync"),
        (command("uv", "venv", "--clear"), "linkpolicy run -- uv venv --clear"),
        (command("uv", "cache", "clean", "sync"), "uv cache clean sync"),
        (command("uv", "self", "update"), "uv self update"),
        (command("uv"), "uv"),
        (command("mv", "/a/uv sync", "/b"), "mv '/a/uv sync' /b"),
        (command("linkpolicy", "setup"), "linkpolicy setup"),
    ],
)
def test_what_links_files_runs_through_linkpolicy_where_uv_is_not_the_shim(
    told: Command, as_typed: str
) -> None:
    assert told.rendered(BARE) == as_typed
    assert shlex.split(told.rendered(Shell())) == [
        *(f"{name}={value}" for name, value in told.variables), *told.words
    ]  # fmt: skip
