"""One Windows machine for each process of the session; every test here has the mark `wine`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import hatch_build
from tests.sandbox import ROOT
from tests.wine import laboratory as machine

_HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Before those that were not asked for are taken out."""
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.wine)


@pytest.fixture(scope="session")
def machine_of_session(
    own_machine: None,  # noqa: ARG001 (in which Wine runs)
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[machine.Laboratory]:
    """See `machine.made`; use `laboratory` in tests."""
    with machine.made(tmp_path_factory.mktemp("wine")) as made:
        yield made


@pytest.fixture
def laboratory(machine_of_session: machine.Laboratory) -> machine.Laboratory:
    """The machine, with a new home and nothing in the working directory."""
    machine_of_session.begin()
    return machine_of_session


@pytest.fixture(scope="session")
def launchers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The launchers as they are shipped."""
    made = tmp_path_factory.mktemp("launchers")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZIG_GLOBAL_CACHE_DIR", str(tmp_path_factory.mktemp("zig")))
        hatch_build.compile_with_zig(str(ROOT), str(made), hatch_build.PLATFORMS["windows-x86_64"])
    return made
