"""Checks of what is at the environment's path: a link, a file, a directory, and its Python."""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING

from uvx_policy import symlinked_venv
from uvx_policy.caches.contents import names_in
from uvx_policy.doctor.diagnostic import Check, Diagnostic, Fix, fail, fine, warn
from uvx_policy.doctor.remedies import can_be_made, install
from uvx_policy.foreign_file import read_foreign
from uvx_policy.terminal.command import command
from uvx_policy.uv import invocation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from uvx_policy.doctor.case import Case
    from uvx_policy.doctor.diagnostic import Deed

NAMED = "UV_PROJECT_ENVIRONMENT"
#: a file `.venv` may name the environment ("experimental and may change")
_FOLLOWS_FILES = (0, 13, 9)


# A symbolic link at the environment's path --------------------------------------------------------


def look_dangling(case: Case) -> Iterator[Diagnostic]:
    """Does a link at `.venv` lead to a directory?"""
    path = path_of(case)
    if not os.path.islink(path):
        return
    try:
        os.stat(path)
    except OSError as error:
        yield _why_dangling(case, path, error.errno or 0)


def _why_dangling(case: Case, path: str, number: int) -> Diagnostic:
    target, remove = os.path.realpath(path), command("rm", path)
    say = fail
    paths: tuple[str, ...] = (path, target)
    if number == errno.ELOOP:
        why, paths = "which points to itself: uv cannot use it", (path,)
        fix = Fix.by("Remove the dangling link", remove)
    elif number not in (errno.ENOENT, errno.ENOTDIR):
        why, paths = f"which cannot be reached: {os.strerror(number)}", (path,)
        fix = Fix.by("Get access to its target, or remove the link")
    elif is_central(target):
        why = "where uv kept this environment in its cache until it was pruned"
        fix = Fix.by("Remove the link and install again", remove, *install(case))
    elif can_be_made(case, path):
        say, make = warn, command("mkdir", target)
        effect = "without linkpolicy `uv sync` fails and `uv pip` may use another environment"
        why = f"which does not exist: {effect}"
        fix = Fix.by("Create the directory that the link points to", make, safe=True)
    else:
        text = "Mount its disk if that is not mounted; otherwise create the directory"
        why = f"and not even `{os.path.dirname(target)}` exists: uv fails here"
        fix = Fix.by(text, command("mkdir", "-p", target))
    return say(f"`{path}` is a symbolic link to `{os.readlink(path)}`, {why}.", fix, paths)


def fix_dangling(case: Case) -> Iterator[Deed]:
    """Make the directory behind the link."""
    from uvx_policy.doctor.deeds import make_behind

    path = path_of(case)
    is_dangling = os.path.islink(path) and not os.path.exists(path)
    if is_dangling and can_be_made(case, path) and not is_central(os.path.realpath(path)):
        yield make_behind(path)


def look_link_kept(case: Case) -> Iterator[Diagnostic]:
    """Does this uv leave a symbolic link at `.venv` in its place?"""
    plan, path = case.sound_plan, path_of(case)
    if plan is None or plan.facts is None or not os.path.islink(path) or not os.path.isdir(path):
        return
    target = os.path.realpath(path)
    version = ".".join(map(str, case.version)) if case.version else "of unknown version"
    # `uv run` is the command that cannot be helped: what starts a program gets no variable of ours.
    kept = symlinked_venv.keep_link(
        symlinked_venv.LinkFacts(
            target=target,
            target_exists=True,
            parent_exists=True,
            into_cache=is_central(target),
        ),
        invocation=invocation.parse_significant("uv", ("run", "python")),
        destination=plan.facts.destination,
        version=case.version,
        at_workspace_root=True,
    )
    if kept.code != "link-left-alone":
        yield fine(f"`{path}` points to `{target}`: {kept.because}.")
        return
    yield warn(
        f"`{path}` is a symbolic link. uv {version} empties `{target}` and replaces the "
        "link by a directory when `uv run` has to recreate the environment, after a change of the "
        "Python version for example; linkpolicy can prevent that for `uv sync`, not for `uv run`.",
        Fix.by("Use uv 0.11.25 or later, which keeps the link", command("uv", "self", "update")),
        (path, target),
    )


