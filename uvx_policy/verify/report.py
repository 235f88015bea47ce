"""What `linkpolicy verify` reports to people: one block for each environment and cache."""

from __future__ import annotations

import os
from itertools import groupby
from typing import TYPE_CHECKING

from uvx_policy.installed import sentences
from uvx_policy.terminal.command import Hint, command
from uvx_policy.terminal.words import count, verb

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from uvx_policy.installed.finding import Finding, Place
    from uvx_policy.terminal.console import Console, Parts
    from uvx_policy.verify.tally import Tally

#: findings of one owner that are shown, and places of one finding; --json has all
_MOST = 20
_MOST_PLACES = 5
#: state -> how it is called, the worst first
STATES = {
    "edited": "edited",
    "missing": "missing",
    "mode": "wrong permissions",
    "unreadable": "unreadable",
    "record": "invalid RECORD",
    "extra": "extra",
    "unlisted": "not in RECORD",
    "published": "as published",
}
_STYLES = {"edited": "red", "missing": "red", "record": "red", "unreadable": "yellow"}
_INDENT = "    "


def lines(findings: Sequence[Finding], console: Console) -> Iterator[Parts]:
    """Every finding, by owner, the worst first."""
    by_owner = sorted(findings, key=lambda each: (each.tree.kind != "site", each.tree.owner))
    for owner, group in groupby(by_owner, key=lambda each: each.tree.owner):
        theirs = sorted(group, key=lambda each: ([*STATES].index(each.state), each.path))
        width = max(len(STATES[each.state]) for each in theirs[:_MOST])
        yield ((console.path(owner), "bold"),)
        for each in theirs[:_MOST]:
            yield _one(each, width)
            yield from _more(each, console)
        yield from more(len(theirs) - _MOST)
        yield ()


def more(left_out: int) -> Iterator[Parts]:
    """How many of a list are not shown, if any."""
    if left_out > 0:
        yield ((f"  and {left_out:,} more (--json has all)", "dim"),)


def difference(text: str) -> Iterator[Parts]:
    """A unified diff, colored."""
    styles = {"+": "green", "-": "red", "@": "cyan"}
    for line in text.splitlines():
        style = "bold" if line.startswith(("---", "+++")) else styles.get(line[:1], "")
        yield ((f"{_INDENT}{line}", style),)


def summary(findings: Sequence[Finding], tally: Tally) -> str:
    """How many problems of which kind, and what is none."""
    faults = [each for each in findings if each.is_fault]
    intended = sum(bool(each.intended) for each in findings)
    published = len(findings) - len(faults) - intended
    problems = f"Found {count(len(faults), 'problem')}" if faults else "Found no problems"
    states = f": {states_of(faults)}" if faults else ""
    sentences = [f"{problems} in {tally.looked_at()}{states}."]
    for number, how in ((intended, "as intended"), (published, "from RECORD as published")):
        if number:
            differ = verb(number, "differs", "differ")
            sentences.append(f"{count(number, 'file')} {differ} {how}.")
    return " ".join(sentences)


def states_of(findings: Sequence[Finding]) -> str:
    """`2 edited, 1 missing`."""
    return ", ".join(
        f"{number:,} {name}"
        for state, name in STATES.items()
        if (number := sum(each.state == state for each in findings))
    )


def hints(findings: Sequence[Finding], asked: Sequence[str], *, diff: bool) -> Iterator[Hint]:
    """What to do next. `asked`: the words of the command line that say what was looked at."""
    if not any(each.is_fault for each in findings):
        return
    if not diff and any(each.state == "edited" for each in findings):
        show = command("linkpolicy", "verify", "--diff", *asked)
        yield Hint(text="show what was changed", commands=(show,))
    repair = command("linkpolicy", "repair", *asked)
    yield Hint(text="restore the original files", commands=(repair,))


def _one(finding: Finding, width: int) -> Parts:
    package = f"{finding.distribution} {finding.version}".strip()
    style = _STYLES.get(finding.state, "yellow")
    return (
        "  ",
        (f"{STATES[finding.state]:<{width}}", style if finding.is_fault else "cyan"),
        f"  {_name(finding)}",
        (f"  {package}", "dim"),
    )


def _name(finding: Finding) -> str:
    """The file as its package names it; scripts and data by their place in the environment."""
    if finding.tree.kind == "archive":
        return os.path.relpath(finding.path, finding.tree.owner)
    return sentences.name_of(finding)


def _more(finding: Finding, console: Console) -> Iterator[Parts]:
    texts = [finding.detail] if finding.detail else []
    texts += [f"intended: {finding.intended}"] if finding.intended else []
    places: dict[str, None] = {}
    for place in finding.elsewhere:
        how = "the same file" if place.how == "same-inode" else "the same change"
        places[f"{how} in {_where(place, console)}"] = None
    texts += [*places][:_MOST_PLACES]
    if len(places) > _MOST_PLACES:
        texts.append(f"and in {count(len(places) - _MOST_PLACES, 'more place')}")
    if finding.unknown_names:
        links = count(finding.unknown_names, "more hard link")
        texts.append(f"{links} to the same file in unknown environments or caches")
    for text in texts:
        yield ((f"{_INDENT}{text}", "dim"),)


def _where(place: Place, console: Console) -> str:
    tree = place.tree
    if tree.kind == "site":
        return console.path(tree.owner)
    # What lies in no archive is in the content store of uv's preview.
    return f"the cache {console.path(tree.path if tree.path != tree.owner else place.path)}"
