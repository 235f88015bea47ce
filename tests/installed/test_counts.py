from __future__ import annotations

import functools
import itertools
import json
import os
import shutil
import subprocess
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.filesystems import FileSystems
from tests.installed.test_register import killed_at
from tests.uv.world import NAME, World
from uvx_policy.installed.distributions import site_directories
from uvx_policy.installed.glance import Glance
from uvx_policy.installed.model import Survey
from uvx_policy.installed.survey import survey
from uvx_policy.installed.survey_store import keep, kept
from uvx_policy.state import layout, register
from uvx_policy.state.register import Environment


@pytest.fixture
def state(tmp_path: Path) -> str:
    return str(tmp_path / "state" / "linkpolicy")


def make(path: Path, *names: str) -> str:
    """An environment with distributions of these names, made a moment ago."""
    site = path / "lib/python3.12/site-packages"
    site.mkdir(parents=True)
    (path / "pyvenv.cfg").touch()
    for name in names:
        dist_info = site / f"{name}-1.0.dist-info"
        dist_info.mkdir()
        for file in ("METADATA", "RECORD"):
            (dist_info / file).touch()
    settle(path)
    return str(path)


def settle(path: Path) -> None:
    """As if nothing had come or gone for a minute."""
    for site in path.glob("lib/*/site-packages"):
        os.utime(site, (time.time() - 60, time.time() - 60))


def only_file(state: str) -> Path:
    (path,) = (Path(state) / layout.SURVEYS.directory).iterdir()
    return path


def full(environment: str) -> Survey:
    """A survey in which no field has its default."""
    return Survey(
        environment=environment, files=9, shared_inode_files=1, shared_extent_files=2,
        symlink_files=3, private_files=3, shared_bytes=2**40, private_bytes=7, saveable_bytes=5,
        extents_known=False, dangling=1, edited_files=2, edited=("/a\n", os.fsdecode(b"/\xff")),
        missing_files=1, missing=("/m",), damaged_records=("/r",), closed_directories=1,
        closed=("/c",), unsure_files=4, unreadable_files=1, unreadable=("/x",),
        shared_sample="1 2", glance="9 8 7.0", at=time.time(),
    )  # fmt: skip


def test_what_is_kept_is_what_was_found(state: str, tmp_path: Path) -> None:
    environment = make(tmp_path / "environment", "one")
    found = full(environment)
    assert all(getattr(found, name) != value for name, value in vars(Survey).items()
               if not name.startswith("_"))  # fmt: skip

    keep(state, found)

    assert kept(state, environment) == found
    assert kept(state, environment + "2") is None


