"""Shared fixtures: no test can touch the developer's home, cache or uv by accident."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

from tests import real_uv
from tests.filesystems import fs, mounted

__all__ = ("fs", "mounted")

settings.register_profile("ci", derandomize=True, deadline=None, max_examples=200)
settings.register_profile("dev", deadline=None, max_examples=50)
settings.load_profile("ci" if os.environ.get("CI") else "dev")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A job that a script started in the background ignores Ctrl-C, and so would all that we start.
    signal.signal(signal.SIGINT, signal.default_int_handler)

_STRIPPED = ("UV_", "XDG_", "CONDA_", "LINKPOLICY_", "_LINKPOLICY_", "PYTHON")
_KEPT = ("LINKPOLICY_TEST_",)


@pytest.fixture(autouse=True)
def isolation(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own for every test, and no variable of the developer's uv."""
    home = tmp_path_factory.mktemp("home")
    for name in list(os.environ):
        if (name.startswith(_STRIPPED) and not name.startswith(_KEPT)) or name in (
            "VIRTUAL_ENV", "UV", "NO_COLOR", "FORCE_COLOR", "COLUMNS",
        ):  # fmt: skip
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    return home


@pytest.fixture(params=real_uv.SUPPORTED)
def each_uv(request: pytest.FixtureRequest) -> Path:
    """The real uv, once for every supported version."""
    return real_uv.provide(request.param) / "uv"


@pytest.fixture
def newest_uv() -> Path:
    """The real uv, newest version of the index."""
    return real_uv.provide("newest") / "uv"
