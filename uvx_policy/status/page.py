"""`linkpolicy status --html`: what the table says, as one page without scripts and other files."""

from __future__ import annotations

import io
import os
import time
from typing import TYPE_CHECKING

from uvx_policy.status.disks import disks
from uvx_policy.status.drawing import MEANING, Tile, bar, in_words, legend, parts_of, treemap
from uvx_policy.status.markup import Markup, element, style_sheet
from uvx_policy.status.row import Total
from uvx_policy.status.table import COLUMNS, name
from uvx_policy.terminal import words
from uvx_policy.terminal.console import Console, plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from uvx_policy.status.disks import Disk, Hoard
    from uvx_policy.status.drawing import Amounts
    from uvx_policy.status.remarks import Remark
    from uvx_policy.status.row import Row

_STYLE = "page.css"
_COLUMNS = {column.name: column for column in COLUMNS}
#: nothing is loaded, whatever a path is called
_NO_NETWORK = "default-src 'none'; style-src 'unsafe-inline'"
#: what stands beside the numbers of an environment and of a file system: column -> words
_NUMBERS = (("shared", "shared"), ("private", "private"), ("save", "could be shared, at most"))


def words_of(environ: Mapping[str, str]) -> Console:
    """For names, signs and commands, as on a terminal in UTF-8. What it prints is lost."""
    return Console(environ, io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), width=0)


def page(
    rows: Sequence[Row],
    totals: Sequence[Total],
    remarks: Sequence[Remark],
    console: Console,
    *,
    hoards: Sequence[Hoard] = (),
    now: float,
) -> str:
    """The page. `rows` stay in their order within each cache; `now`: seconds since the epoch."""
    by_name = {name: each for each in hoards for name in (each.path, each.named) if name}
    systems = disks(rows, totals, hoards)
    present = [row for row in rows if row.state == "present"]
    when = time.strftime("%Y-%m-%d %H:%M %Z", time.localtime(now))
    environments = words.count(len(present), "environment")
    on = words.count(len(systems), "file system")
    title = "linkpolicy status"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_NO_NETWORK),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        style_sheet(_style()),
    )
    body = element(
        "body",
        element(
            "header",
            element("h1", title),
            element(
                "p",
                f"{environments} on {on}, {when}",
                class_="dim",
            ),
        ),
        element(
            "main",
            *_what_to_do(remarks, console),
            *(_device(disk, by_name, console) for disk in systems),
            *_not_counted(rows, console),
        ),
        element("footer", element("p", _footnote(), class_="dim")),
    )
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def _style() -> str:
    with open(os.path.join(os.path.dirname(__file__), _STYLE), encoding="utf-8") as stream:
        return stream.read()


def _footnote() -> str:
    return (
        "Bytes are blocks on the disk. Shared bytes are used by a cache or another environment, "
        "too; in the numbers of a file system each shared file counts once. Deleting an "
        "environment frees its private bytes, cleaning a cache what is only in it."
    )


# Remarks -----------------------------------------------------------------------------------------


def _what_to_do(remarks: Sequence[Remark], console: Console) -> Iterator[Markup]:
    if not remarks:
        return
    items = (
        element(
            "li",
            *_label(remark.label, remark.style),
            *_with_code(remark.text),
            *(_hint(hint.text, hint.typed(console.shell)) for hint in remark.hints),
        )
        for remark in remarks
    )
    yield element(
        "section",
        element("h2", "What to know"),
        element("ul", *items, class_="remarks"),
        class_="card",
    )


def _label(label: str, style: str) -> Iterator[str]:
    yield element("b", label, class_=f"label {style}")
    yield " "


def _with_code(text: str) -> Iterator[str]:
    """What is in backticks is code, as in all our sentences."""
    for number, part in enumerate(text.split("`")):
        yield element("code", part) if number % 2 else part


def _hint(text: str, typed: str) -> Markup:
    return element("p", f"{text}: ", element("code", typed), class_="hint")


def _not_counted(rows: Sequence[Row], console: Console) -> Iterator[Markup]:
    left = [row for row in rows if row.state != "present"]
    if left:
        items = (
            element("li", element("code", console.path(row.path)), f" {_WHY[row.state]}")
            for row in left
        )
        yield element("section", element("h2", "Not counted"), element("ul", *items), class_="card")


_WHY = {"gone": "no longer exists", "unreadable": "cannot be read"}


# A file system -----------------------------------------------------------------------------------


def _device(disk: Disk, hoards: Mapping[str, Hoard], console: Console) -> Markup:
    total, where = disk.total, disk.total.where
    widest = max((row.shared_bytes + row.private_bytes for row in disk.rows), default=0) or 1
    caches: dict[str, list[Row]] = {hoard.path: [] for hoard in disk.hoards}
    for row in disk.rows:
        path = hoards[row.cache].path if row.cache in hoards else row.cache
        caches.setdefault(path, []).append(row)
    amounts = _amounts(disk)
    return element(
        "section",
        element(
            "h2",
            element("code", console.path(where.mount_point or where.device or "?")),
            " ",
            element("small", ", ".join(filter(None, (where.file_system, where.device)))),
        ),
        element("p", *_summary(total), class_="dim"),
        _numbers(total, console, *_own_bytes(disk.hoards, console)),
        bar(amounts, sum(size for _, size in amounts) or 1),
        legend(amounts),
        *_map(disk, console),
        *_caption(total),
        *(
            element(
                "section",
                *_cache(path, hoards.get(path), disk, console),
                *_list(some, widest, console),
            )
            for path, some in caches.items()
        ),
        class_="card",
    )


