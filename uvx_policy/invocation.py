"""uv's command line, parsed just far enough to know where it will link files. Pure.

`parse` never fails: what it does not understand it says it does not understand (`uncertain`).
"""

from __future__ import annotations

from uvx_policy.record import Record


class Invocation(Record):
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

    def has(self, name: str) -> bool:
        """Was this option given?"""
        return name in self.options

    def value(self, name: str) -> str | None:
        """Its last value, `None` when not given."""
        values = self.options.get(name)
        return values[-1] if values else None

    def switch(self, on: str, off: str) -> bool | None:
        """A pair such as --active/--no-active: the last one given wins, `None` when neither."""
        for name in reversed(self.flag_order):
            if name in (on, off):
                return name == on
        return None


def parse(program: str, arguments: tuple[str, ...]) -> Invocation:
    """Understand one call. `program` is "uv" or "uvx"; `arguments` excludes argv[0]."""
    raise NotImplementedError
