"""What the table of `linkpolicy status` does not say: what to know, and what to do about it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from rich.cells import cell_len
from rich.text import Text

from uvx_policy.status.table import name
from uvx_policy.terminal import words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from uvx_policy.status.row import Row, Total
    from uvx_policy.status.table import Look

#: environments that a remark names
_NAMED = 3
_GAP = 2
_NARROWEST = 20


class Remark(NamedTuple):
    """One thing to know: a word, and a sentence that may be wrapped."""

    label: str
    style: str
    text: str


def remarks(
    rows: Sequence[Row],
    totals: Sequence[Total],
    look: Look,
    *,
    forgotten: Sequence[str] = (),
    unreadable: Sequence[str] = (),
) -> Iterator[Remark]:
    """Give all that there is to say, the worst first.

    `forgotten`: environments that left the register; `unreadable`: directories not searched.
    """
    for problem in dict.fromkeys(row.policy.origin for row in rows if row.policy.name == "unknown"):
        yield Remark("settings", "red", words.harmless(problem))
    gone = [words.path(row.path, look.home) for row in rows if row.state == "gone"]
    closed = [words.path(path, look.home) for path in unreadable]
    lost = [words.path(path, look.home) for path in forgotten]
    for label, style, before, found, after in (
        *_about_files(rows, look),
        ("closed", "yellow", "not searched, because it cannot be read: ", closed, ""),
        ("gone", "dim", "nothing is there any more: ", gone, ""),
        ("forgotten", "dim", "gone for a month: ", lost, ""),
    ):
        if found:
            more = f" and {len(found) - _NAMED:,} more" if len(found) > _NAMED else ""
            yield Remark(label, style, f"{before}{', '.join(found[:_NAMED])}{more}{after}")
    yield from _about_numbers(rows, totals, look)


def _about_files(rows: Sequence[Row], look: Look) -> Iterator[tuple[str, str, str, list[str], str]]:
    """Give label, style, and a sentence in three parts, the environments in the middle."""
    names = {row.path: name(row, look).plain for row in rows}
    fix = "; `uv sync --reinstall` there fixes it"
    drifted = [f"{names[row.path]} ({row.drift})" for row in rows if row.drift]
    yield "drift", "red", "not stored as the policy says: ", drifted, f"{fix}, and undoes edits"
    broken = [names[row.path] for row in rows if row.dangling_files]
    yield "broken", "red", "files link to a cache entry that is gone: ", broken, fix
    edited = [names[row.path] for row in rows if row.edited_files]
    after = "; `linkpolicy doctor` there names them"
    yield "edited", "yellow", "installed files were changed: ", edited, after
    unread = [names[row.path] for row in rows if row.state == "unreadable" or row.unreadable_files]
    yield "unreadable", "yellow", "not everything can be read: ", unread, ""


def _about_numbers(rows: Sequence[Row], totals: Sequence[Total], look: Look) -> Iterator[Remark]:
    if any(total.estimated for total in totals):
        yield Remark("~", "dim", "an estimate, mostly within 4 percent")
    if not all(total.shared_exact for total in totals):
        signs = f"{look.signs.at_least} at least, {look.signs.at_most} at most"
        yield Remark("bytes", "dim", f"{signs}: not every file system tells what is shared")
    present = [row for row in rows if row.state == "present"]
    kept = [row for row in present if row.kept]
    if kept:
        count = "all" if len(kept) == len(present) else f"{len(kept):,} of {len(present):,}"
        oldest = words.age(look.now - min(row.counted_at for row in kept))
        text = f"{count} counted before, the oldest {oldest}; --refresh counts again"
        yield Remark("counts", "dim", text)


def lines(found: Sequence[Remark], look: Look) -> Iterator[Text]:
    """Remarks as lines: the words in a column, long sentences wrapped beside it."""
    column = max((cell_len(remark.label) for remark in found), default=0) + _GAP
    for label, style, text in found:
        room = max(look.width - column, _NARROWEST) if look.width else 0
        for number, part in enumerate(_wrapped(text, room)):
            first = label if number == 0 else ""
            yield Text.assemble(
                (first.ljust(column), style), (part, "dim" if style == "dim" else "")
            )


def _wrapped(text: str, width: int) -> Iterator[str]:
    """The text in lines of at most `width` cells, 0 for one line.

    A longer word stays whole, and so does what is to be typed, in backticks.
    """
    line = ""
    for word in re.findall(r"`[^`]+`\S*|\S+", text):
        longer = f"{line} {word}" if line else word
        if width and line and cell_len(longer) > width:
            yield line
            longer = word
        line = longer
    yield line
