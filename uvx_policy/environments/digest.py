"""The digest of a file, as a RECORD has it."""

from __future__ import annotations

import base64
import hashlib
import os
import stat
from typing import NamedTuple

#: bytes that are read at a time: large files take no more memory than that
_CHUNK = 1 << 20
_ALGORITHMS = frozenset(hashlib.algorithms_guaranteed) - {"shake_128", "shake_256"}


class Content(NamedTuple):
    """What reading a file told."""

    #: its status when it was opened, and when all was read
    before: os.stat_result
    after: os.stat_result
    #: bytes that were read
    size: int
    #: base64 of RFC 4648 for URLs, without "="
    digest: str


def knows(algorithm: str) -> bool:
    """Can this algorithm be computed?"""
    return algorithm in _ALGORITHMS


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
    flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    # O_NONBLOCK: a FIFO of that name must not hang us.
    handle = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    try:
        before = os.fstat(handle)
        if not stat.S_ISREG(before.st_mode):
            raise IsADirectoryError(path)
        hashing = hashlib.new(algorithm, usedforsecurity=False)
        size = 0
        while chunk := os.read(handle, _CHUNK):
            hashing.update(chunk)
            size += len(chunk)
        after = os.fstat(handle)
    finally:
        os.close(handle)
    return Content(before, after, size, encoded(hashing.digest()))


def encoded(digest: bytes) -> str:
    """The bytes of a digest as a RECORD has them."""
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
