"""`linkpolicy reclaim`: get disk space back from environments that exist."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from uvx_policy import errors
from uvx_policy.caches.command import add_wait
from uvx_policy.caches.sources import environments_below
from uvx_policy.errors import UsageError
from uvx_policy.installed import settled
from uvx_policy.installed.tree import ARCHIVES, Index
from uvx_policy.machine.machine import open_machine
from uvx_policy.machine.search import typed_root
from uvx_policy.reclaim import as_json, report
from uvx_policy.reclaim.plan import Plan, Wanted
from uvx_policy.reclaim.seed import Seed, seeds
from uvx_policy.reclaim.work import Work
from uvx_policy.repair import work as repair
from uvx_policy.state.files import path_of
from uvx_policy.state.layout import EDITS
from uvx_policy.terminal.console import Console, check_can_ask
from uvx_policy.terminal.progress import progress

if TYPE_CHECKING:
    from uvx_policy.machine.machine import Machine

#: what could have been done, and was not
_FAILED = frozenset(("busy", "locked", "error"))


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `reclaim` to the command line."""
    parser = commands.add_parser("reclaim")
    parser.add_argument(
        "roots", nargs="*", metavar="ROOT",
        help="environment, project, or directory to search (default: every known environment)",
    )  # fmt: skip
    parser.add_argument("--dry-run", action="store_true", help="show what would be done")
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--method", choices=("auto", "dedupe", "hardlink"), default="auto",
        help="share blocks, use hard links, or share blocks where possible (default)",
    )  # fmt: skip
    parser.add_argument(
        "--seed", action=argparse.BooleanOptionalAction, default=False,
        help="first fill the cache of each file system from the environments there",
    )  # fmt: skip
    parser.add_argument(
        "--within-cache", action="store_true", help="also link equal files of caches to each other"
    )
    parser.add_argument(
        "--min-size", type=_size, metavar="N", default=0, help="leave files of fewer bytes"
    )
    add_wait(parser)
    parser.add_argument(
        "--jobs", type=_jobs, metavar="N", default=0, help="processes (default: one per processor)"
    )
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    parser.set_defaults(command=run)


def _size(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError("must not be negative")
    return value


def _jobs(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def run(options: argparse.Namespace) -> int:
    """0 when nothing failed, 1 when something was left that could have been done.

    Raises `UsageError`, `ConfigError`; with --seed `RealUvNotFound`.
    """
    if not (options.yes or options.dry_run):
        check_can_ask(json=options.json)
    return _Run(open_machine(), options).run()


class _Run:
    """What is shown, asked and done in one run."""

    def __init__(self, machine: Machine, options: argparse.Namespace) -> None:
        self._machine = machine
        self._options = options
        self._console = Console()
        self._wanted = Wanted(
            environments=_environments(machine, options.roots),
            method=options.method,
            within_cache=options.within_cache,
            least=options.min_size,
        )
        #: what caches got, `None` where that was not asked for
        self._seeds: list[Seed] | None = None

    def run(self) -> int:
        """The exit code."""
        options = self._options
        plan = self._plan()
        if options.seed:
            self._seeds = self._seed(dry_run=True)
        if not options.json:
            self._show(plan)
        if options.dry_run:
            if options.json:
                _print(as_json.report(plan, self._seeds, dry_run=True, is_complete=True))
            return 0
        is_work = plan.files or any(seed.packages for seed in self._seeds or ())
        if is_work and not options.yes and not self._console.ask("Continue?"):
            self._console.say("Nothing was changed.")
            return errors.EXIT_FINDINGS
        if options.seed:
            self._seeds = self._seed(dry_run=False)
            # What has been made now is what the files of environments are linked to.
            self._machine = open_machine()
            plan = self._plan()
        return self._carry_out(plan)

    def _plan(self) -> Plan:
        with progress("looking for environments") as advance:
            return Plan(self._machine, self._wanted, advance)

    def _seed(self, *, dry_run: bool) -> list[Seed]:
        with progress("looking for wheels") as advance:
            return seeds(
                self._machine, self._wanted.environments,
                wait=self._options.wait, dry_run=dry_run, advance=advance,
            )  # fmt: skip

    def _saving(self) -> repair.Work:
        state = self._machine.state
        return repair.Work(state, path_of(state, EDITS), self._options.wait)

    def _carry_out(self, plan: Plan) -> int:
        options, console = self._options, self._console
        before = self._saving()
        repair.clean_up(Index(plan.caches, plan.environments), before.rescue)
        work = Work(plan, options.wait, options.jobs, self._saving)
        if plan.files:
            with progress("waiting for locks") as advance:
                work.carry_out(advance)
        plan.remembered.save()
        failed = any(_FAILED & volume.left.left.keys() for volume in plan.volumes)
        failed = failed or any(seed.problem for seed in self._seeds or ())
        is_complete = not (
            failed or work.is_broken or work.is_interrupted or work.busy or work.errors
        )
        if is_complete and options.method == "auto" and options.min_size <= 1:
            settled.remember(self._machine.state, plan.environments)
        if options.json:
            _print(as_json.report(plan, self._seeds, dry_run=False, is_complete=is_complete))
            console = Console(stream=sys.stderr)
            console.say_all(report.busy(work))
        else:
            console.say_all(report.seeded(self._seeds or (), console, done=True))
            console.say_all(report.done(plan, work, console))
        for path in dict.fromkeys(filter(None, (before.saved, *work.saved))):
            console.say(f"Edits made in the meantime are saved in {console.path(path)}")
        if plan.files and not options.json:
            for hint in report.hints(plan):
                console.hint(hint)
        if work.is_interrupted:
            return errors.EXIT_INTERRUPTED
        return 0 if is_complete else errors.EXIT_FINDINGS

    def _show(self, plan: Plan) -> None:
        console = self._console
        if not plan.volumes:
            console.say("No environment is known.")
            return
        console.say_all(report.planned(plan, console))
        console.say_all(report.seeded(self._seeds or (), console, done=False))
        if not plan.files:
            for hint in report.for_others(plan.foreign):
                console.hint(hint)


def _environments(machine: Machine, roots: list[str]) -> tuple[str, ...]:
    """Absolute paths, each directory once. Raises `UsageError`."""
    if not roots:
        return machine.environment_paths
    found: dict[str, str] = {}
    for word in roots:
        top = typed_root(word, machine.cwd)
        if os.path.isdir(os.path.join(top, ARCHIVES)):
            raise UsageError(
                f"`{word}` is a cache", hint="name environments: caches are found automatically"
            )
        some = sorted(environments_below([top]))
        if not some:
            raise UsageError(f"no environment in `{word}`")
        for path in some:
            found.setdefault(os.path.realpath(path), path)
    return tuple(found.values())


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
