"""`linkpolicy repair`: put edited files back everywhere, and keep what was edited."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from typing import TYPE_CHECKING

from uvx_policy import errors
from uvx_policy.caches import locks
from uvx_policy.caches.command import add_wait
from uvx_policy.errors import RealUvNotFound, UsageError
from uvx_policy.installed.tree import Tree, trees_of_environment
from uvx_policy.machine.machine import open_machine
from uvx_policy.repair import apply, as_json, restore, unfinished, words
from uvx_policy.repair import backup as keep
from uvx_policy.repair.gather import Gathering
from uvx_policy.repair.model import Outcome, Package, Result, Wishes
from uvx_policy.repair.plan import make_plan
from uvx_policy.repair.uv import Uv, UvFailed
from uvx_policy.state.files import path_of
from uvx_policy.state.layout import EDITS
from uvx_policy.terminal.console import Console, check_can_ask
from uvx_policy.terminal.progress import progress as activity
from uvx_policy.verify.command import add_targets, asked, look
from uvx_policy.verify.elsewhere import with_places
from uvx_policy.verify.engine import verify
from uvx_policy.verify.originals import Originals
from uvx_policy.verify.progress import progress
from uvx_policy.verify.tally import Tally
from uvx_policy.verify.targets import index_of, targets_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from uvx_policy.installed.finding import Finding
    from uvx_policy.installed.index import Index
    from uvx_policy.installed.tree import TreeKind
    from uvx_policy.machine.machine import Machine
    from uvx_policy.repair.backup import Edit
    from uvx_policy.repair.model import Damage, Plan, Step
    from uvx_policy.verify.targets import Target


# The command line --------------------------------------------------------------------------------


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `repair` to the command line."""
    parser = commands.add_parser(
        "repair", help="restore edited files in environments and caches; saves the edits first"
    )
    add_targets(parser)
    parser.add_argument("--dry-run", action="store_true", help="show what would be done")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--keep-edits", metavar="DIR", help="save edits there (default: the state directory)"
    )
    parser.add_argument(
        "--also-hackable", action="store_true",
        help="also restore hackable projects, where edits are intended",
    )  # fmt: skip
    parser.add_argument(
        "--remove-extra", action="store_true",
        help="also remove files that no RECORD names from environments",
    )  # fmt: skip
    parser.add_argument("--offline", action="store_true", help="do not let uv use the network")
    add_wait(parser)
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """0 when all is well now, 1 when something is left.

    Raises `UsageError`, `ConfigError`, `locks.Busy`, `keep.CannotKeep`: then nothing was changed.
    """
    if not (options.yes or options.dry_run):
        check_can_ask(json=options.json)
    repair = _Repair(options)
    plan = repair.plan()
    if not options.json:
        repair.console.say_all(words.planned(plan, repair.edits_directory, repair.console))
    if options.dry_run:
        if options.json:
            sys.stdout.write(f"{as_json.report(repair.targets, plan, None)}\n")
        return 0 if all(step.meant for step in plan.steps) else errors.EXIT_FINDINGS
    if words.changes(plan) and not options.yes and not repair.console.ask("Continue?"):
        repair.console.say("Nothing was changed.")
        return errors.EXIT_FINDINGS
    outcome = repair.carry_out(plan)
    if options.json:
        sys.stdout.write(f"{as_json.report(repair.targets, plan, outcome)}\n")
    elif plan.steps:
        repair.console.say_all(words.outcome(outcome, repair.console))
        for hint in words.hints(outcome, asked(options)):
            repair.console.hint(hint)
    return 0 if outcome.is_well else errors.EXIT_FINDINGS


# Doing it ----------------------------------------------------------------------------------------


