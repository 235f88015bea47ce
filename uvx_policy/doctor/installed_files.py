"""Checks of how the files in the environment are stored, and whether they can be read and changed.

Whether they are what was installed is the matter of `doctor.edited_files`.
"""

from __future__ import annotations

import filecmp
import os
from collections import Counter
from typing import TYPE_CHECKING

from uvx_policy.doctor.cache_contents import inspections
from uvx_policy.doctor.case import NO_ENVIRONMENT, Case
from uvx_policy.doctor.diagnostic import MOST_NAMED, Check, Diagnostic, Fix, fail, fine, skip, warn
from uvx_policy.doctor.project_cache import in_use
from uvx_policy.doctor.remedies import least_destructive, share, take_back
from uvx_policy.installed import linking, sentences
from uvx_policy.installed.survey import survey as whole_survey
from uvx_policy.model import UNTRIED
from uvx_policy.terminal.command import command
from uvx_policy.terminal.words import count, verb

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from uvx_policy.installed.linking import Linking
    from uvx_policy.installed.model import Survey
    from uvx_policy.model import Capability
    from uvx_policy.pipeline import Plan

#: a few copies are not worth a word: less than this, and less than half of what is installed
_WORTH_SAVING = 16 * 1024**2
#: `copy` for these reasons is no wish to have private files
_COPIES_FOR_WANT_OF_LINKS = ("nothing-links", "clone-impossible", "hardlink-impossible")
_COPIES_THAT_SHARE = "copy-shares-extents"

_UNDECIDED = skip("how files should be stored cannot be decided")


# How the files are linked ------------------------------------------------------------------------

_HOW = {
    "shared-inode": "hard linked",
    "shared-extents": "cloned",
    "symlink": "linked symbolically",
    "private": "copied",
    "unknown": "too small to tell",
}


def look_linked(case: Case) -> Iterator[Diagnostic]:
    """Count the files by the way in which each is stored; the packages, too."""
    packages = _packages(case)  # while another process looks at the files
    if case.survey is None:
        yield NO_ENVIRONMENT
        return
    # To ask the file system about the blocks of 30,000 files takes 0.3 s: without --verify one
    # file of each package tells.
    survey = whole_survey(case.real_environment) if case.verify else case.survey
    files = count(survey.files, "file" if case.verify else "installed file")
    yield fine(
        f"{files}: {_files(survey, exact=case.verify)}{packages}.", paths=(case.environment,)
    )


def _files(survey: Survey, *, exact: bool) -> str:
    exact = exact and survey.extents_known
    counts = {
        "hard linked to a cache or another environment": survey.shared_inode_files,
        "linked symbolically into a cache": survey.symlink_files,
        "cloned": survey.shared_extent_files if exact else 0,
        "not shared" if exact else "with an inode of their own": survey.private_files,
    }
    return ", ".join(f"{number:,} {what}" for what, number in counts.items() if number) or "none"


def _packages(case: Case) -> str:
    counts = Counter(each.how for each in case.linkings)
    if not counts:
        return ""
    hows = ", ".join(f"{number:,} {_HOW[how]}" for how, number in counts.most_common())
    return f"; {count(counts.total(), 'package')} installed by uv: {hows}"


def look_drift(case: Case) -> Iterator[Diagnostic]:
    """Are the files linked as the policy says now? uv never converts what is installed."""
    plan, survey = case.sound_plan, case.survey
    if plan is None or survey is None:
        yield NO_ENVIRONMENT if survey is None else _UNDECIDED
        return
    mode, code = _wanted(plan)
    shared, links = survey.shared_inode_files, survey.symlink_files
    drifted = [each.distribution for each in case.linkings if each.how in _LEADING_ELSEWHERE]
    if _wants_private(mode, code) and shared + links:
        wish = "This project is hackable" if code == "hackable" else "The policy is to copy"
        yield Diagnostic(
            "fail" if code == "hackable" else "warn",
            f"{wish}, but {count(shared + links, 'file')} of the environment "
            f"{verb(shared + links, 'is', 'are')} still shared with a cache or another "
            "environment: an edit of one shows there as well.",
            least_destructive(case, "private"),
            (case.environment,),
        )
        return
    if mode not in ("", "symlink") and links:
        yield warn(
            f"{count(links, 'file')} of the environment "
            f"{verb(links, 'is a symbolic link', 'are symbolic links')} into a cache, from before; "
            f"the policy is {mode} now. Cleaning that cache breaks the environment.",
            least_destructive(case, "linked", drifted),
            (case.environment,),
        )
    if (mode == "clone" or code == _COPIES_THAT_SHARE) and shared and _support(plan).clone != "no":
        yield warn(
            f"The policy is to clone, but {count(shared, 'file')} of the environment "
            f"{verb(shared, 'was', 'were')} hard linked earlier: an edit of one shows in "
            "the cache and in other environments.",
            least_destructive(case, "linked", drifted),
            (case.environment,),
        )


#: an edit of a file that is stored so is an edit somewhere else
_LEADING_ELSEWHERE = ("shared-inode", "symlink")


