"""`linkpolicy adopt`: the command line, what there is to adopt, and what is said about it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from uvx_policy.errors import EXIT_FINDINGS, LinkPolicyError, UsageError
from uvx_policy.machine.clients import PROGRAMS, pipx_home
from uvx_policy.machine.machine import machine_here
from uvx_policy.machine.programs import environment_of, own_uv
from uvx_policy.setup import adoption
from uvx_policy.setup import steps as setup_steps
from uvx_policy.setup.words import Lines, Problem, remarks
from uvx_policy.terminal.console import Console
from uvx_policy.value import Value

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from uvx_policy.machine.machine import Machine
    from uvx_policy.setup.adoption import Wanted

SCHEMA = 1


class Row(Value):
    """An environment that is adopted, or that has a uv of its own."""

    environment: str
    adopted: bool
    #: why its uv does not run through the shim, or why it cannot be adopted: a clause, "" for
    #: nothing
    because: str = ""
    #: programs on PATH that lie in it
    programs: tuple[str, ...] = ()


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `adopt` to the command line."""
    adopt = commands.add_parser("adopt")
    adopt.add_argument(
        "targets",
        nargs="*",
        metavar="ENV|PROGRAM",
        help="an environment, or a program on PATH (default: list them)",
    )
    adopt.add_argument("--undo", action="store_true", help="undo it (default: all)")
    adopt.add_argument("--dry-run", action="store_true", help="show what would change")
    adopt.add_argument("--json", action="store_true", help="machine-readable list")
    adopt.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Adopt, undo or list. Raises `LinkPolicyError`."""
    if options.json and (options.targets or options.undo):
        raise UsageError("`--json` is for the list", hint="leave out `ENV|PROGRAM` and `--undo`")
    known = {each.environment for each in adoption.on_record(os.environ)}
    targets = []
    for word in options.targets:
        # One that is gone can be let go all the same.
        real = os.path.realpath(word)
        named = real if real in known else adoption.environment_named(word, os.environ)
        targets.append(named)
    targets = [*dict.fromkeys(targets)]
    if options.undo:
        return _undo(targets, dry_run=options.dry_run)
    if not targets:
        _list(as_json=options.json)
        return 0
    return _adopt(targets, dry_run=options.dry_run)


def rows(machine: Machine) -> Iterator[Row]:
    """What is adopted, then what could be. Reads only, never raises."""
    programs: dict[str, list[str]] = {}
    for name in PROGRAMS:
        found = environment_of(name, search_path=machine.environ.get("PATH", ""))
        if found:
            programs.setdefault(os.path.realpath(found), []).append(name)
    known = [each.environment for each in adoption.on_record(machine.environ)]
    venvs = os.path.join(pipx_home(machine.environ), "venvs")
    of_pipx = os.listdir(venvs) if os.path.isdir(venvs) else []
    others = (*programs, *machine.environment_paths, *(os.path.join(venvs, e) for e in of_pipx))
    own = os.path.realpath(sys.prefix)
    for environment in dict.fromkeys((*known, *map(os.path.realpath, others))):
        is_known = environment in known
        if not is_known and (environment == own or not own_uv(environment)):
            continue
        named = tuple(programs.get(environment, ()))
        try:
            planned = adoption.wanted(environment, machine.environ)
            because = adoption.why_not(planned) if is_known else ""
        except (LinkPolicyError, OSError) as error:
            because = "it is gone" if isinstance(error, OSError) else str(error)
        yield Row(environment=environment, adopted=is_known, because=because, programs=named)


def _list(*, as_json: bool) -> None:
    machine = machine_here()
    listed = list(rows(machine))
    if as_json:
        import json

        told: dict[str, Any] = {"schema": SCHEMA, "environments": [e.as_dict() for e in listed]}
        sys.stdout.write(json.dumps(told, indent=2) + "\n")
        return
    console = Console()
    for title, chosen in (
        ("Adopted", [each for each in listed if each.adopted]),
        ("Can be adopted", [each for each in listed if not each.adopted and not each.because]),
        ("Cannot be adopted", [each for each in listed if not each.adopted and each.because]),
    ):
        for number, row in enumerate(chosen):
            if not number:
                console.say((title, "bold"))
            programs = f"  {', '.join(row.programs)}" if row.programs else ""
            because = f"  {row.because}" if row.because else ""
            console.say(f"  {row.environment}", (programs, "cyan"), (because, "yellow"))
    if not listed:
        console.say("No environment here has a uv of its own.")


def _adopt(targets: Sequence[str], *, dry_run: bool) -> int:
    home, _ = setup_steps.own_places(os.environ)
    refused: list[Problem] = []
    planned: list[Wanted] = []
    for environment in targets:
        try:
            planned.append(adoption.wanted(environment, os.environ))
        except adoption.Refused as error:  # noqa: PERF203 (few are named)
            refused.append(Problem(environment, str(error)))
    # Files may be in place without a record of them: its home was lost, or is another.
    known = {each.environment for each in adoption.on_record(os.environ)}
    changes = [e for e in planned if not (e.is_done and e.adopted.environment in known)]
    lines = Lines(home, ())
    if dry_run:
        for each in changes:
            paths = (each.adopted.shim, *each.adopted.files)
            lines += [f"would write  {lines.shown(path)}" for path in paths]
    elif changes:
        lines = adoption.adopt(changes, os.environ)
    if not changes and not refused:
        lines.append("Nothing to do: it is adopted already.")
    lines.problems[:0] = refused
    return _say(lines)


def _undo(targets: Sequence[str], *, dry_run: bool) -> int:
    home, _ = setup_steps.own_places(os.environ)
    known = adoption.on_record(os.environ)
    lines = Lines(home, ())
    if not known and not targets:
        lines.append("Nothing to do: nothing is adopted.")
    elif dry_run:
        for each in adoption.chosen_of(known, targets):
            paths = (*each.files, each.shim)
            lines += [f"would delete  {lines.shown(p)}" for p in paths if os.path.lexists(p)]
    else:
        lines = adoption.undo_recorded(targets, os.environ)
    return _say(lines)


def _say(lines: Lines) -> int:
    told = [*lines, *remarks(lines.problems, (), lines.shown)]
    Console().say_all((line,) for line in told if line)
    return 0 if lines.complete else EXIT_FINDINGS
