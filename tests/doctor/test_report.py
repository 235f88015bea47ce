"""What people see: the worst first, quiet where all is well, whole lines where they are copied."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doctor.checks import FIX, check, ill, well
from tests.terminal.screen import Screen
from uvx_policy.doctor import engine
from uvx_policy.doctor.case import Case
from uvx_policy.doctor.diagnostic import Check, Diagnostic
from uvx_policy.doctor.report import Report
from uvx_policy.terminal.command import ShellLine, command

LONG = ShellLine(text="export PATH='/" + "a-directory-of-a-long-name/" * 10 + '\':"$PATH"')


@pytest.fixture
def case(isolation: Path) -> Case:
    return Case(environ=os.environ, cwd=str(isolation))


def shown(
    case: Case,
    *checks: Check,
    width: int = 80,
    everything: bool = False,
    encoding: str = "utf-8",
) -> str:
    """What is printed, without colors; `width` 0: in a pipe."""
    screen = Screen(width, encoding=encoding)
    report = Report(screen, everything=everything)
    results = list(engine.results(checks, case))
    report.print_results(checks, iter(results))
    report.print_summary(results, offer_fix=True)
    return screen.text


def test_where_all_is_well_a_group_is_one_line(case: Case) -> None:
    text = shown(case, well("a"), well("b"), well("c", "caches"))

    assert text.splitlines() == [
        "installation   2 checks passed",
        "caches         1 check passed",
        "",
        "All checks passed: 3 checks.",
    ]


def test_what_was_skipped_is_said_with_each_reason_once(case: Case) -> None:
    none = Diagnostic(status="skip", detail="there are no shims")

    text = shown(case, check("a", none), well("b"), check("c", none), ill("d", "warn"))

    assert text.splitlines() == [
        "installation   1 problem in 4 checks, 2 skipped",
        "  ! d is wrong.  d",
        "  - there are no shims  a, c",
        "",
        "Found 1 warning in 4 checks (2 skipped).",
    ]


def test_where_contents_are_not_compared_the_summary_says_so(case: Case) -> None:
    lines = shown(case, check("a", thorough=True), well("b")).splitlines()

    assert lines[0] == "installation   1 check passed, 1 skipped"
    assert lines[2:] == [
        "All checks passed: 2 checks, 1 skipped. File contents were not compared; run",
        "`linkpolicy doctor --verify`.",
    ]


def test_checks_that_were_asked_for_by_name_are_all_shown(case: Case) -> None:
    text = shown(
        case, check("a", Diagnostic(status="skip", detail="why")), well("b"), everything=True
    )

    assert "  - why  a\n" in text
    assert "  ✓ The title of b  b\n" in text


def test_the_worst_comes_first(case: Case) -> None:
    text = shown(case, ill("w", "warn"), ill("f", "fail"), ill("c", "crash"))

    signs = [line[2] for line in text.splitlines() if line.startswith("  ")]
    assert signs == ["✗", "‼", "!"]
    assert "Found 1 failure, 1 crash and 1 warning in 3 checks." in text


def test_a_group_is_printed_before_the_next_one_is_looked_at(case: Case) -> None:
    screen = Screen()
    seen: list[str] = []

    def look(_: Case) -> Iterator[Diagnostic]:
        seen.append(screen.text)
        return iter(())

    report = Report(screen)
    checks = (well("a"), well("b", "caches")._replace(look=look))
    report.print_results(checks, engine.results(checks, case))

    assert seen == ["installation   1 check passed\n"]


def test_a_fix_is_told_with_what_to_type(case: Case) -> None:
    told = Diagnostic(status="fail", detail="It is off.", fix=FIX, paths=("/a",), bytes=309_000_000)

    text = shown(case, check("a", told, fix=lambda *_: ()))

    assert text.splitlines()[1:] == [
        "  ✗ It is off.  a  309 MB",
        "    /a",
        "    fix: Turn it off and on again  (safe)",
        "         off && on",
        "",
        "Found 1 failure in 1 check.",
        "Run `linkpolicy doctor --fix` to apply the safe fixes; it asks first.",
    ]


def test_the_list_has_ids_on_the_left_and_titles_beside_them_on_a_narrow_terminal() -> None:
    screen = Screen(60)

    Report(screen).print_list(engine.every_check())

    lines = screen.lines
    assert max(map(len, lines)) <= 60
    starts = [line for line in lines if re.match(r"  \S", line)]
    assert [line.split()[0] for line in starts] == [each.id for each in engine.every_check()]
    # A title begins beside its id, and goes on below itself.
    assert "  shims-start            The shims start the real uv under" in lines
    assert "                         policy  (--fix)" in lines


def test_the_last_line_is_not_broken_within_a_word(case: Case) -> None:
    text = shown(case, check("a", Diagnostic(status="fail", fix=FIX), fix=lambda *_: ()), width=60)

    assert text.splitlines()[-2:] == [
        "Run `linkpolicy doctor --fix` to apply the safe fixes; it", "asks first."
    ]  # fmt: skip


def test_without_anything_to_fix_nothing_is_said_about_it(case: Case) -> None:
    assert "--fix" not in shown(case, ill("a"))


def test_many_paths_are_cut_short(case: Case) -> None:
    told = Diagnostic(status="warn", detail="Much.", paths=tuple(f"/path/{n}" for n in range(1000)))

    text = shown(case, check("a", told))

    assert text.count("/path/") == 5
    assert "and 995 more (--json has all)" in text


def test_paths_that_the_sentence_names_are_not_said_twice(case: Case) -> None:
    told = Diagnostic(status="warn", detail="`/a` and `/b` are odd.", paths=("/a", "/b"))

    assert shown(case, check("x", told)).count("/") == 2


def test_paths_are_shown_in_their_order_when_one_of_them_is_news(case: Case) -> None:
    told = Diagnostic(status="warn", detail="`/b` is first.", paths=("/b", "/a"))

    lines = shown(case, check("x", told)).splitlines()
    assert lines[2:4] == ["    /b", "    /a"]


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_a_terminal_s_lines_fit_and_commands_stay_whole(case: Case, width: int) -> None:
    fix = FIX.replace(text="Do this. " * 20, commands=(LONG,))
    told = Diagnostic(status="fail", detail="One word after the other. " * 20, fix=fix)

    text = shown(case, check("a-check", told), width=width)

    assert LONG.text in text
    rest = [line for line in text.splitlines() if LONG.text not in line]
    assert max(map(len, rest)) <= min(width, 100)
    assert all(line.startswith("    ") for line in rest[2:-4])


def test_a_pipe_gets_one_line_for_each_sentence(case: Case) -> None:
    detail = "One word after the other. " * 20

    text = shown(case, check("a", Diagnostic(status="fail", detail=detail)), width=0)

    assert detail in text


def test_nothing_that_a_stranger_named_can_steer_the_terminal(case: Case) -> None:
    evil = "\x1b]0;title\x07 \r\n [bold]x[/bold] \u202e \udcff"

    told = Diagnostic(
        status="fail", detail=evil, paths=(evil + "p",), fix=FIX.replace(commands=(command(evil),))
    )
    text = shown(case, check("a", told))

    assert not {"\x1b", "\x07", "\r", "\u202e", "\udcff"} & set(text)
    assert "[bold]x[/bold]" in text
    assert "\\x1b]0;title\\x07" in text


def test_a_terminal_without_unicode_gets_plain_signs(case: Case) -> None:
    text = shown(case, ill("a"), ill("b", "warn"), encoding="ascii")

    assert "  x a is wrong." in text
    assert text.isascii()


def test_no_color_where_it_is_not_wanted(case: Case) -> None:
    checks = (ill("a"),)
    plain, colored = Screen(NO_COLOR="1"), Screen()
    for screen in (plain, colored):
        Report(screen).print_results(checks, engine.results(checks, case))

    assert "\x1b" not in plain.raw
    assert "\x1b[1;31m" in colored.raw