def look_copies(case: Case) -> Iterator[Diagnostic]:
    """Could files that lie in a cache as well share their bytes with it?"""
    plan = case.sound_plan
    if plan is None or case.survey is None:
        yield NO_ENVIRONMENT if case.survey is None else _UNDECIDED
        return
    mode, code = _wanted(plan)
    if not mode or _wants_private(mode, code):
        return
    links = _support(plan)
    if code in _COPIES_FOR_WANT_OF_LINKS or links.clone == links.hardlink == "no":
        yield skip("nothing can be linked here")
        return
    if not case.survey.saveable_bytes:
        return
    copied = [each for each in case.linkings if each.how == "private"]
    twice = {each: archive for each in copied if (archive := _archive_of(case, plan, each))}
    size = sum(linking.size_of(each.distribution) for each in twice)
    if not twice or (size < _WORTH_SAVING and 2 * len(twice) < len(case.linkings)):
        return
    chosen = plan.outcome.cache_dir.value
    where = f"a cache on this device is used now, `{chosen}`" if chosen else "they can be linked"
    yield warn(
        f"{len(twice):,} of {count(len(case.linkings), 'package')} "
        f"{verb(len(twice), 'is', 'are')} private copies of what lies in a cache as well; {where}.",
        _share(case, list(twice.values())),
        (case.environment,),
        bytes=size,
    )


def _archive_of(case: Case, plan: Plan, each: Linking) -> str:
    """An archive that has the same distribution: by its name and by its WHEEL file; or "".

    In the cache that is used now, or in uv's own: what was copied came from there, if another one
    is chosen only now.
    """
    own = plan.facts.cache if plan.facts is not None else ""
    caches = {case.used_cache, os.path.realpath(own) if own else ""}
    name = os.path.basename(each.distribution.dist_info)
    for tree in case.index.archives_of(name):
        if tree.owner in caches and _is_same_wheel(os.path.join(tree.path, name), each):
            return tree.path
    return ""


def _is_same_wheel(dist_info: str, each: Linking) -> bool:
    here = each.distribution.dist_info
    try:
        return filecmp.cmp(f"{dist_info}/WHEEL", f"{here}/WHEEL", shallow=False)
    except OSError:
        return False


def _share(case: Case, archives: Sequence[str]) -> Fix:
    """Reclaim; what belongs to others in the cache first, because that is not linked."""
    fix = share(case, archives)
    for cache, inspection in inspections(case):
        if cache.path == case.used_cache and inspection.foreign:
            first = take_back(case, cache.path)
            if not first.commands:
                return first
            text = f"{first.text}, because what belongs to others is not linked. {fix.text}"
            return fix.replace(text=text, commands=(*first.commands, *fix.commands))
    return fix


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


def look_broken_links(case: Case) -> Iterator[Diagnostic]:
    """Do the symbolic links of an environment in symlink mode still lead somewhere?"""
    survey = case.survey
    if survey is None or not survey.dangling:
        return
    infos = {each.dist_info for each in case.findings if _is_dangling(each.path)}
    broken = [
        each.distribution
        for each in case.linkings
        if each.distribution.dist_info in infos
        or _is_dangling(os.path.join(each.distribution.dist_info, "METADATA"))
    ]
    of = f" of {sentences.listed([each.name for each in broken])}" if broken else ""
    yield fail(
        f"{count(survey.dangling, 'file')}{of} "
        f"{verb(survey.dangling, 'is a symbolic link', 'are symbolic links')} into a cache that "
        "was cleaned: their targets are gone.",
        least_destructive(case, "present", broken),
        tuple(each.dist_info for each in broken[:MOST_NAMED]),
    )


def _is_dangling(path: str) -> bool:
    return os.path.islink(path) and not os.path.exists(path)


# What this user may do with them -----------------------------------------------------------------


def look_unreadable(case: Case) -> Iterator[Diagnostic]:
    """Could every directory of the environment be read?"""
    survey = case.survey
    if survey is None or not survey.unreadable:
        return
    number = survey.unreadable_files
    what = verb(number, "directory or file", "directories or files")
    yield warn(
        f"{number:,} {what} of `{case.environment}` cannot be read: programs fail there, "
        "and this report does not cover them.",
        _open_up(case, survey.unreadable, "Restore your read permission"),
        survey.unreadable[:MOST_NAMED],
    )


def look_owner(case: Case) -> Iterator[Diagnostic]:
    """May this user change what is in the environment, in every directory of it?"""
    survey = case.survey
    if survey is None or not survey.closed:
        return
    number = survey.closed_directories
    name = sentences.name_in(survey.closed[0], case.real_environment)
    which = count(number, "directory") if number > 1 else f"The directory `{name}`"
    whose = _whose(case, survey.closed)
    yield fail(
        f"{which} of `{case.environment}` cannot be changed by you{whose}: uv fails "
        "to remove or replace what is in there.",
        _open_up(case, survey.closed, "Restore your write permission"),
        survey.closed[:MOST_NAMED],
    )


def _whose(case: Case, paths: Sequence[str]) -> str:
    others = sorted(set(map(_owner, paths)) - {None, case.host.uid}, key=str)
    if not others:
        return ""
    named = ", ".join(f"user {user}" for user in others)
    return f", but by {named}, as after `sudo uv sync` or `sudo python`"


def _open_up(case: Case, paths: Sequence[str], text: str) -> Fix:
    """What gives this user the right to these paths: those of others are taken back."""
    if any(_owner(path) != case.host.uid for path in paths):
        return take_back(case, case.real_environment)
    return Fix.by(text, command("chmod", "-R", "u+rwX", case.real_environment))


def _owner(path: str) -> int | None:
    """Whose it is, or the nearest directory above that can be looked at."""
    try:
        return os.lstat(path).st_uid
    except PermissionError:
        return _owner(os.path.dirname(path))
    except OSError:
        return None


CHECKS: tuple[Check, ...] = (
    Check("files-linked", "How the files are stored", look_linked),
    # First of those that find faults: nothing that others fix can be done before it.
    Check("venv-owner", "You can change the environment", look_owner),
    Check("files-unreadable", "Everything installed can be read", look_unreadable),
    Check("files-broken-links", "No installed file is a link to nothing", look_broken_links),
    Check("files-drift", "Files are linked as the policy says", look_drift),
    Check("files-copies", "Files share their bytes with the cache", look_copies),
)
