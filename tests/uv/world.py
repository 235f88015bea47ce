"""A user's machine in small: a home, the shims ahead on PATH, a real uv behind, a tiny wheel."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from uvx_policy.setup import shim_file

#: base interpreter: a virtual environment first on PATH would be a target for `uv pip` itself
PYTHON = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
NAME = "tinypkg"
ORIGINAL = "VALUE = 'original'\n"


def build_wheel(directory: Path, name: str = NAME, version: str = "1.0") -> Path:
    """A wheel with a module, 64 KiB of data and an executable script."""
    files = {
        f"{name}/__init__.py": ORIGINAL.encode(),
        f"{name}/data.bin": bytes(range(256)) * 256,
        f"{name}-{version}.data/scripts/{name}-tool": b"#!/bin/sh\necho tool\n",
        f"{name}-{version}.dist-info/METADATA": (
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()
        ),
        f"{name}-{version}.dist-info/WHEEL": (
            b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        ),
    }
    rows = []
    for path, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={digest},{len(content)}")
    record = f"{name}-{version}.dist-info/RECORD"
    rows.append(f"{record},,")
    directory.mkdir(parents=True, exist_ok=True)
    wheel = directory / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, content in files.items():
            entry = zipfile.ZipInfo(path)
            entry.external_attr = (0o100755 if "/scripts/" in path else 0o100644) << 16
            archive.writestr(entry, content)
        archive.writestr(record, "\n".join(rows) + "\n")
    return wheel


class World:
    """`world.uv(...)` runs uv through the shim, `world.plain(...)` runs the same uv without."""

    def __init__(self, base: Path, real_uv: Path, home: Path | None = None) -> None:
        self.base = base
        self.home = home or base / "home"
        self.home.mkdir(parents=True, exist_ok=True)
        self.shims = base / "shims"
        self.shims.mkdir(parents=True)
        for program in ("uv", "uvx"):
            (self.shims / program).write_bytes(shim_file.render(program))
            (self.shims / program).chmod(0o755)
        self.real_uv = real_uv
        self.wheels = base / "wheels"
        build_wheel(self.wheels)

    @property
    def default_cache(self) -> Path:
        return self.home / ".cache" / "uv"

    def environ(self, *, shim: bool = True, **changes: str) -> dict[str, str]:
        path = [str(self.shims)] if shim else []
        path += [str(self.real_uv.parent), os.path.dirname(PYTHON), "/usr/bin", "/bin"]
        return {
            "HOME": str(self.home),
            "PATH": ":".join(path),
            "LANG": "C.UTF-8",
            "TMPDIR": str(self.base),
            "UV_PYTHON_DOWNLOADS": "never",
            **changes,
        }

    def project(self, directory: Path, policy: str = "", uv: str = "") -> Path:
        """A project that depends on the tiny wheel, without any network."""
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "pyproject.toml").write_text(
            f'[project]\nname = "{directory.name}"\nversion = "1"\nrequires-python = ">=3.8"\n'
            f'dependencies = ["{NAME}"]\n\n'
            f'[tool.uv]\nno-index = true\nfind-links = ["{self.wheels}"]\n{uv}\n{policy}',
            encoding="utf-8",
        )
        return directory

    def uv(
        self, *words: str, cwd: Path, check: bool = True, shim: bool = True, **environ: Any
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["uv" if words[:1] != ("uvx",) else "uvx", *words[words[:1] == ("uvx",) :]],
            cwd=cwd,
            env=self.environ(shim=shim, **environ),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert not check or done.returncode == 0, f"{words}: {done.stdout}\n{done.stderr}"
        assert "linkpolicy: internal error" not in done.stderr
        return done

    def plain(
        self, *words: str, cwd: Path, check: bool = True, **environ: Any
    ) -> subprocess.CompletedProcess[str]:
        return self.uv(*words, cwd=cwd, check=check, shim=False, **environ)

    def pip_install(self, *words: str, cwd: Path, **environ: Any) -> None:
        self.uv(
            "pip", "install", "--no-index", "--find-links", str(self.wheels), *words, NAME,
            cwd=cwd, **environ,
        )  # fmt: skip


def installed(environment: Path) -> Path:
    """The tiny package's directory below an environment, prefix or target."""
    (found,) = [path.parent for path in environment.rglob(f"{NAME}/__init__.py")]
    return found


def archived(cache: Path) -> list[Path]:
    """The module as it lies in a cache's archives."""
    return sorted(cache.glob(f"archive-v0/*/{NAME}/__init__.py"))


def files_below(directory: Path) -> Iterator[Path]:
    return (path for path in directory.rglob("*") if path.is_file() and not path.is_symlink())
