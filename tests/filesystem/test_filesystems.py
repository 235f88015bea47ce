"""The suite's own mounts: they go away, also after a crash, and are never skipped silently."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import filesystems, sandbox
from tests.filesystems import FileSystems, MountedFileSystems, shared_bytes, shared_extents


@pytest.mark.filesystem
@pytest.mark.usefixtures("mounted")
def test_nothing_is_left_of_a_session_that_was_killed(tmp_path: Path) -> None:
    program = (
        "import os, pathlib, sys\n"
        "from tests import filesystems, sandbox\n"
        "base = pathlib.Path(sys.argv[1])\n"
        "with sandbox.entered(base):\n"
        "    point = filesystems.MountedFileSystems(sandbox.MOUNTS, base).make('ext4')\n"
        "    print(point.is_mount(), flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        cwd=sandbox.ROOT,
        check=False,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert killed.returncode == -signal.SIGKILL
    assert killed.stdout == "True\n"

    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text(encoding="utf-8")
    losetup = ["losetup", "--list", "--noheadings", "--output", "BACK-FILE"]
    told = subprocess.run(losetup, check=True, capture_output=True, text=True).stdout
    assert str(tmp_path) not in told
    assert [path.name for path in tmp_path.iterdir()] == []


@pytest.mark.parametrize("name", ["btrfs", "xfs"])
@pytest.mark.filesystem
def test_shared_extents_are_told_from_copies(fs: FileSystems, name: str) -> None:
    top: Path = getattr(fs, name)
    original, clone, copy = top / "original", top / "clone", top / "copy"
    original.write_bytes(b"x" * 300_000)

    subprocess.run(["cp", "--reflink=always", original, clone], check=True)
    subprocess.run(["cp", "--reflink=never", "--sparse=never", original, copy], check=True)

    assert shared_extents(original)
    assert shared_extents(clone)
    assert filesystems.physical_ranges(original) == filesystems.physical_ranges(clone)
    assert shared_bytes(clone) >= 300_000
    assert not shared_extents(copy)
    assert shared_bytes(copy) == 0


@pytest.mark.parametrize(
    ("variables", "outcome"),
    [
        pytest.param({}, pytest.skip.Exception, id="at home"),
        pytest.param({"CI": "true"}, pytest.fail.Exception, id="in CI"),
        pytest.param(
            {"LINKPOLICY_TEST_REQUIRE": "a,filesystem"}, pytest.fail.Exception, id="asked"
        ),
        pytest.param({"LINKPOLICY_TEST_REQUIRE": "uv"}, pytest.skip.Exception, id="others asked"),
    ],
)
def test_what_is_missing_is_skipped_at_home_and_fails_in_ci(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], outcome: type[BaseException]
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("CI", "LINKPOLICY_TEST_REQUIRE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(outcome, match="no mkfs"):
        filesystems.unavailable("no mkfs")


@pytest.mark.filesystem
def test_a_cache_at_the_root_is_gone_for_the_next_test(
    mounted: MountedFileSystems, fs: FileSystems
) -> None:
    with contextlib.ExitStack() as undo:
        root = FileSystems(mounted, "another test", undo).ext4.parent
        (root / ".uv-cache-0").mkdir()
        (root / ".uv-cache-0" / "file").touch()

    assert fs.ext4.parent == root
    assert not (root / ".uv-cache-0").exists()
