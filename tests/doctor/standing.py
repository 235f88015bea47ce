"""A person who stands in a directory of a `World` and asks the doctor."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests import real_uv, sandbox
from tests.doctor.witness import WITNESS
from tests.uv.world import World, installed
from uvx_policy.doctor.case import Case
from uvx_policy.doctor.diagnostic import Check, Diagnostic

ROOT = Path(__file__).resolve().parent.parent.parent


#: each file system with the newest uv, each other uv on one of them
EACH_PLACE = (
    *((kind, "newest") for kind in ("xfs", "btrfs", "overlay")),
    *real_uv.each_with("ext4"),
)


class Standing:
    """Looks at things as the process of a person would: a fresh `Case` each time."""

    def __init__(self, world: World, cwd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = world
        self.cwd = cwd
        self.monkeypatch = monkeypatch
        self.environ = world.environ()
        own = program(
            world.base / "own" / "linkpolicy",
            f'#!/bin/sh\nexec {shlex.join(sandbox.linkpolicy())} "$@"\n',
        )
        self.environ["PATH"] += f":{own.parent}"

    def case(self) -> Case:
        for name in list(os.environ):
            if not name.startswith("PYTEST"):
                self.monkeypatch.delenv(name)
        for name, value in self.environ.items():
            self.monkeypatch.setenv(name, value)
        self.monkeypatch.chdir(self.cwd)
        return Case(environ=self.environ, cwd=str(self.cwd))

    def told(self, check: Check) -> list[Diagnostic]:
        found = list(check.look(self.case()))
        WITNESS.saw(check.id, found)
        return found

    def one(self, check: Check) -> Diagnostic:
        (found,) = self.told(check)
        return found

    def every(self, checks: Sequence[Check]) -> list[tuple[str, Diagnostic]]:
        case = self.case()
        told = []
        for check in checks:
            found = list(check.look(case))
            WITNESS.saw(check.id, found)
            told += [(check.id, each) for each in found]
        return told

    def wrong(self, checks: Sequence[Check]) -> list[tuple[str, Diagnostic]]:
        """What is not well."""
        return [each for each in self.every(checks) if each[1].status not in ("pass", "skip")]

    def fix(self, check: Check, *, dry_run: bool = False) -> list[str]:
        assert check.fix is not None
        if not dry_run:
            WITNESS.fixed()
        deeds = list(check.fix(self.case()))
        return [line for deed in deeds for line in (deed.would if dry_run else deed.do())]

    def types(self, command: str, *, code: int = 0) -> None:
        """What a person does with a fix: type it into the shell that goes on being used."""
        WITNESS.typed(command)
        # Here is no terminal on which the person could say yes.
        for asks in ("linkpolicy repair", "linkpolicy reclaim"):
            command = command.replace(asks, f"{asks} --yes")
        done = subprocess.run(
            ["/bin/sh", "-ec", f"{{ {command}\n}} >&2\nenv -0"],
            cwd=self.cwd, env=self.environ, capture_output=True, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stderr.decode()
        if code:
            return  # -e: the shell ended there
        after = dict(row.split("=", 1) for row in done.stdout.decode().split("\0") if row)
        self.environ = {
            name: value
            for name, value in after.items()
            if name not in ("_", "PWD", "OLDPWD", "SHLVL")
        }


class Place:
    """A `World` on one file system, and a project in it in which a person stands."""

    def __init__(self, disk: Path, uv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.disk = disk
        self.monkeypatch = monkeypatch
        self.world = World(disk / "world", uv)
        self.project = self.world.project(disk / "project")
        self.venv = self.project / ".venv"
        self.standing = Standing(self.world, self.project, monkeypatch)

    def sync(self, *words: str) -> None:
        self.world.uv("sync", *words, cwd=self.project)

    @property
    def cache(self) -> Path:
        return self.world.default_cache

    @property
    def module(self) -> Path:
        return installed(self.venv) / "__init__.py"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def only(checks: Sequence[Check], name: str) -> Check:
    (found,) = [check for check in checks if check.id == name]
    return found


def program(path: Path, text: str) -> Path:
    write(path, text).chmod(0o755)
    return path


def environment_with(directory: Path, *packages: str, programs: Sequence[str] = ()) -> Path:
    """Something like an environment that pipx made: packages, and programs with its `#!` line."""
    site = directory / "lib" / "python3.12" / "site-packages"
    for name in packages:
        write(site / f"{name.replace('-', '_')}-1.0.dist-info" / "METADATA", f"Name: {name}\n")
    for name in programs:
        program(directory / "bin" / name, f"#!{directory}/bin/python\n")
    return directory
