"""The command `linkpolicy`: streams, dispatch, exit codes."""

from __future__ import annotations

import atexit
import errno
import gc
import io
import os
import sys
from typing import TYPE_CHECKING

from uvx_policy import errors
from uvx_policy.command_line import here

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence
    from typing import NoReturn

    from uvx_policy.command_line.parser import Parser
    from uvx_policy.terminal.command import Command

#: write(2) without a name of a file: to stdout
_CANNOT_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


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
        _prepare_streams()
        code = _run(words)
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


def _run(words: list[str]) -> int:
    from uvx_policy.command_line import global_options
    from uvx_policy.command_line.tree import COMMANDS, build_parser, overview

    leading, words = global_options.split(words)
    name = words[0] if words else ""
    own, other_words = here.split([] if words == ["help"] else words)
    is_overview = name in ("", "-h", "--help", "-V", "--version") or words == ["help"]
    if not is_overview and name not in COMMANDS:
        overview().refuse_command(name)
    parser = overview() if is_overview else build_parser("" if name == "help" else name)
    options = parser.parse_args([*leading, *own])
    global_options.apply(options)
    options.other_words = other_words
    if options.command is None:
        return _help(parser, getattr(options, "words", []))
    command: Callable[[argparse.Namespace], int] = options.command
    return command(options)


def _help(parser: Parser, words: list[str]) -> int:
    for word in words:
        if word not in parser.commands:
            parser.refuse_command(word)
        parser = parser.commands[word]
    parser.print_help()
    return 0


def _drop_output() -> None:
    """What is left in the buffer of stdout is written in the end, whatever came of it before."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


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
