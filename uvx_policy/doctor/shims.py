"""Are the shims as `setup` writes them, and do they start the real uv under policy?"""

from __future__ import annotations

import os
import stat
import sys
from typing import TYPE_CHECKING

from uvx_policy.doctor import setup_state
from uvx_policy.doctor.diagnostic import Check, Diagnostic, Fix, fail, fine, skip, warn
from uvx_policy.doctor.setup_state import SETUP, fix_by_setup, setup, setup_if_it_can
from uvx_policy.doctor.shim_start import begin, starts
from uvx_policy.errors import LinkPolicyError, Unreadable
from uvx_policy.setup import remembered, shim_directories
from uvx_policy.state.remembered import remembered_by
from uvx_policy.terminal.command import command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from uvx_policy.doctor.case import Case
    from uvx_policy.doctor.diagnostic import Deed

_OPEN_TO_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def look_shims(case: Case) -> Iterator[Diagnostic]:
    """Are both shims there, and nobody else's program in their place?"""
    if not setup_state.has_shims(case):
        yield fail(
            "The shims are not installed: `uv` runs without a policy, "
            "except through `linkpolicy run`.",
            setup_if_it_can(case, "Install the shims and put them first on PATH"),
        )
        return
    for path in setup_state.shims_in(setup_state.directory(case)):
        if shim_directories.is_shim(path):
            continue
        if os.path.lexists(path):
            yield fail(
                f"`{path}` is not the shim but another program.",
                Fix.by(
                    "Move it aside and install the shim in its place",
                    command("mv", path, f"{path}.other"),
                    SETUP,
                ),
                (path,),
            )
        else:
            name = os.path.basename(path).removesuffix(shim_directories.SUFFIX)
            yield fail(
                f"`{path}` is missing: `{name}` runs without a policy.",
                setup("Install the shims"),
                (path,),
            )


def look_private(case: Case) -> Iterator[Diagnostic]:
    """Nobody else may put a program where we run one."""
    directory = setup_state.directory(case)
    if not os.path.isdir(directory):
        yield skip("there are no shims")
        return
    open_to_others = _open_to_others(directory)
    if open_to_others:
        yield fail(
            f"Other users can write to `{open_to_others[0]}`, and you would run what they "
            "put there.",
            Fix.by(
                "Remove write permission for others",
                command("chmod", "go-w", *open_to_others),
                safe=all(os.lstat(path).st_uid == os.geteuid() for path in open_to_others),
            ),
            open_to_others,
        )
        return
    try:
        for place in (directory, shim_directories.fallbacks(directory)):
            shim_directories.check_private(place, roots=True)
    except OSError as error:
        raise Unreadable(directory, shim_directories.reason(error)) from error
    except LinkPolicyError as error:
        yield fail(
            f"{error}.",
            Fix.by(
                "Restrict it, or choose another directory",
                *(error.commands or (command("linkpolicy", "setup", "--shim-dir", "DIR"),)),
            ),
            (directory,),
        )


def fix_private(case: Case) -> Iterator[Deed]:
    """Take the right to write from others, where it is ours to take."""
    from uvx_policy.doctor.deeds import Entry, change_permissions

    for path in _open_to_others(setup_state.directory(case)):
        entry, typed = Entry.at(path), str(command("chmod", "go-w", path))
        if entry.owner == os.geteuid():
            mode = entry.permissions & ~_OPEN_TO_OTHERS
            yield change_permissions(entry, mode, would=typed, done=typed)


def look_current(case: Case) -> Iterator[Diagnostic]:
    """Are the shims what this linkpolicy would write?"""
    directory = setup_state.directory(case)
    if not setup_state.has_shims(case):
        yield skip("there are no shims")
        return
    plan = setup_state.plan(case)
    if isinstance(plan, LinkPolicyError):
        yield skip(str(plan))
        return
    # What is missing is told by another check; here are those that are there and differ.
    differing = tuple(path for path, _ in plan.shims if os.path.lexists(path)) + plan.stale
    behind = tuple(path for path, _ in plan.shims if not os.path.lexists(path))
    behind = tuple(path for path in behind if path not in setup_state.shims_in(directory))
    known = remembered_by(directory, "uv") or ""
    if differing or behind:
        yield warn(
            _about_remembered(known, setup_state.to_remember(case))
            or "The shims were written by another version or installation of linkpolicy, "
            f"or with another launcher than the {plan.launcher.kind} one.",
            setup("Write them again"),
            (*differing, *behind),
        )
        return
    remember = (
        f" They remember `{os.path.join(known, 'uv')}` for programs with another PATH."
        if known
        else ""
    )
    yield fine(
        f"The shims are up to date; launcher: {plan.launcher}.{remember}",
        paths=setup_state.shims_in(directory),
    )


def _about_remembered(known: str, wanted: str) -> str:
    """What is wrong with the uv that the shims remember, "" when it is not that."""
    if known == wanted:
        return ""
    serves_whom = "programs whose PATH has no uv"
    here, there = os.path.join(known, "uv"), os.path.join(wanted, "uv")
    if not known:
        return f"The shims do not remember `{there}` for {serves_whom}."
    if not remembered.serves("uv", known):
        return f"`{here}`, which the shims remember for {serves_whom}, is gone."
    return f"The shims remember `{here}` for {serves_whom}, and your PATH has `{there}`."


def look_start(case: Case) -> Iterator[Diagnostic]:
    """Start each shim once: do they come as far as uv, and with the policy?"""
    if not case.uv or not setup_state.has_shims(case):
        yield skip(f"there {'are no shims' if case.uv else 'is no real uv'}")
        return
    for start in starts(case):
        if start.code != 0:
            said = start.said.strip().splitlines()
            because = said[-1] if said else f"it ended with {start.code}"
            yield fail(
                f"`{start.path} --version` does not work: {because.removeprefix('linkpolicy: ')}.",
                Fix.by("Reinstall that uv the way it was installed")
                if case.uv in because
                else setup_if_it_can(case, "Write the shims again"),
                (start.path,),
            )
        elif start.without_policy:
            yield fail(
                f"`{start.path}` cannot find the linkpolicy that it was written for, and "
                "runs uv without a policy.",
                setup("Write the shims for this linkpolicy"),
                (start.path,),
            )


def begin_start(case: Case) -> None:
    """Start the shims, which takes as long as ten other checks."""
    if case.uv and setup_state.has_shims(case):
        begin(case)


def _open_to_others(directory: str) -> tuple[str, ...]:
    """The directories of shims and the shims in them that others can write to."""
    if sys.platform == "win32":  # modes say nothing there
        return ()
    behind = shim_directories.fallbacks(directory)
    found = []
    for path in (directory, behind, *shim_directories.ours(directory)):
        try:
            told = os.lstat(path)
        except OSError:
            continue
        if not stat.S_ISLNK(told.st_mode) and told.st_mode & _OPEN_TO_OTHERS:
            found.append(path)
    return tuple(found)


CHECKS: tuple[Check, ...] = (
    # Before those that `setup` fixes: it writes to no directory that is open to others.
    Check("shims-private", "Nobody else can replace a shim", look_private, fix_private),
    Check("shims", "The shims `uv` and `uvx` are installed", look_shims, fix_by_setup),
    Check("shims-current", "The shims are up to date", look_current, fix_by_setup),
    Check(
        "shims-start",
        "The shims start the real uv under policy",
        look_start,
        fix_by_setup,
        begin_start,
    ),
)
