"""The directory of the shims: which one may be used, what is in it, how a shim gets there.

The shims never live beside a real uv (its installer and `uv self update` would write over them),
and nobody else may write there: what lies in that directory runs whenever somebody types `uv`.
Native shims have the Python shims that they fall back to in a directory below.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from typing import TYPE_CHECKING

from uvx_policy import locate
from uvx_policy.errors import LinkPolicyError, UsageError
from uvx_policy.foreign_file import read_foreign
from uvx_policy.setup import help_files, own_command
from uvx_policy.state import layout
from uvx_policy.state.user_file import UNFINISHED, put
from uvx_policy.terminal.command import command
from uvx_policy.windows import launcher as windows_launcher

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: what the shims are for; uvw is uvx's and uv's sister that opens no console window
PROGRAMS = ("uv", "uvx", "uvw") if sys.platform == "win32" else ("uv", "uvx")
#: how the name of a program ends
SUFFIX = ".exe" if sys.platform == "win32" else ""
#: how the name of a shim ends that was running when another took its place
ASIDE = ".old"
#: bytes of a configuration file, by far
_MOST = 1 << 20


def choose(given: str | None, environ: Mapping[str, str], home: str) -> str:
    """The directory for the shims, absolute. Raises `LinkPolicyError` when it must not be used."""
    if given == "":
        raise UsageError("the directory for the shims has an empty name")
    default = layout.shim_directory(dict(environ), sys.platform)
    directory = absolute(given if given is not None else default, home)
    _refuse_beside_uv(directory, environ, home)
    check_places(directory)
    return directory


def check_places(directory: str) -> None:
    """Raises `LinkPolicyError` where others could put a program, or none can be started."""
    with explained(f"cannot use `{directory}`"):
        for place in (directory, fallbacks(directory)):
            check_private(place)
        check_executable(directory)


def absolute(directory: str, home: str) -> str:
    """An absolute path for what the user typed."""
    if directory[:2] in ("~", "~/", f"~{os.sep}"):  # `--shim-dir=~/x`: no shell expands this
        directory = home + directory[1:]
    return os.path.abspath(directory)


def fallbacks(directory: str) -> str:
    """Where the Python shims lie that the native shims of this directory fall back to."""
    return os.path.join(directory, layout.SHIM_FALLBACKS)


def path_of(directory: str, program: str) -> str:
    """Where the shim for one of `PROGRAMS` lies."""
    return os.path.join(directory, program + SUFFIX)


def places(directory: str) -> tuple[str, ...]:
    """Every path where a file of ours may lie, for this directory of shims."""
    behind = fallbacks(directory)
    shims = [path_of(place, program) for place in (directory, behind) for program in PROGRAMS]
    with contextlib.suppress(OSError):  # what stands in for Python bears the name of that
        names = (name.removesuffix(UNFINISHED) for name in sorted(os.listdir(behind)))
        known = (name for name in names if name.startswith("python") or name.endswith(ASIDE))
        shims += [os.path.join(behind, name) for name in known]
    shims += [own_path(directory), *help_files.places(directory)]
    if sys.platform == "win32":
        shims.append(os.path.join(directory, windows_launcher.NAME))
    return (*shims, *(f"{path}{UNFINISHED}" for path in shims))


def own_path(directory: str) -> str:
    """Where `linkpolicy` itself lies, for this directory of shims."""
    return os.path.join(directory, own_command.FILE)


def ours(directory: str) -> list[str]:
    """The files of ours that are there now, for this directory of shims."""
    return [path for path in places(directory) if is_ours(path)]


def owner(path: str) -> str:
    """The directory of shims that has this path among its `places`."""
    of_help = help_files.owner(path)
    return of_help or os.path.dirname(path).removesuffix(f"{os.sep}{layout.SHIM_FALLBACKS}")


def is_in_place(path: str, content: bytes) -> bool:
    """Is this file there already, complete and with its mode?"""
    if not is_ours(path):
        return False
    with open(path, "rb") as stream:
        if stream.read() != content:
            return False
    return sys.platform == "win32" or stat.S_IMODE(os.stat(path).st_mode) == _mode(path)


def write(path: str, content: bytes) -> None:
    """Put a shim in place: build beside, rename. Raises `LinkPolicyError`; the old file stays."""
    mode = _mode(path)

    def prepare(handle: int) -> None:
        if sys.platform != "win32":
            os.fchmod(handle, mode)  # whatever the umask says

    def refuse_stranger() -> None:
        if os.path.lexists(path) and not is_ours(path):
            raise LinkPolicyError(f"another program was just put at `{path}` just now")

    with explained(f"cannot write `{path}`"):
        put(path, content, mode=mode, prepare=prepare, check=refuse_stranger, rename=_replace)


def _mode(path: str) -> int:
    return 0o644 if help_files.owner(path) else 0o755


def _replace(new: str, path: str) -> None:
    """rename(2), also over a program that runs on Windows: it can be renamed, not replaced."""
    try:
        os.replace(new, path)
    except PermissionError:
        if os.name != "nt" or not os.path.lexists(path):
            raise
        aside = put_aside(path)
        try:
            os.replace(new, path)
        except BaseException:
            os.replace(aside, path)
            raise


def put_aside(path: str) -> str:
    """Take a shim that runs from PATH, without ending it; where it is now.

    `ours` finds it there, so that the next run of setup or uninstall deletes it. Raises `OSError`.
    """
    behind = fallbacks(os.path.dirname(path))
    with contextlib.suppress(FileExistsError):
        os.mkdir(behind)
    aside = os.path.join(behind, f"{os.path.basename(path)}.{os.urandom(6).hex()}{ASIDE}")
    os.rename(path, aside)
    return aside


def is_shim(path: str) -> bool:
    """Is this a file of ours? Not when it is a symbolic link, nor when it cannot be read."""
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return False
    except OSError:
        return False
    return locate.is_ours(path)


def is_ours(path: str) -> bool:
    """Is this a shim, or what is left of one that was being written when the power went?

    Or on Windows the configuration of the shims.
    """
    if path.endswith(UNFINISHED):
        return os.path.lexists(path)
    return is_shim(path) or _is_configuration(path)


def _is_configuration(path: str) -> bool:
    if os.path.basename(path) != windows_launcher.NAME:
        return False
    try:
        return windows_launcher.is_configuration(read_foreign(path, _MOST))
    except (OSError, ValueError):
        return False


def check_private(directory: str, *, roots: bool = False) -> None:
    """Raises `LinkPolicyError` when others could put a program there, and `OSError`.

    `roots`: it may be root's, whose programs everybody runs; setup writes to the user's own only.
    """
    if os.path.lexists(directory):
        status = os.stat(directory)
        if not stat.S_ISDIR(status.st_mode):
            raise LinkPolicyError(f"`{directory}` is not a directory")
        if sys.platform == "win32":
            _check_access_list(directory)
            return
        if status.st_uid != os.geteuid() and not (roots and status.st_uid == 0):
            raise LinkPolicyError(f"`{directory}` belongs to another user")
        if status.st_mode & 0o022:
            raise LinkPolicyError(
                f"others can write to `{directory}`, and you would run what they put there",
                hint="remove write permission for others",
                commands=(command("chmod", "go-w", directory),),
            )
    if sys.platform == "win32":
        return
    parent = os.path.realpath(directory)
    while parent != os.path.dirname(parent):
        parent = os.path.dirname(parent)
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            mode = os.stat(parent).st_mode
            if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
                raise LinkPolicyError(
                    f"everyone can replace `{directory}`: `{parent}` is open to all",
                    hint="remove write permission for others",
                    commands=(command("chmod", "o-w", parent),),
                )


def _check_access_list(directory: str) -> None:
    """Raises `LinkPolicyError` when others may put a program there, and `OSError`."""
    if sys.platform == "win32":
        from uvx_policy.windows import descriptor, security

        try:
            told = descriptor.parse(security.descriptor_bytes(directory))
        except ValueError as error:
            raise LinkPolicyError(f"who may write to `{directory}` is unknown: {error}") from error
        others = told.others(descriptor.CHANGES_CONTENT, user=security.user_sid())
        if others:
            raise LinkPolicyError(
                f"{others} can write to `{directory}`, and you would run what they put there",
                hint="choose a directory below your home directory for the shims",
                commands=(command("linkpolicy", "setup", "--shim-dir", "DIR"),),
            )


def check_executable(directory: str) -> None:
    """Raises `LinkPolicyError` where the system runs no program, and `OSError`."""
    there = os.path.realpath(directory)
    while not os.path.exists(there):
        there = os.path.dirname(there)
    # Windows has no statvfs(3); not every system tells.
    if hasattr(os, "statvfs") and os.statvfs(there).f_flag & getattr(os, "ST_NOEXEC", 0):
        raise LinkPolicyError(
            f"no program can be run in `{directory}`: its file system is mounted with `noexec`",
            hint="choose a directory on another file system for the shims",
            commands=(command("linkpolicy", "setup", "--shim-dir", "DIR"),),
        )


def uv_in_front(search_path: str, directory: str) -> str:
    """The uv on PATH that hides our shim, "" when the shim comes first or there is no other."""
    for entry in search_path.split(os.pathsep):
        if _is_entry(entry, directory):
            return ""
        path = path_of(entry or ".", "uv")
        if os.path.isfile(path) and os.access(path, os.X_OK) and not is_shim(path):
            return path
    return ""


def is_on_path(directory: str, search_path: str) -> bool:
    """Is the directory one of the entries of PATH?"""
    return any(_is_entry(entry, directory) for entry in locate.directories_on(search_path))


def _is_entry(entry: str, directory: str) -> bool:
    return os.path.normcase(entry.rstrip("/" + os.sep)) == os.path.normcase(directory)


def reason(error: OSError) -> str:
    """What the system says."""
    return os.strerror(error.errno) if error.errno else str(error)


@contextlib.contextmanager
def explained(what: str) -> Iterator[None]:
    """Raises `LinkPolicyError` for an `OSError`: `what`, and what the system says."""
    try:
        yield
    except OSError as error:
        raise LinkPolicyError(f"{what}: {reason(error)}") from error


def _refuse_beside_uv(directory: str, environ: Mapping[str, str], home: str) -> None:
    hint = "choose a directory of its own for --shim-dir"
    for place in _install_places(environ, home):
        if os.path.realpath(place) == os.path.realpath(directory):
            raise LinkPolicyError(
                f"uv's installer writes to `{directory}`, and would overwrite the shims", hint=hint
            )
    optional = {own_path(directory), *help_files.places(directory)}
    for path in places(directory):
        if path not in optional and os.path.lexists(path) and not is_ours(path):
            raise LinkPolicyError(
                f"`{path}` is not a shim, and shims cannot be beside a real uv", hint=hint
            )


def _install_places(environ: Mapping[str, str], home: str) -> Iterator[str]:
    """Where uv's installer, `uv self update` and `uv tool install uv` write a `uv`."""
    named = map(environ.get, ("UV_INSTALL_DIR", "UV_TOOL_BIN_DIR", "XDG_BIN_HOME"))
    yield from filter(None, named)
    if environ.get("XDG_DATA_HOME"):
        yield os.path.join(environ["XDG_DATA_HOME"], "..", "bin")
    yield os.path.join(home, ".local", "bin")
    yield os.path.join(home, ".cargo", "bin")
