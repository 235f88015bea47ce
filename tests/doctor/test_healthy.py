"""A healthy default set-up yields no finding at all, in any group, on any file system."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import real_uv
from tests.doctor.conftest import Person
from tests.filesystems import FileSystems
from tests.uv.world import NAME, build_wheel
from uvx_policy.doctor import engine

pytestmark = [pytest.mark.uv, pytest.mark.filesystem]


def project(person: Person, directory: Path, more: str = "") -> Path:
    """A project with something to install, without any network."""
    wheels = person.base / "wheels"
    if not wheels.exists():
        build_wheel(wheels)
    directory.mkdir(parents=True)
    (directory / "pyproject.toml").write_text(
        f'[project]\nname = "{directory.name}"\nversion = "1"\nrequires-python = ">=3.8"\n'
        f'dependencies = ["{NAME}"]\n\n'
        f'[tool.uv]\nno-index = true\nfind-links = ["{wheels}"]\n{more}'
    )
    return directory


def settled(base: Path, uv: Path) -> Person:
    person = Person(base, uv)
    person.variables["UV_PYTHON_DOWNLOADS"] = "never"
    person.sets_up()
    return person


def assert_well(person: Person) -> None:
    assert [str(each) for each in person.asks("--verify")] == []
    text = person.types("linkpolicy", "doctor", "--strict")
    *lines, _, summary = text.splitlines()
    assert summary.startswith("All checks passed: ")
    # Below its group stands only what was skipped.
    groups = [line for line in lines if not line.startswith("  - ")]
    assert [line.split()[0] for line in groups] == list(engine.GROUPS)


@pytest.mark.parametrize(
    ("kind", "version"),
    [
        *real_uv.each_with("ext4"),
        *((kind, version) for kind in ("btrfs", "xfs") for version in real_uv.SUPPORTED[::4]),
    ],
)
def test_a_fresh_project_after_setup(fs: FileSystems, kind: str, version: str) -> None:
    person = settled(getattr(fs, kind) / "person", real_uv.provide(version) / "uv")
    person.cwd = project(person, person.home / "project")
    assert_well(person)

    person.types("uv", "sync", "-q")

    assert_well(person)


def test_a_second_disk(fs: FileSystems, newest_uv: Path) -> None:
    person = settled(fs.ext4 / "person", newest_uv)
    person.cwd = project(person, fs.other_ext4 / "work" / "project")
    assert_well(person)

    person.types("uv", "sync", "-q")

    assert_well(person)


def test_a_hackable_project(fs: FileSystems, newest_uv: Path) -> None:
    person = settled(fs.ext4 / "person", newest_uv)
    person.cwd = project(person, person.home / "project", "\n[tool.linkpolicy]\nhackable = true\n")
    person.types("uv", "sync", "-q")

    assert_well(person)


def test_a_directory_that_is_no_project(fs: FileSystems, newest_uv: Path) -> None:
    person = settled(fs.ext4 / "person", newest_uv)

    assert_well(person)


def test_an_environment_in_use(fs: FileSystems, newest_uv: Path) -> None:
    """Bytecode, a second sync, an upgrade of a package, `uv run`."""
    person = settled(fs.ext4 / "person", newest_uv)
    person.cwd = project(person, person.home / "project")
    person.types("uv", "sync", "-q")
    person.types("uv", "run", "-q", "python", "-c", f"import {NAME}")
    build_wheel(person.base / "wheels", version="2.0")
    person.types("uv", "sync", "-q", "--upgrade", "--compile-bytecode")
    person.types("uv", "add", "-q", "--dev", f"{NAME}>=2")

    assert_well(person)
    told = json.loads(person.types("linkpolicy", "doctor", "--json"))
    assert {each["group"] for each in told["findings"]} == set(engine.GROUPS)
