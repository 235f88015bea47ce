"""`linkpolicy doctor`: exit codes, JSON, --list, --fix with its questions, --redact."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.doctor.checks import FIX, check, ill, only_these, well
from tests.doctor.conftest import Person
from uvx_policy import cli
from uvx_policy.doctor import crash_log, engine
from uvx_policy.doctor.case import Case
from uvx_policy.doctor.diagnostic import Check, Deed, Diagnostic
from uvx_policy.errors import LinkPolicyError
from uvx_policy.state import layout


@pytest.fixture(autouse=True)
def at_home(isolation: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(isolation)


def called(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = cli.main(["doctor", *words])
    return code, *capsys.readouterr()


def told(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    _, out, _ = called(capsys, "--json", *words)
    found: dict[str, Any] = json.loads(out)
    return found


# Exit codes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "plain", "strict"),
    [("pass", 0, 0), ("skip", 0, 0), ("warn", 0, 1), ("fail", 1, 1), ("crash", 2, 2)],
)
@pytest.mark.parametrize("as_json", [False, True])
def test_the_exit_code_says_how_bad_it_is(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    status: str,
    plain: int,
    strict: int,
    as_json: bool,
) -> None:
    only_these(monkeypatch, well("a"), ill("b", status), well("c"))
    words = ["--json"] if as_json else []

    assert called(capsys, *words)[0] == plain
    assert called(capsys, *words, "--strict")[0] == strict


def test_a_crash_counts_more_than_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    only_these(monkeypatch, ill("a", "crash"), ill("b", "fail"))

    assert called(capsys)[0] == 2


def test_a_check_that_breaks_down_leaves_the_rest_of_the_report(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], isolation: Path
) -> None:
    def look(_: Case) -> Iterator[Diagnostic]:
        raise ZeroDivisionError("on purpose")

    only_these(monkeypatch, ill("a"), well("b")._replace(look=look), ill("c", "warn"))

    code, out, err = called(capsys)

    assert code == 2
    assert err == ""
    assert "a is wrong." in out
    assert "c is wrong." in out
    assert "ZeroDivisionError: on purpose" in out
    log = isolation / ".local/state/linkpolicy" / layout.CRASHES.directory / crash_log.NAME
    assert "ZeroDivisionError: on purpose" in log.read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["shims-frist"], "there is no check `shims-frist`"),
        (["--yes"], "--yes and --dry-run need --fix"),
        (["--dry-run"], "--yes and --dry-run need --fix"),
        (["--fix"], "cannot ask without a terminal"),
        (["--fix", "--json"], "--json cannot ask"),
    ],
)
def test_a_wrong_call_is_one_line_and_exit_2(
    capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    code, out, err = called(capsys, *words)

    assert code == 2
    assert out == ""
    assert err.splitlines()[0] == f"error: {message}"


def test_a_working_directory_that_is_gone(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()

    code, _, err = called(capsys)

    assert code == 2
    assert "the working directory is gone" in err
    os.chdir("/")


# JSON and --list ----------------------------------------------------------------------------------


def test_json_has_every_field_of_every_finding(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = Diagnostic(status="fail", detail="It is off.", fix=FIX, paths=("/a", "/b"), bytes=7)
    only_these(monkeypatch, check("a", wrong), well("b", "caches"))

    found = told(capsys)

    assert found["schema"] == 1
    assert list(found) == ["schema", "linkpolicy", "python", "platform", "findings", "facts"]
    first, second = found["findings"]
    assert first.pop("ms") >= 0
    assert first == {
        "id": "a",
        "title": "The title of a",
        "group": "installation",
        "status": "fail",
        "detail": "It is off.",
        "fix": {
            "text": FIX.text,
            "command": "off && on",
            "safe": True,
            "otherwise": None,
        },
        "paths": ["/a", "/b"],
        "bytes": 7,
    }
    assert (second["status"], second["fix"], second["paths"]) == ("pass", None, [])


def test_text_and_json_say_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    only_these(monkeypatch, ill("a"), ill("b", "warn"), well("c"))

    found = told(capsys)
    _, out, _ = called(capsys)

    shown = [each for each in found["findings"] if each["detail"] in out and each["detail"]]
    assert [each["id"] for each in shown] == ["a", "b"]


def test_the_list_names_every_check_and_runs_none(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = called(capsys, "--list")

    assert code == 0
    for each in engine.every_check():
        (line,) = [line for line in out.splitlines() if line.strip().startswith(f"{each.id} ")]
        assert each.title in line
        assert ("(--fix)" in line) == (each.fix is not None)
        assert ("(--verify)" in line) == each.thorough


def test_the_list_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, "--list", "installation")

    assert found["schema"] == 1
    assert {each["group"] for each in found["checks"]} == {"installation"}
    (first,) = [each for each in found["checks"] if each["id"] == "shims"]
    assert first == {
        "id": "shims",
        "title": "The shims `uv` and `uvx` are installed",
        "group": "installation",
        "fixable": True,
        "thorough": False,
    }


def test_only_the_named_checks_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    only_these(monkeypatch, ill("a"), ill("b", "warn"), ill("c", group="caches"))

    assert [each["id"] for each in told(capsys, "caches", "a")["findings"]] == ["a", "c"]
    assert called(capsys, "b")[0] == 0


# --fix --------------------------------------------------------------------------------------------


class Lamp:
    """Something that can be off, and be turned on by a fix."""

    def __init__(self, *, refuses: BaseException | None = None) -> None:
        self.on = False
        self.planned = self.turned = 0
        self._refuses = refuses

    def check(self, name: str = "lamp", fix_text: str = FIX.text) -> Check:
        def look(_: Case) -> Iterator[Diagnostic]:
            if not self.on:
                yield Diagnostic(status="fail", detail="It is off.", fix=FIX.replace(text=fix_text))

        return well(name)._replace(look=look, fix=self._fix)

    def _fix(self, _: Case) -> Iterator[Deed]:
        self.planned += 1
        yield Deed(("would turn it on",), self._turn)

    def _turn(self) -> Iterator[str]:
        self.turned += 1
        yield "turned it on"
        if self._refuses is not None:
            raise self._refuses
        self.on = True


def test_what_was_fixed_is_looked_at_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lamp = Lamp()
    only_these(monkeypatch, lamp.check(), well("other"))

    code, out, _ = called(capsys, "--fix", "--yes")

    assert code == 0
    assert lamp.on
    assert "  turned it on\n" in out
    again = out.partition("After fixing:")[2]
    assert "  ✓ The title of lamp  lamp\n" in again
    assert "other" not in again
    assert "All checks passed: 2 checks." in again


def test_a_dry_run_changes_nothing_and_the_finding_stays(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lamp = Lamp()
    only_these(monkeypatch, lamp.check())

    code, out, _ = called(capsys, "--fix", "--dry-run")

    assert (code, lamp.on, lamp.planned, lamp.turned) == (1, False, 1, 0)
    assert "Would fix" in out
    assert "would turn it on" in out
    assert "After fixing" not in out


def test_what_comes_to_light_by_fixing_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lamp = Lamp()

    def look(_: Case) -> Iterator[Diagnostic]:
        if lamp.on:
            yield Diagnostic(status="warn", detail="The room is a mess.")

    only_these(monkeypatch, lamp.check(), well("room")._replace(look=look), ill("other", "warn"))

    code, out, _ = called(capsys, "--fix", "--yes")

    assert code == 0
    again = out.partition("After fixing:")[2]
    assert "! The room is a mess.  room\n" in again
    assert "other" not in again
    assert "Found 2 warnings in 3 checks." in again


def test_one_deed_that_fixes_two_checks_is_done_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lamp = Lamp()
    fix = lamp.check().fix
    only_these(monkeypatch, *(lamp.check(name)._replace(fix=fix) for name in ("a", "b")))

    code, out, _ = called(capsys, "--fix", "--yes")

    assert (code, lamp.turned) == (0, 1)
    assert "(a, b)" in out


def test_what_is_not_safe_or_cannot_be_fixed_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lamp = Lamp()
    unsafe = Diagnostic(status="fail", detail="Broken.", fix=FIX.replace(safe=False))
    fix = lamp.check().fix
    only_these(
        monkeypatch,
        check("unsafe", unsafe, fix=fix),
        check("by-hand", Diagnostic(status="fail", fix=FIX)),
    )

    assert called(capsys, "--fix", "--yes")[0] == 1
    assert (lamp.planned, lamp.turned) == (0, 0)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (LinkPolicyError("no rights"), 1),
        (PermissionError("no rights"), 1),
        (KeyError("no rights"), 2),
    ],
)
def test_a_fix_that_does_not_work_out_is_told_and_the_others_are_done(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
) -> None:
    bad, good = Lamp(refuses=error), Lamp()
    only_these(monkeypatch, bad.check("bad"), good.check("good"))

    exit_code, out, _ = called(capsys, "--fix", "--yes")

    assert exit_code == code
    assert good.on
    assert "no rights" in out
    again = out.partition("After fixing:")[2]
    assert "✗ It is off.  bad" in again
    assert "✓ The title of good" in again


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_a_warning_that_a_fix_does_not_remove_is_an_exit_code_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    """Also where the fix itself sees no fault."""
    stubborn = check(
        "stubborn",
        Diagnostic(status="warn", detail="It is loud.", fix=FIX),
        fix=lambda _: (Deed(("would turn it down",), lambda: ("turned it down",)),),
    )
    only_these(monkeypatch, stubborn)

    code, out, _ = called(capsys, "--fix", "--yes", *words)

    assert code == 1
    if words:
        (fixed,) = json.loads(out)["mended"]
        assert fixed["fault"] == "the problem is still there"
    else:
        assert "Found 1 warning in 1 check. 1 fix was not done." in out


def test_a_fix_that_was_not_done_is_told_where_nothing_is_wrong_any_more(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody else was faster."""
    lamp = Lamp(refuses=LinkPolicyError("it changed in the meantime"))
    real = lamp._turn

    def turn() -> Iterator[str]:
        lamp.on = True
        yield from real()

    monkeypatch.setattr(lamp, "_turn", turn)
    only_these(monkeypatch, lamp.check())

    code, out, _ = called(capsys, "--fix", "--yes")

    assert code == 1
    assert "Found no problems: 1 check. 1 fix was not done." in out
    assert "All checks passed" not in out


