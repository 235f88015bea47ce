"""The list of what must never lead to a stale replay, one test for each, through all three ways.

Each of these changes what is decided, so that a replay of the old answer would be a wrong one; the
random walks of `test_three_ways.py` mix them. `test_each_dependency.py` goes the other way round:
from each witness to all that can happen to it.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests import mounts
from tests.filesystems import FileSystems
from tests.inherited import set_nocow, set_quota_project
from tests.replay.machine import (
    Call,
    Machine,
    as_given,
    make_environment,
    patient,
    put,
    stand_in,
    wait_for_tick,
)

PROJECT = "[project]\nname = 'a'\nversion = '1'\n"
#: of the same size
HACKABLE = f"{PROJECT}[tool.linkpolicy]\nhackable = true \n"
NOT_HACKABLE = f"{PROJECT}[tool.linkpolicy]\nhackable = false\n"
COPY, SYMLINK = "link-mode = 'copy'\n", "link-mode = 'symlink'\n"


class Scene(NamedTuple):
    """A project with an environment, and a file system on which nothing links."""

    machine: Machine
    tmpfs: Path

    @property
    def project(self) -> Path:
        """The directory of the project."""
        return self.machine.project

    @property
    def pyproject(self) -> Path:
        """The file that decides most."""
        return self.project / "pyproject.toml"

    @property
    def below(self) -> Path:
        """A directory in the project, from where every call is made."""
        return self.project / "below"


class Case(NamedTuple):
    """What was there when the decision was made, and what happens afterwards."""

    happens: Callable[[Scene], Call | None]
    before: Callable[[Scene], None]
    words: tuple[str, ...]


CASES: dict[str, Case] = {}
_Happens = Callable[[Scene], "Call | None"]


def _case(
    before: Callable[[Scene], None] = lambda _: None, *, words: tuple[str, ...] = ("sync",)
) -> Callable[[_Happens], _Happens]:
    def add(happens: _Happens) -> _Happens:
        name = happens.__name__.replace("_", " ")
        CASES[name] = Case(happens, before, words)
        return happens

    return add


@pytest.fixture
def scene(here: Machine, tmp_path: Path, own_mounts: None) -> Scene:  # noqa: ARG001
    """See `Scene`."""
    made = Scene(here, tmp_path / "tmpfs")
    made.below.mkdir()
    made.tmpfs.mkdir()
    mounts.mount_tmpfs(str(made.tmpfs))
    make_environment(made.tmpfs / "env")
    put(made.pyproject, HACKABLE)
    make_environment(made.project / ".venv")
    return made


# pyproject.toml ----------------------------------------------------------------------------------


def _edited(path: Path, text: str, *, mtime: int | None) -> None:
    """In place, with the same size; `mtime` in ns, by default the one from before."""
    told = path.stat()
    with path.open("r+") as stream:
        stream.write(text)
    os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns if mtime is None else mtime))
    assert path.stat().st_size == told.st_size
    assert path.stat().st_ino == told.st_ino


@_case()
def edited_with_the_same_size_and_mtime(scene: Scene) -> None:
    _edited(scene.pyproject, NOT_HACKABLE, mtime=None)


@_case()
def edited_with_the_same_size_and_an_older_mtime(scene: Scene) -> None:
    _edited(scene.pyproject, NOT_HACKABLE, mtime=10**18)


@_case()
def replaced_by_a_rename(scene: Scene) -> None:
    """With the same size and times."""
    told = scene.pyproject.stat()
    other = scene.pyproject.with_name("other")
    other.write_text(NOT_HACKABLE)
    os.utime(other, ns=(told.st_atime_ns, told.st_mtime_ns))
    other.rename(scene.pyproject)


@_case()
def a_nearer_pyproject_added(scene: Scene) -> None:
    put(scene.below / "pyproject.toml", PROJECT)


@_case(lambda scene: put(scene.below / "pyproject.toml", PROJECT))
def a_nearer_pyproject_removed(scene: Scene) -> None:
    (scene.below / "pyproject.toml").unlink()


@_case()
def the_only_pyproject_removed(scene: Scene) -> None:
    scene.pyproject.unlink()


# uv.toml -----------------------------------------------------------------------------------------


@_case(lambda scene: put(scene.pyproject, NOT_HACKABLE))
def a_nearer_uv_toml_added(scene: Scene) -> None:
    put(scene.project / "uv.toml", SYMLINK)


@_case(lambda scene: put(scene.project / "uv.toml", SYMLINK))
def a_nearer_uv_toml_removed(scene: Scene) -> None:
    (scene.project / "uv.toml").unlink()


@_case(lambda scene: put(scene.machine.home / ".config/uv/uv.toml", SYMLINK))
def the_users_uv_toml_changed(scene: Scene) -> None:
    put(scene.machine.home / ".config/uv/uv.toml", "offline = true\n")


@_case()
def the_machines_uv_toml_added(scene: Scene) -> None:
    put(scene.machine.base / "xdg/uv/uv.toml", SYMLINK)


# .venv -------------------------------------------------------------------------------------------


def _without_environment(scene: Scene) -> None:
    put(scene.pyproject, NOT_HACKABLE)
    (scene.project / ".venv").rename(scene.project / "env")


def _with_a_link(scene: Scene) -> None:
    _without_environment(scene)
    (scene.project / ".venv").symlink_to("env")


@_case(_without_environment)
def venv_created_as_a_link_to_another_device(scene: Scene) -> None:
    (scene.project / ".venv").symlink_to(scene.tmpfs / "env")


@_case(_with_a_link)
def venv_pointed_elsewhere(scene: Scene) -> None:
    (scene.project / ".venv").unlink()
    (scene.project / ".venv").symlink_to(scene.tmpfs / "env")


def _with_a_link_to_a_link(scene: Scene) -> None:
    _with_a_link(scene)
    (scene.project / "env").rename(scene.project / "far")
    (scene.project / "env").symlink_to("far")


@_case(_with_a_link_to_a_link)
def what_venv_points_to_pointed_elsewhere(scene: Scene) -> None:
    (scene.project / "env").unlink()
    (scene.project / "env").symlink_to(scene.tmpfs / "env")


# Mounts ------------------------------------------------------------------------------------------


@_case(lambda scene: put(scene.pyproject, NOT_HACKABLE))
def something_mounted_over_venv(scene: Scene) -> None:
    mounts.mount_tmpfs(str(scene.project / ".venv"))


@_case()
def something_mounted_over_the_project(scene: Scene) -> None:
    mounts.mount_tmpfs(str(scene.project))
    scene.below.mkdir()


def _mounted_over(scene: Scene) -> None:
    put(scene.pyproject, NOT_HACKABLE)
    mounts.mount_tmpfs(str(scene.project / ".venv"))


@_case(_mounted_over)
def what_was_mounted_over_venv_taken_away(scene: Scene) -> None:
    mounts.unmount(str(scene.project / ".venv"))


# The real uv -------------------------------------------------------------------------------------


def _far_active(scene: Scene) -> None:
    put(scene.pyproject, NOT_HACKABLE)
    (scene.machine.base / "env").symlink_to(scene.tmpfs / "env")


@_case(_far_active, words=("sync", "--active"))
def uv_upgraded_in_place(scene: Scene) -> None:
    """The same inode, size and mtime; this one does not know --active."""
    uv = scene.machine.bin / "uv"
    told = uv.stat()
    with uv.open("r+b") as stream:
        stream.write(stand_in("0.5.28"))
    os.utime(uv, ns=(told.st_atime_ns, told.st_mtime_ns))
    assert (uv.stat().st_ino, uv.stat().st_size) == (told.st_ino, told.st_size)


@_case(_far_active, words=("sync", "--active"))
def uv_upgraded_by_a_rename(scene: Scene) -> None:
    put(scene.machine.bin / "uv", stand_in("0.5.28"))


# Our own configuration ---------------------------------------------------------------------------


def _of_the_user(scene: Scene) -> Path:
    return scene.machine.home / ".config/linkpolicy/config.toml"


def _of_the_machine(scene: Scene) -> Path:
    return scene.machine.base / "xdg/linkpolicy/config.toml"


def _plain(scene: Scene) -> None:
    put(scene.pyproject, PROJECT)


def _with_the_users(scene: Scene) -> None:
    _plain(scene)
    put(_of_the_user(scene), f"[defaults]\n{COPY}")


def _with_the_machines(scene: Scene) -> None:
    _plain(scene)
    put(_of_the_machine(scene), "[defaults]\nhackable = true \n")


@_case(_plain)
def the_users_configuration_added(scene: Scene) -> None:
    put(_of_the_user(scene), f"[defaults]\n{COPY}")


@_case(_with_the_users)
def the_users_configuration_removed(scene: Scene) -> None:
    _of_the_user(scene).unlink()


@_case(_with_the_machines)
def the_machines_configuration_edited(scene: Scene) -> None:
    _edited(_of_the_machine(scene), "[defaults]\nhackable = false\n", mtime=None)


# PATH --------------------------------------------------------------------------------------------


def _call(scene: Scene, words: tuple[str, ...], **variables: str) -> Call:
    environ = {"VIRTUAL_ENV": str(scene.machine.base / "env"), **variables}
    return scene.machine.call(*words, cwd=scene.below, **environ)


def _path(scene: Scene) -> str:
    return f"{scene.machine.base}/first:{scene.machine.shims}:{scene.machine.bin}"


@_case()
def another_path(scene: Scene) -> Call:
    put(scene.machine.base / "first/uv", stand_in("0.8.15"))
    return _call(scene, ("sync",), PATH=_path(scene))


@_case(lambda scene: make_environment(scene.machine.base / "env"), words=("pip", "sync", "r.txt"))
def another_environment_active(scene: Scene) -> Call:
    put(scene.pyproject, NOT_HACKABLE)
    return _call(scene, ("pip", "sync", "r.txt"), VIRTUAL_ENV=str(scene.tmpfs / "env"))


@pytest.mark.parametrize("case", CASES)
def test_what_was_decided_before_is_not_replayed(scene: Scene, case: str) -> None:
    machine = scene.machine
    with patient():
        CASES[case].before(scene)
        call = _call(scene, CASES[case].words)
        wait_for_tick()
        before = _recorded(machine, call)

        call = CASES[case].happens(scene) or call

        native = machine.in_native(call)
        python = machine.in_python(call)
        after = machine.decide(call)
        assert native == (as_given(call), False)
        assert python == (after, False)
        # Otherwise a stale replay would have been right.
        assert after != before
        wait_for_tick()
        assert _recorded(machine, call) == after


def _recorded(machine: Machine, call: Call) -> object:
    """Decide and record a call; give what is replayed from then on, in both ways."""
    decided = machine.decide(call)
    machine.in_python(call)
    assert machine.in_python(call) == (decided, True), machine.plan(call).witnesses.spoilt
    assert machine.in_native(call) == (decided, True)
    return decided


@pytest.fixture
def btrfs(fs: FileSystems) -> Path:
    """Made before the mounts are our own."""
    return fs.btrfs


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("side", ["cache", "project", "project/.venv/lib/python3.12/site-packages"])
def test_a_directory_that_becomes_nocow(
    btrfs: Path, own_mounts: None, here: Machine, side: str
) -> None:
    """Either of the two; with an environment, its site-packages, and nothing above it."""
    del own_mounts
    put(btrfs / "project/pyproject.toml", PROJECT)
    (btrfs / "cache/uv").mkdir(parents=True)
    if side.startswith("project/"):
        make_environment(btrfs / "project/.venv")
    put(here.bin / "uv", stand_in("0.13.08"))
    odd = btrfs / ("cache/uv" if side == "cache" else side)
    call = here.call("sync", cwd=btrfs / "project", XDG_CACHE_HOME=str(btrfs / "cache"))
    wait_for_tick()
    before = _recorded(here, call)
    assert "UV_LINK_MODE': 'clone'" in str(before)
    if side.startswith("project/"):
        set_nocow(btrfs / "project")
        assert here.in_python(call) == here.in_native(call) == (before, True)

    set_nocow(odd)

    assert here.in_native(call) == (as_given(call), False)
    after = _recorded(here, call)
    assert "UV_LINK_MODE': 'hardlink'" in str(after)
    set_nocow(odd, False)
    assert _recorded(here, call) == before


@pytest.fixture
def xfs(fs: FileSystems) -> Path:
    """Made before the mounts are our own."""
    return fs.xfs


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("side", ["cache", "project", "project/.venv/lib/python3.12/site-packages"])
def test_a_directory_that_gets_another_quota_project(
    xfs: Path, own_mounts: None, here: Machine, side: str
) -> None:
    """Hard links into it are refused from then on. Clones are not, so the answer stays right."""
    del own_mounts
    put(xfs / "project/pyproject.toml", PROJECT)
    (xfs / "cache/uv").mkdir(parents=True)
    if side.startswith("project/"):
        make_environment(xfs / "project/.venv")
    call = here.call("sync", cwd=xfs / "project", XDG_CACHE_HOME=str(xfs / "cache"))
    wait_for_tick()
    _recorded(here, call)
    odd = xfs / ("cache/uv" if side == "cache" else side)

    for number in (42, 7, 0):
        set_quota_project(odd, number, inherited=number > 0)
        assert here.in_native(call) == (as_given(call), False)
        _recorded(here, call)


def test_a_uv_that_appears_earlier_on_the_same_path_is_found(scene: Scene) -> None:
    """And is gone again: both are other calls than before, and the first record still holds."""
    machine = scene.machine
    with patient():
        call = _call(scene, ("sync",), PATH=_path(scene))
        wait_for_tick()
        before = _recorded(machine, call)

        put(machine.base / "first/uv", stand_in("0.8.15"))

        assert machine.in_native(call) == (as_given(call), False)
        wait_for_tick()
        after = _recorded(machine, call)
        assert f"tried={machine.base}/first/uv" in str(after)
        (machine.base / "first/uv").unlink()
        assert machine.in_native(call) == (before, True)
        assert machine.in_python(call) == (before, True)


@pytest.mark.parametrize("what", ["settings", "uv"])
def test_two_changes_within_one_tick_of_the_clock(
    here: Machine, whole_seconds: Path, what: str
) -> None:
    """By the real clock, of a file system that ticks once a second; a call is made in between."""
    project, uv = whole_seconds / "pyproject.toml", whole_seconds / "bin/uv"
    put(project, NOT_HACKABLE)
    put(uv, stand_in())
    file, texts = {
        "settings": (project, (HACKABLE.encode(), NOT_HACKABLE.encode())),
        "uv": (uv, (stand_in(), stand_in("0.5.28"))),  # which does not know --active
    }[what]
    environ = {"PATH": f"{here.shims}:{uv.parent}", "VIRTUAL_ENV": str(here.base / "env")}
    call = here.call("sync", "--active", cwd=whole_seconds, **environ)
    here.in_python(call)  # for its imports: what follows has to be done within a second
    for _ in range(5):
        time.sleep(1.01 - time.time() % 1)
        seen, decided = [], []
        for text in texts:
            file.write_bytes(text)
            told = file.stat()
            seen.append((told.st_ino, told.st_size, told.st_mtime_ns, told.st_ctime_ns))
            assert here.in_native(call) == (as_given(call), False)
            decided.append(here.in_python(call))
        # Nothing of what was remembered counts either: not even the version of uv.
        shutil.rmtree(here.state, ignore_errors=True)
        assert decided[1] == (here.decide(call), False)
        if seen[0] == seen[1]:
            return
    pytest.fail("the changes were never within one second")
