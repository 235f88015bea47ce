"""Watches a test that says `@pytest.mark.fixes(ID, by=...)`, and judges whether it does.

Such a test makes a fault for real. It has proven something when the check ID found the fault, the
check's own fix was then carried out, and the check found nothing any more when it looked last:

- `by="typing"`: the command of the fix, letter for letter, in a shell;
- `by="fix"`: what `linkpolicy doctor --fix` does;
- `by="hand: why"`: the fix has no command, or `why` says why it cannot be typed in a test.

`test_proofs.py` holds that there is such a test for each check.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from tests.doctor.checks import typed
from uvx_policy.doctor.diagnostic import Diagnostic

HAND = "hand: "
_ILL = ("fail", "crash", "warn")


class Look(NamedTuple):
    """What one check said at one time: what is not well, and the commands of its fixes."""

    check: str
    ill: bool
    commands: tuple[str, ...]


class Witness:
    """All that happened in one test, in order."""

    def __init__(self) -> None:
        #: looks, typed lines (`str`), and `None` for each fixing by `--fix`
        self._seen: list[Look | str | None] = []

    def begin(self) -> None:
        """Forget the test before."""
        self._seen.clear()

    def saw(self, check: str, told: Iterable[Diagnostic]) -> None:
        """A check was asked itself."""
        wrong = [each for each in told if each.status in _ILL]
        commands = tuple(typed(each.fix) for each in wrong if each.fix is not None)
        self._seen.append(Look(check, bool(wrong), commands))

    def saw_json(self, findings: Iterable[dict[str, Any]]) -> None:
        """The doctor was asked."""
        found: dict[str, list[dict[str, Any]]] = {}
        for each in findings:
            found.setdefault(each["id"], []).append(each)
        for check, several in found.items():
            wrong = [each for each in several if each["status"] in _ILL]
            commands = tuple(each["fix"]["command"] for each in wrong if each["fix"])
            self._seen.append(Look(check, bool(wrong), commands))

    def typed(self, line: str) -> None:
        self._seen.append(line)

    def fixed(self) -> None:
        self._seen.append(None)

    def judge(self, check: str, by: str) -> None:
        """Raise `AssertionError` when this is no proof that the check's own fix fixes."""
        looks = [
            (number, each)
            for number, each in enumerate(self._seen)
            if isinstance(each, Look) and each.check == check
        ]
        found = [(number, each) for number, each in looks if each.ill]
        assert found, f"`{check}` has found nothing"
        first, _ = found[0]
        deeds = self._seen[first:]
        commands = {command for _, each in found for command in each.commands}
        assert any(each.commands for _, each in found), f"`{check}` says no fix"
        if by == "fix":
            assert None in deeds, f"what `{check}` found was not fixed by --fix"
        elif by == "typing":
            typed = {each for each in deeds if isinstance(each, str)}
            assert commands & typed - {""}, f"nobody typed one of {sorted(commands)}"
        else:
            assert by.startswith(HAND), by
        assert not looks[-1][1].ill, f"`{check}` finds something still"


WITNESS = Witness()
