from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uvx_policy.errors import Unreadable
from uvx_policy.filesystem import mounts
from uvx_policy.filesystem.mounts import MountTable, parse_mountinfo
from uvx_policy.host import Host
from uvx_policy.model import Mount

#: captured on a Linux 6.18 machine and shortened; the last two rows show the kernel's escapes
CAPTURED = r"""22 27 0:21 / /proc rw,relatime - proc proc rw
24 27 0:6 / /dev rw,relatime - devtmpfs devtmpfs rw,size=12334524k,nr_inodes=3083631,mode=755
25 24 0:23 / /dev/shm rw,relatime - tmpfs tmpfs rw,size=24684096k
26 24 0:24 / /dev/pts rw,relatime - devpts devpts rw,mode=600,ptmxmode=000
27 1 254:0 / / rw,relatime shared:1 master:2 - ext4 /dev/vda rw,discard
28 27 0:25 / /opt/tools ro,nosuid,nodev,relatime - tmpfs tools ro,size=4k,mode=755
29 26 0:26 / /dev/pts rw,relatime - devpts devpts rw,mode=600,ptmxmode=000
43 27 0:39 /@work /mnt/work rw,relatime - btrfs /dev/loop0 rw,subvolid=256,subvol=/@work
44 27 7:2 /a\040b /mnt/with\040blank\011tab\134slash rw,relatime - ext4 /dev/loop2 rw
45 27 0:40 / /mnt/remote rw,relatime - fuse.sshfs  rw,user_id=0
"""


def mount(mount_id: int = 1, point: str = "/", fstype: str = "ext4", **fields: object) -> Mount:
    values: dict[str, object] = {
        "device": f"8:{mount_id}",
        "root": "/",
        "options": ("rw",),
        "source": "/dev/sda",
        "super_options": ("rw",),
        **fields,
    }
    return Mount(mount_id=mount_id, point=point, fstype=fstype, **values)  # type: ignore[arg-type]


def table(*rows: tuple[int, int, str]) -> MountTable:
    return MountTable(
        rows=tuple(mount(mount_id, point) for mount_id, _, point in rows),
        parents=tuple(parent for _, parent, _ in rows),
    )


def test_every_field_of_a_row_is_read() -> None:
    row = parse_mountinfo(CAPTURED).rows[7]

    assert row == Mount(
        mount_id=43,
        device="0:39",
        root="/@work",
        point="/mnt/work",
        options=("rw", "relatime"),
        fstype="btrfs",
        source="/dev/loop0",
        super_options=("rw", "subvolid=256", "subvol=/@work"),
    )


def test_optional_fields_may_be_any_number() -> None:
    row = parse_mountinfo(CAPTURED).rows[4]

    assert (row.fstype, row.source, row.super_options) == ("ext4", "/dev/vda", ("rw", "discard"))


def test_octal_escapes_of_the_kernel_are_undone() -> None:
    row = parse_mountinfo(CAPTURED).rows[8]

    assert (row.root, row.point) == ("/a b", "/mnt/with blank\ttab\\slash")


def test_an_empty_source_is_kept() -> None:
    row = parse_mountinfo(CAPTURED).rows[9]

    assert (row.fstype, row.source) == ("fuse.sshfs", "")


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("36 35 98:0 / /mnt rw", id="no dash"),
        pytest.param("36 35 98:0 / /mnt rw - ext4 /dev/sda", id="no super options"),
        pytest.param("x 35 98:0 / /mnt rw - ext4 /dev/sda rw", id="id is no number"),
        pytest.param("36 35 98:0 / /mnt\\9 rw - ext4 /dev/sda rw", id="escape is no octal"),
    ],
)
def test_a_row_of_another_shape_makes_the_table_unreadable(line: str) -> None:
    with pytest.raises(Unreadable, match="unknown row"):
        parse_mountinfo(CAPTURED + line)


@pytest.mark.parametrize(
    ("path", "mount_id"),
    [
        pytest.param("/", 27, id="the root"),
        pytest.param("/home/me", 27, id="on the root"),
        pytest.param("/mnt/work", 43, id="the mount point itself"),
        pytest.param("/mnt/work/p/.venv", 43, id="below"),
        pytest.param("/mnt/workshop", 27, id="a longer name is not below"),
        pytest.param("/dev/pts/0", 29, id="the later of two rows covers the earlier"),
        pytest.param("/dev/null", 24, id="nested"),
    ],
)
def test_a_path_lies_on_the_mount_of_its_nearest_mount_point(path: str, mount_id: int) -> None:
    found = parse_mountinfo(CAPTURED).find(path)

    assert found
    assert found.mount_id == mount_id


def test_the_id_is_believed_before_the_path() -> None:
    found = parse_mountinfo(CAPTURED).find("/dev/pts", 26)

    assert found
    assert found.mount_id == 26


