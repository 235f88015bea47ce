"""`uv.exe`, `uvx.exe` and `uvw.exe` of ours before the real ones: what they pass on."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import shutil
import struct
import termios
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.wine import supplies
from tests.wine.laboratory import Ended, Laboratory
from uvx_policy.windows import launcher as configuration

PROJECT = """\
[project]
name = "a"
version = "1"

[tool.linkpolicy]
link-mode = "copy"
"""
SHIMS, REAL = r"C:\shims", r"C:\real"
#: words that a shell or another program's quoting would spoil
WORDS = (
    "", "a b", 'a"b', '"', "a\\", "a b\\", 'a\\"b', "\\\\", "ümläut", "🐍", "%PATH%", "^&|<>", "'",
    "tab\there", "!x!", "*.py", "--a=b c",
)  # fmt: skip


@pytest.fixture(scope="session")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program that tells what it was started with."""
    made = tmp_path_factory.mktemp("recorder") / "recorder.exe"
    supplies.compile_for_windows(supplies.HERE / "programs" / "recorder.c", made, "-municode")
    return made


class Installed:
    """Our launchers in `SHIMS`, and in `REAL` a program that tells what it was started with."""

    def __init__(self, laboratory: Laboratory, launchers: Path, recorder: Path) -> None:
        self.laboratory = laboratory
        self.shims, self.real = laboratory.path(SHIMS), laboratory.path(REAL)
        for directory in (self.shims, self.real):
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir()
        for program in ("uv", "uvx", "uvw"):
            kind = "launcherw.exe" if program == "uvw" else "launcher.exe"
            shutil.copy(launchers / kind, self.shims / f"{program}.exe")
            shutil.copy(recorder, self.real / f"{program}.exe")
        self.configure()

    def configure(self, python: str = Laboratory.python, *embedded: str) -> None:
        package = rf"{self.laboratory.site_packages}\uvx_policy"
        content = configuration.windows_configuration(
            package=package, python=python, script=rf"{package}\answer.py", embedded=embedded
        )
        (self.shims / configuration.NAME).write_bytes(content)

    def run(self, program: str, *words: str, **options: object) -> Ended:
        options = {"search": (SHIMS, REAL), **options}
        return self.laboratory.run(program, *words, **options)  # type: ignore[arg-type]

    def seen(self, program: str, *words: str, **options: object) -> dict[str, object]:
        """What the real program was started with."""
        ended = self.run(program, *words, **options)
        assert (ended.code, ended.errors) == (0, ""), ended
        assert ended.output.startswith("{"), ended
        seen = json.loads(ended.output)
        assert isinstance(seen, dict)
        return seen


@pytest.fixture
def installed(laboratory: Laboratory, launchers: Path, recorder: Path) -> Installed:
    return Installed(laboratory, launchers, recorder)


@pytest.mark.parametrize("program", ["uv", "uvx", "uvw"])
def test_words_arrive_as_they_were_typed(installed: Installed, program: str) -> None:
    seen = installed.seen(rf"{SHIMS}\{program}.exe", "help", *WORDS)

    assert seen["program"] == rf"{REAL}\{program}.exe"
    alone = installed.laboratory.run(rf"{REAL}\{program}.exe", "help", *WORDS)
    told = json.loads(alone.output)
    line, alone_line = str(seen["line"]), str(told["line"])
    assert line.partition("help")[2] == alone_line.partition("help")[2]
    assert seen["words"] == ["help", *WORDS] == told["words"]


def test_words_are_understood_as_uv_understands_them(installed: Installed) -> None:
    """What Python was asked with."""
    installed.configure(python=rf"{REAL}\uv.exe")  # tells its input instead of an answer
    ended = installed.run("uv", "sync", *WORDS, environ={"LINKPOLICY_LOG": "debug"})

    _, _, text = ended.errors.partition('"input": "')
    asked = text.partition('"')[0]
    fields = bytes.fromhex(asked).decode().split("\0")
    assert fields == [
        "linkpolicy-call-v1", "uv", rf"{REAL}\uv.exe", str(1 + len(WORDS)), "sync", *WORDS, ".", "",
    ]  # fmt: skip


def test_standard_input_is_left_to_uv(installed: Installed) -> None:
    seen = installed.seen("uv", "pip", "list", stdin=b"for uv alone")

    assert bytes.fromhex(str(seen["input"])) == b"for uv alone"


