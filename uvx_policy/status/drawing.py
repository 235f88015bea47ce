"""The bars and the treemaps of the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from uvx_policy.status.markup import Markup, element
from uvx_policy.status.treemap import Box, squarified
from uvx_policy.terminal import words
from uvx_policy.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from uvx_policy.status.row import Row, Total

#: what bytes are; classes of the style sheet
Kind: TypeAlias = Literal["shared", "save", "private", "cache"]
#: in the order of the bars -> what it is called
MEANING: dict[Kind, str] = {
    "shared": "shared",
    "save": "could be shared",
    "private": "private",
    "cache": "only in a cache",
}

#: wide and narrow: class, width and height of its coordinates, in pixels where text is 12 of them
_SIZES = (("wide", 760, 300), ("narrow", 328, 380))
#: tiles of one map; the others are one tile
_MOST_TILES = 60
#: a tile is never smaller than this part of a map: it could not be seen
_SMALLEST = 1 / 2000
#: cells of a name that still say something
_FEWEST = 5
_TEXT, _CELL, _LINE, _PADDING = 12, 7.6, 16, 6


#: how many bytes there are of each kind
Amounts: TypeAlias = "tuple[tuple[Kind, int], ...]"


class Tile(Value):
    """What one rectangle of the treemap stands for."""

    name: str
    bytes: Amounts

    @property
    def size(self) -> int:
        """All of them."""
        return sum(size for _, size in self.bytes)


def parts_of(of: Row | Total) -> Amounts:
    """Shared bytes, private ones that could be saved, and the other private ones."""
    save = min(of.save_bytes, of.private_bytes)
    return ("shared", of.shared_bytes), ("save", save), ("private", of.private_bytes - save)


def bar(amounts: Amounts, widest: int) -> Markup:
    """The bytes side by side; `widest` bytes take all the room that there is."""
    parts = [(kind, size) for kind, size in amounts if size]
    return element(
        "div",
        *(
            element("i", class_=kind, style=f"width:{max(size / widest * 100, 0.4):.2f}%")
            for kind, size in parts
        ),
        class_="bar",
        role="img",
        aria_label=in_words(amounts),
    )


def in_words(amounts: Amounts) -> str:
    """`309 MB shared, 4.1 MB private`."""
    sizes = [f"{words.size(size)} {MEANING[kind]}" for kind, size in amounts if size]
    return ", ".join(sizes) or "nothing"


def legend(amounts: Amounts) -> Markup:
    """What the colors mean."""
    return element(
        "p",
        *(
            element("span", element("i", class_=kind), MEANING[kind], class_="key")
            for kind, size in amounts
            if size
        ),
        class_="legend",
    )


# The treemap -------------------------------------------------------------------------------------


def treemap(first: Sequence[Tile], environments: Sequence[Tile], label: str) -> list[Markup]:
    """The same map in two sizes, of which the style sheet shows one; none without any bytes.

    `first` are always there; the smaller `environments` are one tile where they are many.
    """
    largest = sorted(environments, key=_largest_first)
    if len(largest) > _MOST_TILES:
        largest[_MOST_TILES - 1 :] = [_together(largest[_MOST_TILES - 1 :])]
    shown = sorted((tile for tile in (*first, *largest) if tile.size), key=_largest_first)
    return [_map(shown, label, *size) for size in _SIZES if shown]


def _largest_first(tile: Tile) -> tuple[int, str]:
    return -tile.size, tile.name


def _together(tiles: Sequence[Tile]) -> Tile:
    sums: dict[Kind, int] = {}
    for tile in tiles:
        for kind, size in tile.bytes:
            sums[kind] = sums.get(kind, 0) + size
    return Tile(name=f"{len(tiles):,} others", bytes=tuple(sums.items()))


def _map(tiles: Sequence[Tile], label: str, name: str, width: int, height: int) -> Markup:
    least = sum(tile.size for tile in tiles) * _SMALLEST
    sizes = [max(tile.size, least) for tile in tiles]
    boxes = squarified(sizes, Box(0, 0, width, height))
    drawn = (_tile(tile, box) for tile, box in zip(tiles, boxes, strict=True))
    return element(
        "svg",
        *drawn,
        class_=f"map {name}",
        viewBox=f"0 0 {width} {height}",
        role="img",
        aria_label=label,
    )


def _tile(tile: Tile, box: Box) -> Markup:
    return element(
        "g",
        element("title", f"{tile.name}: {in_words(tile.bytes)}"),
        *_areas(tile, box),
        _rectangle(box, "outline"),
        *_texts(tile, box),
    )


def _areas(tile: Tile, box: Box) -> Iterator[Markup]:
    left = tile.size
    for kind, size in tile.bytes:
        if not size:
            continue
        area, box = box.split(size / left)
        left -= size
        yield _rectangle(area, kind)


def _rectangle(box: Box, name: str) -> Markup:
    x, y, width, height = (f"{number:.1f}" for number in box)
    return element("rect", class_=name, x=x, y=y, width=width, height=height)


def _texts(tile: Tile, box: Box) -> Iterator[Markup]:
    """The name, and the bytes below it, as far as there is room."""
    room = int((box.width - 2 * _PADDING) / _CELL)
    for number, text in enumerate((tile.name, words.size(tile.size))):
        shown = words.shorten(text, room, "…") if not number else text
        fits = box.height >= 2 * _PADDING + _LINE * number + _TEXT
        if not fits or room < _FEWEST or words.cells(shown) > room:
            return
        y = box.y + _PADDING + _LINE * number + _TEXT - 2
        yield element("text", shown, x=f"{box.x + _PADDING:.1f}", y=f"{y:.1f}")
