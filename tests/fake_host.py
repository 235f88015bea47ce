"""A machine made of a dict: what `Host` says about paths that do not exist.

    FakeHost({"/home/me": Directory(uid=1000), "/home/me/a": File("text"), "/l": Link("/home/me")},
             mounts=[fake_mount("/", "ext4"), fake_mount("/mnt/data", "xfs")], uid=1000)

Parents come by themselves, as directories of root with mode 0755. A directory belongs to a group of
several users, unless it is said; `groups` and `accounts` are the machine's. Whether this user may
write is told by the owner's or the others' bits; his groups, and the permission to search the
directories above, are left out.
"""

from __future__ import annotations

import os
import posixpath
import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

from uvx_policy.accounts import Group
from uvx_policy.errors import Unreadable
from uvx_policy.filesystem.mounts import MountTable, is_read_only, is_within
from uvx_policy.host import Host
from uvx_policy.model import Attributes, FileSystem, Mount, Status

if TYPE_CHECKING:
    from uvx_policy.model import PathKind

GIB = 1024**3
#: free and total bytes where nothing else is said
_ROOMY = (50 * GIB, 100 * GIB)


#: of several users
DEVELOPERS = 200
#: what a machine with user private groups has
GROUPS = {
    0: Group(name="root", members=(), primary_of=("operator", "root"), is_local=True),
    DEVELOPERS: Group(name="dev", members=("me", "you"), primary_of=(), is_local=True),
    1000: Group(name="me", members=(), primary_of=("me",), is_local=True),
    2000: Group(name="you", members=(), primary_of=("you",), is_local=True),
}
ACCOUNTS = {0: "root", 1000: "me", 2000: "you"}


class Directory(NamedTuple):
    uid: int = 0
    mode: int = 0o755
    unreadable: bool = False
    gid: int = DEVELOPERS
    #: entries of its access list, as ("user", 2000, "rwx"); its mask is in `mode`
    access: tuple[tuple[str, int, str], ...] = ()


class File(NamedTuple):
    text: str = ""
    uid: int = 0
    mode: int = 0o644
    unreadable: bool = False


class Link(NamedTuple):
    target: str
    uid: int = 0
    unreadable: bool = False


def fake_mount(point: str, fstype: str = "ext4", *options: str, device: str = "") -> Mount:
    """One row; `device` is by default of its own."""
    return Mount(
        mount_id=zlib.crc32(point.encode()),
        device=device or f"8:{zlib.crc32(point.encode())}",
        root="/",
        point=point,
        options=("rw", *options) if "ro" not in options else options,
        fstype=fstype,
        source=f"/dev/{fstype}",
        super_options=("rw",),
    )


def fake_table(*rows: Mount) -> MountTable:
    """The rows given, the root first; later rows cover earlier ones of the same point."""
    return MountTable(rows=rows, parents=tuple(-1 for _ in rows))


def access_list(*entries: tuple[str, int, str]) -> bytes:
    """As the kernel gives it (posix_acl_xattr.h); entries of the owner and the mask are added.

    The entry of the group that owns it has the tag "group of directory".
    """
    tags = {"user": 0x02, "group of directory": 0x04, "group": 0x08}
    bits = [(tags[tag], _bits(rights), number) for tag, number, rights in entries]
    if all(tag != 0x04 for tag, _, _ in bits):
        bits.append((0x04, 0, 0xFFFFFFFF))
    every = [(0x01, 7, 0xFFFFFFFF), *bits, (0x10, 7, 0xFFFFFFFF), (0x20, 0, 0xFFFFFFFF)]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in sorted(every))


def _bits(rights: str) -> int:
    return sum({"r": 4, "w": 2, "x": 1}.get(letter, 0) for letter in rights)


