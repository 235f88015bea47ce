"""What each shell needs so that our `uv` is the first on PATH: which files, which lines. Pure.

**The end of the file that is read last.** Every installer (uv's, Homebrew, pyenv, mise, conda)
prepends to PATH, so whoever speaks last wins. Our block therefore goes to the end of the file, and
`linkpolicy setup` moves it there again when lines were added below it. It takes our directory out
of PATH wherever it is and puts it in front: no duplicates, however often it is read. For lines that
are added below later, bash, zsh and fish look once more at the first prompt, nushell at every one.

**Being first is harmless.** The shim starts the next uv on PATH, so the user's order among the real
ones stays what it was.

Why these files:

- bash: `.bashrc` for interactive shells and the one login file that bash would read
  (`.bash_profile`, else `.bash_login`, else `.profile`). When there is none, `.profile` is made and
  never `.bash_profile`, which would hide a later `.profile`.
- zsh: `.zshrc` is read last in a terminal. `.zprofile` serves `zsh -lc`: on macOS path_helper, in
  /etc/zprofile, has just put the system's directories in front again. `.zshenv` is read by every
  script, so it gets a block only when it is there already, and may put a real uv in front.
- fish: `config.fish`, not a file of our own in `conf.d`: those are read before `config.fish`, and
  `fish_add_path ~/.local/bin` there would win in every `fish -c`, which has no prompt to repair it.
- nushell: `config.nu`, read after `env.nu`. (`nu -c` reads neither and has its parent's PATH.)
- PowerShell: the profile of all hosts (console, editors). Lines in a host's own profile come later.
"""

from __future__ import annotations

import os
import posixpath
from typing import TYPE_CHECKING, NamedTuple

from uvx_policy.errors import LinkPolicyError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: what `--shell` accepts; "sh" stands for every plain Bourne shell
SHELLS = ("bash", "zsh", "fish", "nushell", "powershell", "sh")

_ALIASES = {"nu": "nushell", "pwsh": "powershell", "dash": "sh", "ash": "sh", "ksh": "sh"}


class StartUpFile(NamedTuple):
    """A file that a shell reads when it starts."""

    path: str
    #: make it when it is missing
    create: bool


class UnsuitablePath(LinkPolicyError, ValueError):
    """A directory whose name this shell, or PATH itself, cannot carry."""


def named(shell: str) -> str:
    """Our name of a shell that the user named. Raises `UsageError`."""
    known = _canonical(shell)
    if known is None:
        raise UsageError(f"unknown shell `{shell}`", hint=f"known: {', '.join(SHELLS)}")
    return known


def detect(environ: Mapping[str, str]) -> str | None:
    """The shell that runs us, else the login shell (`$SHELL`); `None` when we do not know it."""
    import shellingham  # type: ignore[import-untyped]

    try:
        running = _canonical(shellingham.detect_shell()[0])
    except (shellingham.ShellDetectionFailure, RuntimeError, OSError):
        running = None
    login = _canonical(environ.get("SHELL", ""))
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
    named_base = environ.get("XDG_CONFIG_HOME", "")
    base = named_base if named_base.startswith("/") else f"{home}/.config"
    if shell == "nushell" and platform == "darwin" and base != named_base:
        base = f"{home}/Library/Application Support"
    return (StartUpFile(f"{base}/{_BELOW_CONFIG[shell]}", create=True),)


def every_start_up_file(*, environ: Mapping[str, str], home: str, platform: str) -> tuple[str, ...]:
    """Where a block of ours can be when no record tells: all files of all shells."""
    paths = [f"{home}/{name}" for name in (".bashrc", *_LOGIN_FILES)]
    for shell in SHELLS:
        files = start_up_files(shell, environ=environ, home=home, platform=platform)
        paths += [file.path for file in files]
    return tuple(dict.fromkeys(paths))


def block(shell: str, directory: str) -> bytes:
    """The lines between our markers, without them. Raises `UnsuitablePath`."""
    return _TEMPLATES[shell].replace(_HOLE, _quoted(shell, directory))


def is_ours(lines: bytes) -> bool:
    """Did `block` write these lines, for whatever directory? If not, somebody edited them."""
    for template in _TEMPLATES.values():
        before, _, after = template.partition(_HOLE)
        middle = lines[len(before) : len(lines) - len(after)]
        if lines == before + middle + after and middle and b"\n" not in middle:
            return True
    return False


def line_by_hand(shell: str | None, directory: str) -> str:
    """One line to type or to add by hand; in sh's language when the shell is unknown."""
    template = _BY_HAND.get(shell or "sh", 'export PATH={}:"$PATH"')
    return template.format(os.fsdecode(_quoted(shell or "sh", directory)))


def early_return(content: bytes) -> int | None:
    """Line where a .bashrc ends for shells without prompt, when PATH is set above it; or `None`.

    There `ssh HOST uv ...` finds a real uv and never comes as far as our block. (Nothing is said
    of the usual .bashrc, which ends before it sets PATH: there no uv is found either.)
    """
    import re

    lines = content.splitlines()
    sets_path = False
    for number, line in enumerate(lines, start=1):
        if re.match(rb"\s*(case\s+\"?\$-|(if\s+)?(\[|test\s).*(\$-|PS1|-t\s*[01]))", line):
            if sets_path and any(b"return" in near for near in lines[number - 1 : number + 4]):
                return number
        elif re.match(rb"\s*(export\s+PATH=|PATH=|eval\s|source\s|\.\s)", line):
            sets_path = True
    return None


