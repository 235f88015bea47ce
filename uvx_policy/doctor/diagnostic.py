"""What a check reports: one value, rendered as text or as JSON."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from uvx_policy.terminal.command import Hint
from uvx_policy.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from typing_extensions import Self

    from uvx_policy.doctor.case import Case
    from uvx_policy.terminal.command import Command, ShellLine

#: worst first
Status: TypeAlias = Literal["fail", "crash", "warn", "skip", "pass"]
Group: TypeAlias = Literal[
    "installation", "clients", "configuration", "project", "environment", "caches"
]


class Fix(Hint):
    """How to fix what was found."""

    #: loses nothing and can be taken back: `doctor --fix` does it itself (`Check.fix`)
    safe: bool = False
    #: another way, for another intention
    otherwise: Hint | None = None

    @classmethod
    def by(cls, text: str, *commands: Command | ShellLine, safe: bool = False) -> Self:
        """What these commands do, typed one after the other."""
        return cls(text=text, commands=commands, safe=safe)


class Diagnostic(NamedTuple):
    """One result as the check itself yields it; the engine adds id, title, group and time."""

    status: Status
    #: what is so, and why it matters: one or two sentences
    detail: str = ""
    fix: Fix | None = None
    paths: tuple[str, ...] = ()
    #: what could be saved, or what is concerned; `None` when bytes have nothing to do with it
    bytes: int | None = None


#: paths that one finding names
MOST_NAMED = 100

# Called with all but the status.
fail = partial(Diagnostic, "fail")
warn = partial(Diagnostic, "warn")
skip = partial(Diagnostic, "skip")
fine = partial(Diagnostic, "pass")


class Finding(Value):
    """One result of one check, as it is reported: a `Diagnostic`, and whose it is."""

    id: str
    title: str
    group: str
    status: Status
    detail: str = ""
    fix: Fix | None = None
    paths: tuple[str, ...] = ()
    bytes: int | None = None
    #: how long the check took
    ms: float = 0.0


class Deed(NamedTuple):
    """One thing that a fix does. It holds what was seen when it was planned."""

    #: lines that say what would be done
    would: tuple[str, ...]
    #: does it where there is still what was seen, and yields a line for each thing done; raises
    #: `OSError` and `LinkPolicyError` for what was left or failed
    do: Callable[[], Iterable[str]]


class Check(NamedTuple):
    """One named check. `look` may raise anything: that becomes a finding of status "crash"."""

    #: stable, of [a-z-]: `linkpolicy doctor ID`
    id: str
    #: what is claimed when all is well: "The shims come first on PATH"
    title: str
    #: yields nothing when all is well, or findings, or one "skip" with the reason
    look: Callable[[Case], Iterable[Diagnostic]]
    #: plans what fixes what `look` found with a safe fix, and changes nothing; raises what a deed
    #: raises. `None`: there is nothing safe to do
    fix: Callable[[Case], Iterable[Deed]] | None = None
    #: computes once (`Case.once`) what `look` needs and has to wait for, before any check has its
    #: turn; what it raises is dropped
    begin: Callable[[Case], object] | None = None
    #: only with --verify: reads every byte
    thorough: bool = False
    #: filled in where `engine` loads it: the group whose `CHECKS` have it
    group: str = ""
