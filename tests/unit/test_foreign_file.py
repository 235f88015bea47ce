"""Files that somebody else has put there are read without waiting, and nothing stays open."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.odd_files import bound_socket, fifo
from uvx_policy.foreign_file import read_foreign


def test_the_bytes_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")

    assert read_foreign(str(path), 10) == b"0123456789"
    assert read_foreign(str(path), 4, cut=True) == b"0123"
    with pytest.raises(OSError, match="larger"):
        read_foreign(str(path), 9)


def test_what_tells_no_size_is_read_as_well() -> None:
    assert b"MemTotal" in read_foreign("/proc/meminfo", 1 << 20)


@pytest.mark.parametrize(
    "make", [fifo, bound_socket, Path.mkdir], ids=["fifo", "socket", "directory"]
)
def test_what_is_no_file_is_refused_and_closed(tmp_path: Path, make: object) -> None:
    path = tmp_path / "odd"
    make(path)  # type: ignore[operator]
    before = os.listdir("/proc/self/fd")

    for _ in range(5):
        with pytest.raises(OSError, match=r"it is not a file|No such device"):
            read_foreign(str(path), 10)

    assert len(os.listdir("/proc/self/fd")) == len(before)


@pytest.mark.parametrize("path", ["/nowhere", "a\0b"])
def test_what_is_not_there_is_an_error_as_any_other(path: str) -> None:
    with pytest.raises(OSError):  # noqa: PT011 (any)
        read_foreign(path, 10)
