"""What `linkpolicy repair` tells people: the plan, and its outcome."""

from __future__ import annotations

import contextlib
import os
from itertools import groupby
from typing import TYPE_CHECKING

from uvx_policy.installed import record
from uvx_policy.repair import fetch
from uvx_policy.terminal import words
from uvx_policy.terminal.command import Hint, as_user, chown, command
from uvx_policy.verify import report

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from uvx_policy.installed.finding import Finding
    from uvx_policy.repair.model import Action, Outcome, Step
    from uvx_policy.repair.work import Work
    from uvx_policy.terminal.command import Command
    from uvx_policy.terminal.console import Console, Parts
    from uvx_policy.verify.tally import Tally

#: steps of one environment or cache that are shown; --json has all
_MOST = 20
_VERBS: dict[Action, str] = {
    "record": "restore",
    "restore": "restore",
    "relink": "restore",
    "detach": "keep",
    "remove": "remove",
    "reinstall": "reinstall",
    "leave": "leave",
}
_STYLES = {"keep": "cyan", "leave": "yellow", "remove": "red"}
_WIDTH = max(map(len, _VERBS.values())) + 2
_WAYS = {"hardlink": "hard link", "clone": "clone", "symlink": "symbolic link", "copy": "copy"}


def planned(steps: Sequence[Step], edits_directory: str, console: Console) -> Iterator[Parts]:
    """What will be done, one block for each cache and environment."""
    shown = [step for step in steps if step.action != "fetch"]
    by_owner = sorted(shown, key=lambda step: (not step.location.in_cache, step.location.owner))
    for owner, theirs in groupby(by_owner, key=lambda step: step.location.owner):
        group = list(theirs)
        yield ((console.path(owner), "bold"),)
        for step in group[:_MOST]:
            yield from _planned(step, console)
        yield from report.more(len(group) - _MOST)
        yield ()
    for step in steps:
        if step.action == "fetch":
            yield (f"uv downloads {step.release}: the original is not on this machine.",)
    if any(step.action == "record" and not step.hash for step in steps):
        yield ("With its RECORD restored, the other files of a package are checked as well.",)
    if any(step.is_change for step in steps):
        yield (f"Replaced files are saved first, in {console.path(edits_directory)}",)


def well(findings: Sequence[Finding], tally: Tally) -> str:
    """The sentence where nothing is wrong."""
    return report.summary(findings, tally) if findings else tally.all_is_well()


def outcome(done: Outcome, tally: Tally, console: Console) -> Iterator[Parts]:
    """What was done, and what is true now."""
    for step in done.steps:
        if step.result == "failed" and step.action != "fetch":
            yield (("failed  ", "red"), f"{console.path(step.location.path)}: {step.detail}")
    yield from counted(done.steps)
    if done.saved:
        yield (f"Your edits are saved in {console.path(done.saved)}",)
    if done.left:
        do = words.verb(len(done.left), "does", "do")
        yield (f"{words.count(len(done.left), 'file')} still {do} not match what was installed:",)
        reasons = {each.location.path: each.detail for each in done.steps if each.result == "kept"}
        left = [each.replace(detail=reasons.get(each.path) or each.detail) for each in done.left]
        yield from report.lines(left, console)
    elif not done.unknown_names:
        yield (well(done.findings, tally),)


def interrupted(work: Work, console: Console) -> Iterator[Parts]:
    """What was done before Ctrl-C."""
    done = work.interrupted()
    number = sum(step.is_change and step.result != "failed" for step in done)
    if not number:
        yield ("Interrupted: nothing was changed.",)
        return
    yield from counted(done)
    if work.saved:
        yield (f"Your edits are saved in {console.path(work.saved)}",)
    were = words.verb(number, "was", "were")
    yield (f"Interrupted: {number:,} of {words.count(work.planned, 'step')} {were} done.",)


