"""While the question waits, the world moves on: what was shown is done, or nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterable

import pytest

from tests.repair.scene import EDITED, Scene, module
from tests.uv.world import NAME, ORIGINAL, Done, build_wheel
from uvx_policy.installed.finding import Finding
from uvx_policy.repair.gather import Gathering
from uvx_policy.repair.model import Damage
from uvx_policy.terminal import console

pytestmark = [pytest.mark.uv, pytest.mark.filesystem]

WORK = "# two hours of work\n"


@pytest.fixture
def answer(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Done]:
    """`linkpolicy repair`, and what is done before the answer is yes."""

    def run(meanwhile: Callable[[], object], *words: str) -> Done:
        def ask(*_: object) -> bool:
            meanwhile()
            return True

        monkeypatch.setattr(console.Console, "ask", ask)
        monkeypatch.setattr("uvx_policy.repair.command.check_can_ask", lambda **_: None)
        with scene.machine.working_in(scene.a):
            return scene.machine.linkpolicy("repair", "--offline", *words)

    return run


def saved(scene: Scene) -> list[str]:
    return [path.read_text(errors="replace") for path in scene.saved()]


def test_a_missing_file_that_the_user_writes(scene: Scene, answer: Callable[..., Done]) -> None:
    file = module(scene.a)
    file.unlink()

    done = answer(lambda: file.write_text(WORK))

    assert done.code == 1
    assert "it changed in the meantime" in done.out
    assert file.read_text() == WORK


def test_a_file_listed_only_for_its_permissions(scene: Scene, answer: Callable[..., Done]) -> None:
    file = module(scene.a)
    shutil.copy(file, file.with_name("copy"))
    file.with_name("copy").replace(file)
    file.chmod(0o600)

    def edit() -> None:
        with file.open("a") as stream:
            stream.write(WORK)

    done = answer(edit)

    assert done.code == 1
    assert file.read_text() == ORIGINAL + WORK


def test_an_edit_of_the_same_size_within_one_tick_of_the_clock(
    scene: Scene, answer: Callable[..., Done]
) -> None:
    file = module(scene.a)
    file.write_text(EDITED)
    before = file.stat()
    other = EDITED.replace("edited!!", "better!!")

    def edit() -> None:
        file.write_text(other)
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))

    answer(edit)

    assert other in [*saved(scene), file.read_text()]


def test_a_file_that_is_to_be_removed(scene: Scene, answer: Callable[..., Done]) -> None:
    mine = module(scene.a).with_name("mine.py")
    mine.write_text("junk\n")

    done = answer(lambda: mine.write_text(WORK), "--remove-extra")

    assert done.code == 1
    assert mine.read_text() == WORK


def upgrade(scene: Scene) -> None:
    build_wheel(scene.world.wheels, version="2.0")
    scene.world.plain("pip", "install", "--offline", "--no-index", "--find-links",
                      str(scene.world.wheels), f"{NAME}==2.0", cwd=scene.a)  # fmt: skip


def uninstall(scene: Scene) -> None:
    scene.world.plain("pip", "uninstall", NAME, cwd=scene.a)


@pytest.mark.parametrize("change", [upgrade, uninstall])
def test_a_package_that_is_another_or_gone(
    scene: Scene, answer: Callable[..., Done], change: Callable[[Scene], None]
) -> None:
    data = module(scene.a).with_name("data.bin")
    data.unlink()
    after: dict[str, bytes] = {}

    def contents() -> dict[str, bytes]:
        site = module(scene.a).parent.parent
        return {str(path): path.read_bytes() for path in site.rglob("*") if path.is_file()}

    def act() -> None:
        change(scene)
        after.update(contents())

    done = answer(act)

    assert done.code == 1
    assert "its package changed in the meantime" in done.out
    assert contents() == after


@pytest.mark.parametrize("command", [("repair", "--yes", "--offline"), ("detach", "--no-hackable")])
def test_uv_at_the_same_time_breaks_nothing(scene: Scene, command: tuple[str, ...]) -> None:
    """It upgrades and downgrades while files are replaced: one version is there, and whole."""
    build_wheel(scene.world.wheels, version="2.0")
    words = ["uv", "pip", "install", "--offline", "--no-index", "--find-links",
             str(scene.world.wheels)]  # fmt: skip
    site = module(scene.a).parent.parent
    for number in range(8):
        module(scene.a).with_name("data.bin").write_bytes(b"edited")
        version = f"{NAME}=={1 + number % 2}.0"
        with subprocess.Popen(
            [*words, version], env=scene.world.environ(shim=False), cwd=scene.a,
            stderr=subprocess.DEVNULL,
        ) as uv, scene.machine.working_in(scene.a):  # fmt: skip
            done = scene.machine.linkpolicy(*command)
        assert done.code in (0, 1), done
        assert uv.returncode == 0
        assert len([*site.glob(f"{NAME}-*.dist-info")]) == 1, done
        assert scene.repair().code == 0
        assert scene.verify().code == 0


def test_a_package_that_goes_between_the_look_and_the_plan_is_not_made_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    module(scene.a).unlink()
    real = Gathering.damages
    looks = 0

    def damages(self: Gathering, findings: Iterable[Finding]) -> list[Damage]:
        nonlocal looks
        looks += 1
        if looks == 1:
            uninstall(scene)
        return real(self, findings)

    monkeypatch.setattr(Gathering, "damages", damages)

    done = scene.repair()

    assert "its package changed in the meantime" in done.out
    site = module(scene.a).parent.parent
    assert [*site.glob(f"{NAME}*")] == []
