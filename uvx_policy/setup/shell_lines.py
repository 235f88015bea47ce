"""What our files and the start-up files of each kind of shell say, and whether we wrote it. Pure.

**Two kinds of lines.** `env_lines` stand in a file of our own and do the work; a start-up file gets
the one line of `source_line`, which reads that file if it is there. nushell has no such file: it
looks for what it sources when it parses, and a missing file would take the whole configuration
with it.

What is read takes our directory out of PATH wherever it is and puts it in front: no duplicates,
however often it is read. For lines that others add below ours later, bash, zsh and fish look once
more at the first prompt, nushell at every one.

**Completion costs nothing when a shell starts**: bash and zsh read the script at the first TAB (124
from a function makes bash complete again), fish looks for it by its name. In zsh what completes has
to be registered after `compinit`, so at the first prompt.

**Clients that do not look at PATH** find the shim in a variable (`CLIENT_VARIABLES`), which is set
only if it is unset, and never at a prompt: a line below ours may unset it. uv itself sets `UV` to
its own path for all that it starts, and that stays.

**Nothing may fail in somebody else's shell**: not with `set -eu`, nor with a variable that is
readonly, nor when the file of ours is gone.
"""

from __future__ import annotations

import os
import re
import sys

from uvx_policy.errors import LinkPolicyError

#: for programs that look here and not on PATH
CLIENT_VARIABLES = ("TOX_UV_PATH", "UV", "HATCH_ENV_TYPE_VIRTUAL_UV_PATH")


class UnsuitablePath(LinkPolicyError, ValueError):
    """A directory whose name this shell, or PATH itself, cannot carry."""


def env_lines(shell: str, directory: str) -> bytes:
    """What puts `directory` first on PATH and sets the variables. Raises `UnsuitablePath`."""
    return _TEMPLATES[shell].replace(_HOLE, _quoted(shell, directory))


def source_line(shell: str, path: str, home: str) -> bytes:
    """The line of a start-up file that reads our own file. Raises `UnsuitablePath`."""
    quoted = _quoted(shell, path)
    rest = path.removeprefix(home)
    if shell != "powershell" and home and rest.startswith("/") and not set('"$\\`') & set(rest):
        # Start-up files are shared between machines.
        quoted = b'"$HOME' + os.fsencode(rest) + b'"'
    return _SOURCES[shell].replace(_HOLE, quoted)


def is_ours(lines: bytes) -> bool:
    """Did linkpolicy write these lines, for whatever directory? If not, somebody edited them."""
    templates = (*_TEMPLATES.values(), *_SOURCES.values())
    if any(_is_made_from(template, lines) for template in templates):
        return True
    import hashlib

    directory = _OLDER_DIRECTORY.search(lines)
    without = lines.replace(directory[1], _HOLE) if directory else lines
    return hashlib.sha256(without).hexdigest() in _OLDER


def line_by_hand(shell: str | None, directory: str) -> str:
    """One line to type or to add by hand; in sh's language when the shell is unknown.

    On Windows in PowerShell's.
    """
    shell = shell or ("powershell" if sys.platform == "win32" else "sh")
    template = _BY_HAND.get(shell, 'export PATH={}:"$PATH"')
    return template.format(os.fsdecode(_quoted(shell, directory)))


def _is_made_from(template: bytes, lines: bytes) -> bool:
    """Is this the template, with one and the same directory in each of its holes?"""
    before, *rest = template.split(_HOLE)
    size, odd = divmod(len(lines) - len(before) - sum(map(len, rest)), len(rest))
    directory = lines[len(before) : len(before) + size]
    is_one_line = size > 0 and not odd and b"\n" not in directory
    return is_one_line and lines == template.replace(_HOLE, directory)


