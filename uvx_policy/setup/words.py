"""Plans of `setup` and `uninstall` as text: steps, paths, diffs. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from uvx_policy.terminal import words
from uvx_policy.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from uvx_policy.setup.startup_file import Snapshot


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


class Shown:
    """Paths as people read them: `~/.bashrc`."""

    def __init__(self, home: str) -> None:
        self.home = home

    def __call__(self, path: str) -> str:
        """The path, safe to show."""
        return words.path(path, self.home)


def planned(edit: Edit, shown: Shown) -> str:
    """One line of a plan."""
    verb = "create" if edit.before.content is None else "change"
    return f"{'delete' if edit.after is None else verb}  {shown(edit.before.path)}"


def done(edit: Edit, shown: Shown) -> str:
    """One line of what was done."""
    verb = "created" if edit.before.content is None else "changed"
    return f"{'deleted' if edit.after is None else verb}  {shown(edit.before.path)}"


def left_alone(problem: Problem, shown: Shown) -> str:
    """One line about what should change and cannot."""
    if not problem.path:
        return problem.reason
    return f"left alone: {shown(problem.path)}: {problem.reason}"


def rendered(
    command: str,
    *,
    steps: Sequence[str],
    edits: Sequence[Edit],
    closing: Sequence[str],
    shown: Shown,
) -> str:
    """The whole of `--dry-run`: the steps, the start-up files as a diff, then what else matters."""
    lines = [f"Would `linkpolicy {command}` as follows. Nothing was changed.", ""]
    lines += [f"  {step}" for step in steps]
    for edit in edits:
        lines += ["", *_diff(edit, shown(edit.before.path))]
    if closing:
        lines += [*([""] if closing[0] else []), *closing]
    return "\n".join(lines)


def _diff(edit: Edit, path: str) -> Iterator[str]:
    import difflib  # late: the doctor reads plans, and shows none

    old, new = _lines(edit.before.content), _lines(edit.after)
    from_file = "/dev/null" if edit.before.content is None else path
    to_file = "/dev/null" if edit.after is None else path
    header = True
    for line in difflib.unified_diff(old, new, from_file, to_file, lineterm=""):
        header = header and not line.startswith("@@")
        yield words.safe(line.removesuffix("\n").expandtabs())
        if not header and line[0] in " +-" and not line.endswith("\n"):
            yield "\\ No newline at end of file"


def _lines(content: bytes | None) -> list[str]:
    """Lines with their ends; only a line feed ends one, whatever `str.splitlines` thinks."""
    *ended, last = (content or b"").decode("utf-8", "surrogateescape").split("\n")
    return [*(f"{line}\n" for line in ended), *([last] if last else [])]
