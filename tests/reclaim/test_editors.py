"""Somebody edits files of environments while they are reclaimed, 2,500 times a second.

In place, with the file held open for later, and saved by a rename. No edit is lost; another program
that does the same work, run in the same test, loses some.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import json
import mmap
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.filesystems import FileSystems, unavailable
from tests.reclaim.disk import FILES, Disk, by_clones, ext4, left, site, without_leases
from uvx_policy.replace import kernel

__all__ = ("ext4",)

pytestmark = pytest.mark.filesystem

MANY = {
    f"one/m{number:04}.py": b"# module %04d\n" % number * (20 + number % 200)
    for number in range(300)
}
#: edits of a second
RATE = 2_500
#: times that the other program may fail to lose an edit
TRIES = 20

#: PATHS LOG RATE, until its input ends. Each path is edited in one of three ways; every second time
#: the original is restored, by a rename, so that there is something to do again. Nothing that an
#: editor writes into a file ever takes away what it, or another one, has written there before: so a
#: path has the number of its last edit, or a higher one from another name of the same inode.
EDITOR = """
import json, os, select, sys, time
paths, log, rate = open(sys.argv[1]).read().split("\\n"), sys.argv[2], float(sys.argv[3])
original = {path: open(path, "rb").read() for path in paths}
last, held, number, made, lost = {}, [], 0, 0, []

def mark():
    global number, made
    number += 1
    made += 1
    return b"#EDIT%010d#" % number

def edit(path, handle):
    last[path] = number + 1
    os.pwrite(handle, mark(), len(original[path]) - 16)

def close_first():
    path, handle = held.pop(0)
    edit(path, handle)
    os.close(handle)

def save(path, content):
    with open(path + ".swp", "wb") as stream:
        stream.write(content)
    os.rename(path + ".swp", path)

def check(path):
    try:
        content = open(path, "rb").read()
    except FileNotFoundError:
        lost.append(path)
        return
    if content[:-16] != original[path][:-16]:
        lost.append(path)
    if path in last:
        end = content[-16:]
        if not (end.startswith(b"#EDIT") and int(end[5:15]) >= last[path]):
            lost.append(path)

print("ready", flush=True)
start, visits = time.monotonic(), 0
while True:
    for index, path in enumerate(paths):
        visits += 1
        if visits % 16 == 0:
            time.sleep(max(0, start + visits / rate - time.monotonic()))
            if select.select([0], [], [], 0)[0]:
                break
        check(path)
        if path in last:
            if path not in [each for each, _ in held]:
                last.pop(path)
                save(path, original[path])
        elif index % 3 == 2:
            last[path] = number + 1
            save(path, original[path][:-16] + mark())
        else:
            try:
                handle = os.open(path, os.O_RDWR)
            except FileNotFoundError:  # for a moment, and whoever saves then loses it
                lost.append(path)
                continue
            edit(path, handle)
            if index % 3 == 1:
                os.close(handle)
            else:
                held.append((path, handle))
                if len(held) > 50:
                    close_first()
    else:
        continue
    break
while held:
    close_first()
sys.stdin.read()
for path in paths:
    check(path)
with open(log, "w") as stream:
    json.dump({"made": made, "lost": lost}, stream)
