"""Whoever believes a name, a size or a RECORD loses something here. `reclaim` compares the bytes.

Each trap is one environment beside the others; what shares with what afterwards is told exactly.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.filesystems import FileSystems, same_inode
from tests.odd_files import bound_socket, fifo
from tests.reclaim.disk import FILES, Disk, Known, counts, disk, ext4, left, site, unchanged
from tests.verify.making import LIBRARY, digest, distribution
from uvx_policy.caches import locks
from uvx_policy.installed.tree import Tree

__all__ = ("disk", "ext4")

pytestmark = pytest.mark.filesystem

A = FILES["one/a.py"]
SAME_SIZE = A[:-3] + b"!'\n"
assert len(SAME_SIZE) == len(A)
ARCHIVE = "cache/archive-v0/archive-of-one"


class Trap(NamedTuple):
    """What happened to `one/a.py` of an environment, and what is said of it."""

    spring: Callable[[Disk, Path], object]
    #: "" for nothing
    hardlink: str
    dedupe: str

    def reason(self, disk: Disk) -> str:
        return str(getattr(self, disk.method))


def longer(_: Disk, path: Path) -> None:
    path.write_bytes(A + b"# mine\n")


def same_size(_: Disk, path: Path) -> None:
    """And the same time: nothing but the bytes tell."""
    status = path.stat()
    path.write_bytes(SAME_SIZE)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def row_too(_: Disk, path: Path) -> None:
    """Its RECORD vouches for the edit: nobody else has these bytes."""
    path.write_bytes(SAME_SIZE)
    record = path.parent.parent / "one-1.0.dist-info/RECORD"
    record.write_text(record.read_text().replace(digest(A), digest(SAME_SIZE)))


def link_to_the_cache(disk: Disk, path: Path) -> None:
    path.unlink()
    path.symlink_to(disk.base / ARCHIVE / "one/a.py")


def link_to_the_same_bytes(disk: Disk, path: Path) -> None:
    path.rename(disk.base / "mine.py")
    path.symlink_to(disk.base / "mine.py")


def directory_that_is_a_link(disk: Disk, path: Path) -> None:
    """The package is the user's checkout: nothing behind the link is of this environment."""
    path.parent.rename(disk.base / "checkout")
    path.parent.symlink_to(disk.base / "checkout")


def deleted(_: Disk, path: Path) -> None:
    path.unlink()


def a_fifo(_: Disk, path: Path) -> None:
    """Who opens it waits for ever."""
    path.unlink()
    fifo(path)


def a_socket(_: Disk, path: Path) -> None:
    path.unlink()
    bound_socket(path)


def a_directory(_: Disk, path: Path) -> None:
    path.unlink()
    path.mkdir()


def executable(_: Disk, path: Path) -> None:
    path.chmod(0o755)


def private(_: Disk, path: Path) -> None:
    path.chmod(0o600)


def read_only(_: Disk, path: Path) -> None:
    """Neither cares for: 0444 is another mode, but nothing that hinders sharing of extents."""
    path.chmod(0o444)


def of_another_size(_: Disk, path: Path) -> None:
    """The RECORD lies about the size: it is not what was installed."""
    record = path.parent.parent / "one-1.0.dist-info/RECORD"
    row = f"{digest(A)},{len(A)}"
    record.write_text(record.read_text().replace(row, f"{row}1"))


def emptied(_: Disk, path: Path) -> None:
    path.write_bytes(b"")


TRAPS = {
    trap.spring.__name__: trap
    for trap in (
        Trap(longer, "edited", "edited"),
        Trap(same_size, "edited", "edited"),
        Trap(emptied, "edited", "edited"),
        Trap(row_too, "", ""),
        Trap(link_to_the_cache, "", ""),
        Trap(link_to_the_same_bytes, "", ""),
        Trap(directory_that_is_a_link, "", ""),
        Trap(deleted, "missing", "missing"),
        Trap(a_fifo, "edited", "edited"),
        Trap(a_socket, "edited", "edited"),
        Trap(a_directory, "edited", "edited"),
        Trap(executable, "mode", ""),
        Trap(private, "mode", ""),
        Trap(read_only, "mode", ""),
        Trap(of_another_size, "", ""),
    )
}
#: those that nothing keeps from sharing extents
SHARED_BY_DEDUPE = ("executable", "private", "read_only")


