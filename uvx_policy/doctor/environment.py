"""Checks of the environment itself: where it lies, what its path is, and whose it is.

The files in it are the matter of `doctor.installed_files`, whose checks come behind these.
"""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING

from uvx_policy import symlinked_venv
from uvx_policy.doctor import installed_files, stored_files
from uvx_policy.doctor.diagnostic import Check, Diagnostic, Fix
from uvx_policy.filesystem import cache_safety, mounts
from uvx_policy.installed import distributions as installed
from uvx_policy.state import layout
from uvx_policy.terminal.command import chown, command
from uvx_policy.uv import invocation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from uvx_policy.doctor.case import Case
    from uvx_policy.model import Mount

_UV_SYNC = command("uv", "sync")
_NAMED = "UV_PROJECT_ENVIRONMENT"
#: a file `.venv` may name the environment ("experimental and may change")
_FOLLOWS_FILES = (0, 13, 9)
#: uv keeps environments in its cache below a directory of such a name (preview)
_CENTRAL = "environments-v"


# A symbolic link at the environment's path --------------------------------------------------------


def look_dangling(case: Case) -> Iterator[Diagnostic]:
    """Does a link at `.venv` lead to a directory?"""
    path = _path(case)
    if not os.path.islink(path):
        return
    try:
        os.stat(path)
    except OSError as error:
        yield _why_dangling(case, path, error.errno or 0)


def _why_dangling(case: Case, path: str, number: int) -> Diagnostic:
    text = os.readlink(path)
    shown, remove = f"`{path}` is a symbolic link to `{text}`", command("rm", path)
    if number == errno.ELOOP:
        return Diagnostic(
            status="fail",
            detail=f"{shown}, which leads to itself: uv cannot use it.",
            fix=Fix(text="Remove the link; it leads nowhere", commands=(remove,)),
            paths=(path,),
        )
    if number not in (errno.ENOENT, errno.ENOTDIR):
        return Diagnostic(
            status="fail",
            detail=f"{shown}, which cannot be reached: {os.strerror(number)}.",
            fix=Fix(text="Get access to its target, or remove the link"),
            paths=(path,),
        )
    target = os.path.realpath(path)
    if os.path.basename(os.path.dirname(target)).startswith(_CENTRAL):
        return Diagnostic(
            status="fail",
            detail=f"{shown}, where uv kept this environment in its cache until it was pruned.",
            fix=Fix(
                text="Remove the link and install again",
                commands=(remove, _UV_SYNC),
            ),
            paths=(path, target),
        )
    if _can_be_made(case, path):
        return Diagnostic(
            status="warn",
            detail=f"{shown}, which does not exist: without linkpolicy `uv sync` fails and "
            "`uv pip` may use another environment.",
            fix=Fix(
                text="Create the directory that the link leads to",
                commands=(command("mkdir", target),),
                safe=True,
            ),
            paths=(path, target),
        )
    return Diagnostic(
        status="fail",
        detail=f"{shown}, and not even `{os.path.dirname(target)}` exists: uv fails here.",
        fix=Fix(
            text="Mount its disk if that is not mounted; otherwise create the directory",
            commands=(command("mkdir", "-p", target),),
        ),
        paths=(path, target),
    )


def _can_be_made(case: Case, path: str) -> bool:
    """Tell whether only the last directory is missing: on an unmounted disk more would be."""
    parent = os.path.dirname(os.path.realpath(path))
    return os.path.isdir(parent) and case.host.may_write(parent)


def fix_dangling(case: Case, dry_run: bool) -> Iterator[str]:
    """Make the directory behind the link."""
    path = _path(case)
    if not os.path.islink(path) or os.path.exists(path) or not _can_be_made(case, path):
        return
    target = os.path.realpath(path)
    if os.path.basename(os.path.dirname(target)).startswith(_CENTRAL):
        return
    if dry_run:
        yield f"would make `{target}`"
        return
    os.mkdir(target)
    yield f"made `{target}`"


