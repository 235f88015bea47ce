"""What was compiled stays valid: a hard link has another time, and Python compares times.

Python itself tells (`-v`): nothing is compiled again, and what was stale before stays stale.
"""

from __future__ import annotations

import importlib.util
import os
import py_compile
import re
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.filesystems import same_inode
from tests.reclaim.disk import COPIED, FILES, UNPACKED, Disk, disk, ext4, site, unchanged

__all__ = ("disk", "ext4")

pytestmark = pytest.mark.filesystem

NAMES = [Path(name).stem for name in FILES]
TAG = sys.implementation.cache_tag


def compiled(
    path: Path, *, optimize: int = 0, mode: py_compile.PycInvalidationMode | None = None
) -> Path:
    """As Python does by itself."""
    mode = mode or py_compile.PycInvalidationMode.TIMESTAMP
    told = py_compile.compile(
        str(path), doraise=True, optimize=optimize, invalidation_mode=mode, quiet=2
    )
    return Path(told or "")


def imported(directory: Path, *options: str) -> dict[str, bool]:
    """Module -> was its bytecode good? Nothing is written."""
    done = subprocess.run(
        [sys.executable, "-I", "-B", "-v", *options, "-c",
         f"import sys; sys.path.insert(0, {str(directory)!r}); import "
         + ", ".join(f"one.{name}" for name in NAMES)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    told = {
        Path(source).stem: not source.endswith(".py")
        for source in re.findall(r"# code object from '?([^'\n]+)", done.stderr)
        if source.startswith(str(directory))
    }
    return {name.partition(".")[0]: good for name, good in told.items()}


def time_in(bytecode: Path) -> int:
    return int(struct.unpack("<L", bytecode.read_bytes()[8:12])[0])


ALL_GOOD = dict.fromkeys(NAMES, True)


@pytest.mark.parametrize(("optimize", "option"), [(0, ()), (1, ("-O",)), (2, ("-OO",))])
def test_nothing_is_compiled_again(disk: Disk, optimize: int, option: tuple[str, ...]) -> None:
    disk.archive()
    trees = [site(disk.environment(name)) for name in ("first", "second")]
    for tree in trees:
        for name in NAMES:
            compiled(tree / f"one/{name}.py", optimize=optimize)
        assert imported(tree, *option) == ALL_GOOD
    sharing = disk.sharing()

    done = disk.reclaim()

    assert disk.sharing() != sharing
    for tree in trees:
        assert imported(tree, *option) == ALL_GOOD
        for name in NAMES:
            mtime = (tree / f"one/{name}.py").stat().st_mtime_ns
            assert mtime == (UNPACKED if disk.method == "hardlink" else COPIED)
    changed = len(NAMES) * len(trees) if disk.method == "hardlink" else 0
    assert done.json["bytecode"] == changed
    assert disk.leftovers() == []


def test_this_can_fail(ext4: Disk) -> None:
    """What other programs do."""
    archived = site(ext4.archive())
    tree = site(ext4.environment("env"))
    compiled(tree / "one/a.py")
    compiled(tree / "one/b.py")
    compiled(tree / "one/c.py")
    (tree / "one/a.py").unlink()
    os.link(archived / "one/a.py", tree / "one/a.py")

    assert imported(tree) == {"a": False, "b": True, "c": True}


def test_of_every_python_and_level(ext4: Disk) -> None:
    """Bytecode of interpreters that are not there: the header is all that is needed."""
    ext4.archive()
    source = site(ext4.environment("env")) / "one/a.py"
    content = compiled(source).read_bytes()
    names = [
        f"a.{tag}{level}.pyc"
        for tag in (TAG, "cpython-38", "cpython-399", "pypy310", "graalpy242-312")
        for level in ("", ".opt-1", ".opt-2")
    ]
    for name in names:
        (source.parent / "__pycache__" / name).write_bytes(content)

    done = ext4.reclaim()

    assert source.stat().st_mtime_ns == UNPACKED
    for name in names:
        new = (source.parent / "__pycache__" / name).read_bytes()
        assert struct.unpack("<L", new[8:12])[0] == UNPACKED // 10**9, name
        assert new[:8] + new[12:] == content[:8] + content[12:], name
    assert done.json["bytecode"] == len(names)


def test_content_owner_and_mode_of_bytecode_stay(ext4: Disk) -> None:
    ext4.archive()
    source = site(ext4.environment("env")) / "one/a.py"
    bytecode = compiled(source)
    bytecode.chmod(0o640)
    os.utime(bytecode, ns=(COPIED, COPIED))
    before = bytecode.read_bytes()

    ext4.reclaim()

    status = bytecode.stat()
    assert (status.st_mode & 0o777, status.st_nlink) == (0o640, 1)
    after = bytecode.read_bytes()
    assert (after[:8], after[12:]) == (before[:8], before[12:])
    assert imported(source.parent.parent)["a"]


# What is left as it is ---------------------------------------------------------------------------


def stale_time(bytecode: Path, _: Disk) -> None:
    """The source was changed since, and may have been changed back."""
    content = bytearray(bytecode.read_bytes())
    content[8:12] = struct.pack("<L", COPIED // 10**9 - 5)
    bytecode.write_bytes(content)


def stale_size(bytecode: Path, _: Disk) -> None:
    content = bytearray(bytecode.read_bytes())
    content[12:16] = struct.pack("<L", 7)
    bytecode.write_bytes(content)


def cut_short(bytecode: Path, _: Disk) -> None:
    bytecode.write_bytes(bytecode.read_bytes()[:11])


def empty(bytecode: Path, _: Disk) -> None:
    bytecode.write_bytes(b"")


def link(bytecode: Path, disk: Disk) -> None:
    target = disk.base / "bytecode of another"
    bytecode.rename(target)
    bytecode.symlink_to(target)


def by_hash(bytecode: Path, _: Disk) -> None:
    compiled(_source(bytecode), mode=py_compile.PycInvalidationMode.CHECKED_HASH)


def by_hash_unchecked(bytecode: Path, _: Disk) -> None:
    compiled(_source(bytecode), mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)


def _source(bytecode: Path) -> Path:
    return Path(importlib.util.source_from_cache(str(bytecode)))


@pytest.mark.parametrize(
    "change", [stale_time, stale_size, cut_short, empty, link, by_hash, by_hash_unchecked]
)
def test_what_was_not_valid_by_its_time(ext4: Disk, change: Callable[[Path, Disk], None]) -> None:
    ext4.archive()
    tree = site(ext4.environment("env"))
    bytecode = compiled(tree / "one/a.py")
    change(bytecode, ext4)
    before = ext4.known()

    done = ext4.reclaim()

    unchanged(ext4, before)
    assert (tree / "one/a.py").stat().st_mtime_ns == UNPACKED
    assert done.json["bytecode"] == 0
    assert imported(tree)["a"] is (change in (by_hash, by_hash_unchecked))


def test_bytecode_of_what_was_edited(ext4: Disk) -> None:
    ext4.archive()
    tree = site(ext4.environment("env"))
    (tree / "one/a.py").write_text("a = 'mine'\n")
    compiled(tree / "one/a.py")
    before = ext4.known()

    ext4.reclaim()

    unchanged(ext4, before)
    assert imported(tree)["a"]


def test_bytecode_beside_the_source(ext4: Disk) -> None:
    """`a.pyc` beside `a.py` is of nobody: Python looks there only without a source."""
    ext4.archive()
    tree = site(ext4.environment("env"))
    beside = compiled(tree / "one/a.py").rename(tree / "one/a.pyc")
    before = beside.read_bytes()

    ext4.reclaim()

    assert beside.read_bytes() == before


def test_bytecode_that_has_several_names(ext4: Disk) -> None:
    """`cp -al` of an environment: the other one's source has its old time, and its bytecode too."""
    archived = site(ext4.archive()) / "one/a.py"
    tree = site(ext4.environment("env"))
    bytecode = compiled(tree / "one/a.py")
    theirs = ext4.base / "theirs.pyc"
    theirs.hardlink_to(bytecode)
    before = theirs.read_bytes()

    ext4.reclaim()

    assert same_inode(tree / "one/a.py", archived)
    assert theirs.read_bytes() == before
    assert imported(tree)["a"]
    assert time_in(bytecode) == UNPACKED // 10**9


def test_environments_that_shared_all_with_each_other(ext4: Disk) -> None:
    """`cp -al` of a whole environment, bytecode too: both have valid bytecode in the end."""
    ext4.archive()
    first = site(ext4.environment("first"))
    for name in NAMES:
        compiled(first / f"one/{name}.py")
    subprocess.run(["cp", "-al", ext4.base / "first", ext4.base / "second"], check=True)
    second = ext4.base / "second" / first.relative_to(ext4.base / "first")

    ext4.reclaim()

    assert imported(first) == imported(second) == ALL_GOOD
    assert same_inode(first / "one/a.py", second / "one/a.py")


@pytest.mark.parametrize("shift", [0, 1, -(10**9) * 10**9, 2**33 * 10**9])
def test_times_of_all_kinds(ext4: Disk, shift: int) -> None:
    """The same second, the next nanosecond, before 2001, after 2106: 32 bits are compared."""
    archived = site(ext4.archive()) / "one/a.py"
    tree = site(ext4.environment("env"))
    os.utime(archived, ns=(COPIED + shift,) * 2)
    for name in NAMES:
        compiled(tree / f"one/{name}.py")

    ext4.reclaim()

    assert same_inode(tree / "one/a.py", archived)
    assert imported(tree) == ALL_GOOD


def test_bytecode_that_cannot_be_changed(ext4: Disk) -> None:
    """It is compiled again then: that is slower, but nothing is lost, and all else is done."""
    archived = site(ext4.archive())
    tree = site(ext4.environment("env"))
    bytecode = compiled(tree / "one/a.py")
    subprocess.run(["chattr", "+i", bytecode], check=True)
    try:
        ext4.reclaim(expect=None)

        assert same_inode(tree / "one/b.py", archived / "one/b.py")
        assert ext4.leftovers() == []
    finally:
        subprocess.run(["chattr", "-i", bytecode], check=True)
    assert (tree / "one/a.py").read_bytes() == FILES["one/a.py"]
