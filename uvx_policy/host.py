"""The one door to the machine: everything a decision reads goes through a `Host`.

Absent is a value (`None`, "absent"); what exists and cannot be read raises `Unreadable`, because
"could not tell" must never become "no". Tests use a `FakeHost` with the same methods.
"""

from __future__ import annotations

import errno
import os
import sys

from uvx_policy.errors import Unreadable
from uvx_policy.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    PathKind: TypeAlias = Literal["file", "directory", "symlink", "other", "absent"]

#: Files larger than this are no configuration (a pyproject.toml of uv's own tests has 0.3 MB).
MAX_TEXT = 4 * 1024 * 1024

#: errno of stat(2) that mean "there is nothing of that name"
_ABSENT = (errno.ENOENT, errno.ENOTDIR)


class Status(Record):
    """What stat(2) or lstat(2) says: the identity and ownership of one path."""

    kind: PathKind
    #: permission bits, `st_mode & 0o7777`
    mode: int
    uid: int
    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int


class Space(Record):
    """What statvfs(3) says, in bytes, and the identity of the file system."""

    free: int
    total: int
    identity: str


class Host:
    """The real machine, seen from one process: its environment variables, cwd, user and files."""

    def __init__(
        self, *, environ: dict[str, str], cwd: str | None = None, platform: str = sys.platform
    ) -> None:
        """`cwd` is absolute; by default the process's own, "" when it has vanished."""
        self.environ = environ
        self.platform = platform
        self.uid = os.geteuid() if hasattr(os, "geteuid") else -1
        if cwd is None:
            try:
                cwd = os.getcwd()
            except OSError:
                cwd = ""
        self.cwd = cwd

    def at(self, *, cwd: str, environ: dict[str, str]) -> Host:
        """The same machine seen from another directory with other environment variables."""
        return Host(environ=environ, cwd=cwd, platform=self.platform)

    def status(self, path: str) -> Status | None:
        """stat(2): of what a symbolic link leads to. `None` when absent or dangling.

        Raises `Unreadable` for everything else, a loop of links (ELOOP) included.
        """
        return self._status(path, follow=True)

    def link_status(self, path: str) -> Status | None:
        """lstat(2): of the path itself. `None` when absent. Raises `Unreadable`."""
        return self._status(path, follow=False)

    def kind(self, path: str) -> PathKind:
        """Kind of what `path` leads to, links followed. Raises `Unreadable`."""
        status = self.status(path)
        return status.kind if status else "absent"

    def link_kind(self, path: str) -> PathKind:
        """Kind of `path` itself: "symlink" for a link. Raises `Unreadable`."""
        status = self.link_status(path)
        return status.kind if status else "absent"

    def read_text(self, path: str) -> str | None:
        """The file as UTF-8 text, `None` when absent. Raises `Unreadable`, also for bad UTF-8."""
        status = self.status(path)
        if status is None:
            return None
        if status.kind != "file":
            raise Unreadable(path, f"is a {status.kind}, not a file")
        if status.size > MAX_TEXT:
            raise Unreadable(path, f"is larger than {MAX_TEXT} bytes")
        try:
            with open(path, "rb") as stream:
                return stream.read(MAX_TEXT + 1).decode("utf-8")
        except OSError as error:
            if error.errno in _ABSENT:
                return None
            raise Unreadable(path, _reason(error)) from error
        except UnicodeDecodeError as error:
            raise Unreadable(path, f"is not UTF-8 (byte {error.start})") from error

    def read_head(self, path: str, size: int) -> bytes:
        """The first `size` bytes of a file. Raises `Unreadable`."""
        try:
            # O_NONBLOCK: a FIFO of that name must not hang us.
            handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _CLOEXEC)
            try:
                return os.read(handle, size)
            finally:
                os.close(handle)
        except OSError as error:
            raise Unreadable(path, _reason(error)) from error

    def list_names(self, path: str) -> tuple[str, ...]:
        """Names in a directory, sorted; empty when absent. Raises `Unreadable`."""
        try:
            return tuple(sorted(os.listdir(path)))
        except OSError as error:
            if error.errno in _ABSENT:
                return ()
            raise Unreadable(path, _reason(error)) from error

    def read_link(self, path: str) -> str:
        """Text of a symbolic link. Raises `Unreadable`."""
        try:
            return os.readlink(path)
        except OSError as error:
            raise Unreadable(path, _reason(error)) from error

    def real_path(self, path: str) -> str:
        """`path` without symbolic links; a missing tail is kept. Raises `Unreadable` for a loop."""
        try:
            self.status(path)
            return os.path.realpath(path)
        except OSError as error:
            raise Unreadable(path, _reason(error)) from error

    def may_write(self, path: str) -> bool:
        """access(2) for writing and searching, which also knows read-only mounts (EROFS)."""
        return os.access(path, os.W_OK | (os.X_OK if self.kind(path) == "directory" else 0))

    def may_execute(self, path: str) -> bool:
        """access(2) for execution, of a regular file."""
        return self.kind(path) == "file" and os.access(path, os.X_OK)

    def space(self, path: str) -> Space | None:
        """Free (for this user) and total bytes of the file system of `path`; `None` if unknown."""
        if self.platform == "win32":
            return self._windows_space(path)
        try:
            told = os.statvfs(path)
        except (OSError, AttributeError):
            return None
        return Space(
            free=told.f_bavail * told.f_frsize,
            total=told.f_blocks * told.f_frsize,
            identity=f"{getattr(told, 'f_fsid', 0):x}-{told.f_blocks:x}",
        )

    def mount_table(self) -> str | None:
        """Text of /proc/self/mountinfo; `None` where there is none. Raises `Unreadable`."""
        if self.platform != "linux":
            return None
        try:
            with open("/proc/self/mountinfo", "rb") as stream:
                return os.fsdecode(stream.read())
        except OSError as error:
            raise Unreadable("/proc/self/mountinfo", _reason(error)) from error

    def bsd_mount_table(self) -> str | None:
        """What `/sbin/mount` prints on macOS; `None` elsewhere. Raises `Unreadable`. Costs 3 ms."""
        if self.platform != "darwin":
            return None
        import subprocess

        try:
            told = subprocess.run(["/sbin/mount"], check=True, capture_output=True, timeout=5)
        except (OSError, subprocess.SubprocessError) as error:
            raise Unreadable("/sbin/mount", str(error)) from error
        return os.fsdecode(told.stdout)

    def mount_id(self, path: str) -> int | None:
        """Id of the mount that `path` lies on (proc_pid_fdinfo(5)); `None` if unknown.

        Exact where the longest matching mount point is not: overmounts, mounts that were moved.
        """
        flags = getattr(os, "O_PATH", None)
        if flags is None:
            return None
        try:
            handle = os.open(path, flags | _CLOEXEC)
            try:
                with open(f"/proc/self/fdinfo/{handle}", "rb") as stream:
                    for line in stream:
                        if line.startswith(b"mnt_id:"):
                            return int(line[7:])
            finally:
                os.close(handle)
        except (OSError, ValueError):
            pass
        return None

    def boot_id(self) -> str:
        """Identity of this boot, "" where unknown. Mount ids are reused after a reboot."""
        try:
            with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:
                return stream.read().strip()
        except OSError:
            return ""

    def unmapped_uid(self) -> int | None:
        """Owner that files of unmapped users, root's among them, have in this user namespace.

        `None` outside of one: there every uid is what it says. In a rootless container or a sandbox
        (user_namespaces(7)) `/` and `/home` belong to this uid, commonly 65534.
        """
        try:
            with open("/proc/self/uid_map", "rb") as stream:
                mapped = stream.read().split()
            if mapped == [b"0", b"0", b"4294967295"]:
                return None
            with open("/proc/sys/kernel/overflowuid", "rb") as stream:
                return int(stream.read())
        except (OSError, ValueError):
            return None

    def _windows_space(self, path: str) -> Space | None:
        import shutil

        try:
            told = shutil.disk_usage(path)
        except OSError:
            return None
        return Space(free=told.free, total=told.total, identity=f"{told.total:x}")

    def _status(self, path: str, *, follow: bool) -> Status | None:
        try:
            told = os.stat(path) if follow else os.lstat(path)
        except OSError as error:
            if error.errno in _ABSENT:
                return None
            raise Unreadable(path, _reason(error)) from error
        except ValueError as error:  # a NUL byte in the path
            raise Unreadable(path, str(error)) from error
        return Status(
            kind=_KINDS.get(told.st_mode & 0o170000, "other"),
            mode=told.st_mode & 0o7777,
            uid=told.st_uid,
            device=told.st_dev,
            inode=told.st_ino,
            size=told.st_size,
            mtime_ns=told.st_mtime_ns,
            ctime_ns=told.st_ctime_ns,
        )


def nearest_existing(host: Host, path: str) -> str:
    """Go up from `path` to the first directory that exists. Raises `Unreadable`."""
    while host.kind(path) != "directory":
        above = os.path.dirname(path)
        if above == path:
            raise Unreadable(path, "no directory above it exists")
        path = above
    return path


_CLOEXEC = getattr(os, "O_CLOEXEC", 0)
#: inode(7): the file type bits of st_mode
_KINDS: dict[int, PathKind] = {0o100000: "file", 0o040000: "directory", 0o120000: "symlink"}


def _reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error)
