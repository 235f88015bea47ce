"""The console blocks of a page: what to type, and what the page shows below it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

#: a page says so before a block that needs another shell than the one before
NEW_TERMINAL = "Open a new terminal"

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)


class Typed(NamedTuple):
    """A command with its output."""

    #: without the prompt; more lines than one end in a backslash
    command: str
    #: lines below it; none where the page shows no output
    output: tuple[str, ...]
    #: it is typed in a new terminal
    anew: bool


def typed(page: str) -> Iterator[Typed]:
    """Every command of a page in its order."""
    end = 0
    for block in _BLOCK.finditer(page):
        anew = NEW_TERMINAL in page[end : block.start()]
        end = block.end()
        for part in re.split(r"^\$ ", block[1], flags=re.MULTILINE)[1:]:
            lines = part.rstrip("\n").split("\n")
            count = next(n for n, line in enumerate(lines, 1) if not line.endswith("\\"))
            yield Typed(command="\n".join(lines[:count]), output=tuple(lines[count:]), anew=anew)
            anew = False


#: what differs between machines and days, and what stands for it
_DIFFERS = (
    (r"\b\d+(\.\d+)?(ms|s)\b", "TIME"),
    (r"\b\d+(\.\d+){1,2}\b(?! [kMG]B)", "VERSION"),
    (r"python3\.\w+", "python3"),
    (r"\b\d+(\.\d+)? ([kMG]?B)\b", "SIZE"),
    # Owner, size and time of `ls -l`, but not the number of names.
    (r"^(-[-rwx]{9} \d+) \S+ \S+ +\d+ +\S+ +\d+ +[\d:]+", r"\1 FILE"),
    # A package has more files in its next version.
    (r"\b\d+ ((?:installed )?files)\b", r"N \1"),
    # Where a file system is mounted.
    (r"(?<= at )`/[\w/]*`", "`PATH`"),
    (r"(?<![\w~.])/(?!/|home/me\b)(?:[\w.-]+/)*[\w.-]+", "PATH"),
)


def compared(line: str) -> str:
    """A line without what differs between machines: times, versions, sizes, paths of the system."""
    line = line.rstrip()
    for differs, stands_for in _DIFFERS:
        line = re.sub(differs, stands_for, line)
    return line
