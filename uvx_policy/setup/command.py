"""`linkpolicy setup`: a plan is a value, carrying it out one function.

A plan holds everything that will change and renders itself (`--dry-run`). Between the plan and the
deed the machine may move on, so each step looks again and leaves alone what is no longer as
planned; the rest goes on.
"""

from __future__ import annotations

import os
import shlex
import sys
from typing import TYPE_CHECKING

from uvx_policy.setup import (
    help_files,
    lasting,
    own_command,
    precedence,
    shell_lines,
    shells,
    shim_directories,
    user_variables,
)
from uvx_policy.setup import launcher as setup_launcher
from uvx_policy.setup import record as setup_record
from uvx_policy.setup import steps as setup_steps
from uvx_policy.setup import words as setup_words
from uvx_policy.setup.record import SetupRecord
from uvx_policy.setup.remembered import to_remember
from uvx_policy.setup.words import Lines, Problem
from uvx_policy.state import layout
from uvx_policy.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from uvx_policy.setup.launcher import Launcher
    from uvx_policy.setup.precedence import InFront
    from uvx_policy.setup.record import Variable
    from uvx_policy.setup.user_variables import Change
    from uvx_policy.setup.words import Edit, Shown


class SetupPlan(Value):
    """Everything that `carry_out` is going to change."""

    home: str
    shim_directory: str
    #: directories to make for the shims, outermost first
    directories: tuple[str, ...]
    #: which launcher the shims have or get
    launcher: Launcher
    #: path and content of the shims to write, in this order
    shims: tuple[tuple[str, bytes], ...]
    #: shims of ours that the other launcher had, to delete
    stale: tuple[str, ...]
    #: the directory of those, to remove
    stale_directories: tuple[str, ...]
    edits: tuple[Edit, ...]
    #: variables of the user in the registry of Windows
    variables: tuple[Change, ...]
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
        places = (self.directories, self.shims, self.stale, self.stale_directories)
        return any((*places, self.edits, self.variables))

    def render(self) -> str:
        """What `--dry-run` prints: the changes in words, then the start-up files as a diff."""
        shown = setup_words.shown_from(self.home)
        closing = _closing(self, self.problems, shown)
        if not self.changes_anything:
            return "\n".join((_in_place(self, shown), f"launcher: {self.launcher}", *closing))
        outer = set(map(os.path.dirname, self.directories))
        lines = [f"make    {shown(path)}/" for path in self.directories if path not in outer]
        lines += [f"write   {shown(path)}" for path, _ in self.shims]
        lines += [f"delete  {shown(path)}" for path in self.stale]
        lines += [f"remove  {shown(path)}/" for path in self.stale_directories]
        for edit in self.edits:
            made = [path for path in edit.directories if path not in self.directories]
            lines += [f"make    {shown(path)}/" for path in made[-1:]]
            lines.append(setup_words.told(edit, shown))
        lines += [user_variables.told(change) for change in self.variables]
        lines.append(f"write   {shown(self.record_path)}  (a note for `linkpolicy uninstall`)")
        closing = ["", f"launcher: {self.launcher}", *closing]
        return setup_words.rendered(
            "setup", lines, self.edits, closing, shown, variables=self.variables
        )


