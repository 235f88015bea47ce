"""The shims in a Windows machine for tests: the launchers, compiled by mingw, and their file."""

from __future__ import annotations

import subprocess
from pathlib import Path

import hatch_build
from tests.sandbox import ROOT
from tests.wine import supplies
from tests.wine.laboratory import Laboratory
from uvx_policy.windows import launcher

#: where `install` puts them, to be named before uv's own directory on PATH
SHIMS = r"C:\shims"


def compile_launcher(directory: Path) -> Path:
    """`shims/launcher.c` as a program of the console."""
    source, compiled = ROOT / "shims", directory / "launcher.o"
    flags = (source / "CFLAGS.windows").read_text().split()
    words = [supplies.COMPILER, *flags, "-c", "-o", str(compiled), "launcher.c"]
    subprocess.run(words, cwd=source, check=True)
    made = directory / "launcher.exe"
    linked = ("-s", "-nostdlib", "-Wl,-e,start", "-Wl,--subsystem,console")
    words = [supplies.COMPILER, *linked, "-o", str(made), str(compiled)]
    subprocess.run([*words, "-lkernel32", "-lntdll"], check=True)
    made.write_bytes(hatch_build.marked(made.read_bytes()))
    return made


def install(laboratory: Laboratory, program: Path) -> None:
    """Put it there as `uv.exe` and `uvx.exe`, with the package of the machine behind it."""
    directory = laboratory.path(SHIMS)
    directory.mkdir(exist_ok=True)
    for name in ("uv", "uvx"):
        (directory / f"{name}.exe").write_bytes(program.read_bytes())
        (directory / f"{name}.exe").chmod(0o755)
    package = rf"{laboratory.site_packages}\uvx_policy"
    content = launcher.windows_configuration(
        package=package, python=laboratory.python, script=rf"{package}\answer.py", embedded=()
    )
    (directory / launcher.NAME).write_bytes(content)