"""


class Editor:
    """Edits all modules of some environments."""

    def __init__(self, scratch: Path, paths_to_edit: list[Path]) -> None:
        paths, self._log = scratch / "paths", scratch / "log"
        paths.write_text("\n".join(map(str, paths_to_edit)))
        words = [sys.executable, "-c", EDITOR, str(paths), str(self._log), str(RATE)]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        with self._process:
            try:
                yield
                assert self._process.stdin is not None
                self._process.stdin.write(b"stop")
                self._process.stdin.close()
                assert self._process.wait(60) == 0
            finally:
                self._process.kill()

    @property
    def lost(self) -> list[str]:
        told = json.loads(self._log.read_text())
        assert told["made"] > 100
        return [re.sub(".*/", "", path) for path in told["lost"]]


def edited_while(
    disk: Disk, scratch: Path, work: Callable[[], object], times: int, files: int = len(MANY)
) -> list[str]:
    """Do the work so many times; the names of the files that lost an edit."""
    some = dict(itertools.islice(MANY.items(), files))
    sites = [site(disk.environment(name, some)) for name in ("first", "second")]
    disk.archive(some)
    editor = Editor(scratch, [top / name for name in some for top in sites])
    with editor.working():
        for _ in range(times):
            work()
    return editor.lost


TIMES = pytest.mark.parametrize(
    "times", [4, pytest.param(100, marks=pytest.mark.exhaustive)], ids=["short", "long"]
)


@TIMES
@pytest.mark.parametrize("kind", ["ext4", "btrfs", "clones"])
def test_no_edit_is_lost(
    fs: FileSystems, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str, times: int
) -> None:
    if kind == "clones":
        by_clones(monkeypatch)
    disk = Disk(fs.ext4 if kind == "ext4" else fs.btrfs, monkeypatch)
    done = 0

    def reclaim() -> None:
        nonlocal done
        told = disk.reclaim("--wait", "60", expect=None)
        assert told.code in (0, 1), told.err
        done += sum(row["done_files"] for row in told.json["devices"])

    assert edited_while(disk, tmp_path, reclaim, times) == []
    assert done > 0
    assert disk.leftovers() == []


@pytest.mark.parametrize("kind", ["ext4", "clones"])
@pytest.mark.parametrize(
    ("files", "times"), [(60, 1), pytest.param(len(MANY), 20, marks=pytest.mark.exhaustive)]
)
def test_without_leases_no_edit_is_lost_either(
    fs: FileSystems,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    kind: str,
    files: int,
    times: int,
) -> None:
    """All processes are looked at for each, which takes long."""
    if kind == "clones":
        by_clones(monkeypatch)
    disk = Disk(fs.ext4 if kind == "ext4" else fs.btrfs, monkeypatch)
    with without_leases(monkeypatch):
        lost = edited_while(
            disk, tmp_path, lambda: disk.reclaim("--jobs", "1", expect=None), times, files
        )

    assert lost == []
    # What the editor had open until the end was left to the next run.
    before = {path: path.read_bytes() for path in disk.base.rglob("one/*.py")}
    disk.reclaim(expect=None)
    assert {path: path.read_bytes() for path in disk.base.rglob("one/*.py")} == before
    assert disk.leftovers() == []


def test_another_program_loses_some(ext4: Disk, tmp_path: Path) -> None:
    """Otherwise the test above proves nothing. It looks first, and links later."""
    rdfind = shutil.which("rdfind", path=f"{os.environ['PATH']}:/usr/bin")
    if not rdfind:
        unavailable("rdfind is not installed")
    words = [str(rdfind), "-makehardlinks", "true", "-makeresultsfile", "false"]

    def work() -> None:
        tops = [ext4.base / name for name in ("cache", "first", "second")]
        subprocess.run([*words, *tops], check=False, capture_output=True)

    assert edited_while(ext4, tmp_path, work, TRIES) != []


# In the very moment -------------------------------------------------------------------------------

EDIT = b"#" + FILES["one/a.py"][1:]
assert len(EDIT) == len(FILES["one/a.py"])


class Moment:
    """Something that happens right before, or right after, the first exchange."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.happened = 0

    def plant(self, deed: Callable[[], object], *, after: bool = False) -> None:
        real = kernel.exchange

        def exchange(*words: object) -> None:
            first = self.happened == 0
            self.happened += 1
            if first and not after:
                deed()
            real(*words)  # type: ignore[arg-type]
            if first and after:
                deed()

        self._monkeypatch.setattr(kernel, "exchange", exchange)


@pytest.fixture
def moment(monkeypatch: pytest.MonkeyPatch) -> Moment:
    return Moment(monkeypatch)


