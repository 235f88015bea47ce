"""Where files share what, and where they are left: policies, mounts, owners, attributes."""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests import mounts
from tests.filesystems import (
    FileSystems,
    flush,
    physical_ranges,
    same_inode,
    shared_bytes,
    shared_extents,
    unavailable,
)
from tests.ordinary_user import OTHER_UID, UID, as_user, only_root
from tests.reclaim.disk import (
    FILES,
    Disk,
    btrfs,
    counts,
    disk,
    ext4,
    left,
    site,
    unchanged,
    without_leases,
)
from tests.uv.world import linkpolicy
from tests.verify.making import LIBRARY

__all__ = ("btrfs", "disk", "ext4")

pytestmark = pytest.mark.filesystem

NAME = "one/a.py"
ARCHIVE = "cache/archive-v0/archive-of-one"


def pair(disk: Disk, name: str = "env", files: Mapping[str, bytes] = FILES) -> tuple[Path, Path]:
    """The file in the archive, and in an environment."""
    archived = disk.base / ARCHIVE
    if not archived.exists():
        disk.archive(files)
    return archived / NAME, site(disk.environment(name, files)) / NAME


# Policies ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        ("hackable = true", "hackable"),
        ('link-mode = "symlink"', "symlink-mode"),
        ('link-mode = "copy"', "copy-mode"),
        ("hackable = [", "hackable"),
    ],
    ids=["hackable", "symlink", "copy", "unreadable"],
)
def test_hard_links_are_made_only_where_the_policy_has_them(
    disk: Disk, policy: str, reason: str
) -> None:
    """Who edits a file there must not edit it everywhere. Shared extents are his own as before."""
    archived, path = pair(disk, "project/.venv")
    _, plain = pair(disk, "plain")
    (disk.base / "project/linkpolicy.toml").write_text(policy)
    before = disk.known()

    done = disk.reclaim(expect=None)

    unchanged(disk, before)
    flush(disk.base)
    if disk.method == "hardlink":
        assert path.stat().st_nlink == 1
        assert same_inode(archived, plain)
        assert str(path) in left(done)[reason]
    else:
        assert physical_ranges(path) == physical_ranges(archived) == physical_ranges(plain)
    assert done.code == 0


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("uv.toml", 'link-mode = "copy"'),
        ("pyproject.toml", '[tool.uv]\nlink-mode = "clone"'),
        ("uv.toml", '[pip]\nlink-mode = "copy"'),
        ("uv.toml", "link-mode = ["),
    ],
    ids=["uv.toml", "pyproject.toml", "pip", "unreadable"],
)
def test_uvs_own_settings_count_as_well(ext4: Disk, name: str, text: str) -> None:
    archived, path = pair(ext4, "project/.venv")
    _, plain = pair(ext4, "plain")
    (ext4.base / "project" / name).write_text(text)

    done = ext4.reclaim(expect=None)

    assert path.stat().st_nlink == 1
    assert same_inode(archived, plain)
    assert str(path) in left(done)["copy-mode"]


def test_the_variable_of_uv_counts_as_well(ext4: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    archived, path = pair(ext4)
    monkeypatch.setenv("UV_LINK_MODE", "copy")

    ext4.reclaim(expect=None)

    assert not same_inode(archived, path)


def test_after_an_edit_of_what_was_deduplicated_nobody_else_has_it(btrfs: Disk) -> None:
    archived, path = pair(btrfs, "project/.venv")
    (btrfs.base / "project/linkpolicy.toml").write_text("hackable = true")
    btrfs.reclaim()
    assert shared_extents(path)

    with path.open("r+b") as stream:
        stream.write(b"edit")

    assert path.read_bytes() == b"edit" + FILES[NAME][4:]
    assert archived.read_bytes() == FILES[NAME]


def test_a_method_that_is_asked_for(btrfs: Disk) -> None:
    """Hard links where extents could be shared as well: they follow their policy there."""
    archived, path = pair(btrfs)
    _, hackable = pair(btrfs, "project/.venv")
    (btrfs.base / "project/linkpolicy.toml").write_text("hackable = true")

    done = btrfs.reclaim("--method", "hardlink")

    assert same_inode(archived, path)
    assert hackable.stat().st_nlink == 1
    assert str(hackable) in left(done)["hackable"]


def test_a_method_that_cannot_be_had(ext4: Disk) -> None:
    pair(ext4)
    before = ext4.known()

    ext4.reclaim("--method", "dedupe", expect=None)

    assert ext4.known() == before
    assert ext4.sharing() == set()


# Attributes --------------------------------------------------------------------------------------


def has_an_attribute(path: Path) -> None:
    os.setxattr(path, "user.comment", b"mine")


def has_an_access_list(path: Path) -> None:
    if not shutil.which("setfacl"):
        unavailable("setfacl (acl) is not installed")
    subprocess.run(["setfacl", "-m", f"u:{UID}:r", path], check=True)


def has_a_capability(path: Path) -> None:
    # VFS_CAP_REVISION_2, cap_net_raw
    os.setxattr(path, "security.capability", struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0))