# Something else at the environment's path --------------------------------------------------------


def look_file(case: Case) -> Iterator[Diagnostic]:
    """Is `.venv` a directory or a link, and not a file?"""
    path = path_of(case)
    plan = case.sound_plan
    # With the preview of central environments uv writes such a file itself.
    if not os.path.isfile(path) or (plan is not None and plan.destination.kind == "cache"):
        return
    aside = command("mv", path, f"{path}-file")
    follows = case.version is not None and case.version >= _FOLLOWS_FILES
    named = _named_environment(path) if follows else ""
    if not named:
        yield fail(
            f"`{path}` is a file; uv needs a directory there.",
            Fix.by("Move the file aside and let uv create the environment", aside, *install(case)),
            (path,),
        )
        return
    yield warn(
        f"`{path}` is a file that names the environment `{named}`. uv follows it as an "
        "experiment; linkpolicy does not, and leaves uv alone here.",
        Fix.by(
            "Move the file aside and make a symbolic link to the same environment",
            aside,
            command("ln", "-s", named, path),
        ),
        (path, named),
    )


def _named_environment(path: str) -> str:
    """Give the environment that a file `.venv` names, absolute; "" when it names none."""
    try:
        text = os.fsdecode(read_foreign(path, 4096, cut=True)).strip()
        named = os.path.join(os.path.dirname(path), text)
        return named if text and os.path.isfile(os.path.join(named, "pyvenv.cfg")) else ""
    except (OSError, ValueError):
        return ""


def look_interpreter(case: Case) -> Iterator[Diagnostic]:
    """Has the environment a Python that exists?"""
    path = case.environment
    if not case.real_environment or not names_in(path):
        return
    if not os.path.exists(os.path.join(path, "pyvenv.cfg")):
        yield fail(
            f"`{path}` is not empty, and not an environment (it has no `pyvenv.cfg`): uv "
            "refuses to use it.",
            Fix.by(
                "Move the directory aside and let uv create the environment",
                command("mv", path, f"{path}-old"),
                *install(case),
            ),
            (path,),
        )
        return
    # The path as a word of `uv venv`, none where uv takes it by itself.
    named = () if case.workspace or path == f"{case.cwd}/.venv" else (path,)
    names = ("Scripts", "python.exe") if sys.platform == "win32" else ("bin", "python")
    python = os.path.join(path, *names)
    if os.path.exists(python):
        return
    gone = f"`{os.path.realpath(python)}`" if os.path.islink(python) else f"`{python}`"
    yield fail(
        f"The environment `{path}` has lost its Python: {gone} is gone.",
        Fix.by(
            "Create the environment again; changes made by hand are lost",
            command("uv", "venv", "--clear", *named),
            *install(case),
        ),
        (python,),
    )


# -------------------------------------------------------------------------------------------------


def path_of(case: Case) -> str:
    """Path of the environment, also where uv finds no use for what is there; "" when unknown."""
    if case.environment or not case.workspace:
        return case.environment
    return os.path.join(case.workspace, case.environ.get(NAMED) or ".venv")


def is_central(target: str) -> bool:
    """Does uv keep this environment in its cache (preview)?"""
    return os.path.basename(os.path.dirname(target)).startswith("environments-v")


CHECKS: tuple[Check, ...] = (
    Check(
        "venv-dangling",
        "The environment is not behind a dangling link",
        look_dangling,
        fix_dangling,
    ),
    Check("venv-link-kept", "uv keeps a symbolic link at the environment's path", look_link_kept),
    Check("venv-file", "The environment is a directory", look_file),
    Check("venv-interpreter", "The environment has its Python", look_interpreter),
)
