"""uv's command line, parsed just far enough to know where it will link files. Pure.

`parse` never fails: what it does not understand it says it does not understand (`uncertain`).
"""

from __future__ import annotations

from uvx_policy.uv.options import (
    ALIASES,
    COMMANDS,
    DETAILED_POSITIONALS,
    DETAILS,
    EXTERNAL,
    KEEPS_POSITIONALS,
    NAMESPACES,
    SCRIPT_FLAGS,
    SIGNIFICANT,
    spellings,
)
from uvx_policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container


class Invocation(Value):
    """One call of `uv` or `uvx`, understood."""

    #: "uv" or "uvx"; a `uvx` call has command ("tool", "run")
    program: str
    #: the words as given, without argv[0], never changed
    arguments: tuple[str, ...]
    #: canonical words of the subcommand, aliases resolved: ("sync",), ("pip", "install"),
    #: ("tool", "run"), ("venv",); () when there is none
    command: tuple[str, ...] = ()
    #: canonical long option name without dashes ("python", "link-mode", "no-cache") ->
    #: its values in the order given; a flag has one "" for each time it was given.
    #: A global option given at several levels holds the innermost level's values only (uv's rule).
    options: dict[str, tuple[str, ...]] = {}  # noqa: RUF012 (never mutated)
    #: the order in which on/off pairs were given is kept here: names of flags in order
    flag_order: tuple[str, ...] = ()
    #: positional words before the external command, without "--"
    positionals: tuple[str, ...] = ()
    #: the external command of `uv run` / `uvx` / `uv tool run`, verbatim; `None` when there is none
    external: tuple[str, ...] | None = None
    #: uv will only print something (--help, --version, help ...) and link nothing
    informative: bool = False
    #: an option or subcommand that the table does not know: nothing else here can be trusted
    uncertain: bool = False
    #: the words that a decision may depend on, verbatim and in order: `(sub)commands`, options in
    #: `SIGNIFICANT` with their values, positional words of `KEEPS_POSITIONALS`, and the first word
    #: of an external command, or `PLAIN` for one that can only be a program's name
    significant: tuple[str, ...] = ()
    #: the same with the words that a decision may look at in detail: those in `DETAILS`, and
    #: positional words of `DETAILED_POSITIONALS`
    detailed: tuple[str, ...] = ()
    #: only `significant` was kept of the words: the others cannot be asked for
    is_short: bool = False

    def has(self, name: str) -> bool:
        """Tell whether this option was given. `name` is in `SIGNIFICANT`."""
        return bool(self.values(name))

    def value(self, name: str) -> str | None:
        """Give its last value, `None` when not given."""
        values = self.values(name)
        return values[-1] if values else None

    def values(self, name: str) -> tuple[str, ...]:
        """Give all its values, in order.

        Raises `LookupError` for an option that is not in `SIGNIFICANT`, nor in `DETAILS` where
        these were kept: a record's key leaves it out, so no decision may depend on it.
        """
        if name not in SIGNIFICANT and (self.is_short or name not in DETAILS):
            raise LookupError(f"{name} is not in SIGNIFICANT")
        return self.options.get(name, ())

    def switch(self, on: str, off: str) -> bool | None:
        """Decide a pair such as --active/--no-active: the last one wins, `None` when neither."""
        if on not in SIGNIFICANT or (off and off not in SIGNIFICANT):
            raise LookupError(f"{on} or {off} is not in SIGNIFICANT")
        for name in reversed(self.flag_order):
            if name in (on, off):
                return name == on
        return None


#: what a word consists of that can be no path, no URL and no file with a suffix
PROGRAM_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
#: stands for the first word of an external command where only its being there matters
PLAIN = "_"


def parse(program: str, arguments: tuple[str, ...]) -> Invocation:
    """Understand one call. `program` is "uv" or "uvx"; `arguments` excludes argv[0].

    Never raises, whatever the words are. The rules are those of clap, uv's parser. What uv's usage
    forbids about options (no value, a value for a flag, an unknown spelling) is `uncertain`; other
    usage errors (twice the same option, too many words) are not looked for, uv finds them itself.
    """
    # `uvx` starts the uv beside it as `uv tool uvx ...`: the same options as `uv tool run`.
    level = _Level("tool run" if program == "uvx" else "", arguments, 0)
    given = level.given
    uncertain = level.uncertain
    significant, detailed = level.kept, level.detailed
    while level.child:
        level = _Level(level.child, arguments, level.end + 1)
        inner = [name for name, _ in level.given]
        given = [option for option in given if option[0] not in inner] + level.given
        uncertain = uncertain or level.uncertain
        significant += level.kept
        detailed += level.detailed

    values: dict[str, list[str]] = {}
    for name, value in given:
        values.setdefault(name, []).append(value or "")
    return Invocation(
        program=program,
        arguments=arguments,
        command=tuple(level.command.split()),
        options={name: tuple(several) for name, several in values.items()},
        flag_order=tuple(name for name, value in given if value is None),
        positionals=tuple(level.positionals),
        external=level.external,
        informative=_informative(level, values),
        uncertain=uncertain,
        significant=tuple(significant),
        detailed=tuple(detailed),
    )


def parse_significant(program: str, arguments: tuple[str, ...]) -> Invocation:
    """Understand as much of one call as a decision may depend on, and nothing else of it.

    What a record's key leaves out cannot be asked for: two calls with the same significant words
    give the same `Invocation` (but for `arguments`, the words as given).
    """
    whole = parse(program, arguments)
    if whole.uncertain:
        return whole
    return parse(program, whole.significant).replace(arguments=arguments, is_short=True)