def look_link_kept(case: Case) -> Iterator[Diagnostic]:
    """Does this uv leave a symbolic link at `.venv` in its place?"""
    plan, path = case.sound_plan, _path(case)
    if plan is None or plan.facts is None or not os.path.islink(path) or not os.path.isdir(path):
        return
    target = os.path.realpath(path)
    version = ".".join(map(str, plan.version)) if plan.version else "of unknown version"
    # `uv run` is the command that cannot be helped: what starts a program gets no variable of ours.
    kept = symlinked_venv.keep_link(
        symlinked_venv.LinkFacts(
            target=target,
            target_exists=True,
            parent_exists=True,
            into_cache=os.path.basename(os.path.dirname(target)).startswith(_CENTRAL),
        ),
        invocation=invocation.parse_significant("uv", ("run", "python")),
        destination=plan.facts.destination,
        version=plan.version,
        at_workspace_root=True,
    )
    if kept.code != "link-left-alone":
        yield Diagnostic(status="pass", detail=f"`{path}` leads to `{target}`: {kept.because}.")
        return
    yield Diagnostic(
        status="warn",
        detail=f"`{path}` is a symbolic link. uv {version} empties `{target}` and replaces the "
        "link by a directory when `uv run` has to recreate the environment, after a change of the "
        "Python version for example; linkpolicy can prevent that for `uv sync`, not for `uv run`.",
        fix=Fix(
            text="Use uv 0.11.25 or later, which keeps the link",
            commands=(command("uv", "self", "update"),),
        ),
        paths=(path, target),
    )


# Something else at the environment's path --------------------------------------------------------


def look_file(case: Case) -> Iterator[Diagnostic]:
    """Is `.venv` a directory or a link, and not a file?"""
    path = _path(case)
    plan = case.sound_plan
    # With the preview of central environments uv writes such a file itself.
    if not os.path.isfile(path) or (plan is not None and plan.destination.kind == "cache"):
        return
    aside = command("mv", path, f"{path}-file")
    follows = plan is not None and plan.version is not None and plan.version >= _FOLLOWS_FILES
    named = _named_environment(path) if follows else ""
    if not named:
        yield Diagnostic(
            status="fail",
            detail=f"`{path}` is a file; uv needs a directory there.",
            fix=Fix(
                text="Move the file aside and let uv create the environment",
                commands=(aside, _UV_SYNC),
            ),
            paths=(path,),
        )
        return
    yield Diagnostic(
        status="warn",
        detail=f"`{path}` is a file that names the environment `{named}`. uv follows it as an "
        "experiment; linkpolicy does not, and leaves uv alone here.",
        fix=Fix(
            text="Move the file aside and make a symbolic link to the same environment",
            commands=(aside, command("ln", "-s", named, path)),
        ),
        paths=(path, named),
    )


def _named_environment(path: str) -> str:
    """Give the environment that a file `.venv` names, absolute; "" when it names none."""
    try:
        with open(path, "rb") as stream:
            text = os.fsdecode(stream.read(4096)).strip()
        named = os.path.join(os.path.dirname(path), text)
        return named if text and os.path.isfile(os.path.join(named, "pyvenv.cfg")) else ""
    except (OSError, ValueError):
        return ""