def _amounts(disk: Disk) -> Amounts:
    return (*parts_of(disk.total), ("cache", disk.own_bytes))


def _summary(total: Total) -> Iterator[str]:
    yield words.count(total.environments, "environment")
    yield f", {words.count(total.files, 'file')}"
    if total.edited_files:
        yield f", {words.count(total.edited_files, 'edited file')}"


def _caption(total: Total) -> Iterator[Markup]:
    if total.save_bytes:
        free = f" would free {words.size(total.save_bytes)} of this at most."
        yield element("p", element("code", "linkpolicy reclaim"), free, class_="dim caption")


def _map(disk: Disk, console: Console) -> list[Markup]:
    """What is shared is there once; then what each environment, and each cache, has alone."""
    return treemap(
        [
            Tile(name="shared", bytes=(("shared", disk.total.shared_bytes),)),
            *(
                Tile(name=console.path(hoard.path), bytes=(("cache", hoard.own_bytes),))
                for hoard in disk.hoards
            ),
        ],
        [
            Tile(name=name(row, console), bytes=parts_of(row)[1:])
            for row in disk.rows
            if not row.is_counted_elsewhere
        ],
        f"What takes the space: {in_words(_amounts(disk))}",
    )


# A cache and its environments --------------------------------------------------------------------


def _cache(path: str, hoard: Hoard | None, disk: Disk, console: Console) -> Iterator[Markup]:
    if not path:
        yield element("h3", "No cache is known")
    elif hoard is None or hoard in disk.hoards:
        yield element("h3", "Cache ", element("code", console.path(path)))
    else:
        elsewhere = console.path(hoard.where.mount_point or hoard.where.device)
        yield element("h3", "Cache ", element("code", console.path(path)), f" on {elsewhere}")
    if hoard in disk.hoards and hoard is not None:
        yield element("p", *_own_bytes([hoard], console), class_="numbers")


def _own_bytes(hoards: Sequence[Hoard], console: Console) -> Iterator[Markup]:
    """What cleaning these caches would free."""
    if hoards:
        sign = "" if all(hoard.is_exact for hoard in hoards) else console.signs.at_most
        size = words.size(sum(hoard.own_bytes for hoard in hoards))
        yield element("span", element("b", f"{sign}{size}"), f" {MEANING['cache']}")


def _list(rows: Sequence[Row], widest: int, console: Console) -> Iterator[Markup]:
    if rows:
        items = (_environment(row, widest, console) for row in rows)
        yield element("ul", *items, class_="environments")
    else:
        yield element("p", "No known environment was linked from it.", class_="dim")


def _environment(row: Row, widest: int, console: Console) -> Markup:
    policy = element(
        "span", f"policy: {row.policy.name}", class_=f"tag {row.policy.name}",
        title=row.policy.origin,
    )  # fmt: skip
    links = element("span", f"links: {row.in_fact}", class_="tag")
    return element(
        "li",
        element(
            "p",
            element("code", name(row, console), title=console.path(row.path)),
            " ",
            policy,
            " ",
            links,
            class_="name",
        ),
        bar(parts_of(row), widest),
        _numbers(row, console),
        *_notes(row),
    )


def _numbers(of: Row | Total, console: Console, *more: Markup) -> Markup:
    """As in the table, with its signs for "at least" and "an estimate"."""
    return element(
        "p",
        *(
            element("span", element("b", shown), f" {meaning}")
            for column, meaning in _NUMBERS
            if (shown := _cell(column, of, console)) != "-"
        ),
        *more,
        class_="numbers",
    )


def _cell(column: str, of: Row | Total, console: Console) -> str:
    found = _COLUMNS[column]
    parts = found.total(of, console) if isinstance(of, Total) else found.cell(of, console)
    return "".join(map(plain, parts))


def _notes(row: Row) -> Iterator[Markup]:
    """What is wrong with an environment, and what was edited in it."""
    if row.drift:
        yield element("p", *_label("drift", "red"), row.drift, class_="note")
    if row.edited_files:
        named = [element("code", path) for path in row.edited]
        yield element(
            "p",
            *_label("edited", "yellow"),
            *_listed(named, row.edited_files - len(named)),
            class_="note",
        )
    if row.dangling_files:
        text = f"{words.count(row.dangling_files, 'file')} of a cache entry that is gone"
        yield element("p", *_label("broken", "red"), text, class_="note")
    if row.unreadable_files:
        text = f"{words.count(row.unreadable_files, 'entry')} cannot be read"
        yield element("p", *_label("unreadable", "yellow"), text, class_="note")


def _listed(named: Sequence[Markup], more: int) -> Iterator[str]:
    for number, each in enumerate(named):
        yield ", " if number else ""
        yield each
    if more:
        yield f" and {more:,} more"
