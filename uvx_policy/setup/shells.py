"""What each shell needs so that our `uv` is the first on PATH: which files. Pure.

**The end of the file that is read last.** Every installer (uv's, Homebrew, pyenv, mise, conda)
prepends to PATH, so whoever speaks last wins. Our line (`shell_lines`) therefore goes to the end of
the file, and `linkpolicy setup` moves it there again when lines were added below it.

**Being first is harmless.** The shim starts the next uv on PATH, so the user's order among the real
ones stays what it was.

Why these files:

- bash: `.bashrc` for interactive shells and the one login file that bash would read
  (`.bash_profile`, else `.bash_login`, else `.profile`). When there is none, `.profile` is made and
  never `.bash_profile`, which would hide a later `.profile`.
- zsh: `.zshrc` is read last in a terminal. `.zprofile` serves `zsh -lc`: on macOS path_helper, in
  /etc/zprofile, has just put the system's directories in front again. `.zshenv` is read by every
  script, so it gets a line only when it is there already, and may put a real uv in front.
- fish: `config.fish`, not a file of our own in `conf.d`: those are read before `config.fish`, and
  `fish_add_path ~/.local/bin` there would win in every `fish -c`, which has no prompt to repair it.
- nushell: `config.nu`, read after `env.nu`. (`nu -c` reads neither and has its parent's PATH.)
- PowerShell: the profile of all hosts (console, editors). Lines in a host's own profile come later.
- Windows has PATH in the registry for all of them (`user_variables`). Only PowerShell gets a file,
  and only where something comes before that (`precedence`). Windows PowerShell runs no script
  unless somebody has allowed it, and complains each time: it gets lines in a profile that is there
  already, PowerShell 7 a new one as well.
- desktop sessions: `.profile`, which an X session reads whatever the login shell is, and a file in
  `environment.d` for what systemd starts. Editors that are started from a menu have no more.
"""

from __future__ import annotations

import os
import posixpath
import re
import sys
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from uvx_policy.errors import UsageError
from uvx_policy.foreign_file import read_foreign
from uvx_policy.setup import registry_path, shell_lines
from uvx_policy.windows import user_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

#: what `--shell` accepts; "sh" stands for every plain Bourne shell
SHELLS = ("bash", "zsh", "fish", "nushell", "powershell", "sh")

_ALIASES = {"nu": "nushell", "pwsh": "powershell", "dash": "sh", "ash": "sh", "ksh": "sh"}
#: bytes of a start-up file that are looked at
_LONGEST = 1 << 20
#: start-up files of shells that we do not know
_UNKNOWN = {
    ".tcshrc": "tcsh",
    ".cshrc": "csh",
    ".xonshrc": "xonsh",
    ".config/elvish/rc.elv": "elvish",
}


class StartUpFile(NamedTuple):
    """A file that a shell, or a session, reads when it starts."""

    path: str
    #: make it when it is missing
    create: bool


class Addition(NamedTuple):
    """What a file gets."""

    file: StartUpFile
    #: what stands between our markers; raises `shell_lines.UnsuitablePath`
    lines: Callable[[], bytes]


def named(shell: str) -> str:
    """Our name of a shell that the user named. Raises `UsageError`."""
    known = _canonical(shell)
    if known is None:
        raise UsageError(f"unknown shell `{shell}`", hint=f"known: {', '.join(SHELLS)}")
    return known


def detect(environ: Mapping[str, str]) -> str | None:
    """The shell that runs us, else the login shell (`$SHELL`); `None` when we do not know it.

    On Windows also "cmd", which has no start-up file.
    """
    import shellingham  # type: ignore[import-untyped]

    try:
        name = shellingham.detect_shell()[0]
        running = "cmd" if name == "cmd" else _canonical(name)
    except (shellingham.ShellDetectionFailure, RuntimeError, OSError):
        running = None
    login = _canonical(environ.get("SHELL", ""))
    if sys.platform == "win32":  # SHELL is Git's or Cygwin's there
        return running
    # A plain sh around us is a script or a Makefile, not what somebody types into.
    return login or running if running == "sh" else running or login