@pytest.fixture(params=[True, False], ids=["leases", "no leases"])
def guard(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Where there are none, all processes are looked at."""
    with contextlib.nullcontext() if request.param else without_leases(monkeypatch):
        yield


with_and_without_leases = pytest.mark.usefixtures("guard")


@pytest.fixture
def path(ext4: Disk) -> Path:
    """The one file that is to be linked."""
    ext4.archive({"one/a.py": FILES["one/a.py"]})
    return site(ext4.environment("env", {"one/a.py": FILES["one/a.py"]})) / "one/a.py"


WORDS = ("--jobs", "1", "--min-size", "100")


@with_and_without_leases
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_saved_by_a_rename(ext4: Disk, path: Path, moment: Moment, *, after: bool) -> None:
    def save() -> None:
        path.with_suffix(".swp").write_bytes(EDIT)
        path.with_suffix(".swp").rename(path)

    moment.plant(save, after=after)

    done = ext4.reclaim(*WORDS, expect=None)

    assert moment.happened
    assert path.read_bytes() == EDIT
    assert path.stat().st_nlink == 1
    assert ext4.leftovers() == []
    assert done.code == 0 or str(path) in left(done)["busy"]


#: FILE: opens it for writing, and writes when it has it
LATE = """
import os, sys
path, edit = sys.argv[1:]
look = os.open(path, os.O_RDONLY)
print("open", flush=True)
sys.stdin.readline()
print("go", flush=True)
# Through the handle that it has, hence the very inode; open(2) waits while there is a lease.
handle = os.open(f"/proc/self/fd/{look}", os.O_RDWR)
os.write(handle, os.fsencode(edit))
os.close(handle)
"""


@with_and_without_leases
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_opened_for_writing(ext4: Disk, path: Path, moment: Moment, *, after: bool) -> None:
    """Who had looked up the path opens the old inode when it is at the path no more."""
    words = [sys.executable, "-c", LATE, str(path), os.fsdecode(EDIT)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as editor:
        assert editor.stdin is not None
        assert editor.stdout is not None
        editor.stdout.readline()

        def let_go() -> None:
            editor.stdin.write(b"\n")  # type: ignore[union-attr]
            editor.stdin.flush()  # type: ignore[union-attr]
            editor.stdout.readline()  # type: ignore[union-attr]
            # It is in open(2) by now, or has written.
            _wait_until_asleep(editor.pid)

        moment.plant(let_go, after=after)

        ext4.reclaim(*WORDS, expect=None)

        assert moment.happened
    assert editor.returncode == 0
    assert path.read_bytes() == EDIT
    assert ext4.leftovers() == []


def _wait_until_asleep(pid: int) -> None:
    """Until it has ended, or waits in the kernel for more than a moment."""
    asleep = 0
    while asleep < 50:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return
        if state == "Z":
            return
        asleep = asleep + 1 if state in "SD" else 0


@with_and_without_leases
def test_held_open_for_writing_all_the_time(ext4: Disk, path: Path) -> None:
    before = ext4.known()
    with path.open("r+b"):
        done = ext4.reclaim(*WORDS, expect=1)

    assert ext4.known() == before
    assert left(done)["busy"] == {str(path)}
    ext4.reclaim(*WORDS)
    assert path.stat().st_nlink == 2


@with_and_without_leases
def test_mapped_for_writing_all_the_time(ext4: Disk, path: Path) -> None:
    """No handle is open any more: `mmap` of Python would keep one."""
    size = path.stat().st_size
    libc = ctypes.CDLL(None)
    libc.mmap.restype = ctypes.c_void_p
    with path.open("r+b") as stream:
        both, shared = mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED
        mapped = libc.mmap(None, size, both, shared, stream.fileno(), ctypes.c_long(0))

    ext4.reclaim(*WORDS, expect=1)
    ctypes.memmove(mapped, EDIT, size)
    libc.munmap(ctypes.c_void_p(mapped), size)

    assert path.read_bytes() == EDIT
    assert path.stat().st_nlink == 1


@with_and_without_leases
def test_mapped_for_reading_all_the_time(ext4: Disk, path: Path) -> None:
    """A program that runs, or has a library loaded, keeps what it has mapped."""
    content = path.read_bytes()
    with path.open("rb") as stream:
        mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)

    ext4.reclaim(*WORDS)

    assert path.stat().st_nlink == 2
    assert mapped[:] == content
    mapped.close()


def test_the_source_is_edited_after_it_was_verified(ext4: Disk, path: Path, moment: Moment) -> None:
    """In place, in the very moment: nothing is linked to an edit that nobody made there."""
    (archived,) = ext4.cache.rglob("one/a.py")

    def edit() -> None:
        # In a process of its own: who holds a lease is not kept out by it.
        child = os.fork()
        if not child:
            try:
                handle = os.open(archived, os.O_RDWR | os.O_NONBLOCK)
                os.write(handle, EDIT)
            finally:
                os._exit(0)
        os.waitpid(child, 0)

    moment.plant(edit)

    ext4.reclaim(*WORDS, expect=None)

    assert moment.happened
    if archived.read_bytes() == EDIT:
        assert path.read_bytes() == FILES["one/a.py"]
        assert path.stat().st_nlink == 1
    else:
        assert path.stat().st_nlink == 2


@with_and_without_leases
def test_gone_in_the_very_moment(ext4: Disk, path: Path, moment: Moment) -> None:
    """Uninstalled: it does not come back."""
    moment.plant(path.unlink)

    ext4.reclaim(*WORDS, expect=None)

    assert moment.happened
    assert not path.exists()
    assert ext4.leftovers() == []


def test_turned_into_something_else_in_the_very_moment(
    ext4: Disk, path: Path, moment: Moment
) -> None:
    def turn() -> None:
        path.unlink()
        path.symlink_to("elsewhere")

    moment.plant(turn)

    ext4.reclaim(*WORDS, expect=None)

    assert moment.happened
    assert os.readlink(path) == "elsewhere"
    assert ext4.leftovers() == []


def test_another_mode_in_the_very_moment(ext4: Disk, path: Path, moment: Moment) -> None:
    """chmod(2) breaks no lease, and changes no time of a change of the content."""
    moment.plant(lambda: path.chmod(0o600))
    before = path.read_bytes()

    ext4.reclaim(*WORDS, expect=None)

    assert moment.happened
    assert path.read_bytes() == before
    assert path.stat().st_mode & 0o777 == 0o600
