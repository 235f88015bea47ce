"""The launcher compiles without a warning, and has what a hit needs: small, without a heap."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.launcher import programs


@pytest.mark.parametrize("compiler", ["gcc", "clang", "musl-gcc"])
@pytest.mark.parametrize("flags", [programs.shipped(), programs.PLAIN], ids=["shipped", "plain"])
def test_no_compiler_complains(compiler: str, flags: tuple[str, ...]) -> None:
    found = programs.fuzzing_compiler() if compiler == "clang" else shutil.which(compiler)
    if found is None:
        programs.missing("clang with libFuzzer" if compiler == "clang" else compiler)

    # clang warns of link options that it has no use for
    more = ("-Wno-unused-command-line-argument",) if compiler == "clang" else ()

    programs.compile_c(programs.SHIMS / "launcher.c", (*flags, *programs.WARNINGS, *more), found)


def test_the_place_of_the_configuration_is_found_once() -> None:
    head = b"linkpolicy-launcher-config-v2\n"
    for flags in (programs.shipped(), programs.PLAIN):
        binary = programs.launcher(flags).read_bytes()
        at = binary.index(head)

        assert binary[at : at + 8192] == head.ljust(8192, b"\0")
        assert binary.count(head) == 1


def test_nothing_is_taken_from_the_heap() -> None:
    """The object file asks for no function that allocates, and for no stdio."""
    source = programs.SHIMS / "launcher.c"
    built = programs.compile_c(source, (*programs.PLAIN, "-c"))
    told = subprocess.run(["nm", "-u", built], capture_output=True, text=True, check=True).stdout

    asked_for = {line.split()[-1] for line in told.splitlines()}
    assert "execve" in asked_for
    forbidden = {"malloc", "calloc", "realloc", "free", "strdup", "printf", "fopen", "opendir"}
    forbidden |= {"getenv", "setenv", "getcwd", "fork", "vfork", "posix_spawn", "system", "popen"}
    assert not asked_for & forbidden


def test_it_stays_readable() -> None:
    """Small enough to be read in one sitting."""
    lines = Path(programs.SHIMS / "launcher.c").read_text(encoding="ascii").splitlines()

    assert len(lines) < 1300
    assert max(map(len, lines)) <= 100
