"""Another user exchanges what root is about to replace, as fast as can be: root's own files stay.

That root refuses to work there proves nothing about how it works. So the refusal is taken away
here: as if the directory had become the other user's right after it was looked at. What the
commands say and do with it is a matter of `tests.repair.test_root`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from tests import mounts
from tests.filesystems import FileSystems
from tests.ordinary_user import OTHER_UID, UID, as_user, only_root
from tests.racer import racing
from uvx_policy.installed.hash import of_pieces
from uvx_policy.repair import backup
from uvx_policy.replace import aside, foreign
from uvx_policy.replace.aside import Aside
from uvx_policy.replace.build import Builder, Target
from uvx_policy.replace.place import Place, Root, seen_at
from uvx_policy.replace.shop import PREFIX, Shops, clean_up

pytestmark = only_root

#: of each deed against each exchange
TRIES = [20, pytest.param(200, marks=pytest.mark.exhaustive)]
#: a method that is not safe surely loses within so many; and seconds after which it hangs
SURELY, HANGS = 5_000, 1.0
#: tries with the same private directories
AT_ONCE = 20
THEIRS, SECRET, NEW = b"their own\n", b"only root may read this\n", b"the original\n"


class Scene:
    """What is root's, what is the other user's, and the path that both are about."""

    def __init__(self, base: Path) -> None:
        self.base = base
        base.chmod(0o755)
        self.roots = base / "roots"
        self.secret = self.roots / "secret"
        self.theirs = base / "theirs"
        #: of root's alone: edits, and what is put into the other user's directories
        self.private = base / "private"
        for path in (self.roots, self.roots / "package", self.theirs, self.theirs / "package"):
            path.mkdir(mode=0o755)
        self.private.mkdir(mode=0o700)
        # Only the directory protects the last one: a copy with its mode would be for everybody.
        for path, mode in ((self.secret, 0o600), (self.roots / "package/file.py", 0o600)):
            path.write_bytes(SECRET)
            path.chmod(mode)
        closed = self.roots / "closed"
        closed.mkdir(mode=0o700)
        (closed / "file.py").write_bytes(SECRET)
        (closed / "file.py").chmod(0o644)
        self.path = self.theirs / "package/file.py"
        # A directory in which nothing is left would be removed with its last file.
        (self.theirs / "package/more.py").touch()
        #: what is exchanged with what, in which directory
        self.race = (self.theirs / "package", "file.py", "other")
        self.package = os.open(self.theirs / "package", os.O_RDONLY | os.O_DIRECTORY)
        #: makes the file that is exchanged with theirs
        self.lure: Callable[[Path], None] | None = None
        self.reset()

    def reset(self) -> None:
        """Put back what root has replaced, by handles: it is being exchanged meanwhile."""
        for name, make in (("file.py", self._make_theirs), ("other", self.lure)):
            if make is not None:
                make(self.private / name)
                os.rename(self.private / name, name, dst_dir_fd=self.package)
                # Two names of one file: rename(2) does nothing.
                (self.private / name).unlink(missing_ok=True)

    def _make_theirs(self, path: Path) -> None:
        path.write_bytes(THEIRS)
        os.chown(path, UID, UID)
        # So that there is something to detach.
        (self.private / "another name").unlink(missing_ok=True)
        (self.private / "another name").hardlink_to(path)

    def give(self) -> None:
        """To the other user: directories, and links."""
        for path in (self.theirs, *self.theirs.rglob("*")):
            if path.is_symlink() or path.is_dir():
                os.chown(path, UID, UID, follow_symlinks=False)

    def racing(self) -> contextlib.AbstractContextManager[None]:
        return racing(*self.race, secret=self.secret)

    def of_root(self) -> dict[Path, tuple[object, ...]]:
        """All that must not change."""
        return {
            path: (
                status.st_mode, status.st_uid, status.st_gid, status.st_ino,
                path.read_bytes() if stat.S_ISREG(status.st_mode) else sorted(os.listdir(path)),
            )
            for path in (self.roots, *self.roots.rglob("*"))
            for status in [path.lstat()]
        }  # fmt: skip

    def leaked(self) -> list[Path]:
        """Copies of the secret that the other user can read, and files of root's that are given."""
        inodes = {path.stat().st_ino for path in self.roots.rglob("*")}
        found = []
        for path in self.theirs.rglob("*"):
            status = path.lstat()
            if not stat.S_ISREG(status.st_mode) or status.st_ino in inodes:
                continue
            is_readable = status.st_uid == UID or status.st_mode & 0o044
            if is_readable and path.read_bytes() == SECRET:
                found.append(path)
        return found


