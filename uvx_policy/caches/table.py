"""What `linkpolicy cache` shows people: tables, and a line for each cache that uv worked on."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from uvx_policy.terminal import words
from uvx_policy.terminal.table import NEXT_LINE, Column, draw
from uvx_policy.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from uvx_policy.caches.cleaning import Result
    from uvx_policy.caches.linked import Dependent
    from uvx_policy.caches.locks import Holder
    from uvx_policy.caches.measure import Measure
    from uvx_policy.machine.caches import Cache
    from uvx_policy.terminal.console import Console, Parts

_STYLES = {"done": "green", "absent": "dim", "refused": "red", "busy": "yellow", "failed": "red"}


class Row(Value):
    """One known cache with everything that is shown of it."""

    cache: Cache
    measure: Measure
    #: environments that were linked from it
    dependents: tuple[Dependent, ...] = ()
    holders: tuple[Holder, ...] = ()
    #: `uv sync` in the working directory uses it
    here: bool = False


def print_list(rows: Sequence[Row], console: Console) -> None:
    """Every cache: where it is, how large, how old, who needs it, and what is wrong with it."""
    present = [row for row in rows if row.cache.exists]
    columns = (
        _column("cache", 100, [_place(row, console) for row in present]),
        _column("fs", 90, [row.cache.file_system or "?" for row in present]),
        _column("mounted on", 10, [console.path(row.cache.mount_point) for row in present]),
        _column("device", 20, [console.path(row.cache.source) for row in present]),
        _column("owner", 40, [_user(row.cache.owner) for row in present]),
        _column("mode", 30, [f"{row.cache.mode:04o}" for row in present]),
        _number("size", 95, [words.size(row.measure.logical_bytes) for row in present]),
        _number("on disk", 60, [words.size(row.measure.physical_bytes) for row in present]),
        _number("archives", 50, [f"{row.measure.archives:,}" for row in present]),
        _column("used", 80, [_used(row) for row in present]),
        _number(
            "linked", 70, [f"{sum(each.exists for each in row.dependents):,}" for row in present]
        ),
    )
    if present:
        draw(columns, console, sections=[len(present)])
    console.say_all(line for row in rows for line in _remarks(row, console))


def print_sizes(rows: Sequence[Row], console: Console) -> None:
    """How much each cache takes, and all of them."""
    lines = [
        (console.path(row.cache.path), row.cache.file_system or "?", *_amounts([row.measure]))
        for row in rows
    ]
    sections = [len(rows)]
    if len(rows) > 1:
        lines.append(
            (words.count(len(rows), "cache"), "", *_amounts([row.measure for row in rows]))
        )
        sections.append(1)
    names, kinds, *amounts = zip(*lines, strict=True)
    titles = ("size", "on disk", "only here")
    numbers = [_number(title, 90, cells) for title, cells in zip(titles, amounts, strict=True)]
    columns = (_column("cache", 100, names), _column("fs", 10, kinds), *numbers)
    draw(columns, console, sections=sections)


def _column(title: str, importance: int, cells: Sequence[str | Parts]) -> Column:
    parts = tuple((cell,) if isinstance(cell, str) else cell for cell in cells)
    return Column(title=title, importance=importance, cells=parts, folds=title == "cache")


def _number(title: str, importance: int, cells: Sequence[str | Parts]) -> Column:
    return _column(title, importance, cells).replace(right=True)


def _place(row: Row, console: Console) -> Parts:
    here = (" (here)" if row.here else "", "green")
    origins = ", ".join(map(console.path, row.cache.origins))
    return console.path(row.cache.path), here, NEXT_LINE, (origins, "dim")


def _remarks(row: Row, console: Console) -> Iterator[Parts]:
    """What the table does not say, one line each."""
    path = console.path(row.cache.path)
    if row.cache.problem:
        yield _line("problem", "yellow", path, row.cache.problem)
    if row.cache.named:
        yield _line("link", "dim", path, f"reached as {console.path(row.cache.named)}")
    for holder in row.holders:
        yield _line("in use", "cyan", path, f"{holder} {holder.how}")
    symlinked = sum(bool(each.symlinked) for each in row.dependents)
    if symlinked:
        environments = words.count(symlinked, "environment")
        what = f"{environments} would break without it (symbolic links)"
        yield _line("needed", "yellow", path, what)
    if row.measure.unreadable:
        yield _line("unreadable", "yellow", path, words.count(row.measure.unreadable, "entry"))
    if not row.cache.exists and not row.cache.problem:
        yield _line("absent", "dim", path, f"does not exist ({row.cache.origin})")


def print_outcome(result: Result, console: Console) -> None:
    """What became of one cache, or would."""
    path = console.path(result.cache.path)
    if result.state == "allowed":
        console.say(("would run", "bold"), f"  {result.text}")
        return
    told = [(each.because, each.hint) for each in result.objections]
    for text, hint in told or [(result.text, result.hint)]:
        console.say(*_line(result.state, _STYLES[result.state], path, text))
        if hint:
            console.hint(hint, indent="  ")


def _amounts(measures: Sequence[Measure]) -> tuple[str, str, str]:
    exact = all(each.extents_known for each in measures)
    own = words.size(sum(each.own_bytes for each in measures))
    return (
        words.size(sum(each.logical_bytes for each in measures)),
        words.size(sum(each.physical_bytes for each in measures)),
        own if exact or own == "0" else f"at most {own}",
    )


def _used(row: Row) -> str:
    last = row.measure.last_used
    return words.age(max(time.time() - last, 0)) if last else "never"


def _line(label: str, style: str, path: str, text: str) -> Parts:
    return (label, style), f"  {path}", f": {text}" if text else ""


def _user(uid: int | None) -> str:
    """As `words.user`; "" where there are no owners."""
    return "" if uid is None or os.name == "nt" else words.user(uid)
