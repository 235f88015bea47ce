"""`linkpolicy explain` says what the shims will do with a call, and which witness has changed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.replay.machine import (
    Call,
    Machine,
    Stopped,
    make_environment,
    put,
    stand_in,
    wait_for_tick,
)
from uvx_policy import cli, host
from uvx_policy.replay.witness import Witnesses

pytestmark = pytest.mark.usefixtures("patient", "own_mounts")

PROJECT = "[project]\nname = 'a'\nversion = '1'\n"


class Explained:
    """A machine whose calls are explained by the command itself."""

    def __init__(self, machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
        self.machine = machine
        self._capsys = capsys
        self.pyproject = machine.project / "pyproject.toml"
        put(self.pyproject, PROJECT)
        wait_for_tick()

    def record(self, call: Call) -> dict[str, Any]:
        """The object `record` of `explain --json`."""
        told: dict[str, Any] = json.loads(self._told(call, "--json"))["record"]
        return told

    def panel(self, call: Call) -> str:
        """What people see, in one line."""
        return " ".join(self._told(call).replace("│", " ").split())

    def _told(self, call: Call, *options: str) -> str:
        with self.machine._entered(call._replace(environ={**call.environ, "COLUMNS": "400"})):
            assert cli.main(["explain", *options, "--", call.program, *call.words]) == 0
        return self._capsys.readouterr().out

    def state(self, call: Call) -> tuple[str, list[str]]:
        """State and changed paths. What was foretold of the launcher and of Python comes true."""
        told = self.record(call)
        assert f"record {told['state']} {told['because']}" in self.panel(call)
        assert self.machine.in_native(call)[1] is (told["state"] == "replayed")
        return told["state"], told["changed"]


@pytest.fixture
def explained(here: Machine, capsys: pytest.CaptureFixture[str]) -> Explained:
    """See `Explained`."""
    return Explained(here, capsys)


def test_a_call_is_new_then_replayed_then_changed_then_replayed(explained: Explained) -> None:
    machine, call = explained.machine, explained.machine.call("sync")

    assert explained.state(call) == ("new", [])
    assert not machine.replays(call)
    assert explained.state(call) == ("replayed", [])
    assert machine.replays(call)
    put(explained.pyproject, PROJECT.replace("1", "2"))
    wait_for_tick()
    assert explained.state(call) == ("changed", [str(explained.pyproject)])
    assert f"decided again on the next call: `{explained.pyproject}`" in explained.panel(call)
    assert not machine.replays(call)
    assert explained.state(call) == ("replayed", [])


def _repoint(base: Path) -> None:
    (base / "project/.venv").unlink()
    (base / "project/.venv").symlink_to("../env2")


@pytest.mark.parametrize(
    ("happens", "changed"),
    [
        (lambda base: put(base / "project/uv.toml", ""), "project/uv.toml"),
        (lambda base: put(base / "home/.config/uv/uv.toml", ""), "home/.config/uv/uv.toml"),
        (lambda base: os.utime(base / "bin/uv"), "bin/uv"),
        (_repoint, "project/.venv"),
    ],
    ids=["a nearer uv.toml", "the user's uv.toml", "uv", ".venv"],
)
def test_exactly_what_has_changed_is_named(
    explained: Explained, happens: Any, changed: str
) -> None:
    machine = explained.machine
    for name in ("env1", "env2"):
        make_environment(machine.base / name)
    (machine.project / ".venv").symlink_to("../env1")
    wait_for_tick()
    call = machine.call("sync")
    machine.in_python(call)
    assert explained.state(call) == ("replayed", [])

    happens(machine.base)
    wait_for_tick()

    assert explained.state(call) == ("changed", [str(machine.base / changed)])


@pytest.mark.parametrize(
    ("words", "variables", "because"),
    [
        (("--version",), {}, "uv is started at once"),
        (("sync",), {"LINKPOLICY_BYPASS": "1"}, "uv is started at once"),
    ],
)
def test_what_is_left_alone_has_no_record(
    explained: Explained, words: tuple[str, ...], variables: dict[str, str], because: str
) -> None:
    told = explained.record(explained.machine.call(*words, **variables))

    assert (told["state"], told["because"]) == ("never", because)


def _never(explained: Explained, call: Call) -> str:
    """What the record of a call that never gets one says; it is called twice meanwhile."""
    before = explained.record(call)
    for _ in range(2):
        assert not explained.machine.replays(call)
        wait_for_tick()
    assert explained.record(call) == before
    assert before["state"] == "never"
    return str(before["because"]).removeprefix("decided on each call: ")


def test_what_is_refused_is_decided_each_time(explained: Explained) -> None:
    refusing = "[tool.linkpolicy]\nlink-mode = 'clone'\nfallback = 'error'\n"
    put(explained.pyproject, f"{PROJECT}{refusing}")
    make_environment(explained.machine.project / ".venv")
    wait_for_tick()
    call = explained.machine.call("sync")
    if not isinstance(explained.machine.decide(call), Stopped):
        pytest.skip("files can be cloned on the file system of the temporary directory")

    assert _never(explained, call) == "it is refused"


def test_what_is_not_understood_is_decided_each_time(explained: Explained) -> None:
    call = explained.machine.call("sync", "--unheard-of")

    assert _never(explained, call) == "there is no key for this call"


@pytest.mark.parametrize("words", [("sync",), ("sync", "--active")])
def test_a_script_that_starts_uv_is_replayed_until_it_changes(
    explained: Explained, words: tuple[str, ...]
) -> None:
    """Another manager's shim: which uv it starts is not asked, also where that would matter."""
    machine = explained.machine
    script = "#!/bin/sh\nexec /nowhere/uv\n"
    put(machine.bin / "uv", script, 0o755)
    wait_for_tick()
    call = machine.call(*words, VIRTUAL_ENV="environment")
    assert not machine.replays(call)

    assert machine.replays(call)
    assert explained.record(call)["state"] == "replayed"

    put(machine.bin / "uv", stand_in(), 0o755)
    wait_for_tick()
    assert not machine.replays(call)


def test_a_directory_that_is_made_first_delays_the_record(explained: Explained) -> None:
    machine = explained.machine
    put(explained.pyproject, f"{PROJECT}[tool.linkpolicy]\ncache = 'project'\n")
    wait_for_tick()
    call = machine.call("sync")

    told = explained.record(call)
    assert told["state"] == "new"
    assert told["because"].endswith("not recorded yet: it makes a directory first")
    assert [machine.replays(call) for _ in range(3)] == [False, False, True]
    assert explained.state(call) == ("replayed", [])


def test_what_passes_is_told_from_what_stays() -> None:
    seen = Witnesses(0)

    seen.spoil("soon over", passing=True)
    assert (seen.spoilt, seen.passing) == ("soon over", True)
    seen.spoil("stays")
    seen.spoil("over, too", passing=True)
    seen.spoil("stays as well")
    assert (seen.spoilt, seen.passing) == ("stays", False)


def test_what_was_changed_this_moment_delays_the_record(
    explained: Explained, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = explained.machine.call("sync")
    put(explained.pyproject, PROJECT)
    changed = explained.pyproject.stat().st_ctime_ns
    with monkeypatch.context() as at_once:  # within `patient`, which puts back what was before it
        at_once.setattr(host, "time_ns", lambda: changed + 1)

        told = explained.record(call)

        assert told["state"] == "new"
        assert "not recorded yet: " in told["because"]
        assert told["because"].endswith("was changed this moment")
        assert not explained.machine.replays(call)
    assert [explained.machine.replays(call) for _ in range(2)] == [False, True]
