"""Through the shim, uv gets exactly what it would have got without."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.shim.conftest import Installed, Record, without_guard

NASTY = (
    "",
    " ",
    "a b",
    "$HOME",
    "line\nbreak",
    b"\xff\xfe",
    b"caf\xe9",
    "x" * 5000,
    "--",
    "-",
    "*",
)

CALLS = (
    pytest.param(("--version", "--nonsense"), id="quick"),
    pytest.param(("pip", "list", *NASTY), id="links nothing"),
    pytest.param(("sync", "--frozen", *NASTY), id="unknown words"),
    pytest.param(("run", "--", *NASTY), id="external command"),
)


def both(installed: Installed, *words: str | bytes, **options: object) -> tuple[Record, Record]:
    """The stand-in's record with and without the shim, everything else equal."""
    environ = installed.environ(RECORD_VERSION="1")
    installed.run(installed.real / "uv", *words, environ=environ, **options)
    plain = installed.seen()
    installed.run("uv", *words, environ=environ, **options)
    return plain, installed.seen()


@pytest.mark.parametrize("words", CALLS)
def test_words_are_byte_identical(installed: Installed, words: tuple[str | bytes, ...]) -> None:
    installed.run("uv", *words, environ=installed.environ(RECORD_VERSION="1"))

    expected = (b"uv", *(os.fsencode(word) for word in words))
    assert installed.seen().words == expected


@pytest.mark.parametrize("words", CALLS)
def test_everything_inherited_is_the_same(
    installed: Installed, tmp_path: Path, words: tuple[str | bytes, ...]
) -> None:
    extra = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(extra, True)

    plain, shimmed = both(
        installed, *words, stdin=subprocess.DEVNULL, pass_fds=(extra,), cwd=tmp_path, umask=0o027
    )

    os.close(extra)
    # stdout and stderr are pipes of their own in each of the two calls
    volatile = ("descriptor 1 pipe", "descriptor 2 pipe")
    assert [line for line in shimmed.rest if not line.startswith(volatile)] == [
        line for line in plain.rest if not line.startswith(volatile)
    ]
    assert sorted(without_guard(shimmed.environ)) == sorted(plain.environ)


@pytest.mark.parametrize(
    "environ",
    [
        pytest.param({}, id="empty locale"),
        pytest.param({b"LC_ALL": b"C"}, id="C locale"),
        pytest.param({b"LANG": b"C"}, id="LANG=C"),
        pytest.param({b"LC_CTYPE": b"C.UTF-8"}, id="LC_CTYPE set by the user"),
        pytest.param({b"LC_ALL": b"POSIX", b"LC_CTYPE": b"C.UTF-8"}, id="LC_CTYPE overruled"),
        pytest.param({b"ODD-name.1": b"\xff\n\xfe", b"EMPTY": b""}, id="odd names and bytes"),
        pytest.param(
            {b"PYTHONHOME": b"/nowhere", b"PYTHONPATH": b"/nowhere", b"PYTHONSTARTUP": b"x"},
            id="Python's own variables",
        ),
    ],
)
def test_the_environment_is_untouched(
    installed: Installed, tmp_path: Path, environ: dict[bytes, bytes]
) -> None:
    given = {
        # Without HOME the passwd entry would count: the developer's own state directory.
        b"XDG_STATE_HOME": os.fsencode(tmp_path / "state"),
        b"PATH": os.fsencode(f"{installed.shims}:{installed.real}"),
        b"RECORD_TO": os.fsencode(installed.record),
        **environ,
    }

    installed.run("uv", "pip", "list", b"\xff", environ=given)

    seen = installed.seen()
    assert sorted(without_guard(seen.environ)) == sorted(
        name + b"=" + value for name, value in given.items()
    )
    assert seen.words == (b"uv", b"pip", b"list", b"\xff")


def test_the_process_is_the_same(installed: Installed) -> None:
    with subprocess.Popen(["uv", "sync"], env=installed.environ()) as process:
        process.wait()

    assert installed.seen().pid == process.pid


def test_stdin_is_unread(installed: Installed) -> None:
    text = b"print('a PEP 723 script')\n" * 5000

    done = installed.run("uv", "run", "-", input=text, environ=installed.environ(RECORD_ECHO="1"))

    assert (done.stdout, done.stderr, done.returncode) == (text, b"", 0)


@pytest.mark.parametrize("descriptor", [0, 1, 2])
def test_a_closed_standard_stream_stays_closed(installed: Installed, descriptor: int) -> None:
    def records(program: str) -> tuple[str, ...]:
        redirection = {0: "<&-", 1: ">&-", 2: "2>&-"}[descriptor]
        installed.run("/bin/sh", "-c", f"exec {program} sync {redirection}")
        return tuple(
            line.split(" ")[1] for line in installed.seen().rest if line.startswith("descriptor")
        )

    assert records("uv") == records(str(installed.real / "uv"))


