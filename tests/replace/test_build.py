"""One file is replaced: by what, how, and what is left when it cannot be."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.filesystems import FileSystems
from tests.odd_files import fifo
from tests.ordinary_user import UID, only_root
from uvx_policy.foreign_file import pieces
from uvx_policy.installed.hash import of_pieces
from uvx_policy.replace import attributes, build, kernel, place, shop
from uvx_policy.replace.attributes import CannotKeep
from uvx_policy.replace.build import Builder, Mismatch, Target, Way, is_shared
from uvx_policy.replace.place import Changed, Place, seen_at
from uvx_policy.replace.shop import Shops

OLD, NEW = b"old\n", b"new content\n"


class Scene:
    """A directory with a file in it, what replaces that, and what was rescued."""

    def __init__(self, base: Path, builder: Builder, rescued: list[bytes]) -> None:
        self.base = base
        self.builder = builder
        self.rescued = rescued
        self.old = base / "file.py"
        self.old.write_bytes(OLD)
        self.source = base / "source.py"
        self.source.write_bytes(NEW)
        self.source.chmod(0o644)

    def target(self, path: Path | None = None, mode: int = 0o644) -> Target:
        """The file as it is now; what is there may be given up."""
        path = path or self.old
        content = path.read_bytes() if path.is_file() else b""
        return Target(
            path=str(path), root=str(self.base), workplace=str(self.base),
            seen=seen_at(str(path)), content=of_pieces([content], "sha256"),
            hash=of_pieces([NEW], "sha256"), mode=mode, time=1_600_000_000 * 10**9,
        )  # fmt: skip

    def write(self, target: Target) -> None:
        self.builder.write(target, pieces(str(self.source)))

    def settle(self) -> None:
        """What happens in the end."""
        for each in self.builder._shops._shops.values():
            each.settle()

    def left(self) -> list[str]:
        """What lies in directories of ours."""
        return [path.name for path in self.base.glob(f"{shop.PREFIX}*/*") if path.name != "known"]


def scene_in(base: Path) -> Iterator[Scene]:
    rescued: list[bytes] = []

    def rescue(place: Place, _: str) -> None:
        rescued.append(Path(place.path).read_bytes())

    with Shops(rescue) as shops:
        yield Scene(base, Builder(shops), rescued)
    assert [*base.glob(f"{shop.PREFIX}*")] == []


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    yield from scene_in(tmp_path)


def test_other_names_of_the_old_file_keep_it(scene: Scene) -> None:
    other = scene.base / "other name"
    other.hardlink_to(scene.old)

    scene.write(scene.target(mode=0o755))

    assert (scene.old.read_bytes(), other.read_bytes()) == (NEW, OLD)
    assert (scene.old.stat().st_mode & 0o7777, scene.old.stat().st_mtime) == (0o755, 1_600_000_000)


def test_what_has_not_the_digest_is_put_nowhere(scene: Scene) -> None:
    scene.source.write_bytes(b"something else\n")
    inode, source = scene.old.stat().st_ino, str(scene.source)

    with pytest.raises(Mismatch):
        scene.write(scene.target())
    ways: tuple[tuple[Way, ...], ...] = (("hardlink", "copy"), ("clone", "copy"), ("symlink",))
    for each in ways:
        with pytest.raises(Mismatch):
            scene.builder.take(scene.target(), source, each)
        assert scene.left() == []

    assert (scene.old.read_bytes(), scene.old.stat().st_ino) == (OLD, inode)


def test_a_poisoned_name_of_the_same_inode_is_no_source(scene: Scene) -> None:
    other = scene.base / "in the cache"
    other.hardlink_to(scene.old)

    with pytest.raises(Mismatch):
        scene.builder.take(scene.target(), str(other), ("hardlink",))


@pytest.mark.parametrize("way", ["hardlink", "symlink", "copy"])
def test_each_way(scene: Scene, way: Way) -> None:
    assert scene.builder.take(scene.target(), str(scene.source), (way,)) == way

    assert scene.old.read_bytes() == NEW
    assert scene.old.is_symlink() is (way == "symlink")
    assert os.path.samefile(scene.old, scene.source) is (way != "copy")


def test_a_source_with_other_permissions_is_copied(scene: Scene) -> None:
    scene.source.chmod(0o600)

    way = scene.builder.take(scene.target(), str(scene.source), ("hardlink", "copy"))

    assert way == "copy"
    assert scene.old.stat().st_mode & 0o777 == 0o644


def test_two_names_of_one_file_are_left_alone(scene: Scene) -> None:
    """rename(2) would do nothing, and leave the new name."""
    scene.old.unlink()
    scene.old.hardlink_to(scene.source)

    assert scene.builder.take(scene.target(), str(scene.source), ("hardlink",)) == "hardlink"
    assert scene.left() == []


def test_a_directory_that_is_gone_is_made_again(scene: Scene) -> None:
    path = scene.base / "a/b/file.py"

    scene.write(scene.target(path))

    assert path.read_bytes() == NEW


def test_a_directory_in_the_way_stays(scene: Scene) -> None:
    path = scene.base / "directory"
    (path / "inside").mkdir(parents=True)

    for deed in (scene.write, scene.builder.remove):
        with pytest.raises(OSError, match="directory") as told:
            deed(scene.target(path))
        assert told.value.errno == errno.EISDIR

    assert (path / "inside").is_dir()


def test_what_is_private_is_not_copied_again(scene: Scene) -> None:
    inode = scene.old.stat().st_ino

    assert not scene.builder.detach(scene.target())

    assert scene.old.stat().st_ino == inode


# What changed since the plan was made -------------------------------------------------------------


def edit_in_place(path: Path) -> None:
    path.write_bytes(b"an edit\n")


def save_by_rename(path: Path) -> None:
    new = path.with_name("new.py")
    new.write_bytes(b"an edit\n")
    new.replace(path)


def delete(path: Path) -> None:
    path.unlink()


def replace_by_fifo(path: Path) -> None:
    path.unlink()
    fifo(path)


DEEDS: dict[str, Callable[[Scene, Target], object]] = {
    "write": lambda scene, target: scene.write(target),
    "link": lambda scene, target: scene.builder.take(
        target, str(scene.source), ("hardlink", "copy")
    ),
    "point": lambda scene, target: scene.builder.take(
        target, str(scene.source), ("symlink", "copy")
    ),
    "remove": lambda scene, target: scene.builder.remove(target),
    "detach": lambda scene, target: scene.builder.detach(target),
}


@pytest.mark.parametrize("change", [edit_in_place, save_by_rename, delete, replace_by_fifo])
@pytest.mark.parametrize("deed", DEEDS)
def test_what_changed_is_left_as_it_is(
    scene: Scene, change: Callable[[Path], None], deed: str
) -> None:
    (scene.base / "other name").hardlink_to(scene.old)
    target = scene.target()
    change(scene.old)
    before = seen_at(str(scene.old))

    if deed == "detach" and not is_shared(str(scene.old)):
        assert not scene.builder.detach(target)
    else:
        with pytest.raises(Changed, match="in the meantime"):
            DEEDS[deed](scene, target)

    assert seen_at(str(scene.old)) == before
    assert (scene.left(), scene.rescued) == ([], [])


def test_a_file_that_came_meanwhile_stays(scene: Scene) -> None:
    target = scene.target(scene.base / "missing.py")
    (scene.base / "missing.py").write_bytes(b"two hours of work\n")

    with pytest.raises(Changed):
        scene.write(target)

    assert (scene.base / "missing.py").read_bytes() == b"two hours of work\n"
    assert scene.left() == []


def test_the_same_size_and_time_do_not_hide_an_edit(scene: Scene) -> None:
    """What is compared in the end is the content."""
    times = scene.old.stat()
    target = scene.target()
    scene.old.write_bytes(b"OLD\n")
    os.utime(scene.old, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert seen_at(str(scene.old)) == target.seen

    for deed in (scene.write, scene.builder.remove):
        with pytest.raises(Changed):
            deed(target)

    assert scene.old.read_bytes() == b"OLD\n"
    assert scene.rescued == []


def test_a_file_that_somebody_has_open_for_writing_is_left(scene: Scene) -> None:
    with scene.old.open("r+b", buffering=0) as stream:
        with pytest.raises(Changed, match="open for writing"):
            scene.write(scene.target())
        stream.write(b"more")

    assert scene.old.read_bytes() == b"more"
    scene.write(scene.target())
    assert scene.old.read_bytes() == NEW


def test_a_file_that_cannot_be_read_after_the_exchange_comes_back(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_many(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    target = scene.target()
    monkeypatch.setattr(place, "of_handle", too_many)

    with pytest.raises(Changed):
        scene.write(target)

    assert scene.old.read_bytes() == OLD
    monkeypatch.undo()


def test_an_interrupt_after_the_exchange_loses_nothing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    target = scene.target().replace(content=of_pieces([b"saved"], "sha256"))
    monkeypatch.setattr(place, "_may_go", interrupted)

    with pytest.raises(KeyboardInterrupt):
        scene.write(target)

    assert scene.old.read_bytes() == NEW
    scene.settle()
    assert scene.rescued == [OLD]


def unsupported(*_: object) -> None:
    raise kernel.Unsupported


def test_without_leases_proc_tells_of_writers(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on overlayfs and NFS."""
    real = fcntl.fcntl

    def without_leases(handle: int, command: int, argument: int = 0) -> int:
        if command == fcntl.F_SETLEASE:
            raise OSError(errno.EINVAL, "no leases")
        return real(handle, command, argument)

    monkeypatch.setattr(fcntl, "fcntl", without_leases)

    with scene.old.open("r+b"):
        with pytest.raises(Changed, match="open for writing"):
            scene.write(scene.target())
        assert scene.old.read_bytes() == OLD
    with scene.old.open("rb"):
        scene.write(scene.target())
    assert scene.old.read_bytes() == NEW


