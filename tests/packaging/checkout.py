"""A copy of this checkout, and what building it gives."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tests.launcher.programs import missing

ROOT = Path(__file__).resolve().parents[2]
#: all that a build reads
SOURCES = (
    "hatch_build.py",
    "pyproject.toml",
    ".gitignore",
    "README.md",
    "ARCHITECTURE.md",
    "LICENSE",
)
LAUNCHER = "uvx_policy/launcher"
#: what decides about the build
_OURS = ("CC", "CFLAGS", "LDFLAGS", "LINKPOLICY_BUILD_LAUNCHER", "SOURCE_DATE_EPOCH")


class Build(NamedTuple):
    """One run of a build hook of PEP 517."""

    code: int
    #: the file that was made; a path that is not there when none was
    made: Path
    stderr: str


def copy(destination: Path) -> Path:
    """The sources without what git ignores."""
    destination.mkdir(parents=True)
    for name in SOURCES:
        shutil.copy2(ROOT / name, destination / name)
    ignored = shutil.ignore_patterns("__pycache__", "launcher", ".launcher-*")
    for name in ("uvx_policy", "shims"):
        shutil.copytree(ROOT / name, destination / name, ignore=ignored)
    return destination


def environ(**changes: str) -> dict[str, str]:
    """The variables for a build: nobody's compiler flags."""
    return {name: value for name, value in os.environ.items() if name not in _OURS} | changes


def build(tree: Path, what: str, into: Path, variables: Mapping[str, str] | None = None) -> Build:
    """Build `what` ("wheel", "editable" or "sdist") as pip, build and uv do it: in `tree`."""
    into.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-c",
         f"from hatchling.build import build_{what}; print(build_{what}({str(into)!r}))"],
        cwd=tree, env=variables or environ(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    name = done.stdout.strip().rpartition("\n")[2] or "nothing"
    return Build(done.returncode, into / name, done.stderr)


def names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def extract_launcher(wheel: Path, destination: Path) -> Path:
    """The launcher out of a wheel, as executable as the wheel says."""
    with zipfile.ZipFile(wheel) as archive:
        path = Path(archive.extract(LAUNCHER, destination))
        path.chmod(archive.getinfo(LAUNCHER).external_attr >> 16 & 0o777)
    return path


def need_compiler() -> None:
    """Skip where there is no C compiler, but not in CI."""
    if not any(map(shutil.which, ("cc", "gcc", "clang"))):
        missing("C compiler")
