"""`linkpolicy init` and `config set`: write settings, leaving everything else in the file as it is.

A plan reads and computes, `write_init` writes; between the two a person may be asked.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from uvx_policy.errors import CannotWrite, ConfigError, Unreadable, UsageError
from uvx_policy.settings.check import shown, suggestion, two_files
from uvx_policy.settings.edit import edit, has_settings, new_text
from uvx_policy.settings.keys import BY_NAME, NAMES
from uvx_policy.state import layout, user_file
from uvx_policy.state.user_file import NotEditable, Snapshot
from uvx_policy.toml_file import parse_toml
from uvx_policy.value import Value

if TYPE_CHECKING:
    from uvx_policy.settings.edit import Wanted
    from uvx_policy.settings.keys import Key

#: some editors on Windows begin a file with it
_MARK = "\ufeff"
#: less the umask
_MODE_OF_NEW_FILES = 0o666


class InitPlan(Value):
    """One file and what it will hold."""

    #: what was read
    before: Snapshot
    new: bytes
    #: one line for each change, for people; empty when there is nothing to do
    changes: tuple[str, ...]

    @property
    def path(self) -> str:
        """As a person knows it; a symbolic link there is followed when writing."""
        return self.before.path


def plan_init(directory: str, values: dict[str, str | bool]) -> InitPlan:
    """Plan `values` (setting -> value) into the settings of the project in `directory`.

    Goes into pyproject.toml, or into linkpolicy.toml if that has the settings already or there is
    no pyproject.toml. Without values: a table with every setting as a comment, unless there is one.
    Raises `UsageError` for wrong values, `ConfigError` for a broken file, `Unreadable`.
    """
    wanted = _wanted(values)
    if not os.path.isdir(directory):
        raise UsageError(f"`{directory}` is not a directory")
    before = _choose(directory)
    if before.content is None:
        new = new_text(before.path, wanted).encode()
        return InitPlan(before=before, new=new, changes=(f"create `{before.path}`",))
    return _edited(before, wanted)


def plan_change(name: str, value: str | None, *, config: str = "", directory: str = "") -> InitPlan:
    """Plan one setting into a file, or out of it (`value` `None`).

    The file: `config`, the path of a config.toml, which need not exist, or that of the project in
    `directory`. Raises as `plan_init` does.
    """
    wanted: dict[str, str | None] = {_key(name).name: None}
    if value is not None:
        wanted.update(_wanted({name: value}))
    before = _read(config) if config else _choose(directory)
    if before.content is None:
        if value is None:
            return InitPlan(before=before, new=b"", changes=())
        text = new_text(before.path, {name: wanted[name] or ""})
        return InitPlan(before=before, new=text.encode(), changes=(f"create `{before.path}`",))
    return _edited(before, wanted)


def _edited(before: Snapshot, wanted: Wanted) -> InitPlan:
    path, content = before.path, before.content or b""
    text = _decode(path, content)
    mark = _MARK if text.startswith(_MARK) else ""
    # Edited with "\n" alone; a file that mixes both kinds of line ends keeps its mixture.
    crlf = "\r\n" in text and text.count("\n") == text.count("\r\n")
    text = text.replace("\r\n", "\n") if crlf else text
    text, changes = edit(parse_toml(path, text), wanted)
    text = text.replace("\n", "\r\n") if crlf else text
    new = (mark + text).encode() if changes else content
    return InitPlan(before=before, new=new, changes=changes)


def write_init(plan: InitPlan) -> bool:
    """Write what was planned; `False` when there was nothing to do.

    Raises `CannotWrite`, also when somebody changed the file meanwhile.
    """
    if plan.new == (plan.before.content or b""):
        return False
    try:
        user_file.write(plan.before, plan.new, link=True)
    except NotEditable as error:
        raise CannotWrite(plan.path, str(error)) from error
    return True


def _wanted(values: dict[str, str | bool]) -> dict[str, str]:
    """Check what was asked for; canonical spelling."""
    wanted = {}
    for name, value in values.items():
        key = _key(name)
        text = str(value).lower() if isinstance(value, bool) else value
        text = key.aliases.get(text, text)
        if text not in key.allowed:
            raise UsageError(
                f"`{name}` must be one of {', '.join(key.allowed)}, not `{shown(text)}`",
                hint=suggestion(text, key.allowed, "`"),
            )
        wanted[name] = text
    return wanted


def _key(name: str) -> Key:
    """Raises `UsageError` for a name that no setting has."""
    if name not in BY_NAME:
        near = suggestion(name, NAMES, "`") or f"the settings are {', '.join(NAMES)}"
        raise UsageError(f"there is no setting `{shown(name)}`", hint=near)
    return BY_NAME[name]


def _choose(directory: str) -> Snapshot:
    """The file that has the settings, or should have them."""
    pyproject = _read(os.path.join(directory, "pyproject.toml"))
    alone = _read(os.path.join(directory, layout.PROJECT_FILE))
    if pyproject.content is None:
        return alone
    if alone.content is None:
        return pyproject
    file = parse_toml(pyproject.path, _decode(pyproject.path, pyproject.content))
    if has_settings(file):
        raise ConfigError(two_files(file, alone.path))
    return alone


def _read(path: str) -> Snapshot:
    try:
        found = user_file.read(path)
    except NotEditable as error:
        raise Unreadable(path, str(error)) from error
    return found if found.content is not None else found._replace(mode=_MODE_OF_NEW_FILES)


def _decode(path: str, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise Unreadable(path, f"is not UTF-8 (byte {error.start})") from error
