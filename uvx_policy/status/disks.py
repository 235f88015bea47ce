"""What is on each file system, for the page: its environments, and what only its caches hold."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from uvx_policy.status.row import Total, Where
from uvx_policy.terminal import words
from uvx_policy.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from uvx_policy.machine.machine import Machine
    from uvx_policy.status.row import Row


class Hoard(Value):
    """One cache, and what it holds that nothing else does."""

    path: str
    #: the path by which it is known, where that goes through a symbolic link; "" where it does not
    named: str = ""
    where: Where = Where()
    #: bytes on the disk that cleaning it would free
    own_bytes: int = 0
    #: the file system tells everything: otherwise `own_bytes` are "at most"
    is_exact: bool = True


class Disk(Value):
    """One file system."""

    total: Total
    #: environments on it, in their order
    rows: tuple[Row, ...] = ()
    hoards: tuple[Hoard, ...] = ()

    @property
    def own_bytes(self) -> int:
        """What only its caches hold."""
        return sum(each.own_bytes for each in self.hoards)


def measured(machine: Machine, show: Callable[[str], object]) -> Iterator[Hoard]:
    """Every known cache that exists, in the time that `cache size` takes.

    `show` is called with what is looked at, from any thread.
    """
    from uvx_policy.caches.measure import measure

    def advance(path: str, files: int) -> None:
        show(f"{path}: {words.count(files, 'file')}")

    for cache in machine.caches:
        if not cache.exists:
            continue
        progress = functools.partial(advance, cache.path)
        found = measure(cache.path, extents=True, progress=progress)
        yield Hoard(
            path=cache.path,
            named=cache.named,
            where=Where(
                device=cache.device or str(cache.st_dev),
                mount_point=cache.mount_point,
                file_system=cache.file_system,
            ),
            own_bytes=found.own_bytes,
            is_exact=found.extents_known and not found.unreadable,
        )


def disks(rows: Sequence[Row], totals: Sequence[Total], hoards: Sequence[Hoard]) -> list[Disk]:
    """By mount point. A file system with a cache but no environment has a total of nothing."""
    every = {total.where.device: total for total in totals}
    for hoard in hoards:
        if hoard.where.device not in every:
            every[hoard.where.device] = total = Total()
            total.where = hoard.where
    found = [
        Disk(
            total=total,
            rows=tuple(row for row in rows if _is_on(row, device)),
            hoards=tuple(hoard for hoard in hoards if hoard.where.device == device),
        )
        for device, total in every.items()
    ]
    return sorted(found, key=lambda disk: disk.total.where.mount_point)


def _is_on(row: Row, device: str) -> bool:
    return row.state == "present" and row.where.device == device
