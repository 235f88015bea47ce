"""Shared fixtures: no test can touch the developer's home, cache or uv by accident."""

from __future__ import annotations

import itertools
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests import real_uv, sandbox
from tests.filesystems import FileSystems, fs, mounted
from tests.uv.world import World
from uvx_policy.setup.shell_lines import CLIENT_VARIABLES

__all__ = ("fs", "mounted")

settings.register_profile("ci", derandomize=True, deadline=None, max_examples=200)
settings.register_profile("dev", deadline=None, max_examples=50)
settings.load_profile("ci" if os.environ.get("CI") else "dev")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A job that a script started in the background ignores Ctrl-C, and so would all that we start.
    signal.signal(signal.SIGINT, signal.default_int_handler)

_STRIPPED = ("UV_", "XDG_", "CONDA_", "LINKPOLICY_", "_LINKPOLICY_", "PYTHON")
_KEPT = ("LINKPOLICY_TEST_",)
#: of the directories of tests
_numbers = itertools.count()


@pytest.fixture(scope="session", autouse=True)
def own_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing of the developer's machine is seen: see `sandbox`."""
    with sandbox.entered(tmp_path_factory.getbasetemp()):
        yield


@pytest.fixture(autouse=True)
def isolation(
    own_machine: None,  # noqa: ARG001
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Path]:
    """A home of its own for every test, and no variable of the developer's uv."""
    home = tmp_path_factory.mktemp(f"home{next(_numbers)}", numbered=False)
    for name in list(os.environ):
        if (name.startswith(_STRIPPED) and not name.startswith(_KEPT)) or name in (
            "VIRTUAL_ENV", *CLIENT_VARIABLES, "NO_COLOR", "FORCE_COLOR", "COLUMNS",
        ):  # fmt: skip
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    yield home
    sandbox.forget_caches()


@pytest.fixture
def tmp_path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As pytest's own, numbered here: that one lists all others, which takes 6 ms in the end."""
    name = re.sub(r"\W", "_", request.node.name)[:30]
    return tmp_path_factory.mktemp(f"{name}{next(_numbers)}", numbered=False)


@pytest.fixture(params=real_uv.each())
def each_uv(request: pytest.FixtureRequest) -> Path:
    """The real uv, once for every supported version: see `real_uv.chosen`.

    `@pytest.mark.parametrize("each_uv", real_uv.each((0, 8, 5)), indirect=True)` names thresholds.
    """
    return real_uv.provide(request.param) / "uv"


@pytest.fixture
def newest_uv() -> Path:
    """The real uv, newest version of the index."""
    return real_uv.provide("newest") / "uv"


@pytest.fixture
def uv_version() -> str:
    """Which uv `world` has; a test may parametrize it."""
    return "newest"


@pytest.fixture
def world(fs: FileSystems, uv_version: str) -> World:
    """See `World`. On an ext4, uv's own cache as well."""
    return World(fs.ext4 / "world", real_uv.provide(uv_version) / "uv", fs.ext4 / "home")
