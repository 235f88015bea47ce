from __future__ import annotations

import fnmatch

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from uvx_policy.settings import path_glob


def slow_and_obvious(pattern: list[str], path: list[str]) -> bool:
    """Try everything that `**` could stand for; components as the standard library has them."""
    if not pattern:
        return not path
    if pattern[0] == "**":
        return any(slow_and_obvious(pattern[1:], path[skip:]) for skip in range(len(path) + 1))
    return (
        bool(path)
        and fnmatch.fnmatchcase(path[0], pattern[0])
        and slow_and_obvious(pattern[1:], path[1:])
    )


_patterns = st.lists(
    st.one_of(st.just("**"), st.text(alphabet="ab*?[]!-^.\\", min_size=1, max_size=5)), max_size=5
)
_paths = st.lists(st.text(alphabet="ab-]!^[.\\", min_size=1, max_size=3), max_size=5)


@given(_patterns, _paths)
@example(["**", "a", "**", "a"], ["a", "b", "a", "a"])
@example(["a*b*"], ["aab"])
@example(["[]]", "[!]a]"], ["]", "b"])
@example(["[a-]", "[-a]", "[b-a]"], ["-", "a", "b"])
@example(["["], ["["])
def test_matching_is_what_the_slow_and_obvious_way_says(
    pattern: list[str], path: list[str]
) -> None:
    expected = slow_and_obvious(pattern, path)

    assert path_glob.matches("/" + "/".join(pattern), "/" + "/".join(path)) == expected


@given(st.text(alphabet="ab*?[]!-/", max_size=10), st.text(alphabet="ab*?[]!-/", max_size=10))
def test_a_literal_matches_itself_and_nothing_else(path: str, other: str) -> None:
    parts, other_parts = path.split("/"), other.split("/")

    assert path_glob.matches(path_glob.literal(path), path)
    same = [part for part in parts if part] == [part for part in other_parts if part]
    assert path_glob.matches(path_glob.literal(path), other) == same


@pytest.mark.parametrize(
    ("pattern", "parts"),
    [
        pytest.param("/a/b/**", ("/a/b", "**"), id="directory"),
        pytest.param("/a/b*/c", ("/a", "b*/c"), id="wildcard in the middle"),
        pytest.param("/a/b", ("/a/b", ""), id="no wildcard"),
        pytest.param("/**", ("", "**"), id="root"),
        pytest.param("/a/[bc]", ("/a", "[bc]"), id="class"),
    ],
)
def test_the_fixed_part_ends_before_the_first_wildcard(
    pattern: str, parts: tuple[str, str]
) -> None:
    assert path_glob.split_literal(pattern) == parts


def test_many_wildcards_do_not_take_exponential_time() -> None:
    pattern = "/" + "a*" * 40 + "b/" + "**/x/" * 40 + "y"

    assert not path_glob.matches(pattern, "/" + "a" * 200 + "b/" + "x/" * 200)
