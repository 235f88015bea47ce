"""Words that reports are made of."""

from __future__ import annotations

import pytest

from tests.terminal.screen import HOME
from uvx_policy.safe import safe
from uvx_policy.terminal import words


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"), (1, "1 B"), (999, "999 B"), (1000, "1.0 kB"), (4096, "4.1 kB"),
        (9_949, "9.9 kB"), (9_951, "10 kB"), (999_499, "999 kB"), (999_500, "1.0 MB"),
        (309_000_000, "309 MB"), (1_234_000_000, "1.2 GB"), (81 * 10**9, "81 GB"),
        (2 * 10**18, "2000 PB"),
    ],
)  # fmt: skip
def test_sizes_are_short(count: int, text: str) -> None:
    assert words.size(count) == text


@pytest.mark.parametrize(
    ("number", "noun", "text"),
    [
        (0, "file", "0 files"), (1, "file", "1 file"), (1234, "file", "1,234 files"),
        (2, "entry", "2 entries"), (2, "crash", "2 crashes"), (1, "crash", "1 crash"),
    ],
)  # fmt: skip
def test_counts_are_right_in_singular_and_plural(number: int, noun: str, text: str) -> None:
    assert words.count(number, noun) == text


@pytest.mark.parametrize(
    ("items", "text"),
    [
        (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c"),
        (["a", "b", "c", "d"], "a, b, c and 1 more"), (["a"] * 1203, "a, a, a and 1,200 more"),
    ],
)  # fmt: skip
def test_a_list_names_the_first_few(items: list[str], text: str) -> None:
    assert words.listed(items) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 日本 ✓", "plain é 日本 ✓"),
        ("\x1b[31m\x07", "\\x1b[31m\\x07"),
        ("a\r\nb\tc", "a\\r\\nb\\tc"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\u2066x\u2069\u200b\ufeff", "\\u2066x\\u2069\\u200b\\ufeff"),
        ("\u2028\u2029\x85\x9b", "\\u2028\\u2029\\x85\\x9b"),
        ("caf\udce9", "caf\\xe9"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
    ],
)  # fmt: skip
def test_nothing_that_is_shown_does_anything_else(text: str, shown: str) -> None:
    assert safe(text) == shown
    assert safe(text).isprintable()


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/home/me", "~"), ("/home/me/a", "~/a"), ("/home/mea", "/home/mea"),
        ("/a\nb\x1b[31m", "/a\\nb\\x1b[31m"), ("/caf\udce9", "/caf\\xe9"), ("/日本", "/日本"),
        ("/\u202egnp.exe", "/\\u202egnp.exe"),
    ],
)  # fmt: skip
def test_a_path_is_shown_short_and_harmless(path: str, shown: str) -> None:
    assert words.path(path, HOME) == shown


def test_a_long_path_is_shortened_at_its_beginning() -> None:
    assert words.shorten("/home/me/project", 12, "...") == ".../project"
    assert words.shorten("/a/" + "b" * 30, 10, "...") == "..." + "b" * 7
    assert words.shorten("/日本/日本", 8, "...") == ".../日本"[:8]


@pytest.mark.parametrize(("text", "width"), [("abc", 3), ("日本", 4), ("e\u0301", 1), ("", 0)])
def test_cells_are_counted_as_a_terminal_does(text: str, width: int) -> None:
    assert words.cells(text) == width


def test_an_age_is_rough() -> None:
    ages = [words.age(seconds) for seconds in (-5, 5, 60, 3600 * 5, 86400 * 40)]

    assert ages == ["just now", "just now", "1 minute ago", "5 hours ago", "40 days ago"]
