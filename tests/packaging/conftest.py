"""The wheel of this checkout, with the native launcher in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.packaging import checkout


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as on any machine that has a compiler."""
    checkout.need_compiler()
    root = tmp_path_factory.mktemp("wheel")
    built = checkout.build(checkout.copy(root / "tree"), "wheel", root / "dist")
    assert (built.code, built.stderr) == (0, "")
    return built.made
