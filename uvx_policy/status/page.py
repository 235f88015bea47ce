"""`linkpolicy status --html`: what the table says, as one page without scripts and other files."""

from __future__ import annotations

import io
import os
import time
from typing import TYPE_CHECKING

from uvx_policy.status.drawing import Tile, bar, legend, parts_of, treemap
from uvx_policy.status.markup import Markup, element, style_sheet
from uvx_policy.status.row import Total
from uvx_policy.status.table import COLUMNS, name
from uvx_policy.terminal import words
from uvx_policy.terminal.console import Console, plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

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
    now: float,
) -> str:
    """The page. `rows` stay in their order within each cache; `now`: seconds since the epoch."""
    present = [row for row in rows if row.state == "present"]
    when = time.strftime("%Y-%m-%d %H:%M %Z", time.localtime(now))
    environments = words.count(len(present), "environment")
    systems = words.count(len(totals), "file system")
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
            element("p", f"{environments} on {systems}, {when}", class_="dim"),
        ),
        element(
            "main",
            *_what_to_do(remarks, console),
            *(_device(total, present, console) for total in totals),
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
        "environment frees its private bytes."
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


def _device(total: Total, present: Sequence[Row], console: Console) -> Markup:
    rows = [row for row in present if row.where.device == total.where.device]
    where = total.where
    widest = max((row.shared_bytes + row.private_bytes for row in rows), default=0) or 1
    caches: dict[str, list[Row]] = {}
    for row in rows:
        caches.setdefault(row.cache, []).append(row)
    all_bytes = total.shared_bytes + total.private_bytes
    return element(
        "section",
        element(
            "h2",
            element("code", console.path(where.mount_point or where.device or "?")),
            " ",
            element("small", ", ".join(filter(None, (where.file_system, where.device)))),
        ),
        element("p", *_summary(total), class_="dim"),
        _numbers(total, console),
        bar(total, all_bytes or 1),
        legend(),
        *_map(total, rows, console),
        *_caption(total),
        *(_cache(cache, some, widest, console) for cache, some in caches.items()),
        class_="card",
    )


def _summary(total: Total) -> Iterator[str]:
    yield words.count(total.environments, "environment")
    yield f", {words.count(total.files, 'file')}"
    if total.edited_files:
        yield f", {words.count(total.edited_files, 'edited file')}"


def _caption(total: Total) -> Iterator[Markup]:
    if total.save_bytes:
        free = f" would free {words.size(total.save_bytes)} of this at most."
        yield element("p", element("code", "linkpolicy reclaim"), free, class_="dim caption")


def _sizes(of: Row | Total) -> str:
    return f"{words.size(of.shared_bytes)} shared, {words.size(of.private_bytes)} private"


def _map(total: Total, rows: Sequence[Row], console: Console) -> list[Markup]:
    """What is shared is there once; then what each environment has alone."""
    return treemap(
        Tile(name="shared", bytes=(("shared", total.shared_bytes),)),
        [
            Tile(name=name(row, console), bytes=parts_of(row)[1:])
            for row in rows
            if not row.is_counted_elsewhere
        ],
        f"What takes the space: {_sizes(total)}",
    )


# A cache and its environments --------------------------------------------------------------------


def _cache(cache: str, rows: Sequence[Row], widest: int, console: Console) -> Markup:
    title: tuple[str, ...] = ("Cache ", element("code", console.path(cache)))
    return element(
        "section",
        element("h3", *(title if cache else ("No cache is known",))),
        element("ul", *(_environment(row, widest, console) for row in rows), class_="environments"),
    )


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
        bar(row, widest),
        _numbers(row, console),
        *_notes(row),
    )


def _numbers(of: Row | Total, console: Console) -> Markup:
    """As in the table, with its signs for "at least" and "an estimate"."""
    return element(
        "p",
        *(
            element("span", element("b", shown), f" {meaning}")
            for column, meaning in _NUMBERS
            if (shown := _cell(column, of, console)) != "-"
        ),
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
