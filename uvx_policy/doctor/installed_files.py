"""Checks of the files in the environment: how they are linked, and whether they were edited."""

from __future__ import annotations

import os
from time import monotonic
from typing import TYPE_CHECKING

from uvx_policy.caches import archives
from uvx_policy.doctor.diagnostic import Check, Diagnostic, Fix
from uvx_policy.doctor.project_cache import in_use
from uvx_policy.installed import linking
from uvx_policy.model import UNTRIED
from uvx_policy.terminal.command import Hint, command
from uvx_policy.terminal.words import count, listed, verb

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from uvx_policy.doctor.case import Case
    from uvx_policy.installed.finding import Finding
    from uvx_policy.installed.linking import Linking
    from uvx_policy.model import Capability
    from uvx_policy.pipeline import Plan

_REINSTALL = command("uv", "sync", "--reinstall")
_DETACH = command("linkpolicy", "detach")
_RESTORE = Fix(
    text="Restore the original files wherever they were edited; edits are saved first",
    commands=(command("linkpolicy", "repair"),),
    otherwise=Hint(
        text="To edit on purpose, make the project hackable",
        commands=(command("linkpolicy", "init", "--hackable"),),
    ),
)
#: a few copies are not worth a word: less than this, and less than half of what is installed
_WORTH_SAVING = 16 * 1024**2
#: seconds that one check may spend in caches
_PATIENCE = 0.05
#: paths that one finding names
_MOST_NAMED = 100
#: `copy` for these reasons is no wish to have private files
_COPIES_FOR_WANT_OF_LINKS = ("nothing-links", "clone-impossible", "hardlink-impossible")
_COPIES_THAT_SHARE = "copy-shares-extents"

_NONE_YET = Diagnostic(status="skip", detail="there is no environment yet")


# How the files are linked ------------------------------------------------------------------------


def look_drift(case: Case) -> Iterator[Diagnostic]:
    """Are the files linked as the policy says now? uv never converts what is installed."""
    plan, survey = case.sound_plan, case.survey
    if plan is None or survey is None:
        yield _NONE_YET
        return
    mode, code = _wanted(plan)
    shared, links = survey.shared_inode_files, survey.symlink_files
    reinstall = Fix(text="Reinstall everything; edits are lost", commands=(_REINSTALL,))
    if _wants_private(mode, code) and shared + links:
        wish = "This project is hackable" if code == "hackable" else "The policy is to copy"
        yield Diagnostic(
            status="fail" if code == "hackable" else "warn",
            detail=f"{wish}, but {count(shared + links, 'file')} of the environment "
            f"{verb(shared + links, 'is', 'are')} still shared with a cache or another "
            "environment: an edit of one shows there as well.",
            fix=Fix(text="Copy the shared files in place; edits are kept", commands=(_DETACH,)),
            paths=(case.environment,),
        )
        return
    if mode not in ("", "symlink") and links:
        yield Diagnostic(
            status="warn",
            detail=f"The policy is {mode}, but {count(links, 'file')} of the environment "
            f"{verb(links, 'is a symbolic link', 'are symbolic links')} into a cache. Cleaning "
            "that cache breaks the environment.",
            fix=reinstall,
            paths=(case.environment,),
        )
    if _wants_clones(mode, code) and shared and _support(plan).clone != "no":
        yield Diagnostic(
            status="warn",
            detail=f"The policy is to clone, but {count(shared, 'file')} of the environment "
            f"{verb(shared, 'was', 'were')} hard linked earlier: an edit of one shows in "
            "the cache and in other environments.",
            fix=reinstall,
            paths=(case.environment,),
        )


