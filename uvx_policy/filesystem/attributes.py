"""What new files in a directory inherit from it, as far as it decides what links. Pure.

`Host.attributes` reads it, from the only code that knows the system calls
(`replay.witness.read_attributes`).
"""

from __future__ import annotations

from uvx_policy.value import Value

#: file systems whose directories may differ in them; no other is asked: FUSE and network file
#: systems would send the question to a server
TOLD_BY = frozenset(("bcachefs", "btrfs", "ext4", "f2fs", "overlay", "xfs", "zfs"))

#: linux/fs.h, FS_*_FL (ioctl_iflags(2)): fscrypt; chattr +C; a quota project is inherited (ZFS)
_ENCRYPTED, _NOCOW, _ZFS_PROJECT = 0x800, 0x800000, 0x20000000
#: linux/fs.h, FS_XFLAG_* (ioctl_xfs_fsgetxattr(2)): files go to the real-time device; a quota
#: project is inherited; files bypass the page cache
_REALTIME, _PROJECT, _DAX = 0x100, 0x200, 0x8000


class Attributes(Value):
    """Of one directory."""

    #: the flags above
    bits: int = 0
    #: quota project of new files, 0 for none
    project: int = 0
    #: fingerprint of their encryption policy, 0 for none
    policy: int = 0

    @classmethod
    def of(cls, numbers: tuple[int, int, int] | None) -> Attributes:
        """From what was read; all 0 where the file system tells of none."""
        bits, project, policy = numbers or (0, 0, 0)
        return cls(bits=bits, project=project, policy=policy)

    @property
    def inherits_project(self) -> bool:
        """Tell whether files of another quota project are refused (0 is one as well)."""
        return bool(self.bits & (_PROJECT | _ZFS_PROJECT))

    def clones(self, other: Attributes) -> bool:
        """Tell whether a file that was made in one of the two may share blocks with the other's.

        Otherwise FICLONE says EINVAL: "the filesystem does not support reflinking the ranges".
        """
        return not (self.bits ^ other.bits) & (_NOCOW | _REALTIME | _DAX)

    def admits(self, other: Attributes) -> bool:
        """Tell whether a file that was made in `other` may get a name in this directory.

        Otherwise link(2) says EXDEV. The other direction may well be allowed.
        """
        if self.inherits_project and self.project != other.project:
            return False
        return not self.bits & _ENCRYPTED or self.policy == other.policy

    def describe(self) -> str:
        """What `clones` and `admits` look at, for people: `NOCOW (chattr +C)`, "" for nothing."""
        said = (
            (self.bits & _NOCOW, "NOCOW (chattr +C)"),
            (self.bits & _REALTIME, "on the real-time device"),
            (self.bits & _DAX, "DAX"),
            (self.inherits_project, f"in quota project {self.project}"),
            (self.bits & _ENCRYPTED, "encrypted (fscrypt)"),
        )
        return ", ".join(words for is_so, words in said if is_so)
