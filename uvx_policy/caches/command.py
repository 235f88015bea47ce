"""`linkpolicy cache`: look at the caches of all file systems, and let uv clean or prune them."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from uvx_policy.caches import as_json, here, table, work
from uvx_policy.machine.machine import open_machine
from uvx_policy.terminal.console import Screen, progress

if TYPE_CHECKING:
    from uvx_policy.machine.caches import Cache

#: seconds that whoever uses a cache gets by default
WAIT = 10.0
_LONGEST_WAIT = 86400


# The command line --------------------------------------------------------------------------------


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `cache` and what it can do to the command line."""
    cache = commands.add_parser(
        "cache", help="list, measure, clean and prune the caches of all disks"
    )
    cache.set_defaults(command=list_caches, json=False)
    actions = cache.add_subparsers(title="actions (default: list)", metavar="ACTION")

    listing = actions.add_parser("list", help="every known cache: where, how large, who needs it")
    listing.add_argument("--json", action="store_true", help="for machines, stable")
    listing.set_defaults(command=list_caches)

    directory = actions.add_parser("dir", help="the cache that `uv sync` uses here")
    directory.add_argument("--json", action="store_true", help="for machines, stable")
    directory.set_defaults(command=print_directory)

    size = actions.add_parser("size", help="bytes of each cache, and of all")
    size.add_argument("--json", action="store_true", help="for machines, stable")
    size.set_defaults(command=print_sizes)

    clean = actions.add_parser("clean", help="let uv delete everything, or some packages")
    clean.add_argument(
        "packages", nargs="*", metavar="PACKAGE", help="only these packages (default: everything)"
    )
    prune = actions.add_parser("prune", help="let uv delete what nothing refers to any more")
    prune.set_defaults(packages=[])
    for parser, action in ((clean, "clean"), (prune, "prune")):
        _add_work_options(parser)
        parser.set_defaults(command=work.run, action=action)


def _add_work_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--cache-dir", action="append", metavar="DIR", default=[],
        help="only this cache; may be given several times (default: every known cache)",
    )  # fmt: skip
    add_wait(parser)
    parser.add_argument("--dry-run", action="store_true", help="show what would be done")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--break-symlinks", action="store_true",
        help="also where environments consist of links into the cache, and would break",
    )  # fmt: skip
    parser.add_argument(
        "--delete-foreign", action="store_true",
        help="also where files that are not uv's lie in the cache, and would be deleted",
    )  # fmt: skip


def add_wait(parser: argparse.ArgumentParser) -> None:
    """How patient to be."""
    parser.add_argument(
        "--wait", type=_seconds, metavar="SECONDS", default=WAIT,
        help=f"how long to wait for whoever uses a cache (default: {WAIT:.0f})",
    )  # fmt: skip


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value <= _LONGEST_WAIT:
        raise argparse.ArgumentTypeError(f"not a number of seconds from 0 to {_LONGEST_WAIT}")
    return value


# The actions -------------------------------------------------------------------------------------


def list_caches(options: argparse.Namespace) -> int:
    """`cache list`: 0. Raises `ConfigError`."""
    rows, screen = _measured(extents=False)
    if options.json:
        sys.stdout.write(f"{as_json.listing(rows)}\n")
        return 0
    if any(row.cache.exists for row in rows):
        screen.show(table.listing(rows, screen.look, screen.width))
    for remark in table.remarks(rows, screen.look):
        screen.say(remark)
    return 0


def print_sizes(options: argparse.Namespace) -> int:
    """`cache size`: 0. Raises `ConfigError`."""
    rows, screen = _measured(extents=True)
    rows = [row for row in rows if row.cache.exists]
    if options.json:
        sys.stdout.write(f"{as_json.sizes(rows)}\n")
    elif rows:
        screen.show(table.sizes(rows, screen.look))
    else:
        screen.say("There is no cache yet.")
    return 0


def print_directory(options: argparse.Namespace) -> int:
    """`cache dir`: 0. Raises `ConfigError`, `RealUvNotFound`."""
    path, because = here.cache_here(open_machine())
    if options.json:
        sys.stdout.write(f"{as_json.directory(path, because)}\n")
    else:
        # For scripts: the bytes of the path, whatever the terminal's encoding.
        sys.stdout.buffer.write(os.fsencode(path) + b"\n")
        sys.stdout.flush()
    return 0


def _measured(*, extents: bool) -> tuple[list[table.Row], Screen]:
    machine = open_machine()
    screen = Screen(machine.environ)
    with progress() as show:

        def advance(cache: Cache, files: int) -> None:
            show(f"{screen.look.path(cache.path)}: {files:,} files")

        return list(here.rows(machine, extents=extents, advance=advance)), screen
