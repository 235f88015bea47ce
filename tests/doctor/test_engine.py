"""Checks are run one after the other, and whatever one of them does, the rest is there."""

from __future__ import annotations

import os
import stat
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doctor.checks import check, ill, only_these, well
from uvx_policy.doctor import crash_log, engine
from uvx_policy.doctor.case import Case
from uvx_policy.doctor.diagnostic import Check, Diagnostic
from uvx_policy.errors import ConfigError, Unreadable, UsageError
from uvx_policy.faults import Fault
from uvx_policy.state import layout


@pytest.fixture
def case(isolation: Path) -> Case:
    return Case(environ=os.environ, cwd=str(isolation))


def raising(name: str, error: BaseException, *before: Diagnostic) -> Check:
    def look(_: Case) -> Iterator[Diagnostic]:
        yield from before
        raise error

    return well(name)._replace(look=look)


def found(case: Case, *checks: Check) -> list[tuple[str, str]]:
    return [
        (finding.id, finding.status)
        for result in engine.results(checks, case)
        for finding in result.findings
    ]


def test_a_check_that_says_nothing_has_passed(case: Case) -> None:
    (result,) = engine.results((well("a"),), case)

    (finding,) = result.findings
    assert (finding.id, finding.title, finding.group, finding.status) == (
        "a", "The title of a", "installation", "pass",
    )  # fmt: skip
    assert result.is_well


def test_a_check_may_say_several_things_and_the_worst_counts(case: Case) -> None:
    told = (Diagnostic(status="warn"), Diagnostic(status="fail"), Diagnostic(status="pass"))

    (result,) = engine.results((check("a", *told),), case)

    assert [finding.status for finding in result.findings] == ["warn", "fail", "pass"]
    assert result.worst == "fail"
    assert not result.is_well


@pytest.mark.parametrize(
    "error", [ValueError("bad"), RecursionError(), MemoryError(), SystemExit(3), KeyError("x")]
)
def test_a_check_that_raises_crashes_and_the_rest_is_intact(
    case: Case, error: BaseException
) -> None:
    before = Diagnostic(status="warn", detail="this much was found")

    told = found(case, ill("first"), raising("broken", error, before), well("last"))

    assert told == [("first", "fail"), ("broken", "warn"), ("broken", "crash"), ("last", "pass")]


def test_what_is_begun_ahead_is_begun_before_any_check_looks(case: Case) -> None:
    done: list[str] = []

    def breaking(_: Case) -> None:
        done.append("begun")
        raise ValueError

    def look(_: Case) -> Iterator[Diagnostic]:
        done.append("looked")
        yield from ()

    checks = (
        check("a")._replace(look=look),
        check("b")._replace(begin=breaking),
        check("c")._replace(begin=lambda _: done.append("begun, too")),
    )

    engine.begin(checks, case)
    told = found(case, *checks)

    assert done == ["begun", "begun, too", "looked"]
    assert told == [("a", "pass"), ("b", "pass"), ("c", "pass")]


def test_ctrl_c_is_no_crash(case: Case) -> None:
    with pytest.raises(KeyboardInterrupt):
        found(case, raising("a", KeyboardInterrupt()))


def test_tracebacks_of_all_crashes_are_in_a_private_log(case: Case, isolation: Path) -> None:
    checks = (raising("one", ValueError("first fault")), raising("two", OSError("second fault")))

    results = list(engine.results(checks, case))

    log = isolation / ".local/state/linkpolicy" / layout.CRASHES.directory / crash_log.NAME
    assert [finding.paths for result in results for finding in result.findings] == [(str(log),)] * 2
    text = log.read_text()
    assert text.count("Traceback (most recent call last)") == 2
    assert text.index("ValueError: first fault") < text.index("OSError: second fault")
    assert "in look" in text
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert stat.S_IMODE(log.parent.stat().st_mode) == 0o700


