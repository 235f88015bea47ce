"""linkpolicy as it is installed, and one machine for each client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients import machine
from tests.packaging.conftest import wheel

__all__ = ("wheel",)


@pytest.fixture(scope="session")
def supplies(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[machine.Supplies]:
    """See `machine.supplies`."""
    with machine.supplies(tmp_path_factory.mktemp("supplies"), wheel) as made:
        yield made
