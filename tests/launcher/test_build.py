"""The launcher compiles without a warning, and has what a hit needs: small, without a heap."""

from __future__ import annotations

import shlex
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


@pytest.mark.slow
@pytest.mark.parametrize("target", ["aarch64-macos.11.0", "x86_64-macos.11.0"])
def test_what_knows_no_system_is_portable(target: str) -> None:
    """launcher.c with a system that answers nothing, as an object of macOS."""
    system = f'-DSYSTEM="{programs.HERE / "no_system.c"}"'
    flags = ("-target", target, "-std=c11", "-O2", *programs.WARNINGS, system, "-c")

    binary = programs.compile_with_zig(programs.SHIMS / "launcher.c", flags)

    assert binary.read_bytes()[:4] == b"\xcf\xfa\xed\xfe"


@pytest.mark.slow
@pytest.mark.parametrize("target", ["x86_64-windows-gnu", "aarch64-windows-gnu"])
def test_no_compiler_complains_about_windows(target: str) -> None:
    flags = shlex.split((programs.SHIMS / "CFLAGS.windows").read_text(encoding="ascii"))
    more = (*programs.WARNINGS, "-Wno-pedantic", "-c")

    programs.compile_with_zig(programs.SHIMS / "launcher.c", ("-target", target, *flags, *more))


@pytest.mark.parametrize("name", ["launcher.c", "linux.c", "windows.c"])
def test_it_stays_readable(name: str) -> None:
    """Small enough to be read in one sitting."""
    lines = Path(programs.SHIMS / name).read_text(encoding="ascii").splitlines()

    assert len(lines) < 1100
    assert max(map(len, lines)) <= 100
