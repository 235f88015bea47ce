"""The terminal of every command: what is printed, and questions.

Lines are written here, and rich is imported for tables only: it takes longer than most commands.
"""

from __future__ import annotations

import os
import re
import sys
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from uvx_policy.errors import UsageError
from uvx_policy.safe import safe
from uvx_policy.state import layout
from uvx_policy.terminal import words
from uvx_policy.terminal.command import shell_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import TextIO

    from rich.console import RenderableType

    from uvx_policy.terminal.command import Hint, Shell

#: text, or text and its style: words of `_CODES`
Part: TypeAlias = "str | tuple[str, str]"
#: one line
Parts: TypeAlias = "tuple[Part, ...]"

_CODES = {
    "bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "magenta": "35",
    "cyan": "36",
}  # fmt: skip
#: text is not wider than this: long lines are hard to follow
_WIDEST = 100
_NARROWEST = 20
#: a table in a pipe has whole cells
_ENDLESS = 10_000
#: what is never broken: commands in backticks, and words
_WORDS = re.compile(r"\s+|`[^`]+`|[^\s`]+|`")


class Signs(NamedTuple):
    """What stands for what; `PLAIN` where the output cannot encode the others."""

    shared: str = "█"
    save: str = "▒"
    private: str = "░"
    at_least: str = "≥"
    at_most: str = "≤"
    cut: str = "…"
    rule: str = "─"
    fail: str = "✗"
    crash: str = "‼"
    passed: str = "✓"


class Manner(NamedTuple):
    """How all consoles of this process print, as the command line says."""

    #: "auto", "always" or "never"
    color: str = "auto"
    #: print nothing to stdout: the exit code tells
    is_quiet: bool = False


_manner = Manner()


def use(manner: Manner) -> None:
    """Print in this manner from now on."""
    global _manner  # noqa: PLW0603 (of the process, as the streams are)
    _manner = manner


PLAIN = Signs("#", "+", ".", ">=", "<=", "...", "-", "x", "#", "+")