@pytest.mark.parametrize("code", [0, 1, 2, 255, 0x7FFFFFFF, 0x80000000, 0xC000013A, 0xFFFFFFFF])
@pytest.mark.parametrize("word", ["help", "sync"], ids=["quick", "decided"])
def test_the_exit_code_has_all_its_bits(installed: Installed, code: int, word: str) -> None:
    ended = installed.run("uv", word, environ={"EXIT_WITH": str(code)})

    assert ended.code == code
    assert ended.errors == ""


def test_variables_arrive_with_what_was_decided(installed: Installed) -> None:
    project = installed.laboratory.path(installed.laboratory.work) / "pyproject.toml"
    project.write_text(PROJECT, encoding="utf-8")
    given = {"lower": "ä", "EMPTY": "", "UV_LINK_MODE": None}

    variables = installed.seen("uv", "sync", environ=given)["variables"]

    assert isinstance(variables, dict)
    alone = installed.laboratory.run(rf"{REAL}\uv.exe", "sync", environ=given, search=(SHIMS, REAL))
    before = json.loads(alone.output)["variables"]
    added = {name: value for name, value in variables.items() if before.get(name) != value}
    assert added.pop("UV_LINK_MODE") == "copy"
    assert "set=UV_LINK_MODE=copy" in added.pop("_LINKPOLICY_ACTIVE").split(";")
    assert set(added) <= {"UV_CACHE_DIR"}
    assert set(before) <= set(variables)


def test_a_decision_is_replayed_without_python(installed: Installed) -> None:
    project = installed.laboratory.path(installed.laboratory.work) / "pyproject.toml"
    project.write_text(PROJECT, encoding="utf-8")
    os.utime(project, (1, 1))
    time.sleep(3)
    first = installed.seen("uv", "sync")
    installed.configure(python=r"C:\gone\python.exe")

    again = installed.seen("uv", "sync")
    assert links(again) == links(first) == "copy"

    project.write_text(PROJECT.replace("copy", "hardlink"), encoding="utf-8")
    ended = installed.run("uv", "sync", environ={"LINKPOLICY_LOG": "warn"})
    assert r"cannot run `C:\gone\python.exe`: uv runs without a policy" in ended.errors
    assert links(json.loads(ended.output)) is None


def test_what_the_policy_refuses_does_not_start(installed: Installed) -> None:
    project = installed.laboratory.path(installed.laboratory.work) / "pyproject.toml"
    refused = PROJECT.replace('"copy"', '"clone"\nfallback = "error"')
    project.write_text(refused, encoding="utf-8")

    ended = installed.run("uv", "sync")

    assert (ended.code, ended.output) == (2, "")
    assert ended.errors.startswith("linkpolicy: refused: ")
    assert ended.errors.count("\n") == 1


def links(seen: dict[str, object]) -> str | None:
    variables = seen["variables"]
    assert isinstance(variables, dict)
    return variables.get("UV_LINK_MODE")


@pytest.mark.parametrize("missing", ["python", "package", "configuration"])
def test_uv_runs_where_python_is_gone(installed: Installed, missing: str) -> None:
    if missing == "configuration":
        (installed.shims / configuration.NAME).unlink()
    elif missing == "python":
        installed.configure(python=r"C:\gone\python.exe")
    else:
        package = r"C:\gone\uvx_policy"
        content = configuration.windows_configuration(
            package=package, python=Laboratory.python, script=rf"{package}\answer.py", embedded=()
        )
        (installed.shims / configuration.NAME).write_bytes(content)

    seen = installed.seen("uv", "sync", "a b")
    assert seen["words"] == ["sync", "a b"]

    told = installed.run("uv", "sync", environ={"LINKPOLICY_LOG": "warn"}).errors
    assert told.count("uv runs without a policy") == 1
    assert told.count("\n") == 1 or missing == "package"


def test_our_own_launchers_are_no_uv(installed: Installed) -> None:
    """The same twice on PATH, in quotes, copied, and with nothing behind it."""
    copies = installed.laboratory.path(r"C:\other shims; quoted")
    shutil.rmtree(copies, ignore_errors=True)
    shutil.copytree(installed.shims, copies)
    search = (SHIMS, r'"C:\other shims; quoted"', SHIMS, REAL)

    assert installed.seen("uv", "help", search=search)["program"] == rf"{REAL}\uv.exe"

    ended = installed.run("uv", "help", search=search[:3])
    assert ended.code == 127
    assert ended.errors == (
        "linkpolicy: no uv on PATH but this shim (hint: install uv, then `linkpolicy setup`)\n"
    )
    installed.configure(Laboratory.python, REAL)
    assert installed.seen("uv", "help", search=search[:3])["program"] == rf"{REAL}\uv.exe"