def test_json_tells_what_was_fixed_and_how_it_is_now(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bad, good = Lamp(refuses=LinkPolicyError("no rights")), Lamp()
    only_these(monkeypatch, bad.check("bad"), good.check("good"))

    found = told(capsys, "--fix", "--yes")

    assert found["mended"] == [
        {"ids": ["bad"], "done": ["turned it on"], "fault": "no rights"},
        {"ids": ["good"], "done": ["turned it on"], "fault": ""},
    ]
    assert [each["status"] for each in found["findings"]] == ["fail", "pass"]


class Terminal:
    """The real command on a terminal of its own, with something to fix."""

    def __init__(self, person: Person) -> None:
        self.shim = person.shims / "uvx"
        self.shim.unlink()
        leader, follower = pty.openpty()
        self._leader = leader
        self._process = subprocess.Popen(
            ["linkpolicy", "doctor", "--fix", "shims"],
            env={**person.environ, "TERM": "xterm"}, cwd=person.cwd, stdin=follower,
            stdout=follower, stderr=follower, start_new_session=True,
        )  # fmt: skip
        os.close(follower)
        self.screen = ""

    def shows(self, text: str) -> None:
        deadline = time.monotonic() + 60
        while text not in self.screen:
            assert time.monotonic() < deadline, self.screen
            self.read()

    def read(self) -> None:
        if select.select([self._leader], [], [], 1)[0]:
            self.screen += os.read(self._leader, 65536).decode("utf-8", "replace")

    def type(self, keys: bytes) -> None:
        os.write(self._leader, keys)

    def interrupt(self) -> None:
        # Not while the question is being written: Python drops a KeyboardInterrupt that comes
        # while a finalizer runs.
        still = 0
        while still < 5:
            time.sleep(0.05)
            state = (
                Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()[0]
            )
            still = still + 1 if state == "S" else 0
        os.killpg(self._process.pid, signal.SIGINT)

    def ends(self) -> int:
        with contextlib.suppress(OSError):  # EIO: the other end is closed
            while self._process.poll() is None:
                self.read()
            self.read()
        os.close(self._leader)
        return self._process.wait(timeout=60)


@pytest.mark.uv
@pytest.mark.parametrize(
    ("answer", "fixed"), [(b"y\n", True), (b"YES\n", True), (b"\n", False), (b"no\n", False),
                           (b"\x04", False), (b"perhaps\n", False)],
)  # fmt: skip
def test_on_a_terminal_each_fix_is_asked_for_and_the_default_is_no(
    settled: Person, answer: bytes, fixed: bool
) -> None:
    terminal = Terminal(settled)
    terminal.shows("[y/N] ")
    assert ".? [y/N]" not in terminal.screen
    assert not terminal.shim.exists()
    terminal.type(answer)

    assert terminal.ends() == (0 if fixed else 1)
    assert terminal.shim.exists() == fixed
    assert ("After fixing" in terminal.screen) == fixed


@pytest.mark.uv
def test_ctrl_c_at_the_question_changes_nothing(settled: Person) -> None:
    terminal = Terminal(settled)
    terminal.shows("[y/N] ")
    terminal.interrupt()

    assert terminal.ends() == 130
    assert not terminal.shim.exists()
    assert "Traceback" not in terminal.screen


# Slow checks, pipes, names ------------------------------------------------------------------------

_SLOW = """
import sys, time
from uvx_policy.doctor import engine
from uvx_policy.doctor.diagnostic import Check
from uvx_policy import cli
from uvx_policy.terminal import progress
progress._PATIENCE = 0.2
def look(case):
    time.sleep({})
    return ()
check = Check(id="slow", title="The slow one", group="installation", look=look)
engine.every_check = lambda: (check,)
sys.exit(cli.main(["doctor"]))
"""


def screen_of(seconds: float, *, terminal: bool) -> str:
    leader, follower = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-c", _SLOW.format(seconds)],
        env={**os.environ, "TERM": "xterm"}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=follower if terminal else subprocess.PIPE, check=True,
    )  # fmt: skip
    os.close(follower)
    said = done.stderr or b""
    with contextlib.suppress(OSError):
        while True:
            said += os.read(leader, 65536)
    os.close(leader)
    assert b"All checks passed" in done.stdout
    return said.decode()


