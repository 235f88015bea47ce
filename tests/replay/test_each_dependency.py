"""Whatever a decision has looked at: when exactly that changes, its record misses.

Every scenario is recorded; then each of its witnesses is disturbed in each way that there is, on
the real machine, and put back. The other way round, what no decision depends on causes no miss.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.replay.disturbances import Disturbance, from_outside, of_witness
from tests.replay.machine import Call, Machine, patient, put, stand_in, wait_for_tick
from tests.replay.scenarios import SCENARIOS
from uvx_policy.replay import key, records
from uvx_policy.replay.records import Decided

#: caches that are used, or not, for what the lock file names
OF_THE_LOCK_FILE = {
    "device-cache", "device-cache-configured", "project-cache", "offline-cold-cache", "warm-cache",
}  # fmt: skip

every = pytest.mark.parametrize("scenario", SCENARIOS)


class Recorded(NamedTuple):
    """A machine on which one call was decided and recorded."""

    machine: Machine
    there: Path
    call: Call

    def again(self) -> Decided:
        """The record, decided anew if it does not hold; it does then, in both ways."""
        machine, call = self.machine, self.call
        if records.replay(machine.state, machine.key_of(call)) is None:
            wait_for_tick()
            machine.in_python(call)
        found = records.find(machine.state, machine.key_of(call))
        assert found is not None, machine.plan(call).witnesses.spoilt
        assert list(found.changed()) == []
        assert machine.in_native(call)[1]
        return found

    def is_replayed(self) -> bool:
        """In both ways, or in none."""
        hit = records.replay(self.machine.state, self.machine.key_of(self.call)) is not None
        assert self.machine.in_native(self.call)[1] is hit
        return hit


@pytest.fixture
def recorded(scenario: str, there: Path, tmp_path: Path, own_mounts: None) -> Iterator[Recorded]:
    """A scenario, ready to be recorded, on a machine whose mounts are its own."""
    del own_mounts  # after `there`, which is a mount
    with patient():
        machine = Machine(tmp_path / "machine")
        call = SCENARIOS[scenario].build(machine, there)
        wait_for_tick()
        yield Recorded(machine, there, call)


@every
def test_each_scenario_is_what_it_says(recorded: Recorded, scenario: str) -> None:
    plan = recorded.machine.plan(recorded.call)

    decided = (plan.destination.kind, plan.outcome.link_mode.code, plan.outcome.cache_dir.code)
    assert decided == SCENARIOS[scenario].decided


@every
@pytest.mark.parametrize("ways", ["one", pytest.param("each", marks=pytest.mark.exhaustive)])
def test_each_witness_that_is_disturbed_causes_a_miss(
    recorded: Recorded, scenario: str, ways: str
) -> None:
    """In `each` way that there is, or in `one`: another one for each scenario and witness."""
    world = tuple(f"{place}/" for place in (recorded.machine.base, recorded.there))
    untouched = []
    whole = _witnesses(recorded.again())

    for number, (token, path, sight) in enumerate(whole, start=list(SCENARIOS).index(scenario)):
        # Nothing else on this machine may ever be touched.
        possible = [*(of_witness if path.startswith(world) else from_outside)(token, sight).items()]
        first = number % len(possible) if possible else 0
        done = False
        for name, way in possible[first:] + possible[:first]:
            if done and ways == "one":
                break
            found = recorded.again()
            # What was disturbed before is as it was, but for inodes and times.
            assert [each[:2] for each in _witnesses(found)] == [each[:2] for each in whole]
            done = _causes_a_miss(recorded, found, path, way, f"{token} {path}: {name}") or done
        if not done:
            untouched.append((token, path, sight))

    # What lies above all that is ours cannot be changed without harm to others.
    assert [each for each in untouched if not _is_above(each[1], world)] == []


def _causes_a_miss(
    recorded: Recorded, found: Decided, path: str, way: Disturbance, what: str
) -> bool:
    """Disturb, and see the miss. False where this way is not possible."""
    with _elsewhere(), contextlib.ExitStack() as undo:
        try:
            undo.enter_context(way(path))
        except NotImplementedError:
            return False
        changed = [os.fsdecode(each) for each in found.changed()]
        assert path in changed, f"{what} was not seen"
        if os.path.isdir(recorded.call.cwd) and os.access(recorded.machine.shims / "uv", os.X_OK):
            assert not recorded.machine.in_native(recorded.call)[1], f"{what} was not seen"
    wait_for_tick()
    return True


@contextlib.contextmanager
def _elsewhere() -> Iterator[None]:
    """Out of what is renamed."""
    before = os.getcwd()
    os.chdir("/")
    try:
        yield
    finally:
        os.chdir(before)


def _witnesses(found: Decided) -> list[tuple[str, str, str]]:
    return [
        (token.decode(), os.fsdecode(path), sight.decode())
        for token, path, sight in found.witnesses
    ]


def _is_above(path: str, world: tuple[str, ...]) -> bool:
    """Is it, or would it be, in a directory that holds the whole world? Or is it the machine's?"""
    directory = os.path.join(os.path.dirname(path), "")
    return any(place.startswith(directory) for place in world) or path == "/etc/uv/uv.toml"


