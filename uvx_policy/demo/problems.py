"""The five problems of real users, each as a small play: it acts, then looks at the files.

Every play is given twice, on new stages, and never asks whether the policy is there.
"""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING, NamedTuple

from uvx_policy.demo import evidence, tiny_wheel
from uvx_policy.demo.evidence import CannotTell
from uvx_policy.demo.stage import UvFailed
from uvx_policy.settings import path_glob

if TYPE_CHECKING:
    from collections.abc import Callable

    from uvx_policy.demo.stage import Stage

#: bytes of data in the wheel that is to be copied or not
WEIGHT = 8 * 1024**2

_MEGABYTE = 10**6


class Finding(NamedTuple):
    """What the files say after a play."""

    ok: bool
    #: a few words
    result: str


class Problem(NamedTuple):
    """One report of a user, by its number among uv's issues."""

    issue: int
    #: what happens, in a few words
    title: str
    play: Callable[[Stage], Finding]
    #: what would make it show where it does not
    shows_where: str = "the file system has hard links and uv uses them"
    #: cache and project lie on different devices
    across: bool = False
    #: bytes of data in the wheel
    weight: int = 0
    #: what does not show even where the problem does, "" for nothing
    remark: str = ""


def edit_in_place(stage: Stage) -> Finding:
    """Two projects; a file is edited in the first one's environment."""
    first, second = stage.project("first", hackable=True), stage.project("second")
    stage.sync(first)
    stage.sync(second)
    evidence.edit(_installed(first, tiny_wheel.MODULE))
    leaked = evidence.is_edited(_installed(second, tiny_wheel.MODULE))
    return Finding(not leaked, "edit leaked to the other project" if leaked else "edit stayed here")


def edit_and_reinstall(stage: Stage) -> Finding:
    """A file is edited, then the environment is made anew."""
    project = stage.project("project", hackable=True)
    stage.sync(project)
    evidence.edit(_installed(project, tiny_wheel.MODULE))
    shutil.rmtree(_environment(project))
    stage.sync(project)
    edited = evidence.is_edited(_installed(project, tiny_wheel.MODULE))
    return Finding(not edited, "edit came back from the cache" if edited else "original came back")


def third_party(stage: Stage) -> Finding:
    """Somebody's script installs into two environments; a path rule asks for one to be private."""
    app, other = stage.directory("app"), stage.directory("other")
    stage.configure({"rules": [{"path": path_glob.literal(app), "hackable": True}]})
    for directory in (app, other):
        stage.run_script(_INSTALL, directory)
    extension = _installed(app, tiny_wheel.EXTENSION)
    if os.path.samefile(extension, _installed(other, tiny_wheel.EXTENSION)):
        return Finding(ok=False, result="one file in both environments")
    if os.stat(extension).st_nlink > 1:
        return Finding(ok=False, result="one file in cache and environment")
    return Finding(ok=True, result="a file of its own")


def delete_while_loaded(stage: Stage) -> Finding:
    """A program makes an environment and deletes it, with the same library loaded from its own."""
    home = stage.directory("program")
    stage.make_environment(home)
    python = os.path.join(_environment(home), "Scripts", "python.exe")
    library = _installed(home, tiny_wheel.EXTENSION)
    stage.run_program(python, _DELETE, library, directory=home)
    if os.path.exists(os.path.join(home, "made")):
        return Finding(ok=False, result="cannot be deleted")
    return Finding(ok=True, result="deleted")


def second_environment(stage: Stage) -> Finding:
    """Two projects on another device than the cache: what does the second one cost?"""
    first, second = stage.project("first"), stage.project("second")
    stage.sync(first)
    stage.sync(second)
    cost = evidence.private_bytes(_environment(second))
    if cost > WEIGHT / 2:
        return Finding(ok=False, result=f"{_readable(cost)} copied again")
    return Finding(ok=True, result=f"{_readable(cost)}, the rest shared")


def dangling_link(stage: Stage) -> Finding:
    """`.venv` is a link to a directory elsewhere that is not there yet."""
    project = stage.project("project")
    link = _environment(project)
    target = os.path.join(stage.directory("elsewhere"), "venv")
    os.symlink(target, link)
    if not os.path.islink(link):
        raise CannotTell("there are no symbolic links here")
    try:
        stage.sync(project)
    except UvFailed:
        # The exit code is a fact; whether the link alone is the cause, the other run tells.
        return Finding(ok=False, result="uv sync fails")
    if not os.path.islink(link):
        return Finding(ok=False, result="link was replaced by a directory")
    if not _installed(project, tiny_wheel.MODULE).startswith(target):
        return Finding(ok=False, result="installed elsewhere")
    return Finding(ok=True, result="uv sync works, the link stays")


_PROGRAM_DELETES = Problem(
    issue=7918,
    title="a program deletes the .venv it has made",
    play=delete_while_loaded,
)
_SCRIPT_INSTALLS = Problem(
    issue=7918,
    title="someone's script runs uv pip install",
    play=third_party,
    remark="Windows refuses to delete a file that is loaded under another name. That refusal "
    "cannot show on this system; its cause can: whether the environments share the file.",
)

PROBLEMS = (
    Problem(issue=10896, title="a file in one .venv is edited", play=edit_in_place),
    Problem(issue=15700, title="the .venv is deleted and synced again", play=edit_and_reinstall),
    _PROGRAM_DELETES if sys.platform == "win32" else _SCRIPT_INSTALLS,
    Problem(
        issue=3886,
        title="project and cache on different devices",
        play=second_environment,
        shows_where="you can write to two local devices; root needs mkfs.ext4 and loop mounts only",
        across=True,
        weight=WEIGHT,
    ),
    Problem(
        issue=14670,
        title=".venv is a link to a missing directory",
        play=dangling_link,
        shows_where="uv does not make the directory itself",
    ),
)

_INSTALL = (
    'uv venv --python "$PYTHON" && '
    'uv pip install --python .venv/bin/python --no-index --find-links "$WHEELS" '
    + tiny_wheel.DISTRIBUTION
)
#: as in the report: it knows nothing of a policy
_DELETE = f"""
import ctypes, os, shutil, subprocess, sys
library, python, wheels, uv = sys.argv[1:]
ctypes.WinDLL(library)
os.mkdir("made")
subprocess.run([uv, "venv", "-q", "-p", python, ".venv"], cwd="made", check=True)
words = ["pip", "install", "-q", "--no-index", "--find-links", wheels, "{tiny_wheel.DISTRIBUTION}"]
subprocess.run([uv, *words], cwd="made", check=True)
try:
    shutil.rmtree("made")
except PermissionError:
    pass
"""


def _environment(project: str) -> str:
    return os.path.join(project, ".venv")


def _installed(project: str, name: str) -> str:
    """Path, without symbolic links, of a file of the tiny wheel. Raises `UvFailed` if missing."""
    for parent, _, names in os.walk(os.path.realpath(_environment(project))):
        if os.path.basename(parent) == tiny_wheel.PACKAGE and name in names:
            return os.path.join(parent, name)
    raise UvFailed(f"{tiny_wheel.PACKAGE}/{name} is not in the environment")


def _readable(size: int) -> str:
    return f"{size / _MEGABYTE:.1f} MB" if size >= _MEGABYTE else f"{size // 1000} kB"
