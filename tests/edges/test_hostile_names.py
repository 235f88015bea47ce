"""A directory or package can have any name: whatever prints it, it steers no terminal."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.caches.conftest import disk, machine
from tests.repair.conftest import scene
from tests.repair.scene import Scene, module
from uvx_policy.command_line.tree import COMMANDS as EVERY_COMMAND

__all__ = ("disk", "machine", "scene")

pytestmark = [pytest.mark.uv, pytest.mark.filesystem]

NAMES = {
    "escape": b"a\x1b[2J\x1b]0;title\x07",
    "C1": "a\x9b2J\x85b".encode(),
    "bidi": "a\u202eb\u2066c\u200f".encode(),
    "lines": b"a\nb\rc\td",
    "quotes": "a'b\"c`id`$(id)\u2018\u2019\u201c".encode(),
    "markup": b"[bold]a[link=file:x]:smile:",
    "not UTF-8": b"a\xff\xfe",
    "option": b"--all",
}
COMMANDS = [
    "explain", "explain --json", "why", "config", "config --json", "help",
    "status", "status --json", "status --refresh", "doctor",
    "doctor --json", "doctor --verify", "doctor --fix --dry-run", "verify", "verify --diff",
    "reclaim --dry-run", "reclaim --dry-run --json", "reclaim --yes .", "cache seed --dry-run",
    "adopt", "adopt --json", "adopt --dry-run .venv", "verify --json", "verify --all",
    "repair --dry-run", "repair --dry-run --json", "edits", "edits --json", "edits show 1",
    "repair --yes --offline",
    "detach --dry-run", "detach --no-hackable", "cache", "cache list --json", "cache size",
    "cache size --json",
    "cache dir --json", "cache prune --dry-run", "cache clean --dry-run", "init --dry-run",
    "init --hackable", "env --json", "setup --dry-run", "uninstall --dry-run", "verify no/such",
]  # fmt: skip
#: prints paths for shells and scripts as they are: the tests of `env` and `cache dir` see to it
FOR_PROGRAMS = {"env", "run", "demo", "setup", "uninstall", "completion"}


@pytest.fixture
def hostile(scene: Scene, request: pytest.FixtureRequest) -> Path:
    """A project in a directory of that name, linked from the cache, with an edit in a package."""
    directory = Path(os.fsdecode(os.fsencode(scene.base) + b"/" + request.param))
    shutil.copytree(scene.a, directory, symlinks=True, copy_function=os.link)
    file = module(directory)
    odd = file.with_name(os.fsdecode(request.param))
    odd.write_text("extra\n")
    with file.open("a") as stream:
        stream.write("MORE = '\x1b[2J\u202e'\n")
    return directory


@pytest.mark.parametrize("hostile", NAMES.values(), ids=NAMES, indirect=True)
def test_nothing_that_is_printed_steers_a_terminal(scene: Scene, hostile: Path) -> None:
    for command in COMMANDS:
        with scene.machine.working_in(hostile):
            done = scene.machine.linkpolicy(*command.split())

        assert done.code in (0, 1, 2), (command, done)
        assert "Traceback" not in done.err, (command, done.err)
        for text in (done.out, done.err):
            odd = {char for char in text if not (char.isprintable() or char == "\n")}
            assert odd == set(), (command, text)
        if "--json" in command:
            json.loads(done.out)


def test_every_command_is_tried() -> None:
    tried = {command.split()[0] for command in COMMANDS}

    assert set(EVERY_COMMAND) - FOR_PROGRAMS <= tried
