"""The hash of a file as a RECORD writes it, and the only code that reads, compares or writes one.

PyPA specification "Recording installed projects": `sha256=` and the digest in the URL-safe base64
of RFC 4648 without padding. Some builders write the padding nevertheless: the two are equal.
"""

from __future__ import annotations

import base64
import os
import stat
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from uvx_policy.foreign_file import FLAGS

# `hashlib` is imported where something is hashed: it takes 4 ms, and most environments have nothing
# that looks edited.
if TYPE_CHECKING:
    import hashlib
    from collections.abc import Iterable

    from typing_extensions import Self

#: bytes that are read at a time: large files take no more memory than that, and what was read is
#: still in the processor's cache when it is hashed
_CHUNK = 1 << 18


class Hash(NamedTuple):
    """An algorithm and a digest. False when there is none; equal whatever padding was written."""

    #: of `hashlib`, such as "sha256"
    algorithm: str
    #: URL-safe base64 without "="
    digest: str

    def __bool__(self) -> bool:
        """Is there a hash?"""
        return bool(self.digest)

    def __str__(self) -> str:
        """As a RECORD has it: `sha256=...`, "" for none."""
        return f"{self.algorithm}={self.digest}" if self.digest else ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what a RECORD has, "" for none. Raises `ValueError` for anything else."""
        algorithm, equals, digest = text.partition("=")
        digest = digest.rstrip("=")
        if text and not (algorithm and equals and digest):
            raise ValueError(f"not a hash: {text!r}")
        return cls(algorithm if digest else "", digest)

    @property
    def is_known(self) -> bool:
        """Can this hash be computed here?"""
        return bool(self.digest) and knows(self.algorithm)


NO_HASH = Hash("", "")


class Content(NamedTuple):
    """What reading a file showed."""

    #: its status when it was opened, and after the last byte
    before: os.stat_result
    after: os.stat_result
    #: bytes that were read
    size: int
    hash: Hash


@lru_cache(maxsize=64)
def knows(algorithm: str) -> bool:
    """Can this algorithm be computed? `shake_128` has digests of any length: it cannot."""
    import hashlib

    return algorithm in hashlib.algorithms_guaranteed and not algorithm.startswith("shake_")


def read(path: str, algorithm: str) -> Content:
    """Read and hash a file.

    Raises `OSError`, of which `IsADirectoryError` says that it is not a regular file; and
    `ValueError` for an unknown algorithm, or a path that cannot be one.
    """
    import hashlib

    handle = os.open(path, FLAGS)
    try:
        before = os.fstat(handle)
        if not stat.S_ISREG(before.st_mode):
            raise IsADirectoryError(path)
        hashing = hashlib.new(algorithm, usedforsecurity=False)
        size = _read_into(hashing, handle, before.st_size)
        after = os.fstat(handle)
    finally:
        os.close(handle)
    return Content(before, after, size, _finished(algorithm, hashing))


def of_file(path: str, algorithm: str) -> Hash:
    """The hash of a file, `NO_HASH` when it cannot be read or computed. Never raises."""
    try:
        return read(path, algorithm).hash
    except (OSError, ValueError):
        return NO_HASH


def of_handle(handle: int, algorithm: str) -> Hash:
    """The hash of an open file, from its beginning. Raises `OSError`, `ValueError`."""
    import hashlib

    os.lseek(handle, 0, os.SEEK_SET)
    hashing = hashlib.new(algorithm, usedforsecurity=False)
    _read_into(hashing, handle, os.fstat(handle).st_size)
    return _finished(algorithm, hashing)


def of_pieces(pieces: Iterable[bytes], algorithm: str) -> Hash:
    """The hash of some bytes, in pieces. Raises `ValueError` for an unknown algorithm."""
    import hashlib

    hashing = hashlib.new(algorithm, usedforsecurity=False)
    for piece in pieces:
        hashing.update(piece)
    return _finished(algorithm, hashing)


def _finished(algorithm: str, hashing: hashlib._Hash) -> Hash:
    digest = base64.urlsafe_b64encode(hashing.digest()).rstrip(b"=").decode("ascii")
    return Hash(algorithm, digest)


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
