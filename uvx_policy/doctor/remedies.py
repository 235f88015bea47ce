"""What to do about an environment's files, a link to nothing, what is others', and a variable.

About the files of an environment: what destroys least, of what can work, comes first.

1. `detach` gives shared files inodes of their own, `reclaim` lets equal files share theirs: nothing
   is lost.
2. `repair` puts the original content back, and saves what was edited.
3. To reinstall some packages loses the edits in them.
4. To reinstall everything loses all edits.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Literal, TypeAlias

from uvx_policy.doctor.diagnostic import Fix
from uvx_policy.filesystem import others
from uvx_policy.installed import sentences
from uvx_policy.machine.project_files import read_text
from uvx_policy.setup.shells import every_start_up_file
from uvx_policy.state import layout
from uvx_policy.terminal.command import Command, chown, command
from uvx_policy.uv.workspace import ancestors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from uvx_policy.doctor.case import Case
    from uvx_policy.installed.distributions import Distribution

#: what has to become true of the files: they share no inode with anybody; they have the content
#: that was installed; they are there; they are stored as the policy says, by links or clones
Need: TypeAlias = Literal["private", "original", "present", "linked"]

#: names in a path that root may take
_DEEP = 3


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
    # Files that are to be linked again are only copied where a reinstallation would lose edits.
    if need == "private" or (need == "linked" and _shared(case) and case.edited):
        detach = command("linkpolicy", "detach", "--no-hackable")
        return Fix.by("Copy the shared files in place; nothing is lost", detach)
    if need == "original":
        # The same environment that `repair` finds here by itself, nearly always.
        is_here = os.path.realpath(case.environment_here) == case.real_environment
        repair = command("linkpolicy", "repair", *(() if is_here else (case.environment,)))
        return Fix.by("Restore the original content; edits are saved first", repair)
    every = [each.distribution for each in case.linkings]
    if packages and len(packages) < len(every):
        what = sentences.listed([each.name for each in packages])
        return Fix.by(f"Reinstall {what}; {_lost(case, packages)}", _reinstall(case, packages))
    return Fix.by(f"Reinstall everything; {_lost(case, every)}", reinstall_everything(case))


def share(case: Case, archives: Sequence[str]) -> Fix:
    """Let files that are copies of what is in `archives` share their bytes; raises `OSError`.

    Files link within a file system only: archives of another one are first made here, too, from
    the bytes that the environment has.
    """
    device = os.stat(case.real_environment).st_dev
    is_elsewhere = any(os.stat(path).st_dev != device for path in archives)
    options = ("--seed",) if is_elsewhere else ()
    reclaim = command("linkpolicy", "reclaim", *options, case.environment)
    return Fix.by("Let equal files share their bytes; edited files are left", reclaim)


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


# A directory that a link leads to -----------------------------------------------------------------


def can_be_made(case: Case, link: str) -> bool:
    """Tell whether only the last directory is missing: on an unmounted disk more would be."""
    parent = os.path.dirname(os.path.realpath(link))
    return os.path.isdir(parent) and case.host.may_write(parent)


# A directory in which others may exchange things --------------------------------------------------


def exchangeable(case: Case, path: str) -> tuple[str, Fix | None]:
    """Why somebody else may exchange `path`, "" if nobody may; what to do where that is ours.

    The nearest directory above it in which that is so. Raises `Unreadable`.
    """
    for above in ancestors(os.path.dirname(path)):
        status = case.host.status(above)
        who = others.who_may_exchange(case.host, above, status) if status is not None else ""
        if status is None or not who:
            continue
        # Others keep what they can do there with what is their own.
        text, typed = "Let nobody else replace entries of that directory", ("chmod", "+t", above)
        mine = status.uid == case.host.uid
        return f"`{above}` above it is writable by {who}", (
            Fix.by(text, command(*typed)) if mine else None
        )
    return "", None


# What belongs to somebody else -------------------------------------------------------------------


def take_back(case: Case, path: str) -> Fix:
    """Let `path`, and everything below, belong to this user again.

    Without a command where it is not this user's to take.
    """
    if not is_ours(case, path):
        return Fix.by(
            f"Use a directory of your own, or ask the owner: nothing above `{path}` is yours"
        )
    return Fix.by(
        f"Change the owner of `{path}` back to you",
        chown(path, uid=case.host.uid, gid=os.getgid()),
    )


def is_ours(case: Case, path: str) -> bool:
    """Does `path` (absolute) lie in a directory of this user's?

    Whoever owns a directory can exchange what lies in it. Root owns them all, and takes nothing
    that lies as high as `/var/lib`.
    """
    uid, real = case.host.uid, os.path.realpath(path)
    if uid == 0:
        return real.count(os.sep) >= _DEEP
    *above, _root = ancestors(os.path.dirname(real))
    return any(_owner(each) == uid for each in above)


def _owner(path: str) -> int | None:
    try:
        return os.stat(path).st_uid
    except OSError:
        return None


# A variable --------------------------------------------------------------------------------------


def unset(case: Case, name: str, value: str | None = None) -> tuple[str, Fix]:
    """A variable with its value and the file that sets it, and how to be rid of it.

    `value`: what is said, when not what the variable holds.
    """
    where = _set_in(case, name)
    said = f"`{name}={case.environ[name] if value is None else value}`"
    text = f"Remove it from `{where}` and from this shell" if where else "Unset it"
    return f"{said}{where and f' ({where})'}", Fix.by(text, command("unset", name))


def _set_in(case: Case, variable: str) -> str:
    """`path:line` of the start-up file that sets this variable, "" when none of them does."""
    home = layout.home(case.environ, case.host.platform)
    files = every_start_up_file(environ=case.environ, home=home, platform=case.host.platform)
    nearby = [os.path.join(above, ".envrc") for above in ancestors(case.cwd)]
    sets = re.compile(rf"^[^#]*\b{variable}\b")
    for path in (*nearby, *files, "/etc/environment", "/etc/profile"):
        for number, line in enumerate(read_text(path).splitlines(), 1):
            if sets.match(line):
                return f"{path}:{number}"
    return ""