def _quoted(shell: str, directory: str) -> bytes:
    """As the shell reads it. Raises `UnsuitablePath`."""
    if os.pathsep in directory:
        raise UnsuitablePath(
            f"`{directory}` cannot be on PATH: `{os.pathsep}` separates its entries"
        )
    if any(character < " " or character == "\x7f" for character in directory):
        raise UnsuitablePath(f"{directory!r} has a line break or control character in its name")
    raw = os.fsencode(directory)
    if shell in ("nushell", "powershell", "session"):
        try:
            raw.decode("utf-8")
        except UnicodeDecodeError:
            raise UnsuitablePath(
                f"{directory!r} is not UTF-8, and {_NAMES.get(shell, shell)} needs that"
            ) from None
    if shell in ("fish", "nushell"):
        quote = b"'" if shell == "fish" else b'"'
        return quote + raw.replace(b"\\", b"\\\\").replace(quote, b"\\" + quote) + quote
    if shell == "session":  # environment.d(5): the lines have the quotes around it
        return re.sub(rb'(["\\\\`])', rb"\\\1", raw).replace(b"$", b"$$")
    if shell == "cmd":
        return raw
    if shell == "powershell":
        # PowerShell takes the typographic quotes for apostrophes, too.
        for apostrophe in "'\u2018\u2019\u201a\u201b":
            raw = raw.replace(apostrophe.encode(), apostrophe.encode() * 2)
        return b"'" + raw + b"'"
    return b"'" + raw.replace(b"'", b"'\\''") + b"'"


_NAMES = {"session": "systemd"}
_BY_HAND = {
    "cmd": 'set "PATH={};%PATH%"',
    "fish": "set -gx PATH {} $PATH",
    "nushell": "$env.PATH = ($env.PATH | prepend {})",
    "powershell": "$env:PATH = {} + [IO.Path]::PathSeparator + $env:PATH",
}

_HOLE = b"@SHIMS@"

# Only what dash can parse: .profile is read by sh as well, and one text is easier to trust.
# No `local`, and a fork only where PATH changes; `set --` keeps functions free of global variables.
# `2>&-` because a restricted shell may not redirect to a file.
# The hooks are bash's and zsh's alone and stand in `eval`, because dash may refuse to parse them.
# In front and not at the end of PROMPT_COMMAND: what ends in `;` cannot be followed by another.
_SH = rb"""_linkpolicy_path() {
    set -- @SHIMS@ ":${PATH-}:"
    while case $2 in *":$1:"*) ;; *) false ;; esac; do
        set -- "$1" "${2%%":$1:"*}:${2#*":$1:"}"
    done
    set -- "$1" "${2#:}"
    set -- "$1" "${2%:}"
    set -- "$1${2:+:$2}"
    # Tried first: to assign to a readonly PATH would end this file, or the shell.
    if [ "${PATH-}" != "$1" ] && (PATH=$1) 2>&-; then export PATH="$1"; fi
}
_linkpolicy_path
# For programs that look here and not on PATH.
if [ -x @SHIMS@/uv ]; then
    [ -n "${TOX_UV_PATH+set}" ] || export TOX_UV_PATH=@SHIMS@/uv
    [ -n "${UV+set}" ] || export UV=@SHIMS@/uv
    [ -n "${HATCH_ENV_TYPE_VIRTUAL_UV_PATH+set}" ] ||
        export HATCH_ENV_TYPE_VIRTUAL_UV_PATH=@SHIMS@/uv
fi
# And once more at the first prompt.
case $-${BASH_VERSION:+bash}${ZSH_VERSION:+zsh} in
*i*bash)
    if [ -r @SHIMS@/.linkpolicy/linkpolicy.bash ]; then
        _linkpolicy_complete() { . @SHIMS@/.linkpolicy/linkpolicy.bash 2>&- && return 124; }
        complete -F _linkpolicy_complete linkpolicy 2>&- || :
    fi
    eval '_linkpolicy_prompt() {
        _linkpolicy_path
        printf -v PROMPT_COMMAND %s "${PROMPT_COMMAND/_linkpolicy_prompt;/}" 2>&- || :
    }
    printf -v PROMPT_COMMAND %s "_linkpolicy_prompt;${PROMPT_COMMAND-}" 2>&- || :' ;;
*i*zsh)
    if [ -r @SHIMS@/.linkpolicy/_linkpolicy ]; then
        _linkpolicy_complete() { . @SHIMS@/.linkpolicy/_linkpolicy; }
    fi
    eval '_linkpolicy_prompt() {
        emulate -L zsh
        _linkpolicy_path
        [[ ${(t)precmd_functions} == *readonly* ]] ||
            precmd_functions=(${precmd_functions:#_linkpolicy_prompt} $1)
        [[ -n $1 ]] || ! (( $+functions[compdef] && $+functions[_linkpolicy_complete] )) ||
            compdef -n _linkpolicy_complete linkpolicy
    }
    _linkpolicy_prompt _linkpolicy_prompt' ;;
esac
"""

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
if test -x @SHIMS@/uv # for programs that look here and not on PATH
    for name in TOX_UV_PATH UV HATCH_ENV_TYPE_VIRTUAL_UV_PATH
        set -q $name; or set -gx $name @SHIMS@/uv
    end
