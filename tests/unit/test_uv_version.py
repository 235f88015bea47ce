"""Which uv is it: told by content, assumed while it does not matter, asked once where it does."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import real_uv
from tests.shim.conftest import put_recorder
from uvx_policy.host import Host
from uvx_policy.real_uv import MARKS, is_uv
from uvx_policy.uv.version import OLDEST, RealUv, assumptions, parse_version, uv_version

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


# What is uv ---------------------------------------------------------------------------------------


@pytest.mark.uv
@pytest.mark.parametrize("version", real_uv.each())
def test_every_uv_is_told_from_its_uvx(version: str) -> None:
    directory = real_uv.provide(version)

    assert is_uv(str(directory / "uv"))
    assert not is_uv(str(directory / "uvx"))


ELF = b"\x7fELF"
_PIECE = 1 << 20


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(ELF + b"".join(MARKS), True, id="both marks"),
        pytest.param(b"MZ" + b"\0".join(MARKS[::-1]), True, id="PE, the other way round"),
        pytest.param(b"#!/bin/sh\n" + b"".join(MARKS), False, id="a script"),
        pytest.param(ELF + MARKS[0], False, id="only its help"),
        pytest.param(ELF + MARKS[1], False, id="only pyvenv.cfg"),
        pytest.param(b"", False, id="empty"),
        pytest.param(
            (ELF + MARKS[0]).ljust(_PIECE - 7, b"\0") + MARKS[1], True, id="across two pieces"
        ),
        pytest.param(
            (ELF + MARKS[0]).ljust(2 * _PIECE, b"\0") + MARKS[1], True, id="in the third piece"
        ),
    ],
)
def test_what_is_uv(tmp_path: Path, content: bytes, expected: bool) -> None:
    path = tmp_path / "uv"
    path.write_bytes(content)

    assert is_uv(str(path)) is expected


def _missing(_: Path) -> None:
    pass


@pytest.mark.parametrize("make", [_missing, Path.mkdir, os.mkfifo])
def test_what_is_no_file_is_not_uv(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "uv")

    assert not is_uv(str(tmp_path / "uv"))


# Asking it ----------------------------------------------------------------------------------------


def _version(program: Path) -> UvVersion | None:
    return uv_version(Host(environ=dict(os.environ)), str(program), state=str(program.parent / "s"))


def _remembered(program: Path) -> list[Path]:
    return sorted((program.parent / "s").rglob("uv-version*"))


def _wait() -> None:
    time.sleep(0.06)  # until what was changed is old enough


def script(directory: Path) -> Path:
    """What mise, pyenv and asdf put there."""
    program = directory / "uv"
    program.write_text(f"#!/bin/sh\necho started >> {directory}/started\necho uv 0.9.30\n")
    program.chmod(0o755)
    return program


def trampoline(directory: Path) -> Path:
    """What pixi and proto put there: native, and answers as uv does."""
    put_recorder(directory, is_uv=False)
    return directory / "uv"


@pytest.mark.parametrize("foreign", [script, trampoline])
def test_what_is_not_uv_is_never_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, foreign: Callable[[Path], Path]
) -> None:
    """It might install a uv first, and answers for another one in the next directory."""
    monkeypatch.setenv("RECORD_VERSION", "1")
    monkeypatch.setenv("RECORD_TO", str(tmp_path / "started"))
    program = foreign(tmp_path)
    _wait()

    for _ in range(2):
        real = RealUv(Host(environ=dict(os.environ)), str(program), state=str(tmp_path / "s"))
        assert real.version() is None
        assert "not uv itself" in real.why_unknown

    assert not (tmp_path / "started").exists()
    assert len(_remembered(program)) == 1


def test_what_is_put_in_the_place_of_another_program_is_looked_at(tmp_path: Path) -> None:
    program = script(tmp_path)
    _wait()
    assert _version(program) is None

    program.unlink()
    put_recorder(tmp_path)
    _wait()

    assert _version(program) == (0, 13, 8)


@pytest.mark.uv
def test_uv_is_asked_once_until_it_changes(tmp_path: Path) -> None:
    binary = tmp_path / "uv"
    for number, version in enumerate(("0.5.23", "0.8.15"), start=1):
        binary.write_bytes((real_uv.provide(version) / "uv").read_bytes())
        binary.chmod(0o755)
        _wait()
        for _ in range(2):
            assert _version(binary) == tuple(map(int, version.split(".")))
            assert len(_remembered(binary)) == number


def test_uv_under_another_name_is_asked(tmp_path: Path) -> None:
    """Nix wraps it, package managers link to it."""
    (tmp_path / "bin").mkdir()
    put_recorder(tmp_path / "bin")
    shutil.move(tmp_path / "bin/uv", tmp_path / ".uv-wrapped")
    (tmp_path / "uv").symlink_to(".uv-wrapped")

    assert _version(tmp_path / "uv") == (0, 13, 8)


def test_a_uv_that_was_changed_this_moment_is_asked_again(tmp_path: Path) -> None:
    """The next change could leave it the same size and times."""
    put_recorder(tmp_path)
    os.utime(tmp_path / "uv")  # a change of its status, too

    assert _version(tmp_path / "uv") == (0, 13, 8)
    assert _remembered(tmp_path / "uv") == []


def test_a_uv_that_cannot_be_started_has_no_version(tmp_path: Path) -> None:
    broken = tmp_path / "uv"
    broken.write_bytes(ELF + b"".join(MARKS))
    broken.chmod(0o755)
    host = Host(environ=dict(os.environ))
    _wait()

    assert uv_version(host, str(broken), state=str(tmp_path / "s")) is None
    assert host.witnesses.spoilt
    assert _remembered(broken) == []
    assert uv_version(host, str(tmp_path / "missing"), state="") is None


# Assuming it --------------------------------------------------------------------------------------

threshold = st.tuples(st.integers(0, 1), st.integers(4, 7), st.integers(22, 25))
version = threshold.filter(lambda some: some >= OLDEST)
comparison = st.sampled_from(["__lt__", "__le__", "__gt__", "__ge__"])
#: what depends on the version: which way is taken at a comparison, whichever side it stands on
tree = st.recursive(
    st.integers(0, 3),
    lambda ways: st.tuples(comparison, threshold, st.booleans(), ways, ways),
    max_leaves=12,
)


def _outcome(rules: object, version: UvVersion) -> object:
    while isinstance(rules, tuple):
        name, threshold, swapped, yes, no = rules
        first, second = (threshold, version) if swapped else (version, threshold)
        is_so = {
            "__lt__": first < second,
            "__le__": first <= second,
            "__gt__": first > second,
            "__ge__": first >= second,
        }[name]
        rules = yes if is_so else no
    return rules


@given(tree, version)
def test_an_assumed_version_stands_for_all_up_to_the_next(rules: object, some: UvVersion) -> None:
    standing = None
    for assumed in assumptions():
        outcome = _outcome(rules, assumed)
        if assumed <= some:
            standing = outcome

    assert standing == _outcome(rules, some)


def test_what_never_looks_at_the_version_is_tried_once() -> None:
    assert len(list(assumptions())) == 1


def test_nothing_can_depend_on_a_version_unnoticed() -> None:
    assumed = next(assumptions())
    for look in (hash, len, list, lambda it: it[0], lambda it: it == (0, 0, 0), lambda it: 0 in it):
        with pytest.raises(TypeError):
            look(assumed)
