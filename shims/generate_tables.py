# ruff: noqa: E402, INP001 (a program; the package beside it comes first)
"""Make `shims/tables.h`, what the launcher knows of uv and of the key, from the Python modules.

    python shims/generate_tables.py            write it
    python shims/generate_tables.py --check    exit 1 when it is stale

The launcher walks these tables as `uvx_policy.uv.invocation` walks its own, and builds the key as
`uvx_policy.replay.key` does. The fingerprint of both is part of the key: a launcher that was made
from other tables finds no record, instead of a wrong one.
"""

from __future__ import annotations

import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))
if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(_HERE))

from uvx_policy import guard, locate, shim
from uvx_policy.replay import key
from uvx_policy.uv import options
from uvx_policy.uv.invocation import PLAIN, PROGRAM_CHARACTERS

PATH = os.path.join(_HERE, "tables.h")
#: the greatest unsigned char
_NO_COMMAND = 255

_HEAD = """\
/* Made by shims/generate_tables.py from uvx_policy: do not edit.
 *
 * Fixed arrays of characters instead of pointers: nothing to relocate when the launcher starts.
 */
#ifndef LINKPOLICY_TABLES_H
#define LINKPOLICY_TABLES_H

enum { TAKES_VALUE = 1, SIGNIFICANT = 2, PRINTS = 4, SCRIPT_FLAG = 8, DETAIL = 16 };

struct option {
    unsigned char flags;
    char spelling[%(spelling)d];
};

enum {
    NAMESPACE = 1,
    EXTERNAL = 2,
    KEEPS_POSITIONALS = 4,
    TARGET_IS_PLAIN = 8,
    DETAILED_POSITIONALS = 16
};

struct command {
    unsigned char parent; /* whose options count here as well; uv itself is its own */
    unsigned char flags;
    unsigned short first, end; /* its options: OPTIONS[ACCEPTED[index]], end not included */
};

struct subcommand {
    unsigned char below, command;
    char word[%(word)d];
};
"""


def render() -> str:
    """The text of `tables.h`. Raises `ValueError` when the tables outgrow their types."""
    accepted = {command: _own_options(command) for command in options.COMMANDS}
    distinct = sorted({option for own in accepted.values() for option in own})
    if len(options.COMMANDS) > _NO_COMMAND:
        raise ValueError("too many commands for an unsigned char")
    sizes = {
        "spelling": _room(spelling for spelling, _ in distinct),
        "word": _room(word for _, word, _ in _subcommands()),
    }
    parts = [
        _HEAD % sizes,
        _constants(),
        _words("QUICK", sorted(shim.QUICK), "first words after which uv links nothing"),
        _words("VARIABLES", key.VARIABLES, "in the order of the key"),
        _option_rows(distinct),
        *_command_rows(accepted, distinct),
        _subcommand_rows(),
        "#endif\n",
    ]
    return "\n".join(parts)


def is_stale() -> bool:
    """Tell whether the file differs from what the modules say now."""
    try:
        with open(PATH, encoding="ascii") as stream:
            return stream.read() != render()
    except FileNotFoundError:
        return True


def _constants() -> str:
    numbers = {name: index for index, name in enumerate(options.COMMANDS)}
    texts = {
        "KEY_FORMAT": f"{key._FORMAT}{key.table_fingerprint()}",  # noqa: SLF001
        "GUARD_NAME": guard.NAME,
        "MARKER": locate.MARKER.decode("ascii"),
        "PROGRAM_CHARACTERS": PROGRAM_CHARACTERS,
        "PLAIN": PLAIN,
        "DETAILED": key.DETAILED,
    }
    lines = [f'#define {name} "{text}"' for name, text in texts.items()]
    lines += [
        f"#define LONGEST_KEY {key.LONGEST}",
        f"enum {{ UV_ITSELF = {numbers['']}, TOOL_RUN = {numbers['tool run']} }};",
        f"enum {{ NO_COMMAND = {_NO_COMMAND} }};",
    ]
    return "\n".join(lines) + "\n"


