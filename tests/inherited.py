"""What a directory has beside its mode, attributes and access lists: set for tests."""

from __future__ import annotations

import os
import struct
from pathlib import Path

from tests.fake_host import access_list

# linux/fs.h, linux/fscrypt.h
_FS_IOC_GETFLAGS, _FS_IOC_SETFLAGS, _FS_NOCOW_FL = 0x80086601, 0x40086602, 0x800000
_FS_IOC_FSSETXATTR, _FS_XFLAG_PROJINHERIT = 0x401C5820, 0x200
_FS_IOC_ADD_ENCRYPTION_KEY, _BY_IDENTIFIER = 0xC0506617, 2
_FS_IOC_SET_ENCRYPTION_POLICY = 0x800C6613


def set_nocow(directory: Path, wanted: bool = True) -> None:
    """`chattr +C` or `-C` (btrfs). Raises `OSError` on other file systems."""
    flags = bytearray(8)
    _ask(directory, _FS_IOC_GETFLAGS, flags)
    before = int.from_bytes(flags, "little")
    after = before | _FS_NOCOW_FL if wanted else before & ~_FS_NOCOW_FL
    _ask(directory, _FS_IOC_SETFLAGS, bytearray(after.to_bytes(8, "little")))


def set_quota_project(directory: Path, project: int, *, inherited: bool = True) -> None:
    """`chattr -p PROJECT +P` (XFS; ext4 made with -O project). Raises `OSError` elsewhere."""
    flags = _FS_XFLAG_PROJINHERIT if inherited else 0
    _ask(directory, _FS_IOC_FSSETXATTR, bytearray(struct.pack("=5I8x", flags, 0, 0, project, 0)))


def encrypt(directory: Path, key: bytes = b"k" * 64) -> None:
    """Encrypt an empty directory (fscrypt; ext4 made with -O encrypt). Raises `OSError`.

    Another key makes another policy.
    """
    wanted = bytearray(struct.pack("=II32sII32x", _BY_IDENTIFIER, 0, b"", len(key), 0) + key)
    _ask(directory, _FS_IOC_ADD_ENCRYPTION_KEY, wanted)
    # Version 2; AES-256-XTS for contents, AES-256-CTS for names; the identifier of the key.
    policy = bytearray(struct.pack("=BBBB4x16s", 2, 1, 4, 0, bytes(wanted[8:24])))
    _ask(directory, _FS_IOC_SET_ENCRYPTION_POLICY, policy)


def share_with(directory: Path, *entries: tuple[str, int, str]) -> None:
    """`setfacl -m`: an access list of nothing but these entries, its owner's aside.

    The mask lets them have it all, and so has the mode the group's bits.
    """
    os.setxattr(directory, "system.posix_acl_access", access_list(*entries))


def _ask(directory: Path, request: int, answer: bytearray) -> None:
    import fcntl

    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.ioctl(handle, request, answer)
    finally:
        os.close(handle)
