"""The mount table: which file system does a path lie on, and may a cache be put there. Pure.

`st_dev` answers neither question: bind mounts share it and refuse link(2), btrfs subvolumes differ
in it and clone all the same.
"""

from __future__ import annotations

from uvx_policy.errors import Unreadable
from uvx_policy.model import Mount
from uvx_policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from uvx_policy.host import Host


class MountTable(Value):
    """The mounts of this process's mount namespace, in the kernel's order."""

    rows: tuple[Mount, ...]
    #: for each row the id of the mount that its mount point lies on (-1: not told)
    parents: tuple[int, ...]

    def find(self, path: str, mount_id: int | None = None) -> Mount | None:
        """Find the mount that `path` lies on; `None` when the table does not tell.

        `path` is absolute and without symbolic links. `mount_id` (`Host.mount_id`) is exact and
        wins; without it the table is walked from its root as the kernel walks the path, so that
        what lies hidden below a later mount is not found. Rows of one mount point: the later wins.
        """
        if mount_id is not None:
            # A mount that is not in the table (detached, another namespace) is not told.
            return next((row for row in self.rows if row.mount_id == mount_id), None)
        known = {row.mount_id for row in self.rows}
        on_the_way = [
            (row, parent if parent in known and parent != row.mount_id else -1)
            for row, parent in zip(self.rows, self.parents, strict=True)
            if is_within(path, row.point)
        ]
        # Where the walk begins: a row whose parent is not in the table (chroot: not even "/").
        here = _deepest([row for row, parent in on_the_way if parent == -1])
        for _ in on_the_way:
            above = here
            nearer = [row for row, parent in on_the_way if above and parent == above.mount_id]
            # The first mount point on the way is the one that the kernel crosses.
            shortest = min((len(row.point) for row in nearer), default=0)
            here = _deepest([row for row in nearer if len(row.point) == shortest]) or here
            if here is above:
                break
        return here


class AskedMounts(MountTable):
    """The mounts of macOS, where statfs(2) tells of each path what it lies on."""

    host: Host

    def find(self, path: str, mount_id: int | None = None) -> Mount | None:  # noqa: ARG002
        """Find the mount that `path` (it exists) lies on; `None` when nobody tells.

        Its `point` is the topmost directory above `path` that lies on it: a firmlink such as
        `/Users`, which leads from the sealed system volume to the one with the data, is one.
        """
        mount = self.host.mount_at(path)
        if mount is None:
            return None
        point = path
        while point not in ("/", mount.point):
            above = point.rpartition("/")[0] or "/"
            told = self.host.mount_at(above)
            if told is None or told.device != mount.device:
                break
            point = above
        return mount.replace(point=point)


def _deepest(rows: list[Mount]) -> Mount | None:
    return max(reversed(rows), key=lambda row: len(row.point), default=None)


def is_within(path: str, directory: str) -> bool:
    """Is `path` the directory itself or below it? Both absolute, without a slash at the end."""
    separator = "\\" if "\\" in directory and "/" not in directory else "/"
    return path == directory or path.startswith(directory.rstrip("/\\") + separator)


def read_mount_table(host: Host) -> MountTable | None:
    """Read the table of this machine; `None` where there is none (Windows). Raises `Unreadable`."""
    text = host.mount_table()
    if text is not None:
        return parse_mountinfo(text)
    rows = host.all_mounts()
    return None if rows is None else AskedMounts(rows=rows, parents=(-1,) * len(rows), host=host)


def parse_mountinfo(text: str) -> MountTable:
    """Read /proc/PID/mountinfo, see proc_pid_mountinfo(5).

    A row: `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue`;
    the number of optional fields before the dash varies.
    Raises `Unreadable` for a row of any other shape: half a table would give wrong answers.
    """
    rows = []
    parents = []
    for line in text.split("\n"):
        if not line:
            continue
        # By one blank and not by white space: the source may be empty.
        fields = line.split(" ")
        try:
            dash = fields.index("-", 6)
            row = Mount(
                mount_id=int(fields[0]),
                device=fields[2],
                root=_unescape(fields[3]),
                point=_unescape(fields[4]),
                options=tuple(fields[5].split(",")),
                fstype=_unescape(fields[dash + 1]),
                source=_unescape(fields[dash + 2]),
                super_options=tuple(fields[dash + 3].split(",")),
            )
            parents.append(int(fields[1]))
        except (ValueError, IndexError):
            raise Unreadable("/proc/self/mountinfo", f"unknown row {line!r}") from None
        rows.append(row)
    return MountTable(rows=tuple(rows), parents=tuple(parents))