def all_names(*environments: str) -> set[str]:
    return {ARCHIVE, *(f"{name}/{LIBRARY}" for name in environments)}


def test_all_of_them(disk: Disk) -> None:
    """Fifteen, and the sixteenth, a clean one, beside them."""
    disk.archive()
    trees = {name: disk.environment(name) for name in ("clean", *TRAPS)}
    for name, trap in TRAPS.items():
        trap.spring(disk, site(trees[name]) / "one/a.py")
    before = disk.known()

    done = disk.reclaim()

    unchanged(disk, before)
    assert disk.leftovers() == []
    everywhere = all_names("clean", *TRAPS)
    with_b = everywhere - {f"directory_that_is_a_link/{LIBRARY}"}
    with_a = all_names("clean", *(SHARED_BY_DEDUPE if disk.method == "dedupe" else ()))
    shared = {"one/a.py": with_a, "one/b.py": with_b, "one/c.py": with_b}
    assert disk.sharing() == {
        frozenset(f"{top}/{name}" for top in tops) for name, tops in shared.items()
    }
    reasons = left(done)
    for name, trap in TRAPS.items():
        path = str(site(trees[name]) / "one/a.py")
        named = {reason for reason, paths in reasons.items() if path in paths}
        assert named == {trap.reason(disk)} - {""}, name
    assert done.json["complete"]


@pytest.mark.parametrize("trap", TRAPS)
def test_alone(ext4: Disk, trap: str) -> None:
    """Without a clean one, with an archive: as when it is the only environment."""
    ext4.archive()
    tree = ext4.environment("env")
    TRAPS[trap].spring(ext4, site(tree) / "one/a.py")
    before = ext4.known()

    ext4.reclaim()

    unchanged(ext4, before)
    assert ext4.leftovers() == []
    assert not any("one/a.py" in name for group in ext4.sharing() for name in group)


@pytest.mark.parametrize("trap", TRAPS)
@pytest.mark.parametrize("kind", ["ext4", "btrfs"])
def test_after_the_plan(
    fs: FileSystems, monkeypatch: pytest.MonkeyPatch, kind: str, trap: str
) -> None:
    """While it waits for an answer, or for a lock."""
    disk = Disk(getattr(fs, kind), monkeypatch)
    disk.archive()
    tree = disk.environment("env")
    path = site(tree) / "one/a.py"
    before: dict[Path, Known] = {}
    real = locks.alone

    @contextlib.contextmanager
    def alone(directory: str, *words: Any, **named: Any) -> Iterator[None]:
        with real(directory, *words, **named):
            TRAPS[trap].spring(disk, path)
            before.update(disk.known())
            yield

    monkeypatch.setattr(locks, "alone", alone)

    disk.reclaim("--jobs", "1", expect=None)

    assert before
    unchanged(disk, before)
    assert disk.leftovers() == []
    # A RECORD that was changed after it was read says nothing about the bytes.
    if trap != "of_another_size" and not (kind == "btrfs" and trap in SHARED_BY_DEDUPE):
        assert not any("one/a.py" in name for group in disk.sharing() for name in group)


# What the RECORD says ----------------------------------------------------------------------------


def test_a_record_that_leaves_the_environment_is_not_followed(disk: Disk) -> None:
    disk.archive()
    outside = [disk.base / "outside.py", disk.base / "absolute.py", disk.base / "env2/in.py"]
    outside[2].parent.mkdir()
    for path in outside:
        path.write_bytes(A)
    up = "../" * (LIBRARY.count("/") + 2)
    rows = [f"{up}outside.py", str(outside[1]), f"{up}env2/in.py", f"one/../{up}outside.py"]
    more = [f"{row},{digest(A)},{len(A)}" for row in rows]
    disk.environment("env", more_rows=more)
    before = disk.known()

    disk.reclaim(str(disk.base / "env"))

    unchanged(disk, before)
    shared = {name for group in disk.sharing() for name in group}
    assert not {disk.below(path) for path in outside} & shared
    assert f"env/{LIBRARY}/one/a.py" in shared


