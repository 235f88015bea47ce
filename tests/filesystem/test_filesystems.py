"""The suite's own mounts: they go away, also after a crash, and are never skipped silently."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests import filesystems
from tests.filesystems import FileSystems, MountedFileSystems, shared_bytes, shared_extents

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.filesystem
def test_mounts_of_a_killed_session_are_taken_away_by_the_next_one() -> None:
    program = (
        "import os\n"
        "from tests.filesystems import MountedFileSystems, _session_directory\n"
        "with _session_directory() as directory:\n"
        "    point = MountedFileSystems(directory).make('ext4', size=32 << 20)\n"
        "    print(directory, point, flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", program],
        cwd=REPOSITORY,
        check=False,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert killed.returncode == -signal.SIGKILL
    directory, point = (Path(word) for word in killed.stdout.split())
    assert point.is_mount() or not directory.exists()  # another session may have been quicker

    with filesystems._session_directory() as ours:
        assert ours.is_dir()

    assert not directory.exists()
    assert not ours.exists()
    assert str(directory) not in Path("/proc/self/mountinfo").read_text(encoding="utf-8")
    assert (
        str(directory)
        not in subprocess.run(
            ["losetup", "--list"], check=True, capture_output=True, text=True
        ).stdout
    )


@pytest.mark.filesystem
def test_a_living_session_is_left_alone(fs: FileSystems) -> None:
    filesystems._clean_stale(Path(tempfile.gettempdir()).resolve())

    assert fs.ext4.is_dir()


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
