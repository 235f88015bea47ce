"""Whatever fails, and wherever it is ended: no byte of the user's is lost, and it can be finished.

After the fault each file is the old one or the new one, and each edit is where it was, or saved.
The next run finishes, and the one after that has nothing to do.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.edges.older_blocks import OLDER
from tests.edges.setup_home import Home, without_directories
from tests.faults.injection import FAULTS, faulty
from tests.filesystems import same_inode
from tests.repair.scene import Scene, module
from tests.repair.test_record import record_of, rich
from tests.uv.world import ORIGINAL
from tests.verify import test_with_uv as schemes
from uvx_policy.replace.shop import PREFIX
from uvx_policy.setup import startup_file

__all__ = ("rich",)

pytestmark = [pytest.mark.uv, pytest.mark.filesystem]

MORE = "VALUE = 'more'\n"
REPAIR = ("repair", "--yes", "--offline")
DETACH = ("detach", "--no-hackable")


def faults(kind: str) -> Callable[[int], list[int]]:
    """For the n-th call: all faults, or one after the other, so that each run has all of them."""
    every = list(FAULTS.values())
    if kind == "all":
        return lambda _: every
    start = int(kind)
    return lambda number: [every[(number + start) % len(every)]]


KINDS = pytest.mark.parametrize(
    "kind", ["0", "3", pytest.param("all", marks=pytest.mark.exhaustive)]
)


def places(scene: Scene) -> list[Path]:
    return [module(scene.a), module(scene.b), scene.archive / "__init__.py"]


def saved(scene: Scene) -> Iterator[bytes]:
    return (path.read_bytes() for path in scene.saved())


def left_behind(scene: Scene) -> list[Path]:
    return [*scene.base.rglob(f"{PREFIX}*"), *scene.cache.glob(f"{PREFIX}*")]


@KINDS
def test_repair(scene: Scene, kind: str) -> None:
    which, edit = faults(kind), ORIGINAL + MORE
    for number in itertools.count():
        for fault in which(number):
            with module(scene.a).open("a") as stream:
                stream.write(MORE)
            code = faulty(REPAIR, scene.a, before=number, fault=fault)
            if code is None:
                assert number > 20
                return

            where = (number, fault, code)
            assert {path.read_text() for path in places(scene)} <= {ORIGINAL, edit}, where
            everywhere = [*saved(scene), *(path.read_bytes() for path in places(scene))]
            assert edit.encode() in everywhere, where
            assert code != 70, where
            if code == 0:
                assert {path.read_text() for path in places(scene)} == {ORIGINAL}, where
            done = scene.repair()
            assert done.code == 0, (where, done.out)
            assert {path.read_text() for path in places(scene)} == {ORIGINAL}, where
            before = len(scene.saved())
            assert scene.repair().code == 0, where
            assert (len(scene.saved()), left_behind(scene)) == (before, []), where


@KINDS
def test_detach(scene: Scene, kind: str) -> None:
    which = faults(kind)
    files = [path for path in module(scene.a).parent.rglob("*") if path.is_file()]
    contents = {path: path.read_bytes() for path in files}
    cached = scene.archive / "__init__.py"
    for number in itertools.count():
        for fault in which(number):
            code = faulty(DETACH, scene.a, before=number, fault=fault)
            if code is None:
                assert number > 20
                return

            where = (number, fault, code)
            assert {path: path.read_bytes() for path in files} == contents, where
            assert code != 70, where
            with scene.machine.working_in(scene.a):
                done = scene.machine.linkpolicy(*DETACH)
            assert done.code == 0, (where, done.out)
            assert {path.stat().st_nlink for path in files} == {1}, where
            assert {path: path.read_bytes() for path in files} == contents, where
            assert left_behind(scene) == [], where
            for path in files:  # shared again
                below = path.relative_to(module(scene.a).parent)
                path.unlink()
                os.link(scene.archive / below, path)
            assert same_inode(module(scene.a), cached)


@KINDS
def test_init(scene: Scene, kind: str) -> None:
    which = faults(kind)
    file = scene.a / "pyproject.toml"
    before = file.read_bytes()
    for number in itertools.count():
        for fault in which(number):
            code = faulty(("init", "--hackable"), scene.a, before=number, fault=fault)
            if code is None:
                assert number > 2
                return

            where = (number, fault, code)
            after = file.read_bytes()
            assert after == before or after.startswith(before.rstrip()), where
            assert code != 70, where
            with scene.machine.working_in(scene.a):
                assert scene.machine.linkpolicy("init", "--hackable").code == 0, where
            assert b"hackable = true" in file.read_bytes(), where
            names = {path.name for path in scene.a.iterdir() if path.name.startswith("pyproject")}
            assert names == {"pyproject.toml"}, where
            file.write_bytes(before)


# A package that uv installs again -----------------------------------------------------------------


@pytest.mark.slow
@KINDS
def test_reinstall(rich: Scene, kind: str) -> None:
    """A script was edited, and its hash is no longer known."""
    which = faults(kind)
    script, record = rich.a / ".venv/bin/rewritten", record_of(rich.a, schemes.NAME)
    original, rows, edit = script.read_text(), record.read_bytes(), "#!/bin/sh\necho mine\n"
    for number in itertools.count(0, 5 if kind == "all" else 7):
        for fault in which(number):
            script.write_text(edit)
            os.truncate(record, 0)
            code = faulty(REPAIR, rich.a, before=number, fault=fault)
            if code is None:
                assert number > 10
                return

            where = (number, fault, code)
            everywhere = [*saved(rich), script.read_bytes()]
            assert edit.encode() in everywhere, where
            assert code != 70, where
            done = rich.repair()
            assert done.code == 0, (where, done.out)
            assert (script.read_text(), record.read_bytes()) == (original, rows), where
            assert left_behind(rich) == [], where


# Installation ------------------------------------------------------------------------------------

PROFILE = "# mine\nexport EDITOR=vi\n"


@pytest.fixture
def home(isolation: Path) -> Home:
    home = Home(isolation)
    (home.root / ".bashrc").write_text(PROFILE)
    return home


@pytest.mark.slow
@KINDS
@pytest.mark.parametrize("action", ["setup", "setup after an older version", "uninstall"])
def test_setup_and_uninstall(home: Home, kind: str, action: str) -> None:
    """Files of the user's are the old ones or the new ones, and all is taken back in the end."""
    which = faults(kind)
    before = without_directories(home.tree())
    words = ("setup", "--shell", "bash", "--launcher", "python")
    for number in itertools.count():
        for fault in which(number):
            if action == "uninstall":
                home.setup()
            if action == "setup after an older version":
                older = startup_file.with_block(PROFILE.encode(), OLDER["bash"], is_ours=bool)
                (home.root / ".bashrc").write_bytes(older)
            command = ("uninstall",) if action == "uninstall" else words
            code = faulty(command, home.root, before=number, fault=fault)
            if code is None:
                assert number > 5
                return

            where = (number, fault, code)
            assert (home.root / ".bashrc").read_text().startswith(PROFILE), where
            assert code != 70, where
            if action != "uninstall":
                home.setup()
                for file in (home.root / ".bashrc", home.root / ".profile", home.env_file):
                    assert file.read_bytes().count(startup_file.BEGIN) == 1, where
                assert OLDER["bash"] not in (home.root / ".bashrc").read_bytes(), where
            home.uninstall()
            assert without_directories(home.tree()) == before, where