def test_a_record_of_an_archive_that_leaves_it_is_not_followed(disk: Disk) -> None:
    """The file of another package's archive would be the source, and a target `--within-cache`."""
    outside = disk.base / "outside.py"
    outside.write_bytes(A)
    tree = disk.archive({"two/b.py": FILES["one/b.py"]}, package="two")
    with (site(tree) / "two-1.0.dist-info/RECORD").open("a") as record:
        record.write(f"../../../outside.py,{digest(A)},{len(A)}\n{outside},{digest(A)},{len(A)}\n")
    env = disk.environment("env")
    before = disk.known()

    disk.reclaim("--within-cache")

    unchanged(disk, before)
    assert not any("outside.py" in name for group in disk.sharing() for name in group)
    assert f"{disk.below(site(env))}/one/a.py" not in {x for g in disk.sharing() for x in g}


def test_rows_that_name_one_file_twice(disk: Disk) -> None:
    """Itself is not what it can be linked to, nor do its bytes count twice."""
    disk.archive()
    row = f"one/./a.py,{digest(A)},{len(A)}"
    disk.environment("env", more_rows=[f"one/a.py,{digest(A)},{len(A)}", row])

    done = disk.reclaim("--min-size", "100")

    assert frozenset((f"{ARCHIVE}/one/a.py", f"env/{LIBRARY}/one/a.py")) in disk.sharing()
    assert counts(done, "done_files") == len(FILES)


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
def test_each_algorithm(disk: Disk, algorithm: str) -> None:
    disk.archive(algorithm=algorithm)
    disk.environment("env", algorithm=algorithm)

    disk.reclaim()

    expected = {frozenset((f"{ARCHIVE}/{name}", f"env/{LIBRARY}/{name}")) for name in FILES}
    assert expected <= disk.sharing()


def test_names_that_need_quotes(disk: Disk) -> None:
    odd = ["a,b.py", 'say "hi".py', "two\nlines.py", "ümlaut.py", " blank .py", "a\\b.py"]
    files = {f"one/{name}": A + name.encode() for name in odd}
    disk.archive(files)
    disk.environment("env", files)

    disk.reclaim()

    expected = {frozenset((f"{ARCHIVE}/{name}", f"env/{LIBRARY}/{name}")) for name in files}
    assert expected <= disk.sharing()


# Large files -------------------------------------------------------------------------------------

#: more than is compared at once, by us (256 KiB) and by the kernel (16 MiB)
LARGE = {"ext4": 600_001, "btrfs": (16 << 20) + 5_001, "xfs": (16 << 20) + 5_001}
PIECE = 1 << 18


