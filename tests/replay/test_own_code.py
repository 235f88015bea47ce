"""Each linkpolicy replays its own decisions only: not another one's, nor an older version's."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import uvx_policy
from tests.launcher import programs
from tests.replay.machine import Call, Machine, as_given, put, run, wait_for_tick
from tests.replay.scenarios import PROJECT
from uvx_policy import locate
from uvx_policy.replay import records
from uvx_policy.setup import launcher as installed_launcher
from uvx_policy.setup import shim_file


def _install(machine: Machine) -> None:
    """The launcher of the package that `uvx_policy.__file__` names, where the one before was."""
    content = installed_launcher.configured(
        programs.launcher(programs.shipped()).read_bytes(),
        program="uv",
        fallback=str(machine.shims / "fallback-uv"),
        embedded=[],
    )
    put(machine.shims / "uv", content)


def _replays(machine: Machine, call: Call) -> bool:
    hit = records.replay(machine.state, machine.key_of(call)) is not None
    native, native_hit = machine.in_native(call)
    assert native_hit is hit
    assert hit or native == as_given(call)
    return hit


def _package(site: Path) -> Path:
    put(site / "uvx_policy/__init__.py", "")
    return site / "uvx_policy/__init__.py"


@pytest.mark.usefixtures("patient")
def test_of_two_packages_each_has_its_own_records(
    here: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the same shim directory, with the same state directory, of the same version."""
    put(here.project / "pyproject.toml", PROJECT)
    call = here.call("sync")
    packages = [str(_package(tmp_path / name / "site-packages")) for name in ("one", "two")]
    wait_for_tick()

    for package in packages:
        monkeypatch.setattr(uvx_policy, "__file__", package)
        _install(here)
        assert not _replays(here, call)
        here.in_python(call)
        assert _replays(here, call)

    monkeypatch.setattr(uvx_policy, "__file__", packages[0])
    _install(here)
    assert _replays(here, call)


def _written_anew(path: Path, _: Path) -> None:
    """As pip does, with the same content and time."""
    content, told = path.read_bytes(), path.stat()
    path.unlink()
    path.write_bytes(content)
    os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))


def _linked_from_a_cache(path: Path, original: Path) -> None:
    """As uv does: the very file that was there before."""
    path.unlink()
    path.hardlink_to(original)


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("happens", [_written_anew, _linked_from_a_cache])
def test_what_is_installed_anew_in_the_same_place_decides_anew(
    here: Machine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    happens: Callable[[Path, Path], None],
) -> None:
    package = _package(tmp_path / "site-packages")
    (tmp_path / "cached").hardlink_to(package)
    put(here.project / "pyproject.toml", PROJECT)
    monkeypatch.setattr(uvx_policy, "__file__", str(package))
    _install(here)
    call = here.call("sync")
    wait_for_tick()
    here.in_python(call)
    assert _replays(here, call)

    happens(package, tmp_path / "cached")

    assert not _replays(here, call)
    here.in_python(call)
    assert _replays(here, call)


class Copy:
    """A copy of the package, with a Python shim of its own that all copies have at one place."""

    def __init__(self, machine: Machine, directory: Path) -> None:
        self.machine, self.directory = machine, directory
        shutil.copytree(locate.package(), directory / "uvx_policy")

    def set_up(self) -> None:
        """Put its shim where the one before was."""
        ours, others = (repr(str(path)) for path in (self.directory, Path(locate.package()).parent))
        put(self.machine.shims / "uv", shim_file.render("uv").decode().replace(others, ours), 0o755)

    def change(self, before: str, after: str) -> None:
        """Edit the code that says what is set for uv, in place, of the same size."""
        path = self.directory / "uvx_policy/edits.py"
        told, text = path.stat(), path.read_text()
        assert text.count(before) == 1
        path.write_text(text.replace(before, after))
        os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))
        # What Python compiled it to, it would take by its time.
        shutil.rmtree(self.directory / "uvx_policy/__pycache__", ignore_errors=True)

    def variables(self) -> set[str]:
        """Names of what is set for uv by a call, which is decided, recorded and replayed."""
        call = self.machine.call("sync")
        shim = str(self.machine.shims / "uv")
        *_, output = (run(shim, call) for _ in range(3))
        return {
            os.fsdecode(entry).partition("=")[0]
            for entry in output.split(b"\0")
            if entry.startswith(b"UV_")
        }


@pytest.mark.parametrize("site", ["site-packages", "checkout"])
def test_another_version_does_not_repeat_what_the_first_decided(
    here: Machine, tmp_path: Path, site: str
) -> None:
    put(here.project / "pyproject.toml", PROJECT)
    first, second = (Copy(here, tmp_path / name / site) for name in ("first", "second"))
    second.change('"UV_LINK_MODE"', '"UV_LINK_MODA"')
    _wait()

    for _ in range(2):
        first.set_up()
        assert first.variables() == {"UV_LINK_MODE"}
        assert list(here.decisions.iterdir())
        second.set_up()
        assert second.variables() == {"UV_LINK_MODA"}


def test_a_checkout_that_is_edited_decides_anew(here: Machine, tmp_path: Path) -> None:
    put(here.project / "pyproject.toml", PROJECT)
    checkout = Copy(here, tmp_path / "checkout")
    checkout.set_up()
    _wait()
    assert checkout.variables() == {"UV_LINK_MODE"}
    assert list(here.decisions.iterdir())

    checkout.change('"UV_LINK_MODE"', '"UV_LINK_MODA"')

    assert checkout.variables() == {"UV_LINK_MODA"}


def test_only_a_checkout_has_all_its_modules_as_witnesses(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert locate.__file__ in locate.edited_files()

    monkeypatch.setattr(uvx_policy, "__file__", str(_package(tmp_path / "site-packages")))

    assert locate.edited_files() == []


def _wait() -> None:
    """Until what was written is old enough for the processes that are started."""
    time.sleep(0.1)
