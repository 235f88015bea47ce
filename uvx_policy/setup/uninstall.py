"""`linkpolicy uninstall`: take back what `setup` did, forget everything, say what stays.

The plan is a value, carrying it out one function, as in `setup.command`.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from uvx_policy.setup import record as setup_record
from uvx_policy.setup import shells, shim_directories
from uvx_policy.setup import steps as setup_steps
from uvx_policy.setup import words as setup_words
from uvx_policy.setup.record import Inserted, SetupRecord
from uvx_policy.setup.words import Edit, Lines, Problem, Shown
from uvx_policy.state import layout
from uvx_policy.state.forget import forgettable, strangers
from uvx_policy.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from uvx_policy.setup.leftovers import Leftover


_NOTHING_FOUND = "Nothing to do: nothing of linkpolicy was found."


class UninstallPlan(Value):
    """Everything that `carry_out_uninstall` is going to take away."""

    home: str
    edits: tuple[Edit, ...]
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
    #: what could not be taken back and must stay on record
    remaining: SetupRecord

    @property
    def changes_anything(self) -> bool:
        """False when nothing of ours was found."""
        return bool(self.edits or self.shims or self.forgets)

    def render(self) -> str:
        """What `--dry-run` prints: the changes in words, then the start-up files as a diff."""
        if not self.changes_anything:
            return "\n".join((_NOTHING_FOUND, *self.closing(self.problems)))
        shown = Shown(self.home)
        lines = [setup_words.planned(edit, shown) for edit in self.edits]
        lines += [f"delete  {shown(path)}" for path in self.shims]
        lines.append(f"delete  {shown(self.record_path)}")
        lines += [f"delete  {shown(path)}/" for path in self.forgets]
        lines += [f"remove  {shown(path)}/  (if empty)" for path in self.directories]
        return setup_words.rendered(
            "uninstall",
            steps=lines,
            edits=self.edits,
            closing=self.closing(self.problems),
            shown=shown,
        )

    def closing(self, problems: Sequence[Problem]) -> list[str]:
        """What follows the list of changes: what did not work, what to know, what stays."""
        shown = Shown(self.home)
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
    shown = Shown(home)
    state = os.path.dirname(record_path)
    record = setup_record.load(record_path)
    known = record or SetupRecord()
    problems: list[Problem] = []
    notes: list[str] = []
    if record is None and os.path.lexists(record_path):
        notes.append(f"cannot understand {shown(record_path)}; looked in the usual places")

    edits: dict[str, Edit] = {}
    left: list[Inserted] = []
    usual = shells.every_start_up_file(environ=environ, home=home, platform=sys.platform)
    recorded = {file.path: file for file in known.files}
    for path in dict.fromkeys((*recorded, *usual)):
        faults: list[Problem] = []
        for edit in setup_steps.removal(path, setup_steps.judge(record), faults):
            edits.setdefault(edit.before.real_path, edit)
        problems += faults
        left += [recorded[path]] if faults and path in recorded else []

    default = layout.shim_directory(dict(environ), sys.platform)
    places = (
        [default, shim_directories.absolute(shim_directory, home)] if shim_directory else [default]
    )
    places = list(dict.fromkeys((*map(shim_directories.owner, known.shims), *places)))
    # What is on PATH goes first: a native shim without its fallback still starts uv.
    candidates = [path for place in places for path in shim_directories.places(place)]
    shims: list[str] = []
    for path in dict.fromkeys((*candidates, *known.shims)):
        if shim_directories.is_ours(path):
            shims.append(path)
        elif os.path.lexists(path):
            notes.append(f"{shown(path)} is not ours and stays")
    # These bear our name, so they are ours whatever the record says.
    named = (
        *map(shim_directories.fallbacks, places),
        default,
        os.path.dirname(default),
        state,
    )
    notes += [f"{shown(path)} is not ours and stays" for path in strangers(state)]
    return UninstallPlan(
        home=home,
        edits=tuple(edits.values()),
        shims=tuple(shims),
        directories=tuple(
            path
            for path in sorted({*known.directories, *named}, key=len, reverse=True)
            if os.path.isdir(path)
        ),
        forgets=forgettable(state),
        problems=tuple(problems),
        notes=tuple(notes),
        stays=tuple(stays),
        record_path=record_path,
        remaining=SetupRecord(files=tuple(left)),
    )


def carry_out_uninstall(plan: UninstallPlan) -> Lines:
    """Take back what the plan says; returns what was done, for people.

    What could not be taken back stays on record, for the next time.
    """
    shown = Shown(plan.home)
    lines = Lines()
    problems = list(plan.problems)
    remaining = plan.remaining
    with setup_steps.recording(plan.record_path, make=False) as recorded:
        known = recorded or SetupRecord()
        for edit in plan.edits:
            if not setup_steps.carry_out_edit(edit, shown, lines, problems):
                left = tuple(file for file in known.files if file.path == edit.before.path)
                remaining = remaining.merged(SetupRecord(files=left))
        for path in plan.shims:
            if not setup_steps.delete_shim(path, shown, lines, problems):
                remaining = remaining.merged(SetupRecord(shims=(path,)))
        setup_steps.keep_on_record(plan.record_path, remaining, known.directories)
    # Last: as long as there is a shim, it remembers.
    for path in plan.forgets:
        setup_steps.forget(path, shown, lines, problems)
    for directory in plan.directories:
        setup_steps.remove_directory(directory)
    if not plan.changes_anything:
        lines.append(_NOTHING_FOUND)
    lines.complete = not problems
    lines += plan.closing(problems)
    if plan.shims:
        lines += [
            "",
            "Shells that are open now may still look for the shims: type `hash -r` there.",
        ]
    return lines