def test_a_slow_check_says_on_a_terminal_what_it_is_doing() -> None:
    screen = screen_of(1.0, terminal=True)

    assert "The slow one (slow)" in screen
    assert screen.endswith("\r\x1b[K")  # the line is gone


def test_nothing_of_it_is_in_a_pipe_or_for_what_is_quick() -> None:
    assert screen_of(1.0, terminal=False) == ""
    assert screen_of(0.0, terminal=True) == ""


def test_a_reader_that_goes_away_is_no_error(settled: Person) -> None:
    done = subprocess.run(
        ["/bin/bash", "-c", "linkpolicy doctor | head -1; exit ${PIPESTATUS[0]}"],
        env=settled.environ, cwd=settled.cwd, capture_output=True, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.uv
def test_a_redacted_report_has_no_name_in_it_as_text_or_json(settled: Person) -> None:
    settled.variables["USER"] = settled.variables["LOGNAME"] = "jane"
    settled.variables["HOSTNAME"] = "lovelace"
    project = settled.base / "jane" / "on-lovelace"
    project.mkdir(parents=True)
    (project / "pyproject.toml").write_text('[project]\nname = "p"\n[tool.linkpolicy]\nbad = 1\n')
    settled.cwd = project
    (settled.shims / "uvx").unlink()
    home = re.escape(str(settled.home))
    names = re.compile(rf"{home}|jane|lovelace", re.IGNORECASE)

    for words in ((), ("--json",), ("--fix", "--dry-run"), ("--fix", "--dry-run", "--json")):
        plain = settled.types("linkpolicy", "doctor", *words, code=1)
        assert {found.lower() for found in names.findall(plain)} >= {str(settled.home), "jane"}
        hidden = settled.types("linkpolicy", "doctor", "--redact", *words, code=1)
        assert names.findall(hidden) == []
        assert "~/.local/share/linkpolicy/shims/uvx" in hidden
        if "--json" in words:
            found = json.loads(hidden)
            assert len(found["findings"]) == len(json.loads(plain)["findings"])


@pytest.mark.uv
def test_uninstall_forgets_the_log(settled: Person) -> None:
    log = settled.home / ".local/state/linkpolicy" / layout.CRASHES.directory / crash_log.NAME
    log.parent.mkdir(mode=0o700)
    log.write_text("Traceback")

    settled.types("linkpolicy", "uninstall")

    assert not (settled.home / ".local/state/linkpolicy").exists()
