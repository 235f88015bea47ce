"""What is wrong with installed files, in the words that `status`, `doctor` and `verify` share."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from uvx_policy.installed.distributions import status_of
from uvx_policy.terminal import words

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from uvx_policy.installed.finding import Finding, State

#: state -> what is said of one file, and of several
_VERBS: dict[State, tuple[str, str]] = {
    "edited": ("was edited", "were edited"),
    "missing": ("is missing", "are missing"),
    "record": ("is damaged", "are damaged"),
    "unreadable": ("cannot be read", "cannot be read"),
    "mode": ("has other permissions", "have other permissions"),
    "extra": ("is not in any RECORD", "are not in any RECORD"),
}


def sentence(state: State, names: Iterable[str]) -> str:
    """`` `a.py` was edited``, `` `a.py`, `b.py`, `c.py` and 2 more were edited``: no full stop."""
    every = list(names)
    return f"{listed(every)} {_VERBS[state][len(every) != 1]}"


def intended(clause: str, why: str) -> str:
    """The same of what a project wants: `why` is as `Finding.intended`."""
    return f"{clause}, as intended: {why}"


def shared(clause: str, owners: Iterable[str] = ()) -> str:
    """The same of files that others have as well: `owners`, such as "the cache `~/.cache/uv`"."""
    known = list(owners) or ["a cache or another environment that is not known here"]
    has = words.verb(len(known), "has", "have")
    return f"{clause}; {words.listed(known)} {has} the edit, too"


def listed(names: Iterable[str]) -> str:
    """The first few, in backticks."""
    return words.listed(f"`{name}`" for name in names)


def name_of(finding: Finding) -> str:
    """The file as its package names it; scripts and data by their place in the environment."""
    tree = finding.tree
    return name_in(finding.path, tree.path if tree.kind == "archive" else tree.owner)


def name_in(path: str, top: str) -> str:
    """The name of a file in the environment or archive `top`; all are absolute paths."""
    name = os.path.relpath(path, top)
    return name.rpartition(f"site-packages{os.sep}")[2] or name


def described(findings: Sequence[Finding]) -> str:
    """What is wrong with files of one state, and how: one clause, no full stop."""
    names = [name_of(each) for each in findings]
    empty = sum(map(_is_empty, findings))
    if empty and empty == len(names):
        return f"{listed(names)} {words.verb(empty, 'is', 'are')} empty, as after a power cut"
    told = sentence(findings[0].state, names)
    details = {each.detail.removeprefix(_DAMAGED) for each in findings if each.state == "record"}
    if len(details) == 1:
        return f"{told}: {details.pop()}"
    return f"{told}, {empty:,} of them empty as after a power cut" if empty else told


#: what details of a damaged RECORD begin with
_DAMAGED = "RECORD is damaged: "


def _is_empty(finding: Finding) -> bool:
    """Has an edited file lost all of its content?"""
    was_full = finding.state == "edited" and finding.row and finding.row.size
    told = status_of(finding.path) if was_full else None
    return told is not None and not told.st_size
