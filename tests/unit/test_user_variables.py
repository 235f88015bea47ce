"""What `setup` puts into the registry of Windows, and what `uninstall` takes out again."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from uvx_policy.setup import user_variables
from uvx_policy.setup.record import SetupRecord
from uvx_policy.setup.user_variables import Change
from uvx_policy.setup.words import Lines, Problem
from uvx_policy.windows.user_environment import REG_EXPAND_SZ, REG_SZ, Stored

OURS = r"C:\Users\ada\AppData\Local\linkpolicy\shims"
SHIM = os.path.join(OURS, "uv")
CLIENTS = ("TOX_UV_PATH", "UV", "HATCH_ENV_TYPE_VIRTUAL_UV_PATH")


def text(value: str, kind: int = REG_EXPAND_SZ) -> Stored:
    return Stored(kind, f"{value}\0".encode("utf-16-le"))


class Registry:
    """One that is asked instead of Windows."""

    def __init__(self, path: Stored | None = None, machine: Stored | None = None) -> None:
        self.user = {} if path is None else {"Path": path}
        self.machine = {} if machine is None else {"Path": machine}
        self.told = 0
        self.meanwhile: Callable[[], object] = lambda: None

    def of_user(self, name: str) -> Stored | None:
        return self.user.get(name)

    def of_machine(self, name: str) -> Stored | None:
        return self.machine.get(name)

    def set_for_user(self, name: str, value: Stored | None) -> None:
        self.meanwhile()
        if value is None:
            self.user.pop(name, None)
        else:
            self.user[name] = value

    def tell_everybody(self) -> None:
        self.told += 1


class Setup:
    """`setup` and `uninstall`, as far as the registry goes, with the record between them."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.record: SetupRecord | None = None
        self.problems: list[Problem] = []

    def plan(self, directory: str = OURS) -> tuple[Change, ...]:
        wanted = user_variables.insertions(
            self.registry, directory, self.record, environ={}, problems=self.problems
        )
        self.record = (self.record or SetupRecord()).merged(SetupRecord(variables=wanted))
        return user_variables.changes(self.registry, wanted)

    def setup(self, directory: str = OURS) -> Lines:
        return self.carry_out(self.plan(directory))

    def uninstall(self, *directories: str) -> Lines:
        return self.carry_out(
            user_variables.removals(
                self.registry, self.record, directories or (OURS,), self.problems
            )
        )

    def carry_out(self, planned: tuple[Change, ...]) -> Lines:
        lines = Lines("", self.problems)
        user_variables.carry_out(self.registry, planned, lines)
        return lines


@pytest.mark.parametrize(
    "path",
    [
        None,
        text(""),
        text("", REG_SZ),
        Stored(REG_SZ, b""),
        Stored(REG_SZ, "C:\\uv".encode("utf-16-le")),
        text(r"%USERPROFILE%\bin;C:\uv;"),
        text(r'"C:\a;b";;C:\uv', REG_SZ),
    ],
)
@pytest.mark.parametrize("times", [1, 2])
def test_what_was_there_comes_back_byte_for_byte(path: Stored | None, times: int) -> None:
    registry = Registry(path)
    before = dict(registry.user)
    setup = Setup(registry)

    for _ in range(times):
        setup.setup()
    during = dict(registry.user)
    setup.uninstall()

    assert (during["Path"].data + b"\0\0").startswith(OURS.encode("utf-16-le"))
    assert [during[name] for name in CLIENTS] == [text(SHIM, REG_SZ)] * 3
    assert registry.user == before
    assert setup.problems == []


def test_a_second_setup_changes_nothing_and_tells_nobody() -> None:
    registry = Registry(text("C:\\uv"))
    setup = Setup(registry)
    setup.setup()

    assert setup.plan() == ()
    assert setup.setup() == []
    assert registry.told == 1


def test_a_kill_between_the_record_and_the_value_leaves_the_value() -> None:
    registry = Registry(text("C:\\uv"))
    setup = Setup(registry)
    setup.plan()  # and killed

    registry.user["Path"] = text("C:\\uv;C:\\new")
    setup.uninstall()

    assert registry.user == {"Path": text("C:\\uv;C:\\new")}


def test_a_kill_between_two_values_can_be_taken_back() -> None:
    registry = Registry(Stored(REG_SZ, b""))
    setup = Setup(registry)
    path, *_ = setup.plan()
    setup.carry_out((path,))  # and killed

    setup.uninstall()

    assert registry.user == {"Path": Stored(REG_SZ, b"")}


def test_what_an_installer_puts_in_front_is_kept_and_ours_moves_there_again() -> None:
    registry = Registry(text("C:\\old"))
    setup = Setup(registry)
    setup.setup()
    registry.user["Path"] = text(f"C:\\new;{OURS};C:\\old")

    setup.setup()
    assert registry.user["Path"] == text(f"{OURS};C:\\new;C:\\old")
    setup.uninstall()

    assert registry.user == {"Path": text("C:\\new;C:\\old")}