def belongs_to_another_user(path: Path) -> None:
    os.chown(path, UID, -1)


def belongs_to_another_group(path: Path) -> None:
    os.chown(path, -1, UID)


ATTRIBUTES: dict[Callable[[Path], None], str] = {
    has_an_attribute: "attributes",
    has_an_access_list: "attributes",
    has_a_capability: "attributes",
    belongs_to_another_user: "owner",
    belongs_to_another_group: "owner",
}


@only_root
@pytest.mark.parametrize("change", ATTRIBUTES)
@pytest.mark.parametrize("which", ["environment", "archive"])
def test_what_a_file_has_besides_its_content_stays(
    disk: Disk, change: Callable[[Path], None], which: str
) -> None:
    archived, path = pair(disk)
    try:
        change(path if which == "environment" else archived)
    except OSError as error:
        unavailable(f"no such attributes here: {error}")
    mode = path.stat().st_mode
    before, told = disk.known(), {each: _attributes(each) for each in (archived, path)}

    done = disk.reclaim(expect=None)

    unchanged(disk, before)
    assert {each: _attributes(each) for each in (archived, path)} == told
    flush(disk.base)
    if disk.method == "hardlink":
        assert path.stat().st_nlink == 1
        reasons = {reason for reason, paths in left(done).items() if str(path) in paths}
        # An access list shows in the group's permissions as well.
        assert reasons & {ATTRIBUTES[change], "mode" if mode != 0o100644 else ""}
    elif change != belongs_to_another_user:
        assert physical_ranges(path) == physical_ranges(archived)


def _attributes(path: Path) -> tuple[object, ...]:
    status = path.stat()
    names = sorted(os.listxattr(path))
    return status.st_uid, status.st_gid, {name: os.getxattr(path, name) for name in names}


def test_the_same_attributes_do_not_hinder(ext4: Disk) -> None:
    archived, path = pair(ext4)
    for each in (archived, path):
        has_an_attribute(each)

    ext4.reclaim()

    assert same_inode(archived, path)
    assert os.getxattr(path, "user.comment") == b"mine"


@pytest.mark.parametrize("flag", ["i", "a"])
def test_what_may_not_be_replaced_is_left(ext4: Disk, flag: str) -> None:
    archived, path = pair(ext4)
    before = ext4.known()
    subprocess.run(["chattr", f"+{flag}", path], check=True)
    try:
        done = ext4.reclaim(expect=None)

        assert not same_inode(archived, path)
        assert any(str(path) in paths for paths in left(done).values())
        assert ext4.leftovers() == []
        assert same_inode(archived.with_name("b.py"), path.with_name("b.py"))
    finally:
        subprocess.run(["chattr", f"-{flag}", path], check=True)
    unchanged(ext4, before)


def test_files_that_nobody_may_write(disk: Disk) -> None:
    archived, path = pair(disk)
    for each in (archived, path):
        each.chmod(0o444)
    before = disk.known()

    disk.reclaim()

    unchanged(disk, before)
    flush(disk.base)
    if disk.method == "hardlink":
        assert same_inode(archived, path)
    else:
        assert physical_ranges(archived) == physical_ranges(path)


# btrfs -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["both", "environment", "archive"])
def test_compressed(btrfs: Disk, which: str) -> None:
    for name in ("cache", "env"):
        (btrfs.base / name).mkdir(exist_ok=True)
        if which in ("both", {"cache": "archive", "env": "environment"}[name]):
            subprocess.run(["chattr", "+c", btrfs.base / name], check=True)
    # Compressed it is still more than fits among the metadata.
    content = b"".join(b"%d squared is %d\n" % (number, number**2) for number in range(20_000))
    archived, path = pair(btrfs, files={NAME: content})
    before = btrfs.known()
    flush(btrfs.base)
    assert shared_bytes(path) == 0

    btrfs.reclaim()

    unchanged(btrfs, before)
    flush(btrfs.base)
    assert physical_ranges(archived) == physical_ranges(path)


