"""The parser of the command line: `argparse`, with our help, our errors and no abbreviations."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from uvx_policy.command_line.pages import DESCRIPTION, PAGES, PROGRAM
from uvx_policy.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import NoReturn, TypeAlias

    Namespace: TypeAlias = argparse.Namespace
    #: where a command is added
    Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001

COLORS = ("auto", "always", "never")
#: options of every command: names, metavar ("" for a switch), help
_GLOBAL = (
    (("-C", "--directory"), "DIR", "run as if started in this directory"),
    (("-q", "--quiet"), "", "print only errors, and what is meant for programs"),
    (("-v", "--verbose"), "", "show on stderr how decisions are made"),
    (("--color",), "WHEN", f"use colors: {', '.join(COLORS)}"),
    (("-h", "--help"), "", "show this help"),
)
#: how their names begin -> is there a value behind them
GLOBAL_OPTIONS = {name: bool(metavar) for names, metavar, _ in _GLOBAL for name in names}


class _Commands(argparse._SubParsersAction):  # type: ignore[type-arg]  # noqa: SLF001 (no public name)
    """Commands below a parser, whose summaries are in `PAGES`."""

    def add_parser(self, name: str, **given: Any) -> Any:
        words = f"{self._prog_prefix} {name}".removeprefix(PROGRAM).strip()
        return super().add_parser(name, **{"help": PAGES[words].summary, **given})


class Parser(argparse.ArgumentParser):
    """The parser of `linkpolicy`, of a command, or of a command of a command.

    Raises `UsageError` for what it does not understand.
    """

    def __init__(self, **given: Any) -> None:
        super().__init__(**{**given, "add_help": False, "allow_abbrev": False})
        self.register("action", "parsers", _Commands)
        for names, metavar, text in _GLOBAL:
            action: dict[str, Any] = {"action": "store_true"}
            if names[-1] == "--help":
                action = {"action": "help"}
            elif metavar:
                action = {"metavar": metavar}
            if names[-1] == "--directory":  # `init` has an argument of that name
                action["dest"] = "directory_to_enter"
            self.add_argument(*names, **action, default=argparse.SUPPRESS, help=text)
        self._option_string_actions["--color"].choices = COLORS
        self.set_defaults(parser=self)

    @property
    def words(self) -> str:
        """What calls this command, as `PAGES` names it: "" or "verify" or "cache seed"."""
        return self.prog.removeprefix(PROGRAM).strip()

    @property
    def commands(self) -> dict[str, Parser]:
        """The commands below this one."""
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 (has no public name)
                return dict(action.choices)
        return {}

    @property
    def arguments(self) -> list[argparse.Action]:
        """What is given by its place."""
        return [
            action for action in self._actions
            if not action.option_strings
            and not isinstance(action, argparse._SubParsersAction)  # noqa: SLF001
        ]  # fmt: skip

    @property
    def options(self) -> list[argparse.Action]:
        """Its own options, in the order in which they were added."""
        return [action for action in self._with_names() if not _is_global(action)]

    @property
    def global_options(self) -> list[argparse.Action]:
        """The options that every command has."""
        return [action for action in self._with_names() if _is_global(action)]

    def _with_names(self) -> Iterable[argparse.Action]:
        return (action for action in self._actions if action.option_strings)

    # Help ----------------------------------------------------------------------------------------

    def print_help(self, file: Any = None) -> None:
        """Print the help to stdout."""
        from uvx_policy.command_line.help import print_help

        print_help(self, file)

    def format_help(self) -> str:
        """The help as text."""
        import io

        stream = io.StringIO()
        self.print_help(stream)
        return stream.getvalue()

    # Errors --------------------------------------------------------------------------------------

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Namespace | None = None
    ) -> Namespace:
        """As `argparse` does. Raises `UsageError`."""
        options, rest = self.parse_known_args(args, namespace)
        if rest:
            parser: Parser = options.parser
            parser.refuse(rest[0])
        return options

    def refuse_command(self, word: str) -> NoReturn:
        """Raises `UsageError` for a word that is not one of its commands."""
        known = self.commands or [name for name in PAGES if " " not in name]
        if self.words and not self.commands:
            self.refuse(word)
        if word.startswith("-"):
            self.refuse(word)
        raise UsageError(f"`{self.prog}` has no command `{word}`", hint=self._hint(word, known))

    def refuse(self, word: str) -> NoReturn:
        """Raises `UsageError` for a word that nothing takes."""
        name = word.partition("=")[0]
        if not word.startswith("-"):
            raise UsageError(f"unexpected argument `{word}`", hint=self._see_help())
        known = [each for action in self._with_names() for each in action.option_strings]
        raise UsageError(f"unexpected option `{name}`", hint=self._hint(name, known))

    def error(self, message: str) -> NoReturn:
        """Raises `UsageError`."""
        name, _, what = message.removeprefix("argument ").partition(": ")
        if what.startswith("expected "):  # "argument -C/--directory: expected one argument"
            message = f"`{name.split('/')[-1]}` needs a value"
        elif name == "the following arguments are required":
            message = f"missing argument: {what}"
        raise UsageError(message.removeprefix("argument "), hint=self._see_help())

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        choices = list(action.choices or ())
        if action.choices is None or value in choices:
            return
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            self.refuse_command(str(value))
        name = action.option_strings[-1] if action.option_strings else action.metavar
        raise UsageError(
            f"invalid value `{value}` for `{name}`",
            hint=f"possible values: {', '.join(map(str, choices))}",
        )

    def _hint(self, word: str, known: Iterable[str]) -> str:
        from uvx_policy.settings.check import suggestion

        return suggestion(word, tuple(known), "`") or self._see_help()

    def _see_help(self) -> str:
        return f"`{self.prog} --help` shows how it is used"


def _is_global(action: argparse.Action) -> bool:
    return action.option_strings[0] in GLOBAL_OPTIONS or action.dest == "version"


def main_parser(add: Iterable[Callable[[Any], None]], version: str) -> Parser:
    """The whole command line. `add`: what adds each command to it."""
    parser = Parser(prog=PROGRAM, description=DESCRIPTION)
    parser.add_argument(
        "-V", "--version", action="version", version=f"{PROGRAM} {version}", help="show the version"
    )
    parser.set_defaults(command=None)
    # prog: to find it, argparse imports half of what reads archives.
    commands = parser.add_subparsers(metavar="COMMAND", prog=PROGRAM, parser_class=Parser)
    for each in add:
        each(commands)
    return parser