def parse_detailed(program: str, arguments: tuple[str, ...]) -> Invocation:
    """Understand all that a decision may depend on in detail.

    Whoever asks for it says so (`Witnesses.look_closer`): its record has another key.
    """
    whole = parse(program, arguments)
    return parse(program, whole.detailed).replace(arguments=arguments)


def _informative(level: _Level, options: Container[str]) -> bool:
    """Tell whether uv will only print something. `level` is the innermost."""
    if level.printed or level.command in ("help", "generate-shell-completion"):
        return True
    if "show-settings" in options:
        # Up to 0.10.12 `uv version` does not heed it, and may sync the project.
        return level.command != "version"
    if level.command == "tool run":
        return level.external is None or "generate-shell-completion" in options
    return level.command in NAMESPACES and level.end == len(level.arguments)


class _Level:
    """What stands between one (sub)command's words and those of its subcommand, or the end."""

    def __init__(self, command: str, arguments: tuple[str, ...], start: int) -> None:
        """`command` is a key of `COMMANDS`, its words end before `arguments[start]`."""
        self.command = command
        self.arguments = arguments
        #: index of the first word that is not of this level
        self.end = start
        #: (canonical name, value or `None` for a flag), in order
        self.given: list[tuple[str, str | None]] = []
        self.positionals: list[str] = []
        self.external: tuple[str, ...] | None = None
        #: the subcommand that follows, a key of `COMMANDS`; "" when none does
        self.child = ""
        #: --help or --version was met: uv prints it at once and reads no further
        self.printed = False
        self.uncertain = False
        #: what `Invocation.significant` takes from this level, the subcommand's word included
        self.kept: list[str] = []
        #: and what `Invocation.detailed` does
        self.detailed: list[str] = []
        self._read()

    def _read(self) -> None:
        namespace = self.command in NAMESPACES
        while not self.printed and self.end < len(self.arguments):
            word = self.arguments[self.end]
            if namespace:
                # Before options, because one alias looks like an option.
                self.child = _subcommand(self.command, word)
                if self.child:
                    self._keep(word)
                    return
            if word in ("--", "-") or word[:1] != "-":
                if namespace:
                    self.uncertain = True
                    return
                if word == "--" or self.command in EXTERNAL:
                    self._read_rest(self.end + (word == "--"))
                    return
                self.positionals.append(word)
                self._keep_positionals(word)
                self.end += 1
            else:
                self._read_option(word)

    def _read_option(self, word: str) -> None:
        before, start = len(self.given), self.end
        self.end += 1
        (self._read_long if word[:2] == "--" else self._read_short)(word)
        names = [name for name, _ in self.given[before:]]
        if any(name in SIGNIFICANT for name in names):
            self._keep(*self.arguments[start : self.end])
        elif any(name in DETAILS for name in names):
            self.detailed += self.arguments[start : self.end]

    def _keep(self, *kept: str) -> None:
        self.kept += kept
        self.detailed += kept

    def _keep_positionals(self, *several: str) -> None:
        if self.command in KEEPS_POSITIONALS:
            self._keep(*several)
        elif self.command in DETAILED_POSITIONALS:
            self.detailed += several

    def _read_rest(self, start: int) -> None:
        rest = self.arguments[start:]
        if self.command not in EXTERNAL:
            self.positionals += rest
            self._keep_positionals(*self.arguments[self.end :])
        elif rest:
            self.external = rest
            self._keep("--", self._target(rest[0]))
        self.end = len(self.arguments)

    def _target(self, word: str) -> str:
        """Give the first word of an external command if it may name a file, else `PLAIN`."""
        if self.command == "tool run":
            return PLAIN
        if any(name in SCRIPT_FLAGS for name, _ in self.given):
            return word
        # Not str.isalnum: the launcher knows ASCII only.
        plain = not word.strip(PROGRAM_CHARACTERS) and word[0] != "-" if word else False
        return PLAIN if plain else word

    def _read_long(self, word: str) -> None:
        spelling, equals, value = word.partition("=")
        name = spellings(self.command).get(spelling)
        if name is None:
            self.uncertain = True
        elif name[-1] == "=":
            self._take(name[:-1], value if equals else self._next_value())
        elif equals:
            self.uncertain = True
        else:
            self._flag(name)

    def _read_short(self, word: str) -> None:
        known = spellings(self.command)
        for index in range(1, len(word)):
            name = known.get("-" + word[index])
            if name is None:
                self.uncertain = True
                return
            if name[-1] == "=":
                attached = word[index + 1 :]
                given = attached or self._next_value()
                self._take(name[:-1], attached[1:] if attached[:1] == "=" else given)
                return
            self._flag(name)
            if self.printed:
                return

    def _next_value(self) -> str | None:
        """Take the next word as an option's value; `None` when uv would not."""
        if self.end == len(self.arguments):
            return None
        word = self.arguments[self.end]
        if word[:1] == "-" and word != "-":
            return None
        self.end += 1
        return word

    def _take(self, name: str, value: str | None) -> None:
        if value is None:
            self.uncertain = True
        else:
            self.given.append((name, value))

    def _flag(self, name: str) -> None:
        self.given.append((name, None))
        self.printed = name in ("help", "version")


def _subcommand(command: str, word: str) -> str:
    """Find the key in `COMMANDS` of what `word` names below `command`; "" when nothing."""
    # A key is several words: `uv "pip install"` and `uv ""` are none.
    if not word or " " in word:
        return ""
    name = f"{command} {word}" if command else word
    return ALIASES.get(name, name if name in COMMANDS else "")
