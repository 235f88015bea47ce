"""The variables of the user on Windows: what setup puts there, and how it comes out again.

In the registry and not in start-up files: every shell, editor and service of the user gets PATH
from there. Path gets the directory of the shims in front of what the user has; the machine's Path
comes before that, whatever the user does. Programs that do not look at PATH find the shim in a
variable (`shell_lines.CLIENT_VARIABLES`), if neither user nor machine has set it.

Like the start-up files: what was there is on record before anything changes, what somebody else
changed in the meantime is left as it is, and only what we wrote is taken out.
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Protocol

from uvx_policy.errors import LinkPolicyError
from uvx_policy.setup import registry_path, shell_lines, shim_directories
from uvx_policy.setup.record import SetupRecord, Variable
from uvx_policy.setup.words import Problem
from uvx_policy.value import Value
from uvx_policy.windows import user_environment
from uvx_policy.windows.user_environment import REG_SZ, Stored

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from uvx_policy.setup.words import Lines

PATH = "Path"
_KEY = "HKEY_CURRENT_USER\\Environment"


def of_this_machine() -> Registry | None:
    """The registry, `None` where there is none."""
    return user_environment if sys.platform == "win32" else None


class Registry(Protocol):
    """The module `windows.user_environment`, or what a test has in its place."""

    def of_user(self, name: str, /) -> Stored | None:
        """Raises `OSError`."""

    def of_machine(self, name: str, /) -> Stored | None:
        """Raises `OSError`."""

    def set_for_user(self, name: str, value: Stored | None, /) -> None:
        """Raises `OSError`."""

    def tell_everybody(self) -> None:
        """Never raises."""


class Change(Value):
    """One variable: what it holds, and what it is going to hold (`None`: deleted)."""

    name: str
    now: Stored | None
    after: Stored | None

    @property
    def place(self) -> str:
        """Where it is, as `regedit` shows it."""
        return place_of(self.name)

    @property
    def entries(self) -> tuple[list[str], list[str]]:
        """What it lists now and afterwards, one by one."""
        before, after = (registry_path.entries(each, {}) for each in (self.now, self.after))
        return [entry.text for entry in before], [entry.text for entry in after]


def place_of(name: str) -> str:
    """The path of a variable of the user in the registry."""
    return f"{_KEY}\\{name}"


def insertions(
    registry: Registry,
    directory: str,
    record: SetupRecord | None,
    *,
    environ: Mapping[str, str],
    problems: list[Problem],
) -> tuple[Variable, ...]:
    """What the variables are going to be, those that are so already included. Reads only.

    `environ`: what `%NAME%` stands for. What cannot be changed becomes a problem.
    """
    known = {each.name: each for each in (record.variables if record else ())}
    wanted = []
    for name in (PATH, *shell_lines.CLIENT_VARIABLES):
        with _noting(name, problems):
            now = registry.of_user(name)
            before = known.get(name)
            if name == PATH:
                wanted.append(_path(registry, now, before, directory, environ))
            elif _is_free(registry, name, now, before):
                shim = shim_directories.path_of(directory, "uv")
                wanted.append(Variable(name=name, before=None, after=_text(shim)))
    return tuple(wanted)


def changes(registry: Registry, wanted: Iterable[Variable]) -> tuple[Change, ...]:
    """Which of them differ from what is there. Raises `OSError`."""
    found = (Change(name=each.name, now=registry.of_user(each.name), after=each.after)
             for each in wanted)  # fmt: skip
    return tuple(change for change in found if change.now != change.after)


def removals(
    registry: Registry,
    record: SetupRecord | None,
    directories: Sequence[str],
    problems: list[Problem],
) -> tuple[Change, ...]:
    """What takes all of it out again; `directories`: of shims. Reads only."""
    known = {each.name: each for each in (record.variables if record else ())}
    found = []
    for name in (PATH, *shell_lines.CLIENT_VARIABLES):
        with _noting(name, problems):
            now = registry.of_user(name)
            before = known.get(name)
            after = now
            if before is not None and now == before.after:
                after = before.before
            if name == PATH:
                for directory in directories:
                    after = registry_path.without(after, directory)
            elif now in [_text(shim_directories.path_of(each, "uv")) for each in directories]:
                after = None
            if after != now:
                found.append(Change(name=name, now=now, after=after))
    return tuple(found)


def carry_out(registry: Registry, planned: Sequence[Change], lines: Lines) -> None:
    """Change the variables, or say why not; then tell whoever listens."""
    done = False
    for change in planned:
        with _noting(change.name, lines.problems):
            now = registry.of_user(change.name)
            if now == change.after:  # another run of ours was faster
                continue
            if now != change.now:
                raise LinkPolicyError("was changed by another program just now; run this again")
            registry.set_for_user(change.name, change.after)
            done = True
            lines.append(told(change, done=True))
    if done:
        registry.tell_everybody()


def told(change: Change, *, done: bool = False) -> str:
    """One line of a plan, or of what was `done`."""
    verb = "create" if change.now is None else "change"
    verb = "delete" if change.after is None else verb
    return f"{verb}{'d' if done else ''}  {change.place}"


def _path(
    registry: Registry,
    now: Stored | None,
    before: Variable | None,
    directory: str,
    environ: Mapping[str, str],
) -> Variable:
    if before is not None and now == before.after:
        original = before.before
    else:
        original = registry_path.without(now, directory)
    if now is not None and registry_path.is_first(now, directory, environ):
        return Variable(name=PATH, before=original, after=now)
    after = registry_path.with_first(now, directory)
    length = registry_path.length(registry.of_machine(PATH), after, environ)
    if length > registry_path.LONGEST:
        raise LinkPolicyError(
            f"would make a PATH of {length:,} characters, and programs get at most "
            f"{registry_path.LONGEST:,}: remove entries that nobody needs"
        )
    return Variable(name=PATH, before=original, after=after)


def _is_free(registry: Registry, name: str, now: Stored | None, before: Variable | None) -> bool:
    """May we set it: is it ours, or nobody's?"""
    if now is not None:
        return before is not None and now == before.after
    return registry.of_machine(name) is None


def _text(text: str) -> Stored:
    return Stored(REG_SZ, f"{text}\0".encode("utf-16-le", "surrogatepass"))


@contextlib.contextmanager
def _noting(name: str, problems: list[Problem]) -> Iterator[None]:
    """What is wrong with the variable becomes a problem."""
    try:
        yield
    except OSError as error:
        problems.append(Problem(place_of(name), error.strerror or str(error)))
    except LinkPolicyError as error:
        problems.append(Problem(place_of(name), str(error)))
