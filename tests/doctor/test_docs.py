"""docs/reference/doctor.md names every check, doctor-json.md every field."""

from __future__ import annotations

import re

import pytest

from tests.doctor.checks import FIX
from tests.test_docs import first_column, reference, section
from uvx_policy.doctor import command, engine
from uvx_policy.doctor.diagnostic import Check, Finding
from uvx_policy.terminal.command import Shell

GROUPED = [(each.group, each.id) for each in engine.every_check()]


@pytest.mark.parametrize("group", engine.GROUPS)
def test_every_check_of_a_group_is_told_in_order_and_no_other(group: str) -> None:
    told = first_column(section(reference("doctor"), f"## {group}"))

    assert told == [name for its_group, name in GROUPED if its_group == group]


def test_the_groups_stand_in_the_order_of_the_report() -> None:
    found = re.findall(r"^## (\w+)$", reference("doctor"), re.MULTILINE)

    assert [each for each in found if each in engine.GROUPS] == list(engine.GROUPS)


def test_every_level_is_told_with_the_worst_first() -> None:
    told = first_column(reference("doctor").partition("## installation")[0])

    assert set(told) == set(engine.STATUSES)


def test_every_field_of_a_finding_is_told_and_no_other() -> None:
    finding = Finding(id="a", title="A", group="project", status="fail", fix=FIX)
    printed = command.finding_object(finding, Shell())
    told = first_column(section(reference("doctor-json"), "## A finding"))

    assert [name for name in told if "." not in name] == list(printed)
    assert [name for name in told if "." in name] == [f"fix.{name}" for name in printed["fix"]]


def test_every_value_of_group_and_status_is_told() -> None:
    text = section(reference("doctor-json"), "## A finding")

    assert [each for each in (*engine.GROUPS, *engine.STATUSES) if f"`{each}`" not in text] == []


def test_every_check_that_fixes_says_so() -> None:
    """A check with `fix` promises it in its row; one without does not."""
    text = reference("doctor")
    for check in engine.every_check():
        rows = re.findall(rf"^\| `{check.id}` \|.*$", text, re.MULTILINE)
        assert len(rows) == 1, check.id
        assert bool(check.fix) == _promises(rows[0], check), check.id


def _promises(row: str, check: Check) -> bool:
    if "| `--fix` |" in section(reference("doctor"), f"## {check.group}"):
        return row.split("|")[4].strip() != ""
    return "--fix" in row
