"""`linkpolicy edits`: list what `repair` saved, show it, and apply it again."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any

from uvx_policy import errors
from uvx_policy.caches.command import add_wait
from uvx_policy.errors import LinkPolicyError, UsageError
from uvx_policy.foreign_file import pieces
from uvx_policy.installed.distributions import distributions
from uvx_policy.installed.hash import of_pieces
from uvx_policy.installed.tree import trees_of_environment
from uvx_policy.machine.machine import open_machine
from uvx_policy.repair import saved
from uvx_policy.repair.detach import environment_of
from uvx_policy.repair.model import Location, Step, release_of
from uvx_policy.repair.work import Work
from uvx_policy.replace.place import seen_at
from uvx_policy.safe import safe
from uvx_policy.state.files import path_of
from uvx_policy.state.layout import EDITS
from uvx_policy.terminal import words
from uvx_policy.terminal.command import Hint, command
from uvx_policy.terminal.console import Console
from uvx_policy.terminal.progress import progress
from uvx_policy.uv.requirement import normalized
from uvx_policy.value import Value
from uvx_policy.verify.engine import verify
from uvx_policy.verify.originals import Original

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from uvx_policy.installed.hash import Hash
    from uvx_policy.installed.tree import Tree
    from uvx_policy.machine.machine import Machine
    from uvx_policy.repair.saved import SavedEdits, SavedFile

SCHEMA = 1


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `edits` to the command line."""
    edits = commands.add_parser("edits")
    edits.add_argument("--json", action="store_true", help="machine-readable output")
    edits.set_defaults(command=_list)
    actions = edits.add_subparsers(metavar="COMMAND", prog=edits.prog)
    show = actions.add_parser("show")
    apply = actions.add_parser("apply")
    for parser in (show, apply):
        parser.add_argument("edit", metavar="EDIT", help="its number in the list, or its name")
        parser.add_argument(
            "packages", nargs="*", metavar="PACKAGE", help="only these packages (default: all)"
        )
    show.set_defaults(command=_show)
    apply.add_argument(
        "-p", "--environment", metavar="PATH",
        help="environment, or project with one (default: the environment here)",
    )  # fmt: skip
    apply.add_argument("--dry-run", action="store_true", help="show what would be changed")
    add_wait(apply)
    apply.set_defaults(command=_apply)


def _every(machine: Machine) -> list[SavedEdits]:
    return saved.every(path_of(machine.state, EDITS)) if machine.state else []


def _list(options: argparse.Namespace) -> int:
    machine = open_machine()
    found = _every(machine)
    if options.json:
        told = {"schema": SCHEMA, "edits": [_object(each) for each in found]}
        sys.stdout.write(json.dumps(told, indent=2) + "\n")
        return 0
    console = Console()
    if not found:
        console.say("No edits are saved.")
        return 0
    now = time.time()
    for number, each in enumerate(found, 1):
        releases = dict.fromkeys(release_of(file.distribution) for file in each.files)
        files = words.count(len(each.files), "file")
        age = words.age(now - each.time)
        console.say(
            (f"{number:3}", "bold"), f"  {age:<14}  {files} of {words.listed(map(safe, releases))}"
        )
    console.hint(Hint(text="show one", commands=(command("linkpolicy", "edits", "show", "1"),)))
    return 0


def _object(edits: SavedEdits) -> dict[str, Any]:
    return {
        "name": os.path.basename(edits.directory),
        "directory": edits.directory,
        "time": int(edits.time),
        "files": [
            {
                "distribution": file.distribution,
                "name": file.name,
                "saved": file.path,
                "diff": file.difference or None,
                "found_at": list(file.found_at),
            }
            for file in edits.files
        ],
    }


def _chosen(machine: Machine, options: argparse.Namespace) -> list[SavedFile]:
    """The files that were asked for. Raises `UsageError`."""
    found = _every(machine)
    by_name = {os.path.basename(each.directory): each for each in found}
    by_name |= {str(number): each for number, each in enumerate(found, 1)}
    if options.edit not in by_name:
        raise UsageError(
            f"there is no saved edit `{options.edit}`",
            hint="`linkpolicy edits` lists them" if found else "no edits are saved",
        )
    files = by_name[options.edit].files
    names = {normalized(_name_of(file)): file for file in files}
    wanted = {normalized(word) for word in options.packages}
    for word in options.packages:
        if normalized(word) not in names:
            raise UsageError(f"nothing of `{word}` is in this edit")
    return [file for file in files if not wanted or normalized(_name_of(file)) in wanted]


def _name_of(file: SavedFile) -> str:
    return file.distribution.split("-")[0]


