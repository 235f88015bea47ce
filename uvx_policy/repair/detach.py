"""`linkpolicy detach`: private copies of installed packages, before they are edited on purpose.

A plan of `repair` in which every step gives one file an inode of its own.
"""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from uvx_policy import errors
from uvx_policy.caches.command import WAIT, add_wait
from uvx_policy.errors import UsageError
from uvx_policy.installed.tree import trees_of_environment
from uvx_policy.machine.machine import open_machine
from uvx_policy.repair.model import Location, Step
from uvx_policy.repair.shared import Shared, shared_files
from uvx_policy.repair.words import given
from uvx_policy.repair.work import Work
from uvx_policy.replace.build import is_shared
from uvx_policy.replace.place import seen_at
from uvx_policy.replace.shop import clean_up
from uvx_policy.settings import init_command
from uvx_policy.settings.check import suggestion
from uvx_policy.state.files import path_of
from uvx_policy.state.layout import EDITS
from uvx_policy.terminal import words
from uvx_policy.terminal.command import Hint, as_user, command
from uvx_policy.terminal.console import Console, can_ask
from uvx_policy.terminal.progress import progress
from uvx_policy.uv.requirement import normalized
from uvx_policy.value import Value
from uvx_policy.verify.command import described
from uvx_policy.verify.engine import verify
from uvx_policy.verify.targets import Target, index_of, targets_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from uvx_policy.installed.finding import Finding
    from uvx_policy.machine.machine import Machine

