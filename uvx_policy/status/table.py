"""`linkpolicy status` for people: one line for each environment, totals, and what they mean."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from rich.cells import cell_len
from rich.text import Text

from uvx_policy.record import Record
from uvx_policy.status import words
from uvx_policy.status.words import Signs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from uvx_policy.status.row import Row, Total, Where

_GAP = 2
#: cells that the names of environments get before another column is left out
_NAME_AT_LEAST = 26
_BAR = 12
_CACHE_AT_MOST = 34


class Look(Record):
    """What the output can show."""

    #: cells of a line; 0: as wide as it takes, nothing is cut
    width: int = 0
    signs: Signs = Signs()
    home: str = ""
    #: seconds since the epoch
    now: float = 0.0


class Column(NamedTuple):
    """One column. The most important ones stay where there is little room."""

    #: for `--sort`
    name: str
    title: str
    importance: int
    cell: Callable[[Row, Look], Text]
    total: Callable[[Total, Look], Text]
    sort_key: Callable[[Row], str | int]
    right: bool = False


# The columns -------------------------------------------------------------------------------------


def name(row: Row, look: Look) -> Text:
    """What an environment is called: a `.venv` by the directory that it lies in."""
    above, last = os.path.split(row.path)
    return Text(words.path(above if last == ".venv" else row.path, look.home))


def _name_of_total(total: Total, look: Look) -> Text:
    kind = f", {total.where.file_system}" if total.where.file_system else ""
    return Text(f"{total.environments:,} on {_mount_point(total.where, look)}{kind}")


def _mount_point(where: Where, look: Look) -> str:
    return words.path(where.mount_point or where.device or "?", look.home)


def _links(row: Row, _: Look) -> Text:
    style = "red" if row.drift or row.dangling_files else "yellow" if row.save_bytes else ""
    return Text(row.in_fact, style)


def _policy(row: Row, _: Look) -> Text:
    styles = {"hackable": "cyan", "unknown": "red"}
    return Text(row.policy.name, styles.get(row.policy.name, ""))


def _size(count: int, sign: str = "", style: str = "") -> Text:
    return Text(f"{sign}{words.size(count)}" if count or sign else "-", style if count else "dim")


def _shared(row: Row, look: Look) -> Text:
    return _size(row.shared_bytes, "" if row.shared_exact else look.signs.at_least)


def _shared_total(total: Total, look: Look) -> Text:
    sign = "" if total.shared_exact else look.signs.at_least
    return _size(total.shared_bytes, "~" if total.estimated else sign)


def _private(of: Row | Total, look: Look) -> Text:
    return _size(of.private_bytes, "" if of.shared_exact else look.signs.at_most)


def _save(of: Row | Total, _: Look) -> Text:
    return _size(of.save_bytes, style="yellow")


def _count(count: int, style: str = "") -> Text:
    return Text(f"{count:,}" if count else "-", style if count else "dim")


def _bar(of: Row | Total, look: Look) -> Text:
    return words.bar(
        _BAR,
        look.signs,
        shared=of.shared_bytes,
        save=of.save_bytes,
        private=of.private_bytes,
    )


def _nothing(_: object, __: Look) -> Text:
    return Text("")


COLUMNS = (
    Column("project", "environment", 100, name, _name_of_total, lambda row: row.path),
    Column(
        "device", "on", 30,
        lambda row, look: Text(_mount_point(row.where, look)), _nothing,
        lambda row: row.where.mount_point,
    ),
    Column(
        "file-system", "fs", 25,
        lambda row, _: Text(row.where.file_system), _nothing,
        lambda row: row.where.file_system,
    ),
    Column(
        "cache", "cache", 10,
        lambda row, look: Text(words.path(row.cache, look.home) or "-"), _nothing,
        lambda row: row.cache,
    ),
    Column("policy", "policy", 50, _policy, _nothing, lambda row: row.policy.name),
    Column("links", "links", 70, _links, _nothing, lambda row: row.in_fact),
    Column(
        "files", "files", 40,
        lambda row, _: _count(row.files), lambda total, _: _count(total.files),
        lambda row: -row.files, right=True,
    ),
    Column("shared", "shared", 90, _shared, _shared_total, lambda row: -row.shared_bytes,
           right=True),
    Column("private", "private", 95, _private, _private, lambda row: -row.private_bytes,
           right=True),
    Column("bar", "", 45, _bar, _bar, lambda row: row.path),
    Column("save", "save up to", 80, _save, _save, lambda row: -row.save_bytes, right=True),
    Column(
        "edited", "edited", 20,
        lambda row, _: _count(row.edited_files, "yellow"),
        lambda total, _: _count(total.edited_files, "yellow"),
        lambda row: -row.edited_files, right=True,
    ),
)  # fmt: skip
SORTS = tuple(column.name for column in COLUMNS if column.name != "bar")
#: importance of the column `edited` when a file was edited
_EDITED = 65


def in_order(rows: Sequence[Row], by: str) -> list[Row]:
    """Sort by a column: numbers with the largest first, and by path within."""
    (column,) = (column for column in COLUMNS if column.name == by)
    return sorted(rows, key=lambda row: (column.sort_key(row), row.path))


# The table ---------------------------------------------------------------------------------------


def table(rows: Sequence[Row], totals: Sequence[Total], look: Look) -> Iterator[Text]:
    """Give the lines: a header, the environments that there are, and a total for each device."""
    present = [row for row in rows if row.state == "present"]
    if not present:
        return
    columns = [column for column in COLUMNS if look.width or column.name != "bar"]
    cells = [[column.cell(row, look) for column in columns] for row in present]
    sums = [[column.total(total, look) for column in columns] for total in totals]
    titles = [Text(column.title, "dim") for column in columns]
    widths = [
        max(cell.cell_len for cell in column) for column in zip(titles, *cells, *sums, strict=True)
    ]
    edited = any(row.edited_files for row in present)
    shown = _fitting(columns, widths, look.width, edited=edited)
    everything = range(len(columns))
    chosen = [(columns[at], shown[at]) for at in everything if at in shown]

    def line(entries: Sequence[Text]) -> Text:
        kept = [entries[at] for at in everything if at in shown]
        return _line(kept, chosen, look)

    yield line(titles)
    for entries in cells:
        yield line(entries)
    yield Text(look.signs.rule * (sum(shown.values()) + _GAP * (len(shown) - 1)), "dim")
    for entries in sums:
        yield line(entries)


def _fitting(
    columns: Sequence[Column], widths: Sequence[int], room: int, *, edited: bool
) -> dict[int, int]:
    """Choose columns: their place -> cells. The names of environments get what is left."""
    natural = list(widths)
    if not room:
        return dict(enumerate(natural))
    left = room - min(natural[0], _NAME_AT_LEAST)
    chosen = {}

    def importance(at: int) -> int:
        return _EDITED if edited and columns[at].name == "edited" else columns[at].importance

    for at in sorted(range(1, len(columns)), key=importance, reverse=True):
        width = natural[at]
        if columns[at].name == "cache":
            width = min(width, _CACHE_AT_MOST)
        if width + _GAP > left:
            break
        chosen[at] = width
        left -= width + _GAP
    chosen[0] = min(natural[0], room - sum(chosen.values()) - _GAP * len(chosen))
    return chosen


def _line(entries: Sequence[Text], columns: Sequence[tuple[Column, int]], look: Look) -> Text:
    line = Text(no_wrap=True, overflow="ignore")
    for at, (entry, (column, width)) in enumerate(zip(entries, columns, strict=True)):
        if entry.cell_len > width:
            entry = Text(words.shorten(entry.plain, width, look.signs.cut), entry.style)  # noqa: PLW2901
        space = " " * (width - entry.cell_len)
        last = at == len(columns) - 1
        line.append_text(Text(space) if column.right else Text(""))
        line.append_text(entry)
        line.append("" if column.right or last else space)
        line.append("" if last else " " * _GAP)
    return line


def legend(look: Look) -> Text:
    """What the bar means; empty where there is none."""
    signs = look.signs
    line = Text(no_wrap=True, overflow="ignore")
    if look.width:
        line.append(signs.shared, "green")
        line.append(" shared (once in totals)  ", "dim")
        line.append(signs.save, "yellow")
        line.append(" could be  ", "dim")
        line.append(f"{signs.private} private", "dim")
    return line
