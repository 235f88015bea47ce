"""One edit that leaked into more environments than files may be open."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.repair.scene import EDITED, Scene, module
from tests.uv.world import ORIGINAL
from uvx_policy.state import register
from uvx_policy.state.register import Environment

pytestmark = [pytest.mark.uv, pytest.mark.filesystem]

#: environments, and files that may be open
MANY, OPEN = 130, 110
PROGRAM = "from uvx_policy.cli import program; program()"


def test_all_of_them_are_repaired(scene: Scene) -> None:
    state = str(scene.world.home / ".local/state/linkpolicy")
    copies = [scene.base / f"copy{number}" for number in range(MANY)]
    for number, copy in enumerate(copies):
        shutil.copytree(scene.b, copy, symlinks=True, copy_function=os.link)
        if number % 2:  # the others have one lock file together, as after `cp -al`
            (copy / ".venv/.lock").unlink(missing_ok=True)
            (copy / ".venv/.lock").touch()
        register.remember(
            state, Environment(path=f"{copy}/.venv", project=str(copy), seen=int(time.time()))
        )
    module(scene.a).write_text(EDITED)
    assert module(copies[-1]).read_text() == EDITED

    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "repair", "--yes", "--offline"],
        env=scene.world.environ(), cwd=scene.a, capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN, OPEN)),
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert {module(Path(each)).read_text() for each in copies} == {ORIGINAL}


def test_what_failed_is_found_by_the_next_repair(scene: Scene) -> None:
    """Wherever it is: the next one is asked for another environment, which is well."""
    module(scene.a).write_text(EDITED)
    cached = scene.archive / "__init__.py"
    subprocess.run(["chattr", "+i", cached.parent], check=True)
    try:
        first = scene.repair(str(scene.a))
    finally:
        subprocess.run(["chattr", "-i", cached.parent], check=True)
    assert first.code == 1
    assert (cached.read_text(), module(scene.b).read_text()) == (EDITED, ORIGINAL)

    second = scene.repair(str(scene.b))

    assert second.code == 0, second.out
    assert cached.read_text() == module(scene.a).read_text() == ORIGINAL
    assert "Nothing" not in second.out
    assert list((scene.world.home / ".local/state/linkpolicy/repairs").iterdir()) == []
