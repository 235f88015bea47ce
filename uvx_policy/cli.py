"""The command `linkpolicy`: arguments, dispatch, exit codes."""

from __future__ import annotations

import argparse
import atexit
import errno
import gc
import io
import os
import sys
from typing import TYPE_CHECKING

from uvx_policy import __version__, errors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import NoReturn, TypeAlias

    from uvx_policy.terminal.command import Command

    _Commands: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001

#: write(2) without a name of a file: to stdout
_CANNOT_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)

DESCRIPTION = "Give each uv project the right cache and link mode. uv itself is not changed."


def program() -> NoReturn:
    """The command on PATH. Python would take down all modules one by one in the end: 20 ms."""
    # And it would look for garbage after each 700 new objects: 10 ms, while modules are imported.
    gc.set_threshold(50_000)
    code = main()
    atexit._run_exitfuncs()  # noqa: SLF001 (there is no other name for it)
    os._exit(code)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one `linkpolicy` command; returns its exit code (docs/reference/exit-codes.md)."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if words[:1] == ["run"] and "-h" not in words[1:2] and "--help" not in words[1:2]:
            _run(words[1:])  # not argparse: every word after it belongs to the program
        _prepare_streams()
        own, uv_words = _split(words)
        options = build_parser(next(iter(own), "")).parse_args(own)
        options.uv_words = uv_words
        code: int = options.command(options)
        sys.stdout.flush()
    except errors.ConfigError as error:
        for fault in error.faults:
            _complain(str(fault))
        return error.exit_code
    except errors.LinkPolicyError as error:
        _complain(str(error), error.hint, *error.commands)
        return error.exit_code
    except KeyboardInterrupt:
        if sys.stderr.isatty():  # behind "^C"
            sys.stderr.write("\n")
        return errors.EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of our output is gone (`linkpolicy explain | head -1`): nobody to tell.
        _drop_output()
        return 0
    except OSError as error:
        if error.filename is not None or error.errno not in _CANNOT_WRITE:
            raise
        _drop_output()
        _complain(f"the output cannot be written: {error.strerror}")
        return errors.EXIT_FINDINGS
    return code


