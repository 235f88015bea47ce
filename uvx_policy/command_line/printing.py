"""Text that a plan has rendered, printed line by line."""

from __future__ import annotations


def say(lines: str) -> None:
    """Print lines to stdout; nothing for ""."""
    from uvx_policy.terminal.console import Console

    Console().say_all((line,) for line in lines.split("\n") if lines)
