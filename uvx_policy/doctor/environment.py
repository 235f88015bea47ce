"""Checks of the environment itself: where it lies, and whose it is.

The files in it are the matter of `doctor.installed_files`, whose checks come behind these.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from uvx_policy.doctor import environment_path, installed_files, stored_files
from uvx_policy.doctor.diagnostic import Check, Diagnostic, Fix
from uvx_policy.doctor.environment_path import CENTRAL, NAMED, PYTHON, UV_SYNC, path_of
from uvx_policy.filesystem import cache_safety, mounts
from uvx_policy.installed import distributions as installed
from uvx_policy.state import layout
from uvx_policy.terminal.command import chown, command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from uvx_policy.doctor.case import Case


# Where it lies -----------------------------------------------------------------------------------


def look_device(case: Case) -> Iterator[Diagnostic]:
    """Is the environment on a file system that lasts, if it is not the project's?"""
    if not case.real_environment or not case.workspace:
        return
    here, there = case.mount_of(case.workspace), case.mount_of(case.real_environment)
    if here is None or there is None or here.device == there.device:
        return
    reason = mounts.why_volatile(there) or mounts.why_network(there)
    shown = f"`{case.environment}` lies on `{there.point}` ({there.fstype})"
    if not reason:
        yield Diagnostic(
            status="pass",
            detail=f"{shown}, its project on `{here.point}` ({here.fstype}): the environment's "
            "device decides which cache is used.",
        )
        return
    fix = Fix(
        text="Let uv create the environment in the project; changes in it are lost",
        commands=(command("rm", "-r", case.environment), UV_SYNC),
    )
    if os.path.islink(case.environment):
        fix = Fix(
            text="Remove the link and let uv create the environment in the project",
            commands=(command("rm", case.environment), UV_SYNC),
        )
    if case.environ.get(NAMED):
        fix = Fix(
            text="Set another directory, or none, and install again",
            commands=(command("unset", NAMED), UV_SYNC),
        )
    yield Diagnostic(
        status="warn",
        detail=f"{shown}, away from its project: {reason}.",
        fix=fix,
        paths=(case.environment,),
    )


def look_shared(case: Case) -> Iterator[Diagnostic]:
    """Is the environment this project's alone?"""
    path = case.environment
    if not path or not case.workspace or not case.environ.get(NAMED):
        return
    plan = case.sound_plan
    if plan is None or plan.destination.origin.name != NAMED or "UV_PROJECT" in case.environ:
        return
    users = {each.project for each in case.registered if each.path == path and each.project}
    if plan.destination.project:
        users.add(plan.destination.project)
    others = sorted(users - {case.workspace, os.path.realpath(case.workspace)})
    if not others:
        yield Diagnostic(status="pass", detail=f"{NAMED} puts the environment at `{path}`.")
        return
    yield Diagnostic(
        status="warn",
        detail=f"{NAMED} makes this project use `{path}`, which the project `{others[0]}` uses as "
        "well: each `uv sync` removes what the other project needs.",
        fix=Fix(
            text="Use a separate environment for each project",
            commands=(command("unset", NAMED), UV_SYNC),
        ),
        paths=(path, *others),
    )


def look_central(case: Case) -> Iterator[Diagnostic]:
    """Say where an environment is that uv keeps in its cache: no fault, but good to know."""
    path = path_of(case)
    target = os.path.realpath(path) if os.path.islink(path) and os.path.isdir(path) else ""
    if os.path.basename(os.path.dirname(target)).startswith(CENTRAL):
        yield Diagnostic(
            status="pass",
            detail=f"uv keeps this environment in its cache, at `{target}` (preview "
            "centralized-project-envs): `uv cache prune` deletes it, `uv sync` makes it again.",
        )


def look_cloud(case: Case) -> Iterator[Diagnostic]:
    """Is the environment outside of what a service copies to a cloud?"""
    path = case.environment
    reason = cache_safety.why_in_cloud(case.real_environment)
    if not case.real_environment or not reason:
        return
    home = layout.home(case.environ, case.host.platform)
    outside = os.path.join(home, ".venvs")
    elsewhere = os.path.join(outside, os.path.basename(os.path.dirname(path)))
    moving = (
        command("mkdir", "-p", outside),
        command("mv", path, elsewhere),
        command("ln", "-s", elsewhere, path),
    )
    yield Diagnostic(
        status="warn",
        detail=f"`{path}` is in a directory that is synced to a cloud ({reason}): "
        "thousands of files that uv can install again, locked and evicted while uv uses them.",
        fix=Fix(
            text="Keep the project there and move the environment out, behind a symbolic link",
            commands=moving if home and not os.path.islink(path) else (),
        ),
        paths=(case.real_environment,),
    )


def look_owner(case: Case) -> Iterator[Diagnostic]:
    """May this user change what is in the environment?"""
    uid, real = case.host.uid, case.real_environment
    if uid <= 0 or not real:  # root may; Windows has access lists instead
        return
    foreign = [path for path in _directories(real) if _belongs_to_another(path, uid)]
    if not foreign:
        return
    yield Diagnostic(
        status="fail",
        detail=f"{len(foreign)} directories of `{case.environment}` belong to another user, as "
        "after `sudo uv sync`: uv cannot change what is in them.",
        fix=Fix(
            text="Change the owner back to you",
            commands=(chown(real, uid=uid, gid=os.getgid()),),
        ),
        paths=tuple(foreign),
    )


def _directories(environment: str) -> Iterator[str]:
    """Give the directories that uv changes when it installs or removes something."""
    yield environment
    yield os.path.join(environment, PYTHON[0])
    for site in installed.site_directories(environment):
        yield site
        for distribution in installed.distributions(site):
            yield distribution.dist_info


def _belongs_to_another(path: str, uid: int) -> bool:
    try:
        return os.lstat(path).st_uid != uid and not os.access(path, os.W_OK)
    except OSError:
        return False


# -------------------------------------------------------------------------------------------------


CHECKS: tuple[Check, ...] = (
    *environment_path.CHECKS,
    Check(
        id="venv-device",
        title="The environment is on a persistent file system",
        group="environment",
        look=look_device,
    ),
    Check(
        id="venv-shared",
        title="The environment belongs to this project alone",
        group="environment",
        look=look_shared,
    ),
    Check(
        id="venv-central",
        title="Where uv keeps the environment",
        group="environment",
        look=look_central,
    ),
    Check(
        id="venv-cloud",
        title="The environment is not synced to a cloud",
        group="environment",
        look=look_cloud,
    ),
    Check(
        id="venv-owner",
        title="You can change the environment",
        group="environment",
        look=look_owner,
    ),
    *stored_files.CHECKS,
    *installed_files.CHECKS,
)