def test_an_id_that_the_table_does_not_have_tells_nothing() -> None:
    assert parse_mountinfo(CAPTURED).find("/dev/pts", 4711) is None


def test_a_later_mount_hides_those_below_its_mount_point() -> None:
    hidden = table((1, 0, "/"), (2, 1, "/a/b"), (3, 1, "/a"))

    found = hidden.find("/a/b/c")

    assert found
    assert found.mount_id == 3


def test_a_mount_above_a_hidden_one_is_found_whatever_the_order_of_rows() -> None:
    reversed_order = table((4, 3, "/a/b"), (3, 1, "/a"), (2, 1, "/a/b"), (1, 0, "/"))

    found = reversed_order.find("/a/b/c")

    assert found
    assert found.mount_id == 4


def test_two_rows_of_one_mount_point_and_one_parent_the_later_wins() -> None:
    found = table((1, 0, "/"), (2, 1, "/a"), (3, 1, "/a")).find("/a/x")

    assert found
    assert found.mount_id == 3


def test_a_table_without_a_root_row_still_answers() -> None:
    chroot = table((7, 1, "/proc"), (8, 2, "/data"))

    found = chroot.find("/data/x")

    assert found
    assert found.mount_id == 8
    assert chroot.find("/etc") is None


def test_the_table_of_this_machine_agrees_with_the_kernel_on_every_mount_point() -> None:
    host = Host(environ={}, platform="linux")
    try:
        read = mounts.read_mount_table(host)
    except Unreadable:
        pytest.skip("no /proc/self/mountinfo")
    assert read
    asked = [(row.point, host.mount_id(row.point)) for row in read.rows if os.path.isdir(row.point)]

    by_walking = [(path, read.find(path)) for path, _ in asked]

    assert [(path, row.mount_id if row else None) for path, row in by_walking] == asked


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        pytest.param(mount(fstype="tmpfs"), "do not outlive a reboot", id="tmpfs"),
        pytest.param(mount(fstype="ramfs"), "do not outlive a reboot", id="ramfs"),
        pytest.param(mount(fstype="devtmpfs"), "do not outlive a reboot", id="devtmpfs"),
        pytest.param(mount(fstype="proc"), "it does not store files", id="proc"),
        pytest.param(mount(fstype="nfs4"), "network", id="nfs"),
        pytest.param(mount(fstype="smb3"), "network", id="smb"),
        pytest.param(mount(fstype="9p"), "network", id="a Windows drive in WSL 2"),
        pytest.param(mount(fstype="virtiofs"), "network", id="the host of a virtual machine"),
        pytest.param(mount(fstype="lustre"), "network", id="lustre"),
        pytest.param(mount(fstype="fuse.sshfs"), "FUSE", id="sshfs"),
        pytest.param(mount(fstype="fuseblk"), "FUSE", id="ntfs-3g"),
        pytest.param(mount(fstype="overlay"), "layers of a container", id="overlay"),
        pytest.param(mount(options=("ro", "relatime")), "read-only", id="read-only mount"),
        pytest.param(mount(super_options=("ro",)), "read-only", id="read-only file system"),
        pytest.param(mount(options=("rw", "noexec")), "noexec", id="noexec"),
        pytest.param(mount(fstype="newfs"), "not known to be a local disk", id="never heard of"),
    ],
)
def test_a_mount_unfit_for_a_cache_says_why(row: Mount, reason: str) -> None:
    why = mounts.why_unfit(row)

    assert reason in why
    assert row.point in why


@pytest.mark.parametrize("fstype", ["ext4", "xfs", "btrfs", "zfs", "f2fs", "apfs", "bcachefs"])
def test_a_writable_local_file_system_is_fit(fstype: str) -> None:
    assert mounts.why_unfit(mount(fstype=fstype)) == ""


@pytest.mark.parametrize(
    ("path", "directory", "expected"),
    [
        ("/a/b", "/a", True),
        ("/a", "/a", True),
        ("/ab", "/a", False),
        ("/a", "/a/b", False),
        ("/a", "/", True),
        ("D:\\a\\b", "D:\\a", True),
        ("D:\\ab", "D:\\a", False),
        ("D:\\ab", "D:\\", True),
    ],
)
def test_being_within_a_directory_is_about_whole_names(
    path: str, directory: str, expected: bool
) -> None:
    assert mounts.is_within(path, directory) is expected


names = st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1, max_size=6)


@given(st.lists(names, min_size=1, max_size=4))
def test_every_mount_point_survives_the_kernels_escapes(parts: list[str]) -> None:
    point = "/" + "/".join(parts)
    mangled = "".join(f"\\{ord(sign):03o}" if sign in " \t\n\\#" else sign for sign in point)

    read = parse_mountinfo(f"36 35 98:0 / {mangled} rw - ext4 /dev/sda rw\n")

    assert read.rows[0].point == point
