"""Whatever fails, and wherever it is ended: each path has its bytes, and the next run finishes."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.injection import FAULTS, faulty
from tests.faults.test_faults import KINDS, faults
from tests.filesystems import FileSystems, same_inode
from tests.reclaim.disk import COPIED, FILES, Disk, counts, disk, ext4, left, site, unchanged
from tests.uv.world import linkpolicy
from uvx_policy.replace import kernel
from uvx_policy.replace.shop import PREFIX

__all__ = ("disk", "ext4")

pytestmark = [pytest.mark.filesystem, pytest.mark.slow]

ARCHIVE = "cache/archive-v0/archive-of-one"
#: one after the other, in this very process: the n-th call is the same one each time
WORDS = ("reclaim", "--yes", "--jobs", "1", "--min-size", "100")
#: few: each costs two runs for each call
FEW = {name: FILES[name] for name in ("one/a.py", "one/b.py")}
EDIT = b"saved in the very moment\n"
#: what cannot be written is left, and that is no failure
CANNOT_WRITE = (FAULTS["EROFS"], FAULTS["EACCES"])
#: how a run ends that got a signal; after Ctrl-C it may have been done already
ENDS = {FAULTS["SIGKILL"]: (FAULTS["SIGKILL"],), FAULTS["SIGINT"]: (0, 130)}


class Patient:
    """A disk that is wasteful, again and again."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self.archived = site(disk.archive(FEW))
        self.site = site(disk.environment("env", FEW))
        self.other = site(disk.environment("other", FEW))
        self.bytecode = [_compiled(each / "one/a.py") for each in (self.site, self.other)]
        self.files = [each / name for each in (self.site, self.other) for name in FEW]
        self.content = {path: path.read_bytes() for path in disk.paths() if path.is_file()}
        self.mode = {path: path.stat().st_mode for path in self.content}

    def waste(self) -> None:
        """Give each file an inode, and blocks, of its own again."""
        for path in (*self.files, *self.bytecode):
            path.unlink()
            path.write_bytes(self.content[path])
            os.chmod(path, self.mode[path])
            os.utime(path, ns=(COPIED, COPIED))

    def check(self, where: object) -> None:
        """Nothing is missing, and all is old or new; of bytecode four bytes may be new."""
        for path, content in self.content.items():
            now = path.read_bytes()
            if path in self.bytecode:
                now = now[:8] + content[8:12] + now[12:]
            assert now == content, (where, path)
            assert path.stat().st_mode == self.mode[path], (where, path)

    def stale(self) -> list[Path]:
        """Bytecode that is compiled again."""
        return [
            path
            for path, top in zip(self.bytecode, (self.site, self.other), strict=True)
            if struct.unpack("<L", path.read_bytes()[8:12])[0]
            != int((top / "one/a.py").stat().st_mtime)
        ]

    def is_reclaimed(self) -> bool:
        groups = {frozenset(f"{self.disk.below(top)}/{name}" for top in self.tops) for name in FEW}
        return groups <= self.disk.sharing()

    @property
    def tops(self) -> tuple[Path, ...]:
        return self.archived, self.site, self.other

    def run(self, *, before: int, fault: int) -> int | None:
        return faulty((*WORDS, str(self.disk.base)), self.disk.base, before=before, fault=fault)


def _compiled(path: Path) -> Path:
    import py_compile

    return Path(py_compile.compile(str(path), doraise=True) or "")


@pytest.fixture
def patient(ext4: Disk) -> Patient:
    return Patient(ext4)


def each_fault(patient: Patient, which: Callable[[int], list[int]]) -> int:
    """How many calls there are."""
    for number in itertools.count():
        for fault in which(number):
            patient.waste()
            code = patient.run(before=number, fault=fault)
            if code is None:
                return number
            where = (number, fault, code)
            patient.check(where)
            assert code in (ENDS[fault] if fault < 0 else (0, 1)), where
            if code == 0 and fault not in CANNOT_WRITE:
                assert patient.is_reclaimed(), where
            patient.disk.reclaim()
            patient.check(where)
            assert patient.is_reclaimed(), where
            if fault < 0:
                assert patient.stale() == [], where
            assert patient.disk.leftovers() == [], where
    raise AssertionError


