"""What every command prints: safe, whole in a pipe, wrapped on a terminal."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.terminal.screen import Screen
from uvx_policy.terminal.command import Hint, Shell, command
from uvx_policy.terminal.console import PLAIN, Signs
from uvx_policy.terminal.table import Column, fitting

ROOT = Path(__file__).resolve().parents[2]


# Lines --------------------------------------------------------------------------------------------


def test_whatever_is_printed_is_safe() -> None:
    screen = Screen()

    screen.say("a\x1b[2J", ("b\u202e\n", "red"), "\udcff")

    assert screen.text == "a\\x1b[2Jb\\u202e\\n\\xff\n"


def test_what_the_terminal_cannot_encode_is_escaped() -> None:
    screen = Screen(encoding="ascii")

    screen.say("日é")

    assert screen.text == "\\u65e5\\xe9\n"


@pytest.mark.parametrize(
    ("encoding", "signs"),
    [("utf-8", Signs()), ("utf-16", Signs()), ("ascii", PLAIN), ("latin-1", PLAIN),
     ("cp437", PLAIN)],
)  # fmt: skip
def test_signs_are_such_as_the_terminal_can_show(encoding: str, signs: Signs) -> None:
    assert Screen(encoding=encoding).signs == signs


@pytest.mark.parametrize(
    ("terminal", "environ", "colored"),
    [
        (True, {}, True), (False, {}, False), (True, {"NO_COLOR": "1"}, False),
        (False, {"FORCE_COLOR": "1"}, True), (True, {"TERM": "dumb"}, False),
        (False, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
    ],
)  # fmt: skip
def test_colors_are_for_terminals(terminal: bool, environ: dict[str, str], colored: bool) -> None:
    screen = Screen(None, terminal=terminal, **environ)

    screen.say("a ", ("b", "bold red"), ("", "green"))

    assert screen.raw == ("a \x1b[1;31mb\x1b[0m\n" if colored else "a b\n")


def test_a_line_is_never_broken_and_text_only_on_a_terminal() -> None:
    text = "word " * 50
    pipe, terminal = Screen(None, terminal=False), Screen(60)

    for screen in (pipe, terminal):
        screen.say(text)
        screen.wrap(("  - ",), text, "`a command of many words`", (" end", "red"))

    assert [line.rstrip() for line in pipe.lines] == [
        text.rstrip(), f"  - {text}`a command of many words` end"
    ]  # fmt: skip
    line, first, *others = terminal.lines
    assert line == text
    assert first.startswith("  - word")
    assert all(each.startswith("    ") for each in others)
    assert max(map(len, (first, *others))) <= 60
    assert sum("`a command of many words`" in each for each in others) == 1


def test_columns_set_the_width_also_in_a_pipe() -> None:
    assert Screen(None, terminal=False, COLUMNS="50").width == 50
    assert Screen(None, terminal=False).width == 0


def test_a_hint_is_a_sentence_and_what_to_type() -> None:
    screen = Screen(40)

    screen.hint(Hint(text="restore them", commands=(command("linkpolicy", "repair", "/a b"),)))
    screen.hint(Hint(text="wait"), indent="  ")

    assert screen.lines == ["hint: restore them: linkpolicy repair '/a b'", "  hint: wait"]
    assert screen.shell == Shell(has_shim=False)


# Tables -------------------------------------------------------------------------------------------


def test_the_least_important_columns_go_first() -> None:
    columns = [
        Column(title="name", cells=(("n" * 30,),)),
        Column(title="a", cells=(("a" * 10,),), importance=1),
        Column(title="b", cells=(("b" * 10,),), importance=2),
    ]

    chosen = {
        width: {column.title: cells for column, cells in fitting(columns, width).items()}
        for width in (0, 60, 45, 20)
    }

    assert chosen == {
        0: {"name": 30, "a": 10, "b": 10},
        60: {"name": 30, "a": 10, "b": 10},
        45: {"name": 21, "a": 10, "b": 10},
        20: {"name": 8, "b": 10},
    }


# Questions ----------------------------------------------------------------------------------------

_ASKS = """
import sys
from uvx_policy import cli, errors
from uvx_policy.command_line import here
from uvx_policy.terminal.console import Console
from uvx_policy.terminal.progress import progress