def _unescape(text: str) -> str:
    """Undo the kernel's mangle(): blank, tab, newline, backslash and "#" as three octal digits.

    Raises `ValueError` for a backslash that the kernel cannot have written.
    """
    if "\\" not in text:
        return text
    first, *others = text.split("\\")
    return first + "".join(chr(int(part[:3], 8)) + part[3:] for part in others)


_NOT_LOCAL = "not-local"


# Why no cache may be put there. Each returns a reason for people, "" when there is none.


def why_unfit(mount: Mount) -> str:
    """Give the first reason of all below, "" for a local, lasting, writable file system."""
    return (
        why_volatile(mount)
        or why_network(mount)
        or why_fuse(mount)
        or why_overlay(mount)
        or why_read_only(mount)
        or why_noexec(mount)
        or why_unknown(mount)
    )


def why_volatile(mount: Mount) -> str:
    """Gone after a reboot, or no storage at all."""
    if mount.fstype in _VOLATILE:
        return _kind(mount, "its files do not outlive a reboot")
    return _kind(mount, "it does not store files") if mount.fstype in _NO_STORAGE else ""


def why_network(mount: Mount) -> str:
    """On another machine, or shared with one (virtiofs, 9p: the host of a virtual machine)."""
    is_shared = mount.fstype in _NETWORK or _NOT_LOCAL in mount.options
    return _kind(mount, "a network or shared file system") if is_shared else ""


def why_fuse(mount: Mount) -> str:
    """Of FUSE, served by a process: its locks and links are whatever that process makes them."""
    kinds = ("fuse", "fuseblk", "macfuse", "osxfuse")
    is_fuse = mount.fstype in kinds or mount.fstype.startswith("fuse.")
    return _kind(mount, "a FUSE file system") if is_fuse else ""


def why_overlay(mount: Mount) -> str:
    """Of a container's layers: what is written there goes away with the container."""
    is_overlay = mount.fstype in ("overlay", "overlayfs", "aufs", "unionfs", "shiftfs")
    return _kind(mount, "the layers of a container") if is_overlay else ""


def why_read_only(mount: Mount) -> str:
    """Read-only, either this mount or the whole file system."""
    return f"`{mount.point}` is mounted read-only" if is_read_only(mount) else ""


def why_noexec(mount: Mount) -> str:
    """Of `noexec`: uv runs tools, scripts' environments and builds out of its cache."""
    return f"`{mount.point}` is mounted noexec" if "noexec" in mount.options else ""


def why_unknown(mount: Mount) -> str:
    """Not a file system that is known to be local and lasting: new, or from another vendor."""
    return "" if mount.fstype in _LOCAL else _kind(mount, "not known to be a local disk")


def is_read_only(mount: Mount) -> bool:
    """Nothing can be written below this mount point."""
    return "ro" in mount.options or "ro" in mount.super_options


def _kind(mount: Mount, what: str) -> str:
    return f"`{mount.point}` is {mount.fstype}: {what}"


#: no two files can share a block there
NEVER_SHARE = frozenset((
    "exfat", "ext2", "ext3", "ext4", "iso9660", "msdos", "ramfs", "squashfs", "tmpfs", "vfat",
))  # fmt: skip
_VOLATILE = frozenset(("devtmpfs", "ramfs", "rootfs", "tmpfs"))
_NO_STORAGE = frozenset((
    "autofs", "binfmt_misc", "bpf", "cd9660", "cgroup", "cgroup2", "configfs", "cramfs",
    "debugfs", "devfs", "devpts", "efivarfs", "erofs", "fusectl", "hugetlbfs", "iso9660",
    "mqueue", "nsfs", "proc", "procfs", "pstore", "rpc_pipefs", "securityfs", "selinuxfs",
    "squashfs", "sysfs", "tracefs",
))  # fmt: skip
_NETWORK = frozenset((
    "9p", "acfs", "afpfs", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "drvfs",
    "fakeowner", "gfs", "gfs2", "glusterfs", "gpfs", "hgfs", "lustre", "ncpfs", "nfs", "nfs3",
    "nfs4", "ocfs2", "orangefs", "panfs", "prl_fs", "pvfs2", "smb2", "smb3", "smbfs",
    "vboxsf", "virtiofs", "vmhgfs", "webdav", "wekafs",
))  # fmt: skip
_LOCAL = frozenset((
    "apfs", "bcachefs", "btrfs", "exfat", "ext2", "ext3", "ext4", "f2fs", "ffs", "hfs",
    "hfsplus", "jfs", "msdos", "nilfs2", "ntfs", "ntfs3", "refs", "reiserfs", "udf", "ufs",
    "vfat", "xfs", "zfs",
))  # fmt: skip
