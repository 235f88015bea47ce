"""The digest of a file, as a RECORD has it."""

from __future__ import annotations

import base64
import os
import stat
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

# `hashlib` is imported where something has to be hashed: it takes 4 ms, and most environments have
# nothing that looks edited.
if TYPE_CHECKING:
    import hashlib

#: bytes that are read at a time: large files take no more memory than that, and what was read is
#: still in the processor's cache when it is hashed
_CHUNK = 1 << 18
#: O_NONBLOCK: a FIFO of that name must not hang us
_FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_CLOEXEC", "O_BINARY", "O_NONBLOCK"))


class Content(NamedTuple):
    """What reading a file told."""

    #: its status when it was opened, and when all was read
    before: os.stat_result
    after: os.stat_result
    #: bytes that were read
    size: int
    #: base64 of RFC 4648 for URLs, without "="
    digest: str


@lru_cache(maxsize=64)
def knows(algorithm: str) -> bool:
    """Can this algorithm be computed?"""
    import hashlib

    return algorithm in hashlib.algorithms_guaranteed and not algorithm.startswith("shake_")


def digest_of(path: str, algorithm: str) -> str:
    """Read a file; its digest, "" when that cannot be told. Never raises."""
    try:
        return read(path, algorithm).digest
    except (OSError, ValueError):
        return ""


def read(path: str, algorithm: str) -> Content:
    """Read and hash a file.

    Raises `OSError`, of which `IsADirectoryError` says that it is no file of any kind; and
    `ValueError` for an unknown algorithm, or a path that cannot be one.
    """
    import hashlib

    handle = os.open(path, _FLAGS)
    try:
        before = os.fstat(handle)
        if not stat.S_ISREG(before.st_mode):
            raise IsADirectoryError(path)
        hashing = hashlib.new(algorithm, usedforsecurity=False)
        size = _read_into(hashing, handle, before.st_size)
        after = os.fstat(handle)
    finally:
        os.close(handle)
    return Content(before, after, size, encoded(hashing.digest()))


def _read_into(hashing: hashlib._Hash, handle: int, expected: int) -> int:
    """Hash all that is left of an open file; its bytes. `expected`: how many there should be."""
    size = 0
    if expected < _CHUNK:
        # Nearly all are so small. To ask for far more than there is takes longer than to hash it.
        content = os.read(handle, expected + 1)
        hashing.update(content)
        size = len(content)
        if size == expected:
            return size
    buffer = bytearray(_CHUNK)
    view = memoryview(buffer)
    with open(handle, "rb", buffering=0, closefd=False) as stream:
        while count := stream.readinto(buffer):
            hashing.update(view[:count])
            size += count
    return size


def encoded(digest: bytes) -> str:
    """The bytes of a digest as a RECORD has them."""
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
