"""What the demo found, as a table for people or as JSON."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from rich import box
from rich.style import Style
from rich.table import Table
from rich.text import Text

from uvx_policy import locate
from uvx_policy.state import layout
from uvx_policy.terminal.command import Hint, command
from uvx_policy.terminal.console import Console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from uvx_policy.demo.problems import Finding, Problem
    from uvx_policy.model import UvVersion

SCHEMA = 1
_ISSUE = "https://github.com/astral-sh/uv/issues/{}"


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
    problems = [_object(outcome) for outcome in outcomes]
    told = {"schema": SCHEMA, "problems": problems, "kept": list(kept)}
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
    console = Console()
    console.show(_table(outcomes, f"uv {'.'.join(map(str, version))}"))
    issues: dict[str, list[str]] = {}
    for outcome in outcomes:
        for text in _remarks(outcome):
            issues.setdefault(text, []).append(f"#{outcome.problem.issue}")
    for text, labels in issues.items():
        console.wrap((" ", (f"{', '.join(labels)}  ", "dim")), (text, "dim"))
    if issues:
        console.say()
    for directory in kept:
        console.say(" ", ("kept  ", "dim"), directory)
    _print_last_line(outcomes, console)


def _table(outcomes: Sequence[Outcome], uv: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, header_style="dim")
    table.add_column("uv issue", no_wrap=True)
    table.add_column("what happens")
    table.add_column(f"plain {uv}")
    table.add_column("with linkpolicy")
    for problem, without, under_policy, _ in outcomes:
        issue = Text(f"#{problem.issue}", Style(link=_ISSUE.format(problem.issue)))
        after = _finding(under_policy) if without else Text("")
        table.add_row(issue, problem.title, _finding(without), after)
    return table


def _finding(finding: Finding | None) -> Text:
    if finding is None:
        return Text("cannot show here", "dim")
    return Text(finding.result, "green" if finding.ok else "red")


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


def _print_last_line(outcomes: Sequence[Outcome], console: Console) -> None:
    if not as_promised(outcomes):
        console.say(" ", ("Not as expected.", "bold red"))
        keep = command("linkpolicy", "demo", "--keep")
        console.hint(Hint(text="keep everything to look at it", commands=(keep,)), indent=" ")
    elif locate.is_ours(f"{layout.shim_directory(dict(os.environ), sys.platform)}/uv"):
        console.say(" The shims are installed: a new shell has uv under policy.")
    else:
        setup = command("linkpolicy", "setup")
        console.hint(Hint(text="put the shim in front of every uv", commands=(setup,)), indent=" ")
