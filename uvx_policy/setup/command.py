"""`linkpolicy setup` and `linkpolicy uninstall`: a plan is a value, carrying it out one function.

A plan holds everything that will change and renders itself (`--dry-run`). Between the plan and the
deed the machine may move on, so each step looks again and leaves alone what is no longer as
planned; the rest goes on.
"""

from __future__ import annotations

import os
import shlex
import sys
from typing import TYPE_CHECKING

from uvx_policy.setup import launcher as setup_launcher
from uvx_policy.setup import record as setup_record
from uvx_policy.setup import shells, shim_directories
from uvx_policy.setup import steps as setup_steps
from uvx_policy.setup import words as setup_words
from uvx_policy.setup.record import Inserted, SetupRecord
from uvx_policy.setup.words import Edit, Problem, Shown
from uvx_policy.state import layout
from uvx_policy.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


class Lines(list[str]):
    """What was done, for people. `complete` is False when something had to be left alone."""

    complete: bool = True


class SetupPlan(Value):
    """Everything that `carry_out` is going to change."""

    home: str
    #: `None` when it is not known
    shell: str | None
    shim_directory: str
    #: directories to make for the shims, outermost first
    directories: tuple[str, ...]
    #: which launcher the shims have or get, and why, for people
    launcher: str
    #: path and content of the shims to write, in this order
    shims: tuple[tuple[str, bytes], ...]
    #: shims of ours that the other launcher had, to delete
    stale: tuple[str, ...]
    #: the directory of those, to remove
    stale_directories: tuple[str, ...]
    edits: tuple[Edit, ...]
    #: what is left alone although it should change, and why
    problems: tuple[Problem, ...]
    #: what else somebody should know
    notes: tuple[str, ...]
    #: the command line that puts the shims first on PATH in a running shell
    by_hand: str
    #: a start-up file puts the shims on PATH, now or after `carry_out`
    path_is_managed: bool
    #: in the shell that runs us, the shims come first already
    is_first_now: bool
    #: this is a job of GitHub Actions, where start-up files do not matter
    github_path: bool
    record_path: str
    record: SetupRecord

    @property
    def changes_anything(self) -> bool:
        """False when everything is in place already."""
        return bool(
            self.directories or self.shims or self.stale or self.stale_directories or self.edits
        )

    def render(self) -> str:
        """What `--dry-run` prints: the changes in words, then the start-up files as a diff."""
        shown = Shown(self.home)
        if not self.changes_anything:
            return "\n".join((*_in_place(self, shown), *_closing(self, self.problems, shown)))
        lines = [f"make    {shown(path)}/" for path in self.directories[-1:]]
        lines += [f"write   {shown(path)}" for path, _ in self.shims]
        lines += [f"delete  {shown(path)}" for path in self.stale]
        lines += [f"remove  {shown(path)}/" for path in self.stale_directories]
        for edit in self.edits:
            lines += [f"make    {shown(path)}/" for path in edit.directories[-1:]]
            lines.append(setup_words.planned(edit, shown))
        lines.append(f"write   {shown(self.record_path)}  (a note for `linkpolicy uninstall`)")
        return setup_words.rendered(
            "setup",
            steps=lines,
            edits=self.edits,
            closing=["", _launcher(self), *_closing(self, self.problems, shown)],
            shown=shown,
        )


