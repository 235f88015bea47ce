"""Checks of the environment; those of this module: where it lies, and who else uses it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from uvx_policy.doctor import edited_files, environment_path, installed_files
from uvx_policy.doctor.diagnostic import Check, Diagnostic, Fix, fine, warn
from uvx_policy.doctor.environment_path import NAMED, is_central, path_of
from uvx_policy.doctor.remedies import install
from uvx_policy.filesystem import cloud, mounts
from uvx_policy.state import layout
from uvx_policy.terminal.command import command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from uvx_policy.doctor.case import Case


def look_device(case: Case) -> Iterator[Diagnostic]:
    """Is the environment on a file system that lasts, if it is not the project's?"""
    if not case.real_environment or not case.workspace:
        return
    here, there = case.mount_of(case.workspace), case.mount_of(case.real_environment)
    if here is None or there is None or here.device == there.device:
        return
    reason = mounts.why_volatile(there) or mounts.why_network(there)
    shown = f"`{case.environment}` is on `{there.point}` ({there.fstype})"
    if not reason:
        yield fine(
            f"{shown}, its project on `{here.point}` ({here.fstype}): the environment's "
            "device decides which cache is used."
        )
        return
    text = "Let uv create the environment in the project; changes in it are lost"
    first = command("rm", "-r", case.environment)
    if case.environ.get(NAMED):
        text = "Set another directory, or none, and install again"
        first = command("unset", NAMED)
    elif os.path.islink(case.environment):
        text = "Remove the link and let uv create the environment in the project"
        first = command("rm", case.environment)
    fix = Fix.by(text, first, *install(case))
    yield warn(f"{shown}, away from its project: {reason}.", fix, (case.environment,))


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
        yield fine(f"{NAMED} puts the environment at `{path}`.")
        return
    yield warn(
        f"{NAMED} makes this project use `{path}`, which the project `{others[0]}` uses as "
        "well: each `uv sync` removes what the other project needs.",
        Fix.by(
            "Use a separate environment for each project", command("unset", NAMED), *install(case)
        ),
        (path, *others),
    )


def look_central(case: Case) -> Iterator[Diagnostic]:
    """Say where an environment is that uv keeps in its cache: no fault, but good to know."""
    path = path_of(case)
    target = os.path.realpath(path) if os.path.islink(path) and os.path.isdir(path) else ""
    if is_central(target):
        yield fine(
            f"uv keeps this environment in its cache, at `{target}` (preview "
            "centralized-project-envs): `uv cache prune` deletes it, `uv sync` makes it again."
        )


def look_cloud(case: Case) -> Iterator[Diagnostic]:
    """Is the environment outside of what a service copies to a cloud?"""
    path = case.environment
    reason = cloud.why_in_cloud(case.host, case.real_environment)
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
    yield warn(
        f"`{path}` is in a directory that is synced to a cloud ({reason}): "
        "thousands of files that uv can install again, locked and evicted while uv uses them.",
        Fix.by(
            "Keep the project there and move the environment out, behind a symbolic link",
            *(moving if home and not os.path.islink(path) else ()),
        ),
        (case.real_environment,),
    )


CHECKS: tuple[Check, ...] = (
    *environment_path.CHECKS,
    Check("venv-device", "The environment is on a persistent file system", look_device),
    Check("venv-shared", "The environment belongs to this project alone", look_shared),
    Check("venv-central", "Where uv keeps the environment", look_central),
    Check("venv-cloud", "The environment is not synced to a cloud", look_cloud),
    *installed_files.CHECKS,
    *edited_files.CHECKS,
)
