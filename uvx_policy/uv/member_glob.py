"""Patterns of `[tool.uv.workspace]` members and exclude, exactly as each uv reads them. Pure.

uv matches the whole path of the member as text with Rust's `glob` crate and its default options:
`*`, `?` and `[...]` match leading dots and cross `/` (of `members` no longer in newer versions),
`**` must be a whole component. What else differs between versions is the normalisation before: see
`readings`. Tried with real uvs: `tests/uv/test_destination_contract.py`.
"""

from __future__ import annotations

import os

from uvx_policy import wildcards
from uvx_policy.errors import ConfigError
from uvx_policy.faults import Fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from uvx_policy.model import UvVersion

#: the last version seen that takes `./packages/*` verbatim, so that it never matches
_VERBATIM = (0, 8, 15)
#: the first version seen that drops `./` and `..`; a trailing slash stays when nothing else changes
_NORMALISES = (0, 9, 30)
#: the first version that drops a trailing slash always
_DROPS_SLASH = (0, 11, 5)
#: The first version where a wildcard of `members` stands for no slash. From 0.11.20 on uv does not
#: find the member that it has matched, and panics.
_MEMBERS_STOP_AT_SLASH = (0, 12, 8)


def matches(
    pattern: str, *, root: str, member: str, version: UvVersion | None, excluding: bool = False
) -> bool | None:
    """Tell whether `pattern`, relative to the workspace `root`, matches the directory `member`.

    `excluding`: it is one of `exclude`. `None` when the answer depends on a version of uv that is
    not known. Raises `ConfigError` for a pattern that uv rejects.
    """
    if excluding or (version is not None and version < _MEMBERS_STOP_AT_SLASH):
        crossings = {True}
    else:
        crossings = {False} if version is not None else {True, False}
    answers = {
        _matches(reading, root, member, crossing=crossing)
        for reading in readings(pattern, version)
        for crossing in crossings
    }
    return answers.pop() if len(answers) == 1 else None


def readings(pattern: str, version: UvVersion | None) -> tuple[str, ...]:
    """List what this uv may take `pattern` for: several where its version leaves that open."""
    # To Rust's `glob` the two separators of Windows are one.
    pattern = pattern.replace(os.sep, "/")
    whole = os.path.normpath(pattern).replace(os.sep, "/") if pattern else pattern
    if whole == pattern or (version is not None and version >= _DROPS_SLASH):
        return (whole,)
    kept = pattern if whole == pattern.rstrip("/") else whole
    if version is not None and version <= _VERBATIM:
        return (pattern,)
    if version is not None and version >= _NORMALISES:
        return (kept,)
    return tuple({pattern, kept, whole}) if version is None else tuple({pattern, kept})


def _matches(pattern: str, root: str, member: str, *, crossing: bool) -> bool:
    tokens = _tokens(pattern)
    root, member = root.replace(os.sep, "/"), member.replace(os.sep, "/")
    if not os.path.isabs(pattern):
        above = root.rstrip("/") + "/"
        if not member.startswith(above):
            return False
        member = member[len(above) :]
    return wildcards.matches(tokens, member, crossing=crossing)


def _tokens(pattern: str) -> list[str]:
    """Raises `ConfigError` for what the `glob` crate rejects."""
    tokens: list[str] = []
    parts = wildcards.split(pattern)
    position = 0
    while position < len(parts):
        end = position
        while parts[end : end + 1] == ["*"]:
            end += 1
        stars = end - position
        if parts[position] == "[":
            raise _rejected(pattern)
        if stars <= 1:
            tokens.append(parts[position])
            position += 1
            continue
        before, after = parts[position - 1 : position], parts[end : end + 1]
        if stars > 2 or before not in ([], ["/"]) or after not in ([], ["/"]):  # noqa: PLR2004 (`***`)
            raise _rejected(pattern)
        tokens.append(wildcards.DIRECTORIES)
        position = end + 1
    return tokens


def _rejected(pattern: str) -> ConfigError:
    return ConfigError(Fault(kind="bad-value", message=f"uv does not accept `{pattern}`"))
