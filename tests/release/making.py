"""Run `release/build.py`, as whoever publishes does, with what it takes at hand."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from tests import real_uv
from tests.index_programs import environment
from tests.sandbox import ROOT

REQUIREMENTS = ROOT / "release/requirements.txt"
#: what a release is checked with
_CHECKS = ("auditwheel>=6.5", "twine>=6")
#: platform tags of each file, in the order of the release; the sdist has none
LINUX = {
    name: (f"manylinux_{glibc}_{name}", f"musllinux_1_1_{name}")
    for name, glibc in {
        "x86_64": "2_17", "aarch64": "2_17", "armv7l": "2_17", "i686": "2_17", "riscv64": "2_31",
    }.items()
}  # fmt: skip
WINDOWS = ("win_amd64", "win_arm64")
OTHERS = (("macosx_11_0_universal2",), ("any",))


def python() -> Path:
    """An interpreter that has what builds and checks a release."""
    lines = REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    wanted = [line for line in lines if line and not line.startswith("#")]
    return environment("release", *wanted, *_CHECKS) / "python"


def build(
    tree: Path, into: Path, *words: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Make the release of `tree`. What zig compiles of a C library is kept for a checkout."""
    with tempfile.TemporaryDirectory() as home:  # pip asks rustc, which leaves settings
        environ = {"ZIG_GLOBAL_CACHE_DIR": str(real_uv.store() / "zig"), "HOME": home}
        return subprocess.run(
            [python(), tree / "release/build.py", "--out", into, *words],
            env=os.environ | environ | variables,
            stdout=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip


def run(*words: str | Path, **variables: str) -> str:
    """Standard output of a program of that environment, which must be content."""
    program, *rest = words
    done = subprocess.run(
        [python().parent / program, *rest],
        env=os.environ | variables, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def wheel(released: Path, *tags: str) -> Path:
    """The wheel that has exactly these platform tags."""
    (found,) = released.glob(f"*-py3-none-{'.'.join(tags)}.whl")
    return found
