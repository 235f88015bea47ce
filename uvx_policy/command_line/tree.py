"""The whole command line, or one command of it: importing all of them takes long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvx_policy import __version__
from uvx_policy.command_line import here, installing
from uvx_policy.command_line.pages import PAGES
from uvx_policy.command_line.parser import main_parser

if TYPE_CHECKING:
    from uvx_policy.command_line.parser import Commands, Parser


def _add_adopt(commands: Commands) -> None:
    from uvx_policy.setup.adopt_command import add_parser

    add_parser(commands)


def _add_cache(commands: Commands) -> None:
    from uvx_policy.caches.command import add_parser

    add_parser(commands)


def _add_config(commands: Commands) -> None:
    from uvx_policy.command_line.config import add_parser

    add_parser(commands)


def _add_detach(commands: Commands) -> None:
    from uvx_policy.repair.detach import add_parser

    add_parser(commands)


def _add_doctor(commands: Commands) -> None:
    from uvx_policy.doctor.command import add_parser

    add_parser(commands)


def _add_edits(commands: Commands) -> None:
    from uvx_policy.repair.edits_command import add_parser

    add_parser(commands)


def _add_reclaim(commands: Commands) -> None:
    from uvx_policy.reclaim.command import add_parser

    add_parser(commands)


def _add_repair(commands: Commands) -> None:
    from uvx_policy.repair.command import add_parser

    add_parser(commands)


def _add_status(commands: Commands) -> None:
    from uvx_policy.status.command import add_parser

    add_parser(commands)


def _add_verify(commands: Commands) -> None:
    from uvx_policy.verify.command import add_parser

    add_parser(commands)


def _add_help(commands: Commands) -> None:
    parser = commands.add_parser("help", usage="linkpolicy help [COMMAND]...")
    parser.add_argument("words", nargs="*", metavar="COMMAND", help="the command")
    parser.set_defaults(command=None)


_ADD = {
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
    "adopt": _add_adopt,
    "cache": _add_cache,
    "config": _add_config,
    "detach": _add_detach,
    "doctor": _add_doctor,
    "edits": _add_edits,
    "reclaim": _add_reclaim,
    "repair": _add_repair,
    "status": _add_status,
    "verify": _add_verify,
}
#: in the order of the overview -> what adds each to the command line
COMMANDS = {name: _ADD[name] for name in PAGES if " " not in name}


def build_parser(only: str = "") -> Parser:
    """The command line; of `only` if that is a command."""
    names = [only] if only in COMMANDS else list(COMMANDS)
    return main_parser((COMMANDS[name] for name in names), __version__)


def overview() -> Parser:
    """The command line without its commands: enough for the overview and for `--version`."""
    return main_parser((), __version__)
