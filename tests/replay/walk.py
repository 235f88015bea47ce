"""A random walk through a `World`: things happen, calls are made, each in all three ways."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from tests.replay import world
from tests.replay.machine import VERSIONS, Call, Machine, Started, Stopped, as_given
from tests.replay.world import Step, World
from uvx_policy import guard, shim
from uvx_policy.replay import records

CWDS = (
    "{b}/project", "{b}/project", "{b}/project/packages/a", "{b}/project/packages/a/deep",
    "{b}/project/loose", "{o}/solo", "{o}/solo", "{o}/solo/src", "{b}",
)  # fmt: skip
#: commands that link files into an environment
LINKING = (
    "sync", "sync --active", "sync --frozen", "sync --inexact --group dev", "sync --offline",
    "sync --no-config", "sync --no-cache", "sync --link-mode copy", "sync --cache-dir elsewhere",
    "sync --directory {b}/project/packages/a", "sync --project ../..", "sync --project {o}/solo",
    "sync --config-file {b}/project/uv.toml", "sync --preview", "--offline sync",
    "run pytest -k slow", "run mypy src", "run script.py", "run ./script.py", "run -m pytest",
    "run --active tool", "run --env-file .env tool", "add requests", "add httpx", "remove rich",
    "pip install rich", "pip install -r requirements.txt", "pip install --target t rich",
    "pip install --prefix p rich", "pip install --python {b}/env1 rich", "pip install -p 3.12 rich",
    "pip install --system rich", "pip sync requirements.txt", "venv", "venv new",
    "venv --no-project", "venv {o}/solo/.venv", "venv -p 3.13 .venv", "tool install ruff",
    "tool install ruff --offline", "tool upgrade ruff", "tool upgrade --all",
    "version --bump minor",
)  # fmt: skip
OTHERS = (
    "sync --dry-run", "run -s script.py", "run --script script.py", "run --no-project tool",
    "run --with httpx tool", "run --isolated tool", "run --no-sync tool", "run", "lock",
    "add --script script.py rich", "add --frozen rich", "pip uninstall rich", "pip list",
    "tool run ruff check", "build", "version", "python list", "export", "help sync", "cache dir",
    "tree", "--bogus", "nonsense", "sync --help", "--no-cache",
)  # fmt: skip
UVX = ("ruff", "ruff check src", "--from rich python", "--offline ruff", "--isolated ruff", "")
VARIABLES = (
    "VIRTUAL_ENV={b}/env1", "VIRTUAL_ENV={b}/env2", "VIRTUAL_ENV={b}/project/.venv",
    "VIRTUAL_ENV=.venv", "UV_PROJECT_ENVIRONMENT={b}/env2", "UV_PROJECT_ENVIRONMENT=venvs/x",
    "UV_CACHE_DIR={b}/other-cache/uv", "UV_CACHE_DIR=", "UV_LINK_MODE=symlink", "UV_LINK_MODE=",
    "UV_NO_CACHE=1", "UV_OFFLINE=1", "UV_OFFLINE=maybe", "UV_WORKING_DIR={o}/solo", "UV_FROZEN=1",
    "UV_PROJECT={o}/solo", "UV_NO_CONFIG=1", "UV_CONFIG_FILE={b}/project/uv.toml", "UV_NO_SYNC=1",
    "UV_SYSTEM_PYTHON=1", "UV_PYTHON=3.12", "UV_TOOL_DIR={o}/tools", "UV_PREVIEW=1",
    "XDG_CACHE_HOME={b}/other-cache", "XDG_CONFIG_HOME={b}/other-config", "XDG_DATA_HOME={b}/data",
    "XDG_STATE_HOME={b}/other-state", "XDG_CONFIG_DIRS=", "CONDA_PREFIX={b}/env1", "SUDO_UID=1000",
    "PATH={b}/bin2:{b}/bin3", "PATH={b}/env1/bin:{b}/bin2:{b}/bin", "PATH={b}/bin",
    "HOME=", "HOME={b}/nowhere", "LINKPOLICY_BYPASS=1", "LINKPOLICY_BYPASS=off",
    f"{guard.NAME}=1;process=1.2;words=0;turn=0;tried=/x;set=UV_LINK_MODE=symlink",
    f"{guard.NAME}=1;process=1.2;words=0;turn=3;set=UV_CACHE_DIR=%25;set=VIRTUAL_ENV={{b}}/env1",
)  # fmt: skip
#: in every call, if nothing else is said
ALWAYS = {
    "HOME": "{b}/home",
    "PATH": "{b}/shims:{b}/bin:{b}/bin2:{b}/bin3",
    "XDG_CONFIG_DIRS": "{b}/xdg",
}
#: no decision depends on these
NOISE = ("TERM=dumb", "EDITOR=vi", "UV_INDEX_URL=http://localhost", "PWD=/elsewhere", "LANG=C")
#: how often each of these happens
HAPPENINGS = Counter(
    write=40,
    remove=20,
    permit=2,
    make=14,
    make_directory=5,
    move=2,
    cover=2,
    install=5,
    touch=10,
    hand_down=4,
    share=2,
)


#: What is said to uv itself is left alone: most calls shall get something.
_UV_FILES = [file for file in world.TEXTS if file.endswith("uv.toml")]
FILES = [*world.TEXTS, *(file for file in world.TEXTS if file not in _UV_FILES)]


class Tally(NamedTuple):
    """What a walk came to."""

    calls: int
    #: replayed calls
    hits: int
    #: replayed calls that got words or variables
    edited: int
    #: calls that uv was not started for, or with a warning
    complaints: int


class Disagreement(AssertionError):
    """The three ways of one call did not come to the same."""


def plan(seed: int, *, calls: int, patient: bool) -> list[Step]:
    """A list of steps with so many calls. `patient`: after each change the clock goes on."""
    return list(_Planner(random.Random(seed), patient).steps(calls))  # noqa: S311 (no secret)


def walk(world_: World, steps: Sequence[Step]) -> Tally:
    """Take all steps. Raises `Disagreement`."""
    calls = hits = edited = complaints = 0
    for step in steps:
        if step.call is None:
            world_.do(step)
            continue
        call = world_.filled(step.call)
        if not os.path.isdir(call.cwd):
            continue
        fresh, hit = _compared(world_.machine, call)
        calls += 1
        hits += hit
        if isinstance(fresh, Started) and hit:
            edited += any(
                fresh.environ.get(name) != call.environ.get(name)
                for name in ("UV_LINK_MODE", "UV_CACHE_DIR", "UV_PROJECT_ENVIRONMENT")
            )
        complaints += bool(fresh.warnings)
    return Tally(calls, hits, edited, complaints)


def _compared(machine: Machine, call: Call) -> tuple[Started | Stopped, bool]:
    """What the call comes to, and whether it was a replay."""
    native, native_hit = machine.in_native(call)
    python, hit = machine.in_python(call)
    fresh = machine.decide(call) if hit else python
    if fresh != python:
        raise Disagreement(f"stale in Python:\n  {python}\nbut decided now:\n  {fresh}")
    # Where there is no uv, Python says so.
    quick = isinstance(fresh, Started) and shim.is_quick(list(call.words), call.environ)
    if native_hit is not (hit or quick):
        found = records.find(machine.state, machine.key_of(call))
        changed = list(found.changed()) if found else "no record"
        raise Disagreement(
            f"Python {'hits' if hit else 'misses'}, the launcher not: {native}, {changed}"
        )
    if native_hit and native != fresh:
        raise Disagreement(f"the launcher starts:\n  {native}\nPython:\n  {fresh}")
    if not native_hit and native != as_given(call):
        raise Disagreement(f"not handed over as it came: {native}")
    return fresh, hit


def shrunk(steps: Sequence[Step], fails: Callable[[Sequence[Step]], bool]) -> list[Step]:
    """Fewer steps that fail all the same: leave out halves, quarters ... as long as that goes."""
    left = list(steps)
    size = len(left) // 2
    while size:
        start = 0
        while start < len(left):
            fewer = left[:start] + left[start + size :]
            if fewer and fails(fewer):
                left = fewer
            else:
                start += size
        size //= 2
    return left


class _Planner:
    def __init__(self, chance: random.Random, patient: bool) -> None:
        self._chance = chance
        self._patient = patient
        self._favourites = [self._new_call() for _ in range(16)]

    def steps(self, calls: int) -> Iterator[Step]:
        made = 0
        while made < calls:
            for _ in range(self._chance.choice((1, 1, 1, 2, 3))):
                yield self._change()
            if self._patient:
                yield Step("tick")
            elif self._chance.random() < 0.15:
                yield Step("sleep")
            for _ in range(self._chance.randrange(2, 8)):
                yield Step("call", call=self._call())
                made += 1

    def _change(self) -> Step:
        (name,) = self._chance.choices(list(HAPPENINGS), list(HAPPENINGS.values()))
        pick = self._chance.choice
        if name == "write":
            file = pick(FILES)
            # The last ones are those that nobody can read.
            texts = range(len(world.TEXTS[file]))
            return Step(name, (file, str(min(pick(texts), pick(texts))), pick(world.WAYS)))
        if name == "install":
            return Step(name, (pick(world.INSTALLED), pick(VERSIONS), pick(world.WAYS[::2])))
        arguments: dict[str, tuple[str, ...]] = {
            "remove": (pick((*_UV_FILES, *world.TEXTS, *world.DIRECTORIES, *world.INSTALLED)),),
            "permit": (pick(list(world.TEXTS)), pick(("644", "666", "600"))),
            "make": (pick(world.ENVIRONMENTS), pick(world.ENVIRONMENT_KINDS)),
            "make_directory": (pick(world.DIRECTORIES),),
            "move": (pick(world.MOVABLE),),
            "cover": (pick(world.COVERABLE),),
            "touch": (pick(world.HARMLESS),),
            "hand_down": (pick(world.HANDED_DOWN),),
            "share": (pick(world.SHARED), pick(("", "0", "0", "12345")), pick(("", "", "0"))),
        }
        return Step(name, arguments[name])

    def _call(self) -> Call:
        if self._chance.random() < 0.05:
            self._favourites[self._chance.randrange(len(self._favourites))] = self._new_call()
        call = self._chance.choice(self._favourites)
        if self._chance.random() < 0.2:
            name, _, value = self._chance.choice(NOISE).partition("=")
            call = call._replace(environ={**call.environ, name: value})
        return call

    def _new_call(self) -> Call:
        program = "uvx" if self._chance.random() < 0.08 else "uv"
        known = LINKING if self._chance.random() < 0.8 else OTHERS
        words = self._chance.choice(UVX if program == "uvx" else known).split()
        chosen = self._chance.sample(VARIABLES, self._chance.choice((0, 0, 1, 1, 2, 3)))
        variables = dict(each.split("=", 1) for each in chosen)
        cwd = self._chance.choice(CWDS)
        return Call(tuple(words), cwd, {**ALWAYS, **variables}, program)
