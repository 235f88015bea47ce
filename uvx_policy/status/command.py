"""`linkpolicy status`: every environment, how it is linked, and how much space it takes."""

from __future__ import annotations

import os
import sys
from time import time
from typing import TYPE_CHECKING

from uvx_policy.filesystem.mounts import is_within
from uvx_policy.state import register
from uvx_policy.state.register import Environment
from uvx_policy.status import as_json, openmetrics, output, remarks, table
from uvx_policy.terminal import words
from uvx_policy.terminal.command import Hint, command
from uvx_policy.terminal.console import Console
from uvx_policy.terminal.progress import progress

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from uvx_policy.machine.search import Search


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `status` to the command line."""
    status = commands.add_parser("status")
    status.add_argument(
        "roots",
        nargs="*",
        metavar="ROOT",
        help="look for environments in this directory (default: all that uv was run for)",
    )
    forms = status.add_mutually_exclusive_group()
    forms.add_argument("--json", action="store_true", help="machine-readable output")
    forms.add_argument(
        "--openmetrics", action="store_true", help="metrics of each file system, for node_exporter"
    )
    forms.add_argument("--html", metavar="FILE", help="write a web page (`-`: to stdout)")
    status.add_argument(
        "--sort", choices=table.SORTS, default="project", metavar="COLUMN",
        help=f"one of {', '.join(table.SORTS)}",
    )  # fmt: skip
    status.add_argument("--refresh", action="store_true", help="ignore kept counts and count again")
    status.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Look and report; 0. Raises `UsageError` for a ROOT that is not a directory."""
    # Threads, and what draws on a terminal, are nothing for the start of every other command.
    from uvx_policy.machine.machine import machine_here
    from uvx_policy.machine.search import Search, typed_root
    from uvx_policy.status import page
    from uvx_policy.status.disks import measured
    from uvx_policy.status.gather import Gathering

    target = None if options.html is None else output.target(options.html)
    machine = machine_here()
    roots = [typed_root(root, machine.cwd) for root in options.roots]
    state = machine.state
    gathering = Gathering(machine.environ, state, refresh=options.refresh)
    search = Search(roots)
    with progress("looking for environments") as show:
        known = list(register.known(state))
        # Those that are in use first: there edits are looked for as long as there is time.
        in_use = sorted(known, key=lambda environment: -environment.seen)
        environments = _found(search, roots, state) if roots else iter(in_use)
        of = "" if roots else f" of {len(known):,}"
        for number, path in enumerate(gathering.gather(environments), 1):
            show(f"{number:,}{of}  {path}")
    register.gather(state)
    rows = table.in_order(gathering.rows, options.sort)
    if options.json:
        for text in as_json.lines(rows, gathering.totals, search.unreadable):
            sys.stdout.write(f"{text}\n")
        return 0
    if options.openmetrics:
        output.to_stdout("".join(f"{line}\n" for line in openmetrics.lines(gathering.totals)))
        return 0
    console = Console() if target is None else page.words_of(machine.environ)
    found = remarks.remarks(
        rows,
        gathering.totals,
        console,
        roots=options.roots,
        forgotten=gathering.forgotten,
        unreadable=sorted(search.unreadable),
    )
    if target is not None:
        with progress("measuring caches") as show:
            hoards = list(measured(machine, show))
        text = page.page(rows, gathering.totals, list(found), console, hoards=hoards, now=time())
        output.write(text, target)
        return 0
    if not rows and not gathering.forgotten:
        _print_nothing(roots, console)
    table.print_table(rows, gathering.totals, console)
    remarks.print_remarks(list(found), console)
    return 0


def _found(search: Search, roots: Sequence[str], state: str) -> Iterator[Environment]:
    """What is found, as the register knows it, and each `.venv` of the register that is a link."""
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


def _print_nothing(roots: Sequence[str], console: Console) -> None:
    if roots:
        console.say(f"No environment in {words.listed(roots)}.")
        return
    console.say("No environments are known yet: uv registers them when it runs under policy.")
    search = command("linkpolicy", "status", ".")
    console.hint(Hint(text="look for environments in a directory", commands=(search,)))