@pytest.mark.parametrize("name", ["SIGKILL", "SIGINT"])
def test_ended_at_each_call(patient: Patient, name: str) -> None:
    assert each_fault(patient, lambda _: [FAULTS[name]]) > 20


@KINDS
def test_each_error(patient: Patient, kind: str) -> None:
    assert each_fault(patient, faults(kind)) > 20


@KINDS
def test_each_error_where_extents_are_shared(
    fs: FileSystems, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    assert each_fault(Patient(Disk(fs.btrfs, monkeypatch)), faults(kind)) > 1


def test_what_was_saved_before_a_kill_is_not_thrown_away(patient: Patient, isolation: Path) -> None:
    """Who has the old file open writes to it after we are gone: the next run looks at each."""
    edited = 0
    for number in itertools.count():
        patient.waste()
        if patient.run(before=number, fault=FAULTS["SIGKILL"]) is None:
            break
        old = [
            path
            for shop in patient.disk.leftovers()
            for path in shop.iterdir()
            if path.read_bytes() in FILES.values() and path.stat().st_nlink == 1
        ]
        for path in old:
            edited += 1
            path.write_bytes(EDIT + str(edited).encode())
        patient.disk.reclaim(expect=None)
        everywhere = [
            path.read_bytes()
            for top in (patient.disk.base, isolation)
            for path in top.rglob("*")
            if path.is_file()
        ]
        for count in range(edited - len(old) + 1, edited + 1):
            assert EDIT + str(count).encode() in everywhere, (number, old)
        assert patient.disk.leftovers() == [] or old, number
        for shop in patient.disk.leftovers():
            subprocess.run(["rm", "-r", shop], check=True)
    assert edited > 2


MANY = {f"one/m{number:03}.py": b"# module %03d\n" % number * 300 for number in range(200)}


class Crowd:
    """More than is done in a moment, by several processes."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self.archived = site(disk.archive(MANY))
        self.sites = [site(disk.environment(name, MANY)) for name in ("a", "b")]
        for name in ("a", "b"):
            (disk.base / name / ".lock").touch()  # workers that outlive the first hold it
        self.before = disk.known()

    def start(self) -> subprocess.Popen[str]:
        """What has linked a first file by now."""
        words = [sys.executable, "-m", "uvx_policy.cli", *WORDS[:2], "--jobs", "2"]
        process = subprocess.Popen(
            [*words, str(self.disk.base)], start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        paths = [self.archived / name for name in MANY]
        while all(path.stat().st_nlink == 1 for path in paths):
            assert process.poll() is None, process.communicate()
        return process

    def check(self) -> None:
        """All is old or new, a name of the archive's file; with what is left in shops."""
        after = self.disk.known()
        for path, known in self.before.items():
            assert after[path][:2] == known[:2], path

    def check_end(self) -> None:
        self.disk.reclaim("--wait", "60")
        unchanged(self.disk, self.before)
        tops = [self.disk.below(top) for top in (self.archived, *self.sites)]
        shared = {frozenset(f"{top}/{name}" for top in tops) for name in MANY}
        assert self.disk.sharing() == shared
        assert self.disk.leftovers() == []


@pytest.mark.parametrize("whom", ["all", "the first"])
def test_killed_with_several_workers(ext4: Disk, whom: str) -> None:
    """The whole group at once, or the one that waits for the others."""
    crowd = Crowd(ext4)
    process = crowd.start()

    (os.killpg if whom == "all" else os.kill)(process.pid, signal.SIGKILL)
    process.communicate()  # until the last of them has ended

    assert process.returncode == -signal.SIGKILL
    crowd.check()
    crowd.check_end()


def test_ctrl_c_with_several_workers(ext4: Disk) -> None:
    """It stops after what was begun, and leaves nothing behind."""
    crowd = Crowd(ext4)
    process = crowd.start()

    os.killpg(process.pid, signal.SIGINT)
    said, _ = process.communicate()

    assert process.returncode == 130, said
    assert "Traceback" not in said
    crowd.check()
    assert ext4.leftovers() == []
    crowd.check_end()


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_where_an_edit_is_that_a_killed_run_had_in_its_hands_is_said(
    ext4: Disk, words: tuple[str, ...]
) -> None:
    """Even if there is nothing else to do."""
    ext4.archive()
    ext4.environment("env")
    ext4.reclaim()
    shop = ext4.base / f"env/{PREFIX}0123456789ab"
    shop.mkdir(mode=0o700)
    (shop / "new-1").write_bytes(EDIT)

    done = linkpolicy("reclaim", "--yes", *words, str(ext4.base), cwd=ext4.base)

    assert done.code == 0, done.err
    assert ext4.leftovers() == []
    told = "".join((done.err if words else done.out + done.err).split())
    edits = Path.home() / ".local/state/linkpolicy/edits"
    (kept,) = [path for path in edits.rglob("*") if path.is_file() and path.read_bytes() == EDIT]
    assert kept.relative_to(edits).parts[0] in told


# Disks that are full, inodes that have all their names --------------------------------------------


@pytest.mark.parametrize(("kind", "size"), [("ext4", 24 << 20), ("btrfs", 128 << 20)])
def test_on_a_full_disk(
    fs: FileSystems, monkeypatch: pytest.MonkeyPatch, kind: str, size: int
) -> None:
    patient = Patient(Disk(fs.image(kind, size=size), monkeypatch))
    before = patient.disk.known().keys()
    fill = patient.disk.base / "fill"
    _fill(fill)

    patient.disk.reclaim(expect=None)

    patient.check("full")
    assert patient.disk.leftovers() == []
    fill.unlink()
    patient.disk.reclaim()
    patient.check("after")
    assert patient.disk.known().keys() == before
    assert patient.is_reclaimed()


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as stream:
        for size in (1 << 20, 4096, 1):
            with contextlib.suppress(OSError):
                while stream.write(b"x" * size) == size:
                    pass
    os.sync()


def test_a_quota_that_is_used_up(ext4: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """No directory to work in can be made: all is left, with the reason."""
    patient = Patient(ext4)
    before = ext4.known()
    real = os.mkdir

    def mkdir(path: str, *words: object, **named: object) -> None:
        if ".tmp-linkpolicy-" in os.fsdecode(path):
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT), path)
        real(path, *words, **named)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(os, "mkdir", mkdir)
        done = ext4.reclaim("--jobs", "1", expect=1)
        said = linkpolicy(*WORDS, str(ext4.base), cwd=ext4.base)

    assert ext4.known() == before
    assert "error" in left(done)
    assert not done.json["complete"]
    assert os.strerror(errno.EDQUOT) in said.out + said.err
    patient.disk.reclaim()
    assert patient.is_reclaimed()


