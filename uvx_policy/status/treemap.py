"""A squarified treemap (Bruls, Huizing, van Wijk 2000): areas as large as numbers. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Box(NamedTuple):
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float

    def split(self, part: float) -> tuple[Box, Box]:
        """Cut across the longer side; `part`, from 0 to 1, is the share of the first."""
        x, y, width, height = self
        if width >= height:
            first = width * part
            return Box(x, y, first, height), Box(x + first, y, width - first, height)
        first = height * part
        return Box(x, y, width, first), Box(x, y + first, width, height - first)


def squarified(sizes: Sequence[float], box: Box) -> Iterator[Box]:
    """A box for each of `sizes`, in their order, which together fill `box`.

    Sizes are above 0; sorted with the largest first the boxes are closest to squares.
    """
    left = float(sum(sizes))
    rest = list(sizes)
    while rest:
        row = _best_row(rest, left, box)
        total = sum(rest[:row])
        strip, box_left = box.split(total / left if row < len(rest) else 1.0)
        yield from _laid_out(rest[:row], total, strip, across=box.width >= box.height)
        left -= total
        rest, box = rest[row:], box_left


def _best_row(sizes: Sequence[float], left: float, box: Box) -> int:
    """How many of the first `sizes` lie side by side: as long as the worst one gets no longer."""
    side = min(box.width, box.height)
    scale = box.width * box.height / left
    best, total = float("inf"), 0.0
    for number, size in enumerate(sizes):
        total += size * scale
        largest, smallest = sizes[0] * scale, size * scale
        worst = max(side**2 * largest / total**2, total**2 / (side**2 * smallest))
        if worst > best:
            return number
        best = worst
    return len(sizes)


def _laid_out(sizes: Sequence[float], total: float, strip: Box, *, across: bool) -> Iterator[Box]:
    """Side by side along `strip`; `across`: it stands upright."""
    x, y, width, height = strip
    for size in sizes:
        if across:
            part = height * size / total
            yield Box(x, y, width, part)
            y += part
        else:
            part = width * size / total
            yield Box(x, y, part, height)
            x += part
