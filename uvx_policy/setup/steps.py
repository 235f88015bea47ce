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
from uvx_policy.setup import shells, shim_directories, startup_file
from uvx_policy.setup import words as setup_words
from uvx_policy.setup.record import Inserted, SetupRecord
from uvx_policy.setup.words import Edit, Problem, Shown
from uvx_policy.state import forget as state_forget
from uvx_policy.state import layout, user_file
from uvx_policy.terminal.command import command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


def own_places(environ: Mapping[str, str]) -> tuple[str, str]:
    """HOME and the path of the record. Raises `LinkPolicyError`."""
    if sys.platform == "win32":
        raise LinkPolicyError(
            "`linkpolicy setup` does not know Windows yet",
            hint="use linkpolicy without shims",
            commands=(command("linkpolicy", "run", "--", "uv", "sync"),),
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
    return home, f"{state}/{layout.SETUP_RECORD}"


def insertion(
    file: shells.StartUpFile,
    lines: bytes,
    is_ours: Callable[[bytes], bool],
    problems: list[Problem],
) -> list[Edit]:
    """The edit that puts our block into one start-up file; none when it must be left alone."""
    try:
        before = user_file.read(file.path)
        if before.content is None and not file.create:
            return []
        after = startup_file.with_block(before.content, lines, is_ours=is_ours)
        if after != before.content:
            user_file.check_editable(before)
    except LinkPolicyError as error:
        problems.append(Problem(file.path, str(error)))
        return []
    directories = missing_directories(os.path.dirname(before.real_path))
    return [Edit(before=before, after=after, directories=directories)]


def removal(path: str, is_ours: Callable[[bytes], bool], problems: list[Problem]) -> list[Edit]:
    """The edit that takes our blocks out of one start-up file; none when there are none."""
    if not os.path.isfile(path):
        return []
    try:
        before = user_file.read(path)
        if before.content is None or not startup_file.blocks(before.content):
            return []
        after = startup_file.without_block(before.content, is_ours=is_ours)
        delete = startup_file.would_be_deleted(before.content, is_ours=is_ours)
        user_file.check_editable(before)
    except LinkPolicyError as error:
        problems.append(Problem(path, str(error)))
        return []
    return [Edit(before=before, after=None if delete else after)]


def judge(record: SetupRecord | None) -> Callable[[bytes], bool]:
    """Did we write these lines? An older linkpolicy may have written others: see the record."""
    known: set[bytes] = set()
    for file in record.files if record else ():
        with contextlib.suppress(LinkPolicyError):
            known.update(block.lines for block in startup_file.blocks(file.inserted))
    return lambda lines: lines in known or shells.is_ours(lines)


def carry_out_edit(edit: Edit, shown: Shown, lines: list[str], problems: list[Problem]) -> bool:
    """Change one start-up file, or say why not."""
    try:
        make_directories(edit.directories)
        user_file.write(edit.before, edit.after)
    except LinkPolicyError as error:
        problems.append(Problem(edit.before.path, str(error)))
        return False
    lines.append(setup_words.done(edit, shown))
    return True


def delete_shim(path: str, shown: Shown, lines: list[str], problems: list[Problem]) -> bool:
    """Delete one shim if it is still ours, or say why not."""
    try:
        if not shim_directories.is_ours(path):  # gone, or replaced since the plan
            return True
        os.unlink(path)
    except OSError as error:
        problems.append(Problem(path, shim_directories.reason(error)))
        return False
    lines.append(f"deleted  {shown(path)}")
    return True


def forget(directory: str, shown: Shown, lines: list[str], problems: list[Problem]) -> None:
    """Delete one directory of the state directory with the files in it, or say why not."""
    fault = state_forget.forget(directory)
    if fault:
        problems.append(Problem(directory, fault))
    else:
        lines.append(f"deleted  {shown(directory)}/")


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
        inserted=content[block.start - block.ended_line :],
        created=block.made_file,
        newline_added=block.ended_line,
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
    path = ""
    try:
        for path in paths:
            with contextlib.suppress(FileExistsError):
                os.mkdir(path, mode)
    except OSError as error:
        raise LinkPolicyError(f"cannot make `{path}`: {shim_directories.reason(error)}") from error


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
    try:
        with setup_record.exclusive(directory) as alone:
            if not alone:
                raise LinkPolicyError("another `linkpolicy setup` or `uninstall` is at work")
            yield setup_record.load(path)
    except OSError as error:
        raise LinkPolicyError(
            f"cannot use `{directory}`: {shim_directories.reason(error)}"
        ) from error


def save(path: str, record: SetupRecord) -> None:
    """Write the record. Raises `LinkPolicyError`."""
    try:
        setup_record.save(path, record)
    except OSError as error:
        raise LinkPolicyError(f"cannot write `{path}`: {shim_directories.reason(error)}") from error


def keep_on_record(path: str, remaining: SetupRecord, directories: tuple[str, ...]) -> None:
    """What is left to take back; when nothing is, there is no record any more."""
    if remaining.files or remaining.shims:
        save(path, remaining.merged(SetupRecord(directories=directories)))
        return
    setup_record.forget(path)