def ask(options):
    with progress("Working") as show:
        pass
    print("yes" if Console().ask("Delete ", ("it", "red"), "?") else "no")
    return 0

here._demo = ask
sys.exit(cli.main(["demo"]))
"""


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, program: str) -> None:
        child, self._terminal = pty.fork()
        if child == 0:
            os.environ["TERM"] = "xterm"
            os.execv(sys.executable, [sys.executable, "-c", program])
        self._child = child
        self.screen = b""

    def waits_for(self, text: bytes, seconds: float = 20) -> None:
        until = time.monotonic() + seconds
        while text not in self.screen and time.monotonic() < until:
            if select.select([self._terminal], [], [], 0.1)[0]:
                self.screen += self._read()
        assert text in self.screen

    def types(self, keys: bytes) -> None:
        os.write(self._terminal, keys)

    def ends(self) -> int:
        while more := self._read():
            self.screen += more
        return os.waitstatus_to_exitcode(os.waitpid(self._child, 0)[1])

    def _read(self) -> bytes:
        try:
            return os.read(self._terminal, 4096)
        except OSError:  # EIO: it has ended
            return b""


@pytest.mark.parametrize(
    ("keys", "code", "last"),
    [
        (b"y\n", 0, b"[y/N] y\r\nyes\r\n"),
        (b"YES\n", 0, b"[y/N] YES\r\nyes\r\n"),
        (b"\n", 0, b"[y/N] \r\nno\r\n"),
        (b"yellow\n", 0, b"[y/N] yellow\r\nno\r\n"),
        (b"\x04", 0, b"[y/N] \r\nno\r\n"),
        (b"\x03", 130, b"[y/N] ^C\r\n"),
    ],
)
def test_a_question_has_one_line_whatever_the_answer(keys: bytes, code: int, last: bytes) -> None:
    terminal = Terminal(_ASKS)
    terminal.waits_for(b"[y/N] ")
    terminal.types(keys)

    assert terminal.ends() == code
    screen = re.sub(rb"\x1b\[[0-9;]*m", b"", terminal.screen).replace(b"\x08", b"")
    assert screen.replace(b"^D", b"") == b"Delete it? " + last


# Progress -----------------------------------------------------------------------------------------

_WORKS = """
import subprocess, sys, time
from uvx_policy.terminal.progress import progress
with progress("first") as show:
    if "silent" in sys.argv:
        subprocess.run(["sleep", sys.argv[1]])
    else:
        until = time.monotonic() + float(sys.argv[1])
        while time.monotonic() < until:
            show(lambda: "at work \\x1b \\u202e")
            time.sleep(0.01)
"""


def working(*words: str) -> bytes:
    terminal = Terminal(f"import sys; sys.argv[1:] = {words!r}\n{_WORKS}")
    assert terminal.ends() == 0
    return terminal.screen


def test_what_is_quick_shows_no_progress() -> None:
    assert working("0.3") == b""


def test_what_takes_long_says_what_it_does_and_leaves_nothing() -> None:
    screen = working("1.3")

    assert b"\r\x1b[Kat work \\x1b \\u202e" in screen
    assert screen.endswith(b"\r\x1b[K")
    assert b"\n" not in screen


def test_who_waits_for_another_program_says_so() -> None:
    assert working("1.3", "silent") == b"\r\x1b[Kfirst\r\x1b[K"


def test_progress_is_nothing_for_a_pipe() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _WORKS, "1.2"], cwd=ROOT, capture_output=True, check=True
    )

    assert (done.stdout, done.stderr) == (b"", b"")
