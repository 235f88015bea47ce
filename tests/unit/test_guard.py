"""The variable of ours: what survives a nested call, and when a call is our own coming back."""

from __future__ import annotations

import os

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
        process=st.from_regex(r"\d+\.\d*", fullmatch=True),
        words=st.from_regex(r"[0-9a-f]{8}", fullmatch=True),
        turn=st.integers(0, 99),
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


OURS = guard.process_identity(os.getpid())


@pytest.mark.parametrize(
    ("outer", "expected"),
    [
        pytest.param(Guard(process=OURS, words="a"), True, id="same process: exec came back"),
        pytest.param(Guard(process=f"{os.getpid()}.1", words="b"), False, id="the pid is reused"),
        pytest.param(Guard(process="77.5", words="a"), True, id="a fork with the same words"),
        pytest.param(Guard(process="77.5", words="b"), False, id="a child with words of its own"),
        pytest.param(Guard(process="99.5", words="a"), False, id="same words, not our parent"),
        pytest.param(Guard(process="99.5", words="a", turn=8), True, id="the same words for ever"),
    ],
)
def test_came_back(outer: Guard, expected: bool) -> None:
    assert guard.came_back(outer, words="a", pid=os.getpid(), parent=77) is expected
