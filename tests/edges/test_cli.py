"""The command line as a whole: where its output goes, how it ends, and that no part is left out."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from uvx_policy.command_line.pages import GROUPS, PAGES
from uvx_policy.command_line.parser import Parser
from uvx_policy.command_line.tree import COMMANDS, build_parser

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
            build_parser(only).parse_args([name, "--help"])
        return capsys.readouterr().out

    for name in COMMANDS:
        assert help_of(name, name) == help_of(name, "")


@pytest.mark.parametrize("command", ["uninstall", "env", "completion"])
def test_a_command_imports_no_other(command: str) -> None:
    program = (
        "import sys; from uvx_policy.command_line.tree import build_parser; "
        "build_parser(sys.argv[1]); print(*sys.modules)"
    )

    done = subprocess.run(
        [sys.executable, "-c", program, command],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True,
    )  # fmt: skip

    others = set(COMMANDS) - {command}
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


# Help and errors ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("isolation")
@pytest.mark.parametrize("words", ["", "help", "-h", "--help", "--color never help"])
def test_the_overview_names_every_command_in_its_group(words: str) -> None:
    done = run(words)

    assert (done.returncode, done.stderr) == (0, "")
    assert all(f"\n{group}:\n" in done.stdout for group in GROUPS)
    listed = [line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ")]
    assert set(COMMANDS) <= set(listed)


def every_parser(parser: Parser) -> list[Parser]:
    return [each for below in parser.commands.values() for each in (below, *every_parser(below))]


@pytest.mark.parametrize("parser", every_parser(build_parser()), ids=lambda parser: parser.words)
def test_the_help_of_a_command_has_a_sentence_two_examples_and_an_address(parser: Parser) -> None:
    text = parser.format_help()

    page = PAGES[parser.words]
    assert text.startswith(f"{page.summary}.\n\nUsage: {parser.prog}")
    assert len(page.examples) == 2
    assert all(f"\n  {typed}\n" in text for typed, _ in page.examples)
    assert text.endswith(f"Documentation: {page.url}\n")
    assert all(action.help for action in (*parser.options, *parser.arguments))


def test_the_help_of_a_command_is_shown_by_both_ways() -> None:
    assert run("help cache seed").stdout == run("cache seed --help").stdout
    assert run("help run").stdout == run("run -h").stdout


@pytest.mark.usefixtures("isolation")
@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        ("verfy", "`linkpolicy` has no command `verfy`", "did you mean `verify`?"),
        ("help verfy", "`linkpolicy` has no command `verfy`", "did you mean `verify`?"),
        ("qqq", "`linkpolicy` has no command `qqq`", "`linkpolicy --help` shows how it is used"),
        ("cache sed", "`linkpolicy cache` has no command `sed`", "did you mean `seed`?"),
        ("verify --dif", "unexpected option `--dif`", "did you mean `--diff`?"),
        ("cache list --jsn", "unexpected option `--jsn`", "did you mean `--json`?"),
        ("--versoin", "unexpected option `--versoin`", "did you mean `--version`?"),
        ("status --sort size", "invalid value `size` for `--sort`", "possible values: "),
        ("cache list more", "unexpected argument `more`", "`linkpolicy cache list --help`"),
        ("-C /nowhere status", "cannot enter `/nowhere`: No such file or directory", ""),
        ("status --sort", "`--sort` needs a value", "`linkpolicy status --help`"),
        ("-C", "`--directory` needs a value", "`linkpolicy --help`"),
        ("config set", "missing argument: KEY, VALUE", "`linkpolicy config set --help`"),
        ("run", "no command to run was given", "for example, `linkpolicy run uv sync`"),
    ],
)
def test_a_mistake_is_named_with_what_was_meant(words: str, message: str, hint: str) -> None:
    done = run(words)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {message}")
    assert hint in done.stderr


@pytest.mark.usefixtures("isolation")
@pytest.mark.parametrize("words", ["doctor --li", "status --refr", "--vers"])
def test_no_option_can_be_abbreviated(words: str) -> None:
    assert run(words).returncode == 2


def test_a_directory_is_entered_before_or_behind_the_command(isolation: Path) -> None:
    (isolation / "p").mkdir()
    (isolation / "p" / "linkpolicy.toml").write_text("hackable = true\n")

    before = run(f"-C {isolation}/p config")
    behind = run(f"config --directory={isolation}/p")

    assert "hackable = true" in before.stdout
    assert before.stdout == behind.stdout
    assert run(f"-C{isolation} -C p config").stdout != before.stdout


@pytest.mark.usefixtures("isolation")
def test_quiet_prints_only_errors_and_what_is_for_programs() -> None:
    assert run("-q doctor --list").stdout == ""
    assert run("doctor --list --json -q").stdout == run("doctor --list --json").stdout
    assert run("-q verfy").stderr.startswith("error: ")
    assert run("cache dir -q").stdout == run("cache dir").stdout


@pytest.mark.usefixtures("isolation")
def test_colors_are_used_when_asked_for() -> None:
    assert "\x1b[" in run("--color always help").stdout
    assert "\x1b[" not in run("help --color=never").stdout
    assert run("help --color sometimes").returncode == 2