# What the other user exchanges -------------------------------------------------------------------


def symlink(scene: Scene) -> None:
    scene.lure = lambda path: path.symlink_to(scene.secret)


def symlink_to_what_only_its_directory_protects(scene: Scene) -> None:
    scene.lure = lambda path: path.symlink_to(scene.roots / "closed/file.py")


def directory(scene: Scene) -> None:
    """Renamed, and a link to one of root's in its place."""
    (scene.theirs / "link").symlink_to(scene.roots / "package")
    scene.race = (scene.theirs, "package", "link")


def hard_link(scene: Scene) -> None:
    """To a file of root's: made by root, because the kernel protects them (protected_hardlinks)."""
    scene.lure = lambda path: path.hardlink_to(scene.secret)


def hard_link_to_another_users_file(scene: Scene) -> None:
    other = scene.roots / "another user's"
    other.write_bytes(SECRET)
    other.chmod(0o600)
    os.chown(other, OTHER_UID, OTHER_UID)
    scene.lure = lambda path: path.hardlink_to(other)


def fifo(scene: Scene) -> None:
    scene.lure = lambda path: os.mkfifo(path)


def bind_mount(scene: Scene) -> None:
    """One directory has another user's package in it, the other one root's, mounted."""
    for name in ("one", "two"):
        (scene.theirs / name).mkdir()
    os.rename(scene.theirs / "package", scene.theirs / "one/package")
    (scene.theirs / "two/package").mkdir()
    mounts.bind(str(scene.roots / "package"), str(scene.theirs / "two/package"))
    scene.path = scene.theirs / "one/package/file.py"
    scene.race = (scene.theirs, "one", "two")


VARIANTS = (
    symlink, symlink_to_what_only_its_directory_protects, directory, hard_link,
    hard_link_to_another_users_file, fifo, bind_mount,
)  # fmt: skip


@pytest.fixture(params=VARIANTS)
def scene(
    request: pytest.FixtureRequest, fs: FileSystems, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Scene]:
    """Nobody refuses anything; a test that hangs ends."""
    monkeypatch.setattr(foreign, "check", lambda *_: None)
    monkeypatch.setattr(foreign, "check_way", lambda _: None)
    as_user([])  # skips where there is no other user
    scene = Scene(fs.ext4)
    request.param(scene)
    scene.reset()
    scene.give()
    with ending(60):
        yield scene
    os.close(scene.package)
    if request.param is bind_mount:
        for name in ("one", "two"):
            with contextlib.suppress(OSError):
                mounts.unmount(str(scene.theirs / name / "package"))


class Hangs(BaseException):
    """What is no `OSError`, nor anything else that is expected anywhere."""


@contextlib.contextmanager
def ending(seconds: float) -> Iterator[None]:
    """Raises `Hangs` in what takes longer."""

    def end(*_: object) -> None:
        raise Hangs

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# What root does ----------------------------------------------------------------------------------

Rescue: TypeAlias = Callable[[Place, str], None]
Deed: TypeAlias = Callable[[Scene, Builder, Target, Rescue], None]


def write(_: Scene, builder: Builder, target: Target, __: Rescue) -> None:
    builder.write(target, [NEW])
    builder.forget_bytecode(target)


def detach(_: Scene, builder: Builder, target: Target, __: Rescue) -> None:
    builder.detach(target)


def remove(_: Scene, builder: Builder, target: Target, __: Rescue) -> None:
    builder.remove(target)


