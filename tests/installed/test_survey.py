from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import filesystems
from tests.filesystems import FileSystems
from tests.odd_files import bound_socket, fifo
from tests.ordinary_user import as_user
from uvx_policy.installed import quick, walk
from uvx_policy.installed.inspection import inspect
from uvx_policy.installed.model import MOST_NAMED, Survey
from uvx_policy.installed.survey import survey
from uvx_policy.installed.tree import trees_of_environment
from uvx_policy.verify.engine import verify

ROOT = Path(__file__).resolve().parent.parent.parent
INSTALLED = time.time() - 1000


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    return make(tmp_path / "environment")


def make(path: Path) -> Path:
    site(path).mkdir(parents=True)
    (path / "pyvenv.cfg").touch()
    return path


def site(environment: Path) -> Path:
    return environment / "lib/python3.12/site-packages"


def install(environment: Path, name: str, files: dict[str, bytes]) -> None:
    """As uv does it, 1,000 seconds ago."""
    rows = []
    for path, content in files.items():
        file = site(environment) / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        rows.append(f'"{path}",sha256={digest},{len(content)}')
    dist_info = site(environment) / f"{name}-1.0.dist-info"
    dist_info.mkdir()
    (dist_info / "WHEEL").touch()
    (dist_info / "INSTALLER").write_text("uv")
    (dist_info / "METADATA").touch()
    rows += [f"{dist_info.name}/{file},," for file in ("METADATA", "WHEEL", "RECORD")]
    (dist_info / "RECORD").write_text("\n".join(rows))
    for file in (*dist_info.iterdir(), *(site(environment) / path for path in files)):
        os.utime(file, (INSTALLED, INSTALLED))


