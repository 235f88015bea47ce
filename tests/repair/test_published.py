"""Wheels published with a RECORD that is wrong about their own files are no damage."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from tests.caches.machine import Machine, snapshot
from tests.filesystems import same_inode
from tests.repair.scene import EDITED, Scene, module
from tests.repair.wheels import (
    Members,
    record_name,
    rewritten,
    with_wrong_hash,
    without_file,
    without_row,
)
from tests.uv.world import NAME, ORIGINAL

pytestmark = [pytest.mark.uv, pytest.mark.filesystem]

CODE = f"{NAME}/__init__.py"


def without_itself(members: Members) -> None:
    """RECORD names neither itself nor METADATA and WHEEL."""
    name = record_name(members)
    rows = members[name].splitlines(keepends=True)
    members[name] = b"".join(row for row in rows if b".dist-info/" not in row)


@pytest.fixture
def change() -> Callable[[Members], None]:
    """How the wheel is published; a test parametrizes it."""
    return with_wrong_hash(CODE)


@pytest.fixture
def scene(machine: Machine, change: Callable[[Members], None]) -> Scene:
    (wheel,) = machine.world.wheels.glob(f"{NAME}-*.whl")
    rewritten(wheel, change)
    return Scene(machine)


def files(scene: Scene) -> list[dict[str, tuple[int, int]]]:
    return [snapshot(each) for each in (scene.cache, scene.a, scene.b)]


@pytest.mark.parametrize("uv_version", ["0.8.15", "newest"])
def test_after_one_download_it_is_known_for_good(scene: Scene) -> None:
    """uv #11723: the hash of one file is wrong."""
    assert scene.verify().code == 1
    before = files(scene)

    done = scene.repair()

    assert (done.code, done.err) == (0, ""), done.out
    assert files(scene) == before
    assert scene.saved() == []
    # Never again, by nobody, for no environment.
    scene.world.wheels.rename(scene.base / "away")
    assert [scene.verify("--all").code, scene.repair("--all").code] == [0, 0]
    assert "downloads" not in scene.repair("--all", "--dry-run").out
    said = scene.verify().out
    assert "as published" in said
    assert "edited" not in said


def test_an_edit_of_it_is_taken_back(scene: Scene) -> None:
    """Not to what RECORD says, which nobody has, but to what was published."""
    module(scene.a).write_text(EDITED)

    done = scene.repair()

    assert done.code == 0, done.out
    assert [module(each).read_text() for each in (scene.a, scene.b)] == [ORIGINAL] * 2
    assert same_inode(module(scene.a), scene.archive / "__init__.py")
    assert EDITED in [path.read_text() for path in scene.saved() if path.suffix == ".py"]
    assert scene.verify("--all").code == 0


def test_once_known_the_original_is_found_without_a_network(scene: Scene) -> None:
    assert scene.repair().code == 0
    scene.world.wheels.rename(scene.base / "away")
    module(scene.a).unlink()
    module(scene.a).write_text(EDITED)

    done = scene.repair()

    assert done.code == 0, done.out
    assert same_inode(module(scene.a), scene.archive / "__init__.py")
    assert module(scene.a).read_text() == ORIGINAL


@pytest.mark.parametrize("change", [without_row(CODE)])
@pytest.mark.parametrize("uv_version", ["0.8.15", "newest"])
def test_a_file_that_its_record_does_not_name_is_never_removed(scene: Scene) -> None:
    before = files(scene)

    for words in ((), ("--cache",), ("--all", "--remove-extra")):
        assert scene.repair(*words).code == 0, words
    assert files(scene) == before
    assert scene.verify("--all").code == 0


@pytest.mark.parametrize("change", [without_row(CODE)])
@pytest.mark.parametrize("uv_version", ["0.8.15"])
def test_nor_is_it_where_the_cache_is_gone(scene: Scene) -> None:
    """The environment has the only good copy, and nothing here tells that it is of the wheel."""
    shutil.rmtree(scene.cache)
    mine = module(scene.a).with_name("mine.py")
    mine.write_text("MINE = 1\n")
    plain = scene.repair()
    assert (plain.code, mine.exists(), "downloads" in plain.out) == (1, True, False)

    done = scene.repair("--remove-extra")

    assert done.code == 0, done.out
    assert "downloads" in done.out
    assert module(scene.a).read_text() == ORIGINAL
    assert not mine.exists()
    assert "MINE = 1\n" in [path.read_text() for path in scene.saved()]
    assert scene.verify().code == 0


@pytest.mark.parametrize("change", [without_row(CODE)])
def test_an_edit_of_a_file_without_a_hash_is_taken_back(scene: Scene) -> None:
    """uv 0.11.6 and later name it in RECORD, with its size and no hash."""
    module(scene.a).write_text(EDITED + "MORE = 1\n")
    assert scene.verify().code == 1

    done = scene.repair()

    assert done.code == 0, done.out
    assert [module(each).read_text() for each in (scene.a, scene.b)] == [ORIGINAL] * 2
    assert (scene.archive / "__init__.py").read_text() == ORIGINAL
    assert scene.verify("--all").code == 0


@pytest.mark.parametrize("change", [without_file(f"{NAME}/data.bin")])
@pytest.mark.parametrize("uv_version", ["0.8.15"])
def test_a_file_that_the_wheel_does_not_have_is_not_missed(scene: Scene) -> None:
    assert scene.verify().code == 1
    before = files(scene)

    done = scene.repair()

    assert done.code == 0, done.out
    assert files(scene) == before
    scene.world.wheels.rename(scene.base / "away")
    assert [scene.verify("--all").code, scene.repair("--all").code] == [0, 0]


@pytest.mark.parametrize("change", [without_itself])
@pytest.mark.parametrize("uv_version", ["0.8.15"])
def test_a_record_that_was_published_short_is_not_damaged(scene: Scene) -> None:
    assert scene.verify("--all").code == 1
    before = files(scene)

    done = scene.repair("--all")

    assert done.code == 0, done.out
    assert files(scene) == before
    scene.world.wheels.rename(scene.base / "away")
    assert [scene.verify("--all").code, scene.repair("--all").code] == [0, 0]


def test_without_a_network_nothing_is_concluded(scene: Scene) -> None:
    scene.world.wheels.rename(scene.base / "away")
    before = files(scene)

    assert scene.repair().code == 1
    assert files(scene) == before
    (scene.base / "away").rename(scene.world.wheels)
    assert scene.repair().code == 0
