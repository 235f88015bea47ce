"""Somebody saves a file again and again while it is replaced: no edit is lost.

The editor says of each of its edits what it overwrote. An edit that it did not overwrite itself,
and that is not at the path in the end, was taken away: then it was saved before, or rescued.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from uvx_policy.installed.hash import of_pieces
from uvx_policy.replace import kernel
from uvx_policy.replace.build import Builder, Target
from uvx_policy.replace.place import Place, seen_at
from uvx_policy.replace.shop import Shops

ORIGINAL = b"original 000000\n"
#: times that the file is replaced; with how many of them a plain rename surely loses an edit
ENOUGH, SURELY = 40, 3_000

EDITOR = """
import ctypes, os, sys, time
path, how, log = sys.argv[1:]
swap = path + ".swp"
libc = ctypes.CDLL(None)
out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
number = 0
# Never ended between an edit and its line in the log: what it overwrote would look lost.
while not os.path.exists(log + ".end"):
    number += 1
    edit = b"edit %010d\\n" % number
    if how == "rename":
        with open(swap, "wb") as stream:
            stream.write(edit)
        # As rename(2), but it tells what it overwrote.
        if libc.renameat2(-100, os.fsencode(swap), -100, os.fsencode(path), 2):
            number -= 1
            continue
        with open(swap, "rb") as stream:
            before = stream.read()
        os.unlink(swap)
    else:
        handle = os.open(path, os.O_RDWR)
        if how == "held open":
            time.sleep(0.0005)
        before = os.pread(handle, 100, 0)
        os.pwrite(handle, edit, 0)
        os.close(handle)
    os.write(out, b"%d %s" % (number, before))
    # 2,500 times in a second, and sometimes a moment's rest
    time.sleep(0.0002 if number % 20 else 0.01)
"""


@contextlib.contextmanager
def editing(path: Path, how: str, log: Path) -> Iterator[None]:
    with subprocess.Popen([sys.executable, "-c", EDITOR, path, how, log]) as editor:
        try:
            while not log.exists() or log.read_bytes().count(b"\n") < 20:
                assert editor.poll() is None
            yield
            assert editor.poll() is None
            log.with_name(f"{log.name}.end").touch()
            assert editor.wait(timeout=60) == 0
        finally:
            editor.kill()


def lost(log: Path, path: Path, kept: set[bytes]) -> tuple[int, int]:
    """How many edits are nowhere, of how many."""
    lines = log.read_bytes().splitlines(keepends=True)
    overwritten = {line.split(b" ", 1)[1] for line in lines}
    edits = [b"edit %010d\n" % (number + 1) for number in range(len(lines))]
    known = kept | overwritten | {path.read_bytes()}
    return sum(edit not in known for edit in edits), len(edits)


def replaced(
    path: Path, kept: set[bytes], replace: Callable[[Builder, Target], None], times: int
) -> None:
    """Replace a file with the original as `repair` does, saved first, so many times."""

    def rescue(place: Place, _: str) -> None:
        with open(os.open(place.name, os.O_RDONLY, dir_fd=place.directory), "rb") as stream:
            kept.add(stream.read())

    done = 0
    with Shops(rescue) as shops:
        builder = Builder(shops)
        while done < times:
            seen, content = seen_at(str(path)), path.read_bytes()
            if content == ORIGINAL:
                continue
            kept.add(content)
            target = Target(
                path=str(path), root=str(path.parent), workplace=str(path.parent), seen=seen,
                content=of_pieces([content], "sha256"), hash=of_pieces([ORIGINAL], "sha256"),
            )  # fmt: skip
            with contextlib.suppress(OSError):
                replace(builder, target)
                done += 1


def with_care(builder: Builder, target: Target) -> None:
    builder.write(target, [ORIGINAL])


def with_plain_rename(_: Builder, target: Target) -> None:
    """Look, then rename: what repair did once."""
    new = f"{target.path}.new"
    Path(new).write_bytes(ORIGINAL)
    os.chmod(new, 0o644)
    if seen_at(target.path) == target.seen:
        os.replace(new, target.path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "module.py"
    path.write_bytes(ORIGINAL)
    return path


@pytest.mark.parametrize(
    ("times", "edits"),
    [(ENOUGH, ENOUGH), pytest.param(2_000, 10_000, marks=pytest.mark.exhaustive)],
)
@pytest.mark.parametrize("how", ["in place", "held open", "rename"])
def test_no_edit_is_lost(path: Path, tmp_path: Path, how: str, times: int, edits: int) -> None:
    kept: set[bytes] = set()

    with editing(path, how, tmp_path / "log"):
        replaced(path, kept, with_care, times)

    gone, made = lost(tmp_path / "log", path, kept)
    assert (gone, made > edits) == (0, True), made
    assert {each.name for each in tmp_path.iterdir()} == {"module.py", "log", "log.end"}


def test_without_an_exchange_no_edit_is_lost_either(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old kernels, and file systems without RENAME_EXCHANGE: the path is empty for a moment."""

    def unsupported(*_: object) -> None:
        raise kernel.Unsupported

    monkeypatch.setattr(kernel, "exchange", unsupported)
    kept: set[bytes] = set()
    program = EDITOR.replace(
        "        handle = os.open(path, os.O_RDWR)\n",
        "        try: handle = os.open(path, os.O_RDWR)\n"
        "        except FileNotFoundError: number -= 1; continue\n",
    )
    assert program != EDITOR
    monkeypatch.setattr(sys.modules[__name__], "EDITOR", program)

    with editing(path, "in place", tmp_path / "log"):
        replaced(path, kept, with_care, ENOUGH)

    assert lost(tmp_path / "log", path, kept)[0] == 0


def test_this_can_fail(path: Path, tmp_path: Path) -> None:
    """With a plain rename edits are lost: what is saved between the look and the rename."""
    kept: set[bytes] = set()

    with editing(path, "held open", tmp_path / "log"):
        replaced(path, kept, with_plain_rename, SURELY)

    assert lost(tmp_path / "log", path, kept)[0] > 0
