"""`setup`, `uninstall` and `completion`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from uvx_policy import errors
from uvx_policy.command_line.printing import say

if TYPE_CHECKING:
    import argparse

    from uvx_policy.command_line.parser import Commands


def add_setup(commands: Commands) -> None:
    """Add `setup` to the command line."""
    from uvx_policy.setup.launcher import CHOICES
    from uvx_policy.setup.shells import SHELLS

    setup = commands.add_parser("setup")
    setup.add_argument("--shell", metavar="SHELL", choices=SHELLS, help="set up this shell only")
    setup.add_argument("--shim-dir", metavar="DIR", help="directory for the shims")
    setup.add_argument(
        "--launcher",
        choices=CHOICES,
        default="auto",
        metavar="KIND",
        help="kind of shim: native, python, or auto: native where it runs (default)",
    )
    setup.add_argument(
        "--no-modify-path", action="store_true", help="do not change the shell's start-up files"
    )
    setup.add_argument("--dry-run", action="store_true", help="show what would change")
    setup.set_defaults(command=_setup)


def add_uninstall(commands: Commands) -> None:
    """Add `uninstall` to the command line."""
    uninstall = commands.add_parser("uninstall")
    uninstall.add_argument("--shim-dir", metavar="DIR", help="directory of the shims")
    uninstall.add_argument("--dry-run", action="store_true", help="show what would change")
    uninstall.set_defaults(command=_uninstall)


def add_completion(commands: Commands) -> None:
    """Add `completion` to the command line."""
    from uvx_policy.setup.help_files import SHELLS

    completion = commands.add_parser("completion")
    completion.add_argument("shell", metavar="SHELL", choices=SHELLS, help="for this shell")
    completion.set_defaults(command=_completion)


def _setup(options: argparse.Namespace) -> int:
    from uvx_policy.setup import command as setup_command

    plan = setup_command.plan_setup(
        environ=os.environ,
        shells_to_set_up=(options.shell,) if options.shell else None,
        shim_directory=options.shim_dir,
        modify_path=not options.no_modify_path,
        launcher=options.launcher,
    )
    if options.dry_run:
        say(plan.render())
        return 0
    done = setup_command.carry_out(plan)
    say("\n".join(done))
    return 0 if done.complete else errors.EXIT_FINDINGS


def _uninstall(options: argparse.Namespace) -> int:
    from uvx_policy.machine.machine import machine_here
    from uvx_policy.setup.leftovers import leftovers
    from uvx_policy.setup.uninstall import carry_out_uninstall, plan_uninstall

    stays = leftovers(machine_here())
    plan = plan_uninstall(environ=os.environ, shim_directory=options.shim_dir, stays=stays)
    if options.dry_run:
        say(plan.render())
        return 0
    done = carry_out_uninstall(plan)
    say("\n".join(done))
    return 0 if done.complete else errors.EXIT_FINDINGS


def _completion(options: argparse.Namespace) -> int:
    from uvx_policy.setup.help_files import script

    sys.stdout.write(script(options.shell))
    return 0
