"""`linkpolicy repair`: restore edited files everywhere, and keep what was edited."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from typing import TYPE_CHECKING

from uvx_policy import errors
from uvx_policy.caches.command import add_wait
from uvx_policy.machine.machine import open_machine
from uvx_policy.repair import as_json, fetch, words
from uvx_policy.repair.engine import Repair
from uvx_policy.repair.work import Work
from uvx_policy.state.files import path_of
from uvx_policy.state.layout import EDITS
from uvx_policy.terminal.command import Hint, command
from uvx_policy.terminal.console import Console, check_can_ask
from uvx_policy.terminal.progress import progress
from uvx_policy.verify.command import add_targets, asked
from uvx_policy.verify.targets import targets_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from uvx_policy.machine.machine import Machine
    from uvx_policy.repair.model import Step
    from uvx_policy.verify.targets import Target


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `repair` to the command line."""
    parser = commands.add_parser("repair")
    add_targets(parser)
    parser.add_argument("--dry-run", action="store_true", help="show what would be done")
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--keep-edits", metavar="DIR", help="save edits there (default: the state directory)"
    )
    parser.add_argument(
        "--also-hackable", action="store_true",
        help="also restore hackable projects, where edits are intended",
    )  # fmt: skip
    parser.add_argument(
        "--remove-extra", action="store_true",
        help="also remove files that are not in any RECORD from environments",
    )  # fmt: skip
    parser.add_argument("--offline", action="store_true", help="do not let uv use the network")
    add_wait(parser)
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """0 when all is well now, 1 when something is left.

    Raises `UsageError`, `ConfigError`; `locks.Busy` and `backup.CannotKeep`: then nothing was
    changed, or what was changed has been reported.
    """
    if not (options.yes or options.dry_run):
        check_can_ask(json=options.json)
    machine = open_machine()
    targets = targets_of(
        options.targets, machine, caches=options.cache, everything=options.all, asker="repair"
    )
    directory = _edits_directory(machine, options)
    work = Work(machine.state, directory, options.wait)
    repair = Repair(
        machine,
        targets,
        work,
        functools.partial(fetch.real_uv, machine, offline=options.offline, wait=options.wait),
        progress,
        also_hackable=options.also_hackable,
        remove_extra=options.remove_extra,
    )
    with contextlib.closing(repair):
        return _Run(repair, work, targets, directory, options).run()


def _edits_directory(machine: Machine, options: argparse.Namespace) -> str:
    """Where edits are saved: absolute. Raises `UsageError` if there is no such place."""
    if options.keep_edits is not None:
        return os.path.join(machine.cwd, options.keep_edits)
    if not machine.state:
        raise errors.UsageError("there is no state directory", hint="name one: --keep-edits DIR")
    return path_of(machine.state, EDITS)


class _Run:
    """What is shown and asked in one run."""

    def __init__(
        self,
        repair: Repair,
        work: Work,
        targets: Sequence[Target],
        edits_directory: str,
        options: argparse.Namespace,
    ) -> None:
        self._repair = repair
        self._work = work
        self._targets = targets
        self._edits_directory = edits_directory
        self._options = options
        self._console = Console()

    def run(self) -> int:
        """The exit code."""
        steps = self._repair.plan()
        if self._options.dry_run or not steps:
            return self._only_shown(steps)
        if not self._is_agreed(steps):
            self._console.say("Nothing was changed.")
            return errors.EXIT_FINDINGS
        try:
            while steps := self._repair.carry_out(steps):
                if not self._is_agreed(steps):
                    break
        except errors.LinkPolicyError:
            if self._repair.done:
                self._report()
            raise
        except KeyboardInterrupt:
            return self._interrupted()
        return self._report()

    def _only_shown(self, steps: Sequence[Step]) -> int:
        if not steps and not self._options.dry_run:
            self._repair.clean_up()
        if self._options.json:
            outcome = None if self._options.dry_run else self._repair.outcome()
            _print_json(as_json.report(self._targets, steps, outcome))
        else:
            self._show(steps)
            if not steps:
                self._console.say(words.well(self._repair.findings, self._repair.tally))
        return 0 if all(step.is_intended for step in steps) else errors.EXIT_FINDINGS

    def _show(self, steps: Sequence[Step]) -> None:
        self._console.say_all(words.planned(steps, self._edits_directory, self._console))

    def _is_agreed(self, steps: Sequence[Step]) -> bool:
        if not self._options.json:
            self._show(steps)
        changes = any(step.is_change or step.action == "fetch" for step in steps)
        return not changes or self._options.yes or self._console.ask("Continue?")

    def _report(self) -> int:
        outcome = self._repair.outcome()
        if self._options.json:
            _print_json(as_json.report(self._targets, outcome.steps, outcome))
        else:
            console = self._console
            console.say_all(words.outcome(outcome, self._repair.tally, console))
            for hint in words.hints(outcome, asked(self._options)):
                console.hint(hint)
        return 0 if outcome.is_well else errors.EXIT_FINDINGS

    def _interrupted(self) -> int:
        if not self._options.json:
            self._console.say_all(words.interrupted(self._work, self._console))
            again = command("linkpolicy", "repair", *asked(self._options))
            self._console.hint(Hint(text="do the rest", commands=(again,)))
        return errors.EXIT_INTERRUPTED


def _print_json(text: str) -> None:
    """One object on stdout."""
    sys.stdout.write(f"{text}\n")