# Where it lies ------------------------------------------------------------------------------------


@pytest.mark.parametrize("has_openat2", [True, False])
def test_no_link_below_the_root_is_followed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, has_openat2: bool
) -> None:
    if not has_openat2:
        monkeypatch.setattr(kernel, "open_beneath", unsupported)
    elsewhere = scene.base / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file.py").write_bytes(OLD)
    root = scene.base / "root"
    root.mkdir()
    (root / "package").symlink_to(elsewhere)
    target = scene.target(root / "package/file.py").replace(root=str(root))

    for deed in (scene.write, scene.builder.remove):
        with pytest.raises(Changed, match="symbolic link on the way"):
            deed(target)

    assert (elsewhere / "file.py").read_bytes() == OLD


def test_nothing_outside_of_the_root_is_replaced(scene: Scene) -> None:
    root = scene.base / "root"
    root.mkdir()

    with pytest.raises(Changed, match="is not below"):
        scene.write(scene.target().replace(root=str(root)))

    assert scene.old.read_bytes() == OLD


# What a detached file keeps -----------------------------------------------------------------------


@pytest.mark.filesystem
def test_a_detached_file_keeps_all_that_it_has(fs: FileSystems) -> None:
    for scene in scene_in(fs.ext4):
        scene.old.write_bytes(b"begin" + bytes(8 << 20) + b"end")
        os.truncate(scene.old, 0)
        with scene.old.open("r+b") as stream:
            stream.write(b"begin")
            stream.seek(16 << 20)
            stream.write(b"end")
        (scene.base / "other name").hardlink_to(scene.old)
        os.setxattr(scene.old, "user.comment", b"mine")
        subprocess.run(["setcap", "cap_net_raw+ep", scene.old], check=False)
        os.chown(scene.old, -1, 4321)
        scene.old.chmod(0o2751)
        os.utime(scene.old, ns=(1, 1_500_000_000 * 10**9 + 1))
        before = scene.old.stat()
        names = {name: os.getxattr(scene.old, name) for name in os.listxattr(scene.old)}

        assert scene.builder.detach(scene.target())

        now = scene.old.stat()
        assert now.st_ino != before.st_ino
        assert (now.st_gid, now.st_mode, now.st_size, now.st_mtime_ns) == (
            before.st_gid, before.st_mode, before.st_size, before.st_mtime_ns,
        )  # fmt: skip
        assert {name: os.getxattr(scene.old, name) for name in os.listxattr(scene.old)} == names
        assert now.st_blocks * 512 < now.st_size // 4
        assert scene.old.read_bytes() == (scene.base / "other name").read_bytes()


