"""Facts travel: what one machine saved is decided again here, and comes out the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given

from tests.doctor import saved_facts
from tests.doctor.conftest import Person
from tests.property.test_decide import all_facts
from tests.unit.facts import facts, settings
from uvx_policy.decide import Facts, Outcome, decide
from uvx_policy.doctor import facts_report
from uvx_policy.doctor.case import Case
from uvx_policy.model import DEFAULT
from uvx_policy.settings.keys import CacheEntry

REPORTS = sorted((Path(__file__).parent / "reports").glob("*.json"))


def there_and_back(told: Facts | None, outcome: Outcome) -> saved_facts.Report:
    plain = json.loads(json.dumps(facts_report.as_object(told, outcome)))
    return saved_facts.from_object(plain)


@pytest.mark.parametrize("report", REPORTS, ids=lambda path: path.stem)
def test_what_a_saved_report_decided_is_decided_again(report: Path) -> None:
    saved = saved_facts.from_object(json.loads(report.read_text(encoding="utf-8"))["facts"])

    assert saved.facts is not None
    assert decide(saved.facts) == saved.outcome


def test_the_saved_reports_are_of_really_different_machines() -> None:
    codes = set()
    for report in REPORTS:
        outcome = json.loads(report.read_text(encoding="utf-8"))["facts"]["outcome"]
        codes.add((outcome["link_mode"]["code"], outcome["cache_dir"]["code"]))

    assert len(codes) >= 6


@pytest.mark.parametrize("report", REPORTS, ids=lambda path: path.stem)
def test_a_saved_report_tells_nothing_of_where_it_was_made(report: Path) -> None:
    text = report.read_text(encoding="utf-8")

    assert [place for place in ("/tmp/", "/root", "/home/", "/Users/") if place in text] == []


@given(all_facts)
def test_facts_and_outcome_survive_json(told: Facts) -> None:
    back = there_and_back(told, decide(told))

    assert back.facts == told
    assert back.outcome == decide(told)


def test_every_byte_of_a_path_survives() -> None:
    entry = CacheEntry(filesystem="/mnt/\udcff", directory="/mnt/\udcff/\n c", origin=DEFAULT)
    told = facts(cache="/home/\udcfe\u202e/x", settings=settings().replace(caches=(entry,)))

    assert there_and_back(told, decide(told)).facts == told


def test_a_call_that_was_left_alone_has_an_outcome_without_facts() -> None:
    outcome = decide(facts())

    back = there_and_back(None, outcome)

    assert (back.facts, back.outcome) == (None, outcome)


@pytest.mark.parametrize(
    "told",
    [
        None, [], "facts", {}, {"version": 2}, {"version": 1}, {"version": 1, "facts": None},
        {"version": 1, "facts": None, "outcome": None},
        {"version": 1, "facts": {"is": "Path"}, "outcome": {"is": "Outcome"}},
        {"version": 1, "facts": {"is": "Facts", "more": 1}, "outcome": {"is": "Outcome"}},
        {"version": 1, "facts": {"no": "kind"}, "outcome": {"is": ["Outcome"]}},
    ],
)  # fmt: skip
def test_what_is_no_report_is_refused_with_a_value_error(told: object) -> None:
    with pytest.raises(ValueError, match="facts"):
        saved_facts.from_object(told)


@pytest.mark.uv
def test_doctor_json_carries_the_facts_of_the_decision_made_here(settled: Person) -> None:
    project = settled.base / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text(
        '[project]\nname = "p"\nversion = "1"\n[tool.linkpolicy]\nhackable = true\n'
    )
    settled.cwd = project

    for words in ((), ("--redact",)):
        told = json.loads(settled.types("linkpolicy", "doctor", "--json", *words))
        saved = saved_facts.from_object(told["facts"])
        assert saved.facts is not None
        assert saved.outcome.link_mode.code == "hackable"
        assert decide(saved.facts) == saved.outcome


@pytest.mark.uv
def test_the_facts_are_those_of_the_plan(settled: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in settled.environ.items():
        monkeypatch.setenv(name, value)
    project = settled.base / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text('[project]\nname = "p"\nversion = "1"\n')
    monkeypatch.chdir(project)
    plan = Case(environ=settled.environ, cwd=str(project)).plan
    assert plan is not None

    back = saved_facts.from_object(facts_report.to_object(plan))

    assert (back.facts, back.outcome) == (plan.facts, plan.outcome)
