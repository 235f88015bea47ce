"""Checks whether the files in the environment are what was installed."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from uvx_policy.doctor.case import NO_ENVIRONMENT, Case
from uvx_policy.doctor.diagnostic import MOST_NAMED, Check, Diagnostic, Fix, fine, skip
from uvx_policy.doctor.remedies import least_destructive
from uvx_policy.installed import sentences
from uvx_policy.terminal.command import Hint, command
from uvx_policy.terminal.words import count, verb

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from uvx_policy.installed.finding import Finding, State

_HACKABLE = Hint(
    text="Make the project hackable, to edit on purpose",
    commands=(command("linkpolicy", "init", "--hackable"),),
)
_EFFECTS: dict[State, str] = {
    "edited": "No other environment has the edit, and reinstalling discards it",
    "missing": "Programs that need them fail, and uv considers them installed",
    "record": "The files of these packages are unknown, and uv cannot remove them cleanly",
    "mode": "uv installs no file with such permissions",
    "unreadable": "Their content could not be checked",
}


def look_edited(case: Case) -> Iterator[Diagnostic]:
    """Was an installed file edited that nobody else sees?"""
    if case.survey is None:
        yield NO_ENVIRONMENT
        return
    yield from _told(case, [each for each in case.edited if not each.is_shared])
    unsure = case.survey.unsure_files
    if unsure:
        yield skip(
            f"{count(unsure, 'file')} {verb(unsure, 'was', 'were')} written after the "
            "installation and cannot be compared quickly; --verify compares everything"
        )


def look_edited_in_cache(case: Case) -> Iterator[Diagnostic]:
    """Was an installed file edited together with the cache's own file, or another environment's?"""
    if case.survey is None:
        yield NO_ENVIRONMENT
        return
    yield from _leaked(case, [each for each in case.edited if each.is_shared])


def look_for(state: State, case: Case) -> Iterator[Diagnostic]:
    """Is every file, or every RECORD, as it was installed?"""
    if case.survey is None:
        yield NO_ENVIRONMENT
        return
    found = [each for each in case.findings if each.state == state]
    if state == "missing" and case.survey.dangling:  # told by another check
        found = [each for each in found if not os.path.islink(each.path)]
    yield from _told(case, found)


def look_content(case: Case) -> Iterator[Diagnostic]:
    """Is every installed file what the RECORD says?"""
    if not case.real_environment:
        yield NO_ENVIRONMENT
        return
    new = [each for each in case.compared() if each.path not in case.reported]
    yield from _leaked(case, [each for each in new if each.state == "edited" and each.is_shared])
    alone = [each for each in new if each.state != "edited" or not each.is_shared]
    for state in _EFFECTS:
        yield from _told(case, [each for each in alone if each.state == state])


def _told(case: Case, found: Sequence[Finding]) -> Iterator[Diagnostic]:
    """Say what is wrong with files that are wrong here alone."""
    case.reported.update(each.path for each in found)
    intended = [each for each in found if each.intended]
    if intended:
        yield fine(
            f"{sentences.intended(sentences.described(intended), intended[0].intended)}.",
            paths=_paths(intended),
        )
    wrong = [each for each in found if each.is_fault]
    if wrong:
        state = wrong[0].state
        yield Diagnostic(
            "warn" if state == "edited" else "fail",
            f"{sentences.described(wrong)}. {_EFFECTS[state]}.",
            _restore(case, state),
            _paths(wrong),
        )


def _leaked(case: Case, leaked: Sequence[Finding]) -> Iterator[Diagnostic]:
    """Say of each cache what was edited in it and here, and of files that others have."""
    by_cache: dict[str, list[Finding]] = {}
    for each in leaked:
        case.reported.update((each.path, *(place.path for place in each.elsewhere)))
        caches = {place.tree.owner for place in each.elsewhere if place.tree.kind == "archive"}
        for cache in sorted(caches) or [""]:
            by_cache.setdefault(cache, []).append(each)
    for cache, found in by_cache.items():
        places = [place for each in found for place in each.elsewhere]
        others = sorted({place.tree.owner for place in places if place.tree.kind == "site"})
        owners = [f"the cache `{cache}`"] if cache else []
        owners += [f"`{owner}`" for owner in others]
        effect = " Every environment that is installed from that cache gets it." if cache else ""
        yield Diagnostic(
            "fail" if cache else "warn",
            f"{sentences.shared(sentences.described(found), owners)}.{effect}",
            _restore(case, "edited"),
            (*_paths(found), *(place.path for place in places)),
        )


def _restore(case: Case, state: State) -> Fix:
    fix = least_destructive(case, "original")
    if state != "edited":
        return fix
    if case.policy_at(case.real_environment).name == "hackable":
        return fix.replace(text="Restore the original content elsewhere; the edit here stays")
    return fix.replace(otherwise=_HACKABLE)


def _paths(found: Sequence[Finding]) -> tuple[str, ...]:
    return tuple(each.path for each in found[:MOST_NAMED])


CHECKS: tuple[Check, ...] = (
    Check("files-edited-in-cache", "No edit has reached the cache", look_edited_in_cache),
    Check("files-edited", "No installed file was edited", look_edited),
    Check("files-missing", "No installed file is missing", partial(look_for, "missing")),
    Check("files-records", "Every RECORD is whole", partial(look_for, "record")),
    Check(
        "files-content", "Every installed file is what its RECORD says", look_content, thorough=True
    ),
)