class FakeHost(Host):
    """Give it paths, mounts, and per mount point its free and total bytes, and its free inodes."""

    def __init__(
        self,
        paths: dict[str, Directory | File | Link] | None = None,
        *,
        mounts: list[Mount] | None = None,
        uid: int = 1000,
        cwd: str = "/",
        environ: dict[str, str] | None = None,
        platform: str = "linux",
        space: dict[str, tuple[int, int]] | None = None,
        unmapped_uid: int | None = None,
        boot_id: str = "boot",
        files: dict[str, int] | None = None,
        groups: dict[int, Group] | None = None,
        accounts: dict[int, str] | None = None,
    ) -> None:
        super().__init__(environ=dict(environ or {}), cwd=cwd, platform=platform)
        self.uid = uid
        self.mounts = mounts if mounts is not None else [fake_mount("/")]
        self._space = space or {}
        self._files = files or {}
        self._unmapped_uid = unmapped_uid
        self._boot_id = boot_id
        self._groups = GROUPS if groups is None else groups
        self._accounts = ACCOUNTS if accounts is None else accounts
        self.paths: dict[str, Directory | File | Link] = {"/": Directory()}
        for path, node in (paths or {}).items():
            self.add(path, node)

    def __repr__(self) -> str:
        return f"FakeHost({self.paths}, mounts={self.mounts}, uid={self.uid}, cwd={self.cwd!r})"

    def add(self, path: str, node: Directory | File | Link) -> None:
        """Put something there, with its parents."""
        above = posixpath.dirname(path)
        if above != path and above not in self.paths:
            self.add(above, Directory())
        self.paths[path] = node

    @property
    def table(self) -> MountTable:
        return fake_table(*self.mounts)

    def at(self, *, cwd: str) -> FakeHost:
        other = FakeHost(
            mounts=self.mounts, uid=self.uid, cwd=cwd, environ=self.environ, platform=self.platform,
            space=self._space, unmapped_uid=self._unmapped_uid, boot_id=self._boot_id,
            files=self._files, groups=self._groups, accounts=self._accounts,
        )  # fmt: skip
        other.paths = self.paths
        return other

    def read_text(self, path: str) -> str | None:
        node = self._node(self.real_path(path), path)
        if node is None:
            return None
        if not isinstance(node, File):
            raise Unreadable(path, "is a directory, not a file")
        return node.text

    def read_head(self, path: str, size: int) -> bytes:
        text = self.read_text(path)
        if text is None:
            raise Unreadable(path, os.strerror(2))
        return text.encode()[:size]

    def list_names(self, path: str) -> tuple[str, ...]:
        real = self.real_path(path)
        if isinstance(self._node(real, path), File):
            raise Unreadable(path, os.strerror(20))
        below = real.rstrip("/") + "/"
        inside = (other[len(below) :] for other in self.paths if other.startswith(below))
        return tuple(sorted({name.split("/")[0] for name in inside} - {""}))

    def read_link(self, path: str) -> str:
        node = self._node(self._parent_resolved(path), path)
        if not isinstance(node, Link):
            raise Unreadable(path, os.strerror(22))
        return node.target

    def real_path(self, path: str) -> str:
        return self._resolve(path, path)

    def may_write(self, path: str) -> bool:
        status = self.status(path)
        mount = self._mount(self.real_path(path))
        if status is None or (mount and is_read_only(mount)):
            return False
        bits = status.mode >> 6 if status.uid == self.uid else status.mode
        needed = 0o3 if status.kind == "directory" else 0o2
        return self.uid == 0 or bits & needed == needed

    def may_execute(self, path: str) -> bool:
        status = self.status(path)
        return status is not None and status.kind == "file" and bool(status.mode & 0o111)

    def file_system(self, path: str) -> FileSystem | None:
        mount = self._mount(self.real_path(path))
        if mount is None:
            return None
        _, total = self._space.get(mount.point, _ROOMY)
        return FileSystem(total=total, identity=f"{mount.device}-{total}")

    def attributes(self, directory: str) -> Attributes | None:  # noqa: ARG002
        return None

    def access_list(self, path: str) -> bytes:
        node = self._node(self.real_path(path), path)
        entries = node.access if isinstance(node, Directory) else ()
        return access_list(*entries) if entries else b""

    def group(self, gid: int) -> Group | None:
        return self._groups.get(gid)

    def account(self, uid: int) -> str:
        return self._accounts.get(uid, "")

    def free_bytes(self, path: str, *, needed: int) -> int:  # noqa: ARG002
        mount = self._mount(self.real_path(path))
        return self._space.get(mount.point, _ROOMY)[0] if mount else -1

    def free_files(self, path: str, *, needed: int) -> tuple[int, int] | None:
        mount = self._mount(self.real_path(path))
        free = self._files.get(mount.point) if mount else None
        return None if free is None else (free, needed // 16384)

    def mount_table(self) -> str | None:
        if self.platform != "linux":
            return None
        return "".join(
            f"{row.mount_id} 0 {row.device} {row.root} {row.point} {','.join(row.options)} -"
            f" {row.fstype} {row.source} {','.join(row.super_options)}\n"
            for row in self.mounts
        )

    def mount_id(self, path: str) -> int | None:
        mount = self._mount(self.real_path(path))
        return mount.mount_id if mount else None

    def mount_identity(self, path: str) -> str:
        return f"mount {self.mount_id(path)}"

    def boot_id(self) -> str:
        return self._boot_id

    def unmapped_uid(self) -> int | None:
        return self._unmapped_uid

    def _status(self, path: str, *, follow: bool) -> Status | None:
        real = self.real_path(path) if follow else self._parent_resolved(path)
        node = self._node(real, path)
        if node is None:
            return None
        kinds: dict[type, PathKind] = {File: "file", Link: "symlink", Directory: "directory"}
        mount = self._mount(real)
        return Status(
            kind=kinds[type(node)],
            mode=0o777 if isinstance(node, Link) else node.mode,
            uid=node.uid,
            gid=node.gid if isinstance(node, Directory) else node.uid,
            device=mount.mount_id if mount else 0,
            inode=1 + list(self.paths).index(real),
            size=len(node.text) if isinstance(node, File) else 0,
            mtime_ns=1,
            ctime_ns=1,
        )

    def _node(self, real: str, asked: str) -> Directory | File | Link | None:
        node = self.paths.get(real)
        if node is not None and node.unreadable:
            raise Unreadable(asked, os.strerror(13))
        return node

    def _mount(self, real: str) -> Mount | None:
        on_the_way = [row for row in self.mounts if is_within(real, row.point)]
        return max(on_the_way, key=lambda row: len(row.point), default=None)

    def _parent_resolved(self, path: str) -> str:
        above, name = posixpath.split(posixpath.normpath(path))
        return posixpath.join(self._resolve(above, path), name) if name else above

    def _resolve(self, path: str, asked: str, depth: int = 0) -> str:
        if depth > 40:
            raise Unreadable(asked, os.strerror(40))
        here = "/"
        names = [name for name in path.split("/") if name not in ("", ".")]
        for index, name in enumerate(names):
            if name == "..":
                here = posixpath.dirname(here)
                continue
            at = posixpath.join(here, name)
            node = self.paths.get(at)
            if isinstance(node, Link):
                rest = posixpath.join(node.target, *names[index + 1 :])
                return self._resolve(posixpath.join(here, rest), asked, depth + 1)
            here = at
        return here
