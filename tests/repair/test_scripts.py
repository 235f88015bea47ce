"""The scripts of uv #10896 and #15700: an edit in one project shows in all, and stays for ever."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.caches.machine import Machine
from tests.repair.scene import EDITED, Scene, module, printed
from tests.uv.world import ORIGINAL, PYTHON, installed

pytestmark = [pytest.mark.uv, pytest.mark.filesystem]

each_version = pytest.mark.parametrize("uv_version", ["0.5.23", "0.8.15", "0.10.12", "newest"])


@each_version
def test_an_edit_in_one_project_leaks_nowhere_any_more(scene: Scene) -> None:
    """As in #10896: two projects, and a line appended in one of them."""
    assert os.path.samefile(module(scene.a), module(scene.b))
    with module(scene.a).open("a", encoding="utf-8") as stream:
        stream.write("VALUE = 'leaked'\n")
    assert [printed(scene.a), printed(scene.b)] == ["leaked", "leaked"]
    assert [scene.verify(cwd=each).code for each in (scene.a, scene.b)] == [1, 1]
    assert scene.verify("--cache").code == 1
    # The index is gone, as it is at the end of the script.
    scene.world.wheels.rename(scene.base / "away")

    done = scene.repair(cwd=scene.b)

    (scene.base / "away").rename(scene.world.wheels)
    assert (done.code, done.err) == (0, "")
    assert [printed(scene.a), printed(scene.b)] == ["original", "original"]
    assert printed(scene.project("c")) == "original"
    assert len({module(each).stat().st_ino for each in (scene.a, scene.b)}) == 1
    assert os.path.samefile(module(scene.a), scene.archive / "__init__.py")
    texts = [path.read_text(encoding="utf-8") for path in scene.saved()]
    assert f"{ORIGINAL}VALUE = 'leaked'\n" in texts
    assert any("+VALUE = 'leaked'" in text for text in texts)
    assert scene.verify("--all").code == 0


@each_version
def test_an_edited_line_is_taken_back_with_what_uv_finds_locally(machine: Machine) -> None:
    """As in #15700: a plain environment, `uv pip install`, and a line changed by an editor."""
    world = machine.world
    project = world.project(world.base / "mine")
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", project / ".venv"], check=True)
    other = world.project(world.base / "other")
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", other / ".venv"], check=True)
    for each in (project, other):
        world.pip_install("--offline", cwd=each)
    edited = installed(project / ".venv") / "__init__.py"
    edited.write_text(EDITED, encoding="utf-8")
    assert printed(other) == "edited!!"

    with machine.working_in(project):
        done = machine.linkpolicy("repair", "--yes", "--offline")

    assert (done.code, done.err) == (0, "")
    assert [printed(project), printed(other)] == ["original", "original"]
    third = world.project(world.base / "third")
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", third / ".venv"], check=True)
    world.pip_install("--offline", cwd=third)
    assert printed(third) == "original"
    assert edited.stat().st_nlink == 4
    saved = world.home / ".local/state/linkpolicy/edits"
    assert EDITED in [path.read_text() for path in saved.rglob("__init__.py")]
