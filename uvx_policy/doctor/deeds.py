"""What `doctor --fix` changes: each deed holds what was seen when it was planned.

Imported by fixes alone, when they are asked for: what replaces files is slow to import.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from uvx_policy.caches import locks
from uvx_policy.doctor.diagnostic import Deed
from uvx_policy.installed.tree import ARCHIVES
from uvx_policy.repair.work import Work
from uvx_policy.replace.build import Builder, Target
from uvx_policy.replace.entry import Entry, change_mode, make_directory
from uvx_policy.replace.place import Changed, seen_at
from uvx_policy.replace.shop import Shops
from uvx_policy.state.files import path_of
from uvx_policy.state.layout import EDITS
from uvx_policy.terminal.words import count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from uvx_policy.caches.archive_links import Link
    from uvx_policy.doctor.case import Case
    from uvx_policy.replace.place import Place

__all__ = ("Entry", "change_permissions", "make_behind", "make_relative", "rescue")


def rescue(case: Case) -> Callable[[Place, str], None]:
    """What keeps what somebody saved at a path in the very moment; it raises `CannotKeep`."""
    return Work(case.state, path_of(case.state, EDITS), wait=0).rescue


# Directories, and who may write them -------------------------------------------------------------


def make_behind(link: str, *, mode: int = 0o777) -> Deed:
    """Make that directory. Raises `OSError`."""
    seen, target = seen_at(link), os.path.realpath(link)
    above = Entry.at(os.path.dirname(target))

    def make() -> Iterator[str]:
        if seen_at(link) != seen or os.path.realpath(link) != target:
            raise Changed(link)
        make_directory(above, os.path.basename(target), mode)
        yield f"made `{target}`"

    return Deed((f"would make `{target}`",), make)


def change_permissions(entry: Entry, permissions: int, *, would: str, done: str) -> Deed:
    """Change the mode of what was seen."""

    def change() -> Iterator[str]:
        change_mode(entry, permissions)
        yield done

    return Deed((would,), change)


# Links of a cache --------------------------------------------------------------------------------


def make_relative(case: Case, cache: str, links: Iterable[Link]) -> Deed | None:
    """Let each of the links lead to the archive of the same name in `cache`, if there is one.

    `None` when there is nothing to do.
    """
    relinks = list(filter(None, (_relink(cache, link) for link in links)))
    if not relinks:
        return None
    would = tuple(_relinked(cache, relinks, "would make", "would remove"))
    return Deed(would, partial(_make_relative, case, cache, relinks))


class _Relink(NamedTuple):
    """One link and what becomes of it."""

    target: Target
    #: where it is to lead to, "" if it is removed: the package is not unpacked here, and to uv the
    #: link means that it is
    text: str
    #: absolute path of its archive in this cache
    archive: str


def _relink(cache: str, link: Link) -> _Relink | None:
    """`None` when it is no longer what was read."""
    target = Target(path=link.path, root=cache, workplace=cache, seen=seen_at(link.path))
    try:
        if os.readlink(link.path) != link.text:
            return None
    except OSError:
        return None
    archive = os.path.join(cache, ARCHIVES, link.archive)
    relative = os.path.relpath(archive, os.path.dirname(link.path))
    return _Relink(target, relative if os.path.isdir(archive) else "", archive)


def _relinked(cache: str, relinks: Sequence[_Relink], made: str, removed: str) -> Iterator[str]:
    done = sum(bool(each.text) for each in relinks)
    yield f"{made} {count(done, 'link')} in `{cache}` relative"
    if len(relinks) > done:
        links = f"{count(len(relinks) - done, 'link')} in `{cache}`"
        yield f"{removed} {links} to archives that it does not have"


def _make_relative(case: Case, cache: str, relinks: Sequence[_Relink]) -> Iterator[str]:
    """Raises `Busy`, and `OSError` in the end for the first link that was left."""
    done: list[_Relink] = []
    left: list[OSError] = []
    with locks.alone(cache, 0), Shops(rescue(case)) as shops:
        builder = Builder(shops)
        for each in relinks:
            try:
                _carry_out(each, builder)
            except OSError as error:  # noqa: PERF203 (one that fails keeps no other back)
                left.append(error)
            else:
                done.append(each)
    yield from _relinked(cache, done, "made", "removed")
    if left:
        yield f"left {count(len(left), 'link')} of them"
        raise left[0]


def _carry_out(relink: _Relink, builder: Builder) -> None:
    if os.path.isdir(relink.archive) is not bool(relink.text):
        raise Changed(relink.archive)
    if relink.text:
        builder.point(relink.target, relink.text)
    else:
        builder.remove(relink.target)
