from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.filesystems import FileSystems
from tests.ordinary_user import UID, as_user
from uvx_policy.machine import search as find
from uvx_policy.machine.search import Search

ROOT = Path(__file__).resolve().parent.parent.parent


def environment(path: Path) -> str:
    path.mkdir(parents=True)
    (path / "pyvenv.cfg").touch()
    return str(path)


def found(*roots: Path | str, workers: int = 8) -> list[str]:
    return sorted(Search([str(root) for root in roots], workers=workers))


@pytest.mark.parametrize("workers", [1, 8])
def test_every_environment_is_found_once(tmp_path: Path, workers: int) -> None:
    wanted = [
        environment(tmp_path / "a/.venv"),
        environment(tmp_path / "a/b/c/d/other"),
        environment(tmp_path / "z/.venv"),
    ]
    (tmp_path / "empty").mkdir()

    assert found(tmp_path, workers=workers) == wanted


def test_a_root_may_be_an_environment_or_a_link_to_one(tmp_path: Path) -> None:
    environment(tmp_path / "real")
    (tmp_path / "link").symlink_to("real")

    assert found(tmp_path / "real") == [str(tmp_path / "real")]
    assert found(tmp_path / "link") == [str(tmp_path / "link")]


def test_overlapping_roots_give_each_once(tmp_path: Path) -> None:
    wanted = environment(tmp_path / "a/b/.venv")

    assert found(tmp_path, tmp_path / "a", tmp_path) == [wanted]


@pytest.mark.parametrize("above", [".git", "node_modules", "cache", "environment"])
def test_what_is_not_descended_into(tmp_path: Path, above: str) -> None:
    environment(tmp_path / "environment")
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "CACHEDIR.TAG").touch()
    inner = environment(tmp_path / above / "inner/.venv")

    assert inner not in found(tmp_path)
    if above != "environment":  # a root is looked at whatever it is
        assert inner in found(tmp_path / above)


def test_uvs_environments_carry_a_cache_tag_and_are_found(tmp_path: Path) -> None:
    wanted = environment(tmp_path / ".venv")
    (tmp_path / ".venv" / "CACHEDIR.TAG").touch()

    assert found(tmp_path) == [wanted]


def test_a_directory_called_pyvenv_cfg_is_no_mark(tmp_path: Path) -> None:
    wanted = environment(tmp_path / "pyvenv.cfg" / ".venv")

    assert found(tmp_path) == [wanted]


def test_links_are_not_followed_and_loops_do_not_matter(tmp_path: Path) -> None:
    environment(tmp_path / "outside/.venv")
    root = tmp_path / "root"
    wanted = environment(root / ".venv")
    (root / "out").symlink_to(tmp_path / "outside")
    (root / "up").symlink_to("..")
    (root / "self").symlink_to("self")
    (root / "dangling").symlink_to("nowhere")

    assert found(root) == [wanted]


def test_names_that_are_not_utf_8(tmp_path: Path) -> None:
    wanted = environment(tmp_path / os.fsdecode(b"\xff\xfe") / ".venv")

    assert found(tmp_path) == [wanted]


