"""Make what comes from the one parser and the one table of settings: `python docs/generate.py`.

Completion scripts (with shtab), the man page and the JSON schemas, below `uvx_policy/`. `--check`
writes nothing, and exits with 1 when a file is not as it would be made.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import shtab

from uvx_policy.command_line import help as command_help
from uvx_policy.command_line.pages import DESCRIPTION, DOCUMENTATION, PAGES, summary
from uvx_policy.command_line.tree import build_parser
from uvx_policy.settings import schema
from uvx_policy.setup.help_files import DIRECTORY, SCRIPTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from uvx_policy.command_line.parser import Parser

PACKAGE = Path(__file__).resolve().parent.parent / "uvx_policy"
#: metavar -> what a shell completes there
_COMPLETES = {
    "PATH": shtab.FILE,
    "FILE": shtab.FILE,
    "DIR": shtab.DIRECTORY,
    "ROOT": shtab.DIRECTORY,
    "CACHE": shtab.DIRECTORY,
    "directory": shtab.DIRECTORY,
}


def main() -> int:
    """Write the files, or compare them; the exit code."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--check", action="store_true", help="write nothing")
    check = options.parse_args().check
    stale = [path for path, text in generated() if _text(path) != text]
    if not check:
        for path, text in generated():
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return 0
    for path in stale:
        sys.stderr.write(f"{path.name} is not up to date; run `python docs/generate.py`\n")
    return 1 if stale else 0


def generated() -> Iterator[tuple[Path, str]]:
    """Every file, and what it has to hold."""
    parser = build_parser()
    _mark(parser)
    for shell, name in SCRIPTS.items():
        text = shtab.complete(parser, shell=shell)
        # The header names the version of shtab and how to install by hand: `setup` does that.
        yield PACKAGE / DIRECTORY / name, text if text.endswith("\n") else f"{text}\n"
    yield PACKAGE / "linkpolicy.1", man_page(parser)
    yield from ((PACKAGE / "schema" / name, text) for name, text in schema.files().items())


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _mark(parser: Parser) -> None:
    """Say what a shell completes where files and directories are given."""
    for action in (*parser.arguments, *parser.options, *parser.global_options):
        kind = _COMPLETES.get(str(action.metavar or action.dest))
        if kind is not None and not action.choices:
            action.complete = kind  # type: ignore[attr-defined]
    for below in parser.commands.values():
        _mark(below)


# The man page (man(7)) ----------------------------------------------------------------------------


def man_page(parser: Parser) -> str:
    """`linkpolicy.1`."""
    return "\n".join((*_man_lines(parser), ""))


def _man_lines(parser: Parser) -> Iterator[str]:
    yield '.TH LINKPOLICY 1 "" "linkpolicy" "User Commands"'
    yield from (".SH NAME", r"linkpolicy \- " + _roff(DESCRIPTION.rstrip(".")))
    yield from (".SH SYNOPSIS", ".B linkpolicy", _roff("[OPTIONS] COMMAND ..."))
    yield ".SH DESCRIPTION"
    yield _roff(
        "linkpolicy is a shim that stands before uv on PATH. It looks at where uv is about to "
        "install, picks the cache and the link mode that work there, and becomes the real uv."
    )
    yield ".SH GLOBAL OPTIONS"
    yield from _options(parser.global_options)
    yield ".SH COMMANDS"
    for each in _every(parser):
        yield f".SS {_roff(command_help.usage(each))}"
        yield _roff(f"{summary(each.words)}.")
        for action in each.arguments:
            yield from _tagged(*command_help.argument_row(action))
        yield from _options(each.options)
        for typed, purpose in PAGES[each.words].examples:
            yield from _tagged(typed, purpose)
    yield from (".SH ENVIRONMENT",)
    yield from _tagged("LINKPOLICY_BYPASS=1", "run the real uv without any policy")
    yield from _tagged("LINKPOLICY_LOG=debug", "show on stderr how decisions are made")
    yield ".SH EXIT STATUS"
    for code, meaning in (
        ("0", "all is well"),
        ("1", "something was found, or could not be done"),
        ("2", "the command was called wrongly, or the settings are faulty"),
        ("130", "interrupted by Ctrl-C"),
    ):
        yield from _tagged(code, meaning)
    yield from (".SH SEE ALSO", _roff(DOCUMENTATION))


def _every(parser: Parser) -> Iterator[Parser]:
    for below in parser.commands.values():
        yield below
        yield from _every(below)


def _options(actions: list[argparse.Action]) -> Iterator[str]:
    for action in actions:
        name, text = command_help.option_row(action)
        yield from _tagged(name.strip(), text)


def _tagged(tag: str, text: str) -> Iterator[str]:
    yield from (".TP", rf"\fB{_roff(tag)}\fR", _roff(text))


def _roff(text: str) -> str:
    """As text: a leading dot or quote would be a request, `-` a hyphen that cannot be searched."""
    text = text.replace("\\", r"\e").replace("-", r"\-")
    return re.sub(r"^([.'])", r"\\&\1", text)


if __name__ == "__main__":
    sys.exit(main())