# The call itself ---------------------------------------------------------------------------------


@every
def test_each_word_either_matters_or_changes_nothing(recorded: Recorded) -> None:
    machine, call = recorded.machine, recorded.call
    before, fresh = machine.key_of(call), _added(machine, call)

    for index in range(len(call.words)):
        for others in ((), ("--",), ("x",), ("--offline", call.words[index]), ("./x.py",)):
            words = (*call.words[:index], *others, *call.words[index + 1 :])
            other = call._replace(words=words)
            if machine.key_of(other) == before:
                assert _added(machine, other) == fresh, words
    for word in ("--offline", "--no-cache", "--directory=/", "--project=/", "--no-config"):
        other = call._replace(words=(word, *call.words))
        if other.program == "uv":
            assert machine.key_of(other) != before


def _added(machine: Machine, call: Call) -> tuple[object, tuple[str, ...]]:
    """What a fresh decision adds to a call: variables, words."""
    edits = machine.plan(call).edits
    return edits.variables, edits.words


@every
def test_each_variable_of_the_table_makes_another_key(recorded: Recorded) -> None:
    machine, call = recorded.machine, recorded.call
    before = machine.key_of(call)

    for name in key.VARIABLES:
        without = {other: value for other, value in call.environ.items() if other != name}
        more = {**call.environ, name: call.environ.get(name, "") + f":{machine.bin}"}
        for environ in (without, more):
            if environ != call.environ and (name != "PATH" or name in environ):
                assert machine.key_of(call._replace(environ=environ)) != before, name


@every
def test_another_directory_user_or_uv_makes_another_key(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine, call = recorded.machine, recorded.call
    before = machine.key_of(call)

    assert machine.key_of(call._replace(cwd=str(machine.base))) != before
    put(machine.base / "earlier/uv", stand_in())
    path = f"{machine.base}/earlier:{call.environ['PATH']}"
    assert machine.key_of(call._replace(environ={**call.environ, "PATH": path})) != before
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert machine.key_of(call) != before


# What does not matter ----------------------------------------------------------------------------


@every
def test_what_no_decision_depends_on_causes_no_miss(recorded: Recorded, scenario: str) -> None:
    machine, call = recorded.machine, recorded.call
    recorded.again()

    names = ["README.md", "requirements.txt", "src.py", ".git"]
    if SCENARIOS[scenario].decided[2] not in OF_THE_LOCK_FILE:
        names += ["uv.lock", ".python-version"]
    for name in names:
        put(Path(call.cwd) / name, "x", 0o644)
    put(machine.home / ".bashrc", "x")
    noise = {"TERM": "dumb", "PWD": "/x", "EDITOR": "vi", "UV_INDEX_URL": "x", "LANG": "C"}

    assert recorded.is_replayed()
    assert recorded._replace(call=call._replace(environ={**call.environ, **noise})).is_replayed()


@pytest.mark.parametrize(
    ("scenario", "words"),
    [
        ("run", "run --env-file .env mypy --strict src"),
        ("run", "run --env-file .env -- pytest --directory x"),
        ("run_a_script", "run ./script.py --other -- --options"),
        ("pip_install", "pip install --upgrade httpx -r requirements.txt"),
        ("sync", "sync --quiet --all-extras --group dev --upgrade"),
        ("uvx", "black . --check"),
    ],
)
def test_words_that_do_not_matter_cause_no_miss(recorded: Recorded, words: str) -> None:
    recorded.again()

    other = recorded.call._replace(words=tuple(words.split()))

    assert recorded._replace(call=other).is_replayed()


@every
def test_installing_packages_causes_no_miss(recorded: Recorded) -> None:
    """Neither into an environment that is there, nor into the cache."""
    recorded.again()
    places = [*recorded.machine.base.rglob("site-packages")]
    places += [*recorded.machine.base.rglob("archive-v0/*"), *recorded.there.rglob("archive-v0/*")]

    for directory in places:
        put(directory / "package/__init__.py", "x")

    assert recorded.is_replayed()


def test_upgrading_uv_in_place_is_seen(here: Machine) -> None:
    """Twice within a tick: the same size, the same inode, and another version."""
    call = here.call("sync", "--active", VIRTUAL_ENV="x")
    put(here.project / "pyproject.toml", "[project]\nname = 'a'\nversion = '1'\n")
    with patient():
        wait_for_tick()
        assert [here.replays(call) for _ in range(2)] == [False, True]
        uv = here.bin / "uv"
        inode, size = uv.stat().st_ino, uv.stat().st_size
        for version in ("0.8.15", "0.5.28"):
            uv.write_bytes(stand_in(version))
        assert (uv.stat().st_ino, uv.stat().st_size) == (inode, size)

        assert not here.in_native(call)[1]
        assert not here.replays(call)
    # 0.5.28 does not know --active.
    assert here.plan(call).destination.path == str(here.project / ".venv")
