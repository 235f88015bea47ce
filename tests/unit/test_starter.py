"""Which Python program has started a call: processes and files of a machine that is made up."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from uvx_policy import processes, starter
from uvx_policy.host import Host
from uvx_policy.model import Program
from uvx_policy.processes import Process, is_redirector, may_be_python

BASE = "C:\\Python311\\python.exe"
VENV = "C:\\t\\.venv\\Scripts\\python.exe"
SHELL = "C:\\Windows\\System32\\cmd.exe"


class Files(Host):
    """Texts by path: no file system is asked."""

    def __init__(self, texts: dict[str, str]) -> None:
        super().__init__(environ={}, cwd="/", platform="win32")
        self._texts = texts

    def read_text(self, path: str) -> str | None:
        return self._texts.get(path)


def process(image: str, file: Path | str = "", number: int = 7) -> Process:
    return Process(number=number, started=1, image=image, file=str(file))


CONFIGURED = Files({"C:\\t\\.venv\\pyvenv.cfg": "home = c:\\python311\\\nuv = 0.13.9\n"})


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        (BASE, True), ("/usr/bin/python3.11", True), ("C:\\pypy\\PyPy3.exe", True),
        (SHELL, False), ("/usr/bin/bash", False), ("/opt/python/bin/ruff", False),
        ("", False),
    ],
)  # fmt: skip
def test_by_its_name_a_process_may_be_python(path: str, answer: bool) -> None:
    assert may_be_python(path) is answer


def test_an_interpreter_is_told_by_what_it_contains(tmp_path: Path) -> None:
    real = os.path.realpath(sys.executable)
    named = tmp_path / "python"
    named.write_bytes(b"#!/bin/sh\nexec real-python\n")

    assert starter.is_interpreter(real)
    assert not starter.is_interpreter(str(named))
    assert not starter.is_interpreter(str(tmp_path / "absent"))
    assert not starter.is_interpreter(str(tmp_path))


def test_a_mark_across_two_pieces_is_found(tmp_path: Path) -> None:
    program = tmp_path / "python"
    program.write_bytes(b"." * ((1 << 20) - 3) + b"Py_BytesMain\0" + b"." * 9)

    assert starter.is_interpreter(str(program))


def test_a_redirector_of_an_environment_says_where_its_interpreter_works() -> None:
    """`Scripts\\python.exe` starts the base interpreter: two processes, one environment."""
    pair = (process(BASE), process(VENV))

    assert starter.environment_of(CONFIGURED, pair) == ("C:\\t\\.venv", VENV)


def test_the_parent_of_an_interpreter_is_no_redirector_of_another_installation() -> None:
    other = process("D:\\Python312\\python.exe")

    assert starter.environment_of(CONFIGURED, (other, process(VENV))) == ("D:\\Python312", "")
    assert starter.environment_of(CONFIGURED, (process(BASE), process(SHELL))) == (
        "C:\\Python311", "",
    )  # fmt: skip


def test_an_interpreter_in_an_environment_works_there() -> None:
    """virtualenv, and uv without a redirector, copy python.exe."""
    assert starter.environment_of(CONFIGURED, (process(VENV),)) == ("C:\\t\\.venv", "")


def test_other_environments_that_are_seen_are_searched_as_well() -> None:
    text = (
        "home = C:\\Python311\ninclude-system-site-packages = true\n"
        "extends-environment = C:\\p\\.venv\n"
    )
    host = Files({"C:\\t\\.venv\\pyvenv.cfg": text})

    assert list(starter.extended_by(host, "C:\\t\\.venv")) == ["C:\\Python311", "C:\\p\\.venv"]
    assert list(starter.extended_by(CONFIGURED, "C:\\t\\.venv")) == []


def install(environment: Path, *, linked_to: Path | None, name: str = "_speedups.pyd") -> None:
    """An environment of Windows with one package and one compiled module."""
    site = environment / "Lib" / "site-packages"
    (site / "speedy").mkdir(parents=True)
    module = site / "speedy" / name
    module.write_bytes(b"MZ")
    if linked_to is not None:
        os.link(module, linked_to)
    information = site / "speedy-1.0.dist-info"
    information.mkdir()
    rows = (f"speedy/{name},sha256=x,2", "speedy-1.0.dist-info/RECORD,,")
    (information / "RECORD").write_text("\n".join(rows) + "\n")


def test_a_compiled_module_with_two_names_is_found_with_its_package(tmp_path: Path) -> None:
    install(tmp_path / "e", linked_to=tmp_path / "cache")

    found = starter.linked_module(str(tmp_path / "e"), str(tmp_path))
    assert found == ("speedy/_speedups.pyd", "speedy 1.0")


def test_a_compiled_module_with_one_name_holds_nothing(tmp_path: Path) -> None:
    install(tmp_path / "e", linked_to=None)

    assert starter.linked_module(str(tmp_path / "e"), str(tmp_path)) is None


def test_a_python_file_with_two_names_is_not_loaded_as_a_library(tmp_path: Path) -> None:
    install(tmp_path / "e", linked_to=tmp_path / "cache", name="pure.py")

    assert starter.linked_module(str(tmp_path / "e"), str(tmp_path)) is None


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="it takes a second file system")
def test_on_another_drive_nothing_is_the_same_file(tmp_path: Path) -> None:
    install(tmp_path / "e", linked_to=tmp_path / "cache")
    elsewhere = "/dev/shm"
    if os.stat(elsewhere).st_dev == os.stat(tmp_path).st_dev:
        pytest.skip("it takes a second file system")

    assert starter.linked_module(str(tmp_path / "e"), elsewhere) is None


def test_the_nearest_program_that_counts_is_taken(tmp_path: Path) -> None:
    python = tmp_path / "python.exe"
    python.write_bytes(b"MZ\0Py_Main\0")
    shell = process(str(tmp_path / "cmd.exe"), tmp_path / "cmd.exe", 3)
    first = process(f"{tmp_path}/python.exe", python, 4)
    host = Host(environ={}, cwd="/")

    assert starter.nearest(host, (shell,), into="") is None
    assert starter.nearest(host, (shell, first), into="") == Program(number=4, path=str(python))


def test_a_program_is_passed_over_whose_environment_holds_nothing(tmp_path: Path) -> None:
    listed = []
    for number, linked in ((1, False), (2, True)):
        environment = tmp_path / str(number)
        install(environment, linked_to=tmp_path / "cache" if linked else None)
        (environment / "pyvenv.cfg").write_text("home = /nowhere\n")
        python = environment / "Scripts" / "python.exe"
        python.parent.mkdir()
        python.write_bytes(b"MZ\0Py_Main\0")
        listed.append(process(str(python), python, number))

    found = starter.nearest(Host(environ={}, cwd="/"), listed, into=str(tmp_path))
    assert found is not None
    assert (found.number, found.package) == (2, "speedy 1.0")


def test_only_a_redirector_of_this_very_interpreter_is_our_own() -> None:
    assert is_redirector(VENV, own=BASE, executable=VENV.lower())
    # A program that has started us with its own interpreter:
    assert not is_redirector(BASE, own=BASE, executable=BASE)
    assert not is_redirector(SHELL, own=BASE, executable=VENV)


@pytest.mark.skipif(sys.platform != "linux", reason="ancestors are read from /proc on Linux only")
def test_ancestors_are_seen_in_order() -> None:
    program = (
        "from uvx_policy.processes import ancestors_in_proc as f\n"
        "print(*(each.number for each in f()))"
    )
    told = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout.split()

    assert told[0] == str(os.getpid())
    assert list(map(int, told[1:])) == [each.number for each in processes.ancestors_in_proc()]
