"""The machine as `Host` shows it, where it is macOS: mounts are asked for by path."""

from __future__ import annotations

import os

from uvx_policy.errors import Unreadable
from uvx_policy.macos import calls
from uvx_policy.model import FileSystem, Mount
from uvx_policy.replay import macos_sights

TYPE_CHECKING = False
if TYPE_CHECKING:
    from uvx_policy.accounts import Group
    from uvx_policy.host import Host as _Host
    from uvx_policy.model import Attributes
else:
    _Host = object  # a `Host` is mixed with this (`Host.__new__`)

_BOOT = "kern.bootsessionuuid"


class OnMacOS(_Host):
    """What `Host` does in another way; its witnesses are those of `replay.macos_sights`."""

    def real_path(self, path: str) -> str:
        """As its volume spells it, without links; a missing tail is kept. Raises `Unreadable`.

        So two spellings of a path on a volume that makes no difference between them are one.
        """
        here = there = super().real_path(path)
        while there != "/" and self.link_kind(there) == "absent":
            there = os.path.dirname(there)
        try:
            spelled = calls.spelled(there)
        except OSError:  # a file system that does not tell, or a directory that is not ours to see
            return here
        self.witnesses.add("q", there, macos_sights.text_sight(spelled))
        tail = here[len(there) :].lstrip("/")
        return os.path.join(spelled, tail) if tail else spelled

    def mount_table(self) -> str | None:
        """There is none: see `mount_at`."""
        return None

    def all_mounts(self) -> tuple[Mount, ...] | None:
        """All mounts of this moment; they are no witness. Raises `Unreadable`."""
        try:
            return tuple(map(_mount, calls.mounted()))
        except OSError as error:
            raise self._unreadable("/", error) from error

    def mount_at(self, path: str) -> Mount | None:
        """The mount that an existing path lies on; `None` if unknown."""
        told = self._statfs(path)
        return _mount(told) if told else None

    def file_system(self, path: str) -> FileSystem | None:
        """The file system of `path`; `None` if unknown."""
        told = self._statfs(path)
        if told is None:
            return None
        return FileSystem(
            total=min(told.total, 2**35), identity=macos_sights.file_system_sight(told)
        )

    def attributes(self, directory: str) -> Attributes | None:  # noqa: ARG002
        """Nothing that new files inherit decides there what links."""
        return None

    def free_bytes(self, path: str, *, needed: int) -> int:
        """Bytes that are free for us at `path`, -1 if unknown: see `Host.free_bytes`."""
        try:
            told = calls.statfs(path)
        except OSError:
            self.witnesses.add(f"f{needed:x}", path, "-")
            return -1
        self.witnesses.add(f"f{needed:x}", path, macos_sights.room_sight(told, needed))
        return told.free

    def free_files(self, path: str, *, needed: int) -> tuple[int, int] | None:  # noqa: ARG002
        """APFS makes them as they are needed."""
        return None

    def mount_identity(self, path: str) -> str:
        """Tell the volume from all others; "" if unknown."""
        try:
            sight = macos_sights.volume_sight(path)
        except OSError:
            self.witnesses.spoil(f"the volume of `{path}` cannot be told from others")
            return ""
        self.witnesses.add("m", path, sight)
        return sight

    def boot_id(self) -> str:
        """Identity of this boot, "" where unknown."""
        try:
            told = os.fsdecode(calls.sysctl(_BOOT))
        except OSError:
            self.witnesses.spoil(f"the kernel does not tell {_BOOT}")
            return ""
        self.witnesses.add("k", _BOOT, macos_sights.text_sight(told))
        return told

    def unmapped_uid(self) -> int | None:
        """There are no user namespaces."""
        return None

    def group(self, gid: int) -> Group | None:
        """The group of this number, `None` for none. Raises `Unreadable`."""
        # Before: who is let in meanwhile is in the answer then, and not in the witness.
        self.witnesses.add("u", str(gid), macos_sights.group_sight(gid))
        return super().group(gid)

    def _statfs(self, path: str) -> calls.Statfs | None:
        try:
            told = calls.statfs(path)
        except OSError:
            self.witnesses.add("v", path, "-")
            return None
        except ValueError as error:  # a NUL byte in the path
            raise Unreadable(path, str(error)) from error
        self.witnesses.add("v", path, macos_sights.file_system_sight(told))
        return told


def _mount(told: calls.Statfs) -> Mount:
    flags = {"noexec": calls.MNT_NOEXEC, "noowners": calls.MNT_IGNORE_OWNERSHIP}
    return Mount(
        mount_id=told.number,
        device=f"{told.number:x}",
        root="/",
        point=told.point,
        options=(
            "ro" if told.flags & calls.MNT_RDONLY else "rw",
            *[name for name, flag in flags.items() if told.flags & flag],
            # sys/mount.h: of everything that is not on a server
            *(() if told.flags & calls.MNT_LOCAL else ("not-local",)),
        ),
        fstype=told.kind,
        source=told.source,
        super_options=(),
    )
