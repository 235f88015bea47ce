"""What the table of `linkpolicy status` does not say: what is wrong, and what to do about it."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from uvx_policy.installed import sentences
from uvx_policy.status.table import name
from uvx_policy.terminal import words
from uvx_policy.terminal.command import Hint, command
from uvx_policy.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from uvx_policy.status.row import Row, Total
    from uvx_policy.terminal.command import Command
    from uvx_policy.terminal.console import Console

#: environments that a remark names, and hints at
_NAMED = 3
_GAP = 2
#: bytes that are worth a word
_WORTH_SAVING = 1 << 20
_REINSTALL = command("uv", "sync", "--reinstall")
#: policies under which no file is shared: what is can be copied in place, edits included
_PRIVATE = ("hackable", "copy")


class Remark(Value):
    """One thing to know: a word, and a sentence that may be wrapped."""

    label: str
    style: str
    text: str
    hints: tuple[Hint, ...] = ()


def print_remarks(remarks: Sequence[Remark], console: Console) -> None:
    """The words in a column, long sentences wrapped beside it, hints below."""
    column = max((len(remark.label) for remark in remarks), default=0) + _GAP
    for remark in remarks:
        style = "dim" if remark.style == "dim" else ""
        console.wrap(((remark.label.ljust(column), remark.style),), (remark.text, style))
        for hint in remark.hints:
            console.hint(hint, indent=" " * column)


def remarks(
    rows: Sequence[Row],
    totals: Sequence[Total],
    console: Console,
    *,
    roots: Sequence[str] = (),
    forgotten: Sequence[str] = (),
    unreadable: Sequence[str] = (),
) -> Iterator[Remark]:
    """The worst first.

    `roots`: what was searched, as it was typed, nothing for the register; `forgotten` left the
    register; `unreadable` could not be searched.
    """
    for problem in dict.fromkeys(row.policy.origin for row in rows if row.policy.name == "unknown"):
        yield Remark(label="settings", style="red", text=problem)
    yield from _about_files(rows, console)
    yield from _about_copies(rows, totals, roots)
    gone = [row.path for row in rows if row.state == "gone"]
    for label, style, text, paths in (
        ("closed", "yellow", "not searched because it cannot be read: ", unreadable),
        ("gone", "dim", "no longer exists: ", gone),
        ("forgotten", "dim", "gone for a month: ", forgotten),
    ):
        if paths:
            listed = words.listed(map(console.path, paths), _NAMED)
            yield Remark(label=label, style=style, text=f"{text}{listed}")
    yield from _about_numbers(rows, totals, console)


def _about_files(rows: Sequence[Row], console: Console) -> Iterator[Remark]:
    names = {row.path: name(row, console) for row in rows}
    kinds: tuple[tuple[str, str, str, list[Row], Callable[[Row], Hint] | None], ...] = (
        ("drift", "red", "not stored as the policy says: ",
         [row for row in rows if row.drift], _fix_drift),
        ("broken", "red", "files link to a cache entry that is gone: ",
         [row for row in rows if row.dangling_files], _reinstall),
        ("unreadable", "yellow", "not everything can be read: ",
         [row for row in rows if row.state == "unreadable" or row.unreadable_files], None),
    )  # fmt: skip
    for label, style, text, found, hint in kinds:
        if label == "unreadable":
            yield from _about_edits([row for row in rows if row.edited_files], names)
        if found:
            notes = [f" ({row.drift})" if label == "drift" else "" for row in found]
            named = (f"{names[row.path]}{note}" for row, note in zip(found, notes, strict=True))
            listed = words.listed(named, _NAMED)
            hints = tuple(map(hint, found[:_NAMED])) if hint else ()
            yield Remark(label=label, style=style, text=f"{text}{listed}", hints=hints)


def _about_edits(edited: Sequence[Row], names: Mapping[str, str]) -> Iterator[Remark]:
    """Name the edits, in the words of `doctor`. Those of hackable projects are no problem."""
    for row in edited[:_NAMED]:
        more = [""] * (row.edited_files - len(row.edited))
        clause = sentences.sentence("edited", [*row.edited, *more])
        is_intended = row.policy.name == "hackable" and not row.edits_shared
        if is_intended:
            clause = sentences.intended(clause, f"{row.policy.name} ({row.policy.origin})")
        elif row.edits_shared:
            # Which one takes a search through all of them: `verify` makes it.
            clause = sentences.shared(clause, ["a cache or another environment"])
        show = Hint(text="show them", commands=(command("linkpolicy", "verify", row.path),))
        yield Remark(
            label="edited",
            style="dim" if is_intended else "yellow",
            text=f"{names[row.path]}: {clause}",
            hints=() if is_intended else (show,),
        )
    if len(edited) > _NAMED:
        more_rows = words.count(len(edited) - _NAMED, "more environment")
        yield Remark(label="edited", style="yellow", text=f"files of {more_rows}: --sort edited")


def _about_copies(
    rows: Sequence[Row], totals: Sequence[Total], roots: Sequence[str]
) -> Iterator[Remark]:
    size = sum(total.save_bytes for total in totals)
    if size < _WORTH_SAVING:
        return
    environments = words.count(sum(bool(row.save_bytes) for row in rows), "environment")
    reclaim = command("linkpolicy", "reclaim", *roots)
    yield Remark(
        label="copies",
        style="yellow",
        text=f"up to {words.size(size)} of {environments} could be shared",
        hints=(Hint(text="let equal files share their bytes", commands=(reclaim,)),),
    )


def _fix_drift(row: Row) -> Hint:
    # A reinstallation links again, and is the last resort where it would lose edits.
    if row.policy.name not in _PRIVATE and not row.edited_files:
        return _reinstall(row)
    detach = command("linkpolicy", "detach", "-p", row.path)
    return Hint(text="copy the shared files in place", commands=(detach,))


def _reinstall(row: Row) -> Hint:
    if not row.project:
        find = command("linkpolicy", "doctor", "environment")
        return Hint(text="show the fix", commands=(_cd(row), find))
    lost = "edits are lost" if row.edited_files else "no file was edited"
    return Hint(text=f"reinstall; {lost}", commands=(_cd(row), _REINSTALL))


def _cd(row: Row) -> Command:
    return command("cd", row.project or os.path.dirname(row.path))


def _about_numbers(
    rows: Sequence[Row], totals: Sequence[Total], console: Console
) -> Iterator[Remark]:
    if any(total.estimated for total in totals):
        yield Remark(label="~", style="dim", text="an estimate, mostly within 4 percent")
    if not all(total.shared_exact for total in totals):
        signs = f"{console.signs.at_least} at least, {console.signs.at_most} at most"
        text = f"{signs}: not every file system tells what is shared"
        yield Remark(label="bytes", style="dim", text=text)
    present = [row for row in rows if row.state == "present"]
    kept = [row for row in present if row.kept]
    if kept:
        count = "all" if len(kept) == len(present) else f"{len(kept):,} of {len(present):,}"
        oldest = words.age(time.time() - min(row.counted_at for row in kept))
        text = f"{count} counted before, the oldest {oldest}; --refresh counts again"
        yield Remark(label="counts", style="dim", text=text)
    unseen = sum(not row.edits_looked_for for row in present)
    if unseen:
        environments = words.count(unseen, "environment")
        were = words.verb(unseen, "was", "were")
        text = f"{environments} {were} not looked at again; --refresh looks at all"
        yield Remark(label="edits", style="dim", text=text)