class _Repair:
    """One run."""

    def __init__(self, options: argparse.Namespace) -> None:
        """Raises `UsageError`, `ConfigError`."""
        self._machine: Machine = open_machine()
        self._options = options
        #: what was asked for
        self.targets: list[Target] = targets_of(
            options.targets, self._machine, caches=options.cache, everything=options.all
        )
        self.console = Console()
        self._index: Index = index_of(self._machine, self.targets)
        self._originals = Originals(self._index)
        self._gathering = Gathering(
            self._index, self._originals, self._machine.environ, self._machine.state
        )
        self._wishes = Wishes(
            also_hackable=options.also_hackable, remove_extra=options.remove_extra
        )
        self._findings: list[Finding] = []
        self._unsavable: set[Step] = set()
        self._before: dict[str, list[tuple[Tree, str]]] = {}

    @property
    def edits_directory(self) -> str:
        """Where edits are saved: absolute. Raises `UsageError` if there is no such place."""
        if self._options.keep_edits is not None:
            return os.path.join(self._machine.cwd, self._options.keep_edits)
        if not self._machine.state:
            raise UsageError("there is no state directory", hint="name one: --keep-edits DIR")
        return path_of(self._machine.state, EDITS)

    def plan(self) -> Plan:
        """Look, and decide what is to be done."""
        self._look()
        return self._plan(fetched=None)

    def _look(self) -> None:
        """Find everything that is wrong."""
        trees = [(target, tree) for target in self.targets for tree in target.trees()]
        tally = Tally()
        target_of = {tree: target for target, tree in trees}
        with progress([tree for _, tree in trees], tally) as advance:
            found = list(
                verify(
                    [tree for _, tree in trees],
                    state=self._machine.state, tally=tally, advance=advance,
                )
            )  # fmt: skip
        found = [each for each in found if target_of[each.tree].has(each)]
        found += self._unfinished_before()
        # First: of two findings of a file it is the wheel that is right, not the RECORD here.
        found[:0] = (
            each
            for target, tree in trees
            for each in self._gathering.contradicted(tree)
            if target.has(each)
        )
        self._findings = with_places(found, self._index)

    def _unfinished_before(self) -> list[Finding]:
        """What repairs that were killed did not get to."""
        self._before = unfinished.left(self._machine.state)
        paths: dict[Tree, set[str]] = {}
        for tree, path in (each for rows in self._before.values() for each in rows):
            paths.setdefault(tree, set()).add(path)
        return [
            each for tree, only in paths.items() for each in verify([tree], only=only, workers=0)
        ]

    def _plan(self, fetched: dict[str, str] | None) -> Plan:
        damages: list[Damage] = self._gathering.damages(self._findings)
        return make_plan(damages, self._gathering.policies(damages), self._wishes, fetched)

    def carry_out(self, plan: Plan) -> Outcome:
        """Fetch, lock, save, do, and look again. Raises `Busy`, `CannotKeep`."""
        if not plan.steps:
            self._clean_up()
            for name in self._before:
                unfinished.end(self._machine.state, name)
            return Outcome()
        with contextlib.ExitStack() as undo:
            advance = undo.enter_context(activity())
            if plan.fetch:
                fetched = self._fetched(plan.fetch, undo, advance)
                plan = self._plan(fetched)
            plan, results, saved = self._applied(plan, advance)
        for step in plan.steps:
            if step.action == "reinstall":
                with activity() as advance:
                    advance(f"uv reinstalls {step.distribution}")
                    results.append(self._reinstalled(step))
        left, meant = self._left(plan)
        return Outcome(
            results=tuple(results),
            saved=saved,
            left=tuple(left),
            meant=meant,
            unknown_names=self._unknown_names(plan),
        )

    def _applied(
        self, plan: Plan, advance: Callable[[str], None]
    ) -> tuple[Plan, list[Result], str]:
        """Under the locks: save, and do. Gives the plan that was carried out, too."""
        waited = False

        def waiting(holder: locks.Holder) -> None:
            nonlocal waited
            waited = True
            advance(f"waiting for {holder}")

        def doing(step: Step) -> None:
            advance(f"{step.action} {step.spot.path}")

        with contextlib.ExitStack() as held:
            for directory in apply.owners_to_lock(plan):
                held.enter_context(locks.alone(directory, self._options.wait, meanwhile=waiting))
            if waited:
                plan = self._planned_again(plan)
            self._clean_up()
            edits = [*apply.edits_of(plan), *self._edits_before_reinstalling(plan)]
            kept = keep.keep(edits, self.edits_directory) if edits else keep.Kept(seen={})
            name = unfinished.begin(self._machine.state, plan)
            results = list(apply.apply(plan, kept.seen, doing))
            for each in (name, *self._before):
                unfinished.end(self._machine.state, each)
            return plan, results, kept.directory

    def _planned_again(self, agreed: Plan) -> Plan:
        """The same, as far as it is still to be done: whoever was waited for may have done it."""
        self._gathering = Gathering(
            self._index, self._originals, self._machine.environ, self._machine.state
        )
        self._look()
        paths = {step.spot.path for step in agreed.steps}
        plan = self._plan(fetched={})
        return plan.replace(steps=tuple(step for step in plan.steps if step.spot.path in paths))

    def _edits_before_reinstalling(self, plan: Plan) -> list[Edit]:
        found: list[Edit] = []
        for step in plan.steps:
            if step.action == "reinstall":
                edits = self._gathering.edits_in(step)
                if edits is None:
                    self._unsavable.add(step)
                found += edits or ()
        return found

    def _clean_up(self) -> None:
        """Remove what killed runs left, in all that is known: nobody knows which it was."""
        for cache in self._index.caches:
            restore.clean_up(cache)
        for environment in self._index.environments:
            for tree in trees_of_environment(environment):
                restore.clean_up(tree.path)

    def _fetched(
        self,
        packages: Sequence[Package],
        undo: contextlib.ExitStack,
        advance: Callable[[str], None],
    ) -> dict[str, str]:
        """Let uv fetch originals to a private place; why it could not, for each."""
        place = tempfile.mkdtemp(prefix="linkpolicy-originals-")
        undo.callback(shutil.rmtree, place, ignore_errors=True)
        fetched = {}
        for number, package in enumerate(packages):
            advance(f"uv fetches {package.release}")
            into = os.path.join(place, str(number))
            os.mkdir(into)
            fetched[package.release] = ""
            try:
                self._uv().fetch(package, into=into, project=self._project(package.environment))
            except (UvFailed, UsageError) as error:
                fetched[package.release] = str(error)
            site = os.path.join(into, "site")
            self._originals.look_also_in(Tree(path=site, kind="site", owner=site))
        return fetched

    def _reinstalled(self, step: Step) -> Result:
        spot = step.spot
        if step in self._unsavable:
            text = "without any RECORD nobody knows what is edited and would be lost"
            return Result(step=step, state="failed", text=text)
        name, _, version = (
            os.path.basename(spot.dist_info).removesuffix(".dist-info").partition("-")
        )
        package = Package(
            name=name, version=version, environment=spot.owner, dist_info=spot.dist_info
        )
        known = self._gathering.environment(spot.owner)
        cache = step.source or known.cache
        try:
            self._uv().reinstall(
                package,
                cache=cache,
                link_mode=known.link_mode,
                project=self._project(spot.owner),
                evict=bool(step.source),
            )
        except (UvFailed, UsageError) as error:
            return Result(step=step, state="failed", text=str(error))
        return Result(step=step, state="done")

    def _project(self, environment: str) -> str:
        """Where uv is started: settings there say from where packages come."""
        if not environment:
            return self._machine.cwd
        project = self._gathering.environment(environment).project
        return project if os.path.isdir(project) else os.path.dirname(environment)

    def _uv(self) -> Uv:
        if not self._machine.uv:
            raise RealUvNotFound
        return Uv(
            program=os.path.abspath(self._machine.uv),
            environ=self._machine.environ,
            offline=self._options.offline,
            wait=self._options.wait,
        )

    def _unknown_names(self, plan: Plan) -> int:
        """How many names of edited inodes are in no environment that is known."""
        changing = (*apply.REPLACES, "detach")
        replaced = {step.spot.path for step in plan.steps if step.action in changing}
        found = {}
        for finding in self._findings:
            if finding.path in replaced:
                names = {finding.path, *(place.path for place in finding.elsewhere)}
                found[min(names)] = finding.unknown_names
        return sum(found.values())

    def _left(self, plan: Plan) -> tuple[list[Finding], int]:
        """Look again: what is still wrong, and how many files are wrong on purpose."""
        index = index_of(self._machine, self.targets)
        found = look(self.targets, self._machine, index, Tally())
        seen = {each.path for each in found}
        targets = {target.path for target in self.targets}
        others: dict[Tree, set[str]] = {}
        for spot in (step.spot for step in plan.steps if step.action != "leave"):
            if spot.owner not in targets and spot.kind != "store":
                kind: TreeKind = "site" if spot.kind == "site" else "archive"
                tree = Tree(path=spot.tree, kind=kind, owner=spot.owner)
                others.setdefault(tree, set()).add(spot.path)
        for tree, only in others.items():
            found += [
                each for each in verify([tree], only=only, workers=0) if each.path not in seen
            ]
        meant = {
            step.spot.path
            for step in plan.steps
            if step.spot.kind == "site" and step.action in ("detach", "leave") and step.meant
        }
        return [each for each in found if each.path not in meant], len(
            [each for each in found if each.path in meant]
        )