def test_what_comes_straight_back_is_not_started_again(installed: Installed) -> None:
    """A wrapper called `uv.exe` that starts the next `uv`, which is our launcher again."""
    wrapper = installed.laboratory.path(r"C:\wrapper")
    shutil.rmtree(wrapper, ignore_errors=True)
    shutil.copytree(installed.real, wrapper)
    starts = {"STARTS": rf"{SHIMS}\uv.exe help"}

    ended = installed.run("uv", "help", search=(SHIMS, r"C:\wrapper"), environ=starts)

    assert ended.code == 126
    assert ended.errors == (
        r"linkpolicy: `C:\wrapper\uv.exe` starts this shim again, and PATH has no other uv" + "\n"
    )


def test_uvx_is_uv_tool_uvx_where_there_is_no_other(installed: Installed) -> None:
    (installed.real / "uvx.exe").unlink()

    seen = installed.seen("uvx", "--version", "a b")

    assert seen["program"] == rf"{REAL}\uv.exe"
    assert seen["words"] == ["tool", "uvx", "--version", "a b"]


def test_uvw_starts_uv_where_there_is_no_other(installed: Installed) -> None:
    (installed.real / "uvw.exe").unlink()

    seen = installed.seen("uvw", "--version")

    assert seen["program"] == rf"{REAL}\uv.exe"
    assert seen["words"] == ["--version"]


def test_uv_ends_with_the_launcher(installed: Installed) -> None:
    laboratory = installed.laboratory
    with laboratory.start(
        "uv", "help", environ={"WAIT": "100000"}, search=(SHIMS, REAL)
    ) as process:
        assert process.stdout is not None
        _, _, parent = process.stdout.readline().decode().split()
        laboratory.ok("taskkill", "/f", "/pid", parent)

        # Nobody has the pipe open any more. Its number tells nothing: Wine uses it again at once.
        assert process.stdout.read() == b""


@pytest.mark.parametrize("ends_well", [None, "1"], ids=["killed", "ends-well"])
def test_control_c_is_left_to_uv(installed: Installed, ends_well: str | None) -> None:
    """Typed into a terminal: uv ends as it likes, and the launcher with its code."""
    environ = {"WAIT": "100000", "ENDS_WELL": ends_well}

    alone = in_terminal(installed, b"\x03", rf"{REAL}\uv.exe", "help", environ=environ)
    ended = in_terminal(installed, b"\x03", "uv", "help", environ=environ)

    assert ended.code == alone.code == (5 if ends_well else 0), (ended, alone)  # Windows: C000013A
    assert "linkpolicy" not in ended.output, ended


def test_the_line_is_said_once_in_a_terminal(installed: Installed) -> None:
    installed.configure(python=r"C:\gone\python.exe")
    state = installed.laboratory.path(rf"{installed.laboratory.home}\AppData\Local\linkpolicy")
    state.mkdir()  # as `setup` does
    twice = "uv sync <nul & uv sync <nul"

    ended = in_terminal(installed, b"", "cmd", "/c", twice, environ={"WAIT": "1"})

    assert ended.output.count("started") == 2, ended
    assert ended.output.count("uv runs without a policy") == 1, ended


def in_terminal(
    installed: Installed, typed: bytes, *words: str, environ: Mapping[str, str | None]
) -> Ended:
    """Run a program in a terminal of its own, and type when it says that it has started."""
    laboratory = installed.laboratory
    directory = laboratory.path(laboratory.work)
    with laboratory.prepared(words, (SHIMS, REAL), environ) as (command, variables, exit_code):
        number, terminal = pty.fork()
        if number == 0:
            # Wine makes a console of the size of the terminal, and a new one has none.
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 400, 0, 0))
            os.chdir(directory)
            os.execvpe(command[0], command, variables)
        output, is_typed, is_over = b"", False, False
        # Not until the end of the file: Wine's own programs keep the terminal open.
        while not is_over:
            is_over = os.waitpid(number, os.WNOHANG)[0] == number
            while select.select([terminal], [], [], 0.1)[0]:
                try:
                    part = os.read(terminal, 4096)
                except OSError:  # EIO: nobody has it open
                    break
                output += part
            if b"started" in _shown(output) and not is_typed:
                os.write(terminal, typed)
                is_typed = True
        os.close(terminal)
        code = int(exit_code.read_text()) if exit_code.exists() else -1
    return Ended(code % 2**32, _shown(output).decode("utf-8", "replace"), "")


def _shown(output: bytes) -> bytes:
    """Wine's console writes each character alone, and moves the cursor instead of a blank."""
    moved = re.sub(rb"\x1b\[([0-9]+)C", lambda match: b" " * int(match[1]), output)
    return re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]|\x1b\][^\x07]*\x07|\r", b"", moved)