def test_a_survey_glances_at_what_a_glance_does(tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    make(environment, "one")
    (site,) = environment.glob("lib/*/site-packages")
    cache = tmp_path / "cache/archive-v0/x"
    for directory in (cache, site / "pkg/__pycache__"):
        directory.mkdir(parents=True)
    (cache / "linked.py").write_text("in the cache")
    (site / "pkg/own.py").write_text("own")
    os.link(cache / "linked.py", site / "pkg/name.py")
    os.link(cache / "linked.py", site / "pkg/other_name.py")
    (site / "pkg/into_cache.py").symlink_to(cache / "linked.py")
    (site / "pkg/dangling.py").symlink_to(cache / "gone.py")
    (site / "pkg/elsewhere.py").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").write_text("elsewhere")
    (site / "pkg/to_nothing.py").symlink_to(tmp_path / "nothing")
    (site / "pkg/__pycache__/own.cpython-312.pyc").write_bytes(b"code")
    (site / "sourceless.pyc").write_bytes(b"code")
    os.utime(site / "pkg/own.py", (2e9, 2e9))

    told = survey(str(environment)).glance

    assert told == Glance().of([str(site)])
    assert told.split()[0] == "9"
    assert told.endswith(" 2000000000.0")


@pytest.mark.parametrize(
    ("environment", "is_path"),
    [(os.fsdecode(b"/\xff"), True), ("/absent", True), ("/\ud800", False), ("/a\0b", False)],
    ids=ascii,
)
def test_odd_environments(state: str, environment: str, is_path: bool) -> None:
    keep(state, full(environment))
    assert (kept(state, environment) is not None) is is_path


def test_only_the_first_paths_are_kept(state: str, tmp_path: Path) -> None:
    environment = make(tmp_path / "environment")
    paths = tuple(f"/{number}" for number in range(1000))

    keep(state, full(environment).replace(edited=paths, unreadable=paths, edited_files=1000))

    told = kept(state, environment)
    assert told is not None
    assert (told.edited_files, told.edited, told.unreadable) == (1000, paths[:100], paths[:100])


def test_the_last_survey_counts(state: str, tmp_path: Path) -> None:
    environment = make(tmp_path / "environment")
    keep(state, full(environment))
    keep(state, full(environment).replace(files=10))

    told = kept(state, environment)

    assert told is not None
    assert told.files == 10
    assert only_file(state).is_file()


# When it does not hold any more -------------------------------------------------------------------


def add_package(path: Path) -> None:
    (path / "lib/python3.12/site-packages/two-1.0.dist-info").mkdir()


def remove_package(path: Path) -> None:
    shutil.rmtree(path / "lib/python3.12/site-packages/one-1.0.dist-info")


def add_module(path: Path) -> None:
    (path / "lib/python3.12/site-packages/module.py").touch()


def be_made_anew(path: Path) -> None:
    path.rename(path.with_name("old"))
    make(path, "one")


def vanish(path: Path) -> None:
    shutil.rmtree(path)


def be_linked(path: Path) -> None:
    metadata = path / "lib/python3.12/site-packages/one-1.0.dist-info/METADATA"
    (path.parent / "in a cache").hardlink_to(metadata)


def be_replaced(path: Path) -> None:
    metadata = path / "lib/python3.12/site-packages/one-1.0.dist-info/METADATA"
    metadata.rename(path.parent / "old")
    metadata.touch()


@pytest.mark.parametrize(
    "change",
    [add_package, remove_package, add_module, be_made_anew, vanish, be_linked, be_replaced],
    ids=lambda change: change.__name__,
)
def test_it_does_not_hold_after(state: str, tmp_path: Path, change: Callable[[Path], None]) -> None:
    environment = make(tmp_path / "environment", "one")
    keep(state, full(environment))
    assert kept(state, environment) is not None

    change(tmp_path / "environment")

    assert kept(state, environment) is None


def test_one_more_environment_with_the_same_files_changes_nothing(
    state: str, tmp_path: Path
) -> None:
    environment = make(tmp_path / "environment", "one")
    be_linked(tmp_path / "environment")
    keep(state, full(environment))

    metadata = tmp_path / "environment/lib/python3.12/site-packages/one-1.0.dist-info/METADATA"
    (tmp_path / "another environment").hardlink_to(metadata)

    assert kept(state, environment) is not None


def test_what_changed_while_it_was_looked_at_is_not_kept(state: str, tmp_path: Path) -> None:
    environment = make(tmp_path / "environment", "one")
    found = survey(environment)
    add_package(tmp_path / "environment")

    keep(state, found)

    assert kept(state, environment) is None


@pytest.mark.uv
@pytest.mark.filesystem
@pytest.mark.parametrize("mode", ["hardlink", "symlink", "copy"])
def test_with_uv_it_holds_until_something_is_installed_or_the_cache_is_cleaned(
    fs: FileSystems, each_uv: Path, mode: str
) -> None:
    world = World(fs.ext4, each_uv)
    project = world.project(fs.ext4 / "project")
    sync = ("sync", "--link-mode", mode)
    world.plain(*sync, cwd=project)
    environment, state = str(project / ".venv"), str(fs.ext4 / "state")

    settle(project / ".venv")
    keep(state, survey(environment))
    assert survey(environment).glance == Glance().of(site_directories(environment))
    world.plain(*sync, cwd=project)  # nothing to do
    assert kept(state, environment) == survey(environment).replace(
        at=getattr(kept(state, environment), "at", None)
    )

    world.plain(*sync, "--reinstall-package", NAME, cwd=project)
    assert kept(state, environment) is None

    settle(project / ".venv")
    keep(state, survey(environment))
    assert kept(state, environment) is not None
    world.plain("cache", "clean", cwd=project)
    assert (kept(state, environment) is None) is (mode != "copy")


# Files --------------------------------------------------------------------------------------------


def cut(told: str) -> str:
    return told[: len(told) // 2]


def empty(_: str) -> str:
    return ""


def of_another_schema(told: str) -> str:
    return told.replace('"schema": 3', '"schema": 2')


def of_another_environment(told: str) -> str:
    return told.replace('"environment": "/', '"environment": "//')


def with_a_word_for_a_number(told: str) -> str:
    return told.replace('"files": 9', '"files": "9"')


def with_a_number_for_a_path(told: str) -> str:
    return told.replace('["/x"]', "[1]")


def with_an_unknown_field(told: str) -> str:
    return told.replace('"files": 9', '"files": 9, "more": 1')


def a_list(_: str) -> str:
    return "[]"


def very_deep(_: str) -> str:
    return "[" * 100_000


@pytest.mark.parametrize(
    "damage",
    [cut, empty, of_another_schema, of_another_environment, with_a_word_for_a_number,
     with_a_number_for_a_path, with_an_unknown_field, a_list, very_deep],
    ids=lambda damage: damage.__name__,
)  # fmt: skip
def test_damaged_files_are_not_believed(
    state: str, tmp_path: Path, damage: Callable[[str], str]
) -> None:
    environment = make(tmp_path / "environment")
    keep(state, full(environment))
    file = only_file(state)
    before = file.read_text()
    assert kept(state, environment) is not None

    file.write_text(damage(before))

    assert file.read_text() != before
    assert kept(state, environment) is None


def test_files_are_ours_alone(state: str, tmp_path: Path) -> None:
    environment = make(tmp_path / "environment")
    keep(state, full(environment))
    file = only_file(state)
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)

    file.chmod(0o644)

    assert kept(state, environment) is None


@pytest.mark.parametrize("state", ["", "/proc/1/no/such", "/dev/null/state", "/a\0b", "r\ud800"])
def test_what_cannot_be_kept_is_no_error(state: str, tmp_path: Path) -> None:
    environment = make(tmp_path / "environment")

    keep(state, full(environment))

    assert kept(state, environment) is None


def test_the_oldest_go_and_the_register_stays(
    state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout.SURVEYS, "most", 8)
    for number in range(20):
        environment = make(tmp_path / f"{number:02}")
        register.remember(state, Environment(path=environment))
        keep(state, full(environment))

    left = [n for n in range(20) if kept(state, str(tmp_path / f"{n:02}"))]

    assert 6 <= len(left) <= 8
    assert 19 in left
    assert len(list(register.known(state))) == 20


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_any_step_it_leaves_the_old_or_the_new(tmp_path: Path, after: bool) -> None:
    environment = make(tmp_path / "environment")
    old, new = full(environment), full(environment).replace(files=10)
    outcomes = []
    for step in itertools.count():
        state = str(tmp_path / str(step))
        keep(state, old)

        killed = killed_at(step, functools.partial(keep, state, new), after=after)

        outcomes.append(kept(state, environment))
        if not killed:
            break

    assert [outcome for outcome, _ in itertools.groupby(outcomes)] == [old, new]
    assert len(outcomes) > 4


@pytest.mark.filesystem
@pytest.mark.parametrize("room", [0, 1])
def test_on_a_full_disk_nothing_half_is_believed(
    fs: FileSystems, tmp_path: Path, room: int
) -> None:
    environment = make(tmp_path / "environment")
    long = full(environment).replace(edited=("x" * 8192,))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32k,mode=700", "none", fs.ext4], check=True)
    try:
        (fs.ext4 / "filler").write_bytes(b"x" * 4096 * (7 - room))

        keep(str(fs.ext4), long)

        assert kept(str(fs.ext4), environment) is None
        (fs.ext4 / "filler").unlink()
        keep(str(fs.ext4), long)
        assert kept(str(fs.ext4), environment) == long
    finally:
        subprocess.run(["umount", fs.ext4], check=True)


def test_many_environments_are_answered_in_flat_memory(state: str, tmp_path: Path) -> None:
    """1,000 are measured by benchmarks/looking.py."""
    paths = tuple(f"/{'x' * 1000}/{number}" for number in range(100))
    for number in range(150):
        environment = make(tmp_path / f"{number}", "one", "two")
        register.remember(state, Environment(path=environment))
        keep(state, full(environment).replace(edited=paths))

    tracemalloc.start()
    answered = sum(1 for one in register.known(state) if kept(state, one.path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert answered == 150
    assert peak < 3_000_000  # the surveys alone have 15 MB
    assert json.loads(next((Path(state) / layout.SURVEYS.directory).glob("survey-*")).read_text())
