"""Programs of the package index, each in an environment of its own below `.test-uv/`."""

from __future__ import annotations

import fcntl
import functools
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests import real_uv


@functools.cache
def environment(name: str, *requirements: str) -> Path:
    """Its directory of programs, with `requirements` installed; made once for a checkout."""
    made = real_uv.store() / name
    wanted = "\n".join(requirements)
    real_uv.store().mkdir(parents=True, exist_ok=True)
    with (real_uv.store() / f".{name}-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        complete = made / "installed"
        if not complete.exists() or complete.read_text(encoding="utf-8") != wanted:
            with tempfile.TemporaryDirectory() as home:  # pip and ensurepip ask rustc, which
                environ = os.environ | {"HOME": home}  # leaves settings in a home
                subprocess.run(
                    [sys.executable, "-m", "venv", "--clear", made], env=environ, check=True
                )
                subprocess.run(
                    [made / "bin/python", "-m", "pip", "install", "--quiet",
                     "--disable-pip-version-check", *requirements],
                    env=environ, check=True,
                )  # fmt: skip
            complete.write_text(wanted, encoding="utf-8")
    return made / "bin"
