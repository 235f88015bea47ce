"""`linkpolicy detach`: private copies of installed packages, before they are edited on purpose."""

from __future__ import annotations

import argparse
import contextlib
import os
from typing import TYPE_CHECKING

from uvx_policy import errors
from uvx_policy.caches import locks
from uvx_policy.caches.command import add_wait
from uvx_policy.caches.linked import normalized
from uvx_policy.errors import UsageError
from uvx_policy.machine.machine import open_machine
from uvx_policy.repair import restore
from uvx_policy.repair.shared import Shared, shared_files
from uvx_policy.settings import init_command
from uvx_policy.settings.check import suggestion
from uvx_policy.terminal import words
from uvx_policy.terminal.console import Console, can_ask
from uvx_policy.terminal.progress import progress
from uvx_policy.verify.targets import targets_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from uvx_policy.machine.machine import Machine


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `detach` to the command line."""
    parser = commands.add_parser(
        "detach", help="private copies of packages of this environment, before you edit them"
    )
    parser.add_argument(
        "packages", nargs="*", metavar="PACKAGE", help="only these packages (default: all)"
    )
    parser.add_argument("--dry-run", action="store_true", help="show what would be done")
    parser.add_argument(
        "--hackable", action=argparse.BooleanOptionalAction, default=None,
        help="mark the project as hackable, too, or do not ask",
    )  # fmt: skip
    add_wait(parser)
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """0 when all files are the environment's own now, 1 when some are not.

    Raises `UsageError` for a package that is not there, `ConfigError`, `locks.Busy`.
    """
    machine = open_machine()
    console = Console()
    (target,) = targets_of([], machine)
    chosen = _chosen([each for tree in target.trees() for each in shared_files(tree.path)], options)
    for each in chosen:
        if each.unknown:
            console.say(f"{_name(each)} has no RECORD: nobody knows its files.")
    shared = [each for each in chosen if each.paths]
    for line in _planned(shared, dry_run=options.dry_run):
        console.say(line)
    if not shared:
        console.say(f"Every file is the environment's own: {console.path(target.path)}")
    failed: list[str] = []
    if shared and not options.dry_run:
        with progress() as show:

            def waiting(holder: locks.Holder) -> None:
                show(f"waiting for {holder}")

            with locks.alone(target.path, options.wait, meanwhile=waiting):
                for each in shared:
                    show(f"detach {_name(each)}")
                    failed += _detached(each)
        for line in failed:
            console.say(line)
        if not failed:
            console.say("No other environment sees what is edited in them.")
    _mark(machine, target.path, console, options)
    is_well = not failed and not any(each.unknown for each in chosen)
    return 0 if is_well else errors.EXIT_FINDINGS


def _chosen(found: Sequence[Shared], options: argparse.Namespace) -> list[Shared]:
    """The distributions that were asked for. Raises `UsageError`."""
    by_name: dict[str, list[Shared]] = {}
    for each in found:
        by_name.setdefault(normalized(each.distribution.name), []).append(each)
    if not options.packages:
        # An editable project is a file that names a directory: there is nothing to detach.
        return [each for each in found if not (each.unknown and not each.paths)]
    chosen: dict[str, list[Shared]] = {}
    for word in options.packages:
        name = normalized(word)
        if name not in by_name:
            hint = suggestion(name, tuple(by_name), "`")
            raise UsageError(f"`{word}` is not installed here", hint=hint)
        chosen[name] = by_name[name]
    return [each for group in chosen.values() for each in group]


def _planned(shared: Sequence[Shared], *, dry_run: bool) -> Iterator[str]:
    for each in shared:
        number = len(each.paths)
        be = words.verb(number, "is", "are") if not dry_run else "would be"
        size = words.size(each.size)
        yield f"{_name(each)}: {words.count(number, 'file')} {be} copied ({size})"


def _detached(each: Shared) -> Iterator[str]:
    """Give a line for each file that could not be detached."""
    site = each.distribution.site
    with contextlib.ExitStack() as undo:
        shops: dict[str, str] = {}
        for path in each.paths:
            try:
                beside = os.path.dirname(path)
                place = site if os.stat(site).st_dev == os.stat(beside).st_dev else beside
                if place not in shops:
                    shops[place] = undo.enter_context(restore.workshop(place))
                restore.detach(path, shops[place])
            except OSError as error:  # noqa: PERF203 (one file must not keep others)
                yield f"failed: {path}: {error.strerror or error}"


def _name(each: Shared) -> str:
    return f"{each.distribution.name} {each.distribution.version}".strip()


# The project -------------------------------------------------------------------------------------


def _mark(
    machine: Machine, environment: str, console: Console, options: argparse.Namespace
) -> None:
    """Mark the project as hackable where that is wanted. Raises `LinkPolicyError`."""
    project = machine.environment_at(environment).project
    policy = machine.policy_at(environment).name
    if options.hackable is False or policy == "hackable":
        return
    if not project:
        if options.hackable:
            raise UsageError(f"no project is known for `{environment}`")
        return
    plan = init_command.plan_init(project, {"hackable": True})
    if options.hackable is None and not _is_wanted(console, ask=not options.dry_run):
        return
    if plan.changes:
        console.say(f"{console.path(plan.path)}:")
    for line in plan.changes:
        console.say(f"  would {line}" if options.dry_run else f"  {line}")
    if not options.dry_run:
        init_command.write_init(plan)


def _is_wanted(console: Console, *, ask: bool) -> bool:
    """Ask on the terminal; elsewhere say how it is done."""
    if not (ask and can_ask()):
        console.say("Packages installed later are linked again; mark the project: --hackable")
        return False
    return console.ask("Mark the project as hackable, so that uv copies new packages as well?")