def plan_setup(
    *,
    environ: Mapping[str, str],
    shells_to_set_up: Sequence[str] | None,
    shim_directory: str | None,
    modify_path: bool,
    launcher: str = "auto",
) -> SetupPlan:
    """What setup has to change here. Changes nothing.

    `shells_to_set_up`: of `shells.SHELLS` or aliases; `None` for the one that is running, and all
    that have a start-up file. `shim_directory`: absolute or relative, `None` for the usual one.
    `launcher`: one of `setup.launcher.CHOICES`. Raises `LinkPolicyError` when the shims cannot be
    put there, or would outlive this installation; a start-up file that cannot be changed is a
    problem of the plan, and the rest goes on.
    """
    home, record_path = setup_steps.own_places(environ)
    shown = setup_words.shown_from(home)
    named = tuple(map(shells.named, shells_to_set_up or ()))
    known = named[0] if named else shells.detect(environ)
    directory = shim_directories.choose(shim_directory, environ, home)
    # First of all, because it refuses a directory whose name the shell cannot carry.
    by_hand = shell_lines.line_by_hand(known, directory)
    project = lasting.check(directory, environ)

    record = setup_record.load(record_path)
    is_ours = setup_steps.judge(record)

    wanted: dict[str, Edit] = {}  # by real path: two names may lead to one file
    problems: list[Problem] = []
    in_use = shells.in_use(environ=environ, home=home, platform=sys.platform)
    elsewhere = shells.zsh_elsewhere(environ, home)
    found = (shell for shell in in_use if shell != "zsh" or not elsewhere)
    chosen = named or tuple(dict.fromkeys((*([known] if known else []), *found)))
    registry = user_variables.of_this_machine()
    ahead = precedence.uv_in_front(registry, directory, environ) if registry else None
    if registry:
        # Shells have it from the registry, unless something comes before that.
        needed = ahead and (ahead.is_machines or known == "powershell")
        chosen = named or (("powershell",) if needed else ())
    variables: tuple[Variable, ...] = ()
    if modify_path and registry:
        variables = user_variables.insertions(
            registry, directory, record, environ=environ, problems=problems
        )
    if modify_path:
        if known is None and not registry:
            problems.append(Problem("", "could not detect your shell; name it with `--shell`"))
        for each in shells.additions(
            chosen,
            directory,
            environ=environ,
            home=home,
            data_home=layout.data_home(dict(environ), sys.platform),
            platform=sys.platform,
        ):
            setup_steps.insertion(each, is_ours, wanted, problems)
    edits = [edit for edit in wanted.values() if edit.after != edit.before.content]

    remembered = to_remember(environ, home=home, shims=directory)
    kind, files = setup_launcher.shims(directory, launcher, remembered)
    files += _own(directory)
    paths = [path for path, _ in files]
    stale = [path for path in shim_directories.ours(directory) if path not in paths]
    missing = map(setup_steps.missing_directories, map(os.path.dirname, paths))
    directories = tuple(dict.fromkeys(path for some in missing for path in some))
    made = (
        *setup_steps.missing_directories(os.path.dirname(record_path)),
        *directories,
        *(path for edit in edits for path in edit.directories),
    )
    search_path = environ.get("PATH", "")
    in_front = shim_directories.uv_in_front(search_path, directory)
    return SetupPlan(
        home=home,
        shim_directory=directory,
        directories=directories,
        launcher=kind,
        shims=tuple(each for each in files if not shim_directories.is_in_place(*each)),
        stale=tuple(stale),
        stale_directories=_stale_directories(directory, paths, stale),
        edits=tuple(edits),
        variables=user_variables.changes(registry, variables) if registry else (),
        problems=tuple(problems),
        notes=(
            *_where_it_lives(project, shown),
            *(_left_out(in_use, chosen, bool(named), home, shown) if modify_path else ()),
            *_notes(edits, record, directory, in_front, shown),
            *_ahead(ahead, shown),
        ),
        by_hand=by_hand,
        path_is_managed=modify_path and (known is not None or registry is not None),
        is_first_now=not in_front and shim_directories.is_on_path(directory, search_path),
        github_path="GITHUB_PATH" in environ,
        record_path=record_path,
        record=SetupRecord(
            shims=tuple(paths),
            directories=tuple(dict.fromkeys(made)),
            files=tuple(setup_steps.recorded(edit) for edit in wanted.values()),
            launcher=launcher,
            variables=variables,
        ),
    )


def carry_out(plan: SetupPlan) -> Lines:
    """Do what the plan says; returns what was done, for people.

    Raises `LinkPolicyError` when the record or the shims cannot be written; then no start-up file
    has been touched.
    """
    lines = Lines(plan.home, plan.problems)
    registry = user_variables.of_this_machine()
    if not plan.changes_anything:
        lines.append(_in_place(plan, lines.shown))
    with setup_steps.recording(plan.record_path, make=True) as recorded:
        wanted = (recorded or SetupRecord()).merged(plan.record)
        if wanted != recorded:
            setup_record.save(plan.record_path, wanted)
        setup_steps.make_directories(plan.directories)
        if plan.shims:
            shim_directories.check_places(plan.shim_directory)
        for path, content in plan.shims:
            shim_directories.write(path, content)
            lines.append(f"wrote    {lines.shown(path)}")
        for path in plan.stale:
            setup_steps.delete_shim(path, lines)
        gone = [path for path in plan.stale if path not in lines.failed]
        gone += [path for path in plan.stale_directories if setup_steps.remove_directory(path)]
        if gone:
            setup_record.save(plan.record_path, wanted.without(gone))
        for edit in plan.edits:
            setup_steps.carry_out_edit(edit, lines)
        if registry:
            user_variables.carry_out(registry, plan.variables, lines)
    lines.append(f"launcher: {plan.launcher}")
    lines += _closing(plan, lines.problems, lines.shown)
    return lines


