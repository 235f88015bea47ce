"""Every way in which a file can be spoilt: afterwards all projects have the original again."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.filesystems import same_inode
from tests.repair.scene import EDITED, Scene, module, printed
from tests.uv.world import NAME, ORIGINAL, build_wheel
from uvx_policy.replace import shop

pytestmark = [pytest.mark.uv, pytest.mark.filesystem]


def row(content: str, path: str = f"{NAME}/__init__.py") -> str:
    digest = hashlib.sha256(content.encode()).digest()
    told = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    return f"{path},sha256={told},{len(content)}"


def edit_in_place(scene: Scene) -> None:
    with module(scene.a).open("r+", encoding="utf-8") as stream:
        stream.write(EDITED)


def append(scene: Scene) -> None:
    with module(scene.a).open("a", encoding="utf-8") as stream:
        stream.write("VALUE = 'more'\n")


def truncate(scene: Scene) -> None:
    os.truncate(module(scene.a), 5)


def empty(scene: Scene) -> None:
    os.truncate(module(scene.a), 0)


def edit_by_rename(scene: Scene) -> None:
    new = module(scene.a).with_name("new.py")
    new.write_text(EDITED, encoding="utf-8")
    new.replace(module(scene.a))
    assert module(scene.a).stat().st_nlink == 1


def close_to_others(scene: Scene) -> None:
    module(scene.a).chmod(0o600)


def make_executable_and_writable(scene: Scene) -> None:
    module(scene.a).chmod(0o777)


def delete_here(scene: Scene) -> None:
    module(scene.a).unlink()


def delete_everywhere(scene: Scene) -> None:
    for each in (module(scene.a), module(scene.b), scene.archive / "__init__.py"):
        each.unlink()


def delete_the_whole_package(scene: Scene) -> None:
    shutil.rmtree(module(scene.a).parent)


def edit_record_too(scene: Scene) -> None:
    edit_in_place(scene)
    (record,) = module(scene.a).parent.parent.glob(f"{NAME}-*/RECORD")
    text = record.read_text(encoding="utf-8")
    assert row(ORIGINAL) in text
    record.write_text(text.replace(row(ORIGINAL), row(EDITED)), encoding="utf-8")


def edit_record_of_the_cache_too(scene: Scene) -> None:
    edit_in_place(scene)
    (record,) = scene.archive.parent.glob(f"{NAME}-*/RECORD")
    text = record.read_text(encoding="utf-8")
    record.write_text(text.replace(row(ORIGINAL), row(EDITED)), encoding="utf-8")
    os.utime(record, (record.stat().st_mtime + 60,) * 2)


def put_a_link_there(scene: Scene) -> None:
    other = scene.base / "other.py"
    other.write_text(EDITED, encoding="utf-8")
    module(scene.a).unlink()
    module(scene.a).symlink_to(other)


#: what it does, and is it an edit that can be saved
SPOILING = [
    pytest.param(edit_in_place, True, id="edit in place"),
    pytest.param(append, True, id="append"),
    pytest.param(truncate, True, id="truncate"),
    pytest.param(empty, True, id="empty"),
    pytest.param(edit_by_rename, True, id="edit by rename"),
    pytest.param(close_to_others, False, id="chmod 600"),
    pytest.param(make_executable_and_writable, False, id="chmod 777"),
    pytest.param(delete_here, False, id="delete in one environment"),
    pytest.param(delete_everywhere, False, id="delete everywhere"),
    pytest.param(delete_the_whole_package, False, id="delete a package"),
    pytest.param(edit_record_too, True, id="edit RECORD too"),
    pytest.param(edit_record_of_the_cache_too, True, id="edit RECORD of the cache too"),
    pytest.param(put_a_link_there, True, id="a symbolic link instead"),
]


@pytest.mark.parametrize(("spoil", "is_edit"), SPOILING)
def test_the_original_is_everywhere_again(
    scene: Scene, spoil: Callable[[Scene], None], is_edit: bool
) -> None:
    printed(scene.a)
    before = module(scene.a).stat()
    assert before.st_nlink == 3
    spoil(scene)
    content = module(scene.a).read_bytes() if module(scene.a).exists() else b""
    with contextlib.suppress(subprocess.CalledProcessError):
        printed(scene.a)  # leaves bytecode of what is spoilt
    assert scene.verify().code == 1

    done = scene.repair()

    assert (done.code, done.err) == (0, ""), done.out
    assert re.search(
        r"^\d+ files of \d packages? match what was installed ", done.out, re.MULTILINE
    )
    for project in (scene.a, scene.b, scene.project("third")):
        assert module(project).read_text(encoding="utf-8") == ORIGINAL
        assert printed(project) == "original"
        assert same_inode(module(project), scene.archive / "__init__.py")
        assert module(project).stat().st_mode == before.st_mode
    assert abs(module(scene.a).stat().st_mtime - before.st_mtime) < 1
    assert scene.verify("--all", "--full").code == 0
    files = {path.name for path in scene.saved()}
    assert ("__init__.py" in files) is is_edit
    if is_edit:
        (saved,) = (path for path in scene.saved() if path.name == "__init__.py")
        assert saved.read_bytes() == content
    assert [*scene.base.rglob(f"{shop.PREFIX}*"), *scene.cache.glob(".tmp*")] == []


def test_a_file_that_was_added_to_the_cache_stays(scene: Scene) -> None:
    """Its wheel may have been published that way: it may be the only good copy."""
    (scene.archive / "extra.py").write_text("MAYBE = 1\n")

    done = scene.repair("--cache", "--remove-extra")

    assert done.code == 0, done.out
    assert (scene.archive / "extra.py").exists()
    assert (module(scene.project("c")).parent / "extra.py").exists()


def test_a_file_that_was_added_to_an_environment_may_be_somebodys(scene: Scene) -> None:
    added = module(scene.a).parent / "notes.txt"
    added.write_text("mine\n")

    done = scene.repair()

    assert done.code == 1
    assert "--remove-extra" in done.out
    assert added.read_text() == "mine\n"
    assert scene.repair("--remove-extra").code == 0
    assert not added.exists()
    assert "mine\n" in [path.read_text() for path in scene.saved()]


@pytest.mark.parametrize("how", ["later", "earlier", "damaged"])
def test_what_a_changed_record_does_not_name_stays(scene: Scene, how: str) -> None:
    """It is the RECORD that is wrong: removing the file would spoil the package for everybody."""
    (record,) = scene.archive.parent.glob(f"{NAME}-*/RECORD")
    original = record.read_text()
    kept = [line for line in original.splitlines() if "data.bin" not in line]
    more = ["no row"] if how == "damaged" else []
    record.write_text("".join(f"{line}\n" for line in [*kept, *more]))
    time = record.with_name("WHEEL").stat().st_mtime + (60 if how == "later" else 0)
    os.utime(record, (time, time))

    done = scene.repair("--cache", "--remove-extra")

    assert done.code == 0, done.out
    assert (scene.archive / "data.bin").exists()
    if how == "damaged":
        assert record.read_text() == original


def test_bytecode_without_its_source_changed_is_left_to_python(scene: Scene) -> None:
    """RECORD has no hash of what Python writes: nobody can say whether it was edited."""
    printed(scene.a)
    (compiled,) = module(scene.a).parent.glob("__pycache__/*.pyc")
    compiled.write_bytes(compiled.read_bytes() + b"x")
    text = compiled.read_bytes()

    assert scene.repair().code == 0
    assert compiled.read_bytes() == text


def test_bytecode_that_a_wheel_brings_along_is_restored(scene: Scene) -> None:
    build_wheel(scene.world.wheels, "shipped")
    wheel = next(scene.world.wheels.glob("shipped-*"))
    content = "bytes of a .pyc\n"
    with zipfile.ZipFile(wheel) as old:
        members = {name: old.read(name) for name in old.namelist()}
    wheel.unlink()
    record = "shipped-1.0.dist-info/RECORD"
    members["shipped/fast.pyc"] = content.encode()
    members[record] = row(content, "shipped/fast.pyc").encode() + b"\n" + members.pop(record)
    with zipfile.ZipFile(wheel, "w") as new:
        for name, each in members.items():
            new.writestr(name, each)
    for project in (scene.a, scene.b):
        scene.world.uv(
            "pip", "install", "--offline", "--no-index", "--find-links",
            str(scene.world.wheels), "shipped", cwd=project,
        )  # fmt: skip
    fast = module(scene.a).parent.parent / "shipped/fast.pyc"
    assert fast.stat().st_nlink == 3
    fast.write_text("BYTES OF A .pyc\n")

    assert scene.repair().code == 0
    assert fast.read_text() == content
    assert (module(scene.b).parent.parent / "shipped/fast.pyc").read_text() == content


def test_a_script_that_was_rewritten_for_the_environment_is_made_again(scene: Scene) -> None:
    """The cache has it with `#!python`: no copy of it is anywhere, uv has to write it."""
    script = scene.a / ".venv/bin/tinypkg-python"
    wheel = next(scene.world.wheels.glob(f"{NAME}-*"))
    _with_python_script(wheel)
    scene.world.uv("sync", "--offline", "--reinstall", cwd=scene.a)
    assert script.read_text().startswith("#!/")
    before = (script.read_text(), script.stat().st_mode)
    script.write_text("#!/bin/sh\necho mine\n")

    done = scene.repair()

    assert done.code == 0, done.out
    assert (script.read_text(), script.stat().st_mode) == before
    assert "#!/bin/sh\necho mine\n" in [path.read_text() for path in scene.saved()]


def _with_python_script(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as old:
        members = {name: old.read(name) for name in old.namelist()}
    path, content = f"{NAME}-1.0.data/scripts/tinypkg-python", "#!python\nprint('script')\n"
    record = f"{NAME}-1.0.dist-info/RECORD"
    members[path] = content.encode()
    members[record] = row(content, path).encode() + b"\n" + members.pop(record)
    with zipfile.ZipFile(wheel, "w") as new:
        for name, each in members.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (0o100755 if "/scripts/" in name else 0o100644) << 16
            new.writestr(entry, each)
