"""Equal files become clones: on btrfs for real, and what macOS is asked for that."""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.filesystems import FileSystems, extents, flush
from uvx_policy.filesystem import clone as clone_file
from uvx_policy.installed.hash import of_pieces
from uvx_policy.macos import calls, processes
from uvx_policy.model import Mount
from uvx_policy.reclaim.look import SOURCE, TARGET, Cloning, Directories
from uvx_policy.reclaim.volume import Volume
from uvx_policy.replace import kernel
from uvx_policy.replace.clones import Cloner, place_of_clone
from uvx_policy.replace.kernel import Unsupported
from uvx_policy.replace.opened import Group
from uvx_policy.replace.outcome import Outcome
from uvx_policy.replace.place import Place

CONTENT = b"published " * 1000


def group(*paths: Path) -> Group:
    members = [(str(path.parent), path.name, number > 0) for number, path in enumerate(paths)]
    return Group(len(CONTENT), str(of_pieces([CONTENT], "sha256")), 0, members)


def clone(*paths: Path) -> Outcome:
    outcome = Outcome()

    def rescue(place: Place, path: str) -> None:
        raise AssertionError((place.path, path))

    with kernel.leases(), Cloner(outcome, rescue) as cloner:
        cloner.link([group(*paths)])
    return outcome


@pytest.fixture
def two(fs: FileSystems) -> tuple[Path, Path]:
    """A file of a cache, and a copy with another mode, time and attribute."""
    source, copy = (fs.btrfs / name for name in ("source", "copy"))
    for path in (source, copy):
        path.write_bytes(CONTENT)
    source.chmod(0o755)
    os.setxattr(source, "user.of", b"source")
    copy.chmod(0o640)
    os.setxattr(copy, "user.of", b"copy")
    os.utime(copy, ns=(1, 1_600_000_000_123_456_789))
    flush(copy)
    flush(source)
    return source, copy


def test_a_copy_becomes_a_clone_and_keeps_what_it_has(two: tuple[Path, Path]) -> None:
    source, copy = two
    before = copy.stat()

    outcome = clone(source, copy)

    after = copy.stat()
    assert (outcome.files, outcome.left) == (1, {})
    assert extents(source) == extents(copy)
    assert after.st_ino not in (before.st_ino, source.stat().st_ino)
    assert (after.st_mode, after.st_mtime_ns) == (before.st_mode, before.st_mtime_ns)
    assert os.getxattr(copy, "user.of") == b"copy"
    assert stat.S_IMODE(source.stat().st_mode) == 0o755
    assert sorted(path.name for path in source.parent.iterdir()) == ["copy", "source"]
    assert place_of_clone(str(source)) == place_of_clone(str(copy)) != 0


def test_an_edited_file_is_left(two: tuple[Path, Path]) -> None:
    source, copy = two
    copy.write_bytes(CONTENT.upper())

    outcome = clone(source, copy)

    assert {reason: left.files for reason, left in outcome.left.items()} == {"edited": 1}
    assert copy.read_bytes() == CONTENT.upper()


def test_a_file_that_is_open_for_writing_is_left(two: tuple[Path, Path]) -> None:
    source, copy = two
    inode = copy.stat().st_ino

    with copy.open("r+b"):
        outcome = clone(source, copy)

    assert {reason: left.files for reason, left in outcome.left.items()} == {"busy": 1}
    assert copy.stat().st_ino == inode


