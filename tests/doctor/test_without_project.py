"""`uv venv` and `uv pip install` in a directory without a project: as good as any other."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.doctor.checks import typed
from tests.doctor.standing import ROOT, Standing, write
from tests.filesystems import FileSystems, same_inode
from tests.uv.world import NAME, ORIGINAL, World, archived, build_wheel, installed
from uvx_policy.doctor import caches, environment, project
from uvx_policy.doctor.diagnostic import Diagnostic

pytestmark = [pytest.mark.uv, pytest.mark.filesystem]

CHECKS = (*project.CHECKS, *environment.CHECKS, *caches.CHECKS)


class Bare(Standing):
    """A directory with an environment, on another disk than the home."""

    def __init__(self, fs: FileSystems, uv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        world = World(fs.ext4 / "world", uv)
        self.disk = fs.image("ext4")
        cwd = self.disk / "me" / "bare"
        cwd.mkdir(parents=True)
        super().__init__(world, cwd, monkeypatch)
        write(cwd / "uv.toml", f'no-index = true\nfind-links = ["{world.wheels}"]\n')
        self.venv = cwd / ".venv"
        self.types(f"uv venv && uv pip install {NAME}")

    @property
    def module(self) -> Path:
        return installed(self.venv) / "__init__.py"

    def linkpolicy(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "uvx_policy.cli", *words],
            cwd=self.cwd, env={**self.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout

    def found(self) -> dict[str, Diagnostic]:
        return dict(self.wrong([each for each in CHECKS if not each.thorough]))


@pytest.fixture
def bare(fs: FileSystems, newest_uv: Path, monkeypatch: pytest.MonkeyPatch) -> Bare:
    return Bare(fs, newest_uv, monkeypatch)


def test_the_doctor_sees_the_environment(bare: Bare) -> None:
    told = dict(bare.every(CHECKS))

    assert [each for each in told.values() if "no environment yet" in each.detail] == []
    assert told["decision"].status == "pass"
    assert f"`uv pip install` installs into `{bare.venv}`" in told["decision"].detail
    assert told["files-linked"].detail.endswith("1 hard linked.")
    assert bare.found() == {}


def test_explain_env_and_cache_dir_tell_what_is_in_use(bare: Bare) -> None:
    cache = bare.disk / "me" / ".uv-cache-0"
    cache = cache if cache.exists() else bare.disk / ".uv-cache-0"
    (cached,) = archived(cache)
    assert same_inode(bare.module, cached)

    told = json.loads(bare.linkpolicy("explain", "--json"))

    assert told["destination"] == {
        "path": str(bare.venv), "kind": "environment", "device": bare.venv.stat().st_dev,
    }  # fmt: skip
    assert told["cache_dir"]["value"] == str(cache)
    assert bare.linkpolicy("explain").startswith("uv pip install\n")
    exported = json.loads(bare.linkpolicy("env", "--json"))
    assert exported == {"UV_CACHE_DIR": str(cache), "UV_LINK_MODE": "hardlink"}
    assert bare.linkpolicy("cache", "dir") == f"{cache}\n"


def test_in_an_active_environment_elsewhere(bare: Bare) -> None:
    bare.environ["VIRTUAL_ENV"] = str(bare.venv)
    bare.cwd = bare.world.home

    assert json.loads(bare.linkpolicy("explain", "--json"))["destination"]["path"] == str(bare.venv)
    assert bare.found() == {}


def test_without_an_environment_nothing_is_in_use(bare: Bare) -> None:
    shutil.rmtree(bare.venv)

    assert json.loads(bare.linkpolicy("explain", "--json"))["destination"]["path"] is None
    assert bare.linkpolicy("env") == ""
    assert dict(bare.every(CHECKS))["files-drift"].detail == "there is no environment yet"


def test_an_edit_is_found_and_undone(bare: Bare) -> None:
    later = bare.module.stat().st_mtime + 3600
    bare.module.write_text("VALUE = 'edited by accident'\n")
    os.utime(bare.module, (later, later))

    (told,) = bare.found().values()
    bare.types(typed(told.fix))

    assert bare.module.read_text() == ORIGINAL
    assert bare.found() == {}


def test_links_to_nothing_are_reinstalled_with_uv_pip(bare: Bare) -> None:
    build_wheel(bare.world.wheels, "other")
    bare.types(f"uv pip install --link-mode symlink --reinstall {NAME} && uv pip install other")
    cache = bare.case().used_cache
    bare.world.plain("cache", "clean", NAME, cwd=bare.cwd, UV_CACHE_DIR=cache)
    assert [path for path in bare.venv.rglob("*") if path.is_symlink() and not path.exists()]

    told = bare.found()["files-broken-links"]

    assert typed(told.fix) == f"uv pip install --no-deps --reinstall {NAME}==1.0"
    bare.types(typed(told.fix))
    assert bare.module.read_text() == ORIGINAL
    assert bare.found() == {}


def test_copies_are_linked_again_with_uv_pip(bare: Bare) -> None:
    bare.types(f"uv pip install --link-mode copy --reinstall {NAME}")
    assert bare.module.stat().st_nlink == 1

    (told,) = bare.found().values()
    bare.types(typed(told.fix))

    assert bare.module.stat().st_nlink == 2
    assert bare.found() == {}


def test_an_environment_that_lost_its_python_is_made_again_with_uv_pip(bare: Bare) -> None:
    """`uv sync` refuses: there is no project."""
    refused = bare.world.plain("sync", cwd=bare.cwd, check=False)
    assert "pyproject.toml" in refused.stderr
    shutil.rmtree(bare.venv / "bin")

    found = bare.found()

    assert [each for each in found.values() if "uv sync" in typed(each.fix)] == []
    bare.types(typed(found["venv-interpreter"].fix))
    assert bare.module.read_text() == ORIGINAL
    assert bare.found() == {}
