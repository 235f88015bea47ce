"""Commands that people are told to type: values, rendered for a shell at the edge.

Nothing here is shell text. Words are quoted only when a command is shown, and only then is it
decided what calls `linkpolicy` and `uv` in this shell.
"""

from __future__ import annotations

import os
import shlex
import sys
from typing import TYPE_CHECKING

from uvx_policy import locate
from uvx_policy.terminal.words import user
from uvx_policy.value import Value

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME = "linkpolicy"
#: subcommands of uv that link files into an environment, or make one
_LINKING = (("add",), ("remove",), ("run",), ("sync",), ("venv",))


class Shell(Value):
    """What matters of the shell in which commands are going to be typed."""

    #: what calls linkpolicy there: its name, or its path where PATH does not find it
    linkpolicy: str = _NAME
    #: `uv` there is the shim and runs under policy
    has_shim: bool = True


class Command(Value):
    """One command."""

    words: tuple[str, ...]
    #: environment variables of this command alone
    variables: tuple[tuple[str, str], ...] = ()

    def rendered(self, shell: Shell) -> str:
        """As it is typed in a shell like sh.

        Where `uv` is not the shim, `uv sync` would make again what it is to fix: there it runs
        through `linkpolicy run`.
        """
        words = self.words
        links = words[1:3] == ("pip", "install") or words[1:2] in _LINKING
        if not shell.has_shim and words[0] == "uv" and links:
            words = (_NAME, "run", "--", *words)
        if words[0] == _NAME:
            words = (shell.linkpolicy, *words[1:])
        variables = (f"{name}={_quoted(value)}" for name, value in self.variables)
        return " ".join((*variables, *map(_quoted, words)))

    def __str__(self) -> str:
        return self.rendered(Shell())


class ShellLine(Value):
    """A line in the user's own shell's language, as `setup.shells` writes it."""

    text: str

    def rendered(self, _: Shell) -> str:
        """The line itself."""
        return self.text

    def __str__(self) -> str:
        return self.text


class Hint(Value):
    """What to do next: a sentence, and what to type for it."""

    #: imperative, no full stop: "Restore the original files"
    text: str = ""
    #: typed one after the other, each only if the one before worked
    commands: tuple[Command | ShellLine, ...] = ()

    def typed(self, shell: Shell) -> str:
        """The commands in one line, "" when there are none."""
        return " && ".join(each.rendered(shell) for each in self.commands)


def command(*words: str, **variables: str) -> Command:
    """`command("uv", "sync", UV_OFFLINE="0")`."""
    return Command(words=words, variables=tuple(variables.items()))


def chown(path: str, *, uid: int, gid: int) -> Command:
    """What gives everything below `path` to a user, who types it."""
    sudo = ("sudo",) if uid else ()
    return command(*sudo, "chown", "-R", f"{uid}:{gid}", path)


def as_user(uid: int, *words: str) -> Command:
    """What root types to have another user do it (sudo(8))."""
    name = user(uid)
    return command("sudo", "-u", f"#{uid}" if name == str(uid) else name, *words)


def shell_of(environ: Mapping[str, str] = os.environ) -> Shell:
    """The shell that called us, and gave us these variables."""
    search_path = environ.get("PATH", "")
    called = sys.argv[0] if sys.argv else ""
    # PATH has none after `.venv/bin/linkpolicy setup`, until the next shell.
    name = _NAME
    if os.path.basename(called) == _NAME and os.path.dirname(called):
        name = _NAME if _first(_NAME, search_path) else os.path.abspath(called)
    return Shell(linkpolicy=name, has_shim=locate.is_ours(_first("uv", search_path)))


def _quoted(word: str) -> str:
    """One word for a shell; `$'...'` (bash, zsh, POSIX.1-2024) where it has what does not print."""
    if word.isprintable():
        return shlex.quote(word)
    raw = os.fsencode(word).decode("latin-1")
    inside = "".join(
        f"\\{char}" if char in "\\'" else char if " " <= char <= "~" else f"\\x{ord(char):02x}"
        for char in raw
    )
    return f"$'{inside}'"


def _first(program: str, search_path: str) -> str:
    """What a shell starts for `program`, "" for nothing."""
    for directory in locate.directories_on(search_path):
        path = os.path.join(directory or ".", program)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return ""