def _canonical(name: str) -> str | None:
    base = posixpath.basename(name).lower()
    base = _ALIASES.get(base, base)
    return base if base in SHELLS else None


def _quoted(shell: str, directory: str) -> bytes:
    """As the shell reads it. Raises `UnsuitablePath`."""
    if ":" in directory:
        raise UnsuitablePath(f"`{directory}` cannot be on PATH: `:` separates its entries")
    if any(character < " " or character == "\x7f" for character in directory):
        raise UnsuitablePath(f"{directory!r} has a line break or control character in its name")
    raw = os.fsencode(directory)
    if shell in ("nushell", "powershell"):
        try:
            raw.decode("utf-8")
        except UnicodeDecodeError:
            raise UnsuitablePath(f"{directory!r} is not UTF-8, and {shell} needs that") from None
    if shell in ("fish", "nushell"):
        quote = b"'" if shell == "fish" else b'"'
        return quote + raw.replace(b"\\", b"\\\\").replace(quote, b"\\" + quote) + quote
    if shell == "powershell":
        # PowerShell takes the typographic quotes for apostrophes, too.
        for apostrophe in "'\u2018\u2019\u201a\u201b":
            raw = raw.replace(apostrophe.encode(), apostrophe.encode() * 2)
        return b"'" + raw + b"'"
    return b"'" + raw.replace(b"'", b"'\\''") + b"'"


_LOGIN_FILES = (".bash_profile", ".bash_login", ".profile")
_BELOW_CONFIG = {
    "fish": "fish/config.fish",
    "nushell": "nushell/config.nu",
    "powershell": "powershell/profile.ps1",
}
_BY_HAND = {
    "fish": "set -gx PATH {} $PATH",
    "nushell": "$env.PATH = ($env.PATH | prepend {})",
    "powershell": "$env:PATH = {} + [IO.Path]::PathSeparator + $env:PATH",
}

_HOLE = b"@SHIMS@"

# Only what dash can parse: .profile is read by sh as well, and one text is easier to trust.
# No `local`, no fork; `set --` keeps the function free of global variables.
_PATH_SH = rb"""_linkpolicy_path() {
    set -- @SHIMS@ ":${PATH-}:"
    while case $2 in *":$1:"*) ;; *) false ;; esac; do
        set -- "$1" "${2%%":$1:"*}:${2#*":$1:"}"
    done
    set -- "$1" "${2#:}"
    set -- "$1" "${2%:}"
    export PATH="$1${2:+:$2}"
}
_linkpolicy_path
"""

# The removal is bash's alone and stands in `eval`, because dash may refuse to parse it.
# In front and not at the end of PROMPT_COMMAND: what ends in `;` cannot be followed by another.
_SH = (
    _PATH_SH
    + rb"""case $-${BASH_VERSION:+bash} in *i*bash) # and once more at the first prompt
    eval '_linkpolicy_prompt() {
        _linkpolicy_path; PROMPT_COMMAND=${PROMPT_COMMAND/_linkpolicy_prompt;/}; }'
    PROMPT_COMMAND="_linkpolicy_prompt;${PROMPT_COMMAND-}" ;;
esac
"""
)

# `[@]`, because with the option KSH_ARRAYS a bare name is only the first element.
_ZSH = (
    _PATH_SH
    + rb"""if [[ -o interactive ]]; then
    _linkpolicy_prompt() { # once more at the first prompt
        _linkpolicy_path
        precmd_functions=(${precmd_functions[@]:#_linkpolicy_prompt})
    }
    typeset -ga precmd_functions
    precmd_functions=(${precmd_functions[@]:#_linkpolicy_prompt} _linkpolicy_prompt)
fi
"""
)

# Not fish_add_path: it needs fish 3.2 and ignores a directory that is missing just now.
_FISH = rb"""function _linkpolicy_path
    set -l shims @SHIMS@
    set -l others
    for directory in $PATH
        test "$directory" = "$shims"; or set others $others $directory
    end
    set -gx PATH $shims $others
end
_linkpolicy_path
if status is-interactive
    # once more at the first prompt
    function _linkpolicy_prompt --on-event fish_prompt
        _linkpolicy_path
        functions --erase _linkpolicy_prompt
    end
end
"""

_NUSHELL = rb"""def --env _linkpolicy_path [] {
    let shims = @SHIMS@
    $env.PATH = ($env.PATH | split row (char esep) | where $it != $shims | prepend $shims)
}
_linkpolicy_path
# and once more at every prompt
$env.config = ($env.config? | default {} | upsert hooks { default {} })
$env.config = ($env.config | upsert hooks.pre_prompt { default [] })
if not ($env.config.hooks.pre_prompt | any { try { get linkpolicy } catch { false } }) {
    $env.config.hooks.pre_prompt = (
        $env.config.hooks.pre_prompt | append { linkpolicy: true, code: {|| _linkpolicy_path } }
    )
}
"""

# The method Split, not -split, which takes a regular expression.
_POWERSHELL = rb"""$env:PATH = & {
    $shims = @SHIMS@
    $others = @("$env:PATH".Split([IO.Path]::PathSeparator) | Where-Object { $_ -cne $shims })
    (@($shims) + $others) -join [IO.Path]::PathSeparator
}
"""

_TEMPLATES = {
    "bash": _SH,
    "sh": _SH,
    "zsh": _ZSH,
    "fish": _FISH,
    "nushell": _NUSHELL,
    "powershell": _POWERSHELL,
}
