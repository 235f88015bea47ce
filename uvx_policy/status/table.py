"""The table of `linkpolicy status`: a line for each environment, and one for each file system."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from uvx_policy.terminal import words
from uvx_policy.terminal.table import Column as Drawn
from uvx_policy.terminal.table import draw

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from uvx_policy.status.row import Row, Total, Where
    from uvx_policy.terminal.console import Console, Parts, Signs

#: cells of the bar; a tenth of the line at most
_BAR = 12
_TENTH = 10
_CACHE_AT_MOST = 34
#: for columns of this importance or less no name of an environment is cut
_EXTRA = 30


class Column(NamedTuple):
    """One column. The most important ones stay where there is little room."""

    #: for `--sort`
    name: str
    title: str
    importance: int
    cell: Callable[[Row, Console], Parts]
    sort_key: Callable[[Row], str | int]
    total: Callable[[Total, Console], Parts] = lambda *_: ()
    right: bool = False


# The cells ---------------------------------------------------------------------------------------


def name(row: Row, console: Console) -> str:
    """What an environment is called: a `.venv` by the directory that it lies in."""
    above, last = os.path.split(row.path)
    return console.path(above if last == ".venv" else row.path)


def _name_of_total(total: Total, console: Console) -> Parts:
    kind = f", {total.where.file_system}" if total.where.file_system else ""
    return (f"{total.environments:,} on {_mount_point(total.where, console)}{kind}",)


def _mount_point(where: Where, console: Console) -> str:
    return console.path(where.mount_point or where.device or "?")


def _links(row: Row, _: Console) -> Parts:
    style = "red" if row.drift or row.dangling_files else "yellow" if row.save_bytes else ""
    return ((row.in_fact, style),)


def _policy(row: Row, _: Console) -> Parts:
    styles = {"hackable": "cyan", "unknown": "red"}
    return ((row.policy.name, styles.get(row.policy.name, "")),)


def _size(number: int, sign: str = "", style: str = "") -> Parts:
    text = f"{sign}{words.size(number)}" if number or sign else "-"
    return ((text, style if number else "dim"),)


def _shared(row: Row, console: Console) -> Parts:
    return _size(row.shared_bytes, "" if row.shared_exact else console.signs.at_least)


def _shared_total(total: Total, console: Console) -> Parts:
    sign = "" if total.shared_exact else console.signs.at_least
    return _size(total.shared_bytes, "~" if total.estimated else sign)


def _private(of: Row | Total, console: Console) -> Parts:
    return _size(of.private_bytes, "" if of.shared_exact else console.signs.at_most)


def _save(of: Row | Total, _: Console) -> Parts:
    return _size(of.save_bytes, style="yellow")


def _count(number: int, style: str = "") -> Parts:
    return ((f"{number:,}" if number else "-", style if number else "dim"),)


def _bar(of: Row | Total, console: Console) -> Parts:
    return bar(
        min(_BAR, console.width // _TENTH),
        console.signs,
        shared=of.shared_bytes,
        save=of.save_bytes,
        private=of.private_bytes,
    )


def bar(width: int, signs: Signs, *, shared: int, save: int, private: int) -> Parts:
    """Shared against private bytes, of which `save` is a part. Anything above 0 gets a cell."""
    total = shared + private
    if not total or width <= 0:
        return ()
    left = _cells(shared, total, width)
    middle = min(_cells(save, total, width), width - left)
    return (
        (signs.shared * left, "green"),
        (signs.save * middle, "yellow"),
        (signs.private * (width - left - middle), "dim"),
    )


def _cells(part: int, total: int, width: int) -> int:
    if part <= 0:
        return 0
    if part >= total:
        return width
    return min(max(round(part / total * width), 1), width - 1)


COLUMNS = (
    Column(
        "project", "environment", 100, lambda row, console: (name(row, console),),
        lambda row: row.path, _name_of_total,
    ),
    Column(
        "device", "on", 30, lambda row, console: (_mount_point(row.where, console),),
        lambda row: row.where.mount_point,
    ),
    Column(
        "file-system", "fs", 25, lambda row, _: (row.where.file_system,),
        lambda row: row.where.file_system,
    ),
    Column(
        "cache", "cache", 10, lambda row, console: (console.path(row.cache) or "-",),
        lambda row: row.cache,
    ),
    Column("policy", "policy", 50, _policy, lambda row: row.policy.name),
    Column("links", "links", 70, _links, lambda row: row.in_fact),
    Column(
        "files", "files", 40, lambda row, _: _count(row.files), lambda row: -row.files,
        lambda total, _: _count(total.files), right=True,
    ),
    Column(
        "shared", "shared", 90, _shared, lambda row: -row.shared_bytes, _shared_total, right=True
    ),
    Column(
        "private", "private", 95, _private, lambda row: -row.private_bytes, _private, right=True
    ),
    Column("bar", "", 60, _bar, lambda row: row.path, _bar),
    Column("save", "save up to", 80, _save, lambda row: -row.save_bytes, _save, right=True),
    Column(
        "edited", "edited", 65, lambda row, _: _count(row.edited_files, "yellow"),
        lambda row: -row.edited_files, lambda total, _: _count(total.edited_files, "yellow"),
        right=True,
    ),
)  # fmt: skip
SORTS = tuple(column.name for column in COLUMNS if column.name != "bar")
#: importance of these columns when there is nothing in them
_EMPTY = {"save": 22, "edited": 20}


def in_order(rows: Sequence[Row], by: str) -> list[Row]:
    """Sort by a column: numbers with the largest first, and by path within."""
    (column,) = (column for column in COLUMNS if column.name == by)
    return sorted(rows, key=lambda row: (column.sort_key(row), row.path))


# The table ---------------------------------------------------------------------------------------


def print_table(rows: Sequence[Row], totals: Sequence[Total], console: Console) -> None:
    """Environments that are present, totals and, but for a pipe, a bar and what it means."""
    present = [row for row in rows if row.state == "present"]
    if not present:
        return
    columns = [
        _drawn(column, present, totals, console)
        for column in COLUMNS
        if console.width or column.name != "bar"
    ]
    if "" in draw(columns, console, sections=[len(present), len(totals)]):
        signs = console.signs
        console.say(
            (signs.shared, "green"), (" shared (once in totals)  ", "dim"),
            (signs.save, "yellow"), (" could be shared  ", "dim"),
            (f"{signs.private} private", "dim"),
        )  # fmt: skip


def _drawn(column: Column, rows: Sequence[Row], totals: Sequence[Total], console: Console) -> Drawn:
    importance = column.importance
    if column.name in _EMPTY and not any(column.sort_key(row) for row in rows):
        importance = _EMPTY[column.name]
    return Drawn(
        title=column.title,
        importance=importance,
        is_extra=importance <= _EXTRA,
        right=column.right,
        widest=_CACHE_AT_MOST if column.name == "cache" else Drawn.widest,
        cells=(
            *(column.cell(row, console) for row in rows),
            *(column.total(total, console) for total in totals),
        ),
    )
