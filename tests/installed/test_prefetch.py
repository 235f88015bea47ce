"""The survey that another process begins: the same as one's own, whatever becomes of it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.installed.test_survey import install, make, site
from uvx_policy.installed import prefetch
from uvx_policy.installed.inspection import inspect
from uvx_policy.installed.model import Survey
from uvx_policy.installed.prefetch import Prefetch

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork(2) on this system")


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    made = make(tmp_path / "environment")
    install(made, "one", {"one/a.py": b"a", "two.py": b"two"})
    (site(made) / "one" / os.fsdecode(b"\xff")).mkdir(mode=0)
    (site(made) / "one" / os.fsdecode(b"\xff.py")).touch()
    (site(made) / "one" / "a.py").write_bytes(b"edited")
    return made


@pytest.fixture(autouse=True)
def two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefetch, "processors", lambda: 2)


def without_time(told: Survey) -> Survey:
    return told.replace(at=0.0)


def own(environment: Path) -> Survey:
    return without_time(inspect(str(environment)))


def children() -> list[int]:
    """Processes of ours that have ended and that nobody asked about."""
    found: list[int] = []
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if not pid:
            return found
        found.append(pid)


def test_it_says_what_ones_own_survey_says(environment: Path) -> None:
    told = Prefetch(str(environment)).survey()

    assert without_time(told) == own(environment)
    assert told.edited == (str(site(environment) / "one" / "a.py"),)
    assert children() == []


def test_another_process_looked(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = Prefetch(str(environment))
    monkeypatch.delattr(prefetch, "inspect")

    assert without_time(begun.survey()) == own(environment)


def test_asked_again_it_looks_again(environment: Path) -> None:
    begun = Prefetch(str(environment))
    before = begun.survey()
    install(environment, "new", {"new.py": b"new"})

    assert begun.survey().files == before.files + 4


def test_a_process_that_is_killed_is_not_missed(
    environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = os.getpid()

    def dying(*given: Any, **named: Any) -> object:
        if os.getpid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)
        return inspect(*given, **named)

    monkeypatch.setattr(prefetch, "inspect", dying)

    assert without_time(Prefetch(str(environment)).survey()) == own(environment)
    assert children() == []


def test_nobody_need_ask_for_children_that_the_kernel_forgets(environment: Path) -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        told = Prefetch(str(environment)).survey()
    finally:
        signal.signal(signal.SIGCHLD, before)

    assert without_time(told) == own(environment)


def test_who_reads_our_output_does_not_wait_for_the_other_process(
    environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*_: object, **__: object) -> None:
        time.sleep(60)

    monkeypatch.setattr(prefetch, "inspect", slow)
    source, sink = os.pipe()
    stdout = os.dup(1)
    os.dup2(sink, 1)
    os.close(sink)
    try:
        begun = Prefetch(str(environment))
    finally:
        os.dup2(stdout, 1)
        os.close(stdout)
    assert begun._begun is not None

    assert os.read(source, 1) == b""
    os.close(source)
    os.kill(begun._begun[0], signal.SIGKILL)
    monkeypatch.undo()
    assert without_time(begun.survey()) == own(environment)


@pytest.mark.parametrize("error", [MemoryError(), KeyboardInterrupt(), SystemExit(0)])
def test_what_is_raised_there_is_not_heard(
    environment: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    error: BaseException,
) -> None:
    parent = os.getpid()

    def raising(*given: Any, **named: Any) -> object:
        if os.getpid() != parent:
            raise error
        return inspect(*given, **named)

    monkeypatch.setattr(prefetch, "inspect", raising)

    assert without_time(Prefetch(str(environment)).survey()) == own(environment)
    assert capfd.readouterr() == ("", "")


def test_where_no_process_can_be_started_one_looks_oneself(
    environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused() -> NoReturn:
        raise BlockingIOError

    handles = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    monkeypatch.setattr(os, "fork", refused)

    assert without_time(Prefetch(str(environment)).survey()) == own(environment)
    if handles:
        assert len(os.listdir("/proc/self/fd")) == handles
