"""Native or Python: which launcher the shims of a directory get, and the files that this takes.

The native launcher comes compiled with the package, from shims/launcher.c; a wheel that was built
without a C compiler has none. Installed, it is a copy with its configuration written into it, and
the Python shim beside it is what it hands over to.
"""

from __future__ import annotations

import os
import sys
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias

from uvx_policy import locate
from uvx_policy.errors import EXIT_CANNOT_EXECUTE, LinkPolicyError
from uvx_policy.setup import interpreter, shim_directories, shim_file
from uvx_policy.terminal.command import command
from uvx_policy.value import Value
from uvx_policy.windows import launcher as windows_launcher

if TYPE_CHECKING:
    from collections.abc import Mapping

#: what `linkpolicy setup --launcher` takes
CHOICES = ("auto", "native", "python")

#: how the configuration begins in the compiled launcher, and the bytes that it has; both as in
#: shims/launcher.c
_MAGIC = b"linkpolicy-launcher-config-v2\n"
_CONFIGURATION = 8192
#: in the package: of programs with a console, and of those without
_WINDOWS_LAUNCHERS = ("launcher.exe", "launcherw.exe")
#: a Python shim has the marker here
_HEAD = 1024
#: seconds for a launcher that has nothing to do but say so
_PATIENCE = 10

#: path and content, in the order of writing: what is fallen back to comes first
Files: TypeAlias = tuple[tuple[str, bytes], ...]


class _NoNativeLauncher(Exception):
    """`str()` says why in one line."""


class Launcher(Value):
    """What the shims of one directory are."""

    kind: Literal["native", "Python"]
    #: why not native, "" when Python was asked for
    because: str = ""

    def __str__(self) -> str:
        return f"{self.kind} ({self.because})" if self.because else self.kind


def shims(
    directory: str, wanted: str, remembered: Mapping[str, str] = MappingProxyType({})
) -> tuple[Launcher, Files]:
    """The shims for `directory` (absolute). `wanted`: one of `CHOICES`.

    `remembered`: for a program, the directory to find it in where PATH has none.

    Starts the native launcher once, to see whether it runs here. Raises `LinkPolicyError` when
    there can be no shims, or no native ones and `wanted` is "native".
    """
    if sys.platform == "win32":
        return _windows(directory, wanted, remembered)
    if wanted == "python":
        return _python(directory, remembered)
    try:
        return _native(directory, remembered)
    except _NoNativeLauncher as error:
        if wanted == "native":
            raise LinkPolicyError(
                str(error),
                hint="use the Python launcher",
                commands=(command("linkpolicy", "setup", "--launcher", "python"),),
            ) from error
        return _python(directory, remembered, because=str(error))


def configured(
    binary: bytes, *, program: str, fallback: str, embedded: list[str], package: str = ""
) -> bytes:
    """The launcher with its configuration, and the marker of a shim of ours at its end.

    `fallback`: path of the Python shim; `embedded`: directories to search after PATH; `package`:
    whose records it repeats, by default those of the package that is running. Raises `ValueError`
    when this is no launcher as it was compiled, or the configuration has no room.
    """
    at = binary.find(_MAGIC)
    end = at + _CONFIGURATION
    blank = _MAGIC.ljust(_CONFIGURATION, b"\0")
    if at < 0 or binary.find(_MAGIC, at + 1) >= 0 or binary[at:end] != blank:
        raise ValueError("it has no room for its configuration")
    fields = (program, fallback, package or locate.package(), *filter(None, embedded), "")
    configuration = _MAGIC + b"".join(os.fsencode(field) + b"\0" for field in fields)
    if len(configuration) > _CONFIGURATION:
        raise ValueError("the paths in its configuration are too long")
    configuration = configuration.ljust(_CONFIGURATION, b"\0")
    return binary[:at] + configuration + binary[end:] + b"\n" + locate.MARKER + b"\n"


def compiled() -> str:
    """Where the package has its native launcher, if it has one."""
    return os.path.join(locate.package(), "launcher")


def _python(
    directory: str, remembered: Mapping[str, str], *, because: str = ""
) -> tuple[Launcher, Files]:
    programs = shim_directories.PROGRAMS
    stand_in = interpreter.place_of_stand_in(shim_directories.fallbacks(directory))
    files: Files = ()
    if stand_in:
        content = shim_file.render_stand_in(map(remembered.get, programs))
        files = ((stand_in, content),)
    for program in programs:
        content = _python_shim(program, remembered.get(program, ""), stand_in=stand_in)
        files += ((shim_directories.path_of(directory, program), content),)
    return Launcher(kind="Python", because=because), files


