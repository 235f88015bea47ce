"""Plans of `setup` and `uninstall` as text: steps, paths, diffs. Pure."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from uvx_policy.safe import safe
from uvx_policy.terminal import words
from uvx_policy.terminal.command import shell_of
from uvx_policy.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from uvx_policy.setup.leftovers import Leftover
    from uvx_policy.setup.user_variables import Change
    from uvx_policy.state.user_file import Snapshot

#: a path as people read it: `~/.bashrc`
Shown: TypeAlias = "Callable[[str], str]"


class Edit(Value):
    """One start-up file: what it holds, and what it is going to hold (`None`: deleted)."""

    before: Snapshot
    after: bytes | None
    #: directories to make for it, outermost first
    directories: tuple[str, ...] = ()


class Problem(NamedTuple):
    """Something that should change and is left alone. `path`: absolute, "" for no file."""

    path: str
    reason: str


class Lines(list[str]):
    """What was done, for people; `problems`: what had to be left alone.

    `left`: shims that run, which the next run deletes.
    """

    def __init__(self, home: str, problems: Sequence[Problem]) -> None:
        super().__init__()
        self.shown = shown_from(home)
        self.problems = [*problems]
        self.left: list[str] = []

    @property
    def complete(self) -> bool:
        """Was everything done?"""
        return not self.problems

    @property
    def failed(self) -> set[str]:
        """The paths that were left alone."""
        return {problem.path for problem in self.problems}


def shown_from(home: str) -> Shown:
    """What shows paths to the user who lives in `home`."""
    return partial(words.path, home=home)


def told(edit: Edit, shown: Shown, *, done: bool = False) -> str:
    """One line of a plan, or of what was `done`."""
    verb = "create" if edit.before.content is None else "change"
    verb = "delete" if edit.after is None else verb
    return f"{verb}{'d' if done else ''}  {shown(edit.before.path)}"


def remarks(problems: Sequence[Problem], notes: Sequence[str], shown: Shown) -> list[str]:
    """What could not be done, and what else somebody should know."""
    lines = [
        f"left alone: {shown(path)}: {reason}" if path else reason for path, reason in problems
    ]
    lines += [f"note: {note}" for note in notes]
    return ["", *lines] if lines else []


def staying(leftovers: Sequence[Leftover], shown: Shown) -> Iterator[str]:
    """What stays on the disk, how much that is, and how to remove it."""
    shell = shell_of()
    if leftovers:
        yield ""
        yield "This stays on the disk until you remove it:"
    for each in leftovers:
        at_least = "" if each.is_complete else "at least "
        yield f"  {shown(each.path)}  ({each.what}, {at_least}{words.size(each.bytes)})"
        yield f"    {each.command.rendered(shell)}"


def rendered(
    command: str,
    steps: Sequence[str],
    edits: Sequence[Edit],
    closing: Sequence[str],
    shown: Shown,
    *,
    variables: Sequence[Change] = (),
) -> str:
    """The whole of `--dry-run`: the steps, what changes as a diff, then what else matters."""
    lines = [f"Would `linkpolicy {command}` as follows. Nothing was changed.", ""]
    lines += [f"  {step}" for step in steps]
    for edit in edits:
        old, new = edit.before.content, edit.after
        path = shown(edit.before.path)
        lines += [
            "",
            *_diff(
                _lines(old),
                _lines(new),
                old_name=path if old is not None else "",
                new_name=path if new is not None else "",
            ),
        ]
    for change in variables:
        now, after = ([f"{entry}\n" for entry in entries] for entries in change.entries)
        lines += ["", *_diff(now, after, old_name=change.place, new_name=change.place)]
    return "\n".join([*lines, *closing])


def _diff(old: list[str], new: list[str], *, old_name: str, new_name: str) -> Iterator[str]:
    import difflib  # late: the doctor reads plans, and shows none

    names = (old_name or "/dev/null", new_name or "/dev/null")
    header = True
    for line in difflib.unified_diff(old, new, *names, lineterm=""):
        header = header and not line.startswith("@@")
        yield safe(line.removesuffix("\n").expandtabs())
        if not header and line[0] in " +-" and not line.endswith("\n"):
            yield "\\ No newline at end of file"


def _lines(content: bytes | None) -> list[str]:
    """Lines with their ends; only a line feed ends one, whatever `str.splitlines` thinks."""
    *ended, last = (content or b"").decode("utf-8", "surrogateescape").split("\n")
    return [*(f"{line}\n" for line in ended), *([last] if last else [])]