def test_what_cannot_be_kept_leaves_the_file(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    (scene.base / "other name").hardlink_to(scene.old)
    os.setxattr(scene.old, "user.comment", b"mine")
    inode = scene.old.stat().st_ino

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "no")

    monkeypatch.setattr(os, "setxattr", refuse)

    with pytest.raises(CannotKeep, match=r"its attribute user\.comment cannot be kept"):
        scene.builder.detach(scene.target())

    assert scene.old.stat().st_ino == inode
    assert scene.left() == []


# Others meanwhile ---------------------------------------------------------------------------------


def test_what_is_detached_is_the_file_that_was_seen(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link was at its name for the moment in which it was opened, and the file is back."""
    closed = scene.base / "closed"
    closed.mkdir(mode=0o700)
    (closed / "secret").write_text("only for us")
    aside, name = scene.base / "aside", scene.base / "another name"
    name.hardlink_to(scene.old)
    shared, copy = build.is_shared, attributes.copy

    def turns_into_a_link(path: str) -> bool:
        answer = shared(path)
        scene.old.rename(aside)
        scene.old.symlink_to(closed / "secret")
        return answer

    def is_back(source: int, new: int, path: str) -> None:
        copy(source, new, path)
        aside.replace(scene.old)

    monkeypatch.setattr(build, "is_shared", turns_into_a_link)
    monkeypatch.setattr(attributes, "copy", is_back)

    with pytest.raises(Changed):
        scene.builder.detach(scene.target())

    assert aside.read_bytes() == OLD
    assert scene.old.is_symlink()


def test_what_is_no_file_is_linked_from_nowhere(scene: Scene) -> None:
    """The file in the cache became a FIFO."""
    scene.source.unlink()
    os.mkfifo(scene.source)
    scene.source.chmod(0o644)

    with pytest.raises(OSError, match="seek"):
        scene.builder.take(scene.target(), str(scene.source), ("hardlink",))

    assert scene.old.read_bytes() == OLD


@only_root
def test_root_links_to_nothing_that_another_user_owns(scene: Scene) -> None:
    os.chown(scene.source, UID, UID)

    ways: tuple[Way, ...] = ("hardlink", "symlink", "copy")
    assert scene.builder.take(scene.target(), str(scene.source), ways) == "copy"

    assert (scene.old.read_bytes(), scene.old.stat().st_uid) == (NEW, 0)
