"""Two projects that share a cache, and what is to be looked at before and after a repair."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.caches.machine import Machine
from tests.uv.world import NAME, ORIGINAL, Done

EDITED = "VALUE = 'edited!!'\n"
assert len(EDITED) == len(ORIGINAL)


class Scene:
    """`scene.a` and `scene.b` are projects, `scene.cache` is where both were linked from."""

    def __init__(self, machine: Machine, base: Path | None = None) -> None:
        self.machine = machine
        self.world = machine.world
        self.base = base or machine.world.base
        self.a = self.project("a")
        self.b = self.project("b")
        self.cache = self.world.default_cache

    def project(self, name: str, policy: str = "") -> Path:
        """A project with the tiny package, synced through the shim without a network."""
        directory = self.world.project(self.base / name, policy=policy)
        self.world.uv("sync", "--offline", cwd=directory)
        return directory

    def repair(self, *words: str, cwd: Path | None = None) -> Done:
        """`linkpolicy repair --yes --offline` in a project."""
        with self.machine.working_in(cwd or self.a):
            return self.machine.linkpolicy("repair", "--yes", "--offline", *words)

    def verify(self, *words: str, cwd: Path | None = None) -> Done:
        with self.machine.working_in(cwd or self.a):
            return self.machine.linkpolicy("verify", *words)

    @property
    def archive(self) -> Path:
        """The package in the cache."""
        (found,) = self.cache.glob(f"archive-v0/*/{NAME}")
        return found

    def saved(self) -> list[Path]:
        """What was saved of edits: files, without directories."""
        state = self.world.home / ".local/state/linkpolicy/edits"
        return sorted(path for path in state.rglob("*") if path.is_file())


def module(project: Path) -> Path:
    """The file that everybody edits."""
    (site,) = project.glob(".venv/lib/*/site-packages")
    return site / NAME / "__init__.py"


def printed(project: Path, expression: str = f"{NAME}.VALUE") -> str:
    """What a program in this project sees; leaves bytecode behind."""
    done = subprocess.run(
        [project / ".venv/bin/python", "-c", f"import {NAME}; print({expression})"],
        env={"PATH": os.environ["PATH"]}, cwd=project, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()
