"""What root left behind in a user's environment and cache, and what is nobody's to take.

Each fault is made by a real uv of root's; everything else is done by an ordinary user, whose uv
fails before the fix and works after it.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.doctor.test_caches import as_root, looked_at_by
from tests.filesystems import FileSystems
from tests.ordinary_user import UID, as_user
from tests.uv.world import NAME, PYTHON, World, archived, installed
from uvx_policy.caches.inspection import hard_links_are_protected
from uvx_policy.setup import shim_file

pytestmark = [pytest.mark.uv, pytest.mark.filesystem]


class Mine(World):
    """A user's project, which that user has synced."""

    def __init__(self, disk: Path, uv: Path) -> None:
        super().__init__(disk / "world", uv, disk / "home", uid=UID)
        self.here = self.project(self.own_directory(disk / "me") / "project")
        self.venv = self.here / ".venv"
        self.uv("sync", cwd=self.here)

    def looks(self, *checks: str) -> list[dict[str, str]]:
        return looked_at_by(self, self.here, *checks)

    def reinstalls(self) -> subprocess.CompletedProcess[str]:
        return self.uv("sync", "--reinstall", cwd=self.here, check=False)

    def typed(self, *words: str, **environ: str) -> str:
        """What `linkpolicy` says to this user, in the project."""
        program = "import sys; from uvx_policy.cli import main; sys.exit(main())"
        done = subprocess.run(
            as_user((PYTHON, "-c", program, *words)),
            cwd=self.here,
            env={**self.environ(), "PYTHONPATH": ":".join(shim_file.package_paths()), **environ},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in (0, 1), done.stderr
        return done.stdout


@pytest.fixture
def mine(fs: FileSystems, newest_uv: Path) -> Mine:
    return Mine(fs.ext4, newest_uv)


# The environment ----------------------------------------------------------------------------------


@pytest.mark.fixes("venv-owner", by="typing")
def test_bytecode_of_root(mine: Mine) -> None:
    """`sudo .venv/bin/python` once: from then on uv cannot remove the package."""
    python = mine.venv / "bin" / "python"
    subprocess.run([python, "-c", f"import {NAME}"], env=mine.environ(), check=True)
    assert (installed(mine.venv) / "__pycache__").stat().st_uid == 0
    failed = mine.reinstalls()
    assert failed.returncode != 0
    assert "Permission denied" in failed.stderr

    (found,) = mine.looks("venv-owner")
    as_root(found["command"], mine.here)

    assert mine.looks("venv-owner") == []
    assert mine.reinstalls().returncode == 0


@pytest.mark.parametrize("below", ["bin", "lib/*/site-packages", "lib/*/site-packages/tinypkg"])
@pytest.mark.fixes("venv-owner", by="typing")
def test_a_directory_of_root_anywhere(mine: Mine, below: str) -> None:
    (directory,) = mine.venv.glob(below)
    os.chown(directory, 0, 0)
    assert mine.reinstalls().returncode != 0

    (found,) = mine.looks("venv-owner")
    as_root(found["command"], mine.here)

    assert mine.looks("venv-owner") == []
    assert mine.reinstalls().returncode == 0


def test_a_directory_of_root_that_everybody_may_write_is_well(mine: Mine) -> None:
    directory = installed(mine.venv)
    os.chown(directory, 0, 0)
    directory.chmod(0o777)

    assert mine.looks("venv-owner") == []
    assert mine.reinstalls().returncode == 0


# The cache ----------------------------------------------------------------------------------------


def of_root(mine: Mine, what: str) -> list[Path]:
    """Let root own an archive, or one file in it, as after `sudo uv`."""
    (module,) = archived(mine.default_cache)
    archive = module.parent.parent
    given = {"archive": [archive, *archive.rglob("*")], "file": [module], "directory": [
        module.parent]}[what]  # fmt: skip
    for path in given:
        os.chown(path, 0, 0)
    return given


@pytest.mark.parametrize("what", ["archive", "file", "directory"])
@pytest.mark.fixes("caches-foreign-files", by="typing")
def test_what_belongs_to_root_in_a_cache_is_found(mine: Mine, what: str) -> None:
    of_root(mine, what)

    (found,) = mine.looks("caches-foreign-files")
    assert found["command"] == f"sudo chown -R {UID}:{UID} {mine.default_cache}"
    as_root(found["command"], mine.here)

    assert mine.looks("caches-foreign-files") == []


@pytest.mark.skipif(not hard_links_are_protected(), reason="fs.protected_hardlinks is 0 here")
def test_chown_comes_before_reclaim_and_explain_says_what_happens(mine: Mine) -> None:
    of_root(mine, "archive")
    told = json.loads(mine.typed("explain", "--json"))
    assert told["link_mode"]["value"] == "hardlink"
    assert told["copied"].startswith("1 of 1 archive in the cache belongs to user 0: uv copies")
    assert "uv copies what is in there" in " ".join(mine.typed("explain").split())
    done = mine.reinstalls()
    module = installed(mine.venv) / "__init__.py"
    assert (done.returncode, module.stat().st_nlink) == (0, 1)  # so it is

    (found,) = mine.looks("files-copies")
    chown, _, reclaim = found["command"].partition(" && ")
    assert chown == f"sudo chown -R {UID}:{UID} {mine.default_cache}"
    as_root(chown, mine.here)
    mine.typed(*reclaim.split()[1:], "--yes")

    assert module.stat().st_nlink == 2
    assert mine.looks("files-copies", "caches-foreign-files") == []
    assert "copied" not in json.loads(mine.typed("explain", "--json"))


# What is nobody's to take -------------------------------------------------------------------------


@pytest.mark.parametrize("home", ["/", "/nonexistent", "/etc", "/var/lib/nobody", ""])
def test_no_fix_takes_what_is_not_the_users(mine: Mine, home: str) -> None:
    told = json.loads(mine.typed("doctor", "--json", HOME=home))

    commands = [each["fix"]["command"] for each in told["findings"] if each["fix"]]
    assert [each for each in commands if "chown" in each or "chmod" in each] == []
    ill = {each["id"]: each for each in told["findings"] if each["status"] in ("fail", "warn")}
    makeable = ill.get("cache-makeable")
    assert makeable is None or "UV_CACHE_DIR" in makeable["fix"]["text"]


def test_a_cache_in_a_directory_of_others_is_not_taken(mine: Mine, fs: FileSystems) -> None:
    theirs = fs.image("ext4") / "cache"
    theirs.mkdir()

    told = json.loads(mine.typed("doctor", "--json", "caches", UV_CACHE_DIR=str(theirs)))

    (found,) = [each for each in told["findings"] if each["id"] == "caches-owner"]
    assert found["status"] == "fail"
    assert (found["fix"]["command"], found["fix"]["safe"]) == ("", False)
    assert str(theirs) in found["fix"]["text"]
