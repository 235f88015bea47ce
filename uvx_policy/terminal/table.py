"""Tables: the columns that there is room for, the least important ones left out first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvx_policy.terminal import words
from uvx_policy.terminal.console import plain
from uvx_policy.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from uvx_policy.terminal.console import Console, Part, Parts

#: the part of a cell that begins another line
NEXT_LINE = "\n"

_GAP = 2
#: cells that the first column gets before another one is left out; a third of the line at most
_FIRST_AT_LEAST = 22
_THIRD = 3


class Column(Value):
    """One column with all its cells."""

    title: str
    #: the less important ones go first; the first column always stays
    importance: int = 0
    cells: tuple[Parts, ...]
    right: bool = False
    #: a long cell takes several lines; otherwise its beginning is cut
    folds: bool = False
    #: nothing in the first column is cut for this one
    is_extra: bool = False
    #: cells that it takes at most on a terminal
    widest: int = 1000


def draw(columns: Sequence[Column], console: Console, *, sections: Sequence[int]) -> list[str]:
    """Print a table, a line between `sections` of so many rows; return the titles that fit."""
    from rich.box import Box
    from rich.table import Table
    from rich.text import Text

    columns = [
        each.replace(
            cells=tuple(tuple(_safe(part, console) for part in cell) for cell in each.cells)
        )
        for each in columns
    ]
    widths = fitting(columns, console.width)
    # Of lines only the one below the titles; between two columns is one cell of the box.
    rule = console.signs.rule
    lines = Box(f"    \n    \n {rule}{rule} \n" + "    \n" * 5, ascii=True)
    table = Table(
        box=lines, show_edge=False, padding=(0, _GAP - 1, 0, 0), pad_edge=False,
        header_style="dim",
    )  # fmt: skip
    for column, width in widths.items():
        table.add_column(
            column.title,
            justify="right" if column.right else "left",
            width=width,
            no_wrap=not column.folds,
            overflow="fold",
        )
    # To draw a row costs 1 ms: where each cell is one line, a section is drawn as one row.
    together = not any(column.folds for column in widths)
    for rows, is_last in _blocks(sections, together=together):
        cells = (
            _joined([column.cells[number] for number in rows], column, width, console)
            for column, width in widths.items()
        )
        table.add_row(*(Text.assemble(*cell) for cell in cells), end_section=is_last)
    console.show(table)
    return [column.title for column in widths]


def _blocks(sections: Sequence[int], *, together: bool) -> Iterator[tuple[range, bool]]:
    """Rows that are drawn as one, and whether a section ends with them."""
    start = 0
    for size in sections:
        end = start + size
        if together and size:
            yield range(start, end), True
        else:
            yield from ((range(row, row + 1), row + 1 == end) for row in range(start, end))
        start = end


def _joined(cells: Sequence[Parts], column: Column, width: int, console: Console) -> list[Part]:
    """The parts of several cells, each on a line of its own."""
    parts: list[Part] = []
    for number, cell in enumerate(cells):
        parts += [NEXT_LINE] if number else []
        parts += _shortened(cell, column, width, console)
    return parts


def fitting(columns: Sequence[Column], width: int) -> dict[Column, int]:
    """The columns that fit on a line of `width` cells, 0 for all of them; the cells of each."""
    natural = {column: _natural(column, limited=bool(width)) for column in columns}
    if not width:
        return natural
    first, *others = columns
    uncut = min(natural[first], width // _THIRD)
    least = min(uncut, _FIRST_AT_LEAST)
    left = width - least
    chosen = [first]
    for column in sorted(others, key=lambda each: each.importance, reverse=True):
        left -= natural[column] + _GAP
        if left < (uncut - least if column.is_extra else 0):
            break
        chosen.append(column)
    taken = sum(natural[column] + _GAP for column in chosen[1:])
    natural[first] = max(min(natural[first], width - taken), 1)
    return {column: natural[column] for column in columns if column in chosen}


def _natural(column: Column, *, limited: bool) -> int:
    lines = [line for cell in column.cells for line in "".join(map(plain, cell)).split(NEXT_LINE)]
    widest = max(map(words.cells, [column.title, *lines]))
    return min(widest, column.widest) if limited else widest


def _shortened(cell: Parts, column: Column, width: int, console: Console) -> Parts:
    text = "".join(map(plain, cell))
    if column.folds or words.cells(text) <= width:
        return cell
    style = "" if isinstance(cell[0], str) else cell[0][1]
    return ((words.shorten(text, width, console.signs.cut), style),)


def _safe(part: Part, console: Console) -> Part:
    text, style = (part, "") if isinstance(part, str) else part
    return (text if text == NEXT_LINE else console.safe(text)), style
