"""What is taken from environments, in which way, and what never is."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
from base64 import urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from tests.filesystems import FileSystems, extents, same_inode
from tests.seed.made import SHELF, add, install, names
from tests.uv.world import files_below
from uvx_policy.seed import fill
from uvx_policy.seed.entries import packages_in
from uvx_policy.seed.fill import CannotSeed, Filled
from uvx_policy.seed.held import Held, Lender

pytestmark = pytest.mark.filesystem

ONE: dict[str, tuple[str, ...]] = {"one": ("1.0",)}
BOTH: dict[str, tuple[str, ...]] = {"one": ("1.0",), "two": ("1.0",)}
MODULE = "one/__init__.py"


class Disk:
    """A source on another device, and on this one an environment that holds what it holds."""

    def __init__(self, source: Path, disk: Path) -> None:
        self.source, self.target = source, disk / "target"
        self.target.mkdir(mode=0o700)
        self.environment = disk / "environment"
        self.archive = add(source, "one", size=100_000)
        self.other = add(source, "two")

    def install(self, **how: dict[str, str]) -> Path:
        """Both; the site directory."""
        install(self.environment, self.other)
        return install(self.environment, self.archive, **how)  # type: ignore[arg-type]

    def fill(
        self,
        packages: dict[str, tuple[str, ...]] = BOTH,
        *,
        may_link: bool = True,
        dry_run: bool = False,
    ) -> Filled:
        lender = Lender(path=str(self.environment), may_link=may_link)
        into = Held([lender], str(self.target))
        return fill.fill(str(self.source), str(self.target), packages, held=into, dry_run=dry_run)

    def filled(self, below: str = MODULE) -> Path:
        (found,) = self.target.glob(f"archive-v0/*/{below}")
        return found

    def is_whole(self, package: str) -> bool:
        return contents(self.target / f"archive-v0/id-of-{package}-1.0") == contents(
            self.source / f"archive-v0/id-of-{package}-1.0"
        )


def contents(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in files_below(directory)}


@pytest.fixture
def disk(fs: FileSystems) -> Disk:
    """Without clones."""
    return Disk(fs.other_ext4 / "source", fs.ext4)


@pytest.fixture(params=["btrfs", "xfs"])
def cloning(fs: FileSystems, request: pytest.FixtureRequest) -> Disk:
    return Disk(fs.other_ext4 / "source", getattr(fs, request.param))


# In which way ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("processes")
def test_without_clones_the_files_of_the_environment_get_another_name(disk: Disk) -> None:
    site = disk.install()

    done = disk.fill()

    linked = [path.stat() for path in files_below(disk.target) if path.stat().st_nlink > 1]
    assert done.brought == ("one", "two")
    assert done.spared == sum(status.st_size for status in linked)
    assert same_inode(disk.filled(), site / MODULE)
    assert disk.is_whole("one")
    assert disk.is_whole("two")
    assert not same_inode(
        disk.filled("one-1.0.dist-info/RECORD"), site / "one-1.0.dist-info/RECORD"
    )


@pytest.mark.usefixtures("processes")
@pytest.mark.parametrize("may_link", [True, False])
def test_where_there_are_clones_the_files_are_cloned(cloning: Disk, may_link: bool) -> None:
    """From environments that are edited on purpose, too."""
    site = cloning.install()
    (cloning.archive / MODULE).chmod(0o755)
    os.utime(cloning.archive / MODULE, (5, 7))

    done = cloning.fill(may_link=may_link)

    module = cloning.filled()
    assert done.spared > 300_000
    assert extents(module)[0].physical == extents(site / MODULE)[0].physical
    assert (module.stat().st_nlink, (site / MODULE).stat().st_nlink) == (1, 1)
    assert (module.stat().st_mode & 0o777, module.stat().st_mtime) == (0o755, 7)
    assert cloning.is_whole("one")
    assert cloning.is_whole("two")


@pytest.mark.parametrize("kind", ["ext4", "btrfs", "xfs"])
def test_next_to_nothing_is_written(fs: FileSystems, kind: str) -> None:
    """At most 2 % of what `cp -a` writes, as the file system counts it."""
    here = Disk(fs.other_ext4 / "source", fs.image(kind))
    add(here.source, "large", more={"large/data": os.urandom(20 << 20)})
    install(here.environment, here.source / "archive-v0/id-of-large-1.0")
    wanted: dict[str, tuple[str, ...]] = {"large": ("1.0",)}

    def used() -> int:
        subprocess.run(["sync", "--file-system", here.target], check=True)
        told = os.statvfs(here.target)
        return (told.f_blocks - told.f_bfree) * told.f_frsize

    before = used()
    shutil.copytree(here.source, here.target / "copy", symlinks=True)
    copied = used() - before
    before = used()
    planned = here.fill(wanted, dry_run=True)
    done = here.fill(wanted)
    written = used() - before

    assert copied >= 20 << 20
    assert written <= copied / 50
    assert done.spared >= 20 << 20
    assert (planned.size, planned.spared) == (done.size, done.spared)
    assert done.size <= copied / 50


def test_no_room_is_asked_for_what_is_there(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    disk.install()
    asked: list[int] = []
    monkeypatch.setattr(fill, "_check_room", lambda _, needed: asked.append(needed))

    disk.fill()

    assert asked[0] < 100_000


def test_subvolumes_of_one_file_system_share_clones(fs: FileSystems) -> None:
    first, second = fs.subvolumes
    here = Disk(fs.other_ext4 / "source", first)
    here.environment = second / "environment"
    site = here.install()

    here.fill()

    assert extents(here.filled())[0].physical == extents(site / MODULE)[0].physical


def test_between_two_mounts_of_one_device_it_is_copied(fs: FileSystems, disk: Disk) -> None:
    disk.install()
    disk.environment = fs.bind(disk.environment)

    done = disk.fill()

    assert done.spared == 0
    assert disk.is_whole("one")


# What is taken -----------------------------------------------------------------------------------


def poison(module: Path) -> None:
    size = module.stat().st_size
    module.write_bytes(b"x" * size)


def point(module: Path) -> None:
    module.rename(module.with_suffix(".txt"))
    module.symlink_to(module.with_suffix(".txt"))


def hold_open(module: Path) -> None:
    held_open.append(module.open("ab"))


#: as long as this module lives
held_open: list[BinaryIO] = []


UNFIT: dict[str, Callable[[Path], object]] = {
    "edited": poison,
    "cut": lambda module: module.write_bytes(b""),
    "gone": Path.unlink,
    "a link": point,
    "another mode": lambda module: module.chmod(0o755),
    "of another user": lambda module: os.chown(module, 12345, -1),
    "with an attribute": lambda module: os.setxattr(module, "user.mine", b"yes"),
    "open for writing": hold_open,
}


@pytest.mark.parametrize("why", UNFIT)
def test_what_is_not_fit_is_copied_instead(disk: Disk, why: str) -> None:
    site = disk.install()
    UNFIT[why](site / MODULE)

    done = disk.fill()

    assert done.brought == ("one", "two")
    assert disk.filled().stat().st_nlink == 1
    assert disk.is_whole("one")
    assert same_inode(disk.filled("two/__init__.py"), site / "two/__init__.py")


def test_what_all_may_write_is_copied(disk: Disk) -> None:
    site = disk.install()
    for path in (site / MODULE, disk.archive / MODULE):
        path.chmod(0o666)

    disk.fill()

    assert disk.filled().stat().st_nlink == 1


def test_an_edited_file_is_not_cloned(cloning: Disk) -> None:
    site = cloning.install()
    poison(site / MODULE)

    cloning.fill()

    assert cloning.is_whole("one")


def test_where_edits_are_intended_nothing_is_linked(disk: Disk) -> None:
    site = disk.install()

    done = disk.fill(may_link=False)

    assert done.spared == 0
    assert (site / MODULE).stat().st_nlink == 1
    assert disk.is_whole("one")


def test_nor_a_file_that_leaked_from_there_into_another_environment(disk: Disk) -> None:
    site = disk.install()
    hackable = disk.environment.with_name("hackable")
    install(hackable, disk.archive)
    there = hackable / site.relative_to(disk.environment) / MODULE
    there.unlink()
    there.hardlink_to(site / MODULE)
    lenders = [
        Lender(path=str(disk.environment), may_link=True),
        Lender(path=str(hackable), may_link=False),
    ]

    fill.fill(str(disk.source), str(disk.target), BOTH, held=Held(lenders, str(disk.target)))

    assert (site / MODULE).stat().st_nlink == 2
    assert disk.is_whole("one")


def test_of_several_environments_the_next_has_what_one_lost(disk: Disk) -> None:
    site = disk.install()
    poison(site / MODULE)
    second = disk.environment.with_name("second")
    there = install(second, disk.archive)
    lenders = [Lender(path=str(path), may_link=True) for path in (disk.environment, second)]

    fill.fill(str(disk.source), str(disk.target), BOTH, held=Held(lenders, str(disk.target)))

    assert same_inode(disk.filled(), there / MODULE)


@pytest.mark.parametrize("way", ["row", "link"])
def test_nothing_is_taken_from_outside_of_the_environment(disk: Disk, way: str) -> None:
    outside = disk.environment.with_name("outside")
    outside.mkdir()
    if way == "row":
        to = "../../../../outside/__init__.py"
        disk.install(elsewhere={MODULE: to})
    else:
        site = disk.install()
        (site / MODULE).rename(outside / "__init__.py")
        (site / "one").rmdir()
        (site / "one").symlink_to(outside)

    disk.fill()

    assert (outside / "__init__.py").stat().st_nlink == 1
    assert disk.is_whole("one")


def test_what_is_poisoned_in_the_cache_but_not_in_the_environment(disk: Disk) -> None:
    """The new archive is what its RECORD says, wherever its bytes are from."""
    site = disk.install()
    poison(disk.archive / MODULE)

    done = disk.fill()

    assert done.brought == ("one", "two")
    assert same_inode(disk.filled(), site / MODULE)


def test_what_is_poisoned_in_both_is_not_passed_on(disk: Disk) -> None:
    site = disk.install()
    for path in (site / MODULE, disk.archive / MODULE):
        poison(path)

    done = disk.fill()

    assert (done.brought, [*done.left]) == (("two",), ["one"])
    assert packages_in(str(disk.target)) == {"two": ("1.0",)}
    assert (site / MODULE).stat().st_nlink == 1


@pytest.mark.parametrize(
    "number", [errno.EMLINK, errno.EPERM, errno.EXDEV, errno.EACCES, errno.EIO]
)
def test_what_cannot_be_linked_is_copied(
    disk: Disk, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    disk.install()
    into = Held([Lender(path=str(disk.environment), may_link=True)], str(disk.target))

    def refused(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refused)
    done = fill.fill(str(disk.source), str(disk.target), BOTH, held=into)

    assert (done.brought, done.spared) == (("one", "two"), 0)
    assert disk.is_whole("one")


# Which wheel -------------------------------------------------------------------------------------


def only(disk: Disk) -> Filled:
    environments = Held([Lender(path=str(disk.environment), may_link=True)])
    packages = environments.packages()
    return fill.fill(str(disk.source), str(disk.target), packages, only=environments)


def test_the_wheels_of_an_environment_are_told_by_all_that_they_hold(disk: Disk) -> None:
    """Wheels of one version are for one Python and one platform each."""
    install(disk.environment, disk.archive)
    stem = disk.source / SHELF / "one/1.0-py3-none-any"
    shutil.copytree(disk.archive, disk.archive.with_name("another"))
    another = disk.archive.with_name("another")
    (another / MODULE).write_bytes(b"for another platform")
    row = f"{MODULE},sha256={_digest(b'for another platform')},20\n"
    record = another / "one-1.0.dist-info/RECORD"
    record.write_text(row + "".join(record.read_text().splitlines(keepends=True)[1:]))
    stem.with_name("1.0-cp311-any").symlink_to(another)
    stem.with_name("1.0-cp311-any.http").write_text("another")

    done = only(disk)

    assert done.brought == ("one",)
    assert names(disk.target) & {f"{SHELF}/one/1.0-py3-none-any", f"{SHELF}/one/1.0-cp311-any"} == {
        f"{SHELF}/one/1.0-py3-none-any"
    }


def _digest(content: bytes, algorithm: str = "sha256") -> str:
    digest = hashlib.new(algorithm, content).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


def test_another_wheel_of_the_same_version_is_not_it(disk: Disk) -> None:
    install(disk.environment, disk.archive, edited={MODULE: b"built here"})

    done = only(disk)

    assert (done.brought, done.absent) == ((), ("one",))


def test_what_has_its_place_elsewhere_belongs_to_it(disk: Disk) -> None:
    """Data outside of site-packages; a script, whose first line names the interpreter."""
    data, script = "more-1.0.data/data/share/words", "more-1.0.data/scripts/tool"
    archive = add(disk.source, "more", more={data: b"words" * 9, script: b"#!python\n"})
    site = install(
        disk.environment,
        archive,
        elsewhere={data: "../../../share/words", script: "../../../bin/tool"},
        edited={"../../../bin/tool": b"#!/environment/bin/python\n"},
    )

    done = only(disk)
    shutil.rmtree(disk.target)
    disk.target.mkdir()
    disk.fill({"more": ("1.0",)})

    assert done.brought == ("more",)
    assert same_inode(disk.filled(data), site / "../../../share/words")
    assert disk.filled(script).read_bytes() == b"#!python\n"


@pytest.mark.parametrize("algorithm", ["sha384", "sha512"])
@pytest.mark.parametrize("padding", ["", "="])
def test_other_hashes_and_quotes_are_understood(disk: Disk, algorithm: str, padding: str) -> None:
    content = (disk.archive / MODULE).read_bytes()
    site = disk.install()
    for tree, end in ((disk.archive, padding), (site, "")):
        record = tree / "one-1.0.dist-info/RECORD"
        rows = [each for each in record.read_text().splitlines(keepends=True) if MODULE not in each]
        row = f'"{MODULE}",{algorithm}={_digest(content, algorithm)}{end},{len(content)}\n'
        record.write_text(row + "".join(rows))

    done = disk.fill()

    assert done.brought == ("one", "two")
    assert same_inode(disk.filled(), site / MODULE)


def test_what_was_installed_from_a_path_is_not_looked_for(disk: Disk) -> None:
    site = install(disk.environment, disk.archive)
    (site / "one-1.0.dist-info/direct_url.json").write_text('{"url": "file:///one"}')

    assert Held([Lender(path=str(disk.environment), may_link=True)]).packages() == {}


# Interrupted -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("processes")
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("kind", ["ext4", "btrfs"])
def test_when_the_disk_is_full_the_room_is_given_back(
    fs: FileSystems, monkeypatch: pytest.MonkeyPatch, number: int, kind: str
) -> None:
    here = Disk(fs.other_ext4 / "source", getattr(fs, kind))
    site = here.install()
    before = contents(here.environment)

    link, ioctl = os.link, fcntl.ioctl

    def full(path: str) -> None:
        if path.endswith("two/__init__.py"):
            raise OSError(number, os.strerror(number))

    def linking(path: str, new: str, *, follow_symlinks: bool) -> None:
        full(path)
        link(path, new, follow_symlinks=follow_symlinks)

    def cloning(handle: int, what: int, of: int) -> object:
        full(os.readlink(f"/proc/self/fd/{of}"))
        return ioctl(handle, what, of)

    into = Held([Lender(path=str(here.environment), may_link=True)], str(here.target))
    monkeypatch.setattr(os, "link", linking)
    monkeypatch.setattr(fcntl, "ioctl", cloning)

    with pytest.raises(CannotSeed):
        fill.fill(str(here.source), str(here.target), BOTH, held=into)

    assert names(here.target) == set()
    assert contents(here.environment) == before
    assert (site / MODULE).stat().st_nlink == 1


CALLS = ("link", "rename", "symlink", "mkdir", "makedirs", "unlink", "rmdir", "chmod", "utime")


def _kill_at(number: int) -> None:
    """Let this process be killed before its call of this number that changes a file."""
    left = number

    def counting(call: Callable[..., object]) -> Callable[..., object]:
        def counted(*words: object, **more: object) -> object:
            nonlocal left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*words, **more)

        return counted

    for name in CALLS:
        setattr(os, name, counting(getattr(os, name)))
    fcntl.ioctl = counting(fcntl.ioctl)  # type: ignore[assignment]


@pytest.mark.parametrize("kind", ["ext4", "btrfs"])
def test_who_is_killed_at_any_call_leaves_packages_whole_or_absent(
    fs: FileSystems, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    here = Disk(fs.other_ext4 / "source", getattr(fs, kind))
    here.install()
    before = contents(here.environment)
    monkeypatch.setattr(fill, "processors", lambda: 1)
    killed = 0
    while True:
        child = os.fork()
        if not child:
            with contextlib.suppress(BaseException):
                _kill_at(killed)
                here.fill()
                os._exit(0)
            os._exit(1)
        _, status = os.waitpid(child, 0)
        for package in packages_in(str(here.target)):
            assert here.is_whole(package)
        assert contents(here.environment) == before
        if not os.WIFSIGNALED(status):
            break
        killed += 1
        if not killed % 5:  # what comes after a killed one
            here.fill()
            assert names(here.target) == names(here.source)
        for left in here.target.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()

    assert status == 0
    assert killed > 20
    assert names(here.target) == names(here.source)
    assert not list(here.target.glob(".tmp-*"))


def test_two_at_once(disk: Disk) -> None:
    site = disk.install()
    children = []
    for _ in range(4):
        child = os.fork()
        if not child:
            try:
                disk.fill()
            except BaseException as error:  # noqa: BLE001 (a child of pytest)
                sys.stderr.write(str(error))
                os._exit(1)
            os._exit(0)
        children.append(child)

    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    assert names(disk.target) == names(disk.source)
    assert disk.is_whole("one")
    assert disk.is_whole("two")
    assert same_inode(disk.filled(), site / MODULE)
    assert (site / MODULE).stat().st_nlink == 2
