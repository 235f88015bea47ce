"""The help of a command, and the overview of all."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, TextIO

from uvx_policy.command_line.pages import DOCUMENTATION, GROUPS, PAGES, PROGRAM, summary
from uvx_policy.terminal.console import Console

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from uvx_policy.command_line.parser import Parser

#: cells before the text beside a name; a longer name has a line of its own
_WIDEST_NAME = 26


def print_help(parser: Parser, stream: TextIO | None = None) -> None:
    """Print the help of a command; of `linkpolicy` itself the overview."""
    console = Console(stream=stream)
    console.say(f"{summary(parser.words)}.")
    console.say()
    console.say(("Usage", "bold"), f": {usage(parser)}")
    if parser.words:
        _print_rows(console, "Commands", _command_rows(parser))
        _print_rows(console, "Arguments", [argument_row(each) for each in parser.arguments])
        _print_rows(console, "Options", [option_row(each) for each in parser.options])
    else:
        width = max(len(name) for name, page in PAGES.items() if page.group)
        for group in GROUPS:
            rows = [(name, page.summary) for name, page in PAGES.items() if page.group == group]
            _print_rows(console, group, rows, width)
    _print_rows(console, "Global options", [option_row(each) for each in parser.global_options])
    if not parser.words:
        console.say()
        console.say(f"`{PROGRAM} help COMMAND` shows the help of a command.")
        console.say(f"Documentation: {DOCUMENTATION}")
        return
    page = PAGES[parser.words]
    console.say()
    console.say(("Examples", "bold"), ":")
    for typed, purpose in page.examples:
        console.wrap(("  # ",), (purpose, "dim"))
        console.say("  ", (typed, "cyan"))
    console.say()
    console.say(f"Documentation: {page.url}")


def usage(parser: Parser) -> str:
    """How it is called: `linkpolicy verify [OPTIONS] [PATH]...`."""
    if parser.usage:
        return parser.usage
    words = [parser.prog]
    if parser.options or not parser.words:
        words.append("[OPTIONS]")
    if parser.commands or not parser.words:
        words.append("[COMMAND]")
    words += [argument_row(each)[0] for each in parser.arguments]
    return " ".join(words)


def argument_row(action: argparse.Action) -> tuple[str, str]:
    """What is given by its place: name, text."""
    name = str(action.metavar or action.dest.upper())
    shape = {"*": "[{}]...", "+": "{}...", "?": "[{}]"}.get(str(action.nargs), "{}")
    return shape.format(name), _text(action)


def option_row(action: argparse.Action) -> tuple[str, str]:
    """Names and value of an option, and its text."""
    names = [each for each in action.option_strings if not each.startswith("--no-")]
    negated = len(names) < len(action.option_strings) and isinstance(
        action, argparse.BooleanOptionalAction
    )
    names = names or list(action.option_strings)
    if negated:
        names[-1] = names[-1].replace("--", "--[no-]", 1)
    short = ", ".join(names) if names[0][1] != "-" else f"    {', '.join(names)}"
    takes_value = action.nargs != 0 and not isinstance(action, argparse.BooleanOptionalAction)
    value = f" {action.metavar or action.dest.upper().replace('_', '-')}" if takes_value else ""
    return f"{short}{value}", _text(action)


def _text(action: argparse.Action) -> str:
    text = (action.help or "").replace(" (default: %(default)s)", "")
    if action.choices and not all(str(each) in text for each in action.choices):
        text = f"{text} [possible values: {', '.join(map(str, action.choices))}]".strip()
    return text


def _command_rows(parser: Parser) -> list[tuple[str, str]]:
    return [(name, summary(each.words)) for name, each in parser.commands.items()]


def _print_rows(
    console: Console, title: str, rows: Sequence[tuple[str, str]], width: int = 0
) -> None:
    if not rows:
        return
    console.say()
    console.say((title, "bold"), ":")
    width = width or max(_widths(rows))
    for name, text in rows:
        if len(name) > _WIDEST_NAME:
            console.say("  ", (name, "cyan"))
            console.wrap((" " * (width + 4),), text)
        else:
            console.wrap(("  ", (f"{name:<{width}}", "cyan"), "  "), text)


def _widths(rows: Iterable[tuple[str, str]]) -> list[int]:
    return [len(name) for name, _ in rows if len(name) <= _WIDEST_NAME] or [_WIDEST_NAME]