def look_interpreter(case: Case) -> Iterator[Diagnostic]:
    """Has the environment a Python that exists?"""
    path = case.environment
    if not case.real_environment or not _names(path):
        return
    if not os.path.exists(os.path.join(path, "pyvenv.cfg")):
        yield Diagnostic(
            status="fail",
            detail=f"`{path}` is not empty, and not an environment (it has no `pyvenv.cfg`): uv "
            "refuses to use it.",
            fix=Fix(
                text="Move the directory aside and let uv create the environment",
                commands=(command("mv", path, f"{path}-old"), _UV_SYNC),
            ),
            paths=(path,),
        )
        return
    python = os.path.join(path, *_PYTHON)
    if os.path.exists(python):
        return
    gone = f"`{os.path.realpath(python)}`" if os.path.islink(python) else f"`{python}`"
    yield Diagnostic(
        status="fail",
        detail=f"The environment `{path}` has lost its Python: {gone} is gone.",
        fix=Fix(
            text="Create the environment again; changes made by hand are lost",
            commands=(command("uv", "venv", "--clear"), _UV_SYNC),
        ),
        paths=(python,),
    )


_PYTHON = ("Scripts", "python.exe") if sys.platform == "win32" else ("bin", "python")


# Where it lies -----------------------------------------------------------------------------------


def look_device(case: Case) -> Iterator[Diagnostic]:
    """Is the environment on a file system that lasts, if it is not the project's?"""
    if not case.real_environment or not case.workspace:
        return
    here, there = _mount(case, case.workspace), _mount(case, case.real_environment)
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
        commands=(command("rm", "-r", case.environment), _UV_SYNC),
    )
    if os.path.islink(case.environment):
        fix = Fix(
            text="Remove the link and let uv create the environment in the project",
            commands=(command("rm", case.environment), _UV_SYNC),
        )
    if case.environ.get(_NAMED):
        fix = Fix(
            text="Set another directory, or none, and install again",
            commands=(command("unset", _NAMED), _UV_SYNC),
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
    if not path or not case.workspace or not case.environ.get(_NAMED):
        return
    plan = case.sound_plan
    if plan is None or plan.destination.origin.name != _NAMED or "UV_PROJECT" in case.environ:
        return
    users = {each.project for each in case.registered if each.path == path and each.project}
    if plan.destination.project:
        users.add(plan.destination.project)
    others = sorted(users - {case.workspace, os.path.realpath(case.workspace)})
    if not others:
        yield Diagnostic(status="pass", detail=f"{_NAMED} puts the environment at `{path}`.")
        return
    yield Diagnostic(
        status="warn",
        detail=f"{_NAMED} makes this project use `{path}`, which the project `{others[0]}` uses as "
        "well: each `uv sync` removes what the other project needs.",
        fix=Fix(
            text="Use a separate environment for each project",
            commands=(command("unset", _NAMED), _UV_SYNC),
        ),
        paths=(path, *others),
    )


def look_central(case: Case) -> Iterator[Diagnostic]:
    """Say where an environment is that uv keeps in its cache: no fault, but good to know."""
    path = _path(case)
    target = os.path.realpath(path) if os.path.islink(path) and os.path.isdir(path) else ""
    if os.path.basename(os.path.dirname(target)).startswith(_CENTRAL):
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
    yield os.path.join(environment, _PYTHON[0])
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


def _path(case: Case) -> str:
    """Path of the environment, also where uv finds no use for what is there; "" when unknown."""
    if case.environment or not case.workspace:
        return case.environment
    return os.path.join(case.workspace, case.environ.get(_NAMED) or ".venv")


def _mount(case: Case, path: str) -> Mount | None:
    real = os.path.realpath(path)
    return case.mounts.find(real, case.host.mount_id(real)) if case.mounts else None


def _names(directory: str) -> Iterable[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return ()


CHECKS: tuple[Check, ...] = (
    Check(
        id="venv-dangling",
        title="The environment's path leads to a directory",
        group="environment",
        look=look_dangling,
        fix=fix_dangling,
    ),
    Check(
        id="venv-link-kept",
        title="uv keeps a symbolic link at the environment's path",
        group="environment",
        look=look_link_kept,
    ),
    Check(
        id="venv-file",
        title="The environment is a directory",
        group="environment",
        look=look_file,
    ),
    Check(
        id="venv-interpreter",
        title="The environment has its Python",
        group="environment",
        look=look_interpreter,
    ),
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
