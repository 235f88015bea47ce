"""Which programs on PATH are ours: by what is in the file, at either end."""

from __future__ import annotations

from pathlib import Path

import pytest

from uvx_policy import locate

MARKER = locate.MARKER


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"#!/usr/bin/python3 -IS\n# " + MARKER, id="a Python shim"),
        pytest.param(
            b"x" * (1024 - len(MARKER)) + MARKER + b"x" * 5000, id="ends at the first KiB"
        ),
        pytest.param(b"\x7fELF" + b"x" * 5000 + b"\n" + MARKER + b"\n", id="a native shim"),
        pytest.param(
            b"x" * 5000 + MARKER + b"x" * (64 - len(MARKER)), id="begins the last 64 bytes"
        ),
        pytest.param(MARKER, id="nothing else"),
    ],
)
def test_a_file_with_the_marker_at_either_end_is_ours(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "uv").write_bytes(content)

    assert locate.is_ours(str(tmp_path / "uv"))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"#!/bin/sh\n", id="shorter than the tail"),
        pytest.param(b"x" * 64, id="as long as the tail"),
        pytest.param(b"x" * 5000, id="longer than the head"),
        pytest.param(b"x" * 1010 + MARKER + b"x" * 5000, id="across the first KiB"),
        pytest.param(
            b"x" * 5000 + MARKER + b"x" * (65 - len(MARKER)), id="just before the last 64 bytes"
        ),
        pytest.param(b"x" * 5000 + MARKER + b"x" * 5000, id="in the middle, as in a uv of tests"),
        pytest.param(MARKER[:-1], id="cut short"),
    ],
)
def test_any_other_file_is_not(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "uv").write_bytes(content)

    assert not locate.is_ours(str(tmp_path / "uv"))


def test_what_cannot_be_read_is_not_ours(tmp_path: Path) -> None:
    assert not locate.is_ours(str(tmp_path / "uv"))
    assert not locate.is_ours(str(tmp_path))


def test_real_programs_come_in_the_order_of_path_without_any_shim(tmp_path: Path) -> None:
    for name, content in {
        "native": b"\x7fELF" + b"x" * 2000 + MARKER,
        "python": b"#!/bin/sh\n# " + MARKER,
        "first": b"#!/bin/sh\n",
        "second": b"\x7fELF" + b"x" * 2000,
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "uv").write_bytes(content)
        (tmp_path / name / "uv").chmod(0o755)
    path = ":".join(str(tmp_path / name) for name in ("native", "first", "python", "second"))

    found = list(locate.real_programs("uv", search_path=path, embedded=[str(tmp_path / "first")]))

    assert found == [str(tmp_path / name / "uv") for name in ("first", "second", "first")]
