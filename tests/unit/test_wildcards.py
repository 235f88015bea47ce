"""One matcher for all patterns: what it matches, and that it always ends soon."""

from __future__ import annotations

import fnmatch
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from uvx_policy import wildcards
from uvx_policy.settings import path_glob
from uvx_policy.uv import member_glob


def slow_and_obvious(tokens: list[str], text: str, *, crossing: bool) -> bool:
    """Try everything that a wildcard could stand for; classes as the standard library has them."""
    if not tokens:
        return not text
    head, rest = tokens[0], tokens[1:]
    if head == "**":
        starts = [0, *(index + 1 for index, char in enumerate(text) if char == "/")]
        return not rest or any(
            slow_and_obvious(rest, text[at:], crossing=crossing) for at in starts
        )
    if head == "*":
        end = len(text) if crossing else len(text.partition("/")[0])
        return any(slow_and_obvious(rest, text[at:], crossing=crossing) for at in range(end + 1))
    wild = head == "?" or len(head) > 1
    if not text or (wild and text[0] == "/" and not crossing):
        return False
    return fnmatch.fnmatchcase(text[0], head) and slow_and_obvious(
        rest, text[1:], crossing=crossing
    )


_tokens = st.sampled_from(
    ["a", "b", "/", "*", "**", "?", "[a]", "[!a]", "[a-b]", "[b-a]", "[!b-a]", "[]]", "[/]", "[-a]"]
)


@given(st.lists(_tokens, max_size=7), st.text(alphabet="ab/]-", max_size=8), st.booleans())
@example(["**", "a", "/", "**"], "b/a/c", False)
@example(["*", "a", "*", "b"], "aab/b", True)
@example(["*", "[!a]", "b"], "a/b", False)
def test_it_matches_what_the_slow_and_obvious_way_says(
    tokens: list[str], text: str, crossing: bool
) -> None:
    expected = slow_and_obvious(tokens, text, crossing=crossing)

    assert wildcards.matches(tokens, text, crossing=crossing) == expected


@pytest.mark.parametrize(
    ("pattern", "tokens"),
    [
        pytest.param("a[bc]*", ["a", "[bc]", "*"], id="class"),
        pytest.param("[]]a", ["[]]", "a"], id="its closing bracket"),
        pytest.param("[!]]a", ["[!]]", "a"], id="negated"),
        pytest.param("[a", ["[", "a"], id="never closed"),
        pytest.param("[]", ["[", "]"], id="empty"),
        pytest.param("", [], id="nothing"),
    ],
)
def test_a_pattern_is_split_into_tokens(pattern: str, tokens: list[str]) -> None:
    assert wildcards.split(pattern) == tokens


def steps(call: Callable[[], object]) -> int:
    """Lines of Python that the matcher and its dialects execute."""
    files = {module.__file__ for module in (wildcards, path_glob, member_glob)}
    count = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace if frame.f_code.co_filename in files else None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("unit", ["*a", "a*", "?*", "*[!b]", "*?*a", "*/a", "**/a/", "**/*a/"])
@pytest.mark.parametrize("dialect", ["rules", "members", "exclude"])
def test_the_steps_grow_with_the_length_and_no_faster(unit: str, dialect: str) -> None:
    def match(count: int) -> None:
        pattern = unit * count + "b"
        path = ("a" * 9 + "/") * (4 * count)
        if dialect == "rules":
            assert not path_glob.matches(f"/{pattern}", f"/{path}")
        else:
            answer = member_glob.matches(
                pattern, root="/", member=f"/{path[:-1]}", version=(0, 13, 8),
                excluding=dialect == "exclude",
            )  # fmt: skip
            assert answer is False

    few, many = (steps(lambda count=count: match(count)) for count in (20, 200))  # type: ignore[misc]

    assert many < 12 * few
    assert many < 200_000
