"""The real uv's version: understood in every form, asked once for each binary."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import real_uv
from uvx_policy.host import Host
from uvx_policy.uv.version import parse_version, uv_version

if TYPE_CHECKING:
    from uvx_policy.model import UvVersion


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("uv 0.13.8 (x86_64-unknown-linux-gnu)", (0, 13, 8), id="newest"),
        pytest.param("uv 0.5.23", (0, 5, 23), id="oldest"),
        pytest.param("uv 0.10.12+3 (abc 2026-03-19)", (0, 10, 12), id="between releases"),
        pytest.param("uv 0.14.0a1", (0, 14, 0), id="pre-release"),
        pytest.param("uv 1.2", None, id="two numbers"),
        pytest.param("uv x.y.z", None, id="no numbers"),
        pytest.param("uv", None, id="one word"),
        pytest.param("pyenv: uv: command not found", None, id="another program"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_parse(text: str, expected: tuple[int, int, int] | None) -> None:
    assert parse_version(text) == expected


def counting_uv(directory: Path, name: str = "uv") -> Path:
    program = directory / name
    program.write_text(f"#!/bin/sh\necho asked >> {directory}/asked\necho uv 0.9.30\n")
    program.chmod(0o755)
    return program


def test_a_script_is_asked_every_time(tmp_path: Path) -> None:
    """It may be another manager's shim, whose answer depends on the directory."""
    program = str(counting_uv(tmp_path))
    host = Host(environ=dict(os.environ))

    answers = [uv_version(host, program, state=str(tmp_path / "state")) for _ in range(2)]

    assert answers == [(0, 9, 30)] * 2
    assert (tmp_path / "asked").read_text() == "asked\n" * 2


def _version(binary: Path) -> UvVersion | None:
    return uv_version(Host(environ=dict(os.environ)), str(binary), state=str(binary.parent / "s"))


def _remembered(binary: Path) -> list[Path]:
    return sorted((binary.parent / "s").rglob("uv-version*"))


@pytest.mark.uv
def test_a_binary_is_asked_once_until_it_changes(tmp_path: Path) -> None:
    binary = tmp_path / "uv"
    for number, version in enumerate(("0.5.23", "0.8.15"), start=1):
        binary.write_bytes((real_uv.provide(version) / "uv").read_bytes())
        binary.chmod(0o755)
        time.sleep(0.06)  # until it is old enough
        for _ in range(2):
            assert _version(binary) == tuple(map(int, version.split(".")))
            assert len(_remembered(binary)) == number


@pytest.mark.uv
def test_a_binary_that_was_changed_this_moment_is_asked_again(tmp_path: Path) -> None:
    """The next change could leave it the same size and times."""
    binary = tmp_path / "uv"
    host = Host(environ=dict(os.environ))
    binary.write_bytes((real_uv.provide("0.8.15") / "uv").read_bytes())
    binary.chmod(0o755)

    assert uv_version(host, str(binary), state=str(tmp_path / "s")) == (0, 8, 15)

    assert _remembered(binary) == []


def test_a_program_that_fails_or_hangs_has_no_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("uvx_policy.uv.version._PATIENCE", 0.2)
    hanging = tmp_path / "uv"
    hanging.write_text("#!/bin/sh\nexec sleep 30\n")
    hanging.chmod(0o755)
    host = Host(environ=dict(os.environ))

    assert uv_version(host, str(hanging), state="") is None
    assert uv_version(host, str(tmp_path / "missing"), state="") is None