@pytest.mark.parametrize("word", ["cache", "sync"])
def test_exit_codes_pass(installed: Installed, word: str) -> None:
    """It is uv's own process that exits: each bit, and what shells give a meaning."""
    codes = (0, 1, 2, 4, 8, 16, 32, 64, 125, 126, 127, 128, 129, 130, 137, 143, 254, 255)

    passed = [
        installed.run("uv", word, environ=installed.environ(RECORD_EXIT=str(code))).returncode
        for code in codes
    ]

    assert passed == list(codes)


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGPIPE, signal.SIGINT]
)
def test_death_by_signal_passes(installed: Installed, number: signal.Signals) -> None:
    done = installed.run("uv", "sync", environ=installed.environ(RECORD_SIGNAL=str(int(number))))

    assert done.returncode == -number


def test_ignored_and_blocked_signals_stay_so(installed: Installed) -> None:
    def prepare() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        # These two are always default for uv: CPython ignores them at start, whatever they were.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})

    plain, shimmed = both(installed, "sync", preexec_fn=prepare, restore_signals=False)

    told = ("ignored", "blocked")
    assert [line for line in shimmed.rest if line.startswith(told)] == [
        line for line in plain.rest if line.startswith(told)
    ]
    assert f"ignored {int(signal.SIGINT)}" in shimmed.rest


def test_job_control_stops_and_continues_uv(installed: Installed) -> None:
    environ = installed.environ(RECORD_STOP="1", RECORD_EXIT="7")
    process = subprocess.Popen(["uv", "sync"], env=environ)

    _, status = os.waitpid(process.pid, os.WUNTRACED)
    stopped = os.WIFSTOPPED(status)
    os.kill(process.pid, signal.SIGCONT)
    _, status = os.waitpid(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)

    assert stopped
    assert process.returncode == 7


def test_a_terminal_stays_a_terminal(installed: Installed) -> None:
    pid, master = pty.fork()
    if pid == 0:  # the child: a session of its own with a controlling terminal
        os.execvpe("uv", ["uv", "sync"], installed.environ())
    output = b""
    try:
        while chunk := os.read(master, 1024):
            output += chunk
    except OSError:
        pass
    os.waitpid(pid, 0)
    os.close(master)

    seen = installed.seen()
    assert seen.pid == pid
    assert output == b""
    assert {"terminal 111", f"group {pid}", f"session {pid}"} <= set(seen.rest)


def test_ctrl_c_while_we_decide_kills_silently_as_it_would_kill_uv(
    installed: Installed, tmp_path: Path
) -> None:
    """A uv that is slow to say its version holds the shim in the middle of its decision."""
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'a'\nversion = '1'\n")
    environ = installed.environ(
        RECORD_ANSWER=f"touch {tmp_path}/asked; exec sleep 30",
        UV_WORKING_DIRECTORY=str(tmp_path),  # unknown before uv 0.9.1
    )
    process = subprocess.Popen(
        ["uv", "sync"], env=environ, stderr=subprocess.PIPE, start_new_session=True
    )
    deadline = time.monotonic() + 20
    while not (tmp_path / "asked").exists() and time.monotonic() < deadline:
        time.sleep(0.01)

    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate()

    assert (process.returncode, stderr) == (-signal.SIGINT, b"")


def test_nothing_of_ours_is_printed(installed: Installed) -> None:
    done = installed.run("uv", "pip", "install", "x", environ=installed.environ(RECORD_EXIT="3"))

    assert (done.returncode, done.stdout, done.stderr) == (3, b"", b"")


@pytest.mark.parametrize("words", [("--version",), ("-V",), ("help",), ("self", "update")])
def test_informative_calls_change_nothing(installed: Installed, words: tuple[str, ...]) -> None:
    environ = installed.environ(RECORD_VERSION="1")

    done = installed.run("uv", *words, environ=environ)

    expected = [os.fsencode(f"{name}={value}") for name, value in environ.items()]
    assert sorted(without_guard(installed.seen().environ)) == sorted(expected)
    assert done.stderr == b""


def test_uvx_becomes_the_real_uvx(installed: Installed) -> None:
    installed.run("uvx", "ruff", "check", b"\xff")

    assert installed.seen().words == (b"uvx", b"ruff", b"check", b"\xff")


def test_uvx_without_a_real_uvx_uses_uv(installed: Installed) -> None:
    (installed.real / "uvx").unlink()

    installed.run("uvx", "ruff", "--", "x")

    assert installed.seen().words == (b"uv", b"tool", b"uvx", b"ruff", b"--", b"x")
