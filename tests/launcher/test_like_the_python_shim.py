"""The tests of `tests/shim`, with a launcher before the Python shim: the same contract."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.launcher import programs
from tests.shim import test_finding_uv, test_recursion, test_transparency
from tests.shim.conftest import Installed, put_recorder, without_embedded
from uvx_policy import locate
from uvx_policy.setup import launcher as installed_launcher
from uvx_policy.setup import shim_file

__all__ = ("without_embedded",)

#: these write a Python shim of their own over ours
_ABOUT_THE_PYTHON_SHIM = ("embedded", "without_a_real_uv", "package")

globals().update(
    {
        name: test
        for module in (test_transparency, test_finding_uv, test_recursion)
        for name, test in vars(module).items()
        if name.startswith("test_") and not any(part in name for part in _ABOUT_THE_PYTHON_SHIM)
    }
)


@pytest.fixture
def installed(tmp_path: Path) -> Installed:
    """As `linkpolicy setup` leaves it."""
    shims, real = tmp_path / "shims", tmp_path / "real"
    behind = shims / ".linkpolicy"
    for directory in (shims, real, behind):
        directory.mkdir()
    binary = programs.launcher(programs.shipped()).read_bytes()
    for program in ("uv", "uvx"):
        shim, fallback = shims / program, behind / program
        fallback.write_bytes(shim_file.render(program, shim=str(shim)))
        shim.write_bytes(
            installed_launcher.configured(
                binary,
                program=program,
                fallback=str(fallback),
                embedded=locate.embedded_directories(),
            )
        )
        for made in (shim, fallback):
            made.chmod(0o755)
    put_recorder(real)
    return Installed(shims, real, tmp_path / "record")
