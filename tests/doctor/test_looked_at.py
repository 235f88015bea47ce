"""Faults that no new time tells are found without hashing: by presence, size, and what is compared.

Each is made with a real uv, and ends with its own fix.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.doctor.checks import typed
from tests.doctor.standing import Standing
from tests.filesystems import FileSystems, same_inode
from tests.uv.world import NAME, ORIGINAL, World, archived, installed
from uvx_policy.doctor import caches, environment
from uvx_policy.doctor.diagnostic import Diagnostic

pytestmark = [pytest.mark.uv, pytest.mark.filesystem]

#: what plain `doctor` says of environments and caches
QUICK = [each for each in (*environment.CHECKS, *caches.CHECKS) if not each.thorough]
INFO = f"{NAME}-1.0.dist-info"


class Here(Standing):
    """In a project on ext4, whose files are hard links."""

    def __init__(self, disk: Path, uv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        world = World(disk / "world", uv)
        super().__init__(world, world.project(disk / "project"), monkeypatch)
        self.disk = disk
        self.cache = world.default_cache
        self.venv = self.cwd / ".venv"

    def sync(self, *words: str) -> None:
        self.world.uv("sync", *words, cwd=self.cwd)

    @property
    def archive(self) -> Path:
        (module,) = archived(self.cache)
        return module.parent.parent

    def found(self) -> dict[str, Diagnostic]:
        return dict(self.wrong(QUICK))


@pytest.fixture
def here(fs: FileSystems, newest_uv: Path, monkeypatch: pytest.MonkeyPatch) -> Here:
    return Here(fs.ext4, newest_uv, monkeypatch)


def keeping_times(path: Path, change: Callable[[], object]) -> None:
    told = path.stat()
    change()
    os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))


# A power cut --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [f"{INFO}/METADATA", f"{NAME}/__init__.py", f"{NAME}/data.bin"])
@pytest.mark.fixes("caches-edited", by="typing")
def test_files_that_a_power_cut_emptied_in_a_cache(here: Here, name: str) -> None:
    here.sync()
    shutil.rmtree(here.venv)
    lost = here.archive / name
    content = lost.read_bytes()
    keeping_times(lost, lambda: os.truncate(lost, 0))

    (told,) = here.found().values()

    assert told.status == "fail"
    assert f"`{name}` is empty" in told.detail
    assert told.paths == (str(lost),)
    assert told.fix is not None
    here.types(typed(told.fix))
    assert lost.read_bytes() == content
    assert here.found() == {}
    here.sync()
    assert (installed(here.venv) / "__init__.py").read_text() == ORIGINAL


@pytest.mark.parametrize("everything", [False, True])
@pytest.mark.fixes("caches-records", by="typing")
def test_a_record_that_a_power_cut_emptied_in_a_cache(here: Here, everything: bool) -> None:
    here.sync()
    shutil.rmtree(here.venv)
    lost = here.archive / INFO / "RECORD"
    content = lost.read_bytes()
    for path in here.archive.rglob("*") if everything else [lost]:
        if path.is_file():
            os.truncate(path, 0)

    found = here.found()

    assert list(found) == ["caches-records"]
    told = found["caches-records"]
    assert told.paths == (str(lost),)
    assert f"`{INFO}/RECORD` is damaged: it is empty" in told.detail
    assert typed(told.fix) == f"linkpolicy repair {here.cache}"
    here.types(typed(told.fix))
    assert here.found() == {}
    assert (here.archive / INFO / "RECORD").read_bytes() == content
    here.sync()
    assert (installed(here.venv) / "__init__.py").read_text() == ORIGINAL


@pytest.mark.parametrize("keep", [0, 60])
@pytest.mark.fixes("files-records", by="typing")
def test_a_record_that_was_cut_short_in_an_environment(here: Here, keep: int) -> None:
    here.sync()
    (lost,) = here.venv.rglob("RECORD")
    os.truncate(lost, keep)

    found = here.found()

    assert list(found) == ["files-records"]
    assert found["files-records"].paths == (str(lost),)
    assert typed(found["files-records"].fix) == "linkpolicy repair"
    here.types(typed(found["files-records"].fix))
    assert here.found() == {}
    here.sync("--reinstall")


def test_a_file_that_is_empty_here_and_in_the_cache_is_one_finding(here: Here) -> None:
    here.sync()
    module = installed(here.venv) / "__init__.py"
    keeping_times(module, lambda: os.truncate(module, 0))

    found = here.found()

    assert list(found) == ["files-edited-in-cache"]
    assert f"`{NAME}/__init__.py` is empty" in found["files-edited-in-cache"].detail
    here.types(typed(found["files-edited-in-cache"].fix))
    assert module.read_text() == ORIGINAL
    assert (here.archive / NAME / "__init__.py").read_text() == ORIGINAL


# A cleaner of /tmp --------------------------------------------------------------------------------


@pytest.mark.fixes("caches-missing", by="typing")
def test_files_that_a_cleaner_took_from_a_cache(here: Here) -> None:
    here.sync()
    taken = [here.archive / NAME / name for name in ("__init__.py", "data.bin")]
    for path in taken:
        path.unlink()

    found = here.found()

    assert list(found) == ["caches-missing"]
    assert set(found["caches-missing"].paths) == set(map(str, taken))
    here.types(typed(found["caches-missing"].fix))
    assert here.found() == {}
    other = here.world.project(here.disk / "other")
    here.world.plain("sync", cwd=other)
    assert (installed(other / ".venv") / "__init__.py").read_text() == ORIGINAL


@pytest.mark.fixes("files-missing", by="typing")
def test_files_that_are_missing_in_an_environment(here: Here) -> None:
    here.sync()
    module = installed(here.venv) / "__init__.py"
    module.unlink()

    found = here.found()

    assert list(found) == ["files-missing"]
    assert f"`{NAME}/__init__.py` is missing" in found["files-missing"].detail
    here.types(typed(found["files-missing"].fix))
    assert module.read_text() == ORIGINAL
    assert same_inode(module, here.archive / NAME / "__init__.py")
    assert here.found() == {}


# Caches that were moved, copied or restored -------------------------------------------------------


@pytest.mark.parametrize("edit", ["EDITED = 1\n", ORIGINAL.replace("original", "othering")])
@pytest.mark.parametrize("how", ["restored", "moved"])
@pytest.mark.fixes("caches-edited", by="typing")
def test_an_edit_in_a_cache_that_came_back_with_its_times(here: Here, edit: str, how: str) -> None:
    """As from a CI cache: each directory is new, and later than the edit."""
    here.sync()
    module = here.archive / NAME / "__init__.py"
    module.write_text(edit)
    later = module.stat().st_mtime + 60
    os.utime(module, (later, later))
    shutil.rmtree(here.venv)
    aside = here.cache.with_name("aside")
    here.cache.rename(aside)
    if how == "restored":
        shutil.copytree(aside, here.cache, symlinks=True)  # with times, and new inodes
        shutil.rmtree(aside)
    else:
        aside.rename(here.cache)

    found = here.found()

    assert list(found) == ["caches-edited"]
    assert f"`{NAME}/__init__.py` was edited" in found["caches-edited"].detail
    here.types(typed(found["caches-edited"].fix))
    assert [path.read_text() for path in archived(here.cache)] == [ORIGINAL]
    assert here.found() == {}


@pytest.mark.fixes("caches-edited", by="typing")
def test_a_poisoned_cache_that_was_copied_to_another_disk(fs: FileSystems, here: Here) -> None:
    here.sync()
    module = here.archive / NAME / "__init__.py"
    keeping_times(module, lambda: module.write_text("POISON = 1\n"))
    other = fs.image("ext4")
    copy = other / "cache"
    shutil.copytree(here.cache, copy, symlinks=True)
    shutil.rmtree(here.cache)
    here.environ["UV_CACHE_DIR"] = str(copy)
    here.cwd = here.world.project(other / "project")

    found = here.found()

    assert list(found) == ["caches-edited"]
    here.types(typed(found["caches-edited"].fix))
    assert [path.read_text() for path in archived(copy)] == [ORIGINAL]
    assert here.found() == {}


# Rows and files that hashing alone would tell -----------------------------------------------------


def test_a_file_that_was_stripped_with_its_times_preserved(here: Here) -> None:
    here.sync()
    data = installed(here.venv) / "data.bin"
    keeping_times(data, lambda: os.truncate(data, 1000))

    assert list(here.found()) == ["files-edited-in-cache"]


def test_a_row_without_a_hash_has_a_size(here: Here) -> None:
    """uv 0.11.6 and later add such a row for a file that a wheel's RECORD does not name."""
    here.sync()
    for record in (*here.venv.rglob("RECORD"), *here.archive.rglob("RECORD")):
        rows = [
            f"{path},,{size}" if path.endswith("data.bin") else f"{path},{digest},{size}"
            for path, digest, size in (row.split(",") for row in record.read_text().split())
        ]
        told = record.stat()
        record.write_text("\n".join(rows) + "\n")
        os.utime(record, ns=(told.st_atime_ns, told.st_mtime_ns))
    assert here.found() == {}
    data = installed(here.venv) / "data.bin"
    keeping_times(data, lambda: os.truncate(data, 1000))

    assert list(here.found()) == ["files-edited-in-cache"]


def test_what_is_too_large_to_compare_is_skipped_and_not_passed(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.sync()
    data = installed(here.venv) / "data.bin"
    os.utime(data, (2e9, 2e9))
    monkeypatch.setattr("uvx_policy.installed.quick.MOST_READ", 1000)

    told = [each for _, each in here.every(QUICK) if "--verify" in each.detail]

    assert [each.status for each in told] == ["skip", "skip"]
    assert told[0].detail == (
        "1 file was written after the installation and cannot be compared quickly; --verify "
        "compares everything"
    )
    assert here.found() == {}
