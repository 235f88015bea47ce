"""The single steps of `setup` and `uninstall`: one edit, one directory, one deletion, the record.

Nothing here raises for a start-up file that cannot be changed: it becomes a `Problem`, and the
rest goes on.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

from uvx_policy.errors import LinkPolicyError
from uvx_policy.setup import record as setup_record
from uvx_policy.setup import shell_lines, shells, shim_directories, startup_file
from uvx_policy.setup.record import Inserted
from uvx_policy.setup.shim_directories import explained
from uvx_policy.setup.words import Edit, Problem, told
from uvx_policy.state import layout, user_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from uvx_policy.setup.record import SetupRecord
    from uvx_policy.setup.words import Lines


_HOME = "USERPROFILE" if sys.platform == "win32" else "HOME"


def own_places(environ: Mapping[str, str]) -> tuple[str, str]:
    """HOME and the path of the record. Raises `LinkPolicyError`."""
    home = layout.home(dict(environ), sys.platform)
    if not os.path.isabs(home):
        raise LinkPolicyError("your home directory is not known", hint=f"set {_HOME}")
    home = home.rstrip("/" + os.sep)
    sudo_user = "" if sys.platform == "win32" else environ.get("SUDO_UID", "")
    with contextlib.suppress(OSError):
        # root's files in a user's home would lock that user out of the own start-up files.
        is_theirs = sudo_user != "0" and str(os.stat(home or "/").st_uid) == sudo_user
        if is_theirs and os.geteuid() == 0:
            message = f"HOME is `{home}`, the home of the user who called sudo"
            raise LinkPolicyError(message, hint="run without sudo")
    state = layout.state_home(dict(environ), sys.platform)
    return home, os.path.join(state, layout.SETUP_RECORD)


@contextlib.contextmanager
def _noting(path: str, problems: list[Problem]) -> Iterator[None]:
    """What is wrong with the file becomes a problem."""
    try:
        yield
    except OSError as error:
        problems.append(Problem(path, shim_directories.reason(error)))
    except LinkPolicyError as error:
        problems.append(Problem(path, str(error)))


def insertion(
    addition: shells.Addition,
    is_ours: Callable[[bytes], bool],
    edits: dict[str, Edit],
    problems: list[Problem],
) -> None:
    """Add what puts our block into a file to `edits` (by real path), or to `problems`."""
    file = addition.file
    with _noting(file.path, problems):
        before = user_file.read(file.path)
        if before.content is None and not file.create:
            return
        after = startup_file.with_block(before.content, addition.lines(), is_ours=is_ours)
        if after != before.content:
            user_file.check_editable(before)
        directories = missing_directories(os.path.dirname(before.real_path))
        edit = Edit(before=before, after=after, directories=directories)
        edits.setdefault(before.real_path, edit)


def removal(
    path: str, is_ours: Callable[[bytes], bool], edits: dict[str, Edit], problems: list[Problem]
) -> None:
    """The same for what takes our blocks out of it; nothing when there are none."""
    if not os.path.isfile(path):
        return
    with _noting(path, problems):
        before = user_file.read(path)
        if before.content is None or not startup_file.blocks(before.content):
            return
        after = startup_file.without_block(before.content, is_ours=is_ours)
        delete = startup_file.would_be_deleted(before.content, is_ours=is_ours)
        user_file.check_editable(before)
        edit = Edit(before=before, after=None if delete else after)
        edits.setdefault(before.real_path, edit)


def judge(record: SetupRecord | None) -> Callable[[bytes], bool]:
    """Did we write these lines? An older linkpolicy may have written others: see the record."""
    known: set[bytes] = set()
    for file in record.files if record else ():
        with contextlib.suppress(LinkPolicyError):
            known.update(block.lines for block in startup_file.blocks(file.inserted))
    return lambda lines: lines in known or shell_lines.is_ours(lines)


def carry_out_edit(edit: Edit, lines: Lines) -> None:
    """Change one start-up file, or say why not."""
    with _noting(edit.before.path, lines.problems):
        make_directories(edit.directories)
        user_file.write(edit.before, edit.after)
        lines.append(told(edit, lines.shown, done=True))


def delete_shim(path: str, lines: Lines) -> None:
    """Delete one shim if it is still ours, or say why not."""
    with _noting(path, lines.problems):
        if not shim_directories.is_ours(path):  # gone, or replaced since the plan
            return
        try:
            os.unlink(path)
        except PermissionError:
            if os.name != "nt" or path.endswith(user_file.UNFINISHED):
                raise
            # It runs.
            is_aside = path.endswith(shim_directories.ASIDE)
            path = path if is_aside else shim_directories.put_aside(path)
            lines.left.append(path)
            lines.append(f"left     {lines.shown(path)}  (it runs; the next run deletes it)")
        else:
            lines.append(f"deleted  {lines.shown(path)}")


def remove_directory(path: str) -> bool:
    """Remove a directory if it is empty; one that is not, or that is gone, is as it should be."""
    try:
        os.rmdir(path)
    except OSError:
        return False
    return True


def recorded(edit: Edit) -> Inserted:
    """What an edit inserts, for the record."""
    content = edit.after or b""
    block = startup_file.blocks(content)[-1]
    return Inserted(
        path=edit.before.path,
        inserted=content[block.start - block.ends :],
        created=block.made_file,
        newline_added=block.ends > 0,
    )


def missing_directories(path: str) -> tuple[str, ...]:
    """The directories that have to be made for `path`, itself included, outermost first."""
    missing: list[str] = []
    while not os.path.lexists(path):
        missing.append(path)
        path = os.path.dirname(path)
    return tuple(reversed(missing))


def make_directories(paths: tuple[str, ...], mode: int = 0o755) -> None:
    """Make what is missing, outermost first. Raises `LinkPolicyError`."""
    for path in paths:
        with explained(f"cannot make `{path}`"), contextlib.suppress(FileExistsError):
            os.mkdir(path, mode)


@contextlib.contextmanager
def recording(path: str, *, make: bool) -> Iterator[SetupRecord | None]:
    """The record as it is now, with other runs kept out. Raises `LinkPolicyError`."""
    directory = os.path.dirname(path)
    if make:
        make_directories(missing_directories(os.path.dirname(directory)))
        make_directories(missing_directories(directory), 0o700)
    elif not os.path.isdir(directory):
        yield None
        return
    with explained(f"cannot use `{directory}`"), setup_record.exclusive(directory) as alone:
        if not alone:
            raise LinkPolicyError("another `linkpolicy setup`, `adopt` or `uninstall` is running")
        yield setup_record.load(path)
