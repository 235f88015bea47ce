"""Set and unset settings in the text of a settings file; comments and layout stay. Pure.

The file is a pyproject.toml, a linkpolicy.toml, or a config.toml, where `[defaults]` is changed.
tomlkit replaces and removes values; new lines are inserted here, because tomlkit puts them behind
the comments that introduce the next table. The result is then compared with the promise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvx_policy.errors import ConfigError
from uvx_policy.settings.check import PROJECT_TABLE, Checker, fault_at, has_table
from uvx_policy.settings.keys import BY_NAME, KEYS, USER_DEFAULTS, USER_RULES
from uvx_policy.state import layout
from uvx_policy.toml_file import parse_toml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, TypeAlias

    from uvx_policy.settings.keys import Setting
    from uvx_policy.toml_file import KeyPath, TomlFile

    #: setting -> canonical value; `None`: it is to be unset
    Wanted: TypeAlias = Mapping[str, str | None]

#: the table of a config.toml that holds the settings
_DEFAULTS = "defaults"


def is_project_file(path: str) -> bool:
    """Tell a linkpolicy.toml, where the settings stand at the top, from a pyproject.toml."""
    return path.endswith(layout.PROJECT_FILE)


def is_config_file(path: str) -> bool:
    """Tell a config.toml of the user or the machine."""
    return path.replace("\\", "/").endswith(f"/{layout.CONFIG_FILE}")


def has_settings(file: TomlFile) -> bool:
    """Tell whether the file has a table of ours; a linkpolicy.toml is one."""
    if is_config_file(file.path):
        return _DEFAULTS in file.data
    return is_project_file(file.path) or has_table(file)


def new_text(path: str, wanted: Mapping[str, str]) -> str:
    """Make the lines of a new table, without `wanted` every setting as a comment."""
    lines = [_title(path)] if _prefix(path) else []
    if wanted:
        lines += [_line(name, value) for name, value in wanted.items()]
    else:
        lines.append("# How linkpolicy makes uv install into this project's environment.")
        for key in KEYS:
            values = f" ({' | '.join(key.allowed)})"
            lines += ["", f"# {key.meaning}{values}", f"# {_line(key.name, key.default)}"]
    return "".join(f"{line}\n" for line in lines)


def edit(file: TomlFile, wanted: Wanted) -> tuple[str, tuple[str, ...]]:
    """Return the text with `wanted` in it, and what was changed.

    New lines end in a plain newline: turn CRLF into that before. Raises `ConfigError` for
    faults that are or would be in our table, and when an edit would touch anything else.
    """
    if has_settings(file):
        text, changes = _change_table(file, wanted)
    else:
        added = {name: value for name, value in wanted.items() if value is not None}
        text, changes = _add_table(file, added) if added or not wanted else (file.text, ())
    if changes:
        _prove(file, text, wanted)
    return text, changes


def _add_table(file: TomlFile, wanted: dict[str, str]) -> tuple[str, tuple[str, ...]]:
    changes = (f"add {_title(file.path)}", *(f"set `{_line(*each)}`" for each in wanted.items()))
    tool = {} if is_config_file(file.path) else file.data.get("tool", {})
    if not isinstance(tool, dict):
        raise ConfigError(fault_at(file, ("tool",), "[tool] must be a table"))
    if tool and "".join(_line_at(file, ("tool",)).split()).startswith("tool="):
        if not wanted:
            fault = "no comment can stand in `tool = {}`", "name a setting"
            raise ConfigError(fault_at(file, ("tool",), *fault, kind="not-editable"))
        return _with_tomlkit(file, wanted), changes
    # At the end of the file: valid wherever other parts of [tool] are, and no comment of theirs
    # comes to stand above another table.
    text = file.text if file.text.endswith("\n") or not file.text else f"{file.text}\n"
    gap = "" if not text.strip("\n") or text.endswith("\n\n") else "\n"
    return text + gap + new_text(file.path, wanted), changes


def _change_table(file: TomlFile, wanted: Wanted) -> tuple[str, tuple[str, ...]]:
    checker = Checker(file)
    present = {name: setting.value for name, setting in _settings(checker, file).items()}
    table = _table(file)
    if table is None:
        raise ConfigError(*checker.faults)
    changed = {name: value for name, value in wanted.items() if present.get(name) != value}
    changes = []
    for name, value in changed.items():
        was = f"`{_line(name, present[name])}`" if name in present else ""
        if value is None:
            changes.append(f"remove {was}")
        else:
            changes.append(f"set `{_line(name, value)}`" + (f", was {was}" if was else ""))
    added: list[str] = []
    # `linkpolicy = { ... }` or `linkpolicy.hackable = ...`: no line of its own to put in.
    if is_project_file(file.path) or _line_at(file, _prefix(file.path)).startswith("["):
        added = [name for name in changed if name not in table]
    replaced = {name: value for name, value in changed.items() if name not in added}
    text = _with_tomlkit(file, replaced) if replaced else file.text
    for name in added:
        text = _with_line(parse_toml(file.path, text), name, changed[name] or "")
    return text, tuple(changes)


def _with_line(file: TomlFile, name: str, value: str) -> str:
    """Put one line into a table that has a header of its own, or into a linkpolicy.toml.

    After the comment with its default that `new_text` made, or the last setting, or the header.
    """
    lines = _lines(file.text)
    if not lines[-1]:
        lines.pop()
    prefix = _prefix(file.path)
    first = file.line_of(*prefix) if prefix else 0
    # Settings have values of one line each: the next bracket opens another table.
    end = next((i for i in range(first, len(lines)) if lines[i].lstrip()[:1] == "["), len(lines))
    comment = f"# {_line(name, BY_NAME[name].default)}"
    comments = [i + 1 for i in range(first, end) if lines[i].strip() == comment]
    settings = [file.line_of(*prefix, each) for each in _table(file) or ()]
    position = max(comments or settings or [first if prefix else end])
    lines.insert(position, _line(name, value))
    return "\n".join((*lines, ""))


def _with_tomlkit(file: TomlFile, wanted: Wanted) -> str:
    import tomlkit
    from tomlkit.exceptions import TOMLKitError
    from tomlkit.items import InlineTable

    try:
        document = tomlkit.parse(file.text)
        table: Any = document
        for key in map(str, _prefix(file.path)):
            if key not in table and isinstance(table, InlineTable):
                table[key] = tomlkit.inline_table()
            table = table[key]
        for name, value in wanted.items():
            if value is None:
                del table[name]
            else:
                table[name] = value == "true" if BY_NAME[name].is_boolean else value
        return tomlkit.dumps(document)
    except (TOMLKitError, ValueError, LookupError, RecursionError) as error:
        raise _by_hand(file, wanted) from error


def _prove(file: TomlFile, text: str, wanted: Wanted) -> None:
    """Hold the result against the promise: our settings, and nothing else, have changed."""
    try:
        new = parse_toml(file.path, text)
    except ConfigError as error:
        raise _by_hand(file, wanted) from error
    checker = Checker(new)
    found = _settings(checker, new)
    if checker.faults:
        before = Checker(file)
        if has_settings(file):
            _settings(before, file)
        raise ConfigError(*(before.faults or checker.faults))
    values = {name: setting.value for name, setting in found.items()}
    if (
        any(values.get(name) != value for name, value in wanted.items())
        or repr(_without_ours(new)) != repr(_without_ours(file))
        or not _keeps_lines(file, text, wanted)
    ):
        raise _by_hand(file, wanted)


def _keeps_lines(file: TomlFile, text: str, wanted: Wanted) -> bool:
    """Tell whether all old lines are there in their order, but those of changed settings."""
    prefix = _prefix(file.path)
    ours = {file.line_of(*prefix, name) for name in wanted}
    for keys in (prefix, prefix[:1]):
        if keys and not _line_at(file, keys).startswith("["):
            ours.add(file.line_of(*keys))  # an inline table: all of ours is in that line
    remaining = iter(_lines(text))
    return all(
        line in remaining for number, line in enumerate(_lines(file.text), 1) if number not in ours
    )


def _without_ours(file: TomlFile) -> dict[str, Any]:
    if is_project_file(file.path):
        return {name: value for name, value in file.data.items() if name not in BY_NAME}
    data = dict(file.data)
    if is_config_file(file.path):
        defaults = data.pop(_DEFAULTS, None)
        others = isinstance(defaults, dict) and {
            name: value for name, value in defaults.items() if name not in BY_NAME
        }
        return {**data, _DEFAULTS: others} if others else data
    tool = data.get("tool")
    if isinstance(tool, dict):
        data["tool"] = {name: value for name, value in tool.items() if name != layout.TABLE}
        if not data["tool"]:
            del data["tool"]
    return data


def _by_hand(file: TomlFile, wanted: Wanted) -> ConfigError:
    lines = "`, `".join(_line(name, value) for name, value in wanted.items() if value is not None)
    where = "" if is_project_file(file.path) else f" in {_title(file.path)}"
    advice = f"write `{lines}`{where} by hand"
    if not lines:
        advice = f"remove `{'`, `'.join(wanted)}`{where} by hand"
    message = "too complex to edit automatically"
    return ConfigError(fault_at(file, (), message, advice, kind="not-editable"))


def _settings(checker: Checker, file: TomlFile) -> dict[str, Setting]:
    if is_config_file(file.path):
        return checker.config(defaults=USER_DEFAULTS, rules=USER_RULES).defaults
    return checker.project()


def _prefix(path: str) -> KeyPath:
    """The table of the settings in such a file."""
    if is_config_file(path):
        return (_DEFAULTS,)
    return () if is_project_file(path) else PROJECT_TABLE


def _title(path: str) -> str:
    return f"[{'.'.join(map(str, _prefix(path)))}]"


def _table(file: TomlFile) -> dict[str, Any] | None:
    table: Any = file.data
    for key in _prefix(file.path):
        table = table[key]
    return table if isinstance(table, dict) else None


def _line_at(file: TomlFile, keys: KeyPath) -> str:
    line = file.line_of(*keys)
    return _lines(file.text)[line - 1].strip() if line else ""


def _lines(text: str) -> list[str]:
    # Not splitlines(): it splits at U+2028 and others too, which are no line ends in TOML.
    return text.split("\n")


def _line(name: str, value: str) -> str:
    """`hackable = true`, `cache = "auto"`."""
    return f"{name} = {value}" if BY_NAME[name].is_boolean else f'{name} = "{value}"'
