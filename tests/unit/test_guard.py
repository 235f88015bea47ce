"""The variable of ours: what survives a nested call, and who wrote it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uvx_policy import guard
from uvx_policy.guard import Guard

NAMES = st.sampled_from(["UV_CACHE_DIR", "UV_LINK_MODE", "UV_PROJECT_ENVIRONMENT"])
TEXT = st.text(st.characters(exclude_characters="\0"))


@given(
    st.builds(
        Guard,
        process=st.from_regex(r"[a-z0-9.]*", fullmatch=True),
        turn=st.integers(0, 999),
        depth=st.integers(0, 999),
        uv=TEXT,
        tried=st.lists(TEXT).map(tuple),
        values=st.lists(st.tuples(NAMES, TEXT)).map(tuple),
    )
)
def test_a_guard_survives_being_written_and_read(told: Guard) -> None:
    found = guard.read({guard.NAME: guard.render(told)})

    assert found
    assert vars(found) == vars(told)


@given(st.text())
def test_any_foreign_value_is_read_without_error(text: str) -> None:
    guard.read({guard.NAME: text})
    guard.read({guard.NAME: f"1;{text}"})


def environ(**values: str) -> dict[str, str]:
    told = Guard(values=(("UV_CACHE_DIR", "/ours"), ("UV_LINK_MODE", "copy")))
    return {guard.NAME: guard.render(told), **values}


@pytest.mark.parametrize(
    ("given", "left"),
    [
        pytest.param({"UV_CACHE_DIR": "/ours", "UV_LINK_MODE": "copy"}, {}, id="ours"),
        pytest.param({"UV_CACHE_DIR": "/theirs"}, {"UV_CACHE_DIR": "/theirs"}, id="changed since"),
        pytest.param({"UV_OFFLINE": "1"}, {"UV_OFFLINE": "1"}, id="never ours"),
        pytest.param({"UV_CACHE_DIR": ""}, {"UV_CACHE_DIR": ""}, id="emptied since"),
    ],
)
def test_only_our_own_old_values_are_dropped(given: dict[str, str], left: dict[str, str]) -> None:
    assert guard.without_ours(environ(**given)) == left


def test_without_a_guard_nothing_is_dropped() -> None:
    given = {"UV_CACHE_DIR": "/x", "UV_LINK_MODE": "copy"}

    assert guard.without_ours(given) == given


def test_the_identity_stays_when_the_process_becomes_another_program(tmp_path: Path) -> None:
    script = tmp_path / "script"
    say = "from uvx_policy import guard; print(guard.process_identity())"
    script.write_text(
        f"import os, sys; {say}; sys.stdout.flush(); os.execv(sys.argv[1], sys.argv[1:])"
    )

    done = subprocess.run(
        [sys.executable, script, sys.executable, "-c", say],
        capture_output=True,
        text=True,
        check=True,
    )

    before, after = done.stdout.split()
    assert before == after != guard.process_identity()


def test_without_proc_the_identity_is_no_other_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(number: str) -> tuple[str, str]:
        raise FileNotFoundError(number)

    monkeypatch.setattr(guard, "see_process", gone)
    child = os.fork()
    if child == 0:
        os._exit(guard.process_identity() == OURS_WITHOUT_PROC != "")

    assert guard.process_identity() == OURS_WITHOUT_PROC
    assert os.waitpid(child, 0)[1] == 0


OURS_WITHOUT_PROC = guard._identity_without_proc()