# What is there ------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["absent", "file", "dangling"])
def test_no_directory_has_no_files(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to("nowhere")

    told = survey(str(tmp_path / path))

    assert (told.files, told.unreadable_files) == (0, 0)


def test_names_that_all_lie_inside_are_not_shared(environment: Path) -> None:
    (environment / "one").write_bytes(b"x" * 5000)
    (environment / "two").hardlink_to(environment / "one")

    alone = survey(str(environment))
    (environment.parent / "outside").hardlink_to(environment / "one")
    shared = survey(str(environment))

    size = (environment / "one").stat().st_blocks * 512
    assert (alone.shared_inode_files, alone.shared_bytes, alone.private_bytes) == (0, 0, size)
    assert (shared.shared_inode_files, shared.shared_bytes, shared.private_bytes) == (2, size, 0)


def test_an_environment_of_links_has_nothing_to_save(environment: Path) -> None:
    install(environment, "one", {"one.py": b"x" * 5000})

    shutil.copytree(environment, environment.parent / "twin", copy_function=os.link)
    told = survey(str(environment.parent / "twin"))

    assert (told.private_bytes, told.saveable_bytes) == (0, 0)


def test_links_elsewhere_are_private_and_loops_harmless(environment: Path) -> None:
    (environment / "loop").symlink_to("loop")
    (environment / "up").symlink_to("..")
    (environment / "lib64").symlink_to("lib")
    (environment / "python").symlink_to(sys.executable)
    (environment / "gone").symlink_to("nowhere")

    told = survey(str(environment))

    assert (told.files, told.private_files, told.symlink_files, told.dangling) == (6, 6, 0, 0)


def test_a_loop_of_links_into_a_cache_dangles(environment: Path) -> None:
    (environment / "archive-v0").mkdir()
    (environment / "a").symlink_to(environment / "archive-v0" / "b")
    (environment / "archive-v0" / "b").symlink_to(environment / "a")

    told = survey(str(environment))

    assert (told.symlink_files, told.dangling) == (1, 1)


def test_what_is_no_file_is_counted_and_not_opened(environment: Path) -> None:
    fifo(environment / "fifo")
    bound_socket(environment / "socket")

    told = survey(str(environment))

    assert (told.files, told.private_files, told.unreadable_files) == (3, 3, 0)


def test_names_that_are_not_utf_8(environment: Path) -> None:
    name = os.fsdecode(b"m\xff.py")
    install(environment, "odd", {})
    record = site(environment) / "odd-1.0.dist-info" / "RECORD"
    record.write_bytes(os.fsencode(name) + b",sha256=0,3\n")
    os.utime(record, (INSTALLED, INSTALLED))
    (site(environment) / name).write_bytes(b"edited")

    told = survey(str(environment))

    assert told.edited == (str(site(environment) / name),)


def test_a_project_that_is_its_own_environment_is_not_counted(environment: Path) -> None:
    (environment / "pyproject.toml").touch()
    (environment / "data.bin").write_bytes(b"x" * 100_000)
    install(environment, "one", {"one.py": b"x"})

    assert survey(str(environment)).files == 5


@pytest.mark.filesystem
def test_clones_of_an_environment_have_nothing_to_save(fs: FileSystems) -> None:
    environment = make(fs.btrfs / "environment")
    install(environment, "one", {"one.py": b"x" * 50_000})
    with (site(environment) / "one-1.0.dist-info" / "RECORD").open("a") as stream:
        stream.write("\n" * 50_000)  # long enough to have an extent of its own
    subprocess.run(["cp", "-r", "--reflink=always", environment, fs.btrfs / "twin"], check=True)
    os.sync()

    told = survey(str(fs.btrfs / "twin"))

    assert told.shared_bytes > 90_000
    assert 0 <= told.saveable_bytes < 4096


# What goes wrong ----------------------------------------------------------------------------------


def test_files_that_vanish_meanwhile_are_passed_over(environment: Path) -> None:
    for number in range(200):
        (environment / f"{number}").mkdir()
        for other in range(20):
            (environment / f"{number}" / f"{other}").touch()
    remover = threading.Thread(target=shutil.rmtree, args=(environment,))

    remover.start()
    told = [survey(str(environment)) for _ in range(5)]
    remover.join()

    assert {one.unreadable_files for one in told} == {0}
    assert survey(str(environment)).files == 0


@pytest.mark.parametrize("becomes", ["nothing", "a link", "a file"])
def test_a_directory_that_becomes_something_else(
    environment: Path, monkeypatch: pytest.MonkeyPatch, becomes: str
) -> None:
    inner = environment / "inner"
    inner.mkdir()
    outside = environment.parent / "outside"
    outside.mkdir()
    (outside / "file").touch()
    count = walk.Walk._count

    def counting(*given: Any, **named: Any) -> None:
        if inner.is_dir() and not inner.is_symlink():
            inner.rmdir()  # it has been listed, and not yet been looked into
            if becomes == "a link":
                inner.symlink_to(outside)
            if becomes == "a file":
                inner.touch()
        count(*given, **named)

    monkeypatch.setattr(walk.Walk, "_count", counting)

    told = survey(str(environment))

    assert (told.files, told.unreadable_files) == (1, 0)


@pytest.mark.filesystem
def test_what_an_ordinary_user_may_not_read_is_named(fs: FileSystems) -> None:
    environment = make(fs.btrfs / "environment")
    install(environment, "one", {"one.py": b"x" * 5000, "secret.py": b"y" * 5000})
    (site(environment) / "closed").mkdir(mode=0o700)
    (site(environment) / "listed").mkdir()
    (site(environment) / "listed" / "file").touch()
    (site(environment) / "listed").chmod(0o744)
    edited_file = site(environment) / "secret.py"
    edited_file.write_bytes(b"z" * 5000)  # the same size: only its content could tell
    edited_file.chmod(0o600)
    nobodys = site(environment) / "one-1.0.dist-info" / "WHEEL"
    nobodys.chmod(0)
    closed = make(fs.btrfs / "closed")
    closed.chmod(0o700)
    program = (
        "import json; from uvx_policy.installed.survey import survey\n"
        f"told = [survey({str(environment)!r}), survey({str(closed)!r})]\n"
        "print(json.dumps([one.as_dict() for one in told]))"
    )

    done = subprocess.run(
        as_user([sys.executable, "-c", program]),
        cwd=fs.btrfs, env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    first, second = json.loads(done.stdout)
    assert sorted(first["unreadable"]) == [
        str(site(environment) / "closed"), str(site(environment) / "listed" / "file"),
        str(nobodys),
    ]  # fmt: skip
    assert (first["unreadable_files"], first["files"]) == (3, 7)
    assert first["edited"] == []
    assert not first["extents_known"]
    assert second["unreadable"] == [str(closed)]


def test_at_most_a_thousand_are_named(environment: Path) -> None:
    install(environment, "many", {f"{n}.py": b"x" for n in range(MOST_NAMED + 1)})
    for number in range(MOST_NAMED + 1):
        (site(environment) / f"{number}.py").write_bytes(b"longer")

    told = survey(str(environment))

    assert (told.edited_files, len(told.edited)) == (MOST_NAMED + 1, MOST_NAMED)


# Edited -------------------------------------------------------------------------------------------


def test_only_what_record_has_a_digest_for_can_be_edited(environment: Path) -> None:
    install(environment, "one", {"one.py": b"old", "made.pyc": b"old"})
    record = site(environment) / "one-1.0.dist-info" / "RECORD"
    record.write_text(record.read_text() + "\nlog.txt,,\nbad row\n")
    os.utime(record, (INSTALLED, INSTALLED))
    for name in ("one.py", "made.pyc", "log.txt", "new.py"):
        (site(environment) / name).write_bytes(b"changed")

    assert survey(str(environment)).edited == (str(site(environment) / "one.py"),)


@pytest.mark.parametrize("first", ["a", "z"])
def test_an_edit_behind_a_symbolic_link_is_told_whatever_else_lies_there(
    environment: Path, first: str
) -> None:
    install(environment, "one", {"one/a.py": b"old", "one/z.py": b"old"})
    archive = environment.parent / "archive-v0"
    archive.mkdir()
    linked = site(environment) / "one" / f"{first}.py"
    linked.rename(archive / "linked.py")
    linked.symlink_to(archive / "linked.py")
    (archive / "linked.py").write_bytes(b"changed")

    assert survey(str(environment)).edited == (str(linked),)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_what_lies_elsewhere_is_judged_as_verify_does(environment: Path, end: str) -> None:
    """Behind a link, where a RECORD alone leads, and a directory in the place of a file."""
    outside = environment.parent / "outside"
    files = {"one/a.py": b"old", "one/b.py": b"old", "one/in/c.py": b"old", "one/d.py": b"old"}
    install(environment, "one", {**files, f"{outside}/mine.py": b"old"})
    record = site(environment) / "one-1.0.dist-info" / "RECORD"
    record.write_bytes(record.read_bytes().replace(b"\n", end.encode()))
    os.utime(record, (INSTALLED, INSTALLED))
    (outside / "mine.py").write_bytes(b"mine")
    (outside / "c.py").write_bytes(b"mine")
    package = site(environment) / "one"
    (package / "a.py").unlink()
    (package / "a.py").symlink_to(outside / "mine.py")
    shutil.rmtree(package / "in")
    (package / "in").symlink_to(outside)
    (package / "d.py").unlink()
    (package / "d.py").mkdir()
    (package / "b.py").write_bytes(b"edited")

    found = verify(trees_of_environment(str(environment)), workers=0)

    told = survey(str(environment))
    assert told.edited == tuple(sorted(each.path for each in found if each.state == "edited"))
    assert len(told.edited) == 5


def test_what_is_not_there_is_missing(environment: Path) -> None:
    install(environment, "one", {"one/a.py": b"a", "../../../bin/tool": b"t", "one/b.pyc": b"b"})
    (site(environment) / "one/a.py").unlink()
    (site(environment) / "one/b.pyc").unlink()
    (environment / "bin/tool").unlink()

    told = survey(str(environment))

    assert told.missing == (str(environment / "bin/tool"), str(site(environment) / "one/a.py"))
    assert (told.missing_files, told.edited_files) == (2, 0)


def test_another_size_is_an_edit_whatever_the_times(environment: Path) -> None:
    """Emptied by a power cut, stripped with its times kept, and without a hash in RECORD."""
    install(environment, "one", {"one/a.py": b"aaa", "one/b.so": b"symbols", "one/c.py": b"ccc"})
    record = site(environment) / "one-1.0.dist-info" / "RECORD"
    record.write_text(re.sub('(one/c.py"),[^,]*,', "\\1,,", record.read_text()))
    for name, content in (("a.py", b""), ("b.so", b"sym"), ("c.py", b"c")):
        path = site(environment) / "one" / name
        path.write_bytes(content)
        os.utime(path, (INSTALLED, INSTALLED))
    os.utime(record, (INSTALLED, INSTALLED))

    told = survey(str(environment))

    assert [os.path.basename(path) for path in told.edited] == ["a.py", "b.so", "c.py"]


@pytest.mark.parametrize("left", [0, 1, 2])
def test_a_record_that_is_gone_empty_or_cut_short_is_damaged(environment: Path, left: int) -> None:
    install(environment, "one", {"one/a.py": b"a", "one/b.py": b"b"})
    record = site(environment) / "one-1.0.dist-info" / "RECORD"
    rows = record.read_text().split("\n")
    record.write_text("".join(f"{row}\n" for row in rows[:left]))

    assert survey(str(environment)).damaged_records == (str(record),)
    record.unlink()
    assert survey(str(environment)).damaged_records == (str(record),)


@pytest.mark.parametrize("look", [survey, inspect])
@pytest.mark.parametrize("size", ["9" * 5000, "-1", "1e3", "001", "\u0663", "many"])
def test_a_size_that_is_none_hides_no_edit(
    environment: Path, look: Callable[[str], Survey], size: str
) -> None:
    """`int` refuses more than 4,300 digits, and takes those of other scripts."""
    install(environment, "one", {"one/a.py": b"a", "one/b.py": b"b"})
    record = site(environment) / "one-1.0.dist-info" / "RECORD"
    record.write_text(re.sub('(one/a.py",[^,]*),1', f"\\1,{size}", record.read_text()))
    os.utime(record, (INSTALLED, INSTALLED))
    edited = site(environment) / "one/b.py"
    edited.write_bytes(b"bbb")

    assert look(str(environment)).edited == (str(edited),)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("look", [survey, inspect])
@pytest.mark.parametrize("odd", [fifo, bound_socket])
def test_an_installer_that_is_no_file_stops_nobody(
    environment: Path, look: Callable[[str], Survey], odd: Callable[[Path], None]
) -> None:
    install(environment, "one", {"one/a.py": b"a"})
    install(environment, "two", {"two/b.py": b"b"})
    dist_info = site(environment) / "one-1.0.dist-info"
    (dist_info / "RECORD").unlink()
    (dist_info / "INSTALLER").unlink()
    odd(dist_info / "INSTALLER")
    edited = site(environment) / "two/b.py"
    edited.write_bytes(b"bbb")

    assert look(str(environment)).edited == (str(edited),)


def test_a_project_that_is_its_own_environment_is_compared_with_its_records(
    environment: Path,
) -> None:
    (environment / "pyproject.toml").touch()
    install(environment, "one", {"one/a.py": b"old", "../../../bin/tool": b"old"})
    (environment / "bin" / "tool").write_bytes(b"edited")
    (site(environment) / "one" / "a.py").write_bytes(b"edited")

    assert survey(str(environment)).edited == (
        str(environment / "bin" / "tool"), str(site(environment) / "one" / "a.py"),
    )  # fmt: skip


def test_a_digest_may_have_any_letters(environment: Path) -> None:
    install(environment, "one", {"one.py": b"old"})
    record = site(environment) / "one-1.0.dist-info" / "RECORD"
    record.write_text("one.py,sha256=47DE/pj8,3\n")
    os.utime(record, (INSTALLED, INSTALLED))
    (site(environment) / "one.py").write_bytes(b"edited")

    assert survey(str(environment)).edited == (str(site(environment) / "one.py"),)


@pytest.mark.parametrize(("seconds", "told"), [(-1.0, False), (0.0, False), (0.5, True)])
def test_what_is_later_than_its_record_is_compared_and_nothing_else(
    environment: Path, seconds: float, told: bool
) -> None:
    install(environment, "one", {"one.py": b"old"})
    path = site(environment) / "one.py"
    path.write_bytes(b"new")
    os.utime(path, (INSTALLED + seconds, INSTALLED + seconds))

    assert bool(survey(str(environment)).edited_files) is told


def test_an_unknown_digest_is_no_edit(environment: Path) -> None:
    install(environment, "one", {"one.py": b"old"})
    record = site(environment) / "one-1.0.dist-info" / "RECORD"
    for digest in ("nosuch=x", "shake_128=x"):
        record.write_text(f"one.py,{digest},3\n")
        os.utime(record, (INSTALLED, INSTALLED))
        (site(environment) / "one.py").write_bytes(b"new")

        assert survey(str(environment)).edited_files == 0


def test_what_is_too_large_to_compare_quickly_is_unsure(
    environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quick, "MOST_READ", 1500)
    install(environment, "one", {"small.py": b"x" * 1000, "large.so": b"x" * 2000, "cut": b"x"})
    for name, size in (("small.py", 1000), ("large.so", 2000), ("cut", 0)):
        (site(environment) / name).write_bytes(b"y" * size)

    told = survey(str(environment))

    # Another size needs no reading.
    assert told.edited == (str(site(environment) / "cut"), str(site(environment) / "small.py"))
    assert told.unsure_files == 1


def test_a_record_that_vanishes_or_is_none_hides_nothing_else(environment: Path) -> None:
    install(environment, "one", {"one.py": b"old"})
    install(environment, "odd", {"odd.py": b"old"})
    install(environment, "none", {"none.py": b"old"})
    odd = site(environment) / "odd-1.0.dist-info" / "RECORD"
    odd.unlink()
    fifo(odd)
    (site(environment) / "none-1.0.dist-info" / "RECORD").unlink()
    for name in ("one.py", "odd.py", "none.py"):
        (site(environment) / name).write_bytes(b"changed")

    assert survey(str(environment)).edited == (str(site(environment) / "one.py"),)


# Extents ------------------------------------------------------------------------------------------


@pytest.mark.filesystem
def test_every_clone_is_counted(fs: FileSystems) -> None:
    environment = make(fs.btrfs / "environment")
    for number in (1, 2, 3):
        origin = fs.btrfs / f"{number}"
        origin.write_bytes(b"x" * 65536 * number)
        filesystems._clone(origin, site(environment) / f"{number}")
    filesystems.flush(fs.btrfs)

    told = survey(str(environment))

    assert (told.shared_extent_files, told.shared_bytes) == (3, 65536 * 6)
    assert (told.private_bytes, told.saveable_bytes, told.extents_known) == (0, 0, True)


@pytest.mark.filesystem
def test_compressed_clones_share_what_they_have_on_the_disk(fs: FileSystems) -> None:
    environment = make(fs.btrfs / "environment")
    subprocess.run(["btrfs", "property", "set", fs.btrfs, "compression", "zstd"], check=True)
    origin = fs.btrfs / "origin"
    origin.write_bytes(b"x" * 1_000_000)
    filesystems.flush(fs.btrfs)
    filesystems._clone(origin, site(environment) / "clone")

    told = survey(str(environment))

    size = (site(environment) / "clone").stat().st_blocks * 512
    assert (told.shared_bytes, told.private_bytes) == (size, 0)


@pytest.mark.filesystem
def test_subvolumes_and_overlays(fs: FileSystems) -> None:
    first, second = fs.subvolumes
    environment = make(second / "environment")
    (first / "origin").write_bytes(b"x" * 100_000)
    filesystems._clone(first / "origin", environment / "clone")
    on_overlay = make(fs.overlay / "environment")
    (on_overlay / "private").write_bytes(b"x" * 5000)
    filesystems.flush(first)
    filesystems.flush(fs.overlay)

    assert survey(str(environment)).shared_extent_files == 1
    told = survey(str(on_overlay))
    assert (told.shared_extent_files, told.private_files, told.unreadable_files) == (0, 2, 0)