def test_without_leases_who_writes_is_asked_of_the_processes(
    two: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, copy = two

    def no_lease(_: int) -> bool:
        raise Unsupported(errno.ENOSYS, "no leases")

    monkeypatch.setattr(kernel, "lease", no_lease)
    with copy.open("r+b") as stream:
        outcome = clone(source, copy)
        stream.write(b"saved later")
    assert {reason: left.files for reason, left in outcome.left.items()} == {"busy": 1}
    assert copy.read_bytes().startswith(b"saved later")

    copy.write_bytes(CONTENT)
    assert clone(source, copy).files == 1


def test_a_source_that_changes_after_it_was_hashed_is_not_spread(
    two: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, copy = two

    def changed(handle: int, name: str, *, directory: int | None = None) -> None:
        clone_file.clone_to(handle, name, directory=directory)
        made = os.open(name, os.O_WRONLY, dir_fd=directory)
        os.write(made, b"EDITED")
        os.close(made)

    monkeypatch.setattr("uvx_policy.replace.clones.clone_to", changed)

    outcome = clone(source, copy)

    assert {reason: left.files for reason, left in outcome.left.items()} == {"busy": 1}
    assert copy.read_bytes() == CONTENT
    assert sorted(path.name for path in source.parent.iterdir()) == ["copy", "source"]


def test_what_is_saved_to_the_clone_this_moment_stays_at_its_path(
    two: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, copy = two

    def touched(*_: Any) -> bool:
        copy.write_bytes(b"saved in this moment")
        return False

    monkeypatch.setattr(Cloner, "_is_untouched", touched)

    outcome = clone(source, copy)

    assert {reason: left.files for reason, left in outcome.left.items()} == {"busy": 1}
    assert copy.read_bytes() == b"saved in this moment"


def test_the_plan_takes_from_the_cache_and_leaves_what_is_a_clone(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("cache", "linked", "clone", "copy", "pair")]
    for path in paths:
        path.write_bytes(CONTENT)
    (tmp_path / "other").hardlink_to(paths[4])
    numbers = {str(paths[0]): 7, str(paths[2]): 7}
    volume, todo = Volume(None, str(tmp_path)), bytearray(len(paths))
    way = Cloning(volume, todo, Directories([str(tmp_path)]), lambda path: numbers.get(path, 9))

    way.plan(0, [(at, at > 0, str(path), path.lstat()) for at, path in enumerate(paths)])

    assert list(todo) == [SOURCE, TARGET, 0, TARGET, 0]
    assert (volume.files, list(volume.groups)) == (2, [0])


@pytest.mark.parametrize(
    ("fstype", "options", "wanted", "method"),
    [
        ("apfs", ("rw",), "auto", "clone"),
        ("apfs", ("rw",), "dedupe", "clone"),
        ("apfs", ("rw",), "hardlink", "hardlink"),
        ("apfs", ("ro",), "auto", ""),
        ("apfs", ("rw", "noowners"), "auto", ""),
        ("apfs", ("rw", "noowners"), "hardlink", ""),
        ("hfs", ("rw",), "auto", ""),
        ("smbfs", ("rw", "not-local"), "auto", ""),
    ],
)
def test_on_macos_files_are_cloned_on_apfs(
    monkeypatch: pytest.MonkeyPatch, fstype: str, options: tuple[str, ...], wanted: str, method: str
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    mount = Mount(
        mount_id=1, device="1", root="/", point="/Volumes/x", options=options, fstype=fstype,
        source="/dev/disk5s1", super_options=(),
    )  # fmt: skip
    volume = Volume(mount, "/Volumes/x")

    volume.choose(wanted)

    assert volume.method == method
    assert volume.why


class Libc:
    """renameatx_np, fcopyfile, getattrlist and libproc, as far as they are asked here."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.refusal = 0
        self.processes: dict[int, list[tuple[int, int, os.stat_result]]] = {}
        self.mapped: dict[int, list[tuple[int, os.stat_result]]] = {}

    def renameatx_np(self, first: int, name: bytes, second: int, other: bytes, flags: Any) -> int:
        self.asked.append((first, name, second, other, flags.value))
        ctypes.set_errno(self.refusal)
        return -1 if self.refusal else 0

    def fcopyfile(self, source: int, new: int, state: None, flags: Any) -> int:
        self.asked.append((source, new, state, flags.value))
        return 0

    def getattrlist(self, path: bytes, asked: bytes, answer: Any, size: Any, options: Any) -> int:
        self.asked.append((path, struct.unpack("=HHIIIII", asked), options.value))
        answer.raw = struct.pack("=IQ", 12, 77) + bytes(size.value - 12)
        return 0

    def proc_listallpids(self, answer: Any, size: int) -> int:
        if answer is None:
            return len(self.processes)
        assert size == ctypes.sizeof(answer)
        for at, number in enumerate(self.processes):
            answer[at] = number
        return len(self.processes)

    def proc_pidinfo(self, number: int, flavor: int, argument: Any, answer: Any, size: int) -> int:
        if flavor == 1:
            rows = self.processes.get(number, [])
            content = b"".join(struct.pack("=iI", fd, 1) for fd, *_ in rows)
            content += struct.pack("=iI", 99, 2)  # a socket
            if answer is not None:
                answer.raw = content + bytes(size - len(content))
            return len(content)
        assert flavor == 8
        regions = self.mapped.get(number, [])
        at = argument.value // 4096
        if at >= len(regions):
            return 0
        protection, status = regions[at]
        head = struct.pack("=I76xQQ", protection, at * 4096, 4096)
        answer.raw = head + _vnode(status) + bytes(1024)
        return len(answer)

    def proc_pidfdinfo(self, number: int, fd: int, flavor: int, answer: Any, size: int) -> int:
        assert (flavor, size) == (1, 176)
        flags, status = next(row[1:] for row in self.processes[number] if row[0] == fd)
        answer.raw = struct.pack("=I20x", flags) + _vnode(status)
        return size


def _vnode(status: os.stat_result) -> bytes:
    head = struct.pack("=IHHQ", status.st_dev, status.st_mode, status.st_nlink, status.st_ino)
    return head + bytes(152 - len(head))


@pytest.fixture
def libc(monkeypatch: pytest.MonkeyPatch) -> Libc:
    libc = Libc()
    monkeypatch.setattr(sys, "platform", "darwin")
    for module in (calls, processes):
        monkeypatch.setattr(module, "_libc", lambda: libc)
    processes.is_sure.cache_clear()
    return libc


def test_macos_exchanges_and_moves_with_one_call(libc: Libc) -> None:
    kernel.exchange(3, "new", 4, "path")
    kernel.move(3, "new", 4, "path")

    assert libc.asked == [(3, b"new", 4, b"path", 2), (3, b"new", 4, b"path", 4)]


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        (errno.ENOTSUP, Unsupported), (errno.EINVAL, Unsupported),
        (errno.ENOENT, FileNotFoundError),
        (errno.EEXIST, FileExistsError), (errno.ENOSPC, OSError),
    ],
)  # fmt: skip
def test_what_macos_does_not_exchange_is_an_error(
    libc: Libc, refusal: int, kind: type[OSError]
) -> None:
    libc.refusal = refusal

    with pytest.raises(kind) as caught:
        kernel.exchange(3, "new", 4, "path")

    assert caught.value.errno == refusal
    assert (type(caught.value) is Unsupported) == (kind is Unsupported)


def test_macos_copies_all_that_a_file_has(libc: Libc) -> None:
    calls.copy_metadata(3, 4, "path")

    assert libc.asked == [(3, 4, None, 7)]


def test_clones_have_a_number_in_common(libc: Libc) -> None:
    assert place_of_clone("/a") == 77
    assert libc.asked == [(b"/a", (5, 0, 0, 0, 0, 0, 0x100), 0x20)]


def test_macos_tells_what_is_open_for_writing(libc: Libc, tmp_path: Path) -> None:
    told = {}
    for name in ("read", "written", "mapped", "mapped-to-read"):
        (tmp_path / name).touch()
        told[name] = (tmp_path / name).stat()
    libc.processes = {7: [(3, 1, told["read"])], 8: [(3, 1, told["read"]), (4, 3, told["written"])]}
    libc.mapped = {7: [(1, told["mapped-to-read"]), (3, told["mapped"])]}

    found = set(processes.written())

    assert found == {(told[name].st_dev, told[name].st_ino) for name in ("written", "mapped")}


def test_a_libproc_that_does_not_tell_of_ourselves_is_not_trusted(libc: Libc) -> None:
    libc.processes = {os.getpid(): []}

    assert not kernel.knows_writers()
    with pytest.raises(Unsupported):
        kernel.written_files()


def test_a_libproc_that_tells_of_ourselves_is_trusted(
    libc: Libc, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert libc.refusal == 0
    monkeypatch.setattr(processes, "_written_by", lambda _: kernel._written_files())

    assert kernel.knows_writers()