def _drop_output() -> None:
    """What is left in the buffer of stdout is written in the end, whatever came of it before."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def build_parser(only: str = "") -> argparse.ArgumentParser:
    """The command line, of `only` if it is a command or `--version`: imports take long."""
    parser = argparse.ArgumentParser(prog="linkpolicy", description=DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"linkpolicy {__version__}")
    if only == "--version":
        return parser
    # prog: to find it out itself, argparse imports half of what reads archives.
    commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", required=True, prog="linkpolicy"
    )
    for name in [only] if only in _COMMANDS else _COMMANDS:
        _COMMANDS[name](commands)
    return parser


def _add_setup(commands: _Commands) -> None:
    from uvx_policy.setup.launcher import CHOICES
    from uvx_policy.setup.shells import SHELLS

    setup = commands.add_parser("setup", help="install the shims and put them first on PATH")
    setup.add_argument("--shell", choices=SHELLS, help="set up this shell only")
    setup.add_argument("--shim-dir", metavar="DIR", help="directory for the shims")
    setup.add_argument(
        "--launcher",
        choices=CHOICES,
        default="auto",
        help="kind of shim: native, Python, or native if available (default)",
    )
    setup.add_argument(
        "--no-modify-path", action="store_true", help="do not change the shell's start-up files"
    )
    setup.add_argument("--dry-run", action="store_true", help="show what would change")
    setup.set_defaults(command=_setup)


def _add_uninstall(commands: _Commands) -> None:
    uninstall = commands.add_parser("uninstall", help="undo what `setup` did")
    uninstall.add_argument("--shim-dir", metavar="DIR", help="directory of the shims")
    uninstall.add_argument("--dry-run", action="store_true", help="show what would change")
    uninstall.set_defaults(command=_uninstall)


def _add_init(commands: _Commands) -> None:
    from uvx_policy.settings.keys import KEYS

    init = commands.add_parser("init", help="write [tool.linkpolicy] into pyproject.toml")
    init.add_argument("directory", nargs="?", default=".", help="the project (default: here)")
    for key in KEYS:
        if key.is_boolean:
            action = argparse.BooleanOptionalAction
            init.add_argument(f"--{key.name}", action=action, default=None)
        else:
            init.add_argument(f"--{key.name}", choices=key.allowed)
    init.add_argument("--dry-run", action="store_true", help="show what would change")
    init.set_defaults(command=_init)


def _add_explain(commands: _Commands) -> None:
    explain = commands.add_parser(
        "explain",
        help="show what is decided for a uv command here, and why",
        usage="linkpolicy explain [--json] [-- UV ARGUMENTS]",
    )
    explain.add_argument("--json", action="store_true", help="machine-readable output")
    explain.set_defaults(command=_explain)


def _add_env(commands: _Commands) -> None:
    from uvx_policy.explain import SYNTAXES

    env = commands.add_parser(
        "env",
        help="print the decision as environment variables, for CI and containers",
        usage="linkpolicy env [--syntax SYNTAX] [-- UV ARGUMENTS]",
    )
    env.add_argument("--syntax", choices=SYNTAXES)
    for short in ("json", "github"):
        env.add_argument(
            f"--{short}", dest="syntax", action="store_const", const=short, help=f"--syntax {short}"
        )
    env.set_defaults(command=_env)


def _add_run(commands: _Commands) -> None:
    run = commands.add_parser(
        "run",
        help="run a program under policy, also one that does not look for uv on PATH",
        usage="linkpolicy run [--for DIR] [--] PROGRAM ARGUMENTS",
    )
    told = "decide for this environment, or directory of environments"
    run.add_argument("--for", metavar="DIR", help=told)
    run.set_defaults(command=lambda _: _run([]))


def _add_demo(commands: _Commands) -> None:
    demo = commands.add_parser("demo", help="show the five problems without and with the policy")
    demo.add_argument("--json", action="store_true", help="machine-readable output")
    demo.add_argument("--keep", action="store_true", help="keep the temporary directory")
    demo.set_defaults(command=_demo)


def _add_from_module(name: str) -> Callable[[_Commands], None]:
    """What adds a command that has a module of its own."""

    def add(commands: _Commands) -> None:
        if name == "adopt":
            from uvx_policy.setup.adopt_command import add_parser
        elif name == "cache":
            from uvx_policy.caches.command import add_parser
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


#: in the order of the help -> what adds each to the command line
_COMMANDS: dict[str, Callable[[_Commands], None]] = {
    "setup": _add_setup,
    "uninstall": _add_uninstall,
    "init": _add_init,
    "explain": _add_explain,
    "env": _add_env,
    "run": _add_run,
    "adopt": _add_from_module("adopt"),
    "status": _add_from_module("status"),
    "demo": _add_demo,
    "doctor": _add_from_module("doctor"),
    "verify": _add_from_module("verify"),
    "repair": _add_from_module("repair"),
    "detach": _add_from_module("detach"),
    "reclaim": _add_from_module("reclaim"),
    "cache": _add_from_module("cache"),
}


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
        _say(plan.render())
        return 0
    done = setup_command.carry_out(plan)
    _say("\n".join(done))
    return 0 if done.complete else errors.EXIT_FINDINGS


def _uninstall(options: argparse.Namespace) -> int:
    from uvx_policy.machine.machine import machine_here
    from uvx_policy.setup.leftovers import leftovers
    from uvx_policy.setup.uninstall import carry_out_uninstall, plan_uninstall

    stays = leftovers(machine_here())
    plan = plan_uninstall(environ=os.environ, shim_directory=options.shim_dir, stays=stays)
    if options.dry_run:
        _say(plan.render())
        return 0
    done = carry_out_uninstall(plan)
    _say("\n".join(done))
    return 0 if done.complete else errors.EXIT_FINDINGS


def _init(options: argparse.Namespace) -> int:
    from uvx_policy.settings import init_command
    from uvx_policy.settings.keys import KEYS

    given = {key.name: getattr(options, key.field) for key in KEYS}
    values = {key: value for key, value in given.items() if value is not None}
    plan = init_command.plan_init(options.directory, values)
    if not options.dry_run:
        init_command.write_init(plan)
    _say("\n".join(plan.changes))
    if not options.hackable:
        return 0
    from uvx_policy.repair import detach

    return detach.offer(options.directory, dry_run=options.dry_run)


def _explain(options: argparse.Namespace) -> int:
    from uvx_policy import explain
    from uvx_policy.caches.inspection import why_copied
    from uvx_policy.terminal.console import Console

    plan, words = explain.plan_for(options.uv_words)
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

    plan, words = explain.plan_for(options.uv_words)
    plan = prepare.filled(plan, words[0], words[1:], environ=guard.without_ours(os.environ))
    if plan.outcome.refusal is not None:
        raise errors.UsageError(
            f"refused: {plan.outcome.refusal.because}",
            hint=f'`fallback = "error"` in {plan.outcome.refusal.origin}',
        )
    edits = explain.for_whole_job(plan)
    prepare.make_directories(edits)
    sys.stdout.write(explain.as_exports(edits.variables, options.syntax or "sh"))
    if plan.outcome.cache_dir.code == "project-cache":
        _say_left_out(plan.outcome.cache_dir.value or "")
    return 0


def _say_left_out(cache: str) -> None:
    from uvx_policy.terminal.console import Console

    text = f"note: `{cache}` is the cache of this project alone, so it is not set for what follows"
    Console(stream=sys.stderr).say(text)


def _run(words: list[str]) -> NoReturn:
    from uvx_policy.run import run

    run(words)


def _demo(options: argparse.Namespace) -> int:
    from uvx_policy.demo import command as demo

    return demo.run(json_output=options.json, keep=options.keep)


def _split(words: list[str]) -> tuple[list[str], list[str]]:
    """Our own words, and uv's after the first `--` of the commands that take any."""
    if words[:1] not in (["explain"], ["env"]) or "--" not in words:
        return words, []
    at = words.index("--")
    return words[:at], words[at + 1 :]


def _prepare_streams() -> None:
    for stream in (sys.stdout, sys.stderr):
        # A path that is not UTF-8 is printed as the bytes that it is.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="surrogateescape")
    # After `linkpolicy ... 2>&-` the next file that is opened would become stderr.
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = open(os.devnull, mode, encoding="utf-8")  # noqa: SIM115 (until we end)
            setattr(sys, name, stream)


def _say(lines: str) -> None:
    from uvx_policy.terminal.console import Console

    Console().say_all((line,) for line in lines.split("\n") if lines)


def _complain(message: str, hint: str = "", *commands: Command) -> None:
    from uvx_policy.terminal.command import Hint
    from uvx_policy.terminal.console import Console

    console = Console(stream=sys.stderr)
    console.say(("error", "bold red"), f": {message}")
    if hint or commands:
        console.say()
        console.hint(Hint(text=hint, commands=commands))


if __name__ == "__main__":
    program()
