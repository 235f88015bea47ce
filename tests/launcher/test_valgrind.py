"""valgrind finds nothing in a hit, a miss, and in records that are no records."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.filesystems import FileSystems
from tests.launcher import programs
from tests.launcher.conftest import Scene

VALGRIND = shutil.which("valgrind")
#: witnesses: token and path
Seeing: TypeAlias = list[tuple[str, Path | str]]
WORDS = ("venv", "--python", "3.12", "x")


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """A launcher that is not linked statically: valgrind replaces functions of its libc."""
    if VALGRIND is None:
        programs.missing("valgrind")
    return Scene(tmp_path, programs.launcher(programs.PLAIN))


def check(scene: Scene, *words: str, handed_over: bool) -> None:
    """Run it. What valgrind says goes to a file: the launcher never ends, it becomes uv."""
    log = scene.base / "log"
    command = [str(VALGRIND), "--quiet", "--track-origins=yes", "--vgdb=no", f"--log-file={log}"]
    done = subprocess.run(
        [*command, scene.shims / "uv", *words],
        env=scene.environ, cwd=scene.cwd, capture_output=True, check=False,
    )  # fmt: skip

    assert log.read_text() == ""
    assert (done.returncode, done.stderr) == (0, b"")
    assert scene.seen().handed_over is handed_over


def test_a_hit(scene: Scene) -> None:
    link = scene.cwd / "link"
    link.symlink_to("nowhere")
    scene.environ |= {"UV_CACHE_DIR": "/before", "_LINKPOLICY_ACTIVE": "1;set=A=%25;tried=x"}
    scene.environ["A"] = "%"
    statuses: Seeing = [("s", scene.cwd), ("l", link), ("r", link), ("a2", scene.home)]
    others: Seeing = [
        ("n", scene.shims),
        ("c", "/proc/self/mountinfo"),
        ("v", "/"),
        ("f1000", "/"),
        ("m", "/"),
    ]
    scene.record("uv", *WORDS, witnesses=[*statuses, *others, ("d", scene.cwd)])

    check(scene, *WORDS, handed_over=False)


@pytest.mark.filesystem
def test_a_directory_with_an_encryption_policy(fs: FileSystems, scene: Scene) -> None:
    scene.record("uv", *WORDS, witnesses=[("d", fs.encrypting_ext4 / "encrypted")])

    check(scene, *WORDS, handed_over=False)


def test_a_quick_word(scene: Scene) -> None:
    check(scene, "help", handed_over=False)


def test_a_miss(scene: Scene) -> None:
    scene.record("uv", *WORDS, witnesses=[("n", scene.cwd)])
    (scene.cwd / "new").touch()

    check(scene, *WORDS, handed_over=True)


def test_words_that_are_not_understood(scene: Scene) -> None:
    check(scene, "-\udcff", "--\udcff=", "", handed_over=True)


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda content: content[:-1],
        lambda content: content[: len(content) // 2],
        lambda content: content[:-2] + b"w\0.\0",
        lambda content: content[:-2] + b"wn= \0.\0",
        lambda content: content[:-2] + b"wf=\0e=\0.\0",
        lambda content: content[:-2] + b"ws=",
        lambda content: content[:-2] + b"\0" * 300_000,
    ],
)
def test_a_record_that_is_none(scene: Scene, damage: object) -> None:
    path = scene.record("uv", *WORDS)
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]

    check(scene, *WORDS, handed_over=True)


def test_python_is_gone(scene: Scene) -> None:
    scene.fallback.unlink()

    check(scene, *WORDS, handed_over=False)
