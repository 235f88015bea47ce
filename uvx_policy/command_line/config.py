"""`linkpolicy config`: every setting in force with its origin; check files; set one, unset one."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

from uvx_policy import errors
from uvx_policy.settings.keys import KEYS
from uvx_policy.state import layout

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from uvx_policy.command_line.parser import Commands
    from uvx_policy.model import Origin
    from uvx_policy.settings.keys import Settings

SCHEMA = 1


def add_parser(commands: Commands) -> None:
    """Add `config` to the command line."""
    config = commands.add_parser("config")
    config.add_argument("--json", action="store_true", help="machine-readable output")
    config.set_defaults(command=_show)
    actions = config.add_subparsers(metavar="COMMAND", prog=config.prog)
    check = actions.add_parser("check")
    check.add_argument("path", metavar="PATH", nargs="+", help="settings file")
    check.set_defaults(command=_check)
    set_ = actions.add_parser("set")
    unset = actions.add_parser("unset")
    for parser in (set_, unset):
        parser.add_argument("key", metavar="KEY", help="name of the setting")
    set_.add_argument("value", metavar="VALUE", help="its value")
    for parser in (set_, unset):
        parser.add_argument(
            "--user", action="store_true", help="for all your projects, not only the one here"
        )
        parser.add_argument("--dry-run", action="store_true", help="show what would change")
        parser.set_defaults(command=_change, value=None)


def _show(options: argparse.Namespace) -> int:
    from uvx_policy.machine.machine import machine_here
    from uvx_policy.machine.policy import settings_for
    from uvx_policy.uv.destination import project_above

    machine = machine_here()
    project = project_above(machine.host, machine.cwd)
    settings = settings_for(machine.host, project, project or machine.cwd)
    rows = list(_rows(settings))
    if options.json:
        told: dict[str, Any] = {
            "schema": SCHEMA,
            "project": project or None,
            "settings": [
                {"key": key, "value": value, "origin": str(origin)} for key, value, origin in rows
            ],
        }
        sys.stdout.write(json.dumps(told, indent=2) + "\n")
        return 0
    from uvx_policy.terminal.console import Console

    console = Console()
    width = max(len(f"{key} = {value}") for key, value, _ in rows)
    for key, value, origin in rows:
        is_default = origin.kind == "default"
        line = f"{key} = {value}".ljust(width)
        where = console.path(str(origin)) if origin.name else "default"
        console.say((line, "" if is_default else "bold"), "  ", (where, "dim"))
    return 0


def _rows(settings: Settings) -> Iterator[tuple[str, str, Origin]]:
    for key in KEYS:
        setting = getattr(settings, key.field)
        value = setting.value if key.is_boolean else f'"{setting.value}"'
        yield key.name, value, setting.origin
    for entry in settings.caches:
        yield f'caches."{entry.filesystem}"', f'"{entry.directory}"', entry.origin
    for source in settings.seed_from:
        yield "caches.seed-from", f'"{source.directory}"', source.origin


def _check(options: argparse.Namespace) -> int:
    from uvx_policy.machine.machine import machine_here
    from uvx_policy.settings.check_files import faults_of
    from uvx_policy.terminal.console import Console

    faults = faults_of(machine_here().host, options.path)
    for fault in faults:
        Console().say(str(fault))
    return errors.EXIT_FINDINGS if faults else 0


def _change(options: argparse.Namespace) -> int:
    from uvx_policy.machine.machine import machine_here
    from uvx_policy.settings.init_command import plan_change, write_init
    from uvx_policy.terminal.console import Console
    from uvx_policy.uv.destination import project_above

    machine = machine_here()
    console = Console()
    config = directory = ""
    if options.user:
        home = layout.config_home(dict(machine.environ), sys.platform)
        if not os.path.isabs(home):
            raise errors.UsageError("there is no home directory for your config.toml")
        config = os.path.join(home, layout.CONFIG_FILE)
    else:
        directory = project_above(machine.host, machine.cwd)
        if not directory:
            raise errors.UsageError(
                "there is no project here", hint="`--user` sets it for all your projects"
            )
    plan = plan_change(options.key, options.value, config=config, directory=directory)
    if not options.dry_run:
        if config:
            os.makedirs(os.path.dirname(config), exist_ok=True)
        write_init(plan)
    shown = console.path(plan.path)
    console.say_all((f"{shown}: {change}",) for change in plan.changes)
    if not plan.changes:
        state = "not set" if options.value is None else "already set"
        console.say(f"{shown}: `{options.key}` is {state}")
    return 0
