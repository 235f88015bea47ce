"""`linkpolicy uninstall`: take back what `setup` did, forget everything, say what stays.

The plan is a value, carrying it out one function, as in `setup.command`.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

from uvx_policy.setup import (
    adoption,
    help_files,
    shell_lines,
    shells,
    shim_directories,
    user_variables,
)
from uvx_policy.setup import record as setup_record
from uvx_policy.setup import steps as setup_steps
from uvx_policy.setup import words as setup_words
from uvx_policy.setup.record import SetupRecord
from uvx_policy.setup.words import Lines, Problem
from uvx_policy.state import layout
from uvx_policy.state.forget import forget, forgettable, strangers
from uvx_policy.value import Value

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from uvx_policy.setup.leftovers import Leftover
    from uvx_policy.setup.record import Adopted, Inserted
    from uvx_policy.setup.user_variables import Change
    from uvx_policy.setup.words import Edit, Shown

_NOTHING_FOUND = "Nothing to do: nothing of linkpolicy was found."


class UninstallPlan(Value):
    """Everything that `carry_out_uninstall` is going to take away."""

    home: str
    edits: tuple[Edit, ...]
    #: of the user, on Windows
    variables: tuple[Change, ...]
    #: environments to let go
    adopted: tuple[Adopted, ...]
    #: files of ours to delete
    shims: tuple[str, ...]
    #: directories to remove if they are empty by then, innermost first
    directories: tuple[str, ...]
    #: directories of the state directory to delete with all files in them
    forgets: tuple[str, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    #: what stays because it is the user's to remove
    stays: tuple[Leftover, ...]
    record_path: str
    #: what cannot be taken back and must stay on record
    remaining: tuple[Inserted, ...]

    @property
    def changes_anything(self) -> bool:
        """False when nothing of ours was found."""
        return any((self.edits, self.variables, self.adopted, self.shims, self.forgets))

    def render(self) -> str:
        """What `--dry-run` prints: the changes in words, then the start-up files as a diff."""
        shown = setup_words.shown_from(self.home)
        closing = self.closing(self.problems, shown)
        if not self.changes_anything:
            return "\n".join((_NOTHING_FOUND, *closing))
        lines = [setup_words.told(edit, shown) for edit in self.edits]
        lines += [user_variables.told(change) for change in self.variables]
        lines += [f"unadopt {shown(each.environment)}" for each in self.adopted]
        lines += [f"delete  {shown(path)}" for path in self.shims]
        lines.append(f"delete  {shown(self.record_path)}")
        lines += [f"delete  {shown(path)}/" for path in self.forgets]
        lines += [f"remove  {shown(path)}/  (if empty)" for path in self.directories]
        return setup_words.rendered(
            "uninstall", lines, self.edits, closing, shown, variables=self.variables
        )

    def closing(self, problems: Sequence[Problem], shown: Shown) -> list[str]:
        """What follows the list of changes: what did not work, what to know, what stays."""
        remarks = setup_words.remarks(problems, self.notes, shown)
        return [*remarks, *setup_words.staying(self.stays, shown)]


def plan_uninstall(
    *, environ: Mapping[str, str], shim_directory: str | None, stays: Iterable[Leftover] = ()
) -> UninstallPlan:
    """What there is to take back. Reads only.

    `shim_directory`: one more place to look for shims; `stays`: what the user shall know of.
    Raises `LinkPolicyError` when HOME is not known.
    """
    home, record_path = setup_steps.own_places(environ)
    shown = setup_words.shown_from(home)
    state = os.path.dirname(record_path)
    record = setup_record.load(record_path)
    known = record or SetupRecord()
    is_ours = setup_steps.judge(record)
    problems: list[Problem] = []
    notes: list[str] = []
    if record is None and os.path.lexists(record_path):
        notes.append(f"cannot understand {shown(record_path)}; looked in the usual places")

    edits: dict[str, Edit] = {}
    usual = shells.every_start_up_file(environ=environ, home=home, platform=sys.platform)
    data_home = layout.data_home(dict(environ), sys.platform)
    own = shells.every_env_file(data_home) if data_home else ()
    # Our own files last: start-up files read them.
    recorded = (file.path for file in known.files if file.path not in own)
    for path in dict.fromkeys((*recorded, *usual, *own)):
        setup_steps.removal(path, is_ours, edits, problems)
    failed = {problem.path for problem in problems}

    default = layout.shim_directory(dict(environ), sys.platform)
    places = [*map(shim_directories.owner, known.shims), default]
    if shim_directory:
        places.append(shim_directories.absolute(shim_directory, home))
    places = list(dict.fromkeys(places))
    registry = user_variables.of_this_machine()
    variables = user_variables.removals(registry, record, places, problems) if registry else ()
    # What is on PATH goes first: a native shim without its fallback still starts uv.
    candidates = [path for place in places for path in shim_directories.places(place)]
    shims: list[str] = []
    for path in dict.fromkeys((*candidates, *known.shims)):
        if shim_directories.is_ours(path):
            shims.append(path)
        elif os.path.lexists(path):
            notes.append(f"{shown(path)} is not ours and stays")
    # These bear our name, so they are ours whatever the record says.
    named = (*map(shim_directories.fallbacks, places), default, os.path.dirname(default), state)
    if record is None:  # which knows whether we made `man`
        named += tuple(path for place in places for path in help_files.directories(place))
    directories = sorted({*known.directories, *named}, key=len, reverse=True)
    # On Windows all of ours lies in one directory.
    ours = {*directories, *own}
    notes += [
        f"{shown(path)} is not ours and stays" for path in strangers(state) if path not in ours
    ]
    return UninstallPlan(
        home=home,
        edits=tuple(edits.values()),
        variables=variables,
        adopted=known.adopted,
        shims=tuple(shims),
        directories=tuple(filter(os.path.isdir, directories)),
        forgets=forgettable(state),
        problems=tuple(problems),
        notes=tuple(notes),
        stays=tuple(stays),
        record_path=record_path,
        remaining=tuple(file for file in known.files if file.path in failed),
    )


def carry_out_uninstall(plan: UninstallPlan) -> Lines:
    """Take back what the plan says; returns what was done, for people.

    What could not be taken back stays on record, for the next time.
    """
    lines = Lines(plan.home, plan.problems)
    registry = user_variables.of_this_machine()
    with setup_steps.recording(plan.record_path, make=False) as recorded:
        known = recorded or SetupRecord()
        for edit in plan.edits:
            setup_steps.carry_out_edit(edit, lines)
        if registry:
            user_variables.carry_out(registry, plan.variables, lines)
        gone = adoption.undo(plan.adopted, os.path.dirname(plan.record_path), lines)
        for path in plan.shims:
            setup_steps.delete_shim(path, lines)
        left = _left(plan, known, gone, lines)
        if left != SetupRecord():
            left = left.merged(SetupRecord(directories=known.directories))
            setup_record.save(plan.record_path, left)
        else:
            with contextlib.suppress(OSError):
                os.unlink(plan.record_path)
    # Last: as long as there is a shim, it remembers.
    for path in plan.forgets:
        fault = forget(path)
        if fault:
            lines.problems.append(Problem(path, fault))
        else:
            lines.append(f"deleted  {lines.shown(path)}/")
    for directory in plan.directories:
        setup_steps.remove_directory(directory)
    if not plan.changes_anything:
        lines.append(_NOTHING_FOUND)
    lines += plan.closing(lines.problems, lines.shown)
    lines += () if registry else _in_open_shells(plan)
    return lines


def _left(
    plan: UninstallPlan, known: SetupRecord, gone: Collection[str], lines: Lines
) -> SetupRecord:
    """What stays on record: what could not be taken back. `gone`: environments let go."""
    failed = lines.failed
    return SetupRecord(
        shims=(*(path for path in plan.shims if path in failed), *lines.left),
        files=(*plan.remaining, *(file for file in known.files if file.path in failed)),
        adopted=tuple(each for each in known.adopted if each.environment not in gone),
        variables=tuple(
            each for each in known.variables if user_variables.place_of(each.name) in failed
        ),
    )


def _in_open_shells(plan: UninstallPlan) -> Iterator[str]:
    if plan.shims:
        yield ""
        yield "Shells that are open now may still look for the shims: type `hash -r` there."
    if plan.edits:
        names = " ".join(shell_lines.CLIENT_VARIABLES)
        yield f"They still have the variables, too: type `unset {names}` there."
