"""The launcher and the C programs of these tests, compiled once for each run of the tests."""

from __future__ import annotations

import functools
import importlib.util
import os
import shlex
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, NoReturn

import pytest

from uvx_policy import real_uv

HERE = Path(__file__).parent
SHIMS = HERE.parent.parent / "shims"

WARNINGS = ("-Wall", "-Wextra", "-Werror", "-Wconversion", "-Wshadow", "-pedantic")
#: read beyond a buffer, use what was never written, overflow: the program ends with an error
SANITIZED = (
    "-std=c11", "-D_GNU_SOURCE", "-g", "-O1", "-fno-omit-frame-pointer",
    "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
)  # fmt: skip
#: for valgrind, which replaces functions of a libc that is not linked statically only
PLAIN = ("-std=c11", "-D_GNU_SOURCE", "-g", "-O1")
#: for a stand-in that linkpolicy shall take for uv itself
MARKS = '-DMARKS="{}"'.format('" "'.join(mark.decode() for mark in real_uv.MARKS))


def shipped() -> tuple[str, ...]:
    """The flags that a wheel is built with; without `-static` where that cannot be."""
    return tuple(shlex.split((SHIMS / "CFLAGS").read_text(encoding="ascii")))


@functools.cache
def directory() -> Path:
    """Where the programs are; removed with the last process that knows them."""
    made = tempfile.TemporaryDirectory(prefix="linkpolicy-launcher-")
    _kept.append(made)
    return Path(made.name)


_kept: list[tempfile.TemporaryDirectory[str]] = []


@functools.cache
def compile_c(source: Path, flags: tuple[str, ...], compiler: str = "cc") -> Path:
    """Compile one file; skips where there is no compiler, fails with what it says."""
    need_compiler(compiler)
    binary = directory() / f"{source.stem}-{len(list(directory().iterdir()))}"
    command = [compiler, *flags, "-o", str(binary), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0 and "-static" in flags:
        return compile_c(source, tuple(flag for flag in flags if flag != "-static"), compiler)
    assert done.returncode == 0, done.stderr
    return binary


@functools.cache
def compile_with_zig(source: Path, flags: tuple[str, ...]) -> Path:
    """Compile one file for another system; skips where zig is not installed."""
    if importlib.util.find_spec("ziglang") is None:
        missing("ziglang (`pip install ziglang`)")
    binary = directory() / f"{source.stem}-{len(list(directory().iterdir()))}"
    command = [sys.executable, "-m", "ziglang", "cc", *flags, "-o", str(binary), str(source)]
    environ = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": str(directory() / "zig")}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return binary


def launcher(flags: tuple[str, ...]) -> Path:
    """The launcher, unconfigured."""
    return compile_c(SHIMS / "launcher.c", flags)


def need_compiler(compiler: str = "cc") -> None:
    """Skip the test where there is none; in CI, fail."""
    if shutil.which(compiler) is None:
        missing("C compiler")


def missing(what: str) -> NoReturn:
    """Skip the test, which needs `what`; in CI, which installs it, fail."""
    if os.environ.get("CI", "") not in ("", "0", "false"):
        pytest.fail(f"{what} is required here", pytrace=False)
    pytest.skip(f"no {what} here")


def fuzzing_compiler() -> str | None:
    """A clang that has libFuzzer, or `None`."""
    for name in ("clang", *(f"clang-{version}" for version in range(25, 11, -1))):
        if shutil.which(name) and _has_fuzzer(name):
            return name
    return None


def _has_fuzzer(compiler: str) -> bool:
    tried = subprocess.run(
        [compiler, "-fsanitize=fuzzer,address,undefined", "-x", "c", "-", "-o", os.devnull],
        input=b"int LLVMFuzzerTestOneInput(const char *d, unsigned long n) { return !d && n; }",
        capture_output=True,
        check=False,
    )
    return tried.returncode == 0


class Asked:
    """The program `ask.c`, running."""

    def __init__(self, flags: tuple[str, ...] = SANITIZED) -> None:
        self._process = subprocess.Popen(
            [compile_c(HERE / "ask.c", flags)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def ask(self, *strings: bytes) -> list[bytes]:
        """One request, and its answer."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        parts = [struct.pack("<I", len(strings))]
        for string in strings:
            parts += [struct.pack("<I", len(string)), string]
        stdin.write(b"".join(parts))
        stdin.flush()
        return [_read(stdout, _size(stdout)) for _ in range(_size(stdout))]

    def close(self) -> None:
        """End it. Fails when it did not end well."""
        self._process.communicate()
        assert self._process.returncode == 0


def _size(stream: IO[bytes]) -> int:
    return int(struct.unpack("<I", _read(stream, 4))[0])


def _read(stream: IO[bytes], size: int) -> bytes:
    got = stream.read(size)
    assert len(got) == size, "the program ended: its complaint is on stderr"
    return got
