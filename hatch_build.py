"""Compile the native launcher, shims/launcher.c, when a wheel is built.

hatchling calls `LauncherBuildHook` for the target `wheel`. Where nothing can be compiled (no C
compiler, not Linux) the wheel is built all the same, for every platform, and the shims are the
Python ones. `LINKPOLICY_BUILD_LAUNCHER` says otherwise: `require` makes such a build fail, `no`
compiles nothing.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import platform_tags

VARIABLE = "LINKPOLICY_BUILD_LAUNCHER"
#: its values; unset or empty is the first
CHOICES = ("auto", "require", "no")

#: `CC` in the environment is asked first; it may hold options, as for make
_COMPILERS = ("cc", "gcc", "clang")
_SOURCE = "launcher.c"
#: the compiled launcher in the package, as `linkpolicy setup` looks for it
_TARGET = "uvx_policy/launcher"
#: In shims/CFLAGS because it saves the dynamic loader, 0.1 ms of each start. Not everywhere is a
#: libc to link statically, so the second try goes without.
_STATIC = "-static"


class NotCompiled(Exception):
    """There is no launcher; `str()` says why in one line."""


class LauncherBuildHook(BuildHookInterface[Any]):
    """Adds `uvx_policy/launcher` to the wheel, or to the tree when the install is editable."""

    PLUGIN_NAME = "custom"
    #: holds the launcher until the wheel is written
    _scratch: tempfile.TemporaryDirectory[str] | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before the wheel is written. `version`: "standard" or "editable"."""
        choice = os.environ.get(VARIABLE) or CHOICES[0]
        if choice not in CHOICES:
            self.app.abort(f"{VARIABLE} is `{choice}`, and not one of {', '.join(CHOICES)}")
        try:
            refuse_unless_wanted(choice)
            if version == "editable":
                self._put_into_the_tree()
            else:
                self._put_into_the_wheel(build_data)
        except NotCompiled as error:
            if choice == "require":
                self.app.abort(f"no native launcher: {error}")
            if version == "editable":  # none is better than one of another time
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(os.path.join(self.root, _TARGET))
            sys.stderr.write(f"linkpolicy: built without the native launcher: {error}\n")

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Called after the wheel was written."""
        del version, build_data, artifact_path
        if self._scratch is not None:
            self._scratch.cleanup()

    def _put_into_the_wheel(self, build_data: dict[str, Any]) -> None:
        self._scratch = tempfile.TemporaryDirectory(prefix="linkpolicy-build-")
        binary = os.path.join(self._scratch.name, "launcher")
        compile_launcher(self.root, binary)
        build_data["force_include"][binary] = _TARGET
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{_platform_tag()}"

    def _put_into_the_tree(self) -> None:
        """Builds beside and renames: two builds at once, or a setup that reads, find a whole one.

        The wheel of an editable install keeps its tag: the launcher is not in it.
        """
        target = os.path.join(self.root, _TARGET)
        package = os.path.dirname(target)
        try:
            with tempfile.TemporaryDirectory(prefix=".launcher-", dir=package) as scratch:
                binary = os.path.join(scratch, "launcher")
                compile_launcher(self.root, binary)
                os.replace(binary, target)
        except OSError as error:
            raise NotCompiled(f"cannot write to `{package}`: {error.strerror}") from error


def refuse_unless_wanted(choice: str) -> None:
    """Raises `NotCompiled` where nothing is to be tried. `choice`: one of `CHOICES`."""
    if choice == "no":
        raise NotCompiled(f"{VARIABLE}=no")
    if not sys.platform.startswith("linux"):
        raise NotCompiled(f"it is for Linux, and this is {sys.platform}")


def compile_launcher(root: str, binary: str) -> None:
    """Compile `root`/shims/launcher.c to the file `binary`, executable. Raises `NotCompiled`.

    The flags are those of shims/CFLAGS; `CFLAGS` and `LDFLAGS` of the environment do not count:
    what the tests saw is what is built. The source is named relative to where the compiler runs, so
    no path of this machine gets in.
    """
    compiler = _compiler()
    shims = os.path.join(root, "shims")
    try:
        with open(os.path.join(shims, "CFLAGS"), encoding="utf-8") as stream:
            flags = shlex.split(stream.read())
    except OSError as error:
        raise NotCompiled(f"cannot read shims/CFLAGS: {error.strerror}") from error
    complaint = ""
    for way in (flags, [flag for flag in flags if flag != _STATIC]):
        command = [*compiler, *way, "-o", binary, _SOURCE]
        try:
            done = subprocess.run(
                command, cwd=shims, capture_output=True, text=True, errors="replace", check=False
            )
        except OSError as error:
            raise NotCompiled(f"cannot start `{compiler[0]}`: {error.strerror}") from error
        if done.returncode == 0 and os.path.isfile(binary):
            os.chmod(binary, 0o755)  # noqa: S103 (a program, whatever the umask says)
            return
        complaint = _first_error(done.stderr)
    raise NotCompiled(f"`{shlex.join(compiler)}` failed" + (f": {complaint}" if complaint else ""))


def _compiler() -> list[str]:
    try:
        named = shlex.split(os.environ.get("CC", ""))
    except ValueError as error:
        raise NotCompiled(f"cannot understand CC: {error}") from error
    if named:
        return named
    for name in _COMPILERS:
        if shutil.which(name):
            return [name]
    raise NotCompiled("no C compiler on PATH")


def _first_error(said: str) -> str:
    """The line to quote: the first that speaks of an error, else the last."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return next((line for line in lines if "error" in line), lines[-1] if lines else "")


def _platform_tag() -> str:
    """The tag of this machine, for example "linux_x86_64"; of a 32-bit Python, the 32-bit one.

    The plain tag is always true. A static launcher runs on every Linux of its architecture, so
    whoever publishes wheels may give them wider tags; `linkpolicy setup` tries the launcher before
    it takes it.
    """
    return next(tag for tag in platform_tags() if tag.startswith("linux_"))
