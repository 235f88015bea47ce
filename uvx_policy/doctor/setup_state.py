"""What `linkpolicy setup` did here, and what it would do if it were called again."""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import TYPE_CHECKING

from uvx_policy.doctor.case import Case, once
from uvx_policy.doctor.diagnostic import Deed, Fix
from uvx_policy.errors import LinkPolicyError
from uvx_policy.machine.programs import on_path
from uvx_policy.replace import foreign
from uvx_policy.setup import command as setup_command
from uvx_policy.setup import record as setup_record
from uvx_policy.setup import remembered as setup_remembered
from uvx_policy.setup import shell_lines, shells, shim_directories
from uvx_policy.setup import steps as setup_steps
from uvx_policy.terminal.command import ShellLine, command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from uvx_policy.setup.command import SetupPlan
    from uvx_policy.setup.record import SetupRecord


SETUP = command("linkpolicy", "setup")


def setup(text: str) -> Fix:
    """What `setup` fixes; `fix_by_setup` does it."""
    return Fix.by(text, SETUP, safe=True)


def setup_if_it_can(case: Case, text: str) -> Fix:
    """The same, or what `setup` would ask for where it does nothing."""
    planned = plan(case)
    if isinstance(planned, LinkPolicyError):
        return Fix.by(f"`linkpolicy setup` cannot do it here: {planned}", *planned.commands)
    return setup(text)


def fix_by_setup(case: Case) -> Iterator[Deed]:
    """Do what `linkpolicy setup` does, for the same directory, shells and launcher as before."""
    planned = plan(case)
    if isinstance(planned, LinkPolicyError):
        raise planned
    yield Deed(tuple(planned.render().splitlines()), partial(_carry_out, planned))


def _carry_out(planned: SetupPlan) -> Iterator[str]:
    """Raises `LinkPolicyError` also where something had to be left, as `setup` exits with 1."""
    paths = (edit.before.real_path for edit in planned.edits)
    for path in (planned.record_path, planned.shim_directory, *paths):
        foreign.check_way(path)
    lines = setup_command.carry_out(planned)
    yield from lines
    if not lines.complete:
        left = (f"`{path}`: {why}" if path else why for path, why in lines.problems)
        raise LinkPolicyError("; ".join(left))


@once
def plan(case: Case) -> SetupPlan | LinkPolicyError:
    """What `setup` would do now, for the same shells, directory and launcher as before."""
    known = record(case)
    try:
        return setup_command.plan_setup(
            environ=case.environ,
            shells_to_set_up=_shells(case),
            shim_directory=directory(case),
            # `adopt` alone leaves a record as well.
            modify_path=not (known and known.shims) or is_managed(case),
            launcher=known.launcher if known else "auto",
        )
    except LinkPolicyError as error:
        return error


@once
def directory(case: Case) -> str:
    """The shims that count: those on PATH, else those on record, else the usual place."""
    for program in on_path("uv", case.environ.get("PATH", "")):
        if program.ours:
            return os.path.abspath(os.path.dirname(program.path))
    known = record(case)
    owners = map(shim_directories.owner, known.shims if known else ())
    return next(owners, case.shim_directory)


def to_remember(case: Case) -> str:
    """The directory of the uv that `setup` would let the shims remember, "" for none."""
    home = setup_steps.own_places(case.environ)[0]
    return setup_remembered.to_remember(case.environ, home=home, shims=directory(case))["uv"]


def has_shims(case: Case) -> bool:
    """Is there any shim of ours?"""
    return any(map(shim_directories.is_shim, shims_in(directory(case))))


def shims_in(directory: str) -> tuple[str, ...]:
    """The paths of the shims, whether or not they exist."""
    return tuple(
        shim_directories.path_of(directory, program) for program in shim_directories.PROGRAMS
    )


def is_managed(case: Case) -> bool:
    """Did `setup` put the shims on PATH: a block into start-up files, or variables?"""
    known = record(case)
    return bool(known and (known.files or known.variables))


def line_by_hand(case: Case) -> ShellLine | None:
    """What puts the shims first on PATH in the shell that runs us, `None` when nothing can."""
    try:
        return ShellLine(
            text=shell_lines.line_by_hand(shells.detect(case.environ), directory(case))
        )
    except LinkPolicyError:  # a name that cannot stand on PATH
        return None


@once
def record(case: Case) -> SetupRecord | None:
    """What `setup` did; `None` when there is no record or it cannot be understood."""
    path = record_path(case)
    return setup_record.load(path) if path else None


def record_path(case: Case) -> str:
    """Where it is, whether or not it exists; "" where there cannot be one."""
    try:
        return setup_steps.own_places(case.environ)[1]
    except LinkPolicyError:
        return ""


def _shells(case: Case) -> tuple[str, ...] | None:
    """The shells whose start-up files `setup` changed; `None`: `setup` finds out which to take."""
    known = record(case)
    if not known or not known.files:
        return None
    changed = {file.path for file in known.files}
    home = setup_steps.own_places(case.environ)[0]
    found = []
    for shell in shells.SHELLS:
        files = shells.start_up_files(shell, environ=case.environ, home=home, platform=sys.platform)
        if next((file.path for file in files if file.create), "") in changed:
            found.append(shell)
    return tuple(found) or None
