"""The one door to the machine: everything a decision reads goes through a `Host`.

As it reads, it collects the witnesses: what was seen, so that it can be seen again and compared
(`replay.witness`). Whoever adds a method here adds its witness.

Absent is a value (`None`, "absent"); what exists and cannot be read raises `Unreadable`, because
"could not tell" must never become "no". Tests use a `FakeHost` with the same methods.
"""

from __future__ import annotations

import errno
import os
import sys
from time import time_ns

from uvx_policy import accounts
from uvx_policy.errors import Unreadable
from uvx_policy.model import Attributes, FileSystem, Status
from uvx_policy.replay import witness
from uvx_policy.replay.key import Variables

TYPE_CHECKING = False
if TYPE_CHECKING:
    from uvx_policy.accounts import Group
    from uvx_policy.model import Mount, PathKind

#: Files larger than this are no configuration (a pyproject.toml of uv's own tests has 0.3 MB).
MAX_TEXT = 4 * 1024 * 1024

_MOST_LINKS = 40
#: errno of stat(2) that mean "there is nothing of that name"
_ABSENT = (errno.ENOENT, errno.ENOTDIR)


class Host:
    """The real machine, seen from one process: its environment variables, cwd, user and files.

    On Windows it is `OnWindows` as well, on macOS `OnMacOS`.
    """

    def __new__(cls, *_: object, **__: object) -> Host:  # noqa: PYI034 (of another class)
        """See `__init__`."""
        if sys.platform != "linux":
            from uvx_policy.host_elsewhere import mixed

            return object.__new__(mixed(cls))
        return object.__new__(cls)

    def __init__(
        self, *, environ: dict[str, str], cwd: str | None = None, platform: str = sys.platform
    ) -> None:
        """`cwd` is absolute; by default the process's own, "" when it has vanished."""
        self.environ = Variables(environ)
        self.witnesses = witness.Witnesses(time_ns())
        self.platform = platform
        self.uid = os.geteuid() if hasattr(os, "geteuid") else -1
        if cwd is None:
            try:
                cwd = os.getcwd()
            except OSError:
                cwd = ""
        self.cwd = cwd

    def at(self, *, cwd: str) -> Host:
        """The same machine seen from another directory."""
        other = Host(environ=self.environ, cwd=cwd, platform=self.platform)
        other.witnesses = self.witnesses
        return other

    @property
    def user(self) -> str:
        """What tells this user from others: the uid, on Windows the SID; "" when unknown."""
        return str(self.uid)

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
        # The status before the content: what changes in between is a witness that never holds.
        status = self.status(path)
        if status is None:
            return None
        if status.kind != "file":
            raise Unreadable(path, f"is a {status.kind}, not a file")
        if status.size > MAX_TEXT:
            raise Unreadable(path, f"is larger than {MAX_TEXT} bytes")
        try:
            with open(path, "rb") as stream:
                content = stream.read(MAX_TEXT + 1)
            # Beside the status: FAT and sshfs keep no ctime of their own, and whether a file may be
            # read is also a question of the process's groups.
            self.witnesses.add("c", path, witness.content_sight(content))
            return content.decode("utf-8")
        except OSError as error:
            raise self._unreadable(path, error) from error
        except UnicodeDecodeError as error:
            raise Unreadable(path, f"is not UTF-8 (byte {error.start})") from error

    def read_head(self, path: str, size: int) -> bytes:
        """The first `size` bytes of a file. Raises `Unreadable`."""
        self.status(path)
        try:
            # O_NONBLOCK: a FIFO of that name must not hang us.
            handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _CLOEXEC)
            try:
                return os.read(handle, size)
            finally:
                os.close(handle)
        except OSError as error:
            raise self._unreadable(path, error) from error

    def list_names(self, path: str) -> tuple[str, ...]:
        """Names in a directory, sorted; empty when absent. Raises `Unreadable`."""
        try:
            names = os.listdir(path)
        except OSError as error:
            if error.errno in _ABSENT:
                self.witnesses.add("n", path, "-")
                return ()
            raise self._unreadable(path, error) from error
        self.witnesses.add("n", path, witness.names_sight(names))
        return tuple(sorted(names))

    def read_link(self, path: str) -> str:
        """Text of a symbolic link. Raises `Unreadable`."""
        try:
            text = os.readlink(path)
        except OSError as error:
            raise self._unreadable(path, error) from error
        self.witnesses.add("r", path, witness.content_sight(os.fsencode(text)))
        return text

    def real_path(self, path: str) -> str:
        """`path` without symbolic links; a missing tail is kept. Raises `Unreadable` for a loop."""
        self.status(path)
        here = "/"
        to_go = os.path.join(self.cwd, path).split("/")[::-1]
        links = 0
        # Not os.path.realpath: each component that it looks at is a witness.
        while to_go:
            name = to_go.pop()
            if name == "..":
                here = os.path.dirname(here)
            elif name not in ("", "."):
                at = os.path.join(here, name)
                told = self._stat(at, follow=False)
                if told is not None and told.st_mode & 0o170000 == _LINK:
                    links += 1
                    if links > _MOST_LINKS:  # re-pointed while we follow it: no loop a moment ago
                        raise Unreadable(path, "too many symbolic links")
                    target = self.read_link(at)
                    here = "/" if target.startswith("/") else here
                    to_go += target.split("/")[::-1]
                else:
                    here = at
        return here

    def may_write(self, path: str) -> bool:
        """access(2) for writing and searching, which also knows read-only mounts (EROFS)."""
        return self._may(path, os.W_OK | (os.X_OK if self.kind(path) == "directory" else 0))

    def may_execute(self, path: str) -> bool:
        """access(2) for execution, of a regular file."""
        return self.kind(path) == "file" and self._may(path, os.X_OK)

    def file_system(self, path: str) -> FileSystem | None:
        """The file system of `path`; `None` if unknown."""
        try:
            status = os.statvfs(path)
        except (OSError, AttributeError):
            self.witnesses.add("v", path, "-")
            return None
        sight = witness.file_system_sight(status)
        self.witnesses.add("v", path, sight)
        return FileSystem(total=witness.size_of(status), identity=sight)

    def attributes(self, directory: str) -> Attributes | None:
        """What new files in a directory inherit (Linux); `None`: not told. Raises `Unreadable`."""
        try:
            told = witness.attributes_of(directory)
        except OSError as error:
            raise self._unreadable(directory, error) from error
        self.witnesses.add("d", directory, witness.attributes_sight(told))
        return Attributes.of(told) if told else None

    def access_list(self, path: str) -> bytes:
        """The POSIX access list of a directory (acl(5)), as Linux keeps it; b"" where none is.

        On Windows owner and access list, for `windows.descriptor.parse`. Raises `Unreadable`.
        """
        try:
            told = witness.access_list_of(path)
        except OSError as error:
            raise self._unreadable(path, error) from error
        self.witnesses.add("x", path, witness.access_list_sight(told))
        return told

    def group(self, gid: int) -> Group | None:
        """The group of this number, `None` for none. Raises `Unreadable`."""
        passwd, group, _ = [self._database(path) for path in _ACCOUNTS]
        told = accounts.read_group(gid, uid=self.uid, passwd=passwd, group=group)
        if told is not None and not told.is_local and told.name == self.account(self.uid):
            # Whoever else gets into it: no file here changes with it.
            self.witnesses.spoil(f"the group `{told.name}` is that of a directory service")
        return told

    def account(self, uid: int) -> str:
        """Name of the user of this number, "" for none. Raises `Unreadable`."""
        self._database(_ACCOUNTS[0])
        return accounts.account(uid)

    def free_bytes(self, path: str, *, needed: int) -> int:
        """Bytes that are free for us at `path`, -1 if unknown.

        They change all the time: a decision may depend only on whether `needed` are free.
        """
        try:
            told = os.statvfs(path)
        except (OSError, AttributeError):
            self.witnesses.add(f"f{needed:x}", path, "-")
            return -1
        self.witnesses.add(f"f{needed:x}", path, witness.room_sight(told, needed))
        return told.f_bavail * told.f_frsize

    def free_files(self, path: str, *, needed: int) -> tuple[int, int] | None:
        """How many more files can be made at `path`, and how many `needed` bytes of a cache are.

        `None` where nobody counts them. A decision may depend only on whether they are enough.
        """
        if self.free_bytes(path, needed=needed) < 0:
            return None
        try:
            free = witness.free_files(os.statvfs(path))
        except OSError:
            return None
        return None if free is None else (free, witness.files_in(needed))

    def mount_table(self) -> str | None:
        """Text of /proc/self/mountinfo; `None` where there is none. Raises `Unreadable`."""
        # No witness, for it changes all the time: `mount_id` gives one for each row that counts.
        if self.platform != "linux":
            return None
        try:
            content = _whole(_MOUNT_TABLE)
        except OSError as error:
            raise self._unreadable(_MOUNT_TABLE, error) from error
        # A row that is gone by the time of `mount_id` could be taken for another with its id.
        self.witnesses.add_meanwhile("c", _MOUNT_TABLE, witness.content_sight(content))
        return os.fsdecode(content)

    def all_mounts(self) -> tuple[Mount, ...] | None:
        """All, no witness, where `mount_at` tells (macOS); else `None`. Raises `Unreadable`."""
        return None

    def mount_at(self, path: str) -> Mount | None:  # noqa: ARG002
        """The mount of an existing path, where `mount_table` does not tell; `None` if unknown."""
        return None

    def mount_id(self, path: str) -> int | None:
        """Id of the mount that `path` lies on (proc_pid_fdinfo(5)); `None` if unknown.

        Exact where the longest matching mount point is not: overmounts, mounts that were moved.
        Its witness tells the mount from all others; how it is mounted is asked of `file_system`.
        """
        flags = getattr(os, "O_PATH", None)
        if flags is None:
            return None
        self.mount_identity(path)
        try:
            handle = os.open(path, flags | _CLOEXEC)
            try:
                for line in _whole(f"/proc/self/fdinfo/{handle}").split(b"\n"):
                    if line.startswith(b"mnt_id:"):
                        return int(line[7:])
            finally:
                os.close(handle)
        except (OSError, ValueError):
            pass
        self._content(_MOUNT_TABLE)  # it takes more than one row then to tell
        return None

    def mount_identity(self, path: str) -> str:
        """Tell the mount from all others of this boot (`witness.mount_sight`); "" if unknown."""
        sight = witness.mount_sight(witness.statx(path))
        if sight == witness.BLURRED:
            self.witnesses.spoil(f"the mount of `{path}` cannot be told from others")
            return ""
        self.witnesses.add("m", path, sight)
        if not witness.tells_mount(sight):
            self._content(_MOUNT_TABLE)
        self.boot_id()
        return sight

    def boot_id(self) -> str:
        """Identity of this boot, "" where unknown. Mount ids are used again after a reboot."""
        return self._content("/proc/sys/kernel/random/boot_id").decode("ascii", "replace").strip()

    def unmapped_uid(self) -> int | None:
        """Owner that files of unmapped users, root's among them, have in this user namespace.

        `None` outside of one: there every uid is what it says. In a rootless container or a sandbox
        (user_namespaces(7)) `/` and `/home` belong to this uid, commonly 65534.
        """
        try:
            if self._content("/proc/self/uid_map").split() == [b"0", b"0", b"4294967295"]:
                return None
            return int(self._content("/proc/sys/kernel/overflowuid"))
        except ValueError:
            return None

    def _status(self, path: str, *, follow: bool) -> Status | None:
        told = self._stat(path, follow=follow)
        return Status.of(told) if told is not None else None

    _allows = staticmethod(os.access)

    def _ask(self, path: str, *, follow: bool) -> os.stat_result:
        return os.stat(path, follow_symlinks=follow)

    def _stat(self, path: str, *, follow: bool) -> os.stat_result | None:
        try:
            told = self._ask(path, follow=follow)
        except OSError as error:
            if error.errno not in _ABSENT:
                raise self._unreadable(path, error) from error
            told = None
        except ValueError as error:  # a NUL byte in the path
            raise Unreadable(path, str(error)) from error
        self.witnesses.add_status("s" if follow else "l", path, told)
        return told

    def _may(self, path: str, mode: int) -> bool:
        allowed = self._allows(path, mode)
        self.witnesses.add(f"a{mode:x}", path, "y" if allowed else "n")
        return allowed

    def _content(self, path: str) -> bytes:
        try:
            content = _whole(path)
        except OSError:
            self.witnesses.spoil(f"`{path}` cannot be read")
            return b""
        self.witnesses.add("c", path, witness.content_sight(content))
        return content

    def _database(self, path: str) -> bytes:
        return self._content(path) if self.status(path) else b""

    def _unreadable(self, path: str, error: OSError) -> Unreadable:
        self.witnesses.spoil(f"`{path}` cannot be read")
        return Unreadable(path, os.strerror(error.errno) if error.errno else str(error))


def _whole(path: str) -> bytes:
    with open(path, "rb") as stream:
        return stream.read()


def attributes_of(directory: int) -> Attributes:
    """What `Host.attributes` gives, of an open directory; no witness. Raises `OSError`."""
    return Attributes.of(witness.read_attributes(directory))


def nearest_existing(host: Host, path: str) -> str:
    """Go up from `path` to the first directory that exists. Raises `Unreadable`."""
    while host.kind(path) != "directory":
        above = os.path.dirname(path)
        if above == path:
            raise Unreadable(path, "no directory above it exists")
        path = above
    return path


_MOUNT_TABLE = "/proc/self/mountinfo"
#: what says who is in which group, and who else is asked for that
_ACCOUNTS = ("/etc/passwd", "/etc/group", "/etc/nsswitch.conf")
_CLOEXEC = getattr(os, "O_CLOEXEC", 0)
#: inode(7): the file type bits of st_mode
_LINK = 0o120000