def link_from_there(scene: Scene, builder: Builder, target: Target, _: Rescue) -> None:
    """The original lies in a cache of theirs: here it is exchanged as well."""
    (scene.private / "original").write_bytes(NEW)
    os.rename(scene.private / "original", "original", dst_dir_fd=scene.package)
    builder.take(target, f"{os.path.dirname(target.path)}/original", ("hardlink",))


def keep_aside(scene: Scene, _: Builder, target: Target, __: Rescue) -> None:
    with contextlib.closing(Aside(target.root, [target.path])) as kept:
        with contextlib.suppress(FileNotFoundError):
            os.unlink("file.py", dir_fd=scene.package)
        kept.bring_back()


def clean_up_after_a_kill(scene: Scene, _: Builder, target: Target, rescue: Rescue) -> None:
    left = scene.private / f"{PREFIX}left"
    left.mkdir(mode=0o700)
    (left / "new-1").write_bytes(THEIRS)
    with contextlib.closing(Root(target.root)) as root:
        os.rename(left, f"{PREFIX}{os.urandom(4).hex()}", dst_dir_fd=root.handle)
    clean_up(target.root, rescue)
    aside.finish(target.root)


DEEDS = (write, detach, remove, link_from_there, keep_aside, clean_up_after_a_kill)


def tried(scene: Scene, deed: Deed, tries: int) -> tuple[int, int]:
    """How often it was done, and how often it was refused."""
    done = refused = 0

    def rescue(place: Place, path: str) -> None:
        edit = backup.Edit(
            path=path, distribution="d", name="n", state="changed", lies_at=place.path
        )
        backup.keep([edit], str(scene.private / "edits"))

    for _ in range(0, tries, AT_ONCE):
        with contextlib.suppress(OSError, backup.CannotKeep), Shops(rescue) as shops:
            builder = Builder(shops)
            for _ in range(AT_ONCE):
                scene.reset()
                target = Target(
                    path=str(scene.path), root=str(scene.theirs), workplace=str(scene.theirs),
                    seen=seen_at(str(scene.path)), content=of_pieces([THEIRS], "sha256"),
                    hash=of_pieces([NEW], "sha256"),
                )  # fmt: skip
                try:
                    deed(scene, builder, target, rescue)
                    done += 1
                except (OSError, backup.CannotKeep):
                    refused += 1
    return done, refused


@pytest.mark.parametrize("tries", TRIES)
@pytest.mark.parametrize("deed", DEEDS)
def test_nothing_of_roots_is_changed_or_given(scene: Scene, deed: Deed, tries: int) -> None:
    before = scene.of_root()

    with scene.racing():
        done, refused = tried(scene, deed, tries)

    assert scene.of_root() == before
    assert scene.leaked() == []
    assert done + refused == tries


@pytest.mark.parametrize("is_root", [True, False], ids=["one by one", "openat2"])
@pytest.mark.parametrize("scene", [directory], indirect=True)
def test_a_directory_that_turns_into_a_link_leads_nowhere(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, *, is_root: bool
) -> None:
    monkeypatch.setattr(foreign, "is_root", lambda: is_root)
    reached: set[int] = set()
    refused = tries = 0

    with scene.racing(), contextlib.closing(Root(str(scene.theirs))) as root:
        while tries < 200 or not (reached and refused):
            tries += 1
            try:
                handle = root.directory(str(scene.path.parent))
            except OSError:
                refused += 1
                continue
            reached.add(os.fstat(handle).st_ino)
            os.close(handle)

    assert reached == {os.fstat(scene.package).st_ino}


def with_paths(scene: Scene) -> None:
    """What repair did once: by the names, looked up again for each call."""
    path = str(scene.path)
    with open(path, "rb") as stream:
        stream.read()
    Path(f"{path}.new").write_bytes(NEW)
    os.replace(f"{path}.new", path)
    os.chown(path, UID, UID)
    os.chmod(path, 0o644)


def test_this_can_fail(scene: Scene) -> None:
    before = scene.of_root()

    with scene.racing():
        for _ in range(SURELY):
            scene.reset()
            try:
                with ending(HANGS), contextlib.suppress(FileNotFoundError):
                    with_paths(scene)
            except Hangs:
                return
            if scene.of_root() != before:
                return

    pytest.fail("the race was never lost")
