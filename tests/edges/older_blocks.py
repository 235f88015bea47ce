"""What earlier versions of linkpolicy wrote for one directory: blocks, and files of its own."""

from __future__ import annotations

DIRECTORY = "/elsewhere/it's"
OLDER = {
    "bash": rb"""_linkpolicy_path() {
    set -- '/elsewhere/it'\''s' ":${PATH-}:"
    while case $2 in *":$1:"*) ;; *) false ;; esac; do
        set -- "$1" "${2%%":$1:"*}:${2#*":$1:"}"
    done
    set -- "$1" "${2#:}"
    set -- "$1" "${2%:}"
    export PATH="$1${2:+:$2}"
}
_linkpolicy_path
case $-${BASH_VERSION:+bash} in *i*bash) # and once more at the first prompt
    eval '_linkpolicy_prompt() {
        _linkpolicy_path; PROMPT_COMMAND=${PROMPT_COMMAND/_linkpolicy_prompt;/}; }'
    PROMPT_COMMAND="_linkpolicy_prompt;${PROMPT_COMMAND-}" ;;
esac
""",
    "zsh": rb"""_linkpolicy_path() {
    set -- '/elsewhere/it'\''s' ":${PATH-}:"
    while case $2 in *":$1:"*) ;; *) false ;; esac; do
        set -- "$1" "${2%%":$1:"*}:${2#*":$1:"}"
    done
    set -- "$1" "${2#:}"
    set -- "$1" "${2%:}"
    export PATH="$1${2:+:$2}"
}
_linkpolicy_path
if [[ -o interactive ]]; then
    _linkpolicy_prompt() { # once more at the first prompt
        _linkpolicy_path
        precmd_functions=(${precmd_functions[@]:#_linkpolicy_prompt})
    }
    typeset -ga precmd_functions
    precmd_functions=(${precmd_functions[@]:#_linkpolicy_prompt} _linkpolicy_prompt)
fi
""",
    "fish": rb"""function _linkpolicy_path
    set -l shims '/elsewhere/it\'s'
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
""",
    "nushell": rb"""def --env _linkpolicy_path [] {
    let shims = "/elsewhere/it's"
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
""",
    "powershell": rb"""$env:PATH = & {
    $shims = '/elsewhere/it''s'
    $others = @("$env:PATH".Split([IO.Path]::PathSeparator) | Where-Object { $_ -cne $shims })
    (@($shims) + $others) -join [IO.Path]::PathSeparator
}
""",
}
OLDER["sh"] = OLDER["bash"]
#: its own files, before it installed completions
OLDER_FILES = {
    "env.sh": rb"""_linkpolicy_path() {
    set -- '/elsewhere/it'\''s' ":${PATH-}:"
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
if [ -x '/elsewhere/it'\''s'/uv ]; then
    [ -n "${TOX_UV_PATH+set}" ] || export TOX_UV_PATH='/elsewhere/it'\''s'/uv
    [ -n "${UV+set}" ] || export UV='/elsewhere/it'\''s'/uv
    [ -n "${HATCH_ENV_TYPE_VIRTUAL_UV_PATH+set}" ] ||
        export HATCH_ENV_TYPE_VIRTUAL_UV_PATH='/elsewhere/it'\''s'/uv
fi
# And once more at the first prompt.
case $-${BASH_VERSION:+bash}${ZSH_VERSION:+zsh} in
*i*bash)
    eval '_linkpolicy_prompt() {
        _linkpolicy_path
        printf -v PROMPT_COMMAND %s "${PROMPT_COMMAND/_linkpolicy_prompt;/}" 2>&- || :
    }
    printf -v PROMPT_COMMAND %s "_linkpolicy_prompt;${PROMPT_COMMAND-}" 2>&- || :' ;;
*i*zsh)
    eval '_linkpolicy_prompt() {
        emulate -L zsh
        _linkpolicy_path
        [[ ${(t)precmd_functions} == *readonly* ]] ||
            precmd_functions=(${precmd_functions:#_linkpolicy_prompt} $1)
    }
    _linkpolicy_prompt _linkpolicy_prompt' ;;
esac
""",
    "env.fish": rb"""function _linkpolicy_path
    set -l shims '/elsewhere/it\'s'
    set -l others
    for directory in $PATH
        test "$directory" = "$shims"; or set others $others $directory
    end
    set -gx PATH $shims $others
end
_linkpolicy_path
if test -x '/elsewhere/it\'s'/uv # for programs that look here and not on PATH
    for name in TOX_UV_PATH UV HATCH_ENV_TYPE_VIRTUAL_UV_PATH
        set -q $name; or set -gx $name '/elsewhere/it\'s'/uv
    end
end
if status is-interactive
    # once more at the first prompt
    function _linkpolicy_prompt --on-event fish_prompt
        _linkpolicy_path
        functions --erase _linkpolicy_prompt
    end
end
""",
}