def look_copies(case: Case) -> Iterator[Diagnostic]:
    """Could files that lie in a cache as well share their bytes with it?"""
    plan = case.sound_plan
    if plan is None or case.survey is None:
        yield _NONE_YET
        return
    mode, code = _wanted(plan)
    if not mode or _wants_private(mode, code):
        return
    links = _support(plan)
    if code in _COPIES_FOR_WANT_OF_LINKS or links.clone == links.hardlink == "no":
        yield Diagnostic(status="skip", detail="nothing can be linked here")
        return
    if not case.survey.saveable_bytes:
        return
    copied = [each for each in case.linkings if each.how == "private"]
    if not copied:
        return
    chosen = plan.outcome.cache_dir.value
    own = plan.facts.cache if plan.facts is not None else ""
    # What was copied came from uv's own cache, if another one is chosen only now.
    caches = {case.used_cache, os.path.realpath(own) if chosen and own else ""} - {""}
    known = archives.distributions_in(tuple(caches), until=monotonic() + _PATIENCE)
    twice = [each for each in copied if _is_archived(each, known)]
    size = sum(linking.size_of(each.distribution) for each in twice)
    if not twice or (size < _WORTH_SAVING and 2 * len(twice) < len(case.linkings)):
        return
    where = f"a cache on this device is used now, `{chosen}`" if chosen else "they can be linked"
    yield Diagnostic(
        status="warn",
        detail=f"{len(twice)} of {len(case.linkings)} packages are private copies of what lies in "
        f"a cache as well; {where}.",
        fix=Fix(
            text="Reinstall everything, linked; edits are lost",
            commands=(_REINSTALL,),
        ),
        paths=(case.environment,),
        bytes=size,
    )


def _is_archived(each: Linking, known: dict[str, str]) -> bool:
    """Tell whether an archive has the same distribution: by its name and by its WHEEL file."""
    name = os.path.basename(each.distribution.dist_info)
    if name not in known:
        return False
    try:
        with (
            open(os.path.join(known[name], name, "WHEEL"), "rb") as archived,
            open(os.path.join(each.distribution.dist_info, "WHEEL"), "rb") as here,
        ):
            return archived.read() == here.read()
    except OSError:
        return False


def _wanted(plan: Plan) -> tuple[str, str]:
    """Give link mode and reason code that hold for the environment now; "" when uv's own do."""
    decision, facts = plan.outcome.link_mode, plan.facts
    explicit = facts.link_mode.value if facts is not None and facts.link_mode else ""
    mode = decision.value or ("clone" if explicit == "reflink" else explicit)
    return mode, decision.code


def _support(plan: Plan) -> Capability:
    """What links from the cache that uv uses."""
    return in_use(plan, plan.facts)[1] if plan.facts is not None else UNTRIED


def _wants_private(mode: str, code: str) -> bool:
    return mode == "copy" and code not in (*_COPIES_FOR_WANT_OF_LINKS, _COPIES_THAT_SHARE)


def _wants_clones(mode: str, code: str) -> bool:
    return mode == "clone" or code == _COPIES_THAT_SHARE


def look_broken_links(case: Case) -> Iterator[Diagnostic]:
    """Do the symbolic links of an environment in symlink mode still lead somewhere?"""
    survey = case.survey
    if survey is None or not survey.dangling:
        return
    broken = [
        each.distribution
        for each in case.linkings
        if each.how == "symlink"
        and not os.path.exists(os.path.join(each.distribution.dist_info, "METADATA"))
    ]
    of = f" of {_named(each.name for each in broken)}" if broken else ""
    yield Diagnostic(
        status="fail",
        detail=f"{count(survey.dangling, 'file')}{of} "
        f"{verb(survey.dangling, 'is a symbolic link', 'are symbolic links')} into a cache, where "
        "the target is gone.",
        fix=Fix(text="Reinstall everything", commands=(_REINSTALL,)),
        paths=tuple(each.dist_info for each in broken[:_MOST_NAMED]),
    )


def look_unreadable(case: Case) -> Iterator[Diagnostic]:
    """Could every directory of the environment be read?"""
    survey = case.survey
    if survey is not None and survey.unreadable:
        yield Diagnostic(
            status="warn",
            detail=f"{len(survey.unreadable)} directories or files of `{case.environment}` cannot "
            "be read: programs fail there, and this report does not cover them.",
            fix=Fix(
                text="Restore your read permission",
                commands=(command("chmod", "-R", "u+rwX", case.real_environment),),
            ),
            paths=survey.unreadable[:_MOST_NAMED],
        )


# Edited files ------------------------------------------------------------------------------------


def look_edited(case: Case) -> Iterator[Diagnostic]:
    """Was an installed file edited that nobody else sees?"""
    if case.survey is None:
        yield _NONE_YET
        return
    own = [each for each in case.edited if not _is_shared(each)]
    case.reported.update(each.path for each in own)
    if own:
        yield _edited(case, own)


def _edited(case: Case, found: list[Finding]) -> Diagnostic:
    plan = case.sound_plan
    named = _named((each.path for each in found), case.real_environment)
    if plan is not None and _wanted(plan)[1] == "hackable":
        return Diagnostic(
            status="pass",
            detail=f"Edited, as intended in a hackable project: {named}.",
            paths=_paths(found),
        )
    return Diagnostic(
        status="warn",
        detail=f"{named} {verb(len(found), 'was', 'were')} edited. "
        "No other environment sees it, and the next reinstall discards it.",
        fix=_RESTORE,
        paths=_paths(found),
    )


