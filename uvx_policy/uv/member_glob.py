"""Patterns of `[tool.uv.workspace]` members and exclude, exactly as each uv reads them. Pure.

uv matches the whole path of the member as text with Rust's `glob` crate and its default options:
`*`, `?` and `[...]` cross `/` and match leading dots, `**` must be a whole component. What differs
between versions is the normalisation before: see `readings`.
"""

from __future__ import annotations

import os

from uvx_policy.errors import ConfigError, Fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from uvx_policy.model import UvVersion

#: the last version seen that takes `./packages/*` verbatim, so that it never matches
_VERBATIM = (0, 8, 15)
#: the first version seen that drops `./` and `..`; a trailing slash stays when nothing else changes
_NORMALISES = (0, 9, 30)
#: the first version that drops a trailing slash always
_DROPS_SLASH = (0, 11, 5)


def matches(pattern: str, *, root: str, member: str, version: UvVersion | None) -> bool | None:
    """Tell whether `pattern`, relative to the workspace `root`, matches the directory `member`.

    `None` when that depends on a version of uv that is not known. Raises `ConfigError` for a
    pattern that uv rejects.
    """
    answers = {_matches(reading, root, member) for reading in readings(pattern, version)}
    return answers.pop() if len(answers) == 1 else None


def readings(pattern: str, version: UvVersion | None) -> tuple[str, ...]:
    """List what this uv may take `pattern` for: several where its version leaves that open."""
    whole = os.path.normpath(pattern) if pattern else pattern
    if whole == pattern or (version is not None and version >= _DROPS_SLASH):
        return (whole,)
    kept = pattern if whole == pattern.rstrip("/") else whole
    if version is not None and version <= _VERBATIM:
        return (pattern,)
    if version is not None and version >= _NORMALISES:
        return (kept,)
    return tuple({pattern, kept, whole}) if version is None else tuple({pattern, kept})


def _matches(pattern: str, root: str, member: str) -> bool:
    # An import of `re` costs nothing here: tomli, which read the pattern, has imported it.
    import re

    prefix = "" if os.path.isabs(pattern) else re.escape(root.rstrip("/") + "/")
    return re.fullmatch(prefix + _translate(pattern), member, re.DOTALL) is not None


def _translate(pattern: str) -> str:
    """Write the pattern as a regular expression."""
    import re

    result = []
    position = 0
    while position < len(pattern):
        char = pattern[position]
        if char == "*":
            end = position
            while pattern[end : end + 1] == "*":
                end += 1
            stars = end - position
            if stars == 1:
                result.append(".*")
            else:
                whole = position == 0 or pattern[position - 1] == "/"
                if stars > 2 or not whole or pattern[end : end + 1] not in ("", "/"):  # noqa: PLR2004 (`***`)
                    raise _rejected(pattern)
                result.append(".*" if end == len(pattern) else "(?:.*/)?")
                end += end < len(pattern)
            position = end
        elif char == "[":
            negated = pattern.startswith("[!", position)
            first = position + 1 + negated
            # The first character of a class is never its end: `[]]`, `[!]]`.
            end = pattern.find("]", first + 1)
            if end < 0:
                raise _rejected(pattern)
            result.append(_character_class(pattern[first:end], negated=negated))
            position = end + 1
        else:
            result.append("." if char == "?" else re.escape(char))
            position += 1
    return "".join(result)


def _character_class(text: str, *, negated: bool) -> str:
    import re

    parts = []
    position = 0
    while position < len(text):
        if position + 2 < len(text) and text[position + 1] == "-":
            low, high = text[position], text[position + 2]
            # A range that is the wrong way round matches nothing, in `glob`; it fails in `re`.
            if low <= high:
                parts.append(f"{re.escape(low)}-{re.escape(high)}")
            position += 3
        else:
            parts.append(re.escape(text[position]))
            position += 1
    if not parts:
        return "." if negated else "(?!)"
    return f"[{'^' if negated else ''}{''.join(parts)}]"


def _rejected(pattern: str) -> ConfigError:
    return ConfigError(Fault(kind="bad-value", message=f"uv does not accept `{pattern}`"))
