"""The files of a release, made once for each process of the session; each test has a mark."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.release import making
from tests.sandbox import ROOT

_HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Before those that were not asked for are taken out."""
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.release)
            # The first one makes the release: zig compiles five C libraries on a fresh machine.
            item.add_marker(pytest.mark.timeout(1800))


@pytest.fixture(scope="session")
def released(
    own_machine: None,  # noqa: ARG001 (in which it is built)
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The directory with all that is published."""
    into = tmp_path_factory.mktemp("release") / "dist"
    done = making.build(ROOT, into)
    assert done.returncode == 0
    return into