end
if status is-interactive
    # once more at the first prompt
    function _linkpolicy_prompt --on-event fish_prompt
        _linkpolicy_path
        functions --erase _linkpolicy_prompt
    end
    contains -- @SHIMS@/.linkpolicy $fish_complete_path
    or set -g fish_complete_path $fish_complete_path @SHIMS@/.linkpolicy
end
"""

_NUSHELL = rb"""def --env _linkpolicy_path [] {
    let shims = @SHIMS@
    $env.PATH = ($env.PATH | split row (char esep) | where $it != $shims | prepend $shims)
}
_linkpolicy_path
# for programs that look here and not on PATH
if (@SHIMS@ + "/uv" | path exists) {
    for name in [TOX_UV_PATH UV HATCH_ENV_TYPE_VIRTUAL_UV_PATH] {
        if $name not-in $env { load-env { $name: (@SHIMS@ + "/uv") } }
    }
}
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
if (Test-Path -LiteralPath (@SHIMS@ + '/uv')) { # for programs that look here and not on PATH
    if ($null -eq $env:TOX_UV_PATH) { $env:TOX_UV_PATH = @SHIMS@ + '/uv' }
    if ($null -eq $env:UV) { $env:UV = @SHIMS@ + '/uv' }
    if ($null -eq $env:HATCH_ENV_TYPE_VIRTUAL_UV_PATH) {
        $env:HATCH_ENV_TYPE_VIRTUAL_UV_PATH = @SHIMS@ + '/uv'
    }
}
"""

# environment.d(5) has no way to look for a directory in PATH; the shells do.
_SESSION_LINES = rb"""PATH="@SHIMS@:${PATH}"
TOX_UV_PATH="${TOX_UV_PATH:-@SHIMS@/uv}"
UV="${UV:-@SHIMS@/uv}"
HATCH_ENV_TYPE_VIRTUAL_UV_PATH="${HATCH_ENV_TYPE_VIRTUAL_UV_PATH:-@SHIMS@/uv}"
"""

_TEMPLATES = {
    "bash": _SH,
    "sh": _SH,
    "zsh": _SH,
    "fish": _FISH,
    "nushell": _NUSHELL,
    "powershell": _POWERSHELL,
    "session": _SESSION_LINES,
}
_SOURCE_SH = b"if [ -r @SHIMS@ ]; then . @SHIMS@; fi\n"
_SOURCES = {
    "bash": _SOURCE_SH,
    "sh": _SOURCE_SH,
    "zsh": _SOURCE_SH,
    "fish": b"if test -r @SHIMS@; source @SHIMS@; end\n",
    "powershell": b"if (Test-Path -LiteralPath @SHIMS@) { . @SHIMS@ }\n",
}
#: SHA-256 of what earlier versions wrote, with `@SHIMS@` for the directory: blocks in start-up
#: files before linkpolicy had files of its own (bash and sh, zsh, fish, nushell, PowerShell), and
#: the env files before there were completions (env.sh, env.fish)
_OLDER = {
    "15bfa51b8dac20ed6e5347ee332fee20a6562566ac42698780fe1ca80c59d9a1",
    "48f178bce86647790f41e75b5ac4c3cc05f44fdcd409217e1e69a7c1717f2267",
    "1bcf216f6a238bf16bd312d0068505e10171e86102bd71e0ec2e056e392572ec",
    "eb8286219747067cf4bb32e20f9fabaaee454ad37db7f60a3a984cbdbdc30ad0",
    "c27411e938229f8cbb3965e45a94f25ca94859494cb2de5c21112dc0f1b2f85e",
    "720f0db2793507dfab67234361daf7600c95fea937c1cc42b047cae1ecc71740",
    "62a5da639c796f62bc1fb6a6db158de4c43e09fce9de7221b09b44a6ecf54c0f",
}
_OLDER_DIRECTORY = re.compile(
    rb'^    (?:set --|set -l shims|let shims =|\$shims =) ([^\n]+?)(?: ":\$\{PATH-\}:")?$',
    re.MULTILINE,
)
