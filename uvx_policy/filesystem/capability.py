"""What links work between two directories: from the mount table, from memory, or by trying."""

from __future__ import annotations

import errno
import os

from uvx_policy.errors import Unreadable
from uvx_policy.filesystem import probe
from uvx_policy.filesystem.mounts import NEVER_SHARE, MountTable
from uvx_policy.host import Host, nearest_existing
from uvx_policy.model import UNTRIED, Attributes, Capability
from uvx_policy.state import facts as memory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from uvx_policy.model import Support

_KIND = "links"
#: file systems whose directories may differ in what they hand down; no other is asked: FUSE and
#: network file systems would send the question to a server
_HAS_ATTRIBUTES = frozenset(("bcachefs", "btrfs", "ext4", "f2fs", "overlay", "xfs", "zfs"))


def installed_into(host: Host, environment: str) -> str:
    """The existing directory that files will really appear in, or its nearest existing ancestor.

    site-packages may lie on another file system than the environment (uv #21255), or have been made
    before `chattr +C` on a directory above it: where it exists already, it is what counts. Raises
    `Unreadable`.
    """
    real = host.real_path(environment)
    library = os.path.join(real, "lib")
    for name in host.list_names(library):
        packages = os.path.join(library, name, "site-packages")
        if name.startswith("python") and host.kind(packages) == "directory":
            return host.real_path(packages)
    windows = os.path.join(real, "Lib", "site-packages")
    if host.kind(windows) == "directory":
        return windows
    return nearest_existing(host, real)


def probe_links(
    host: Host, state: str, table: MountTable | None, *, cache: str, destination: str
) -> Capability:
    """Tell what works from `cache` into `destination`, both existing directories.

    Two file systems: nothing (link(2) and ioctl_ficlone(2) say so). Otherwise what was remembered
    in `state` ("" for nothing), since the machine was started, about directories like these on
    these two mounts; otherwise a real try in both directories, which is remembered when it says
    yes or no about all directories like them. Never raises: what cannot be told is "unknown".
    """
    try:
        pair = _Pair(host, table, cache, destination)
    except Unreadable as error:
        return UNTRIED.replace(detail=str(error))
    known = pair.known(state)
    if known is not None:
        return known
    attempt = probe.attempt_links(cache=cache, destination=destination)
    found = attempt.capability
    if not pair.key or not pair.is_typical(attempt):
        host.witnesses.spoil("what links here is tried each time")
        return found
    memory.remember(state, _KIND, pair.key, f"clone={found.clone} hardlink={found.hardlink}")
    return pair.capability(found.clone, found.hardlink)


def known_links(
    host: Host, state: str, table: MountTable | None, *, cache: str, destination: str
) -> Capability:
    """Do what `probe_links` does, without a try: "unknown" is what only a try would tell."""
    try:
        pair = _Pair(host, table, cache, destination)
    except Unreadable as error:
        return UNTRIED.replace(detail=str(error))
    return pair.known(state) or pair.foreseen()


_TOLD: tuple[Support, Support] = ("yes", "no")
_KNOWN = {
    f"clone={clone} hardlink={hardlink}": (clone, hardlink) for clone in _TOLD for hardlink in _TOLD
}


class _Side:
    """One of the two directories."""

    def __init__(self, host: Host, table: MountTable | None, directory: str) -> None:
        """Raise `Unreadable`."""
        status = host.status(directory)
        if status is None or status.kind != "directory":
            raise Unreadable(directory, "is not a directory")
        self.directory = directory
        self.real = host.real_path(directory)
        self.device = status.device
        self.inode = status.inode
        self.mount = table.find(self.real, host.mount_id(self.real)) if table else None
        self.attributes = Attributes()
        file_system = host.file_system(self.real)
        #: what all directories of its mount have in common
        self.key = (
            repr(self.mount),
            # A subvolume's differs within one mount.
            str(status.device),
            # Another file system in the place of this one, during one boot:
            file_system.identity if file_system else "",
            self._mount_identity(host),
        )

    def _mount_identity(self, host: Host) -> str:
        if host.platform == "win32":  # of the volume
            return host.mount_identity(self.real)
        return host.mount_identity(self.mount.point) if self.mount else ""

    def likeness(self, host: Host) -> str:
        """What sets it apart from others of its mount. Raises `Unreadable`."""
        if self.mount is not None and self.mount.fstype in _HAS_ATTRIBUTES:
            told = host.attributes(self.real)
            if told is not None:
                self.attributes = told
                return repr(told)
        # A server, say, may well refuse for one directory what it allows for another.
        return f"inode {self.inode}"

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return f"{self.mount.fstype} at `{self.mount.point}`" if self.mount else "an unknown mount"


