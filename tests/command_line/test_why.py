"""`linkpolicy why`: one line that is true of what `explain` shows."""

from __future__ import annotations

import json

import pytest

from tests.caches.conftest import disk, machine
from tests.repair.conftest import scene
from tests.repair.scene import Scene

__all__ = ("disk", "machine", "scene")

pytestmark = [pytest.mark.uv, pytest.mark.filesystem]


@pytest.mark.parametrize("words", ["", "sync", "uv sync -q", "-- sync", "-- uv pip install x"])
def test_it_is_the_decision_of_explain_in_one_line(scene: Scene, words: str) -> None:
    with scene.machine.working_in(scene.a):
        short = scene.machine.linkpolicy("why", *words.split())
        same = scene.machine.linkpolicy("explain", "--short", *words.split())
        whole = json.loads(scene.machine.linkpolicy("explain", "--json", *words.split()).out)

    assert short.code == 0
    assert short.out == same.out
    assert short.out.count("\n") == 1
    assert short.out.startswith(whole["link_mode"]["value"] or "left to uv")
    assert whole["link_mode"]["because"].split(":")[0] in short.out


def test_it_names_both_file_systems_and_why_no_cache_is_there(scene: Scene) -> None:
    (scene.a / "linkpolicy.toml").unlink(missing_ok=True)
    project = scene.a / "pyproject.toml"
    project.write_text(project.read_text() + '\n[tool.linkpolicy]\ncache = "default"\n')
    with scene.machine.working_in(scene.a):
        done = scene.machine.linkpolicy("why", "pip", "install", "--target", "/dev/shm/x", "y")

    assert done.out.startswith("copy: cache on ")
    assert "environment on /dev/shm (tmpfs)" in done.out
