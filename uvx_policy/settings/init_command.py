"""`linkpolicy init`: write a project's settings, leaving everything else in the file as it is.

`plan_init` reads and computes, `write_init` writes; between the two a person may be asked.
"""

from __future__ import annotations

import contextlib
import os
import tempfile

from uvx_policy.errors import ConfigError, LinkPolicyError, Unreadable, UsageError
from uvx_policy.settings.check import shown, suggestion, two_files
from uvx_policy.settings.edit import edit, has_settings, is_project_file, new_text
from uvx_policy.settings.keys import KEYS, NAMES
from uvx_policy.state import layout
from uvx_policy.toml_file import parse_toml
from uvx_policy.value import Value

#: some editors on Windows begin a file with it
_MARK = "\ufeff"


class CannotWrite(LinkPolicyError):
    """The file cannot be written, or is not what it was when the change was planned."""


class InitPlan(Value):
    """One file and what it will hold."""

    #: as a person knows it; a symbolic link there is followed when writing
    path: str
    #: bytes that were read; `None` when the file does not exist yet
    old: bytes | None
    new: bytes
    #: one line for each change, for people; empty when there is nothing to do
    changes: tuple[str, ...]


def plan_init(directory: str, values: dict[str, str | bool]) -> InitPlan:
    """Plan `values` (setting -> value) into the settings of the project in `directory`.

    Goes into pyproject.toml, or into linkpolicy.toml if that has the settings already or there is
    no pyproject.toml. Without values: a table with every setting as a comment, unless there is one.
    Raises `UsageError` for wrong values, `ConfigError` for a broken file, `Unreadable`.
    """
    wanted = _wanted(values)
    if not os.path.isdir(directory):
        raise UsageError(f"`{directory}` is not a directory")
    path, old = _choose(directory)
    if old is None:
        new = new_text(wanted, title=not is_project_file(path)).encode()
        return InitPlan(path=path, old=None, new=new, changes=(f"create `{path}`",))
    text = _decode(path, old)
    mark = _MARK if text.startswith(_MARK) else ""
    # Edited with "\n" alone; a file that mixes both kinds of line ends keeps its mixture.
    crlf = "\r\n" in text and text.count("\n") == text.count("\r\n")
    text = text.replace("\r\n", "\n") if crlf else text
    text, changes = edit(parse_toml(path, text), wanted)
    text = text.replace("\n", "\r\n") if crlf else text
    return InitPlan(
        path=path, old=old, new=(mark + text).encode() if changes else old, changes=changes
    )


def write_init(plan: InitPlan) -> bool:
    """Write what was planned; `False` when there was nothing to do.

    The file is the old or the new one at every moment, keeps its mode, and stays behind the same
    symbolic link. Raises `CannotWrite`, also when somebody changed the file meanwhile.
    """
    if plan.new == plan.old:
        return False
    target = os.path.realpath(plan.path)
    try:
        _replace(target, plan)
    except OSError as error:
        raise CannotWrite(f"cannot write `{plan.path}`: {error.strerror or error}") from error
    return True


def _replace(target: str, plan: InitPlan) -> None:
    folder, name = os.path.split(target)
    if plan.old is not None and not os.access(target, os.W_OK):
        # A rename would not ask; the mode is the owner's word.
        raise CannotWrite(f"cannot write `{plan.path}`: it is read-only")
    handle, beside = tempfile.mkstemp(prefix=f".{name}.", dir=folder)
    try:
        with open(handle, "wb") as stream:
            stream.write(plan.new)
            _copy_ownership(target if plan.old is not None else "", stream.fileno())
            stream.flush()
            os.fsync(stream.fileno())
        if plan.old is None:
            # Unlike a rename, a link never replaces what somebody else made meanwhile.
            _link_or_rename(beside, target)
        else:
            _expect(plan, target)
            os.replace(beside, target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(beside)


def _wanted(values: dict[str, str | bool]) -> dict[str, str]:
    """Check what was asked for; canonical spelling."""
    wanted = {}
    for name, value in values.items():
        key = next((key for key in KEYS if key.name == name), None)
        if key is None:
            near = suggestion(name, NAMES, "`")
            raise UsageError(f"there is no setting `{shown(name)}`", hint=near)
        text = str(value).lower() if isinstance(value, bool) else value
        text = key.aliases.get(text, text)
        if text not in key.allowed:
            raise UsageError(
                f"`{name}` must be one of {', '.join(key.allowed)}, not `{shown(text)}`",
                hint=suggestion(text, key.allowed, "`"),
            )
        wanted[name] = text
    return wanted


def _choose(directory: str) -> tuple[str, bytes | None]:
    """Path and bytes of the file that has the settings, or should have them."""
    pyproject = os.path.join(directory, "pyproject.toml")
    alone = os.path.join(directory, layout.PROJECT_FILE)
    pyproject_bytes, alone_bytes = _read(pyproject), _read(alone)
    if pyproject_bytes is None:
        return alone, alone_bytes
    if alone_bytes is None:
        return pyproject, pyproject_bytes
    file = parse_toml(pyproject, _decode(pyproject, pyproject_bytes))
    if has_settings(file):
        raise ConfigError(two_files(file, alone))
    return alone, alone_bytes


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except FileNotFoundError:
        if os.path.islink(path):
            raise Unreadable(path, "is a symbolic link to nothing") from None
        return None
    except OSError as error:
        raise Unreadable(path, error.strerror or str(error)) from error


def _decode(path: str, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise Unreadable(path, f"is not UTF-8 (byte {error.start})") from error


def _expect(plan: InitPlan, target: str) -> None:
    """Raise `CannotWrite` unless the file is still what it was when the plan was made."""
    with open(target, "rb") as stream:
        if stream.read() != plan.old:
            raise CannotWrite(f"`{plan.path}` was changed meanwhile, and is left as it is")


def _link_or_rename(beside: str, target: str) -> None:
    try:
        os.link(beside, target)
    except FileExistsError:
        raise CannotWrite(f"`{target}` was made by somebody else meanwhile") from None
    except OSError:  # a file system without hard links
        if os.path.lexists(target):
            raise CannotWrite(f"`{target}` was made by somebody else meanwhile") from None
        os.rename(beside, target)


def _copy_ownership(source: str, handle: int) -> None:
    """Give the open file the mode, owner and group of `source`; "": those of a new file."""
    if not hasattr(
        os, "fchmod"
    ):  # Windows before Python 3.13: the directory's rights are inherited
        return
    if not source:
        umask = os.umask(0)
        os.umask(umask)
        os.fchmod(handle, 0o666 & ~umask)
        return
    status = os.stat(source)
    if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
        with contextlib.suppress(PermissionError):
            os.fchown(handle, status.st_uid, status.st_gid)
    os.fchmod(handle, status.st_mode & 0o7777)
