"""`linkpolicy detach`: what is edited afterwards is edited in one environment."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.caches.machine import Machine, snapshot
from tests.filesystems import FileSystems
from tests.repair.scene import EDITED, Scene, module, printed
from tests.uv.world import NAME, ORIGINAL, installed
from uvx_policy.repair import restore

pytestmark = [pytest.mark.uv, pytest.mark.filesystem]


def detach(scene: Scene, *words: str) -> tuple[int, str, str]:
    with scene.machine.working_in(scene.a):
        return scene.machine.linkpolicy("detach", *words)


@pytest.mark.parametrize("uv_version", ["0.5.23", "newest"])
def test_an_edit_stays_here(scene: Scene) -> None:
    before = module(scene.a).stat()

    code, out, err = detach(scene)
    module(scene.a).write_text(EDITED)

    assert (code, err) == (0, "")
    assert "tinypkg 1.0: 5 files will be copied (66 kB)" in out
    assert "5 files of 1 package detached." in out
    assert [printed(scene.a), printed(scene.b)] == ["edited!!", "original"]
    assert printed(scene.project("c")) == "original"
    after = module(scene.a).stat()
    assert (after.st_mode, after.st_nlink) == (before.st_mode, 1)
    site = module(scene.a).parent.parent
    linked = [path for path in site.rglob("*") if path.is_file() and path.stat().st_nlink > 1]
    assert linked == []
    assert (scene.a / ".venv/bin/tinypkg-tool").stat().st_nlink == 1
    assert os.access(scene.a / ".venv/bin/tinypkg-tool", os.X_OK)
    assert [*(scene.a / ".venv").rglob(f"{restore.PREFIX}*")] == []


def test_nothing_but_the_inode_changes(scene: Scene) -> None:
    before = module(scene.a).stat()

    assert detach(scene)[0] == 0

    after = module(scene.a).stat()
    assert after.st_mtime_ns == before.st_mtime_ns
    assert module(scene.a).read_text() == ORIGINAL
    assert scene.verify("--all").code == 0


def test_only_the_packages_that_were_named(scene: Scene) -> None:
    scene.world.uv(
        "pip", "install", "--offline", "--no-index", "--find-links", str(scene.world.wheels),
        "other", cwd=scene.a,
    )  # fmt: skip

    assert detach(scene, "Other")[0] == 0

    assert module(scene.a).stat().st_nlink == 3
    assert (module(scene.a).parent.parent / "other/__init__.py").stat().st_nlink == 1


def test_a_package_that_is_not_there_is_an_error(scene: Scene) -> None:
    before = snapshot(scene.a)

    code, _, err = detach(scene, "tinypgk")

    assert code == 2
    assert "`tinypgk` is not installed here" in err
    assert "did you mean `tinypkg`?" in err
    assert snapshot(scene.a) == before


def test_a_dry_run_changes_nothing(scene: Scene) -> None:
    before = snapshot(scene.a)

    code, out, _ = detach(scene, "--dry-run", "--hackable")

    assert code == 0
    assert "5 files would be copied" in out
    assert "hackable" in out
    assert snapshot(scene.a) == before


def test_a_second_time_there_is_nothing_to_do(scene: Scene) -> None:
    detach(scene)
    before = snapshot(scene.a)

    code, out, _ = detach(scene)

    assert code == 0
    assert "is shared with a cache or another environment" in out
    assert snapshot(scene.a) == before


def test_symbolic_links_become_files(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    env = machine.environment(
        machine.world.base / "env", machine.world.default_cache, mode="symlink"
    )
    monkeypatch.setenv("VIRTUAL_ENV", str(env))

    done = machine.linkpolicy("detach")

    assert done.code == 0, done.err
    file = installed(env) / "__init__.py"
    assert not file.is_symlink()
    assert file.read_text() == ORIGINAL
    assert [path for path in installed(env).parent.rglob("*") if path.is_symlink()] == []


def test_clones_are_private_already(
    machine: Machine, fs: FileSystems, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = machine.environment(fs.btrfs / "env", fs.btrfs / "cache", mode="clone")
    monkeypatch.setenv("VIRTUAL_ENV", str(env))
    before = snapshot(env)

    assert machine.linkpolicy("detach").code == 0
    assert snapshot(env) == before


def test_the_project_can_be_marked(scene: Scene) -> None:
    code, out, _ = detach(scene, "--hackable")

    assert code == 0
    assert "hackable = true" in (scene.a / "pyproject.toml").read_text()
    assert "pyproject.toml" in out
    scene.world.uv("sync", "--offline", "--reinstall", cwd=scene.a)
    assert module(scene.a).stat().st_nlink == 1


@pytest.mark.parametrize(("answer", "marked"), [("y", True), ("n", False)])
def test_on_a_terminal_it_asks(scene: Scene, answer: str, marked: bool) -> None:
    outer, inner = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "uvx_policy.cli", "detach"],
        cwd=scene.a, env={**scene.world.environ(), "TERM": "xterm", "COLUMNS": "80"},
        stdin=inner, stdout=inner, stderr=inner,
    ) as process:  # fmt: skip
        os.close(inner)
        os.write(outer, f"{answer}\n".encode())
        told = b""
        while True:
            try:
                told += os.read(outer, 4096)
            except OSError:  # noqa: PERF203 (it ends so)
                break
    os.close(outer)
    assert process.returncode == 0, told
    assert b"Mark the project as hackable" in told
    assert ("hackable = true" in (scene.a / "pyproject.toml").read_text()) is marked


def test_on_a_full_disk_files_stay_as_they_are(
    machine: Machine, fs: FileSystems, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = fs.image("ext4", size=24 << 20)
    env = machine.environment(small / "env", small / "cache")
    data = installed(env) / "data.bin"
    content = data.read_bytes()
    with (small / "fill").open("wb", buffering=0) as stream:
        for size in (1 << 20, 4096):
            with pytest.raises(OSError, match="No space"):  # noqa: PT012 (it is a loop)
                while True:
                    if stream.write(b"x" * size) < size:
                        raise OSError("No space for the rest")
    monkeypatch.setenv("VIRTUAL_ENV", str(env))

    done = machine.linkpolicy("detach")

    assert done.code == 1
    assert "No space left on device" in done.out
    assert data.read_bytes() == content
    assert [*small.rglob(f"{restore.PREFIX}*")] == []


def test_without_a_record_nobody_knows_the_files(scene: Scene) -> None:
    (record,) = module(scene.a).parent.parent.glob(f"{NAME}-*/RECORD")
    record.unlink()

    code, out, _ = detach(scene, NAME)

    assert code == 1
    assert "has no RECORD" in out
    assert isinstance(record, Path)
