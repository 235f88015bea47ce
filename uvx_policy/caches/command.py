"""`linkpolicy cache`: look at the caches of all file systems, and let uv clean or prune them."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from uvx_policy.caches import as_json, here, table, work
from uvx_policy.caches.work import NO_CACHE
from uvx_policy.machine.machine import open_machine
from uvx_policy.terminal.console import Console
from uvx_policy.terminal.progress import progress
from uvx_policy.terminal.words import count

if TYPE_CHECKING:
    from uvx_policy.machine.caches import Cache

#: seconds that whoever uses a cache gets by default
WAIT = 10.0
_LONGEST_WAIT = 86400
#: of `clean` and `prune`
_FLAGS = {
    "--dry-run": "show what would be done",
    "--yes": "do not ask",
    "--break-symlinks": "allow breaking environments that consist of links into the cache",
    "--delete-foreign": "allow deleting files in the cache that are not uv's",
}


# The command line --------------------------------------------------------------------------------


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `cache` and what it can do to the command line."""
    cache = commands.add_parser("cache")
    cache.set_defaults(command=list_caches, json=False)
    actions = cache.add_subparsers(metavar="COMMAND", prog=cache.prog)

    for name, command in (
        ("list", list_caches),
        ("dir", print_directory),
        ("size", print_sizes),
    ):
        parser = actions.add_parser(name)
        parser.add_argument("--json", action="store_true", help="machine-readable output")
        parser.set_defaults(command=command)

    clean = actions.add_parser("clean")
    told = "only these packages (default: everything)"
    clean.add_argument("packages", nargs="*", metavar="PACKAGE", help=told)
    seed = actions.add_parser("seed")
    seed.set_defaults(command=_seed)
    told = "an environment, or a directory with some below (default: known ones on that device)"
    seed.add_argument("roots", nargs="*", metavar="ROOT", help=told)
    for option, destination, told in (
        ("--from", "source", "the only cache to take from (default: every known one)"),
        ("--to", "target", "the cache to fill (default: on the environments' file system)"),
    ):
        seed.add_argument(option, dest=destination, metavar="CACHE", default="", help=told)
    seed.add_argument("--all", action="store_true", help="every package of the other caches")
    seed.add_argument("--dry-run", action="store_true", help="show what would be copied")
    seed.add_argument("--json", action="store_true", help="machine-readable output")
    add_wait(seed)
    prune = actions.add_parser("prune")
    prune.set_defaults(packages=[])
    for parser, action in ((clean, "clean"), (prune, "prune")):
        parser.set_defaults(command=work.run, action=action)
        parser.add_argument(
            "--cache-dir", action="append", metavar="DIR", default=[],
            help="only this cache; can be repeated (default: every known cache)",
        )  # fmt: skip
        add_wait(parser)
        for flag, told in _FLAGS.items():
            names = ("-y", flag) if flag == "--yes" else (flag,)
            parser.add_argument(*names, action="store_true", help=told)


def add_wait(parser: argparse.ArgumentParser) -> None:
    """Add `--wait`."""
    parser.add_argument(
        "--wait", type=_seconds, metavar="SECONDS", default=WAIT,
        help=f"how long to wait while a cache is in use (default: {WAIT:.0f})",
    )  # fmt: skip


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value <= _LONGEST_WAIT:
        raise argparse.ArgumentTypeError(f"must be from 0 to {_LONGEST_WAIT} seconds")
    return value


# The actions -------------------------------------------------------------------------------------


def list_caches(options: argparse.Namespace) -> int:
    """`cache list`: 0. Raises `ConfigError`."""
    rows = _measured(extents=False)
    if options.json:
        as_json.write({"caches": [as_json.listed(row) for row in rows]})
    else:
        table.print_list(rows, Console())
    return 0


def print_sizes(options: argparse.Namespace) -> int:
    """`cache size`: 0. Raises `ConfigError`."""
    rows = [row for row in _measured(extents=True) if row.cache.exists]
    if options.json:
        as_json.write(as_json.sizes(rows))
    elif rows:
        table.print_sizes(rows, Console())
    else:
        Console().say(NO_CACHE)
    return 0


def print_directory(options: argparse.Namespace) -> int:
    """`cache dir`: 0. Raises `ConfigError`, `RealUvNotFound`."""
    path, because = here.cache_here(open_machine())
    if options.json:
        as_json.write({"path": path, "because": because})
    else:
        # For scripts: the bytes of the path, whatever the terminal's encoding.
        sys.stdout.buffer.write(os.fsencode(path) + b"\n")
        sys.stdout.flush()
    return 0


def _seed(options: argparse.Namespace) -> int:
    from uvx_policy.caches import seeding

    return seeding.run(options)


def _measured(*, extents: bool) -> list[table.Row]:
    with progress() as show:

        def advance(cache: Cache, files: int) -> None:
            show(f"{cache.path}: {count(files, 'file')}")

        return list(here.rows(open_machine(), extents=extents, advance=advance))
