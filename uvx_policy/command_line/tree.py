"""The whole command line, or one command of it: importing all of them takes long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvx_policy import __version__
from uvx_policy.command_line import here, installing
from uvx_policy.command_line.pages import PAGES
from uvx_policy.command_line.parser import main_parser

if TYPE_CHECKING:
    from collections.abc import Callable

    from uvx_policy.command_line.parser import Commands, Parser


def _from_module(name: str) -> Callable[[Commands], None]:
    """What adds a command that has a module of its own."""

    def add(commands: Commands) -> None:
        if name == "adopt":
            from uvx_policy.setup.adopt_command import add_parser
        elif name == "cache":
            from uvx_policy.caches.command import add_parser
        elif name == "config":
            from uvx_policy.command_line.config import add_parser
        elif name == "detach":
            from uvx_policy.repair.detach import add_parser
        elif name == "doctor":
            from uvx_policy.doctor.command import add_parser
        elif name == "reclaim":
            from uvx_policy.reclaim.command import add_parser
        elif name == "repair":
            from uvx_policy.repair.command import add_parser
        elif name == "status":
            from uvx_policy.status.command import add_parser
        else:
            from uvx_policy.verify.command import add_parser
        add_parser(commands)

    return add


def _add_help(commands: Commands) -> None:
    parser = commands.add_parser("help", usage="linkpolicy help [COMMAND]...")
    parser.add_argument("words", nargs="*", metavar="COMMAND", help="the command")
    parser.set_defaults(command=None)


_OF_THEIR_OWN = {
    "setup": installing.add_setup,
    "uninstall": installing.add_uninstall,
    "completion": installing.add_completion,
    "init": here.add_init,
    "why": here.add_why,
    "explain": here.add_explain,
    "env": here.add_env,
    "run": here.add_run,
    "demo": here.add_demo,
    "help": _add_help,
}
#: in the order of the overview -> what adds each to the command line
COMMANDS = {
    name: _OF_THEIR_OWN.get(name) or _from_module(name) for name in PAGES if " " not in name
}


def build_parser(only: str = "") -> Parser:
    """The command line; of `only` if that is a command."""
    names = [only] if only in COMMANDS else list(COMMANDS)
    return main_parser((COMMANDS[name] for name in names), __version__)


def overview() -> Parser:
    """The command line without its commands: enough for the overview and for `--version`."""
    return main_parser((), __version__)