def start_up_files(
    shell: str,
    *,
    environ: Mapping[str, str],
    home: str,
    platform: str,
    exists: Callable[[str], bool] = os.path.exists,
) -> tuple[StartUpFile, ...]:
    """The files that get our block, in the order in which the shell reads them."""
    if platform == "win32":
        documents = _documents(environ, home)
        if shell != "powershell" or not documents:
            return ()
        return (
            StartUpFile(f"{documents}\\PowerShell\\profile.ps1", create=True),
            StartUpFile(f"{documents}\\WindowsPowerShell\\profile.ps1", create=False),
        )
    if shell in ("bash", "sh"):
        login = [f"{home}/{name}" for name in _LOGIN_FILES if shell == "bash"]
        first = next((path for path in login if exists(path)), f"{home}/.profile")
        interactive = [StartUpFile(f"{home}/.bashrc", create=True)] if shell == "bash" else []
        return (*interactive, StartUpFile(first, create=True))
    if shell == "zsh":
        named_home = environ.get("ZDOTDIR", "")
        directory = named_home if named_home.startswith("/") else home
        return (
            StartUpFile(f"{directory}/.zshenv", create=False),
            StartUpFile(f"{directory}/.zprofile", create=True),
            StartUpFile(f"{directory}/.zshrc", create=True),
        )
    # fish and PowerShell use ~/.config on macOS too; nushell asks the platform.
    base = _config_home(environ, home)
    if shell == "nushell" and platform == "darwin" and base != environ.get("XDG_CONFIG_HOME"):
        base = f"{home}/Library/Application Support"
    return (StartUpFile(f"{base}/{_BELOW_CONFIG[shell]}", create=True),)


def session_files(
    *,
    environ: Mapping[str, str],
    home: str,
    platform: str,
    exists: Callable[[str], bool] = os.path.exists,
) -> tuple[StartUpFile, ...]:
    """What a desktop session reads, whatever the shell is; none on macOS and Windows."""
    if platform in ("darwin", "win32"):
        return ()
    config = _config_home(environ, home)
    # As sd_booted(3) asks.
    has_systemd = exists("/run/systemd/system") or exists(f"{config}/environment.d")
    return (
        StartUpFile(f"{home}/.profile", create=True),
        StartUpFile(f"{config}/{_SESSION}", create=has_systemd),
    )


def in_use(
    *,
    environ: Mapping[str, str],
    home: str,
    platform: str,
    exists: Callable[[str], bool] = os.path.exists,
) -> tuple[str, ...]:
    """The shells that have a start-up file here, but for `.profile`, which all kinds read."""
    found = []
    for shell in () if platform == "win32" else SHELLS:
        paths = [f"{home}/{name}" for name in _LOGIN_FILES if shell == "bash"]
        files = start_up_files(shell, environ=environ, home=home, platform=platform)
        paths += [file.path for file in files]
        if any(exists(path) for path in paths if path != f"{home}/.profile"):
            found.append(shell)
    return tuple(found)


def zsh_elsewhere(environ: Mapping[str, str], home: str) -> bool:
    """Does `.zshenv` set ZDOTDIR, and we do not run in zsh to know where the other files are?"""
    if environ.get("ZDOTDIR"):
        return False
    try:
        return b"ZDOTDIR" in read_foreign(f"{home}/.zshenv", _LONGEST)
    except (OSError, ValueError):
        return False


def unknown_in_use(
    home: str, exists: Callable[[str], bool] = os.path.exists
) -> tuple[tuple[str, str], ...]:
    """Shells that we do not know and that have a start-up file here: name, path."""
    paths = [(name, f"{home}/{path}") for path, name in _UNKNOWN.items()]
    return tuple((name, path) for name, path in paths if exists(path))


