"""What `linkpolicy repair` says to people: the plan, and what became of it."""

from __future__ import annotations

import os
from itertools import groupby
from typing import TYPE_CHECKING

from rich.text import Text

from uvx_policy.terminal import words
from uvx_policy.verify import report

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from uvx_policy.caches.table import Look
    from uvx_policy.repair.model import Outcome, Plan, Result, Step

#: steps of one environment or cache that are shown; --json has all
_MOST = 20
_VERBS = {
    "restore": "restore",
    "relink": "restore",
    "detach": "keep",
    "remove": "remove",
    "record": "put back",
    "reinstall": "reinstall",
    "leave": "leave",
}
_STYLES = {"keep": "cyan", "leave": "yellow", "remove": "red"}
_WIDTH = max(map(len, _VERBS.values())) + 2
_WAYS = {"hardlink": "hard link", "clone": "clone", "symlink": "symbolic link", "copy": "copy"}
_CHANGES = ("restore", "relink", "detach", "remove", "record", "reinstall")


def changes(plan: Plan) -> bool:
    """Would anything be changed?"""
    return bool(plan.fetch) or any(step.action in _CHANGES for step in plan.steps)


def planned(plan: Plan, edits_directory: str, look: Look) -> Iterator[Text]:
    """What would be done, one block for each cache and environment."""
    if not plan.steps and not plan.fetch:
        yield Text(_ALL_IS_WELL)
        return
    by_owner = sorted(plan.steps, key=lambda step: (step.spot.kind == "site", step.spot.owner))
    for owner, theirs in groupby(by_owner, key=lambda step: step.spot.owner):
        steps = list(theirs)
        yield Text.assemble((look.path(owner), "bold"))
        for step in steps[:_MOST]:
            yield from _planned(step, look)
        yield from _more(steps)
        yield Text("")
    for package in plan.fetch:
        line = f"uv fetches {package.release}, for the original is nowhere on this machine."
        yield Text(words.harmless(line))
    if changes(plan):
        yield Text(f"What is replaced is saved first, below {look.path(edits_directory)}")


def outcome(done: Outcome, look: Look) -> Iterator[Text]:
    """What became of it, and what is true now."""
    for result in done.results:
        if result.state == "failed":
            yield Text.assemble(
                ("failed  ", "red"),
                look.path(result.step.spot.path),
                f": {words.harmless(result.text)}",
            )
    yield from _counted(done.results)
    if done.saved:
        yield Text(f"Your edits are saved in {look.path(done.saved)}")
    if done.meant:
        count = f"{done.meant:,} edited {_plural(done.meant, 'file')}"
        yield Text(
            f"{count} of hackable projects {_plural(done.meant, 'is', 'are')} kept as meant."
        )
    if done.unknown_names:
        names = f"{done.unknown_names:,} more {_plural(done.unknown_names, 'name')}"
        yield Text(
            f"The edited file has {names}, in environments that are not known: "
            "run `linkpolicy repair` there, too."
        )
    yield from _left(done, look)


_ALL_IS_WELL = "Everything is what was installed."


def _planned(step: Step, look: Look) -> Iterator[Text]:
    verb = "keep" if step.meant else _VERBS[step.action]
    name = _name(step)
    yield Text.assemble(
        "  ",
        (f"{verb:<{_WIDTH}}", _STYLES.get(verb, "")),
        words.harmless(name),
        (f"  {_release(step)}", "dim"),
    )
    because = ""
    if step.because:
        because = _at_home(words.harmless(step.because), look)
    elif step.state == "mode":
        because = "its content is right; it gets its permissions back"
    elif step.action == "relink":
        because = f"{_WAYS[step.spot.ways[0]]} of what is restored in the cache"
        if step.original is not None and step.source == step.original.path:
            because = f"{_WAYS[step.spot.ways[0]]} of {look.path(step.source)}"
    elif step.action == "restore":
        because = _origin(step, look)
    if because:
        yield Text(f"{' ' * (_WIDTH + 2)}{because}", style="dim")


def _release(step: Step) -> str:
    """As `verify` has it: "requests 2.32.5"."""
    return words.harmless(step.distribution.replace("-", " ", 1))


def _at_home(text: str, look: Look) -> str:
    """Shorten paths within a sentence as all others are."""
    return text.replace(f"{look.home}/", "~/") if look.home else text


def _origin(step: Step, look: Look) -> str:
    original = step.original
    if original is None:
        return "from what uv fetches"
    if original.member:
        return f"from {words.harmless(original.member)} in {look.path(original.path)}"
    if original.length is not None:
        return f"from its own first {original.length:,} bytes, which are the original"
    return f"from {look.path(original.path)}"


def _name(step: Step) -> str:
    if step.action == "record":
        return f"{os.path.basename(step.spot.dist_info)}/RECORD: the row of {step.name}"
    if step.action == "reinstall":
        return _release(step)
    path = os.path.relpath(step.spot.path, step.spot.owner)
    return step.spot.path if path.startswith("..") else path


def _left(done: Outcome, look: Look) -> Iterator[Text]:
    """What is not as it shall be, and what to do."""
    if not done.left:
        if not done.unknown_names:
            yield Text("Everything else is what was installed." if done.meant else _ALL_IS_WELL)
        return
    count = f"{len(done.left):,} {_plural(len(done.left), 'file')}"
    yield Text(f"{count} {_plural(len(done.left), 'is', 'are')} still not what was installed:")
    reasons = {each.step.spot.path: each.text for each in done.results if each.state == "kept"}
    told = [each.replace(detail=reasons.get(each.path) or each.detail) for each in done.left]
    yield from report.lines(told, look)
    for hint in _hints(done):
        yield Text.assemble(("hint", "bold cyan"), f": {hint}")


def _counted(results: Sequence[Result]) -> Iterator[Text]:
    counts = {
        "{} restored": ("restore", "relink"),
        "{} removed": ("remove",),
        "{} put back": ("record",),
        "{} detached": ("detach",),
        "{} reinstalled": ("reinstall",),
    }
    told = []
    for text, actions in counts.items():
        done = [each for each in results if each.state == "done" and each.step.action in actions]
        if done:
            noun = {"record": "row", "reinstall": "package"}.get(actions[0], "file")
            told.append(text.format(f"{len(done):,} {_plural(len(done), noun)}"))
    if told:
        sentence = ", ".join(told)
        yield Text(f"{sentence[0].upper()}{sentence[1:]}.")


def _hints(done: Outcome) -> Iterator[str]:
    states = {finding.state for finding in done.left}
    if "extra" in states:
        yield "files that no RECORD names may be yours; to remove them: --remove-extra"
    if any("Read-only" in each.text or "denied" in each.text for each in done.results):
        yield "what cannot be written has to be repaired by who may, or by another mount"


def _more(steps: Sequence[Step]) -> Iterator[Text]:
    if len(steps) > _MOST:
        yield Text(f"  and {len(steps) - _MOST:,} more (--json has all)", style="dim")


def _plural(count: int, one: str, several: str = "") -> str:
    return one if count == 1 else several or f"{one}s"