def _show(options: argparse.Namespace) -> int:
    machine = open_machine()
    console = Console()
    code = 0
    for file in _chosen(machine, options):
        console.say((f"{release_of(file.distribution)}: {file.name}", "bold"))
        for path in file.found_at:
            console.say(f"  from {console.path(path)}")
        console.say(f"  saved as {console.path(file.path)}")
        if not file.difference:
            continue
        try:
            text = saved.content_of(file.difference).decode("utf-8", "surrogateescape")
        except OSError as error:
            console.say((f"  cannot read the diff: {error.strerror or error}", "red"))
            code = errors.EXIT_FINDINGS
            continue
        for line in text.splitlines():
            console.say((line, {"+": "green", "-": "red"}.get(line[:1], "")))
    return code


# Applying -----------------------------------------------------------------------------------------


class _New(Value):
    """What a file is to hold."""

    file: SavedFile
    location: Location
    content: bytes
    #: of what is there now; it may be given up without saving it again if it is the original
    before: Hash
    is_original: bool


def _apply(options: argparse.Namespace) -> int:
    """0 when everything asked for is applied, 1 when something is not."""
    machine = open_machine()
    console = Console()
    files = _chosen(machine, options)
    environment = environment_of(machine, options.environment)
    new: list[_New] = []
    left = 0
    for file in files:
        try:
            found = list(_planned(machine, environment, file))
        except (OSError, LinkPolicyError) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            console.say(("left  ", "yellow"), f"{file.name}: {why}")
            left += 1
            continue
        for each in found:
            changes = of_pieces([each.content], "sha256") != each.before
            verb = "would change" if options.dry_run else "change"
            if changes:
                console.say(f"{verb}  {console.path(each.location.path)}")
                new.append(each)
            else:
                console.say(f"{console.path(each.location.path)} has the edit already")
    if new and not options.dry_run:
        left += _carried_out(machine, console, new, options.wait)
        _say_where(machine, environment, console)
    return errors.EXIT_FINDINGS if left else 0


def _planned(machine: Machine, environment: str, file: SavedFile) -> Iterator[_New]:
    """What applying it changes in the environment. Raises `OSError`, `LinkPolicyError`."""
    for tree in trees_of_environment(environment):
        for each in distributions(tree.path):
            if normalized(each.name) != normalized(_name_of(file)):
                continue
            path = os.path.normpath(os.path.join(tree.path, file.name))
            seen = seen_at(path)
            current = saved.content_of(path)
            same_version = f"{each.name}-{each.version}" == file.distribution
            is_original = same_version and not _is_edited(machine, tree, path)
            content = saved.applied(file, current, is_original=is_original)
            yield _New(
                file=file,
                location=Location(
                    path=path,
                    tree=tree,
                    dist_info=each.dist_info,
                    identity=(seen.device, seen.inode) if seen else None,
                    seen=seen,
                    package=seen_at(each.record),
                ),
                content=content,
                before=of_pieces([current], "sha256"),
                is_original=is_original,
            )
            return
    raise UsageError(f"{release_of(file.distribution)} is not installed here")


def _is_edited(machine: Machine, tree: Tree, path: str) -> bool:
    return any(
        finding.path == path for finding in verify((tree,), only={path}, state=machine.state)
    )


def _carried_out(machine: Machine, console: Console, new: Sequence[_New], wait: float) -> int:
    """Write them; how many were not."""
    # No journal: an edit that was not applied is no damage that the next repair has to look for.
    work = Work("", path_of(machine.state, EDITS), wait)
    with tempfile.TemporaryDirectory(prefix="linkpolicy-edits-") as directory, progress() as show:
        steps = []
        for number, each in enumerate(new):
            path = os.path.join(directory, str(number))
            with open(path, "wb") as stream:
                stream.write(each.content)
            steps.append(
                Step(
                    action="apply",
                    location=each.location,
                    distribution=each.file.distribution,
                    name=each.file.name,
                    state="edited",
                    hash=of_pieces(pieces(path), "sha256"),
                    original=Original(path=path),
                    replaces=each.before if each.is_original else None,
                )
            )
        work.carry_out(steps, lambda: steps, show)
    failed = [step for step in work.done if step.result == "failed"]
    for step in failed:
        console.say(("failed  ", "red"), f"{console.path(step.location.path)}: {step.detail}")
    if work.saved:
        console.say(f"What was there before is saved in {console.path(work.saved)}")
    done = len(work.done) - len(failed)
    console.say(f"{words.count(done, 'file')} changed; no other environment has the edit.")
    return len(failed)


def _say_where(machine: Machine, environment: str, console: Console) -> None:
    """An edit is undone by the next reinstallation, unless the project is hackable."""
    if machine.policy_at(environment).name != "hackable":
        hint = "to keep `repair` from undoing it, mark the project as hackable"
        commands = (command("linkpolicy", "init", "--hackable"),)
        console.hint(Hint(text=hint, commands=commands))
