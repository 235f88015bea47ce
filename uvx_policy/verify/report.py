"""What `linkpolicy verify` says to people: one block for each environment and cache."""

from __future__ import annotations

import os
from itertools import groupby
from typing import TYPE_CHECKING

from rich.text import Text

from uvx_policy.status import words
from uvx_policy.verify import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from uvx_policy.caches.table import Look
    from uvx_policy.verify.model import Finding, Tally

#: findings of one owner that are shown, and places of one finding; --json has all
_MOST = 20
_MOST_PLACES = 5
#: state -> (what one is, what several are)
STATES = {
    "edited": "edited",
    "missing": "missing",
    "mode": "other permissions",
    "unreadable": "unreadable",
    "record": "no good RECORD",
    "extra": "extra",
}
_STYLES = {"edited": "red", "missing": "red", "record": "red", "unreadable": "yellow"}
_WIDTH = max(map(len, STATES.values())) + 2


def lines(findings: Sequence[Finding], look: Look) -> Iterator[Text]:
    """Every finding, by owner, the worst first."""
    by_owner = sorted(findings, key=lambda each: (each.tree.kind != "site", each.tree.owner))
    for owner, theirs in groupby(by_owner, key=lambda each: each.tree.owner):
        told = sorted(theirs, key=_rank)
        yield Text.assemble((look.path(owner), "bold"))
        for each in told[:_MOST]:
            yield from _one(each, owner, look)
        if len(told) > _MOST:
            yield Text(f"  and {len(told) - _MOST:,} more (--json has all)", style="dim")
        yield Text("")


def difference(text: str) -> Iterator[Text]:
    """A unified diff, coloured."""
    styles = {"+": "green", "-": "red", "@": "cyan"}
    for line in text.splitlines():
        style = "bold" if line.startswith(("---", "+++")) else styles.get(line[:1], "")
        yield Text(f"    {words.harmless(line)}", style=style)


def summary(findings: Sequence[Finding], tally: Tally) -> Iterator[Text]:
    """What it comes to, and what to type."""
    if not findings:
        yield Text(counted.all_is_well(tally))
        return
    states = ", ".join(
        f"{count:,} {STATES[state]}"
        for state in STATES
        if (count := sum(each.state == state for each in findings))
    )
    yield Text(f"{states}; of {counted.looked_at(tally)}.")
    yield _hint("what was changed", "linkpolicy verify --diff")
    yield _hint("put the originals back", "linkpolicy repair")


def _hint(what: str, command: str) -> Text:
    return Text.assemble(("hint", "bold cyan"), f": {what}: ", (command, "bold"))


def _one(finding: Finding, owner: str, look: Look) -> Iterator[Text]:
    name = os.path.relpath(finding.path, os.path.realpath(owner))
    if name.startswith(".."):
        name = os.path.relpath(finding.path, owner)
    package = f"{finding.distribution} {finding.version}".strip()
    yield Text.assemble(
        "  ",
        (f"{STATES[finding.state]:<{_WIDTH}}", _STYLES.get(finding.state, "yellow")),
        words.harmless(name),
        (f"  {words.harmless(package)}", "dim"),
    )
    indent = " " * (_WIDTH + 2)
    if finding.detail:
        yield Text(f"{indent}{words.harmless(finding.detail)}", style="dim")
    for place in finding.elsewhere[:_MOST_PLACES]:
        how = "the same file" if place.how == "same-inode" else "the same change"
        where = "in the cache" if place.tree.kind == "archive" else "in another environment"
        yield Text(f"{indent}{how} {where}: {look.path(place.path)}", style="dim")
    if len(finding.elsewhere) > _MOST_PLACES:
        yield Text(f"{indent}and in {len(finding.elsewhere) - _MOST_PLACES} more places", "dim")
    if finding.unknown_names:
        names = counted.plural(finding.unknown_names, "name")
        yield Text(
            f"{indent}the same file has {finding.unknown_names} more {names} in environments or "
            "caches that are not known",
            style="dim",
        )


def _rank(finding: Finding) -> tuple[int, str]:
    return list(STATES).index(finding.state), finding.path