class UninstallPlan(Value):
    """Everything that `carry_out_uninstall` is going to take away."""

    home: str
    edits: tuple[Edit, ...]
    #: files of ours to delete
    shims: tuple[str, ...]
    #: directories to remove if they are empty by then, innermost first
    directories: tuple[str, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    record_path: str
    #: what could not be taken back and must stay on record
    remaining: SetupRecord

    @property
    def changes_anything(self) -> bool:
        """False when nothing of ours was found."""
        return bool(self.edits or self.shims)

    def render(self) -> str:
        """What `--dry-run` prints: the changes in words, then the start-up files as a diff."""
        if not self.changes_anything:
            return "\n".join((_NOTHING_FOUND, *self._remarks()))
        shown = Shown(self.home)
        lines = [setup_words.planned(edit, shown) for edit in self.edits]
        lines += [f"delete  {shown(path)}" for path in self.shims]
        lines.append(f"delete  {shown(self.record_path)}")
        lines += [f"remove  {shown(path)}/  (if empty)" for path in self.directories]
        return setup_words.rendered(
            "uninstall",
            steps=lines,
            edits=self.edits,
            closing=self._remarks(),
            shown=shown,
        )

    def _remarks(self) -> list[str]:
        return _remarks(self.problems, self.notes, Shown(self.home))


def plan_setup(
    *,
    environ: Mapping[str, str],
    shell: str | None,
    shim_directory: str | None,
    modify_path: bool,
    launcher: str = "auto",
) -> SetupPlan:
    """What setup has to change here. Changes nothing.

    `shell`: one of `shells.SHELLS` or an alias, `None` to find out. `shim_directory`: absolute or
    relative, `None` for the usual one. `launcher`: one of `setup.launcher.CHOICES`. Raises
    `LinkPolicyError` when the shims cannot be put there; a start-up file that cannot be changed is
    a problem of the plan, and the rest goes on.
    """
    home, record_path = setup_steps.own_places(environ)
    shown = Shown(home)
    known = shells.named(shell) if shell else shells.detect(environ)
    directory = shim_directories.choose(shim_directory, environ, home)
    # First of all, because it refuses a directory whose name the shell cannot carry.
    by_hand = shells.line_by_hand(known, directory)

    record = setup_record.load(record_path)

    wanted: dict[str, Edit] = {}  # by real path: two names may lead to one file
    problems: list[Problem] = []
    if modify_path and known is None:
        problems.append(
            Problem("", "could not tell which shell you use: no start-up file is changed")
        )
    elif modify_path and known is not None:
        lines = shells.block(known, directory)
        for file in shells.start_up_files(known, environ=environ, home=home, platform=sys.platform):
            for edit in setup_steps.insertion(file, lines, setup_steps.judge(record), problems):
                wanted.setdefault(edit.before.real_path, edit)
    edits = [edit for edit in wanted.values() if edit.after != edit.before.content]

    shims = setup_launcher.shims(directory, launcher)
    paths = [path for path, _ in shims.files]
    stale = [path for path in shim_directories.ours(directory) if path not in paths]
    # The first file lies in the innermost directory.
    directories = setup_steps.missing_directories(os.path.dirname(paths[0]))
    made = (
        *setup_steps.missing_directories(os.path.dirname(record_path)),
        *directories,
        *(path for edit in edits for path in edit.directories),
    )
    in_front = shim_directories.uv_in_front(environ.get("PATH", ""), directory)
    return SetupPlan(
        home=home,
        shell=known,
        shim_directory=directory,
        directories=directories,
        launcher=shims.launcher,
        shims=tuple(
            (path, content)
            for path, content in shims.files
            if not shim_directories.is_in_place(path, content)
        ),
        stale=tuple(stale),
        stale_directories=_stale_directories(directory, paths, stale),
        edits=tuple(edits),
        problems=tuple(problems),
        notes=(
            *_early_return_notes(edits, shown),
            *_left_behind_notes(record, directory, shown),
            *([f"in this shell `uv` is still {shown(in_front)}"] if in_front else []),
        ),
        by_hand=by_hand,
        path_is_managed=modify_path and known is not None,
        is_first_now=not in_front and directory in environ.get("PATH", "").split(":"),
        github_path="GITHUB_PATH" in environ,
        record_path=record_path,
        record=SetupRecord(
            shims=tuple(paths),
            directories=tuple(dict.fromkeys(made)),
            files=tuple(setup_steps.recorded(edit) for edit in wanted.values()),
            launcher=launcher,
        ),
    )


def carry_out(plan: SetupPlan) -> Lines:
    """Do what the plan says; returns what was done, for people.

    Raises `LinkPolicyError` when the record or the shims cannot be written; then no start-up file
    has been touched.
    """
    shown = Shown(plan.home)
    lines = Lines()
    problems = list(plan.problems)
    if not plan.changes_anything:
        lines += _in_place(plan, shown)
    with setup_steps.recording(plan.record_path, make=True) as recorded:
        wanted = (recorded or SetupRecord()).merged(plan.record)
        if wanted != recorded:
            setup_steps.save(plan.record_path, wanted)
        setup_steps.make_directories(plan.directories)
        for path, content in plan.shims:
            shim_directories.write(path, content)
            lines.append(f"wrote    {shown(path)}")
        gone = [
            path for path in plan.stale if setup_steps.delete_shim(path, shown, lines, problems)
        ]
        gone += [path for path in plan.stale_directories if setup_steps.remove_directory(path)]
        if gone:
            setup_steps.save(plan.record_path, wanted.without(gone))
        for edit in plan.edits:
            setup_steps.carry_out_edit(edit, shown, lines, problems)
    if plan.changes_anything:
        lines.append(_launcher(plan))
    lines.complete = not problems
    lines += _closing(plan, problems, shown)
    return lines


def plan_uninstall(*, environ: Mapping[str, str], shim_directory: str | None) -> UninstallPlan:
    """What there is to take back. Reads only. `shim_directory`: one more place to look for shims.

    Raises `LinkPolicyError` when HOME is not known.
    """
    home, record_path = setup_steps.own_places(environ)
    shown = Shown(home)
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
        os.path.dirname(record_path),
    )
    return UninstallPlan(
        home=home,
        edits=tuple(edits.values()),
        shims=tuple(shims),
        directories=tuple(
            path
            for path in sorted({*known.directories, *named}, key=len, reverse=True)
            if os.path.isdir(path)
        ),
        problems=tuple(problems),
        notes=tuple(notes),
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
    for directory in plan.directories:
        setup_steps.remove_directory(directory)
    if not plan.changes_anything:
        lines.append(_NOTHING_FOUND)
    lines.complete = not problems
    lines += _remarks(problems, plan.notes, shown)
    if plan.changes_anything:
        lines += [
            "",
            "Shells that are open now may still look for the shims: type `hash -r` there.",
        ]
    return lines


_NOTHING_FOUND = "Nothing to do: nothing of linkpolicy was found."


def _stale_directories(
    directory: str, paths: Sequence[str], stale: Sequence[str]
) -> tuple[str, ...]:
    """The directory of the fallbacks, when nothing that stays will be in it."""
    place = shim_directories.fallbacks(directory)
    if any(os.path.dirname(path) == place for path in paths) or not os.path.isdir(place):
        return ()
    kept = {f"{place}/{name}" for name in os.listdir(place)} - set(stale)
    return () if kept else (place,)


def _early_return_notes(edits: list[Edit], shown: Shown) -> Iterator[str]:
    for edit in edits:
        if os.path.basename(edit.before.path) == ".bashrc":
            line = shells.early_return(edit.before.content or b"")
            if line:
                yield (
                    f"`ssh HOST uv ...` does not reach the shim:"
                    f" without a terminal {shown(edit.before.path)} ends at line {line}"
                )


def _left_behind_notes(record: SetupRecord | None, directory: str, shown: Shown) -> Iterator[str]:
    places = dict.fromkeys(map(shim_directories.owner, record.shims if record else ()))
    for place in places:
        if place != directory:
            yield f"the shims in {shown(place)} stay until `linkpolicy uninstall`"


def _closing(plan: SetupPlan, problems: Sequence[Problem], shown: Shown) -> list[str]:
    """What follows the list of changes: what did not work, what to know, what to do next."""
    lines = _remarks(problems, plan.notes, shown)
    if problems or not plan.path_is_managed:
        files = [shown(problem.path) for problem in problems if problem.path]
        where = " and ".join(files) or "the start-up file of your shell"
        lines += ["", f"To be done by hand, at the end of {where}:", f"  {plan.by_hand}"]
    elif not plan.is_first_now:
        lines += ["", "Open a new shell, or type here:", f"  {plan.by_hand}"]
    if plan.github_path:
        lines += ["", "In GitHub Actions, for the steps that follow:"]
        lines += [f'  echo {shlex.quote(plan.shim_directory)} >> "$GITHUB_PATH"']
    return lines


def _remarks(problems: Sequence[Problem], notes: Sequence[str], shown: Shown) -> list[str]:
    lines = [setup_words.left_alone(problem, shown) for problem in problems]
    lines += [f"note: {note}" for note in notes]
    return ["", *lines] if lines else []


def _in_place(plan: SetupPlan, shown: Shown) -> tuple[str, str]:
    place = shown(plan.shim_directory)
    return f"Nothing to do: the shims in {place} are in place.", _launcher(plan)


def _launcher(plan: SetupPlan) -> str:
    return f"launcher: {plan.launcher}"
