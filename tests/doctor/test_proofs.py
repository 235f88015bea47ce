"""Each check has a test in which its fault is made, found, fixed by its own fix, and gone."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doctor.witness import HAND, Witness
from uvx_policy.doctor import engine
from uvx_policy.doctor.diagnostic import Diagnostic, Fix
from uvx_policy.terminal.command import command

#: checks that find no fault: they tell where something is, or how it is
ONLY_TELL = {"venv-central", "files-linked"}

ILL = Diagnostic(status="fail", fix=Fix(text="Fix it", commands=(command("fix", "it"),)))
WELL = Diagnostic(status="pass")


def marks() -> Iterator[tuple[str, str]]:
    """Id and `by` of every `pytest.mark.fixes(...)` in this directory."""
    for file in sorted(Path(__file__).parent.glob("test_*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.fixes":
                (check,) = map(ast.literal_eval, node.args)
                (by,) = (ast.literal_eval(each.value) for each in node.keywords)
                yield check, by


def test_each_check_has_a_test_in_which_its_own_fix_fixes() -> None:
    proven = {check for check, _ in marks()}

    assert sorted({each.id for each in engine.every_check()} - proven) == sorted(ONLY_TELL)
    assert sorted(proven - {each.id for each in engine.every_check()}) == []


def test_each_check_that_offers_to_fix_has_a_test_in_which_it_does() -> None:
    proven = {check for check, by in marks() if by == "fix"}

    assert {each.id for each in engine.every_check() if each.fix is not None} == proven


def test_whoever_fixes_by_hand_says_why() -> None:
    by_hand = [by for _, by in marks() if by not in ("fix", "typing")]

    assert by_hand
    assert [by for by in by_hand if not by.startswith(HAND) or len(by) < len(HAND) + 10] == []


def witnessed(*events: Diagnostic | str | None) -> Witness:
    witness = Witness()
    for each in events:
        if isinstance(each, Diagnostic):
            witness.saw("a", [each])
        elif isinstance(each, str):
            witness.typed(each)
        else:
            witness.fixed()
    return witness


@pytest.mark.parametrize(
    ("events", "by"),
    [
        ((ILL, "fix it", WELL), "typing"),
        ((WELL, ILL, None, WELL), "fix"),
        ((ILL, WELL), "hand: nothing can be typed"),
    ],
)
def test_a_proof_is_taken_for_one(events: tuple[Diagnostic | str | None, ...], by: str) -> None:
    witnessed(*events).judge("a", by)


@pytest.mark.parametrize(
    ("events", "by", "why"),
    [
        ((), "typing", "found nothing"),
        ((WELL, "fix it", WELL), "typing", "found nothing"),
        ((ILL, "fix it"), "typing", "finds something still"),
        ((ILL, "fix it", ILL), "typing", "finds something still"),
        ((ILL, "fix something else", WELL), "typing", "nobody typed"),
        (("fix it", ILL, WELL), "typing", "nobody typed"),
        ((ILL, "fix it", WELL), "fix", "not fixed by --fix"),
        ((None, ILL, WELL), "fix", "not fixed by --fix"),
        ((ILL._replace(fix=None), WELL), "hand: nothing can be typed", "says no fix"),
        ((ILL, WELL), "magic", "magic"),
    ],
)
def test_what_proves_nothing_is_told(
    events: tuple[Diagnostic | str | None, ...], by: str, why: str
) -> None:
    with pytest.raises(AssertionError, match=why):
        witnessed(*events).judge("a", by)