def _own(directory: str) -> setup_launcher.Files:
    """`linkpolicy` itself and what helps to use it; a file of the user of that name stays."""
    path, content = shim_directories.own_path(directory), own_command.script()
    if not content or not _is_free(path):
        return ()
    helps = help_files.copies(directory)
    return ((path, content), *(each for each in helps if _is_free(each[0])))


def _is_free(path: str) -> bool:
    return not os.path.lexists(path) or shim_directories.is_ours(path)


def _stale_directories(
    directory: str, paths: Sequence[str], stale: Sequence[str]
) -> tuple[str, ...]:
    """The directory of the fallbacks, when nothing that stays will be in it."""
    place = shim_directories.fallbacks(directory)
    if any(os.path.dirname(path) == place for path in paths) or not os.path.isdir(place):
        return ()
    kept = {os.path.join(place, name) for name in os.listdir(place)} - set(stale)
    return () if kept else (place,)


def _where_it_lives(project: str, shown: Shown) -> Iterator[str]:
    if project:
        yield (
            f"linkpolicy is installed in a project or clone, {shown(project)}: when that is moved "
            "or removed, uv runs without a policy. To install it where it stays: "
            "`uv tool install uvx-policy`, then `linkpolicy setup` in a new shell"
        )


def _left_out(
    in_use: Sequence[str], chosen: Sequence[str], by_name: bool, home: str, shown: Shown
) -> Iterator[str]:
    for shell in in_use:
        if shell not in chosen:
            why = (
                "`--shell` names another" if by_name else "ZDOTDIR is not known here; run it in zsh"
            )
            yield f"{shell} is skipped: {why}"
    for shell, path in shells.unknown_in_use(home):
        yield f"{shell} is skipped: linkpolicy does not support that shell ({shown(path)})"


def _notes(
    edits: list[Edit], record: SetupRecord | None, directory: str, in_front: str, shown: Shown
) -> Iterator[str]:
    for edit in edits:
        is_bashrc = os.path.basename(edit.before.path) == ".bashrc"
        line = shells.early_return(edit.before.content or b"") if is_bashrc else None
        if line:
            yield (
                f"`ssh HOST uv ...` does not reach the shim:"
                f" without a terminal {shown(edit.before.path)} ends at line {line}"
            )
    for place in dict.fromkeys(map(shim_directories.owner, record.shims if record else ())):
        if place != directory:
            yield f"the shims in {shown(place)} stay until `linkpolicy uninstall`"
    if in_front:
        yield f"in this shell `uv` is still {shown(in_front)}"


def _ahead(ahead: InFront | None, shown: Shown) -> Iterator[str]:
    if ahead and ahead.is_machines:
        yield (
            f"{shown(ahead.path)} is on the machine's Path, which comes before yours: it runs "
            "without a policy, but in PowerShell. Have an administrator remove it, and install uv "
            "for yourself"
        )


def _closing(plan: SetupPlan, problems: Sequence[Problem], shown: Shown) -> list[str]:
    """What follows the list of changes: what did not work, what to know, what to do next."""
    lines = setup_words.remarks(problems, plan.notes, shown)
    if problems or not plan.path_is_managed:
        files = [shown(problem.path) for problem in problems if problem.path]
        where = " and ".join(files) or "the start-up file of your shell"
        lines += ["", f"Add this by hand, at the end of {where}:", f"  {plan.by_hand}"]
    elif not plan.is_first_now:
        lines += ["", "Open a new shell, or type here:", f"  {plan.by_hand}"]
    if plan.github_path:
        lines += ["", "In GitHub Actions, for the steps that follow:"]
        lines += [f'  echo {shlex.quote(plan.shim_directory)} >> "$GITHUB_PATH"']
    return lines


def _in_place(plan: SetupPlan, shown: Shown) -> str:
    return f"Nothing to do: the shims in {shown(plan.shim_directory)} are in place."
