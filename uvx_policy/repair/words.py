"""What `linkpolicy repair` tells people: the plan, and its outcome."""

from __future__ import annotations

import os
from itertools import groupby
from typing import TYPE_CHECKING

from uvx_policy.terminal import words
from uvx_policy.terminal.command import Hint, command
from uvx_policy.verify import report

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from uvx_policy.repair.model import Outcome, Plan, Result, Step
    from uvx_policy.terminal.console import Console, Parts

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
_ALL_IS_WELL = "All files match what was installed."


def changes(plan: Plan) -> bool:
    """Would anything be changed?"""
    return bool(plan.fetch) or any(step.action in _CHANGES for step in plan.steps)


def planned(plan: Plan, edits_directory: str, console: Console) -> Iterator[Parts]:
    """What would be done, one block for each cache and environment."""
    if not plan.steps and not plan.fetch:
        yield (_ALL_IS_WELL,)
        return
    by_owner = sorted(plan.steps, key=lambda step: (step.spot.kind == "site", step.spot.owner))
    for owner, theirs in groupby(by_owner, key=lambda step: step.spot.owner):
        steps = list(theirs)
        yield ((console.path(owner), "bold"),)
        for step in steps[:_MOST]:
            yield from _planned(step, console)
        yield from report.more(len(steps) - _MOST)
        yield ()
    for package in plan.fetch:
        yield (f"uv downloads {package.release}: the original is not on this machine.",)
    if changes(plan):
        yield (f"Replaced files are saved first, in {console.path(edits_directory)}",)


def outcome(done: Outcome, console: Console) -> Iterator[Parts]:
    """What was done, and what is true now."""
    for result in done.results:
        if result.state == "failed":
            yield (("failed  ", "red"), f"{console.path(result.step.spot.path)}: {result.text}")
    yield from _counted(done.results)
    if done.saved:
        yield (f"Your edits are saved in {console.path(done.saved)}",)
    if done.meant:
        are = words.verb(done.meant, "is", "are")
        yield (f"{words.count(done.meant, 'edited file')} of hackable projects {are} kept.",)
    yield from _left(done, console)


def hints(done: Outcome, asked: Sequence[str]) -> Iterator[Hint]:
    """What to do next. `asked`: the words of the command line that say what was looked at."""
    if done.unknown_names:
        links = words.count(done.unknown_names, "more hard link")
        yield Hint(
            text=f"an edited file has {links} in unknown environments; repair those as well",
            commands=(command("linkpolicy", "repair"),),
        )
    if any(finding.state == "extra" for finding in done.left):
        yield Hint(
            text="files that no RECORD names may be yours; to remove them from environments",
            commands=(command("linkpolicy", "repair", "--remove-extra", *asked),),
        )
    if any("Read-only" in each.text or "denied" in each.text for each in done.results):
        yield Hint(text="run repair as a user who can write there, or make the mount writable")


def _planned(step: Step, console: Console) -> Iterator[Parts]:
    verb = "keep" if step.meant else _VERBS[step.action]
    yield (
        "  ",
        (f"{verb:<{_WIDTH}}", _STYLES.get(verb, "")),
        _name(step),
        (f"  {_release(step)}", "dim"),
    )
    because = ""
    if step.because:
        because = _at_home(step.because, console)
    elif step.state == "mode":
        because = "only its permissions are restored; the content is right"
    elif step.action == "relink":
        of = "of the file restored in the cache"
        if step.original is not None and step.source == step.original.path:
            of = f"of {console.path(step.source)}"
        because = f"{_WAYS[step.spot.ways[0]]} {of}"
    elif step.action == "restore":
        because = _origin(step, console)
    if because:
        yield ((f"{' ' * (_WIDTH + 2)}{because}", "dim"),)


def _release(step: Step) -> str:
    """As `verify` has it: "requests 2.32.5"."""
    return step.distribution.replace("-", " ", 1)


def _at_home(text: str, console: Console) -> str:
    """Shorten paths within a sentence as all others are."""
    return text.replace(f"{console.home}/", "~/") if console.home else text


def _origin(step: Step, console: Console) -> str:
    original = step.original
    if original is None:
        return "from what uv downloads"
    if original.member:
        return f"from {original.member} in {console.path(original.path)}"
    if original.length is not None:
        return f"from its own first {original.length:,} bytes, which are the original"
    return f"from {console.path(original.path)}"


def _name(step: Step) -> str:
    if step.action == "record":
        return f"{os.path.basename(step.spot.dist_info)}/RECORD: the row of {step.name}"
    if step.action == "reinstall":
        return _release(step)
    path = os.path.relpath(step.spot.path, step.spot.owner)
    return step.spot.path if path.startswith("..") else path


def _left(done: Outcome, console: Console) -> Iterator[Parts]:
    """What still does not match."""
    if not done.left:
        if not done.unknown_names:
            yield ("All other files match what was installed." if done.meant else _ALL_IS_WELL,)
        return
    do = words.verb(len(done.left), "does", "do")
    yield (f"{words.count(len(done.left), 'file')} still {do} not match what was installed:",)
    reasons = {each.step.spot.path: each.text for each in done.results if each.state == "kept"}
    left = [each.replace(detail=reasons.get(each.path) or each.detail) for each in done.left]
    yield from report.lines(left, console)


def _counted(results: Sequence[Result]) -> Iterator[Parts]:
    counts = {
        "restored": ("file", ("restore", "relink")),
        "removed": ("file", ("remove",)),
        "put back": ("row", ("record",)),
        "detached": ("file", ("detach",)),
        "reinstalled": ("package", ("reinstall",)),
    }
    done = []
    for verb, (noun, actions) in counts.items():
        number = sum(each.state == "done" and each.step.action in actions for each in results)
        if number:
            done.append(f"{words.count(number, noun)} {verb}")
    if done:
        yield (f"{', '.join(done)}.",)
