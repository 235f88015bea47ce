"""What to do about the files of an environment: what destroys least, of what can work, comes first.

1. `detach` gives shared files inodes of their own: nothing is lost.
2. `repair` puts the original content back, and saves what was edited.
3. To reinstall some packages loses the edits in them.
4. To reinstall everything loses all edits.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal, TypeAlias

from uvx_policy.doctor.diagnostic import Fix
from uvx_policy.installed import sentences
from uvx_policy.terminal.command import Command, command

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from uvx_policy.doctor.case import Case
    from uvx_policy.installed.distributions import Distribution

#: what has to become true of the files: they share no inode with anybody; they have the content
#: that was installed; they are there; they are stored as the policy says, by links or clones
Need: TypeAlias = Literal["private", "original", "present", "linked"]

_DETACH = command("linkpolicy", "detach", "--no-hackable")


def install(case: Case) -> tuple[Command, ...]:
    """What installs into an environment that was just made."""
    if _has_project(case):
        return (command("uv", *case.usual_call),)
    every = [each.distribution for each in case.linkings]
    return (
        (command("uv", *case.usual_call, "--no-deps", *map(_requirement, every)),) if every else ()
    )


def least_destructive(case: Case, need: Need, packages: Sequence[Distribution] = ()) -> Fix:
    """The first remedy that can meet this need; `packages`: whose files it is about."""
    found = (remedy(case, need, packages) for remedy in _REMEDIES)
    return next(fix for fix in found if fix is not None)


def _detach(case: Case, need: Need, _: Sequence[Distribution]) -> Fix | None:
    # Files that are to be linked again are only copied where a reinstallation would lose edits.
    if need == "private" or (need == "linked" and _shared(case) and case.edited):
        return Fix.by("Copy the shared files in place; nothing is lost", _DETACH)
    return None


def _repair(case: Case, need: Need, _: Sequence[Distribution]) -> Fix | None:
    if need == "original":
        # The same environment that `repair` finds here by itself, nearly always.
        is_here = os.path.realpath(case.environment_here) == case.real_environment
        words = () if is_here else (case.environment,)
        return Fix.by(
            "Restore the original content; edits are saved first",
            command("linkpolicy", "repair", *words),
        )
    return None


def _reinstall_some(case: Case, _: Need, packages: Sequence[Distribution]) -> Fix | None:
    if not packages or len(packages) >= len(case.linkings):
        return None
    names = [each.name for each in packages]
    what = sentences.listed(names)
    return Fix.by(f"Reinstall {what}; {_lost(case, packages)}", _reinstall(case, packages))


def _reinstall_all(case: Case, _: Need, __: Sequence[Distribution]) -> Fix | None:
    lost = _lost(case, [each.distribution for each in case.linkings])
    return Fix.by(f"Reinstall everything; {lost}", reinstall_everything(case))


#: in the order of what they destroy
_REMEDIES: tuple[Callable[[Case, Need, Sequence[Distribution]], Fix | None], ...] = (
    _detach, _repair, _reinstall_some, _reinstall_all,
)  # fmt: skip


def _shared(case: Case) -> bool:
    survey = case.survey
    return survey is not None and bool(survey.shared_inode_files or survey.symlink_files)


def _lost(case: Case, packages: Sequence[Distribution]) -> str:
    """What a reinstallation of these packages loses."""
    infos = {each.dist_info for each in packages}
    edited = [each for each in case.edited if each.dist_info in infos]
    if not edited:
        return "no file was edited"
    names = [sentences.name_of(each) for each in edited]
    return f"edits of {sentences.listed(names)} are lost"


def reinstall_everything(case: Case) -> Command:
    """What installs everything anew that uv installed here."""
    if _has_project(case):
        return command("uv", *case.usual_call, "--reinstall")
    return _reinstall(case, [each.distribution for each in case.linkings])


def _reinstall(case: Case, packages: Sequence[Distribution]) -> Command:
    if _has_project(case):
        names = (word for each in packages for word in ("--reinstall-package", each.name))
        return command("uv", *case.usual_call, *names)
    words = ("--no-deps", "--reinstall", *map(_requirement, packages))
    return command("uv", *case.usual_call, *words)


def _has_project(case: Case) -> bool:
    """Does uv know what belongs into the environment? Otherwise it has to be named."""
    return case.usual_call[0] != "pip"


def _requirement(package: Distribution) -> str:
    """As `uv pip install` takes it."""
    if package.direct_url:
        return f"{package.name} @ {package.direct_url}"
    return f"{package.name}=={package.version}"