class _Pair:
    """The two directories, and what is known of them without a try."""

    def __init__(self, host: Host, table: MountTable | None, cache: str, destination: str) -> None:
        """Raise `Unreadable`."""
        self._cache = _Side(host, table, cache)
        self._destination = _Side(host, table, destination)
        one, other = self._cache.mount, self._destination.mount
        boot = host.boot_id()
        #: what a remembered answer holds for; () when that cannot be told
        self.key: tuple[str, ...] = ()
        self._on_two_file_systems = bool(one and other and one.device != other.device)
        is_told = all(side.key[-1] for side in (self._cache, self._destination))
        if boot and is_told and not self._on_two_file_systems:
            try:
                for side in (self._cache, self._destination):
                    self.key += (*side.key, side.likeness(host))
                self.key += (boot,)
            except Unreadable:
                self.key = ()

    def known(self, state: str) -> Capability | None:
        """The answer, if the mount table or the memory has it."""
        if self._on_two_file_systems:
            return self.capability("no", "no")
        known = _KNOWN.get(memory.recall(state, _KIND, self.key) or "") if self.key else None
        return self.capability(*known) if known else None

    def foreseen(self) -> Capability:
        """What is refused without doubt; "unknown" for the rest."""
        mount = self._cache.mount
        clones = self._clones and not (mount and mount.fstype in NEVER_SHARE)
        return self.capability("unknown" if clones else "no", "unknown" if self._admits else "no")

    def is_typical(self, attempt: probe.Attempt) -> bool:
        """Tell whether the attempt's answer holds for all pairs of directories with this key.

        Other refusals are about these two alone: EXDEV that neither mounts nor attributes explain
        (a sandbox), EPERM.
        """
        clones = (probe.WORKED, *_NO_REFLINK, *(() if self._clones else (errno.EINVAL,)))
        refused = self._is_apart or not self._admits
        links = (probe.WORKED, *((errno.EXDEV,) if refused else ()))
        return attempt.clone in clones and attempt.hardlink in links

    def capability(self, clone: Support, hardlink: Support) -> Capability:
        """The answer, with the reason for people."""
        cache, destination = self._cache, self._destination
        pair = f"`{cache.directory}` and `{destination.directory}` are"
        if self._on_two_file_systems:
            detail = f"{pair} on two file systems, {cache.place} and {destination.place}"
        elif not self._clones or not self._admits:
            detail = self._difference()
        elif self._is_apart:
            detail = f"{pair} on two mounts or subvolumes of one file system"
        elif clone == "no" and hardlink == "yes":
            detail = f"{cache.place} cannot clone files"
        else:
            detail = f"{pair} on {cache.place}"
        return Capability(clone=clone, hardlink=hardlink, detail=detail)

    def _difference(self) -> str:
        cache, destination = f"`{self._cache.directory}`", f"`{self._destination.directory}`"
        one, other = self._cache.attributes.describe(), self._destination.attributes.describe()
        if one == other:  # nothing else has two of a kind
            return f"{cache} and {destination} are encrypted with different policies"
        if not one:
            return f"{destination} is {other}, unlike {cache}"
        return f"{cache} is {one}, " + (
            f"{destination} is {other}" if other else f"unlike {destination}"
        )

    @property
    def _clones(self) -> bool:
        return self._cache.attributes.clones(self._destination.attributes)

    @property
    def _admits(self) -> bool:
        return self._destination.attributes.admits(self._cache.attributes)

    @property
    def _is_apart(self) -> bool:
        one, other = self._cache, self._destination
        return one.mount != other.mount or one.device != other.device


_NO_REFLINK = (errno.EXDEV, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOTTY)
