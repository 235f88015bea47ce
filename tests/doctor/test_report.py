"""What people see: the worst first, quiet where all is well, whole lines where they are copied."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from tests.doctor.checks import FIX, check, ill, well
from uvx_policy.doctor import engine
from uvx_policy.doctor.case import Case
from uvx_policy.doctor.diagnostic import Check, Diagnostic
from uvx_policy.doctor.report import Report
from uvx_policy.terminal.command import Shell, ShellLine, command

LONG = ShellLine(text="export PATH='/" + "a-directory-of-a-long-name/" * 10 + '\':"$PATH"')


@pytest.fixture
def case(isolation: Path) -> Case:
    return Case(environ=os.environ, cwd=str(isolation))


def shown(
    case: Case,
    *checks: Check,
    width: int = 80,
    terminal: bool = True,
    everything: bool = False,
    encoding: str = "utf-8",
) -> str:
    """What is printed, without colours."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="surrogateescape")
    console = Console(file=stream, width=width, force_terminal=terminal, highlight=False)
    report = Report(console, Shell(), everything=everything)
    results = list(engine.results(checks, case))
    report.print_results(checks, iter(results))
    report.print_summary(results, offer_fix=True)
    stream.seek(0)
    return re.sub(r"\x1b\[[0-9;]*m", "", stream.read())


def test_where_all_is_well_a_group_is_one_line(case: Case) -> None:
    text = shown(case, well("a"), well("b"), well("c", "caches"))

    assert text.splitlines() == [
        "installation   2 checks, all well",
        "caches         1 check, all well",
        "",
        "All well: 3 checks.",
    ]


def test_what_was_skipped_is_counted_and_not_shown(case: Case) -> None:
    text = shown(case, check("a", Diagnostic(status="skip", detail="no reason")), well("b"))

    assert "no reason" not in text
    assert "All well: 2 checks, 1 skipped." in text


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
    assert "1 failure, 1 crash, 1 warning (3 checks)." in text


def test_a_group_is_printed_before_the_next_one_is_looked_at(case: Case) -> None:
    stream = io.StringIO()
    seen: list[str] = []

    def look(_: Case) -> Iterator[Diagnostic]:
        seen.append(stream.getvalue())
        return iter(())

    report = Report(Console(file=stream, width=80), Shell())
    checks = (well("a"), well("b", "caches").replace(look=look))
    report.print_results(checks, engine.results(checks, case))

    assert seen == ["installation   1 check, all well\n"]


def test_a_fix_is_told_with_what_to_type(case: Case) -> None:
    told = Diagnostic(status="fail", detail="It is off.", fix=FIX, paths=("/a",), bytes=309_000_000)

    text = shown(case, check("a", told, fix=lambda *_: ()))

    assert text.splitlines()[1:] == [
        "  ✗ It is off.  a  309 MB",
        "    /a",
        "    fix: Turn it off and on again  (safe)",
        "         off && on",
        "",
        "1 failure (1 check).",
        "linkpolicy doctor --fix fixes what is marked as safe, and asks first.",
    ]


def test_the_list_has_ids_on_the_left_and_titles_beside_them_on_a_narrow_terminal() -> None:
    stream = io.StringIO()
    console = Console(file=stream, width=60, force_terminal=True, color_system=None)

    Report(console, Shell()).print_list(engine.every_check())

    lines = stream.getvalue().splitlines()
    assert max(map(len, lines)) <= 60
    starts = [line for line in lines if re.match(r"  \S", line)]
    assert [line.split()[0] for line in starts] == [each.id for each in engine.every_check()]
    # A title begins beside its id, and goes on below itself.
    assert "  real-uv-version        The real uv is a version that" in lines
    assert "                         linkpolicy knows" in lines


def test_the_last_line_is_not_broken_within_a_word(case: Case) -> None:
    text = shown(case, check("a", Diagnostic(status="fail", fix=FIX), fix=lambda *_: ()), width=60)

    assert text.splitlines()[-2:] == [
        "linkpolicy doctor --fix fixes what is marked as safe, and", "asks first."
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

    text = shown(
        case, check("a", Diagnostic(status="fail", detail=detail)), terminal=False, width=80
    )

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


def test_no_colour_where_it_is_not_wanted(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setenv("NO_COLOR", "1")
    console = Console(file=stream, width=80, force_terminal=True)
    checks = (ill("a"),)
    Report(console, Shell()).print_results(checks, engine.results(checks, case))

    assert not re.findall(r"\x1b\[(?:3\d|9\d)m", stream.getvalue())