def test_the_log_of_a_later_run_replaces_the_earlier(case: Case) -> None:
    list(engine.results((raising("old", ValueError("old fault")),), case))
    (result,) = engine.results((raising("new", ValueError("new fault")),), case)

    text = Path(result.findings[0].paths[0]).read_text()
    assert "new fault" in text
    assert "old fault" not in text


def test_the_log_is_bounded(case: Case) -> None:
    (result,) = engine.results((raising("a", ValueError("x" * 10**6)),), case)

    assert Path(result.findings[0].paths[0]).stat().st_size <= 262_144


def test_a_crash_is_told_also_where_nothing_can_be_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "homeless-shelter"))
    nowhere = Case(environ=os.environ, cwd="/")

    (result,) = engine.results((raising("a", ValueError("bad \udcff")),), nowhere)

    assert result.worst == "crash"
    assert result.findings[0].paths == ()
    assert "ValueError: bad" in result.findings[0].detail
    assert not (tmp_path / "homeless-shelter").exists()


def test_a_module_that_cannot_be_loaded_is_a_crash_of_its_group(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "uvx_policy.doctor.clients", types.ModuleType("broken"))

    checks = engine.every_check()

    assert found(case, *(each for each in checks if each.group == "clients")) == [
        ("clients-checks", "crash")
    ]
    assert {each.group for each in checks} == set(engine.GROUPS)


def test_faults_in_settings_stand_in_the_way_of_a_check_and_are_not_its_findings(
    case: Case,
) -> None:
    fault = Fault(kind="toml", message="bad")
    assert found(case, raising("a", ConfigError(fault))) == [("a", "skip")]


def test_what_cannot_be_read_is_a_warning_and_never_a_pass(case: Case) -> None:
    (result,) = engine.results((raising("a", Unreadable("/secret", "Permission denied")),), case)

    assert result.worst == "warn"
    assert result.findings[0].paths == ("/secret",)
    assert "Permission denied" in result.findings[0].detail


def test_a_check_that_reads_every_byte_waits_to_be_asked(case: Case, isolation: Path) -> None:
    thorough = check("a", Diagnostic(status="fail"), thorough=True)
    verifying = Case(environ=os.environ, cwd=str(isolation), verify=True)

    assert found(case, thorough) == [("a", "skip")]
    assert found(verifying, thorough) == [("a", "fail")]


def test_results_come_as_they_are_found(case: Case) -> None:
    ran = []

    def look(_: Case) -> tuple[Diagnostic, ...]:
        ran.append(1)
        return ()

    results = engine.results([well(name)._replace(look=look) for name in "abc"], case)

    assert next(results).check.id == "a"
    assert len(ran) == 1


def test_checks_are_named_by_id_or_group_and_keep_their_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    only_these(monkeypatch, well("a"), well("b", "project"), well("c", "caches"), well("d"))

    assert [each.id for each in engine.select([])] == ["a", "b", "c", "d"]
    assert [each.id for each in engine.select(["d", "a"])] == ["a", "d"]
    assert [each.id for each in engine.select(["caches", "d"])] == ["c", "d"]


def test_an_unknown_name_is_an_error_with_the_nearest_that_there_is() -> None:
    with pytest.raises(UsageError, match=r"^there is no check `shims-frist`$") as caught:
        engine.select(["shims-frist"])
    assert "`shims-first`" in caught.value.hint
    with pytest.raises(UsageError) as caught:
        engine.select(["zzzzzzzz"])
    assert [str(each) for each in caught.value.commands] == ["linkpolicy doctor --list"]


# The real checks ----------------------------------------------------------------------------------


def test_every_group_has_checks_in_the_order_of_the_groups() -> None:
    groups = [each.group for each in engine.every_check()]

    assert groups == sorted(groups, key=engine.GROUPS.index)
    assert set(groups) == set(engine.GROUPS)


def test_ids_are_stable_words_and_none_is_taken_twice() -> None:
    ids = [each.id for each in engine.every_check()]

    assert sorted(ids) == sorted({*ids} - {*engine.GROUPS})
    assert [name for name in ids if name.strip("abcdefghijklmnopqrstuvwxyz-")] == []
