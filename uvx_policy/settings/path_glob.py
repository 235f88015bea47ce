"""Path patterns of `[[rules]]`: `*`, `?`, `[...]` inside one component, `**` for any depth. Pure.

Why not `fnmatch` or `glob`: their `*` crosses `/`, or they walk the disk; and both import `re`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_WILD = "*?["


def matches(pattern: str, path: str) -> bool:
    """Tell whether the whole of `path` matches. Both are absolute and use `/`.

    `**` as a component stands for any number of components, none included, so `/a/**` matches `/a`
    and everything below. `*` and `?` match leading dots too. Case counts.
    """
    return _wild(_components(pattern), _components(path), "**", _component_matches)


def literal(path: str) -> str:
    """Make the pattern that matches `path` and nothing else."""
    return "".join(f"[{char}]" if char in _WILD else char for char in path)


def split_literal(pattern: str) -> tuple[str, str]:
    """Split into the leading directories without wildcards and the rest, which may be ""."""
    parts = pattern.split("/")
    count = 0
    while count < len(parts) and not any(char in parts[count] for char in _WILD):
        count += 1
    return "/".join(parts[:count]), "/".join(parts[count:])


def _components(path: str) -> list[str]:
    return [part for part in path.split("/") if part]


def _component_matches(pattern: str, name: str) -> bool:
    if not any(char in pattern for char in _WILD):
        return pattern == name
    return _wild(_tokens(pattern), name, "*", _character_matches)


def _tokens(pattern: str) -> list[str]:
    """`a[bc]*` -> `a`, `[bc]`, `*`. A `[` that is never closed stands for itself."""
    tokens: list[str] = []
    position = 0
    while position < len(pattern):
        width = 1
        if pattern[position] == "[":
            # The first character of a class, after `!`, is never its end: `[]]`, `[!]]`.
            first = position + (3 if pattern.startswith("[!", position) else 2)
            end = pattern.find("]", first)
            width = end + 1 - position if end >= 0 else 1
        tokens.append(pattern[position : position + width])
        position += width
    return tokens


def _character_matches(token: str, char: str) -> bool:
    if len(token) == 1:
        return token in ("?", char)
    inside = token[1:-1]
    negated = inside.startswith("!")
    inside = inside[negated:]
    found = False
    position = 0
    while position < len(inside):
        if inside[position + 1 : position + 2] == "-" and position + 2 < len(inside):
            found = found or inside[position] <= char <= inside[position + 2]
            position += 3
        else:
            found = found or inside[position] == char
            position += 1
    return found != negated


def _wild(
    tokens: Sequence[str], items: Sequence[str], many: str, one: Callable[[str, str], bool]
) -> bool:
    """Match with `many` for any number of items; on a mismatch only the last `many` takes more.

    Going back further cannot help, so the time is len(tokens) * len(items) at worst, where a
    regular expression or plain recursion is exponential.
    """
    item = token = 0
    last_many = -1
    taken = 0
    while item < len(items):
        if token < len(tokens) and tokens[token] == many:
            last_many, taken = token, item
            token += 1
        elif token < len(tokens) and one(tokens[token], items[item]):
            item += 1
            token += 1
        elif last_many >= 0:
            taken += 1
            item, token = taken, last_many + 1
        else:
            return False
    return all(rest == many for rest in tokens[token:])
