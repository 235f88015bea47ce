"""What `uvx_policy/answer.py` says on its pipe. Launchers of Windows ask it; it runs everywhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from uvx_policy import answer, locate
from uvx_policy.replay import records
from uvx_policy.setup import shim_file

NOTHING = b"linkpolicy-answer-v1\0\0.\0"
PROJECT = '[project]\nname = "a"\nversion = "1"\n\n[tool.linkpolicy]\nlink-mode = "copy"\n'


class Caller:
    """Asks as the launcher does."""

    def __init__(self, directory: Path) -> None:
        self.project = directory / "project"
        self.project.mkdir()
        self.settings = self.project / "pyproject.toml"
        self.settings.write_text(PROJECT, encoding="utf-8")
        self.uv = directory / "uv"
        self.uv.write_text("#!/bin/sh\necho uv 0.9.0\n", encoding="utf-8")
        self.uv.chmod(0o755)
        self.environ = {"HOME": str(directory), "PATH": "/usr/bin:/bin"}

    def ask(self, *words: str, program: str = "uv") -> subprocess.CompletedProcess[bytes]:
        return self.send(request(program, str(self.uv), *words))

    def send(self, content: bytes) -> subprocess.CompletedProcess[bytes]:
        script = Path(locate.package(), "answer.py")
        return subprocess.run(
            [sys.executable, "-I", "-S", script, *shim_file.package_paths()],
            input=content, cwd=self.project, env=self.environ, capture_output=True, check=False,
        )  # fmt: skip


def request(program: str, uv: str, *words: str) -> bytes:
    fields = ["linkpolicy-call-v1", program, uv, str(len(words)), *words, "."]
    return "".join(f"{field}\0" for field in fields).encode()


@pytest.fixture
def caller(tmp_path: Path) -> Caller:
    return Caller(tmp_path)


def test_an_answer_stands_in_the_form_of_a_record(caller: Caller) -> None:
    done = caller.ask("sync", "--frozen")

    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.endswith(b"\0.\0")
    assert b"eUV_LINK_MODE=copy\0" in done.stdout
    head, lines, edits = done.stdout.split(b"\0", 2)
    assert (head, lines) == (b"linkpolicy-answer-v1", b"")
    record = b"linkpolicy-decision-v1\0k3\0key" + edits
    decided = records._parse(record, b"key")
    assert decided is not None
    assert decided.edits.variables["UV_LINK_MODE"] == "copy"
    assert decided.witnesses == ()


@pytest.mark.parametrize("words", [("--version",), (), ("help", "sync")])
def test_nothing_changes_for_a_call_that_links_nothing(
    caller: Caller, words: tuple[str, ...]
) -> None:
    done = caller.ask(*words)

    assert (done.returncode, done.stdout, done.stderr) == (0, NOTHING, b"")


def test_a_fault_is_one_line_and_no_edit(caller: Caller) -> None:
    caller.settings.write_text(PROJECT + "nonsense = 1\n", encoding="utf-8")

    done = caller.ask("sync")

    assert (done.returncode, done.stdout) == (0, NOTHING)
    assert done.stderr.startswith(b"linkpolicy: ")
    assert done.stderr.count(b"\n") == 1


def test_log_tells_the_story_on_stderr(caller: Caller) -> None:
    caller.environ["LINKPOLICY_LOG"] = "debug"

    assert b"left alone" in caller.ask("--version").stderr
    assert caller.ask("sync").stderr.count(b"\n") > 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"linkpolicy-call-v1\0uv\0/uv\0001\0",
        request("uv", "/uv", "sync")[:-2],
        request("uv", "/uv", "sync").replace(b"\x001\0", b"\x002\0"),
        request("uv", "/uv", "sync").replace(b"\x001\0", b"\0x\0"),
        request("uv", "/uv", "sync").replace(b"call-v1", b"call-v2"),
    ],
)
def test_what_is_no_whole_call_gets_no_answer(caller: Caller, content: bytes) -> None:
    done = caller.send(content)

    assert done.returncode not in (0, 2)
    assert done.stdout == b""


def test_words_arrive_as_they_are() -> None:
    words = ["", "a b", 'a"b', "ümläut", "%PATH%", "\n", "."]

    assert answer.read_call(request("uvx", "C:\\uv.exe", *words)) == ("uvx", "C:\\uv.exe", words)
