"""`linkpolicy verify`: are the files of environments and caches what their RECORDs say?"""

from __future__ import annotations

import functools
import os
import sys
from typing import TYPE_CHECKING

from uvx_policy import errors
from uvx_policy.installed.distributions import status_of
from uvx_policy.installed.finding import INTENDED
from uvx_policy.machine.machine import open_machine
from uvx_policy.verify import as_json
from uvx_policy.verify.contradictions import contradiction_of, finding_of
from uvx_policy.verify.elsewhere import with_places
from uvx_policy.verify.engine import Wanted, verify
from uvx_policy.verify.published import Published, attributed
from uvx_policy.verify.tally import Tally, progress
from uvx_policy.verify.targets import index_of, targets_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Sequence

    from uvx_policy.installed.distributions import Distribution
    from uvx_policy.installed.finding import Finding
    from uvx_policy.installed.record import RecordFile
    from uvx_policy.installed.tree import Index, Tree
    from uvx_policy.machine.machine import Machine
    from uvx_policy.verify.targets import Target


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `verify` to the command line."""
    parser = commands.add_parser("verify")
    add_targets(parser)
    parser.add_argument("--diff", action="store_true", help="show the changes in each edited file")
    parser.add_argument(
        "--full", action="store_true", help="also read unchanged files that were verified before"
    )
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    parser.set_defaults(command=run)


def add_targets(parser: argparse.ArgumentParser) -> None:
    """What `verify` and `repair` look at."""
    parser.add_argument(
        "targets", nargs="*", metavar="PATH",
        help="environment, project, cache, or file in one (default: the environment here)",
    )  # fmt: skip
    parser.add_argument("--cache", action="store_true", help="every known cache")
    parser.add_argument(
        "--all", action="store_true", help="every known environment and every known cache"
    )


def asked(options: argparse.Namespace) -> list[str]:
    """The words of `add_targets` that were given, as they mean the same in any directory."""
    flags = [f"--{name}" for name in ("cache", "all") if getattr(options, name)]
    return [*flags, *map(os.path.abspath, options.targets)]


def run(options: argparse.Namespace) -> int:
    """0 when all is well, 1 when not. Raises `UsageError`, `ConfigError`."""
    machine = open_machine()
    targets = targets_of(options.targets, machine, caches=options.cache, everything=options.all)
    index = index_of(machine, targets)
    tally = Tally()
    findings = look(targets, machine, index, tally, full=options.full)
    differences = _differences(findings, index, machine.state) if options.diff else {}
    if options.json:
        sys.stdout.write(f"{as_json.report(targets, findings, tally, differences)}\n")
    else:
        _say(findings, tally, differences, options)
    return errors.EXIT_FINDINGS if any(each.is_fault for each in findings) else 0


def look(
    targets: Sequence[Target], machine: Machine, index: Index, tally: Tally, *, full: bool = False
) -> list[Finding]:
    """Everything that is wrong in the targets, with the places where it is wrong as well.

    `tally` counts what was asked for, and nothing else. Raises `UsageError` for a part of an
    environment or cache that is of no package.
    """
    whole = list(dict.fromkeys(tree for each in targets if not each.part for tree in each.trees()))
    parts = [each for each in targets if each.part]

    def witness(tree: Tree, distribution: Distribution, found: RecordFile) -> Iterator[Finding]:
        contradiction = contradiction_of(tree, distribution, found, index)
        if contradiction is not None:
            yield finding_of(contradiction, tree)

    with progress([*whole, *(tree for each in parts for tree in each.trees())], tally) as advance:
        looking = functools.partial(
            verify, state=machine.state, full=full, tally=tally, advance=advance, witness=witness
        )
        found = list(looking(whole))
        for target in parts:
            files = tally.files
            inside = [
                each
                for each in looking(target.trees(), only=Wanted(below=target.part))
                if target.has(each)
            ]
            if tally.files == files and not inside:
                raise errors.UsageError(f"no package has `{target.part}`: it cannot be verified")
            found += inside
    return described(dict.fromkeys(found), index, machine)


def described(findings: Iterable[Finding], index: Index, machine: Machine) -> list[Finding]:
    """The findings of `verify`, with all that is known of them."""
    told = attributed(findings, index, Published(machine.state))
    return marked(with_places(told, index), machine)


def marked(findings: Iterable[Finding], machine: Machine) -> list[Finding]:
    """The same findings; those that their project intends say why.

    In a hackable project edits are intended, unless a cache or an environment where they are not
    has them as well, or both projects have one file together.
    """

    def intends(tree: Tree) -> bool:
        return tree.kind == "site" and machine.policy_at(tree.owner).name == "hackable"

    def is_private(finding: Finding) -> bool:
        return not finding.unknown_names and all(
            place.how == "same-bytes" and intends(place.tree) for place in finding.elsewhere
        )

    told = []
    for each in findings:
        if each.state in INTENDED and intends(each.tree) and is_private(each):
            policy = machine.policy_at(each.tree.owner)
            told.append(each.replace(intended=f"{policy.name} ({policy.origin})"))
        else:
            told.append(each)
    return told


def _differences(findings: Sequence[Finding], index: Index, state: str) -> dict[str, str]:
    """Path -> unified diff of each edited file, or why there is none; of one inode once."""
    from uvx_policy.verify.difference import difference
    from uvx_policy.verify.originals import Originals

    originals, published = Originals(index), Published(state)
    told: dict[str, str] = {}
    seen: set[tuple[int, int]] = set()
    for each in findings:
        status = status_of(each.path) if each.state == "edited" else None
        if status is not None and (status.st_dev, status.st_ino) not in seen:
            seen.add((status.st_dev, status.st_ino))
            label = each.row.path if each.row is not None else each.path
            original = originals.of(each, published.expected(each))
            told[each.path] = difference(each.path, original, label)
    return told


def _say(
    findings: Sequence[Finding],
    tally: Tally,
    differences: dict[str, str],
    options: argparse.Namespace,
) -> None:
    if not findings:
        sys.stdout.write(f"{tally.all_is_well()}\n")
        return
    from uvx_policy.terminal.console import Console
    from uvx_policy.verify import report

    console = Console()
    console.say_all(report.lines(findings, console))
    for each in findings:
        if each.path in differences:
            console.say_all(report.difference(differences[each.path]))
            console.say()
    console.say(report.summary(findings, tally))
    for hint in report.hints(findings, asked(options), diff=options.diff):
        console.hint(hint)
