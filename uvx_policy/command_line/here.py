"""Commands about the project here: `init`, `why`, `explain`, `env`, `run` and `demo`."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from uvx_policy import errors
from uvx_policy.command_line.parser import GLOBAL_OPTIONS
from uvx_policy.command_line.printing import say

if TYPE_CHECKING:
    from typing import NoReturn

    from uvx_policy.command_line.parser import Commands

#: commands that take the words of another: of uv, or of any program
WITH_OTHER_WORDS = ("why", "explain", "env", "run")
_UV_WORDS = "[UV COMMAND]..."
#: their options, and the global ones, that have a value behind them
#: how `env` writes unless it is told otherwise
_SYNTAX = "powershell" if sys.platform == "win32" else "sh"
_WITH_VALUE = ("--syntax", "--for", *(name for name, takes in GLOBAL_OPTIONS.items() if takes))


def add_init(commands: Commands) -> None:
    """Add `init` to the command line."""
    from uvx_policy.settings.keys import KEYS

    init = commands.add_parser("init")
    init.add_argument("directory", nargs="?", default=".", help="the project (default: here)")
    for key in KEYS:
        if key.is_boolean:
            action = argparse.BooleanOptionalAction
            init.add_argument(f"--{key.name}", action=action, default=None, help=key.meaning)
        else:
            init.add_argument(
                f"--{key.name}", metavar="VALUE", choices=key.allowed, help=key.meaning
            )
    init.add_argument("--dry-run", action="store_true", help="show what would change")
    init.set_defaults(command=_init)


def add_why(commands: Commands) -> None:
    """Add `why` to the command line."""
    why = commands.add_parser("why", usage=f"linkpolicy why [OPTIONS] {_UV_WORDS}")
    why.set_defaults(command=_explain, json=False, short=True)


def add_explain(commands: Commands) -> None:
    """Add `explain` to the command line."""
    explain = commands.add_parser("explain", usage=f"linkpolicy explain [OPTIONS] {_UV_WORDS}")
    explain.add_argument("--json", action="store_true", help="machine-readable output")
    explain.add_argument("--short", action="store_true", help="one line, as `why` prints it")
    explain.set_defaults(command=_explain)


def add_env(commands: Commands) -> None:
    """Add `env` to the command line."""
    from uvx_policy.explain import SYNTAXES

    env = commands.add_parser("env", usage=f"linkpolicy env [OPTIONS] {_UV_WORDS}")
    env.add_argument("--syntax", metavar="SYNTAX", choices=SYNTAXES, help="how to write them")
    for short in ("json", "github"):
        env.add_argument(
            f"--{short}",
            dest="syntax",
            action="store_const",
            const=short,
            help=f"the same as `--syntax {short}`",
        )
    env.set_defaults(command=_env)


def add_run(commands: Commands) -> None:
    """Add `run` to the command line."""
    run = commands.add_parser("run", usage="linkpolicy run [OPTIONS] [--] PROGRAM [ARGUMENTS]...")
    run.add_argument(
        "--for",
        dest="directory",
        metavar="DIR",
        default="",
        help="decide for this environment, or directory of environments",
    )
    run.set_defaults(command=_run)


def add_demo(commands: Commands) -> None:
    """Add `demo` to the command line."""
    demo = commands.add_parser("demo")
    demo.add_argument("--json", action="store_true", help="machine-readable output")
    demo.add_argument("--keep", action="store_true", help="keep the temporary directory")
    demo.set_defaults(command=_demo)


def _init(options: argparse.Namespace) -> int:
    from uvx_policy.settings import init_command
    from uvx_policy.settings.keys import KEYS

    given = {key.name: getattr(options, key.field) for key in KEYS}
    values = {key: value for key, value in given.items() if value is not None}
    plan = init_command.plan_init(options.directory, values)
    if not options.dry_run:
        init_command.write_init(plan)
    say("\n".join(plan.changes))
    if not options.hackable:
        return 0
    from uvx_policy.repair import detach

    return detach.offer(options.directory, dry_run=options.dry_run)


def _explain(options: argparse.Namespace) -> int:
    from uvx_policy import explain
    from uvx_policy.terminal.console import Console

    plan, words = explain.plan_for(options.other_words)
    if options.short and not options.json:
        Console().say(*explain.in_one_line(plan))
        return 0
    from uvx_policy.caches.inspection import why_copied

    prediction = explain.predicted(plan, words)
    copied = why_copied(plan)
    if options.json:
        import json

        sys.stdout.write(json.dumps(explain.as_object(plan, prediction, copied), indent=2) + "\n")
    else:
        explain.print_plan(plan, prediction, words, Console(), copied)
    return 0


def _env(options: argparse.Namespace) -> int:
    from uvx_policy import explain, guard, prepare

    plan, words = explain.plan_for(options.other_words)
    plan = prepare.filled(plan, words[0], words[1:], environ=guard.without_ours(os.environ))
    if plan.outcome.refusal is not None:
        raise errors.UsageError(
            f"refused: {plan.outcome.refusal.because}",
            hint=f'`fallback = "error"` in {plan.outcome.refusal.origin}',
        )
    edits = explain.for_whole_job(plan)
    prepare.make_directories(edits)
    sys.stdout.write(explain.as_exports(edits.variables, options.syntax or _SYNTAX))
    if plan.outcome.cache_dir.code == "project-cache":
        _say_left_out(plan.outcome.cache_dir.value or "")
    return 0


def _say_left_out(cache: str) -> None:
    from uvx_policy.terminal.console import Console

    text = f"note: `{cache}` is the cache of this project alone, so it is not set for what follows"
    Console(stream=sys.stderr).say(text)


def _run(options: argparse.Namespace) -> NoReturn:
    from uvx_policy.run import run

    run(options.other_words, options.directory)


def _demo(options: argparse.Namespace) -> int:
    from uvx_policy.demo import command as demo

    return demo.run(json_output=options.json, keep=options.keep)


def split(words: list[str]) -> tuple[list[str], list[str]]:
    """The words of a command, and those behind them that are another program's.

    `explain --json uv sync -q`, `explain sync` and `explain -- sync` are all understood: the other
    words begin with the first that is no option of ours, or behind `--`.
    """
    if words[:1] and words[0] not in WITH_OTHER_WORDS:
        return words, []
    at = 1
    while at < len(words) and words[at].startswith("-"):
        if words[at] == "--":
            return words[:at], words[at + 1 :]
        at += 2 if words[at] in _WITH_VALUE else 1
    return words[:at], words[at:]
