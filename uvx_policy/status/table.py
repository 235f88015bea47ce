"""`linkpolicy status` for people: one line for each environment, totals, and what they mean."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from rich.text import Text

from uvx_policy.terminal import words
from uvx_policy.terminal.words import Signs
from uvx_policy.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from uvx_policy.status.row import Row, Total, Where

_GAP = 2
#: cells that the names of environments get before another column is left out; a third at most
_NAME_AT_LEAST = 22
_THIRD = 3
#: cells of the bar; a tenth of the line at most
_BAR = 12
_TENTH = 10
_CACHE_AT_MOST = 34


class Look(Value):
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
        min(_BAR, look.width // _TENTH),
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
    Column("bar", "", 60, _bar, _bar, lambda row: row.path),
    Column("save", "save up to", 80, _save, _save, lambda row: -row.save_bytes, right=True),
    Column(
        "edited", "edited", 65,
        lambda row, _: _count(row.edited_files, "yellow"),
        lambda total, _: _count(total.edited_files, "yellow"),
        lambda row: -row.edited_files, right=True,
    ),
)  # fmt: skip
SORTS = tuple(column.name for column in COLUMNS if column.name != "bar")
#: importance of these columns when there is nothing in them
_EMPTY = {"save": 22, "edited": 20}
#: for columns of this importance or less no name of an environment is cut
_NO_CUT_FOR = 30


def in_order(rows: Sequence[Row], by: str) -> list[Row]:
    """Sort by a column: numbers with the largest first, and by path within."""
    (column,) = (column for column in COLUMNS if column.name == by)
    return sorted(rows, key=lambda row: (column.sort_key(row), row.path))


# The table ---------------------------------------------------------------------------------------


class Table:
    """Environments and totals in the columns that there is room for."""

    def __init__(self, rows: Sequence[Row], totals: Sequence[Total], look: Look) -> None:
        """Of `rows` those that are present are shown, in this order."""
        self._rows = [row for row in rows if row.state == "present"]
        self._totals = totals
        self._look = look
        #: the columns that are shown, and their cells
        self.columns = self._fitting() if self._rows else {}

    def lines(self) -> Iterator[Text]:
        """Give a header, the environments, a total for each file system, and what the bar means."""
        if not self._rows:
            return
        yield self._line([Text(column.title, "dim") for column in self.columns])
        for row in self._rows:
            yield self._line([column.cell(row, self._look) for column in self.columns])
        width = sum(self.columns.values()) + _GAP * (len(self.columns) - 1)
        yield Text(self._look.signs.rule * width, "dim")
        for total in self._totals:
            yield self._line([column.total(total, self._look) for column in self.columns])
        if any(column.name == "bar" for column in self.columns):
            yield _legend(self._look.signs)

    def _fitting(self) -> dict[Column, int]:
        """Choose columns by importance; the names of environments get what is left."""
        look = self._look
        natural = {
            column: self._natural(column)
            for column in COLUMNS
            if look.width or column.name != "bar"
        }
        if not look.width:
            return natural
        first, *others = natural
        names = min(natural[first], look.width // _THIRD)
        cut = min(names, _NAME_AT_LEAST)
        left = look.width - cut
        chosen = {first}
        for column in sorted(others, key=self._importance, reverse=True):
            left -= natural[column] + _GAP
            if left < (names - cut if self._importance(column) <= _NO_CUT_FOR else 0):
                break
            chosen.add(column)
        widths = {column: width for column, width in natural.items() if column in chosen}
        taken = sum(widths.values()) - widths[first] + _GAP * (len(widths) - 1)
        widths[first] = max(min(natural[first], look.width - taken), 1)
        return widths

    def _natural(self, column: Column) -> int:
        cells = [
            len(column.title),
            *(column.cell(row, self._look).cell_len for row in self._rows),
            *(column.total(total, self._look).cell_len for total in self._totals),
        ]
        if column.name == "cache" and self._look.width:
            return min(max(cells), _CACHE_AT_MOST)
        return max(cells)

    def _importance(self, column: Column) -> int:
        counts = {
            "save": sum(row.save_bytes for row in self._rows),
            "edited": sum(row.edited_files for row in self._rows),
        }
        return column.importance if counts.get(column.name, 1) else _EMPTY[column.name]

    def _line(self, cells: Sequence[Text]) -> Text:
        line = Text()
        for number, (cell, (column, width)) in enumerate(
            zip(cells, self.columns.items(), strict=True)
        ):
            if cell.cell_len > width:
                short = words.shorten(cell.plain, width, self._look.signs.cut)
                cell = Text(short, cell.style)  # noqa: PLW2901
            space = " " * (width - cell.cell_len)
            line.append(" " * _GAP if number else "")
            line.append(space if column.right else "")
            line.append_text(cell)
            line.append("" if column.right else space)
        line.rstrip()
        return line


def _legend(signs: Signs) -> Text:
    return Text.assemble(
        (signs.shared, "green"),
        (" shared (once in totals)  ", "dim"),
        (signs.save, "yellow"),
        (" could be shared  ", "dim"),
        (f"{signs.private} private", "dim"),
    )