def _native(directory: str, remembered: Mapping[str, str]) -> tuple[Launcher, Files]:
    binary = _usable()
    behind: Files = ()
    front: Files = ()
    for program in shim_directories.PROGRAMS:
        shim = shim_directories.path_of(directory, program)
        fallback = shim_directories.path_of(shim_directories.fallbacks(directory), program)
        known = remembered.get(program, "")
        after_path = [known, *locate.embedded_directories()]
        try:
            content = configured(binary, program=program, fallback=fallback, embedded=after_path)
        except ValueError as error:
            raise _NoNativeLauncher(f"the native launcher cannot be used: {error}") from error
        front += ((shim, content),)
        behind += ((fallback, _python_shim(program, known, shim=shim)),)
    return Launcher(kind="native"), behind + front


def _windows(directory: str, wanted: str, remembered: Mapping[str, str]) -> tuple[Launcher, Files]:
    """A program cannot be a script there: copies of the launchers, and what they must know."""
    if wanted == "python":
        raise LinkPolicyError("on Windows there is no Python launcher: a script is no program")
    after_path = dict.fromkeys(filter(None, (remembered.get("uv"), *locate.embedded_directories())))
    package = locate.package()
    try:
        configuration = windows_launcher.windows_configuration(
            package=package,
            python=interpreter.base_interpreter(),
            script=os.path.join(package, "answer.py"),
            embedded=after_path,
            paths=[path for path in shim_file.package_paths() if path != os.path.dirname(package)],
        )
    except ValueError as error:
        raise LinkPolicyError(f"cannot configure the shims: {error}") from error
    files: Files = ((os.path.join(directory, windows_launcher.NAME), configuration),)
    for program in shim_directories.PROGRAMS:
        path = os.path.join(package, _WINDOWS_LAUNCHERS[program == "uvw"])
        try:
            with open(path, "rb") as stream:
                content = stream.read()
        except OSError as error:
            raise LinkPolicyError(
                f"this installation has no launcher for Windows: cannot read `{path}`",
                hint="install the wheel for Windows: python -m pip install --only-binary :all:",
                commands=(command("uv", "tool", "install", "uvx-policy"),),
            ) from error
        files += ((shim_directories.path_of(directory, program), content),)
    return Launcher(kind="native"), files


def _usable() -> bytes:
    """The compiled launcher, which was seen to run here. Raises `_NoNativeLauncher`."""
    path = compiled()
    try:
        with open(path, "rb") as stream:
            binary = stream.read()
    except FileNotFoundError as error:
        why = "the native launcher is for Linux"
        if sys.platform.startswith("linux"):
            why = "no native launcher in this installation: it was built without a C compiler"
        raise _NoNativeLauncher(why) from error
    except OSError as error:
        why = f"cannot read `{path}`: {shim_directories.reason(error)}"
        raise _NoNativeLauncher(why) from error
    fault = _why_it_does_not_run(path)
    if fault:
        raise _NoNativeLauncher(f"the native launcher does not run here: {fault}")
    return binary


def _why_it_does_not_run(path: str) -> str:
    """Start it without a configuration, which it says, and exits with 126. "" when it did."""
    import subprocess

    try:
        done = subprocess.run(
            [path], env={}, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE,
            check=False,
        )  # fmt: skip
    except FileNotFoundError:  # it was read a moment ago: what misses is its dynamic loader
        return "it was built for another C library"
    except OSError as error:
        return shim_directories.reason(error)
    except subprocess.TimeoutExpired:
        return "it does not end"
    if done.returncode != EXIT_CANNOT_EXECUTE:
        return f"it ended with {done.returncode}"
    return ""


def _python_shim(program: str, remembered: str, *, shim: str = "", stand_in: str = "") -> bytes:
    """The Python shim, checked: it carries the marker, and Python can read it.

    `shim`: the native shim that falls back to it, if one does. Raises `LinkPolicyError`.
    """
    try:
        content = shim_file.render(program, shim=shim, remembered=remembered, stand_in=stand_in)
        if content.startswith(b"#!") and b"python" in content.partition(b"\n")[0]:
            compile(content, program, "exec")
    except (ValueError, SyntaxError) as error:
        raise LinkPolicyError(f"cannot make the shim `{program}`: {error}") from error
    if locate.MARKER not in content[:_HEAD]:
        raise LinkPolicyError(f"cannot make the shim `{program}`: it lacks our marker")
    return content
