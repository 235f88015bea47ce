"""`linkpolicy detach`: what is edited afterwards is edited in one environment."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.caches.machine import Machine, snapshot
from tests.filesystems import FileSystems
from tests.repair.scene import EDITED, Scene, module, printed
from tests.repair.wheels import Members, record_name, rewritten
from tests.uv.world import NAME, ORIGINAL, PYTHON, installed
from uvx_policy.replace import shop
from uvx_policy.replace.build import Builder, Target

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
    assert [*(scene.a / ".venv").rglob(f"{shop.PREFIX}*")] == []


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
    code, told = _on_a_terminal(scene, ["detach"], answer)

    assert code == 0, told
    assert b"Mark the project as hackable" in told
    assert ("hackable = true" in (scene.a / "pyproject.toml").read_text()) is marked


def _on_a_terminal(scene: Scene, words: list[str], answer: str) -> tuple[int, bytes]:
    outer, inner = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "uvx_policy.cli", *words],
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
    return process.returncode, told


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
    assert [*small.rglob(f"{shop.PREFIX}*")] == []


def test_without_a_record_nobody_knows_the_files(scene: Scene) -> None:
    (record,) = module(scene.a).parent.parent.glob(f"{NAME}-*/RECORD")
    record.unlink()

    code, out, _ = detach(scene, NAME)

    assert code == 1
    assert "has no RECORD" in out
    assert isinstance(record, Path)


# What is said ------------------------------------------------------------------------------------


def test_what_will_be_done_is_said_before_and_what_was_done_afterwards(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Builder.detach
    said: list[str] = []

    def spying(builder: Builder, target: Target) -> bool:
        printed_so_far = sys.stdout.buffer
        assert isinstance(printed_so_far, io.BytesIO)
        said.append(os.fsdecode(printed_so_far.getvalue()))
        return real(builder, target)

    monkeypatch.setattr(Builder, "detach", spying)

    _, out, _ = detach(scene, "--no-hackable")

    assert "5 files will be copied" in said[0]
    assert "detached" not in said[0]
    assert out.splitlines()[-2:] == [
        "5 files of 1 package detached.",
        "Edits to them no longer reach a cache or another environment.",
    ]


@pytest.mark.parametrize("is_done", [False, True])
def test_interrupted_it_says_how_far_it_came(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, is_done: bool
) -> None:
    real = Builder.detach
    calls = 0

    def interrupted(builder: Builder, target: Target) -> bool:
        nonlocal calls
        calls += 1
        if calls == 3:
            if is_done:
                real(builder, target)
            raise KeyboardInterrupt
        return real(builder, target)

    monkeypatch.setattr(Builder, "detach", interrupted)

    code, out, _ = detach(scene)

    number = 3 if is_done else 2
    assert code == 130
    assert f"Interrupted: {number} of 5 files were detached, {5 - number} are still shared." in out
    assert _shared(scene) == 5 - number
    assert "copied" in out.splitlines()[0]
    assert "no longer" not in out
    assert f"linkpolicy detach -p {scene.a / '.venv'}" in out
    assert [*(scene.a / ".venv").rglob(f"{shop.PREFIX}*")] == []
    monkeypatch.setattr(Builder, "detach", real)
    assert detach(scene)[0] == 0
    assert _shared(scene) == 0


def _shared(scene: Scene) -> int:
    """Files of the package that have another name, also while it is detached."""
    script = scene.a / ".venv/bin/tinypkg-tool"
    (site,) = (scene.a / ".venv/lib").glob("*/site-packages")
    found = 0
    for path in (script, *site.rglob("*")):
        with contextlib.suppress(FileNotFoundError):
            status = path.lstat()
            found += stat.S_ISREG(status.st_mode) and status.st_nlink > 1
    return found


def test_a_real_ctrl_c_ends_with_a_true_sentence(scene: Scene) -> None:
    def many(members: Members) -> None:
        name = record_name(members)
        rows = members.pop(name)
        for number in range(3000):
            path = f"{NAME}/many/{number}.py"
            members[path] = content = f"NUMBER = {number}\n".encode()
            rows += f"{path},,{len(content)}\n".encode()
        members[name] = rows

    (wheel,) = scene.world.wheels.glob(f"{NAME}-*.whl")
    rewritten(wheel, many)
    scene.world.uv("sync", "--offline", "--reinstall", cwd=scene.a)
    before = _shared(scene)
    assert before > 3000
    with subprocess.Popen(
        [sys.executable, "-m", "uvx_policy.cli", "detach", "--no-hackable"],
        cwd=scene.a, env=scene.world.environ(), stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        while _shared(scene) == before:
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate()

    left = _shared(scene)
    assert process.returncode == 130, out
    assert 0 < left < before
    assert f"{before - left:,} of {before:,} files were detached, {left:,} are still shared." in out


@pytest.mark.parametrize("is_hackable", [False, True])
def test_an_edit_that_has_leaked_already_is_named(scene: Scene, is_hackable: bool) -> None:
    if is_hackable:
        with (scene.a / "pyproject.toml").open("a") as stream:
            stream.write("\n[tool.linkpolicy]\nhackable = true\n")
    module(scene.a).write_text(EDITED)

    code, out, _ = detach(scene, "--no-hackable")

    assert code == 0
    assert module(scene.a).stat().st_nlink == 1
    assert (
        "1 file was edited already, and the same edit is in ~/.cache/uv: "
        f"`{NAME}/__init__.py`" in out
    )
    (hint,) = [line for line in out.splitlines() if "linkpolicy repair" in line]
    *_, command = hint.partition(": ")[2].partition("linkpolicy ")
    assert command.split() == ["repair", str(scene.cache)]
    assert scene.machine.linkpolicy(*command.split(), "--yes", "--offline").code == 0
    assert [module(scene.b).read_text(), printed(scene.project("c"))] == [ORIGINAL, "original"]
    assert module(scene.a).read_text() == (EDITED if is_hackable else ORIGINAL)


def test_files_that_only_the_environment_itself_shares_are_its_own(machine: Machine) -> None:
    """uv's preview links two packages with the same file to one inode; its cache is gone."""
    project = machine.world.project(machine.world.base / "a")
    machine.world.uv("venv", "-p", PYTHON, cwd=project)
    machine.world.uv(
        "pip", "install", "--preview-features", "content-addressed-cache", "--offline",
        "--no-index", "--find-links", str(machine.world.wheels), NAME, "other", cwd=project,
    )  # fmt: skip
    shutil.rmtree(machine.world.default_cache)
    assert module(project).stat().st_nlink == 2
    before = snapshot(project)

    with machine.working_in(project):
        done = machine.linkpolicy("detach", "--no-hackable")

    assert (done.code, snapshot(project)) == (0, before)
    assert done.out.startswith("No file in ")