def test_odd_roots_are_passed_over_and_counted(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    wanted = environment(tmp_path / ".venv")

    search = Search([str(tmp_path / "absent"), str(tmp_path / "file"), str(tmp_path)])

    assert list(search) == [wanted]
    assert sorted(search.unreadable) == [str(tmp_path / "absent"), str(tmp_path / "file")]


def test_no_root_finds_nothing() -> None:
    assert found() == []


def test_very_deep_directories_are_passed_over(tmp_path: Path) -> None:
    wanted = environment(tmp_path / ".venv")
    name = "d" * 250
    handle = os.open(tmp_path, os.O_RDONLY)
    for _ in range(20):  # 5,000 bytes: more than a path may have
        os.mkdir(name, dir_fd=handle)
        handle, above = os.open(name, os.O_RDONLY, dir_fd=handle), handle
        os.close(above)
    os.close(handle)

    search = Search([str(tmp_path)])

    assert list(search) == [wanted]
    assert len(search.unreadable) == 1
    subprocess.run(["rm", "-rf", str(tmp_path / name)], check=True)


def test_what_vanishes_during_the_walk_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        environment(tmp_path / f"{number:02}/deep/.venv")
    listed = find._list
    lock = threading.Lock()

    def listing(path: str, *, follow: bool) -> tuple[set[str], list[str]]:
        told = listed(path, follow=follow)
        if path.endswith("deep") and int(Path(path).parent.name) % 2:
            with lock:
                shutil.rmtree(path)
        return told

    monkeypatch.setattr(find, "_list", listing)

    search = Search([str(tmp_path)])

    assert sorted(search) == [str(tmp_path / f"{n:02}/deep/.venv") for n in range(0, 20, 2)]
    assert search.unreadable == []


def test_a_directory_that_becomes_a_link_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment(tmp_path / "outside/.venv")
    root = tmp_path / "root"
    (root / "inner").mkdir(parents=True)
    listed = find._list

    def listing(path: str, *, follow: bool) -> tuple[set[str], list[str]]:
        told = listed(path, follow=follow)
        if path == str(root):
            (root / "inner").rmdir()
            (root / "inner").symlink_to(tmp_path / "outside")
        return told

    monkeypatch.setattr(find, "_list", listing)

    search = Search([str(root)])

    assert list(search) == []
    assert search.unreadable == []


def test_an_error_in_a_worker_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(path: str, *, follow: bool) -> tuple[set[str], list[str]]:
        raise RuntimeError(path, follow)

    monkeypatch.setattr(find, "_list", broken)

    with pytest.raises(RuntimeError):
        found(tmp_path)


def test_workers_end_when_nobody_wants_to_know(tmp_path: Path) -> None:
    for number in range(50):
        environment(tmp_path / f"{number}/.venv")
    before = set(threading.enumerate())

    search = iter(Search([str(tmp_path)], workers=2))
    next(search)
    workers = set(threading.enumerate()) - before
    search.close()  # type: ignore[attr-defined]

    for worker in workers:
        worker.join(timeout=30)
    assert not any(worker.is_alive() for worker in workers)


@pytest.mark.filesystem
def test_other_mounts_below_are_looked_at_each_once(fs: FileSystems) -> None:
    environment(fs.tmpfs / "project/.venv")
    (fs.ext4 / "mount").mkdir()
    subprocess.run(["mount", "--bind", fs.tmpfs, fs.ext4 / "mount"], check=True)
    try:
        assert found(fs.ext4) == [str(fs.ext4 / "mount/project/.venv")]
        assert len(found(fs.ext4, fs.tmpfs)) == 1
    finally:
        subprocess.run(["umount", fs.ext4 / "mount"], check=True)


@pytest.mark.filesystem
def test_a_mount_of_the_directory_above_is_no_endless_way(fs: FileSystems) -> None:
    wanted = environment(fs.ext4 / "project/.venv")
    (fs.ext4 / "again").mkdir()
    subprocess.run(["mount", "--rbind", fs.ext4, fs.ext4 / "again"], check=True)
    try:
        (one,) = found(fs.ext4)
        assert one in (wanted, str(fs.ext4 / "again/project/.venv"))
    finally:
        subprocess.run(["umount", fs.ext4 / "again"], check=True)


@pytest.mark.filesystem
def test_proc_is_passed_over(fs: FileSystems) -> None:
    (fs.ext4 / "proc").mkdir()
    subprocess.run(["mount", "-t", "proc", "none", fs.ext4 / "proc"], check=True)
    try:
        search = Search([str(fs.ext4)])
        assert list(search) == []
        assert search.directories == 1
    finally:
        subprocess.run(["umount", fs.ext4 / "proc"], check=True)


@pytest.mark.filesystem
def test_what_an_ordinary_user_may_not_read_is_passed_over(fs: FileSystems) -> None:
    wanted = environment(fs.ext4 / "open/.venv")
    environment(fs.ext4 / "closed/.venv")
    (fs.ext4 / "closed").chmod(0o700)
    (fs.ext4 / "listed").mkdir(mode=0o744)
    environment(fs.ext4 / "listed/.venv")
    program = (
        "import json; from uvx_policy.machine.search import Search\n"
        f"search = Search([{str(fs.ext4)!r}])\n"
        "print(json.dumps([sorted(search), sorted(search.unreadable)]))"
    )

    done = subprocess.run(
        as_user([sys.executable, "-c", program], uid=UID),
        cwd=fs.ext4, env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    environments, unreadable = json.loads(done.stdout)
    assert environments == [wanted]
    # `listed` can be listed; what is in it cannot be entered.
    assert unreadable == [str(fs.ext4 / "closed"), str(fs.ext4 / "listed/.venv")]