def test_what_is_added_later_stays_when_ours_goes() -> None:
    registry = Registry(text("C:\\old"))
    setup = Setup(registry)
    setup.setup()
    registry.user["Path"] = text(f"C:\\new;{OURS};C:\\old;C:\\newer")

    setup.uninstall()

    assert registry.user == {"Path": text("C:\\new;C:\\old;C:\\newer")}


def test_without_a_record_it_is_taken_out_all_the_same() -> None:
    registry = Registry(text("C:\\old;"))
    setup = Setup(registry)
    setup.setup()
    setup.record = None

    setup.uninstall()

    assert registry.user == {"Path": text("C:\\old;")}


def test_two_directories_of_shims_both_go() -> None:
    registry = Registry(text("C:\\old"))
    setup = Setup(registry)
    setup.setup("C:\\one")
    registry.user["Path"] = text("C:\\new;C:\\one;C:\\old")
    setup.setup("C:\\two")
    assert registry.user["UV"] == text(os.path.join("C:\\two", "uv"), REG_SZ)

    setup.uninstall("C:\\one", "C:\\two")

    assert registry.user == {"Path": text("C:\\new;C:\\old")}


@pytest.mark.parametrize("entry", [OURS.upper() + "\\", f'"{OURS}"'])
def test_an_entry_that_the_user_has_made_is_enough_and_stays(entry: str) -> None:
    registry = Registry(text(f"{entry};C:\\old"))
    setup = Setup(registry)

    setup.setup()
    assert registry.user["Path"] == text(f"{entry};C:\\old")
    setup.uninstall()

    assert registry.user == {"Path": text(f"{entry};C:\\old")}


def test_a_variable_that_somebody_has_set_stays() -> None:
    registry = Registry()
    registry.user["UV"] = text("C:\\mine\\uv.exe")
    registry.machine["TOX_UV_PATH"] = text("C:\\theirs\\uv.exe")
    setup = Setup(registry)

    setup.setup()
    assert registry.user["UV"] == text("C:\\mine\\uv.exe")
    assert "TOX_UV_PATH" not in registry.user
    setup.uninstall()

    assert registry.user == {"UV": text("C:\\mine\\uv.exe")}


def test_a_variable_that_somebody_has_changed_since_stays() -> None:
    registry = Registry()
    setup = Setup(registry)
    setup.setup()
    registry.user["UV"] = text("C:\\mine\\uv.exe")

    setup.uninstall()

    assert registry.user == {"UV": text("C:\\mine\\uv.exe")}


@pytest.mark.parametrize("value", [Stored(7, b"C\0\0\0\0\0"), Stored(REG_SZ, b"C\0:")])
def test_a_path_that_is_no_text_is_left_alone_and_said(value: Stored) -> None:
    registry = Registry(value)
    setup = Setup(registry)

    lines = setup.setup()

    assert registry.user["Path"] == value
    assert [problem.path for problem in lines.problems] == [r"HKEY_CURRENT_USER\Environment\Path"]


def test_a_path_that_would_reach_no_program_is_left_alone() -> None:
    machine, user = text("C:\\m" * 4000), text("C:\\u" * 4190)
    registry = Registry(user, machine)
    setup = Setup(registry)

    setup.setup()

    assert registry.user["Path"] == user
    (problem,) = setup.problems
    assert "32,767" in problem.reason


def test_what_somebody_changes_in_the_last_moment_is_kept() -> None:
    registry = Registry(text("C:\\old"))
    setup = Setup(registry)
    planned = setup.plan()
    registry.user["Path"] = text("C:\\new;C:\\old")

    lines = setup.carry_out(planned)

    assert registry.user["Path"] == text("C:\\new;C:\\old")
    assert lines.failed == {r"HKEY_CURRENT_USER\Environment\Path"}


def test_of_two_runs_the_slower_one_finds_it_done() -> None:
    registry = Registry(text("C:\\old"))
    fast, slow = Setup(registry), Setup(registry)
    planned = slow.plan()
    fast.setup()

    lines = slow.carry_out(planned)
    assert (lines, lines.problems) == ([], [])
    slow.uninstall()

    assert registry.user == {"Path": text("C:\\old")}


def test_what_the_system_refuses_is_said() -> None:
    registry = Registry()
    setup = Setup(registry)
    planned = setup.plan()

    def refuse() -> None:
        raise PermissionError(13, "Access is denied")

    registry.meanwhile = refuse
    lines = setup.carry_out(planned)

    assert {problem.reason for problem in lines.problems} == {"Access is denied"}
    assert registry.told == 0
