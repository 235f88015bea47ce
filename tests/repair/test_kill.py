"""Killed before any call that changes something on the disk: each file is old or new."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.filesystems import same_inode
from tests.repair.scene import Scene, module
from tests.uv.world import ORIGINAL
from uvx_policy import cli
from uvx_policy.replace import shop

pytestmark = [pytest.mark.uv, pytest.mark.filesystem]

#: functions of `os` that change something on the disk; of a file that is not in its place yet
#: neither its permissions nor its times matter
CHANGING = ("mkdir", "rename", "replace", "link", "symlink", "unlink", "write")
MORE = "VALUE = 'more'\n"


def test_each_file_is_old_or_new_and_the_next_repair_finishes(scene: Scene) -> None:
    data = module(scene.a).with_name("data.bin")
    original = data.read_bytes()
    places = [module(scene.a), module(scene.b), scene.archive / "__init__.py"]

    kills = 0
    while is_killed(scene, before=kills, spoil=lambda: _append(module(scene.a), data)):
        for place in places:
            assert place.read_text() in (ORIGINAL, ORIGINAL + MORE), kills
            assert place.with_name("data.bin").read_bytes() in (original, original + b"more")
        assert scene.repair().code == 0, kills
        for place in places:
            assert place.read_text() == ORIGINAL
            assert place.with_name("data.bin").read_bytes() == original
        assert same_inode(module(scene.a), module(scene.b))
        assert [*scene.base.rglob(f"{shop.PREFIX}*"), *scene.cache.glob(".tmp*")] == []
        kills += 1

    assert kills > 25
    assert ORIGINAL + MORE in [path.read_text() for path in _saved_modules(scene)]


def _append(text: Path, data: Path) -> None:
    """The original needs no search then, which would take most of the time."""
    with text.open("a") as stream:
        stream.write(MORE)
    with data.open("ab") as binary:
        binary.write(b"more")


def _saved_modules(scene: Scene) -> Iterator[Path]:
    return (path for path in scene.saved() if path.name == "__init__.py")


def is_killed(
    scene: Scene, *, before: int, spoil: Callable[[], None], words: tuple[str, ...] = ()
) -> bool:
    """Repair in a child that kills itself before so many calls were made."""
    spoil()
    child = os.fork()
    if not child:
        code = 70
        try:
            _count_down(before)
            os.chdir(scene.a)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            code = cli.main(["repair", "--yes", "--offline", *words])
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0
    return False


def _count_down(left: int) -> None:
    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*words: Any, **named: Any) -> Any:
            nonlocal left
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1
            return real(*words, **named)

        return call

    for name in CHANGING:
        setattr(os, name, counted(getattr(os, name)))