def _own_options(command: str) -> list[tuple[str, int]]:
    """Each spelling that `command` itself adds, with its flags. A later one of the same wins."""
    found = {}
    for word in options.words(options.COMMANDS[command]):
        takes_value = word[-1] == "="
        names = word.removesuffix("=").split(",")
        canonical = names[0] if len(names[0]) > 1 else names[1]
        flags = (
            takes_value
            | (canonical in options.SIGNIFICANT) << 1
            | (not takes_value and canonical in ("help", "version")) << 2
            | (canonical in options.SCRIPT_FLAGS) << 3
            | (canonical in options.DETAILS) << 4
        )
        for name in names:
            found["-" + name if len(name) == 1 else "--" + name] = flags
    return sorted(found.items())


def _command_flags(command: str) -> int:
    return (
        (command in options.NAMESPACES)
        | (command in options.EXTERNAL) << 1
        | (command in options.KEEPS_POSITIONALS) << 2
        | (command == "tool run") << 3
        | (command in options.DETAILED_POSITIONALS) << 4
    )


def _subcommands() -> list[tuple[str, str, str]]:
    """(command above, word, canonical command) of every subcommand; an alias wins."""
    named = {name: name for name in options.COMMANDS if name} | options.ALIASES
    return sorted((*_split(name), command) for name, command in named.items())


def _split(name: str) -> tuple[str, str]:
    above, _, word = name.rpartition(" ")
    return above, word


def _room(texts: object) -> int:
    return max(len(text) for text in texts) + 1  # type: ignore[attr-defined]


def _words(name: str, words: object, about: str) -> str:
    rows = [f'    "{word}",' for word in words]  # type: ignore[attr-defined]
    return "\n".join(
        [f"/* {about} */", f"static const char {name}[][{_room(words)}] = {{", *rows, "};", ""]
    )


def _option_rows(distinct: list[tuple[str, int]]) -> str:
    rows = [
        f'    {{{flags}, "{spelling}"}}, /* {index} */'
        for index, (spelling, flags) in enumerate(distinct)
    ]
    return "\n".join(["static const struct option OPTIONS[] = {", *rows, "};", ""])


def _command_rows(
    accepted: dict[str, list[tuple[str, int]]], distinct: list[tuple[str, int]]
) -> tuple[str, str]:
    place = {option: index for index, option in enumerate(distinct)}
    numbers = {name: index for index, name in enumerate(options.COMMANDS)}
    indexes = ["static const unsigned short ACCEPTED[] = {"]
    commands = ["static const struct command COMMANDS[] = {"]
    first = 0
    for command, own in accepted.items():
        end = first + len(own)
        parent = numbers[_split(command)[0]]
        commands.append(
            f"    {{{parent}, {_command_flags(command)}, {first}, {end}}},"
            f" /* {numbers[command]} uv {command}".rstrip()
            + " */"
        )
        if own:
            indexes.append(f"    /* uv {command}".rstrip() + " */")
            indexes += _wrapped([str(place[option]) for option in own])
        first = end
    return "\n".join([*indexes, "};", ""]), "\n".join([*commands, "};", ""])


def _wrapped(numbers: list[str]) -> list[str]:
    return [
        "    " + ", ".join(numbers[start : start + 16]) + ","
        for start in range(0, len(numbers), 16)
    ]


def _subcommand_rows() -> str:
    numbers = {name: index for index, name in enumerate(options.COMMANDS)}
    rows = [
        f'    {{{numbers[above]}, {numbers[command]}, "{word}"}},'
        for above, word, command in _subcommands()
    ]
    return "\n".join(["static const struct subcommand SUBCOMMANDS[] = {", *rows, "};", ""])


def main(arguments: list[str]) -> int:
    """What the command line does: its exit code."""
    if arguments not in ([], ["--check"]):
        sys.stderr.write(f"usage: {sys.argv[0]} [--check]\n")
        return 2
    if not is_stale():
        return 0
    if arguments:
        sys.stderr.write(f"{PATH} is stale: run {sys.argv[0]}\n")
        return 1
    with open(PATH, "w", encoding="ascii") as stream:
        stream.write(render())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
