"""Path patterns of `[[rules]]`: `*`, `?`, `[...]` inside one component, `**` for any depth. Pure.

Why not `fnmatch` or `glob`: their `*` crosses `/`, or they walk the disk; and both import `re`.
"""

from __future__ import annotations

from uvx_policy import wildcards
from uvx_policy.wildcards import WILD


def matches(pattern: str, path: str) -> bool:
    """Tell whether the whole of `path` matches. Both are absolute and use `/`.

    `**` as a component stands for any number of components, none included, so `/a/**` matches `/a`
    and everything below. `*` and `?` match leading dots too. Case counts.
    """
    parts, names = _components(pattern), _components(path)
    fixed = _fixed(parts)
    if parts[:fixed] != names[:fixed]:
        return False
    tokens: list[str] = []
    for part in parts[fixed:]:
        tokens += [part] if part == wildcards.DIRECTORIES else [*wildcards.split(part), "/"]
    text = "".join(f"{name}/" for name in names[fixed:])
    return wildcards.matches(tokens, text, crossing=False)


def literal(path: str) -> str:
    """Make the pattern that matches `path` and nothing else."""
    return "".join(f"[{char}]" if char in WILD else char for char in path)


def split_literal(pattern: str) -> tuple[str, str]:
    """Split into the leading directories without wildcards and the rest, which may be ""."""
    parts = pattern.split("/")
    count = _fixed(parts)
    return "/".join(parts[:count]), "/".join(parts[count:])


def _fixed(parts: list[str]) -> int:
    """How many parts come before the first one with a wildcard."""
    wild = (at for at, part in enumerate(parts) if any(char in part for char in WILD))
    return next(wild, len(parts))


def _components(path: str) -> list[str]:
    return [part for part in path.split("/") if part]