def hints(done: Outcome, asked: Sequence[str]) -> Iterator[Hint]:
    """What to do next. `asked`: the words of the command line that say what was looked at."""
    if done.unknown_names:
        links = words.count(done.unknown_names, "more hard link")
        yield Hint(
            text=f"an edited file has {links} in unknown environments; repair those as well",
        )
    if any(finding.state == "extra" for finding in done.left):
        yield Hint(
            text="files that are not in any RECORD may be yours; to remove them from environments",
            commands=(command("linkpolicy", "repair", "--remove-extra", *asked),),
        )
    yield from _for_others(done.steps)
    fetched = {step.distribution: step.result for step in done.steps if step.action == "fetch"}
    if "failed" in fetched.values():
        again = command("linkpolicy", "repair", *asked)
        yield Hint(text="once uv can fetch what is missing, repair again", commands=(again,))
    caches: dict[str, dict[str, None]] = {}
    for finding in done.left:
        is_invalid = finding.state == "record" and finding.tree.kind == "archive"
        if is_invalid and fetched.get(f"{finding.distribution}-{finding.version}") != "failed":
            caches.setdefault(finding.tree.owner, {})[finding.distribution] = None
    for cache, names in caches.items():
        # The last resort: nothing else knows the wheel that is unpacked there.
        yield Hint(
            text="let uv fetch and unpack again what cannot be restored",
            commands=(command("linkpolicy", "cache", "clean", "--cache-dir", cache, *names),),
        )
    if any("Read-only" in each.detail or "denied" in each.detail for each in done.steps):
        yield Hint(text="run repair as a user who can write there, or make the mount writable")


def _for_others(steps: Sequence[Step]) -> Iterator[Hint]:
    """What only the user may do whose directories they are."""
    others: dict[int, dict[str, None]] = {}
    for step in steps:
        if step.whose:
            others.setdefault(step.whose, {})[step.location.owner] = None
    for uid, owners in others.items():
        again = as_user(uid, "linkpolicy", "repair", *owners)
        yield Hint(text="run repair as the owner", commands=(*given(uid, owners), again))


def given(uid: int, owners: Iterable[str]) -> Iterator[Command]:
    """What gives a user those of these directories that are root's, in one of the user's own."""
    for owner in owners:
        with contextlib.suppress(OSError):
            if os.stat(owner).st_uid == 0:
                yield chown(owner, uid=uid, gid=os.stat(os.path.dirname(owner)).st_gid)


def counted(steps: Sequence[Step]) -> Iterator[Parts]:
    """`3 files restored, 1 package reinstalled.`"""
    counts: dict[str, tuple[str, tuple[Action, ...]]] = {
        "restored": ("file", ("restore", "relink", "record")),
        "removed": ("file", ("remove",)),
        "detached": ("file", ("detach",)),
        "reinstalled": ("package", ("reinstall",)),
    }
    done = []
    for verb, (noun, actions) in counts.items():
        number = len(
            {
                step.location.path
                for step in steps
                if step.result == "done" and step.action in actions
            }
        )
        if number:
            done.append(f"{words.count(number, noun)} {verb}")
    if done:
        yield (f"{', '.join(done)}.",)


def _planned(step: Step, console: Console) -> Iterator[Parts]:
    verb = "keep" if step.is_intended else _VERBS[step.action]
    yield (
        "  ",
        (f"{verb:<{_WIDTH}}", _STYLES.get(verb, "")),
        _name(step),
        (f"  {step.release}", "dim"),
    )
    because = _because(step, console)
    if because:
        yield ((f"{' ' * (_WIDTH + 2)}{because}", "dim"),)


def _because(step: Step, console: Console) -> str:
    if step.because:
        return _at_home(step.because, console)
    if step.action == "record" and step.hash:
        return f"the row of {step.name}"
    if step.state == "mode":
        return "only its permissions are restored; the content is right"
    if step.action == "relink":
        of = "of the file restored in the cache"
        if step.original is not None and step.source == step.original.path:
            of = f"of {console.path(step.source)}"
        return f"{_WAYS[step.location.ways[0]]} {of}"
    return _origin(step, console) if step.action in ("restore", "record") else ""


def _at_home(text: str, console: Console) -> str:
    """Shorten paths within a sentence as all others are."""
    return text.replace(f"{console.home}/", "~/") if console.home else text


def _origin(step: Step, console: Console) -> str:
    original = step.original
    if original is None or fetch.is_fetched(original.path):
        return "from what uv downloads"
    if original.member:
        return f"from {original.member} in {console.path(original.path)}"
    if original.length is not None:
        return f"from its own first {original.length:,} bytes, which are the original"
    return f"from {console.path(original.path)}"


def _name(step: Step) -> str:
    if step.action == "reinstall":
        return step.release
    location = step.location
    path = location.path
    if step.action == "record":
        path = os.path.join(location.dist_info, record.NAME)
    below = os.path.relpath(path, location.owner)
    return path if below.startswith("..") else below