@pytest.mark.parametrize("which", ["both", "environment", "archive"])
def test_without_copy_on_write(btrfs: Disk, which: str) -> None:
    """`chattr +C`: without checksums. The kernel lets only two of a kind share anything."""
    for name in ("cache", "env"):
        (btrfs.base / name).mkdir(exist_ok=True)
        if which in ("both", {"cache": "archive", "env": "environment"}[name]):
            subprocess.run(["chattr", "+C", btrfs.base / name], check=True)
    archived, path = pair(btrfs)
    before = btrfs.known()

    done = btrfs.reclaim(expect=None)

    unchanged(btrfs, before)
    flush(btrfs.base)
    is_shared = physical_ranges(archived) == physical_ranges(path)
    assert is_shared == (_dedupe_errno(archived, path) == 0)
    if not is_shared:
        assert any(str(path) in paths for paths in left(done).values())


def test_what_lies_among_the_metadata_is_left(btrfs: Disk) -> None:
    small = {"one/small.py": b"small = 1\n" * 100}
    btrfs.archive(small)
    path = site(btrfs.environment("env", small)) / "one/small.py"

    done = btrfs.reclaim()

    assert counts(done, "done_files") == 0
    assert str(path) in left(done)["inline"]


def test_subvolumes_share_what_the_kernel_lets_them(
    fs: FileSystems, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has an `st_dev` of its own; it is one file system nevertheless."""
    first, second = fs.subvolumes
    disk = Disk(first, monkeypatch)
    disk.archive()
    tree = disk.environment("env")
    there = second / "env"
    shutil.copytree(disk.base / "env", there, symlinks=True)
    path = there / LIBRARY / NAME
    before = disk.known(), path.read_bytes(), path.stat().st_mtime_ns

    done = disk.reclaim(str(first), str(second), expect=None)

    assert (disk.known(), path.read_bytes(), path.stat().st_mtime_ns) == before
    flush(first)
    archived = disk.base / ARCHIVE / NAME
    assert physical_ranges(archived) == physical_ranges(site(tree) / NAME)
    assert (physical_ranges(archived) == physical_ranges(path)) == (
        _dedupe_errno(archived, path) == 0
    )
    assert done.code == 0


def test_a_snapshot_keeps_what_it_has(fs: FileSystems, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it holds is not free yet, and that is said."""
    first, second = fs.subvolumes
    disk = Disk(first, monkeypatch)
    _, path = pair(disk)
    flush(first)
    snapshot = second / "snapshot"
    quiet = ("btrfs", "--quiet", "subvolume")
    subprocess.run([*quiet, "snapshot", "-r", first, snapshot], check=True)
    try:
        kept = snapshot / path.relative_to(first)
        before = disk.known(), kept.read_bytes(), kept.stat().st_mtime_ns

        done = disk.reclaim(str(first))

        assert (disk.known(), kept.read_bytes(), kept.stat().st_mtime_ns) == before
        assert counts(done, "done_bytes") > 0
        assert counts(done, "held") > 0
        assert counts(done, "held") <= counts(done, "done_bytes")
    finally:
        subprocess.run([*quiet, "delete", snapshot], check=True, capture_output=True)


def _dedupe_errno(source: Path, target: Path) -> int:
    """What the kernel says of two files of the same content: see ioctl_fideduperange(2)."""
    with source.open("rb") as readable, target.open("r+b") as writable:
        size = source.stat().st_size
        request = bytearray(
            struct.pack("=QQHHL", 0, size, 1, 0, 0)
            + struct.pack("=qQQiL", writable.fileno(), 0, 0, 0, 0)
        )
        try:
            fcntl.ioctl(readable, 0xC0189436, request)
        except OSError as error:
            return error.errno or -1
    (status,) = struct.unpack_from("=i", request, 24 + 24)
    return abs(int(status))


# Mounts ------------------------------------------------------------------------------------------


def test_below_another_mount_of_the_same_device(disk: Disk, fs: FileSystems) -> None:
    """link(2) says EXDEV between two mounts of one file system, where `st_dev` is the same."""
    pair(disk)
    disk.environment("second")
    point = fs.bind(disk.base)
    before = disk.known()

    done = disk.reclaim(str(point / "env"), str(point / "second"), expect=None)

    unchanged(disk, before)
    assert disk.leftovers() == []
    shared = next(group for group in disk.sharing() if f"env/{LIBRARY}/{NAME}" in group)
    assert f"second/{LIBRARY}/{NAME}" in shared
    assert "error" not in left(done)


def test_two_roots_that_are_one_environment(disk: Disk, fs: FileSystems) -> None:
    """By two mounts, and by a link: nothing is done twice, or counted twice."""
    archived, path = pair(disk)
    point = fs.bind(disk.base)
    (disk.base / "link").symlink_to("env")

    done = disk.reclaim(
        "--min-size", "100", str(disk.base / "env"), str(disk.base / "link"), str(point / "env"),
        expect=None,
    )  # fmt: skip

    assert counts(done, "done_files") == len(FILES)
    assert path.read_bytes() == archived.read_bytes()
    assert disk.leftovers() == []


def test_another_file_system_within_an_environment(ext4: Disk) -> None:
    """The package is a mount of its own."""
    archived, path = pair(ext4)
    with mounts.tmpfs(str(path.parent)):
        for name, content in FILES.items():
            (path.parent.parent / name).write_bytes(content)

        ext4.reclaim(expect=None)

        assert path.read_bytes() == FILES[NAME]
        assert path.stat().st_nlink == 1
    assert archived.stat().st_nlink == 1
    assert ext4.leftovers() == []


def test_a_read_only_mount_is_left(disk: Disk, fs: FileSystems) -> None:
    _, path = pair(disk)
    point = fs.bind(disk.base / "env", read_only=True)
    before = disk.known()

    done = disk.reclaim(str(point), expect=None)

    assert disk.known() == before
    assert disk.sharing() == set()
    files = {
        str(point / path.relative_to(disk.base / "env").with_name(Path(x).name)) for x in FILES
    }
    assert files & left(done)["read-only"]


def test_a_cache_that_cannot_be_written_hinders_nobody(disk: Disk) -> None:
    """It is a mount of its own: link(2) says EXDEV. Environments share with each other."""
    pair(disk)
    disk.environment("second")
    with mounts.bound(str(disk.cache), str(disk.cache), read_only=True):
        before = disk.known()

        disk.reclaim(expect=None)

        unchanged(disk, before)
    shared = next(group for group in disk.sharing() if f"env/{LIBRARY}/{NAME}" in group)
    assert f"second/{LIBRARY}/{NAME}" in shared


def test_on_an_overlay(fs: FileSystems, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container: done, or left with the reason."""
    disk = Disk(fs.overlay, monkeypatch)
    archived, path = pair(disk)
    before = disk.known()

    done = disk.reclaim(expect=None)

    unchanged(disk, before)
    reasons = left(done)
    assert same_inode(archived, path) != any(str(path) in paths for paths in reasons.values())
    assert reasons.keys() <= {"no-lease", "no-exchange"}
    assert disk.leftovers() == []


def test_in_the_lower_layer_of_an_overlay(fs: FileSystems, monkeypatch: pytest.MonkeyPatch) -> None:
    """An image with an environment in it: to link anything there copies it up first."""
    lower = fs.ext4 / "lower"
    lower.mkdir()
    with monkeypatch.context() as patch:
        pair(Disk(lower, patch))
    point = fs.ext4 / "merged"
    for name in ("upper", "work", "merged"):
        (fs.ext4 / name).mkdir()
    layers = f"lowerdir={lower},upperdir={fs.ext4 / 'upper'},workdir={fs.ext4 / 'work'}"
    subprocess.run(["mount", "-t", "overlay", "-o", layers, "linkpolicy-test", point], check=True)
    try:
        monkeypatch.setenv("UV_CACHE_DIR", str(point / "cache"))
        done = linkpolicy("reclaim", "--yes", "--json", str(point), cwd=point)

        assert done.code in (0, 1), done.err
        for top in (f"env/{LIBRARY}", ARCHIVE):
            assert (point / top / NAME).read_bytes() == FILES[NAME]
    finally:
        mounts.unmount(str(point))


# Without leases -----------------------------------------------------------------------------------


def test_without_leases_what_is_open_is_left(ext4: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """/proc tells who has it open, or nobody does and it is left: nothing is guessed."""
    archived, path = pair(ext4)
    opened = path.with_name("b.py")
    program = "import sys; f = open(sys.argv[1], 'r+'); print(flush=True); sys.stdin.read()"
    words = [sys.executable, "-c", program, str(opened)]
    with (
        subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as editor,
        without_leases(monkeypatch),
    ):
        assert editor.stdout is not None
        editor.stdout.readline()

        done = ext4.reclaim("--jobs", "1", expect=None)

        editor.communicate()
    assert opened.stat().st_nlink == 1
    reasons = left(done)
    assert any(str(opened) in reasons.get(name, ()) for name in ("busy", "no-lease"))
    assert same_inode(archived, path) != (str(path) in reasons.get("no-lease", ()))


def test_with_neither_leases_nor_proc_all_is_left(
    ext4: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, path = pair(ext4)
    before = ext4.known()
    real = os.path.isdir

    with without_leases(monkeypatch), monkeypatch.context() as patch:
        patch.setattr(os.path, "isdir", lambda at: at != "/proc/self/fd" and real(at))
        done = ext4.reclaim("--jobs", "1", expect=None)

    assert ext4.known() == before
    assert ext4.sharing() == set()
    assert str(path) in left(done)["no-lease"]


# Users -------------------------------------------------------------------------------------------


@only_root
def test_root_leaves_what_belongs_to_another_user(disk: Disk) -> None:
    """Even where the method is harmless; it says what to type."""
    pair(disk)
    for path in (disk.base / "env", *(disk.base / "env").rglob("*")):
        os.chown(path, UID, UID, follow_symlinks=False)
    before = disk.known()

    done = disk.reclaim(expect=None)

    assert disk.known() == before
    assert disk.sharing() == set()
    assert left(done)["foreign"]
    said = linkpolicy("reclaim", "--dry-run", str(disk.base / "env"), cwd=disk.base)
    text = " ".join((said.out + said.err).split())
    assert f"sudo -u '#{UID}' linkpolicy reclaim {disk.base / 'env'}" in text


@only_root
@pytest.mark.parametrize("what", ["package", "file"])
def test_root_leaves_what_others_can_exchange(ext4: Disk, what: str) -> None:
    _, path = pair(ext4)
    if what == "package":
        path.parent.chmod(0o777)
    else:
        os.chown(path, OTHER_UID, OTHER_UID)
    before = ext4.known()

    done = ext4.reclaim(expect=None)

    unchanged(ext4, before)
    assert path.stat().st_nlink == 1
    assert any(str(path) in paths for paths in left(done).values())


class Theirs:
    """All on a disk belongs to an ordinary user, who reclaims it himself."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self.home = disk.base / "home"
        self.home.mkdir()

    def give(self) -> None:
        for path in (self.disk.base, *self.disk.base.rglob("*")):
            os.chown(path, UID, UID, follow_symlinks=False)

    def reclaim(self, *words: str) -> dict[str, object]:
        import json

        flush(self.disk.base)
        program = [sys.executable, "-m", "uvx_policy.cli", "reclaim", "--yes", "--json"]
        done = subprocess.run(
            as_user([*program, *words, str(self.disk.base)]), cwd=self.disk.base,
            env={"HOME": str(self.home), "PATH": "/usr/bin:/bin",
                 "UV_CACHE_DIR": str(self.disk.cache)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode in (0, 1), done.stderr
        told: dict[str, object] = json.loads(done.stdout)
        return told


@pytest.fixture
def theirs(disk: Disk) -> Theirs:
    return Theirs(disk)


@only_root
def test_an_ordinary_user(theirs: Theirs) -> None:
    """0444 as well, which he may not open for writing."""
    archived, path = pair(theirs.disk)
    for each in (archived.with_name("b.py"), path.with_name("b.py")):
        each.chmod(0o444)
    theirs.give()
    before = theirs.disk.known()

    theirs.reclaim()

    unchanged(theirs.disk, before)
    assert len(theirs.disk.sharing()) == len(FILES)


@only_root
@pytest.mark.parametrize("protected", ["0", "1"])
def test_files_of_others_in_ones_own_environment(theirs: Theirs, protected: str) -> None:
    """With `fs.protected_hardlinks` nobody may link what he may not write; without it, he may."""
    switch = Path("/proc/sys/fs/protected_hardlinks")
    was = switch.read_text()
    disk = theirs.disk
    archived, path = pair(disk)
    theirs.give()
    os.chown(archived, OTHER_UID, OTHER_UID)
    os.chown(path.with_name("b.py"), OTHER_UID, OTHER_UID)
    before = disk.known()
    try:
        switch.write_text(protected)
    except OSError:
        unavailable("fs.protected_hardlinks cannot be set here")
    try:
        told = theirs.reclaim()
    finally:
        switch.write_text(was)

    unchanged(disk, before)
    assert disk.leftovers() == []
    groups = {Path(name).name for group in disk.sharing() for name in group}
    assert "c.py" in groups
    if disk.method == "hardlink":
        assert groups == {"c.py"}
        assert {row["reason"] for row in told["left"]} == {"owner"}  # type: ignore[attr-defined]


@only_root
def test_a_directory_that_cannot_be_written(theirs: Theirs) -> None:
    """A read-only environment: for extents that does not matter, for names it does."""
    disk = theirs.disk
    archived, path = pair(disk)
    theirs.give()
    path.parent.chmod(0o555)
    before = disk.known()

    told = theirs.reclaim()

    unchanged(disk, before)
    assert disk.leftovers() == []
    flush(disk.base)
    if disk.method == "hardlink":
        assert not same_inode(archived, path)
        reasons = {row["reason"]: row["paths"] for row in told["left"]}  # type: ignore[attr-defined]
        assert str(path) in reasons["read-only"]
    else:
        assert physical_ranges(archived) == physical_ranges(path)
    path.parent.chmod(0o755)


@only_root
def test_an_environment_that_cannot_be_read(theirs: Theirs) -> None:
    disk = theirs.disk
    _, path = pair(disk)
    disk.environment("second")
    theirs.give()
    path.chmod(0)
    before = disk.known()

    theirs.reclaim()

    unchanged(disk, before)
    assert path.stat().st_nlink == 1


# What is said ------------------------------------------------------------------------------------

BIG = {f"one/{number}.bin": bytes([number]) * 500_000 + os.urandom(500_000) for number in range(8)}


@pytest.mark.parametrize("kind", ["ext4", "btrfs", "xfs"])
def test_what_is_said_to_be_free_is(
    fs: FileSystems, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    disk = Disk(fs.image(kind), monkeypatch)
    disk.archive(BIG)
    disk.environment("env", BIG)
    before = free(disk)

    done = disk.reclaim()

    saved = sum(map(len, BIG.values()))
    assert saved <= counts(done, "done_bytes") <= saved * 1.02
    assert counts(done, "freed") == pytest.approx(saved, rel=0.05)
    assert free(disk) - before == pytest.approx(saved, rel=0.05)
    assert counts(done, "held") <= saved * 0.05


def free(disk: Disk) -> int:
    flush(disk.base)
    told = os.statvfs(disk.base)
    return told.f_bfree * told.f_frsize


def test_what_a_program_holds_is_said(fs: FileSystems, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(fs.image("ext4"), monkeypatch)
    disk.archive(BIG)
    path = site(disk.environment("env", BIG)) / "one/0.bin"

    with path.open("rb") as stream:
        done = disk.reclaim()

        assert stream.read() == BIG["one/0.bin"]
    assert counts(done, "held") == pytest.approx(len(BIG["one/0.bin"]), rel=0.1)


def test_nothing_is_done_without_a_yes(disk: Disk) -> None:
    pair(disk)
    before = disk.known()

    done = linkpolicy("reclaim", str(disk.base), cwd=disk.base)

    assert done.code == 2
    assert "--yes" in done.err
    assert disk.known() == before
    assert disk.sharing() == set()


def test_it_can_be_undone(ext4: Disk) -> None:
    archived, path = pair(ext4)
    before = {name: (path.parent.parent / name).read_bytes() for name in FILES}
    ext4.reclaim()
    assert same_inode(archived, path)

    undone = linkpolicy("detach", "--no-hackable", "-p", str(ext4.base / "env"), cwd=ext4.base)

    assert undone.code == 0, undone.err
    assert {name: (path.parent.parent / name).read_bytes() for name in FILES} == before
    assert path.stat().st_nlink == archived.stat().st_nlink == 1
