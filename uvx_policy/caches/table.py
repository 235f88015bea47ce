"""What `linkpolicy cache` says to people: tables, and a line for each cache that uv worked on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from rich import box
from rich.table import Table
from rich.text import Text

from uvx_policy.terminal import words
from uvx_policy.terminal.command import Shell
from uvx_policy.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from uvx_policy.caches.cleaning import Result
    from uvx_policy.caches.danger import Job
    from uvx_policy.caches.linked import Dependent
    from uvx_policy.caches.locks import Holder
    from uvx_policy.caches.measure import Measure
    from uvx_policy.machine.caches import Cache
    from uvx_policy.terminal.command import Hint

_STYLES = {"done": "green", "absent": "dim", "refused": "red", "busy": "yellow", "failed": "red"}


class Row(Value):
    """One known cache with all that is told of it."""

    cache: Cache
    measure: Measure
    #: environments that were linked from it
    dependents: tuple[Dependent, ...] = ()
    holders: tuple[Holder, ...] = ()
    #: `uv sync` in the working directory uses it
    here: bool = False


class Look(Value):
    """What is needed to show paths and times."""

    home: str
    #: seconds since the epoch
    now: float
    #: of the output
    encoding: str = "utf-8"
    #: where commands are typed
    shell: Shell = Shell()

    def path(self, path: str) -> str:
        """`~/.cache/uv`, nothing in it steers a terminal."""
        return words.encodable(words.path(path, self.home), self.encoding)


class _Column(NamedTuple):
    """One column of the list."""

    title: str
    cell: Callable[[Row, Look], Text]
    #: cells that a line must have for it
    room: int = 0
    right: bool = False


def listing(rows: Sequence[Row], look: Look, width: int) -> Table:
    """Every cache that exists: where it is, how large, how old, who needs it."""
    columns = [column for column in _COLUMNS if column.room <= width]
    table = _table()
    for column in columns:
        only_cell = column is not columns[0]
        table.add_column(
            column.title,
            justify="right" if column.right else "left",
            overflow="fold",
            no_wrap=only_cell,
        )
    for row in rows:
        if row.cache.exists:
            table.add_row(*(column.cell(row, look) for column in columns))
    return table


def _place(row: Row, look: Look) -> Text:
    here = (" (here)", "green") if row.here else ""
    origins = ", ".join(look.path(origin) for origin in row.cache.origins)
    return Text.assemble(look.path(row.cache.path), here, "\n", (origins, "dim"), overflow="fold")


_COLUMNS = (
    _Column("cache", _place),
    _Column("fs", lambda row, _: Text(row.cache.file_system or "?")),
    _Column("mounted on", lambda row, look: Text(look.path(row.cache.mount_point)), 150),
    _Column("device", lambda row, look: Text(look.path(row.cache.source)), 124),
    _Column("owner", lambda row, _: Text(_user(row.cache.owner)), 100),
    _Column("mode", lambda row, _: Text(f"{row.cache.mode:04o}"), 100),
    _Column("size", lambda row, _: Text(words.size(row.measure.logical_bytes)), right=True),
    _Column("on disk", lambda row, _: Text(words.size(row.measure.physical_bytes)), 76, right=True),
    _Column("archives", lambda row, _: Text(f"{row.measure.archives:,}"), 90, right=True),
    _Column("used", lambda row, look: Text(_used(row, look))),
    _Column("linked", lambda row, _: Text(f"{len(_existing(row)):,}"), right=True),
)


def sizes(rows: Sequence[Row], look: Look) -> Table:
    """How much each cache takes, and all of them."""
    table = _table("cache", "file system", "size", "on disk", "only here")
    for column in table.columns[2:]:
        column.justify = "right"
    there = [row for row in rows if row.cache.exists]
    for row in there:
        table.add_row(
            Text(look.path(row.cache.path), overflow="fold"),
            row.cache.file_system or "?",
            *_amounts([row.measure]),
        )
    if len(there) > 1:
        table.add_section()
        table.add_row(f"{len(there)} caches", "", *_amounts([row.measure for row in there]))
    return table


def remarks(rows: Sequence[Row], look: Look) -> Iterator[Text]:
    """What the tables do not say, one line each."""
    for row in rows:
        path = look.path(row.cache.path)
        if row.cache.problem:
            yield _told("problem", "yellow", path, words.harmless(row.cache.problem))
        if row.cache.named:
            yield _told("link", "dim", path, f"reached as {look.path(row.cache.named)}")
        for holder in row.holders:
            yield _told("in use", "cyan", path, words.harmless(f"{holder} {holder.how}"))
        symlinked = [each for each in row.dependents if each.symlinked]
        if symlinked:
            count = len(symlinked)
            what = (
                f"{count} {_plural(count, 'environment')} would break without it (symbolic links)"
            )
            yield _told("needed", "yellow", path, what)
        if row.measure.unreadable:
            count = row.measure.unreadable
            yield _told("unreadable", "yellow", path, f"{count:,} {_plural(count, 'entry')}")
        if not row.cache.exists and not row.cache.problem:
            yield _told("absent", "dim", path, f"does not exist ({row.cache.origin})")


def planned(job: Job, results: Sequence[Result], look: Look) -> Iterator[Text]:
    """`--dry-run`: the commands, and what is refused."""
    yield Text(f"This is what `linkpolicy cache {job.command}` would do. Nothing has been changed.")
    for result in results:
        yield from outcome(result, look)


def outcome(result: Result, look: Look) -> Iterator[Text]:
    """What became of one cache, or would."""
    path = look.path(result.cache.path)
    if result.state == "allowed":
        yield Text.assemble(("would run", "bold"), f"  {words.harmless(result.text)}")
        return
    if not result.objections:
        yield _told(result.state, _STYLES[result.state], path, words.harmless(result.text))
        yield from _hint(result.hint, look.shell)
    for objection in result.objections:
        yield _told("refused", "red", path, words.harmless(objection.because))
        yield from _hint(objection.hint, look.shell)


def _hint(hint: Hint | None, shell: Shell) -> Iterator[Text]:
    if hint:
        text = ": ".join(filter(None, (hint.text, hint.typed(shell))))
        yield Text.assemble("  ", ("hint", "bold cyan"), f": {words.harmless(text)}")


def _table(*titles: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, header_style="dim")
    for title in titles:
        table.add_column(title, overflow="fold")
    return table


def _amounts(measures: Sequence[Measure]) -> tuple[str, str, str]:
    exact = all(each.extents_known for each in measures)
    own = words.size(sum(each.own_bytes for each in measures))
    return (
        words.size(sum(each.logical_bytes for each in measures)),
        words.size(sum(each.physical_bytes for each in measures)),
        own if exact or own == "0" else f"at most {own}",
    )


def _used(row: Row, look: Look) -> str:
    if not row.measure.last_used:
        return "never"
    return words.age(max(look.now - row.measure.last_used, 0))


def _existing(row: Row) -> list[Dependent]:
    return [each for each in row.dependents if each.exists]


def _told(label: str, style: str, path: str, text: str) -> Text:
    return Text.assemble((label, style), f"  {path}", f": {text}" if text else "")


def _plural(count: int, noun: str) -> str:
    if count == 1:
        return noun
    return f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"


def _user(uid: int | None) -> str:
    """The name of a user, or the number; "" where there are no owners."""
    if uid is None or os.name == "nt":
        return ""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