#: names of one inode that ext4 allows
MOST_NAMES = 65_000


def test_an_inode_that_has_all_the_names_it_may_have(ext4: Disk) -> None:
    """The next copy, which is the first that could not be linked, is what the others become."""
    archived = site(ext4.archive()) / "one/a.py"
    trees = [ext4.environment(name) for name in ("a", "b", "c", "d")]
    before = ext4.known()
    many = ext4.base / "names"
    many.mkdir()
    for number in range(MOST_NAMES - archived.stat().st_nlink - 1):  # one is free
        os.link(archived, many / str(number))

    done = ext4.reclaim("--jobs", "1")

    files = [site(tree) / "one/a.py" for tree in trees]
    assert archived.stat().st_nlink == MOST_NAMES
    inodes = [path.stat().st_ino for path in files]
    assert inodes.count(archived.stat().st_ino) == 1
    assert len({*inodes, archived.stat().st_ino}) == 2
    assert counts(done, "done_files") > 0
    subprocess.run(["rm", "-r", many], check=True)
    unchanged(ext4, before)


# What this kernel, or its sandbox, cannot do ------------------------------------------------------


def test_without_an_exchange(ext4: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Old kernels, seccomp: done in a way as safe, or left with the reason."""
    ext4.archive()
    tree = ext4.environment("env")
    before = ext4.known()
    archived = ext4.base / ARCHIVE / "one/a.py"

    def unsupported(*_: object) -> None:
        raise kernel.Unsupported(errno.ENOSYS, os.strerror(errno.ENOSYS))

    with monkeypatch.context() as patch:
        patch.setattr(kernel, "exchange", unsupported)
        done = ext4.reclaim("--jobs", "1", expect=None)

    unchanged(ext4, before)
    assert ext4.leftovers() == []
    path = site(tree) / "one/a.py"
    is_left = str(path) in left(done).get("no-exchange", ())
    assert is_left != same_inode(path, archived)
