"""What `linkpolicy verify` says to people: one block for each environment and cache."""

from __future__ import annotations

import os
from itertools import groupby
from typing import TYPE_CHECKING

from rich.text import Text

from uvx_policy.terminal import words
from uvx_policy.terminal.command import command
from uvx_policy.verify import summary as counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from uvx_policy.caches.table import Look
    from uvx_policy.installed.finding import Finding, Place
    from uvx_policy.terminal.command import Command
    from uvx_policy.verify.tally import Tally

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
    "unlisted": "not in RECORD",
    "published": "as published",
}
_STYLES = {"edited": "red", "missing": "red", "record": "red", "unreadable": "yellow"}
_INDENT = "    "


def lines(findings: Sequence[Finding], look: Look) -> Iterator[Text]:
    """Every finding, by owner, the worst first."""
    by_owner = sorted(findings, key=lambda each: (each.tree.kind != "site", each.tree.owner))
    for owner, theirs in groupby(by_owner, key=lambda each: each.tree.owner):
        told = sorted(theirs, key=_rank)
        width = max(len(STATES[each.state]) for each in told[:_MOST])
        yield Text.assemble((look.path(owner), "bold"))
        for each in told[:_MOST]:
            yield _one(each, width)
            yield from _more(each, look)
        if len(told) > _MOST:
            yield Text(f"  and {len(told) - _MOST:,} more (--json has all)", style="dim")
        yield Text("")


def difference(text: str) -> Iterator[Text]:
    """A unified diff, coloured."""
    styles = {"+": "green", "-": "red", "@": "cyan"}
    for line in text.splitlines():
        style = "bold" if line.startswith(("---", "+++")) else styles.get(line[:1], "")
        yield Text(f"    {words.harmless(line)}", style=style)


def summary(findings: Sequence[Finding], tally: Tally, look: Look) -> Iterator[Text]:
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
    yield _hint("what was changed", command("linkpolicy", "verify", "--diff"), look)
    yield _hint("put the originals back", command("linkpolicy", "repair"), look)


def _hint(what: str, typed: Command, look: Look) -> Text:
    return Text.assemble(("hint", "bold cyan"), f": {what}: ", (typed.rendered(look.shell), "bold"))


def _one(finding: Finding, width: int) -> Text:
    package = f"{finding.distribution} {finding.version}".strip()
    return Text.assemble(
        "  ",
        (f"{STATES[finding.state]:<{width}}", _STYLES.get(finding.state, "yellow")),
        f"  {words.harmless(_name(finding))}",
        (f"  {words.harmless(package)}", "dim"),
    )


def _name(finding: Finding) -> str:
    """The file as its package names it; scripts and data by their place in the environment."""
    tree = finding.tree
    name = os.path.relpath(finding.path, tree.owner if tree.kind == "archive" else tree.path)
    return os.path.relpath(finding.path, tree.owner) if name.startswith(os.pardir) else name


def _more(finding: Finding, look: Look) -> Iterator[Text]:
    if finding.detail:
        yield Text(f"{_INDENT}{words.harmless(finding.detail)}", style="dim")
    places: dict[str, None] = {}
    for place in finding.elsewhere:
        how = "the same file" if place.how == "same-inode" else "the same change"
        places[f"{how} in {_where(place, look)}"] = None
    for told in [*places][:_MOST_PLACES]:
        yield Text(f"{_INDENT}{told}", style="dim")
    if len(places) > _MOST_PLACES:
        yield Text(f"{_INDENT}and in {len(places) - _MOST_PLACES:,} more places", style="dim")
    if finding.unknown_names:
        names = counted.plural(finding.unknown_names, "name")
        where = "environments or caches that are not known"
        more = f"the same file has {finding.unknown_names:,} more {names} in {where}"
        yield Text(f"{_INDENT}{more}", style="dim")


def _where(place: Place, look: Look) -> str:
    tree = place.tree
    if tree.kind == "site":
        return look.path(tree.owner)
    # What lies in no archive is in the content store of uv's preview.
    return f"the cache {look.path(tree.path if tree.path != tree.owner else place.path)}"


def _rank(finding: Finding) -> tuple[int, str]:
    return list(STATES).index(finding.state), finding.path
