"""What the demo found, as a table for people or as JSON."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.style import Style
from rich.table import Table
from rich.text import Text

from uvx_policy import locate
from uvx_policy.state import layout
from uvx_policy.terminal.command import command, shell_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from uvx_policy.demo.problems import Finding, Problem
    from uvx_policy.model import UvVersion

SCHEMA = 1
_ISSUE = "https://github.com/astral-sh/uv/issues/{}"
#: remarks do not grow beyond it: long lines are hard to follow
_WIDTH = 100


class Outcome(NamedTuple):
    """One problem, played."""

    problem: Problem
    #: `None`: it cannot show here
    without: Finding | None
    #: `None`: not played
    under_policy: Finding | None
    #: why it cannot show, or only elsewhere, or what went wrong; "" for nothing to say
    reason: str


def as_promised(outcomes: Sequence[Outcome]) -> bool:
    """Did something show, and did the policy make good everything that did?"""
    played = [outcome.under_policy for outcome in outcomes if outcome.under_policy is not None]
    return bool(played) and all(finding.ok for finding in played)


def print_json(outcomes: Sequence[Outcome], kept: Sequence[str]) -> None:
    """One object on stdout (docs/reference/cli.md)."""
    told = {
        "schema": SCHEMA,
        "problems": [_object(outcome) for outcome in outcomes],
        "kept": list(kept),
    }
    sys.stdout.write(json.dumps(told, indent=2) + "\n")


def _object(outcome: Outcome) -> dict[str, Any]:
    return {
        "issue": outcome.problem.issue,
        "title": outcome.problem.title,
        "shown": outcome.without is not None,
        "reason": " ".join(_remarks(outcome)) or None,
        "without": outcome.without and outcome.without._asdict(),
        "with": outcome.under_policy and outcome.under_policy._asdict(),
    }


def print_table(outcomes: Sequence[Outcome], version: UvVersion, kept: Sequence[str]) -> None:
    """Before and after, what could not show, and what to do next, on stdout."""
    console = Console(highlight=False)
    width = min(console.width, _WIDTH)
    console.print(_table(outcomes, f"uv {'.'.join(map(str, version))}"))
    notes = _notes(outcomes)
    if notes.row_count:
        console.print(_indented(notes), width=width)
        console.print()
    for directory in kept:
        console.print(Text.assemble(" ", ("kept  ", "dim"), directory), soft_wrap=True)
    console.print(_indented(_last_line(outcomes)), width=width)


def _indented(what: RenderableType) -> Padding:
    """As far as the table's text."""
    return Padding(what, (0, 0, 0, 1))


def _table(outcomes: Sequence[Outcome], uv: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, header_style="dim")
    table.add_column("uv issue", no_wrap=True)
    table.add_column("what happens")
    table.add_column(f"plain {uv}")
    table.add_column("with linkpolicy")
    for outcome in outcomes:
        table.add_row(
            _issue(outcome.problem.issue),
            outcome.problem.title,
            _finding(outcome.without),
            _finding(outcome.under_policy) if outcome.without else Text(""),
        )
    return table


def _issue(number: int) -> Text:
    return Text(f"#{number}", Style(link=_ISSUE.format(number)))


def _finding(finding: Finding | None) -> Text:
    if finding is None:
        return Text("cannot show here", "dim")
    return Text(finding.result, "green" if finding.ok else "red")


def _notes(outcomes: Sequence[Outcome]) -> Table:
    notes = Table.grid(padding=(0, 2))
    notes.add_column(no_wrap=True, style="dim", width=len("uv issue"))
    notes.add_column(style="dim")
    issues: dict[str, list[str]] = {}
    for outcome in outcomes:
        for text in _remarks(outcome):
            issues.setdefault(text, []).append(f"#{outcome.problem.issue}")
    for text, labels in issues.items():
        notes.add_row("\n".join(labels), text)
    return notes


def _remarks(outcome: Outcome) -> list[str]:
    """Sentences about what does not show, or not as it should."""
    if outcome.without is None:
        return [f"Cannot show here: {outcome.reason}."]
    remarks = []
    if outcome.reason:
        promised = outcome.under_policy is not None and outcome.under_policy.ok
        kind = "Shown on a second device" if promised else "Went wrong"
        remarks.append(f"{kind}: {outcome.reason}.")
    if outcome.problem.remark:
        remarks.append(outcome.problem.remark)
    return remarks


def _last_line(outcomes: Sequence[Outcome]) -> Text:
    if not as_promised(outcomes):
        return Text.assemble(
            ("Not as promised.", "bold red"),
            " `linkpolicy demo --keep` leaves everything to look at.",
        )
    if locate.is_ours(f"{layout.shim_directory(dict(os.environ), sys.platform)}/uv"):
        return Text("The shims are in place: a new shell has uv under policy.")
    setup = command("linkpolicy", "setup")
    return Text.assemble(
        "Next: ", (setup.rendered(shell_of()), "bold cyan"), " puts it in front of every uv."
    )
