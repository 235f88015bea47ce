"""What links work between two directories: from the mount table, from memory, or by trying."""

from __future__ import annotations

import errno

from uvx_policy.errors import Unreadable
from uvx_policy.filesystem import probe
from uvx_policy.model import UNTRIED, Capability
from uvx_policy.state import facts as memory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from uvx_policy.filesystem.mounts import MountTable
    from uvx_policy.filesystem.probe import Attempt
    from uvx_policy.host import Host
    from uvx_policy.model import Mount, Support

_KIND = "links"


def probe_links(
    host: Host, state: str, table: MountTable | None, *, cache: str, destination: str
) -> Capability:
    """Tell what works from `cache` into `destination`, both existing directories.

    Two file systems: nothing (link(2) and ioctl_ficlone(2) say so). Otherwise what was remembered
    in `state` ("" for nothing) about these two mounts since the machine was started; otherwise a
    real try in both directories, which is remembered when it says yes or no about the mounts.
    Never raises: what cannot be told is "unknown".
    """
    try:
        pair = _Pair(host, table, cache=cache, destination=destination)
    except Unreadable as error:
        return UNTRIED.replace(detail=str(error))
    if pair.on_two_file_systems:
        return Capability(clone="no", hardlink="no", detail=pair.detail)
    key = pair.key
    if key:
        known = _KNOWN.get(memory.recall(state, _KIND, key) or "")
        if known:
            return Capability(clone=known[0], hardlink=known[1], detail=pair.detail)
    attempt = probe.attempt_links(cache=cache, destination=destination)
    found = attempt.capability
    if key and pair.is_told_by(attempt):
        memory.remember(state, _KIND, key, f"clone={found.clone} hardlink={found.hardlink}")
    else:
        host.witnesses.spoil("what links here is tried each time")
    return found


_KNOWN: dict[str, tuple[Support, Support]] = {
    "clone=yes hardlink=yes": ("yes", "yes"),
    "clone=yes hardlink=no": ("yes", "no"),
    "clone=no hardlink=yes": ("no", "yes"),
    "clone=no hardlink=no": ("no", "no"),
}


class _Pair:
    """The mounts of two directories, and what identifies them."""

    def __init__(
        self, host: Host, table: MountTable | None, *, cache: str, destination: str
    ) -> None:
        self._key = [host.boot_id()]
        self._devices = []
        self._mounts: list[Mount | None] = []
        for directory in (cache, destination):
            status = host.status(directory)
            if status is None or status.kind != "directory":
                raise Unreadable(directory, "is no directory")
            real = host.real_path(directory)
            mount = table.find(real, host.mount_id(real)) if table else None
            root = host.status(mount.point) if mount else None
            file_system = host.file_system(real)
            self._devices.append(status.device)
            self._mounts.append(mount)
            self._key += (
                repr(mount),
                # A subvolume's differs within one mount.
                str(status.device),
                # Another file system in the place of this one, during one boot:
                file_system.identity if file_system else "",
                str(root.inode) if root else "",
            )
        self.detail = "; ".join(
            f"`{directory}` lies on {mount.fstype if mount else '?'} at"
            f" `{mount.point if mount else '?'}`"
            for directory, mount in zip((cache, destination), self._mounts, strict=True)
        )

    @property
    def on_two_file_systems(self) -> bool:
        first, second = self._mounts
        return first is not None and second is not None and first.device != second.device

    @property
    def key(self) -> tuple[str, ...]:
        """What a remembered answer holds for; () when that cannot be told."""
        return tuple(self._key) if self._key[0] and None not in self._mounts else ()

    def is_told_by(self, attempt: Attempt) -> bool:
        """Tell whether the attempt's answer holds for all directories of the two mounts.

        Some refusals are about these two directories: EXDEV within one mount (a quota project, an
        encryption policy, a sandbox), EINVAL (a directory with chattr +C on btrfs), EPERM.
        """
        apart = self._mounts[0] != self._mounts[1] or self._devices[0] != self._devices[1]
        clone_told = attempt.clone in (probe.WORKED, *_NO_REFLINK)
        return clone_told and (
            attempt.hardlink == probe.WORKED or (apart and attempt.hardlink == errno.EXDEV)
        )


_NO_REFLINK = (errno.EXDEV, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOTTY)