def env_file(shell: str, data_home: str) -> str:
    """Path of our own file for this shell, "" when it has none."""
    return os.path.join(data_home, _ENV_FILES[shell]) if shell in _ENV_FILES else ""


def every_start_up_file(*, environ: Mapping[str, str], home: str, platform: str) -> tuple[str, ...]:
    """The files of others where a block of ours can be when no record tells: of all shells."""
    paths = [f"{home}/{name}" for name in (".bashrc", *_LOGIN_FILES)]
    for shell in SHELLS:
        files = start_up_files(shell, environ=environ, home=home, platform=platform)
        paths += [file.path for file in files]
    files = session_files(environ=environ, home=home, platform=platform)
    paths += [file.path for file in files]
    return tuple(dict.fromkeys(paths))


def every_env_file(data_home: str) -> tuple[str, ...]:
    """Our own files, of all shells."""
    return tuple(dict.fromkeys(os.path.join(data_home, name) for name in _ENV_FILES.values()))


def additions(
    chosen: Sequence[str],
    directory: str,
    *,
    environ: Mapping[str, str],
    home: str,
    data_home: str,
    platform: str,
) -> tuple[Addition, ...]:
    """What each file gets, for these shells and for desktop sessions; our own files come first."""
    sessions = session_files(environ=environ, home=home, platform=platform)
    own: dict[str, Addition] = {}
    others: dict[str, Addition] = {}
    for shell in (*chosen, *(["sh"] if sessions else [])):
        lines = partial(shell_lines.env_lines, shell, directory)
        path = env_file(shell, data_home)
        if path:
            own[path] = Addition(StartUpFile(path, create=True), lines)
            lines = partial(shell_lines.source_line, shell, path, home)
        for file in start_up_files(shell, environ=environ, home=home, platform=platform):
            others.setdefault(file.path, Addition(file, lines))
    for file in sessions:
        others.setdefault(
            file.path, Addition(file, partial(shell_lines.env_lines, "session", directory))
        )
    return (*own.values(), *others.values())


def early_return(content: bytes) -> int | None:
    """Line where a .bashrc ends for shells without prompt, when PATH is set above it; or `None`.

    There `ssh HOST uv ...` finds a real uv and never comes as far as our block. (Nothing is said
    of the usual .bashrc, which ends before it sets PATH: there no uv is found either.)
    """
    lines = content.splitlines()
    sets_path = False
    for number, line in enumerate(lines, start=1):
        if re.match(rb"\s*(case\s+\"?\$-|(if\s+)?(\[|test\s).*(\$-|PS1|-t\s*[01]))", line):
            if sets_path and any(b"return" in near for near in lines[number - 1 : number + 4]):
                return number
        elif re.match(rb"\s*(export\s+PATH=|PATH=|eval\s|source\s|\.\s)", line):
            sets_path = True
    return None


def _config_home(environ: Mapping[str, str], home: str) -> str:
    named = environ.get("XDG_CONFIG_HOME", "")
    return named if named.startswith("/") else f"{home}/.config"


def _documents(environ: Mapping[str, str], home: str) -> str:
    """The directory with the user's documents on Windows."""
    try:
        stored = user_environment.documents()
        named = registry_path.expanded(registry_path.text_of(stored), environ)
    except (OSError, registry_path.NotText):
        named = ""
    return named or f"{home}\\Documents"


def _canonical(name: str) -> str | None:
    base = posixpath.basename(name).lower()
    base = _ALIASES.get(base, base)
    return base if base in SHELLS else None


_LOGIN_FILES = (".bash_profile", ".bash_login", ".profile")
_BELOW_CONFIG = {
    "fish": "fish/config.fish",
    "nushell": "nushell/config.nu",
    "powershell": "powershell/profile.ps1",
}
#: after every other file there; below ~/.config
_SESSION = "environment.d/90-linkpolicy.conf"
_ENV_FILES = {
    "bash": "env.sh",
    "sh": "env.sh",
    "zsh": "env.sh",
    "fish": "env.fish",
    "powershell": "env.ps1",
}