class Console:
    """Where everything for people goes. What is printed is made safe here, and nowhere else."""

    def __init__(
        self,
        environ: Mapping[str, str] | None = None,
        stream: TextIO | None = None,
        *,
        width: int | None = None,
    ) -> None:
        """`environ`: the process's variables; `width`: cells of a line, looked up by default."""
        self._stream = stream or sys.stdout
        self._environ = environ = dict(os.environ if environ is None else environ)
        self.home = layout.home(environ, sys.platform)
        self.encoding = getattr(self._stream, "encoding", None) or "ascii"
        self.is_terminal = self._stream.isatty()
        self.signs = Signs() if _can_encode("".join(Signs()), self.encoding) else PLAIN
        #: cells of a line; 0 in a pipe: nothing is wrapped or cut
        self.width = self._found_width() if width is None else width
        self._is_silent = _manner.is_quiet and stream is None
        self._has_color = _manner.color == "always" or (
            _manner.color == "auto"
            and not environ.get("NO_COLOR")
            and (
                bool(environ.get("FORCE_COLOR"))
                or (self.is_terminal and environ.get("TERM") not in ("dumb", "unknown"))
            )
        )

    @property
    def shell(self) -> Shell:
        """The shell that commands are typed into."""
        return shell_of(self._environ)

    def path(self, path: str) -> str:
        """`~/.cache/uv`."""
        return words.path(path, self.home)

    # Output --------------------------------------------------------------------------------------

    def say(self, *line: Part, end: str = "\n") -> None:
        """Print one line, never broken."""
        runs = groupby(((plain(part), _style(part)) for part in line), key=lambda part: part[1])
        text = "".join(self._styled("".join(text for text, _ in run), style) for style, run in runs)
        if not self._is_silent:
            self._stream.write(f"{text}{end}")

    def say_all(self, lines: Iterable[Parts]) -> None:
        """Print lines."""
        for line in lines:
            self.say(*line)

    def wrap(self, first: Parts, *text: Part) -> None:
        """Print text beside `first`, and below, indented as far, what does not fit a terminal."""
        indent = sum(words.cells(self.safe(plain(part))) for part in first)
        room = max(min(self.width, _WIDEST) - indent, _NARROWEST)
        for line in _wrapped(text, room, self.safe) if self.width else [text]:
            self.say(*first, *line)
            first = (" " * indent,)

    def hint(self, hint: Hint, indent: str = "") -> None:
        """Print what to do next, whole: it is there to be copied."""
        typed = hint.typed(self.shell)
        colon = ": " if hint.text and typed else ""
        self.say(indent, ("hint", "bold cyan"), f": {hint.text}{colon}", (typed, "bold"))

    def show(self, table: RenderableType) -> None:
        """Print what rich draws."""
        if self._is_silent:
            return
        from rich.console import Console as Rich

        class Quiet(Rich):
            def on_broken_pipe(self) -> None:
                # rich ends with 1, which is a finding here; `cli.main` knows better.
                raise BrokenPipeError

        Quiet(
            file=self._stream, width=self.width or _ENDLESS, highlight=False, markup=False,
            emoji=False, force_terminal=self._has_color, color_system="auto",
        ).print(table)  # fmt: skip

    # Questions -----------------------------------------------------------------------------------

    def ask(self, *question: Part) -> bool:
        """Ask on the terminal, and tell whether the answer was yes."""
        self.say(*question, " [y/N] ", end="")
        self._stream.flush()
        answer = sys.stdin.readline()
        if not answer:  # Ctrl-D
            self.say()
        return answer.strip().lower() in ("y", "yes")

    # ---------------------------------------------------------------------------------------------

    def safe(self, text: str) -> str:
        """The text as this terminal can show it."""
        text = safe(text)
        if not _can_encode(text, self.encoding):
            text = text.encode(self.encoding, "backslashreplace").decode(self.encoding)
        return text

    def _styled(self, text: str, style: str) -> str:
        text = self.safe(text)
        if not (style and text and self._has_color):
            return text
        return f"\x1b[{';'.join(_CODES[word] for word in style.split())}m{text}\x1b[0m"

    def _found_width(self) -> int:
        given = self._environ.get("COLUMNS", "")
        if given.isdecimal() and int(given):
            return int(given)
        if not self.is_terminal:
            return 0
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or 80
        except OSError:
            return 80


def can_ask() -> bool:
    """Is there somebody to ask?"""
    return not _manner.is_quiet and sys.stdin.isatty() and sys.stdout.isatty()


def check_can_ask(*, json: bool = False) -> None:
    """Raises `UsageError` where there is nobody, or the output is `json`."""
    if json or not can_ask():
        raise UsageError(
            "--json cannot ask"
            if json
            else "--quiet cannot ask"
            if _manner.is_quiet
            else "cannot ask without a terminal",
            hint="use --yes, or --dry-run to see what would be done",
        )


def plain(part: Part) -> str:
    """Without its style."""
    return part if isinstance(part, str) else part[0]


def _style(part: Part) -> str:
    return "" if isinstance(part, str) else part[1]


def _can_encode(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _wrapped(text: Sequence[Part], width: int, safe: Callable[[str], str]) -> list[list[Part]]:
    """Lines of at most `width` cells; a longer word, or command in backticks, stays whole."""
    lines: list[list[Part]] = [[]]
    room = width
    word: list[Part] = []
    space: list[Part] = []

    def place() -> None:
        nonlocal room
        needed = sum(words.cells(safe(plain(part))) for part in word)
        gap = sum(len(plain(part)) for part in space)
        if lines[-1] and gap + needed > room:
            lines.append([])
            room = width
        elif lines[-1]:
            lines[-1] += space
            room -= gap
        lines[-1] += word
        room -= needed
        word.clear()
        space.clear()

    for part in text:
        for piece in _WORDS.findall(plain(part)):
            if piece.isspace():
                if word:
                    place()
                space.append((piece, _style(part)))
            else:
                word.append((piece, _style(part)))
    if word:
        place()
    return lines