# Which environment -------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["environment", "project", "interpreter"])
def test_another_environment_can_be_named(scene: Scene, how: str) -> None:
    path = {
        "environment": scene.b / ".venv", "project": scene.b,
        "interpreter": scene.b / ".venv/bin/python",
    }[how]  # fmt: skip

    code, out, _ = detach(scene, "-p", str(path), "--no-hackable")

    assert code == 0, out
    assert module(scene.b).stat().st_nlink == 1
    assert module(scene.a).stat().st_nlink == 2


def test_outside_of_a_project_it_says_what_it_can_do(scene: Scene) -> None:
    done = scene.machine.linkpolicy("detach")

    assert done.code == 2
    assert "there is no environment here" in done.err
    assert "--environment PATH" in done.err
    assert "--all" not in done.err
    assert scene.machine.linkpolicy("detach", "--environment", str(scene.a)).code == 0


def test_a_cache_is_no_environment(scene: Scene) -> None:
    done = scene.machine.linkpolicy("detach", "-p", str(scene.cache))

    assert (done.code, "is a cache" in done.err) == (2, True)


@pytest.mark.parametrize("below", ["", "src/deep"])
def test_without_any_project_the_environment_is_found(machine: Machine, below: str) -> None:
    """`uv venv` and `uv pip install`: there is no pyproject.toml."""
    directory = machine.world.base / "scripts"
    (directory / "src/deep").mkdir(parents=True)
    machine.world.uv("venv", "-p", PYTHON, cwd=directory)
    machine.world.pip_install("--offline", cwd=directory)
    file = installed(directory / ".venv") / "__init__.py"
    assert file.stat().st_nlink == 2
    with machine.working_in(directory / below):
        assert machine.linkpolicy("verify").code == 0

        done = machine.linkpolicy("detach")

        assert done.code == 0, done.out
        assert file.stat().st_nlink == 1
        file.write_text(EDITED)
        assert machine.linkpolicy("verify").code == 1
        assert machine.linkpolicy("repair", "--yes", "--offline").code == 0
    assert file.read_text() == ORIGINAL


# `init --hackable` -------------------------------------------------------------------------------


def test_init_says_how_many_files_are_still_shared(scene: Scene) -> None:
    number = _shared(scene)

    with scene.machine.working_in(scene.a):
        done = scene.machine.linkpolicy("init", "--hackable")

    assert done.code == 0
    assert f"{number} installed files in {scene.a / '.venv'} are shared with a cache" in done.out
    assert done.out.endswith("linkpolicy detach\n")
    assert _shared(scene) == number
    with scene.machine.working_in(scene.a):
        assert scene.machine.linkpolicy("detach").code == 0
        assert scene.machine.linkpolicy("init", "--hackable").out == ""


@pytest.mark.parametrize("dry", [False, True])
def test_init_of_another_project_names_its_environment(scene: Scene, dry: bool) -> None:
    words = ["init", "--hackable", *(["--dry-run"] if dry else []), str(scene.a)]

    done = scene.machine.linkpolicy(*words)

    assert f"linkpolicy detach -p {scene.a / '.venv'}\n" in done.out
    assert ("hackable = true" in (scene.a / "pyproject.toml").read_text()) is not dry
    assert _shared(scene) == 5


def test_init_says_nothing_of_it_where_it_is_not_asked_for(scene: Scene) -> None:
    for words in (("--cache", "project"), ("--no-hackable",)):
        assert "detach" not in scene.machine.linkpolicy("init", *words, str(scene.a)).out


@pytest.mark.parametrize(("answer", "left"), [("y", 0), ("n", 5)])
def test_init_offers_to_detach_on_a_terminal(scene: Scene, answer: str, left: int) -> None:
    code, told = _on_a_terminal(scene, ["init", "--hackable"], answer)

    assert code == 0, told
    assert b"Detach now? [y/N]" in told
    assert _shared(scene) == left
    assert (b"5 files of 1 package detached." in told) is (not left)