@pytest.mark.parametrize(
    ("kind", "place"),
    [
        ("ext4", 0), ("ext4", PIECE - 1), ("ext4", PIECE), ("ext4", -1), ("btrfs", -1),
        pytest.param("xfs", -1, marks=pytest.mark.exhaustive),
    ],
)  # fmt: skip
@pytest.mark.parametrize("where", ["environment", "archive"])
def test_one_byte_of_a_large_file(
    fs: FileSystems, monkeypatch: pytest.MonkeyPatch, kind: str, place: int, where: str
) -> None:
    """Whatever is compared with whatever: all others are made one."""
    disk = Disk(getattr(fs, kind), monkeypatch)
    content = bytes(range(256)) * (LARGE[kind] // 256) + b"x" * (LARGE[kind] % 256)
    files = {"one/large.so": content}
    paths = [site(tree) / "one/large.so" for tree in (
        disk.archive(files), *(disk.environment(name, files) for name in "abc"),
    )]  # fmt: skip
    edited = paths.pop(0 if where == "archive" else 2)
    status = edited.stat()
    with edited.open("r+b") as stream:
        stream.seek(place % len(content))
        stream.write(b"!")
    os.utime(edited, ns=(status.st_mtime_ns, status.st_mtime_ns))
    before = disk.known()

    done = disk.reclaim()

    unchanged(disk, before)
    assert disk.sharing() == {frozenset(map(disk.below, paths))}
    assert left(done)["edited"] == {str(edited)}


# Poison ------------------------------------------------------------------------------------------


def test_poison_in_the_cache_stays_there(disk: Disk) -> None:
    """The changed file is said and left; the clean ones share with each other."""
    archived = site(disk.archive()) / "one/a.py"
    for name in ("first", "second", "third"):
        disk.environment(name)
    archived.write_bytes(SAME_SIZE)
    os.utime(archived, ns=(0, 1_600_000_000_123_456_789))
    before = disk.known()

    done = disk.reclaim()

    unchanged(disk, before)
    clean = frozenset(f"{name}/{LIBRARY}/one/a.py" for name in ("first", "second", "third"))
    assert clean in disk.sharing()
    assert str(archived) in left(done)["edited"]


def test_poison_in_the_first_environment_stays_there(disk: Disk) -> None:
    """No archive: environments are linked to each other, and none to what was edited."""
    trees = [disk.environment(name) for name in ("a", "b", "c")]
    edited = site(trees[0]) / "one/a.py"
    edited.write_bytes(SAME_SIZE)
    before = disk.known()

    done = disk.reclaim()

    unchanged(disk, before)
    assert frozenset(f"{name}/{LIBRARY}/one/a.py" for name in "bc") in disk.sharing()
    assert frozenset(f"{name}/{LIBRARY}/one/b.py" for name in "abc") in disk.sharing()
    assert str(edited) in left(done)["edited"]


def test_the_same_edit_in_two_environments_stays_in_both(disk: Disk) -> None:
    """They have the same bytes, and their RECORD another digest: nobody asked to share an edit.

    Of extents nobody can tell; who edits one of them once more has blocks of his own then.
    """
    disk.archive()
    edited = [site(disk.environment(name)) / "one/a.py" for name in ("first", "second")]
    for path in edited:
        path.write_bytes(SAME_SIZE)
    before = disk.known()

    done = disk.reclaim()

    unchanged(disk, before)
    assert left(done)["edited"] == {str(path) for path in edited}
    inodes = {path.stat().st_ino for path in edited}
    assert (len(inodes), {path.stat().st_nlink for path in edited}) == (2, {1})
    assert not any(
        ARCHIVE in name and "one/a.py" in group for group in disk.sharing() for name in group
    )


def test_an_edit_of_a_shared_file_goes_no_further(ext4: Disk) -> None:
    """One environment shares it with the cache. Another one was copied, and stays clean."""
    archived = site(ext4.archive()) / "one/a.py"
    first = site(ext4.environment("first")) / "one/a.py"
    first.unlink()
    first.hardlink_to(archived)
    second = site(ext4.environment("second")) / "one/a.py"
    first.write_bytes(SAME_SIZE)

    ext4.reclaim()

    assert (first.read_bytes(), archived.read_bytes()) == (SAME_SIZE, SAME_SIZE)
    assert second.read_bytes() == A
    assert second.stat().st_nlink == 1


# What already is as it should be -----------------------------------------------------------------


def test_a_second_run_reads_and_changes_nothing(disk: Disk) -> None:
    disk.archive()
    for name in ("first", "second"):
        disk.environment(name)
    first = disk.reclaim()
    assert counts(first, "done_files") > 0
    before = {path: (path.lstat().st_ino, path.lstat().st_ctime_ns) for path in disk.paths()}

    second = disk.reclaim()

    assert counts(second, "files") == counts(second, "done_files") == 0
    assert left(second).keys() <= {"inline"}
    after = {path: (path.lstat().st_ino, path.lstat().st_ctime_ns) for path in disk.paths()}
    directories = {path for path in before if path.is_dir()}
    assert {each: after[each] for each in after.keys() - directories} == {
        each: before[each] for each in before.keys() - directories
    }


def test_what_was_edited_and_restored_is_shared_again(disk: Disk) -> None:
    """Whatever is remembered of the first run: it has other blocks, or another inode, now."""
    disk.archive()
    path = site(disk.environment("env")) / "one/a.py"
    disk.reclaim()
    disk.reclaim()
    sharing, status = disk.sharing(), path.stat()

    if disk.method == "hardlink":  # or the archive would have the edit as well
        path.unlink()
    path.write_bytes(A)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert disk.sharing() != sharing
    disk.reclaim()

    assert disk.sharing() == sharing


def test_a_dry_run_changes_nothing_and_tells_the_same(disk: Disk) -> None:
    disk.archive()
    disk.environment("first")
    disk.environment("second")
    before = {path: (path.lstat(), disk.below(path)) for path in disk.paths()}
    ctimes = {path: status.st_ctime_ns for path, (status, _) in before.items()}

    dry = disk.reclaim("--dry-run")

    assert {path: path.lstat().st_ctime_ns for path in disk.paths()} == ctimes
    assert counts(dry, "done_files") == 0
    assert [row["freed"] for row in dry.json["devices"]] == [None]
    assert dry.json["dry_run"]
    done = disk.reclaim()
    assert counts(done, "files") == counts(dry, "files") == counts(done, "done_files")
    assert counts(done, "bytes") == counts(dry, "bytes") >= counts(done, "done_bytes") > 0


def test_small_files_are_left(disk: Disk) -> None:
    disk.archive()
    disk.environment("env")
    before = disk.known()

    done = disk.reclaim("--min-size", str(len(A) + 1))

    assert disk.known() == before
    assert disk.sharing() == set()
    assert counts(done, "done_files") == 0


def test_archives_share_with_each_other_when_asked(disk: Disk) -> None:
    """Two versions of a package have most files in common."""
    first = site(disk.archive())
    second = site(disk.archive(package="two"))
    env = site(disk.environment("env"))
    names = [f"{disk.below(tree)}/one/a.py" for tree in (first, second, env)]
    before = disk.known()

    disk.reclaim("--within-cache", str(disk.base))

    unchanged(disk, before)
    assert frozenset(names) in disk.sharing()


def test_hard_links_between_archives_are_made_only_when_asked(ext4: Disk) -> None:
    """`uv cache clean one` must not look as if it had freed what `two` still has."""
    archives = [site(ext4.archive(package=name)) / "one/a.py" for name in ("one", "two")]
    path = site(ext4.environment("env")) / "one/a.py"

    ext4.reclaim()

    assert not same_inode(*archives)
    assert any(same_inode(path, each) for each in archives)
    ext4.reclaim("--within-cache")
    assert same_inode(*archives)


def test_distributions_of_several_environments_without_an_archive(disk: Disk) -> None:
    """Nothing in the cache has them: the environments share with each other."""
    for name in ("first", "second", "third"):
        disk.environment(name)
    before = disk.known()

    disk.reclaim("--no-seed")

    unchanged(disk, before)
    for name in FILES:
        group = frozenset(f"{each}/{LIBRARY}/{name}" for each in ("first", "second", "third"))
        assert group in disk.sharing()


def test_an_environment_that_was_copied_as_a_whole(disk: Disk) -> None:
    """`cp -a`: hard links within are kept, and so are those that the user made."""
    disk.archive()
    tree = disk.environment("env")
    shutil.copytree(disk.base / "env", disk.base / "copy", symlinks=True)
    mine = disk.base / "mine.py"
    mine.hardlink_to(site(tree) / "one/b.py")
    before = disk.known()

    disk.reclaim()

    unchanged(disk, before)
    for name in FILES:
        group = {f"{each}/{LIBRARY}/{name}" for each in ("env", "copy")} | {f"{ARCHIVE}/{name}"}
        assert any(group <= found for found in disk.sharing()), name
    assert mine.read_bytes() == FILES["one/b.py"]


def test_two_packages_with_one_file(ext4: Disk) -> None:
    """Two rows of two RECORDs name one path, as namespace packages do, with different digests."""
    ext4.archive()
    tree = ext4.environment("env")
    distribution(
        Tree(path=tree.path, kind="site", owner=tree.owner), {"one/a.py": SAME_SIZE}, name="two"
    )
    before = ext4.known()

    ext4.reclaim()

    unchanged(ext4, before)
    assert (site(tree) / "one/a.py").stat().st_nlink == 1
