"""The options that every command has, before its name or behind it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from uvx_policy.command_line.parser import GLOBAL_OPTIONS
from uvx_policy.errors import UsageError

if TYPE_CHECKING:
    import argparse


def split(words: list[str]) -> tuple[list[str], list[str]]:
    """The options before the command, and the rest."""
    at = 0
    while at < len(words) and words[at] not in ("-h", "--help"):
        name, equals, _ = words[at].partition("=")
        name = name if name.startswith("--") else words[at][:2]
        if name not in GLOBAL_OPTIONS:
            break
        is_whole = not equals and words[at] == name
        at += 2 if GLOBAL_OPTIONS[name] and is_whole else 1
    return words[:at], words[at:]


def apply(options: argparse.Namespace) -> None:
    """Do as they say. Raises `UsageError` for a directory that cannot be entered."""
    given = vars(options)
    directory = given.get("directory_to_enter")
    if directory is not None:
        try:
            os.chdir(directory)
        except OSError as error:
            message = f"cannot enter `{directory}`: {error.strerror}"
            raise UsageError(message) from error
    if given.get("verbose"):
        os.environ["LINKPOLICY_LOG"] = "debug"
    if given.get("quiet") or given.get("color", "auto") != "auto":
        from uvx_policy.terminal.console import Manner, use

        use(Manner(color=given.get("color", "auto"), is_quiet=bool(given.get("quiet"))))
