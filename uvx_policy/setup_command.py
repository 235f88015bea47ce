"""`linkpolicy setup` and `linkpolicy uninstall`: a plan is a value, carrying it out one function.

A plan holds everything that will change and renders itself (`--dry-run`). Between the plan and the
deed the machine may move on, so each step looks again and leaves alone what is no longer as
planned; the rest goes on.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from uvx_policy import layout, setup_record, setup_words, shells, shim_directories, startup_file
from uvx_policy.errors import LinkPolicyError
from uvx_policy.setup_record import Inserted, SetupRecord
from uvx_policy.setup_words import Edit, Shown
from uvx_policy.shim_directories import PROGRAMS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


class Lines(list[str]):
    """What was done, for people. `complete` is False when something had to be left alone."""

    complete: bool = True


@dataclass(frozen=True, kw_only=True)
class SetupPlan:
    """Everything that `carry_out` is going to change."""

    home: str
    #: `None` when it is not known
    shell: str | None
    shim_directory: str
    #: directories to make for the shims, outermost first
    directories: tuple[str, ...]
    #: path and content of the shims to write
    shims: tuple[tuple[str, bytes], ...]
    edits: tuple[Edit, ...]
    #: what is left alone although it should change, and why
    problems: tuple[str, ...]
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
        return bool(self.directories or self.shims or self.edits)

    def render(self) -> str:
        """What `--dry-run` prints: the changes in words, then the start-up files as a diff."""
        shown = Shown(self.home)
        if not self.changes_anything:
            return "\n".join((_in_place(self, shown), *_closing(self, list(self.problems))))
        lines = [f"make    {shown(path)}/" for path in self.directories[-1:]]
        lines += [f"write   {shown(path)}" for path, _ in self.shims]
        for edit in self.edits:
            lines += [f"make    {shown(path)}/" for path in edit.directories[-1:]]
            lines.append(setup_words.planned(edit, shown))
        lines.append(f"write   {shown(self.record_path)}  (a note for `linkpolicy uninstall`)")
        return setup_words.rendered(
            "setup",
            steps=lines,
            edits=self.edits,
            closing=_closing(self, list(self.problems)),
            shown=shown,
        )


@dataclass(frozen=True, kw_only=True)
class UninstallPlan:
    """Everything that `carry_out_uninstall` is going to take away."""

    home: str
    edits: tuple[Edit, ...]
    #: files of ours to delete
    shims: tuple[str, ...]
    #: directories to remove if they are empty by then, innermost first
    directories: tuple[str, ...]
    problems: tuple[str, ...]
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
            return "\n".join((_NOTHING_FOUND, *self.problems, *self.notes))
        shown = Shown(self.home)
        lines = [setup_words.planned(edit, shown) for edit in self.edits]
        lines += [f"delete  {shown(path)}" for path in self.shims]
        lines.append(f"delete  {shown(self.record_path)}")
        lines += [f"remove  {shown(path)}/  (if empty)" for path in self.directories]
        return setup_words.rendered(
            "uninstall",
            steps=lines,
            edits=self.edits,
            closing=(*self.problems, *self.notes),
            shown=shown,
        )


def plan_setup(
    *,
    environ: Mapping[str, str],
    shell: str | None,
    shim_directory: str | None,
    modify_path: bool,
) -> SetupPlan:
    """What setup has to change here. Reads only.

    `shell`: one of `shells.SHELLS` or an alias, `None` to find out. `shim_directory`: absolute or
    relative, `None` for the usual one. Raises `LinkPolicyError` when the shims cannot be put there;
    a start-up file that cannot be changed is a problem of the plan, and the rest goes on.
    """
    home, record_path = _own_places(environ)
    shown = Shown(home)
    known = shells.named(shell) if shell else shells.detect(environ)
    directory = shim_directories.choose(shim_directory, environ, home)
    # First of all, because it refuses a directory whose name the shell cannot carry.
    by_hand = shells.line_by_hand(known, directory)

    record = setup_record.load(record_path)

    wanted: dict[str, Edit] = {}  # by real path: two names may lead to one file
    problems: list[str] = []
    if modify_path and known is None:
        problems.append("Could not tell which shell you use, so no start-up file is changed.")
    elif modify_path and known is not None:
        lines = shells.block(known, directory)
        for file in shells.start_up_files(known, environ=environ, home=home, platform=sys.platform):
            for edit in _insertion(file, lines, _judge(record), problems, shown):
                wanted.setdefault(edit.before.real_path, edit)
    edits = [edit for edit in wanted.values() if edit.after != edit.before.content]

    directories = _missing_directories(directory)
    made = (
        *_missing_directories(os.path.dirname(record_path)),
        *directories,
        *(path for edit in edits for path in edit.directories),
    )
    paths = [f"{directory}/{program}" for program in PROGRAMS]
    contents = [shim_directories.rendered(program) for program in PROGRAMS]
    in_front = shim_directories.uv_in_front(environ.get("PATH", ""), directory)
    return SetupPlan(
        home=home,
        shell=known,
        shim_directory=directory,
        directories=directories,
        shims=tuple(
            (path, content)
            for path, content in zip(paths, contents, strict=True)
            if not shim_directories.is_in_place(path, content)
        ),
        edits=tuple(edits),
        problems=tuple(problems),
        notes=(
            *_early_return_notes(edits, shown),
            *_left_behind_notes(record, directory, shown),
            *([f"In this shell `uv` is still {shown(in_front)}."] if in_front else []),
        ),
        by_hand=by_hand,
        path_is_managed=modify_path and known is not None,
        is_first_now=not in_front and directory in environ.get("PATH", "").split(":"),
        github_path="GITHUB_PATH" in environ,
        record_path=record_path,
        record=SetupRecord(
            shims=tuple(paths),
            directories=tuple(dict.fromkeys(made)),
            files=tuple(_recorded(edit) for edit in wanted.values()),
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
        lines.append(_in_place(plan, shown))
    with _recording(plan.record_path, make=True) as recorded:
        wanted = (recorded or SetupRecord()).merged(plan.record)
        if wanted != recorded:
            _save(plan.record_path, wanted)
        _make_directories(plan.directories)
        for path, content in plan.shims:
            shim_directories.write(path, content)
            lines.append(f"wrote    {shown(path)}")
        for edit in plan.edits:
            _carry_out_edit(edit, shown, lines, problems)
    lines.complete = not problems
    lines += _closing(plan, problems)
    return lines


def plan_uninstall(*, environ: Mapping[str, str], shim_directory: str | None) -> UninstallPlan:
    """What there is to take back. Reads only. `shim_directory`: one more place to look for shims.

    Raises `LinkPolicyError` when HOME is not known.
    """
    home, record_path = _own_places(environ)
    shown = Shown(home)
    record = setup_record.load(record_path)
    known = record or SetupRecord()
    problems: list[str] = []
    notes: list[str] = []
    if record is None and os.path.lexists(record_path):
        notes.append(f"Cannot understand {shown(record_path)}; looked in the usual places.")

    edits: dict[str, Edit] = {}
    left: list[Inserted] = []
    usual = shells.every_start_up_file(environ=environ, home=home, platform=sys.platform)
    recorded = {file.path: file for file in known.files}
    for path in dict.fromkeys((*recorded, *usual)):
        faults: list[str] = []
        for edit in _removal(path, _judge(record), faults, shown):
            edits.setdefault(edit.before.real_path, edit)
        problems += faults
        left += [recorded[path]] if faults and path in recorded else []

    default = layout.shim_directory(dict(environ), sys.platform)
    places = (
        [default, shim_directories.absolute(shim_directory, home)] if shim_directory else [default]
    )
    candidates = [f"{place}/{program}" for place in places for program in PROGRAMS]
    shims: list[str] = []
    for path in dict.fromkeys((*known.shims, *candidates)):
        if shim_directories.is_shim(path):
            shims.append(path)
        elif os.path.lexists(path):
            notes.append(f"{shown(path)} is not ours and stays.")
    # These bear our name, so they are ours whatever the record says.
    named = (default, os.path.dirname(default), os.path.dirname(record_path))
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
    with _recording(plan.record_path, make=False) as recorded:
        known = recorded or SetupRecord()
        for edit in plan.edits:
            if not _carry_out_edit(edit, shown, lines, problems):
                left = tuple(file for file in known.files if file.path == edit.before.path)
                remaining = remaining.merged(SetupRecord(files=left))
        for path in plan.shims:
            if not _delete_shim(path, shown, lines, problems):
                remaining = remaining.merged(SetupRecord(shims=(path,)))
        _keep_on_record(plan.record_path, remaining, known.directories)
    for directory in plan.directories:
        with contextlib.suppress(OSError):  # not empty, or gone: both are as they should be
            os.rmdir(directory)
    if not plan.changes_anything:
        lines.append(_NOTHING_FOUND)
    lines.complete = not problems
    lines += ["", *problems, *plan.notes] if problems or plan.notes else []
    if plan.changes_anything:
        lines += ["", "Shells that are open now keep their PATH until they are closed."]
    return lines


_NOTHING_FOUND = "Nothing to do: nothing of linkpolicy was found."


def _own_places(environ: Mapping[str, str]) -> tuple[str, str]:
    """HOME and the path of the record. Raises `LinkPolicyError`."""
    if sys.platform == "win32":
        raise LinkPolicyError(
            "`linkpolicy setup` does not know Windows yet",
            hint="linkpolicy run -- uv ... works without shims",
        )
    home = layout.home(dict(environ), sys.platform)
    if not os.path.isabs(home):
        raise LinkPolicyError("your home directory is not known", hint="set HOME")
    home = home.rstrip("/")
    sudo_user = environ.get("SUDO_UID", "")
    with contextlib.suppress(OSError):
        # root's files in a user's home would lock that user out of the own start-up files.
        if (
            os.geteuid() == 0
            and sudo_user not in ("", "0")
            and str(os.stat(home or "/").st_uid) == sudo_user
        ):
            raise LinkPolicyError(
                f"HOME is `{home}`, the home of the user who called sudo", hint="run without sudo"
            )
    state = layout.state_home(dict(environ), sys.platform)
    return home, f"{state}/{setup_record.NAME}"


def _insertion(
    file: shells.StartUpFile,
    lines: bytes,
    is_ours: Callable[[bytes], bool],
    problems: list[str],
    shown: Shown,
) -> list[Edit]:
    """The edit that puts our block into one start-up file; none when it must be left alone."""
    try:
        before = startup_file.read(file.path)
        if before.content is None and not file.create:
            return []
        after = startup_file.with_block(before.content, lines, is_ours=is_ours)
        if after != before.content:
            startup_file.check_editable(before)
    except LinkPolicyError as error:
        problems.append(setup_words.left_alone(shown(file.path), error))
        return []
    directories = _missing_directories(os.path.dirname(before.real_path))
    return [Edit(before=before, after=after, directories=directories)]


def _removal(
    path: str, is_ours: Callable[[bytes], bool], problems: list[str], shown: Shown
) -> list[Edit]:
    """The edit that takes our blocks out of one start-up file; none when there are none."""
    if not os.path.isfile(path):
        return []
    try:
        before = startup_file.read(path)
        if before.content is None or not startup_file.blocks(before.content):
            return []
        after = startup_file.without_block(before.content, is_ours=is_ours)
        delete = startup_file.would_be_deleted(before.content, is_ours=is_ours)
        startup_file.check_editable(before)
    except LinkPolicyError as error:
        problems.append(setup_words.left_alone(shown(path), error))
        return []
    return [Edit(before=before, after=None if delete else after)]


def _carry_out_edit(edit: Edit, shown: Shown, lines: list[str], problems: list[str]) -> bool:
    """Change one start-up file, or say why not."""
    try:
        _make_directories(edit.directories)
        startup_file.write(edit.before, edit.after)
    except LinkPolicyError as error:
        problems.append(setup_words.left_alone(shown(edit.before.path), error))
        return False
    lines.append(setup_words.done(edit, shown))
    return True


def _delete_shim(path: str, shown: Shown, lines: list[str], problems: list[str]) -> bool:
    """Delete one shim if it is still ours, or say why not."""
    try:
        if shim_directories.is_shim(path):
            os.unlink(path)
    except OSError as error:
        problems.append(setup_words.left_alone(shown(path), shim_directories.reason(error)))
        return False
    lines.append(f"deleted  {shown(path)}")
    return True


def _keep_on_record(path: str, remaining: SetupRecord, directories: tuple[str, ...]) -> None:
    """What is left to take back; when nothing is, there is no record any more."""
    if remaining.files or remaining.shims:
        _save(path, remaining.merged(SetupRecord(directories=directories)))
        return
    with contextlib.suppress(OSError):
        os.unlink(path)


def _judge(record: SetupRecord | None) -> Callable[[bytes], bool]:
    """Did we write these lines? An older linkpolicy may have written others: see the record."""
    known: set[bytes] = set()
    for file in record.files if record else ():
        with contextlib.suppress(LinkPolicyError):
            known.update(block.lines for block in startup_file.blocks(file.inserted))
    return lambda lines: lines in known or shells.is_ours(lines)


def _recorded(edit: Edit) -> Inserted:
    content = edit.after or b""
    block = startup_file.blocks(content)[-1]
    return Inserted(
        path=edit.before.path,
        inserted=content[block.start - block.ended_line :],
        created=block.made_file,
        newline_added=block.ended_line,
    )


def _early_return_notes(edits: list[Edit], shown: Shown) -> Iterator[str]:
    for edit in edits:
        if os.path.basename(edit.before.path) == ".bashrc":
            line = shells.early_return(edit.before.content or b"")
            if line:
                yield (
                    f"{shown(edit.before.path)} ends at line {line} for commands without a"
                    " terminal, so `ssh HOST uv ...` does not reach the shim."
                )


def _left_behind_notes(record: SetupRecord | None, directory: str, shown: Shown) -> Iterator[str]:
    places = dict.fromkeys(os.path.dirname(path) for path in (record.shims if record else ()))
    for place in places:
        if place != directory:
            yield f"The shims in {shown(place)} stay until `linkpolicy uninstall`."


def _closing(plan: SetupPlan, problems: list[str]) -> list[str]:
    """What follows the list of changes: what did not work, what to know, what to do next."""
    lines = ["", *problems, *plan.notes] if problems or plan.notes else []
    if problems or not plan.path_is_managed:
        lines += ["", "Put this at the end of your shell's start-up file:", f"  {plan.by_hand}"]
    elif not plan.is_first_now:
        lines += ["", "Open a new shell, or type here:", f"  {plan.by_hand}"]
    if plan.github_path:
        lines += ["", "In GitHub Actions, for the steps that follow:"]
        lines += [f'  echo {shlex.quote(plan.shim_directory)} >> "$GITHUB_PATH"']
    return lines


def _missing_directories(path: str) -> tuple[str, ...]:
    missing: list[str] = []
    while not os.path.lexists(path):
        missing.append(path)
        path = os.path.dirname(path)
    return tuple(reversed(missing))


def _make_directories(paths: tuple[str, ...], mode: int = 0o755) -> None:
    path = ""
    try:
        for path in paths:
            with contextlib.suppress(FileExistsError):
                os.mkdir(path, mode)
    except OSError as error:
        raise LinkPolicyError(f"cannot make `{path}`: {shim_directories.reason(error)}") from error


@contextlib.contextmanager
def _recording(path: str, *, make: bool) -> Iterator[SetupRecord | None]:
    """The record as it is now, with other runs kept out. Raises `LinkPolicyError`."""
    directory = os.path.dirname(path)
    if make:
        _make_directories(_missing_directories(os.path.dirname(directory)))
        _make_directories(_missing_directories(directory), 0o700)
    elif not os.path.isdir(directory):
        yield None
        return
    try:
        with setup_record.exclusive(directory) as alone:
            if not alone:
                raise LinkPolicyError("another `linkpolicy setup` or `uninstall` is at work")
            yield setup_record.load(path)
    except OSError as error:
        raise LinkPolicyError(
            f"cannot use `{directory}`: {shim_directories.reason(error)}"
        ) from error


def _save(path: str, record: SetupRecord) -> None:
    try:
        setup_record.save(path, record)
    except OSError as error:
        raise LinkPolicyError(f"cannot write `{path}`: {shim_directories.reason(error)}") from error


def _in_place(plan: SetupPlan, shown: Shown) -> str:
    return f"Nothing to do: the shims in {shown(plan.shim_directory)} are in place."