#: distributions that are listed
_MOST = 20


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `detach` to the command line."""
    parser = commands.add_parser("detach")
    parser.add_argument(
        "packages", nargs="*", metavar="PACKAGE", help="only these packages (default: all)"
    )
    parser.add_argument(
        "-p", "--environment", metavar="PATH",
        help="environment, or project with one (default: the environment here)",
    )  # fmt: skip
    parser.add_argument("--dry-run", action="store_true", help="show what would be done")
    parser.add_argument(
        "--hackable", action=argparse.BooleanOptionalAction, default=None,
        help="mark the project as hackable as well, or do not ask",
    )  # fmt: skip
    add_wait(parser)
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """0 when all files are the environment's own now, 1 when some are not, 130 after Ctrl-C.

    Raises `UsageError` for a package that is not there, `ConfigError`, `locks.Busy`.
    """
    machine = open_machine()
    console = Console()
    environment = environment_of(machine, options.environment)
    wanted = Wanted(
        environment=environment, packages=tuple(options.packages), dry_run=options.dry_run,
        wait=options.wait,
    )  # fmt: skip
    code = detach(machine, console, wanted)
    if code != errors.EXIT_INTERRUPTED:
        _mark(machine, environment, console, options)
    return code


def environment_of(machine: Machine, named: str | None) -> str:
    """Absolute path of the environment that was named, or of the one here. Raises `UsageError`."""
    if named is None:
        if machine.environment_here:
            return machine.environment_here
        raise UsageError("there is no environment here", hint="name one: --environment PATH")
    (target,) = targets_of([named], machine)
    if target.is_cache:
        raise UsageError(f"`{named}` is a cache, not an environment")
    return target.path


class Wanted(Value):
    """What to detach."""

    #: absolute path
    environment: str
    #: as they were typed; all when there are none
    packages: tuple[str, ...] = ()
    dry_run: bool = False
    #: seconds for the environment's lock
    wait: float = WAIT

    @property
    def command(self) -> tuple[str, ...]:
        """The words that do the same again, from any directory."""
        return ("linkpolicy", "detach", "-p", self.environment, *self.packages)


def detach(machine: Machine, console: Console, wanted: Wanted) -> int:
    """Say what will be done, do it, and say what was done; the exit code of `run`."""
    work = Work(machine.state, path_of(machine.state, EDITS), wanted.wait)
    if not wanted.dry_run:
        for tree in trees_of_environment(wanted.environment):
            clean_up(tree.path, work.rescue)
    chosen = _chosen(wanted)
    unknown = [each for each in chosen if each.unknown]
    for each in unknown:
        console.say(f"{_name(each)} has no RECORD: its files are not known.")
    if unknown:
        repair = command("linkpolicy", "repair", wanted.environment)
        console.hint(Hint(text="restore the RECORD", commands=(repair,)))
    shared = [each for each in chosen if each.paths]
    if not shared:
        where = console.path(wanted.environment)
        console.say(f"No file in {where} is shared with a cache or another environment.")
        return errors.EXIT_FINDINGS if unknown else 0
    edited = _edited(machine, wanted.environment, shared)
    for line in _planned(shared, dry_run=wanted.dry_run):
        console.say(line)
    if wanted.dry_run:
        _say_edited(edited, console)
        return errors.EXIT_FINDINGS if unknown else 0
    is_complete = _carry_out(work, console, wanted, shared)
    if is_complete is None:
        return errors.EXIT_INTERRUPTED
    _say_edited(edited, console)
    return 0 if is_complete and not unknown else errors.EXIT_FINDINGS


def _carry_out(
    work: Work, console: Console, wanted: Wanted, shared: Sequence[Shared]
) -> bool | None:
    """Were all files detached? `None` after Ctrl-C."""
    steps = _steps(wanted.environment, shared)
    try:
        with progress() as advance:
            work.carry_out(steps, lambda: _steps(wanted.environment, _chosen(wanted)), advance)
    except KeyboardInterrupt:
        left = sum(is_shared(step.location.path) for step in steps)
        number = len(steps) - left
        console.say(
            f"Interrupted: {number:,} of {words.count(len(steps), 'file')} "
            f"{words.verb(number, 'was', 'were')} detached, {left:,} "
            f"{words.verb(left, 'is', 'are')} still shared."
        )
        console.hint(Hint(text="do the rest", commands=(command(*wanted.command),)))
        return None
    failed = [step for step in work.done if step.result == "failed"]
    for step in failed:
        console.say(("failed  ", "red"), f"{console.path(step.location.path)}: {step.detail}")
    for uid in sorted({step.whose for step in failed} - {0}):
        commands = (*given(uid, [wanted.environment]), as_user(uid, *wanted.command))
        console.hint(Hint(text="run detach as the owner", commands=commands))
    done = [step for step in work.done if step.result != "failed"]
    packages = words.count(len({step.distribution for step in done}), "package")
    console.say(f"{words.count(len(done), 'file')} of {packages} detached.")
    if not failed:
        console.say("Edits to them no longer reach a cache or another environment.")
    return not failed


def _chosen(wanted: Wanted) -> list[Shared]:
    """The distributions that were asked for. Raises `UsageError`."""
    found = [
        each
        for tree in trees_of_environment(wanted.environment)
        for each in shared_files(tree.path)
    ]
    if not wanted.packages:
        # An editable project is a file that names a directory: there is nothing to detach.
        return [each for each in found if not (each.unknown and not each.paths)]
    by_name: dict[str, list[Shared]] = {}
    for each in found:
        by_name.setdefault(normalized(each.distribution.name), []).append(each)
    chosen: dict[str, list[Shared]] = {}
    for word in wanted.packages:
        name = normalized(word)
        if name not in by_name:
            hint = suggestion(name, tuple(by_name), "`")
            raise UsageError(f"`{word}` is not installed here", hint=hint)
        chosen[name] = by_name[name]
    return [each for group in chosen.values() for each in group]


def _steps(environment: str, shared: Sequence[Shared]) -> list[Step]:
    trees = {tree.path: tree for tree in trees_of_environment(environment)}
    return [
        Step(
            action="detach",
            location=Location(
                path=path,
                tree=trees[each.distribution.site],
                dist_info=each.distribution.dist_info,
                seen=seen_at(path),
                package=seen_at(each.distribution.record),
                shared=True,
            ),
            distribution="-".join(
                filter(None, (each.distribution.name, each.distribution.version))
            ),
            name=os.path.relpath(path, each.distribution.site),
        )
        for each in shared
        # Not of a site directory that was exchanged for another one meanwhile.
        if each.distribution.site in trees
        for path in each.paths
    ]


def _planned(shared: Sequence[Shared], *, dry_run: bool) -> Iterator[str]:
    verb = "would be" if dry_run else "will be"
    for each in shared[:_MOST]:
        files = words.count(len(each.paths), "file")
        yield f"{_name(each)}: {files} {verb} copied ({words.size(each.size)})"
    if len(shared) > _MOST:
        rest = shared[_MOST:]
        files = words.count(sum(len(each.paths) for each in rest), "file")
        size = words.size(sum(each.size for each in rest))
        packages = words.count(len(rest), "more package")
        yield f"{files} of {packages} {verb} copied ({size})"


def _name(shared: Shared) -> str:
    return f"{shared.distribution.name} {shared.distribution.version}".strip()


# Edits that have leaked already ------------------------------------------------------------------


def _edited(machine: Machine, environment: str, shared: Sequence[Shared]) -> list[Finding]:
    """Files to be detached that are edited already, where others have the same edit."""
    paths = {path for each in shared for path in each.paths}
    trees = trees_of_environment(environment)
    edited = [
        each for each in verify(trees, only=paths, state=machine.state) if each.state == "edited"
    ]
    if not edited:
        return []
    index = index_of(machine, [Target(path=environment)])
    return [each for each in described(edited, index, machine) if each.is_shared]


def _say_edited(edited: Sequence[Finding], console: Console) -> None:
    """Detaching takes no edit back from where it has leaked to."""
    if not edited:
        return
    places = [place.tree for each in edited for place in each.elsewhere]
    # Environments get it back together with their cache.
    caches = [tree.owner for tree in places if tree.kind == "archive"]
    owners = list(dict.fromkeys(caches or [tree.owner for tree in places]))
    where = words.listed(map(console.path, owners)) if owners else "an unknown environment"
    was = words.verb(len(edited), "was", "were")
    names = words.listed(f"`{each.row.path}`" for each in edited if each.row is not None)
    console.say(
        f"{words.count(len(edited), 'file')} {was} edited already, and the same edit is in "
        f"{where}: {names}"
    )
    if owners:
        repair = command("linkpolicy", "repair", *owners)
        console.hint(Hint(text="restore the original there", commands=(repair,)))


# The project -------------------------------------------------------------------------------------


def offer(directory: str, *, dry_run: bool) -> int:
    """Say how many installed files of a hackable project are shared, and offer to detach them.

    The exit code of `run`. Raises `ConfigError`, `locks.Busy`.
    """
    machine = open_machine()
    console = Console()
    code = 0
    for environment in _environments_of(machine, os.path.realpath(directory)):
        wanted = Wanted(environment=environment)
        number = sum(len(each.paths) for each in _chosen(wanted))
        if not number:
            continue
        is_shared = f"{words.verb(number, 'is', 'are')} shared with a cache or another environment"
        it = words.verb(number, "it", "one of them")
        console.say(
            f"{words.count(number, 'installed file')} in {console.path(environment)} {is_shared}: "
            f"an edit to {it} shows there as well."
        )
        if not dry_run and can_ask():
            if console.ask("Detach now?"):
                code = max(code, detach(machine, console, wanted))
        else:
            here = os.path.realpath(machine.environment_here) == os.path.realpath(environment)
            again = ("linkpolicy", "detach") if here else wanted.command
            console.hint(Hint(text="give them private copies", commands=(command(*again),)))
    return code


def _environments_of(machine: Machine, project: str) -> list[str]:
    """Its `.venv`, and every other environment that is known to be its own."""
    return [
        path
        for path in dict.fromkeys((os.path.join(project, ".venv"), *machine.environment_paths))
        if os.path.isdir(path)
        and os.path.realpath(machine.environment_at(path).project or os.sep) == project
    ]


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
