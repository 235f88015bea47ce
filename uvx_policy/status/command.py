"""`linkpolicy status`: every environment, how it is linked, and what it takes on the disk."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from uvx_policy import guard, pipeline
from uvx_policy.errors import UsageError
from uvx_policy.filesystem.mounts import is_within
from uvx_policy.host import Host
from uvx_policy.state import layout, register
from uvx_policy.state.register import Environment
from uvx_policy.status import as_json, remarks, table
from uvx_policy.status.table import Look
from uvx_policy.terminal import words
from uvx_policy.terminal.command import command, shell_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from uvx_policy.machine.search import Search


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `status` to the command line."""
    status = commands.add_parser(
        "status", help="see all environments: how they are linked, and what they take"
    )
    status.add_argument(
        "roots",
        nargs="*",
        metavar="ROOT",
        help="look for environments below this directory (default: those that uv was run for)",
    )
    status.add_argument("--json", action="store_true", help="for machines, stable")
    status.add_argument(
        "--sort", choices=table.SORTS, default="project", metavar="COLUMN",
        help=f"one of {', '.join(table.SORTS)}",
    )  # fmt: skip
    status.add_argument(
        "--refresh", action="store_true", help="count again what was counted before"
    )
    status.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Look and report; 0. Raises `UsageError` for a ROOT that is no directory."""
    # Threads, and what draws on a terminal, are nothing for the start of every other command.
    from uvx_policy.machine.search import Search
    from uvx_policy.status.gather import Gathering
    from uvx_policy.status.progress import progress

    roots = [_root(root) for root in options.roots]
    environ = guard.without_ours(os.environ)
    state = pipeline.state_directory(Host(environ=environ))
    gathering = Gathering(environ, state, refresh=options.refresh)
    search = Search(roots)
    with progress() as advance:
        if roots:
            environments, count = _found(search, roots, state), 0
        else:
            listed = list(register.known(state))
            environments, count = iter(listed), len(listed)
        for path in gathering.gather(environments):
            advance(path, count)
    rows = table.in_order(gathering.rows, options.sort)
    if options.json:
        for text in as_json.lines(rows, gathering.totals, search.unreadable):
            sys.stdout.write(f"{text}\n")
        return 0
    console, look = _output(environ)
    shown = list(table.Table(rows, gathering.totals, look).lines())
    if not rows and not gathering.forgotten:
        shown = _nothing(roots)
    found = remarks.remarks(
        rows,
        gathering.totals,
        look,
        forgotten=gathering.forgotten,
        unreadable=sorted(search.unreadable),
    )
    below = list(remarks.lines(list(found), look))
    blank = [Text("")] if shown and below else []
    for line in [*shown, *blank, *below]:
        _print(console, line)
    return 0


def _root(root: str) -> str:
    """Absolute. Raises `UsageError`."""
    path = os.path.abspath(root)
    if not os.path.isdir(path):
        raise UsageError(f"`{root}` is no directory")
    return path


def _found(search: Search, roots: Sequence[str], state: str) -> Iterator[Environment]:
    """Give the environments that are found, with what the register knows of them.

    The search follows no link. Of a `.venv` that is one the register knows that it is there.
    """
    known = {}
    found = set()
    for environment in register.known(state):
        known[os.path.realpath(environment.path)] = environment
        known[environment.path] = environment
    for path in search:
        real = os.path.realpath(path)
        found.add(real)
        environment = known.get(path) or known.get(real) or Environment(path=path)
        yield environment.replace(path=path)
    for environment in known.values():
        real = os.path.realpath(environment.path)
        is_below = any(is_within(environment.path, root) for root in roots)
        if is_below and os.path.islink(environment.path) and real not in found:
            found.add(real)
            if os.path.isdir(real):
                yield environment


def _nothing(roots: Sequence[str]) -> list[Text]:
    if roots:
        return [Text(f"No environment below {words.harmless(', '.join(roots))}.")]
    search = command("linkpolicy", "status", ".")
    return [
        Text("No environment is known yet: one is remembered when uv runs under the policy."),
        Text(f"To look for environments, name a directory: {search.rendered(shell_of())}"),
    ]


def _output(environ: dict[str, str]) -> tuple[Console, Look]:
    console = Console(highlight=False, markup=False, emoji=False)
    fixed = console.is_terminal or "COLUMNS" in os.environ
    look = Look(
        width=console.width if fixed else 0,
        signs=words.signs_for(_encoding()),
        home=layout.home(environ, sys.platform),
        now=time.time(),
    )
    return console, look


def _encoding() -> str:
    return getattr(sys.stdout, "encoding", None) or "ascii"


def _print(console: Console, line: Text) -> None:
    """Print one line, never broken by rich."""
    plain = words.encodable(line.plain, _encoding())
    console.print(line if plain == line.plain else Text(plain), soft_wrap=True)
