"""The Python shims name their interpreter by what outlives its next patch version."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from uvx_policy.setup import interpreter

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the shim is a script on POSIX only")

MINOR = "{}.{}".format(*sys.version_info)
PATCH = f"{MINOR}.7"
NAME = f"python{MINOR}"


def python(directory: Path) -> Path:
    """An interpreter with the names that installers give it."""
    directory.mkdir(parents=True)
    path = directory / NAME
    path.write_text("")
    path.chmod(0o755)
    (directory / "python3").symlink_to(NAME)
    return path


def named(monkeypatch: pytest.MonkeyPatch, path: Path) -> str:
    """What the shims name when this is the interpreter below linkpolicy's environment."""
    monkeypatch.setattr(sys, "_base_executable", str(path))
    return interpreter.base_interpreter()


@pytest.mark.parametrize(
    ("versioned", "link", "to"),
    [
        pytest.param(
            f"uv/python/cpython-{PATCH}-linux-x86_64-gnu",
            f"uv/python/cpython-{MINOR}-linux-x86_64-gnu",
            f"cpython-{PATCH}-linux-x86_64-gnu",
            id="uv",
        ),
        pytest.param(
            f"uv/python/cpython-{PATCH}+freethreaded-linux-x86_64-gnu",
            f"uv/python/cpython-{MINOR}+freethreaded-linux-x86_64-gnu",
            f"cpython-{PATCH}+freethreaded-linux-x86_64-gnu",
            id="uv, free-threaded",
        ),
        pytest.param(f"installs/python/{PATCH}", f"installs/python/{MINOR}", PATCH, id="mise"),
        pytest.param(
            f"Cellar/python@{MINOR}/{PATCH}_1",
            f"opt/python@{MINOR}",
            f"../Cellar/python@{MINOR}/{PATCH}_1",
            id="Homebrew",
        ),
    ],
)
def test_the_link_that_its_installer_moves_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, versioned: str, link: str, to: str
) -> None:
    for path in (tmp_path / link).parent, (tmp_path / versioned).parent:
        path.mkdir(parents=True, exist_ok=True)
    real = python(tmp_path / versioned / "bin")
    assert named(monkeypatch, real) == str(real)  # nothing more lasting yet
    (tmp_path / link).symlink_to(to)

    for path in (real, real.with_name("python3"), tmp_path / link / "bin/python3"):
        assert named(monkeypatch, path) == str(tmp_path / link / "bin" / NAME)


def test_a_link_to_another_version_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = python(tmp_path / PATCH / "bin")
    python(tmp_path / f"{MINOR}.6/bin")
    (tmp_path / MINOR).symlink_to(f"{MINOR}.6")

    assert named(monkeypatch, real) == str(real)


def test_a_name_that_says_the_minor_version_is_preferred(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = python(tmp_path / "usr/bin")
    assert named(monkeypatch, system.with_name("python3")) == str(system)
    (tmp_path / "own").mkdir()
    link = tmp_path / "own/python3"
    link.symlink_to("../usr/bin/python3")

    assert named(monkeypatch, link) == str(system)
    (tmp_path / "own" / NAME).symlink_to(system)
    assert named(monkeypatch, link) == str(tmp_path / "own" / NAME)


def test_a_namesake_of_another_installation_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = python(tmp_path / "usr/bin")
    other = python(tmp_path / "local/bin")
    other.with_name("python3").unlink()
    other.with_name("python3").symlink_to(system)

    assert named(monkeypatch, other.with_name("python3")) == str(system)


def test_an_environment_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = python(tmp_path / "usr/bin")
    environment = tmp_path / "venv/bin"
    environment.mkdir(parents=True)
    (environment.parent / "pyvenv.cfg").write_text("")
    (environment / NAME).symlink_to(system)
    (environment / "python").symlink_to(NAME)

    assert named(monkeypatch, environment / "python") == str(system)


def test_without_any_better_name_it_is_the_one_that_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only = tmp_path / "pypy3"
    only.write_text("")

    assert named(monkeypatch, only) == str(only)


def test_no_stand_in_where_env_or_the_kernel_could_not_read_the_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named(monkeypatch, python(tmp_path / "bin"))
    monkeypatch.setattr(interpreter, "_env_splits", lambda: True)
    assert interpreter.place_of_stand_in("/shims") == f"/shims/{NAME}"

    for odd in ("/a b", "/a:b", "/$HOME", "/a\\b", "/a'b", "/a\nb", "/" + "x" * 250):
        assert interpreter.place_of_stand_in(odd) == ""
    monkeypatch.setattr(interpreter, "_env_splits", lambda: False)
    assert interpreter.place_of_stand_in("/shims") == ""