def look_edited_in_cache(case: Case) -> Iterator[Diagnostic]:
    """Was an installed file edited together with the cache's own file, or another environment's?"""
    if case.survey is None:
        yield _NONE_YET
        return
    leaked = [each for each in case.edited if _is_shared(each)]
    by_cache: dict[str, list[Finding]] = {}
    for each in leaked:
        case.reported.update((each.path, *(place.path for place in each.elsewhere)))
        caches = {place.tree.owner for place in each.elsewhere if place.tree.kind == "archive"}
        for cache in sorted(caches) or [""]:
            by_cache.setdefault(cache, []).append(each)
    for cache, found in by_cache.items():
        yield _leaked(case, cache, found)


def _leaked(case: Case, cache: str, found: list[Finding]) -> Diagnostic:
    named = _named((each.path for each in found), case.real_environment)
    places = [place for each in found for place in each.elsewhere]
    others = [place.path for place in places if place.tree.kind == "site"]
    also = f" It is in {_named(others)} already." if others else ""
    edited = f"{named} {verb(len(found), 'was', 'were')} edited"
    paths = (*_paths(found), *(place.path for place in places))
    if not cache:
        return Diagnostic(
            status="warn",
            detail=f"{edited}; another hard link, in an unknown environment or cache, has the edit "
            f"as well.{also}",
            fix=_RESTORE,
            paths=paths,
        )
    return Diagnostic(
        status="fail",
        detail=f"{edited}, and the cache `{cache}` with it: every environment installed from "
        f"there gets the edit.{also}",
        fix=_RESTORE,
        paths=paths,
    )


def _is_shared(finding: Finding) -> bool:
    """Tell whether others have this edit, too."""
    return bool(finding.elsewhere or finding.unknown_names) or os.path.islink(finding.path)


def look_content(case: Case) -> Iterator[Diagnostic]:
    """Is every installed file what the RECORD says?"""
    from uvx_policy.installed.tree import trees_of_environment
    from uvx_policy.verify import report
    from uvx_policy.verify.engine import verify

    if not case.real_environment:
        yield _NONE_YET
        return
    trees = trees_of_environment(case.real_environment)
    new = [
        each
        for each in verify(trees, state=case.state)
        if each.path not in case.reported and each.state != "extra"
    ]
    plan = case.sound_plan
    if plan is not None and _wanted(plan)[1] == "hackable":
        meant = [each for each in new if each.state == "edited"]
        if meant:
            yield _edited(case, meant)
        new = [each for each in new if each.state != "edited"]
    if not new:
        return
    named = _named((each.path for each in new), case.real_environment)
    yield Diagnostic(
        status="fail",
        detail=f"{count(len(new), 'file')} {verb(len(new), 'does', 'do')} not match what was "
        f"installed ({report.states_of(new)}): {named}.",
        fix=_RESTORE,
        paths=_paths(new),
    )


# -------------------------------------------------------------------------------------------------


def _paths(found: list[Finding]) -> tuple[str, ...]:
    return tuple(each.path for each in found[:_MOST_NAMED])


def _named(paths: Iterable[str], base: str = "") -> str:
    """The first few, `base` left out."""
    return listed(f"`{os.path.relpath(path, base) if base else path}`" for path in paths)


CHECKS: tuple[Check, ...] = (
    Check(
        id="files-broken-links",
        title="No installed file is a link to nothing",
        group="environment",
        look=look_broken_links,
    ),
    Check(
        id="files-edited-in-cache",
        title="No edit has reached the cache",
        group="environment",
        look=look_edited_in_cache,
    ),
    Check(
        id="files-drift",
        title="Files are linked as the policy says",
        group="environment",
        look=look_drift,
    ),
    Check(
        id="files-edited",
        title="No installed file was edited",
        group="environment",
        look=look_edited,
    ),
    Check(
        id="files-copies",
        title="Files share their bytes with the cache",
        group="environment",
        look=look_copies,
    ),
    Check(
        id="files-unreadable",
        title="Everything installed can be read",
        group="environment",
        look=look_unreadable,
    ),
    Check(
        id="files-content",
        title="Every installed file is what its RECORD says",
        group="environment",
        look=look_content,
        thorough=True,
    ),
)
