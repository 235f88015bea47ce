"""What `linkpolicy reclaim` says and asks, and its exit codes."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.reclaim.disk import FILES, Disk, disk, ext4, site
from tests.uv.world import linkpolicy

__all__ = ["disk", "ext4"]


def made(disk: Disk) -> None:
    disk.archive()
    disk.environment("first")


def said(disk: Disk, *words: str) -> str:
    done = linkpolicy("reclaim", *words, str(disk.base), cwd=disk.base)
    assert done.code == 0, done.err
    return done.out


def test_the_plan_is_shown_by_file_system(disk: Disk) -> None:
    made(disk)

    out = said(disk, "--dry-run")

    how = "hard links" if disk.method == "hardlink" else "shared blocks"
    assert f": {how}\n" in out
    assert f"{disk.per_environment} files in 1 environment and 1 cache: " in out


def test_afterwards_it_says_what_is_free_and_how_to_undo_it(disk: Disk) -> None:
    made(disk)

    out = said(disk, "--yes")

    assert f"{disk.per_environment} files share their bytes now" in out
    assert " freed; " in out
    assert f"detach -p {disk.base / 'first'}" in out
    assert "nothing to save" in said(disk, "--yes")


def test_an_edited_file_is_named(disk: Disk) -> None:
    made(disk)
    path = site(disk.environment("second")) / "one/a.py"
    content = path.read_bytes()
    path.write_bytes(content[:-2] + b"!\n")

    out = said(disk, "--yes")

    assert "1 file" in out
    assert "differs from what was installed" in out
    assert str(path) in out


def test_an_error_is_told_in_the_words_of_the_system(
    ext4: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(ext4)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "link", full)
    done = linkpolicy("reclaim", "--yes", "--jobs", "1", str(ext4.base), cwd=ext4.base)

    assert done.code == 1
    assert "cannot be read or written: No space left on device" in done.out


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_without_a_terminal_it_says_what_to_type(ext4: Disk, words: tuple[str, ...]) -> None:
    made(ext4)

    done = linkpolicy("reclaim", *words, str(ext4.base), cwd=ext4.base)

    assert done.code == 2
    assert "use --yes, or --dry-run" in done.err
    assert not ext4.sharing()


@pytest.mark.parametrize(("answer", "shares", "code"), [(b"y\n", True, 0), (b"\n", False, 1)])
def test_it_asks_on_a_terminal(ext4: Disk, answer: bytes, shares: bool, code: int) -> None:
    made(ext4)
    outer, inner = pty.openpty()
    words = (sys.executable, "-m", "uvx_policy.cli", "reclaim", str(ext4.base))
    with subprocess.Popen(
        words, cwd=ext4.base, stdin=inner, stdout=inner, stderr=inner,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "60"},
    ) as process:  # fmt: skip
        os.close(inner)
        os.write(outer, answer)
        out = b""
        try:
            while piece := os.read(outer, 4096):
                out += piece
        except OSError:  # Linux, once nobody has the other end
            pass
    os.close(outer)

    assert b"Continue? [y/N]" in out
    assert b"\x1b[" not in out.replace(b"\r\x1b[K", b"")
    assert process.returncode == code
    assert bool(ext4.sharing()) == shares


@pytest.mark.parametrize(
    ("root", "message"),
    [
        ("nowhere", "is not a directory"),
        ("cache", "is a cache"),
        ("empty", "no environment in `"),
    ],
)
def test_what_is_no_root(ext4: Disk, root: str, message: str) -> None:
    made(ext4)
    (ext4.base / "empty").mkdir()

    done = linkpolicy("reclaim", "--yes", str(ext4.base / root), cwd=ext4.base)

    assert done.code == 2
    assert message in done.err


@pytest.mark.parametrize("words", [("--jobs", "0"), ("--min-size", "-1"), ("--method", "copy")])
def test_what_is_no_option(words: tuple[str, ...], tmp_path: Path) -> None:
    assert linkpolicy("reclaim", *words, str(tmp_path), cwd=tmp_path).code == 2


def test_small_files_are_left(disk: Disk) -> None:
    made(disk)

    done = disk.reclaim("--min-size", "1000000")

    (row,) = done.json["left"]
    assert (row["reason"], row["files"]) == ("small", len(FILES) + 1)
    assert not disk.sharing()


def test_within_a_cache(ext4: Disk) -> None:
    """Hard links among archives are made when they are asked for, and only then."""
    ext4.archive()
    ext4.archive(package="two")
    ext4.environment("first")

    ext4.reclaim()
    archives = {f"cache/archive-v0/archive-of-{name}/one/a.py" for name in ("one", "two")}
    assert not any(archives <= group for group in ext4.sharing())

    ext4.reclaim("--within-cache")
    assert any(archives <= group for group in ext4.sharing())
