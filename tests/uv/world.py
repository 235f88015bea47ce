"""A user's machine in small: a home, the shims ahead on PATH, a real uv behind, a tiny wheel.

Every test in which a real uv installs has a `World`: the fixture `world`, or one on file systems
of its choice. What fakes a part of it (a stand-in for uv, a host made of a dict) says so itself.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import os
import subprocess
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from tests.ordinary_user import as_user
from tests.sandbox import PYTHON
from uvx_policy import cli
from uvx_policy.setup import shim_file

__all__ = ("PYTHON",)

NAME = "tinypkg"
ORIGINAL = "VALUE = 'original'\n"


def build_wheel(
    directory: Path,
    name: str = NAME,
    version: str = "1.0",
    *,
    requires: Iterable[str] = (),
    extras: Iterable[str] = (),
    module: str = ORIGINAL,
    tag: str = "py3-none-any",
) -> Path:
    """A wheel with a module, 64 KiB of data and an executable script."""
    fields = [*(f"Requires-Dist: {each}\n" for each in requires)]
    fields += (f"Provides-Extra: {each}\n" for each in extras)
    files = {
        f"{name}/__init__.py": module.encode(),
        f"{name}/data.bin": bytes(range(256)) * 256,
        f"{name}-{version}.data/scripts/{name}-tool": b"#!/bin/sh\necho tool\n",
        f"{name}-{version}.dist-info/METADATA": (
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{''.join(fields)}".encode()
        ),
        f"{name}-{version}.dist-info/WHEEL": (
            f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n".encode()
        ),
    }
    rows = []
    for path, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={digest},{len(content)}")
    record = f"{name}-{version}.dist-info/RECORD"
    rows.append(f"{record},,")
    directory.mkdir(parents=True, exist_ok=True)
    wheel = directory / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, content in files.items():
            entry = zipfile.ZipInfo(path)
            entry.external_attr = (0o100755 if "/scripts/" in path else 0o100644) << 16
            archive.writestr(entry, content)
        archive.writestr(record, "\n".join(rows) + "\n")
    return wheel


class Done(NamedTuple):
    """One call of `linkpolicy`."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class World:
    """`world.uv(...)` runs uv through the shim, `world.plain(...)` runs the same uv without.

    `world.linkpolicy(...)` runs `linkpolicy` in this process. With `uid` home and projects belong
    to that user, as whom uv runs.
    """

    def __init__(
        self, base: Path, real_uv: Path, home: Path | None = None, *, uid: int | None = None
    ) -> None:
        self.base = base
        self.home = home or base / "home"
        self.home.mkdir(parents=True, exist_ok=True)
        self.uid = uid
        self.temporary = base if uid is None else base / "tmp"
        self.temporary.mkdir(parents=True, exist_ok=True)
        self.give(self.temporary, self.home)
        self.shims = base / "shims"
        self.shims.mkdir()
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
            "TMPDIR": str(self.temporary),
            "UV_PYTHON_DOWNLOADS": "never",
            **changes,
        }

    def give(self, *paths: Path) -> None:
        """Make them the user's, with all that is in them."""
        for path in paths if self.uid is not None else ():
            for each in (path, *path.rglob("*")):
                os.chown(each, self.uid or 0, self.uid or 0, follow_symlinks=False)

    def own_directory(self, path: Path) -> Path:
        """A new directory of the user."""
        path.mkdir(parents=True)
        self.give(path)
        return path

    def project(self, directory: Path, policy: str = "", uv: str = "", *, index: str = "") -> Path:
        """A project that depends on the tiny wheel, without any network: or from this index."""
        wheels = f'[tool.uv]\nno-index = true\nfind-links = ["{self.wheels}"]\n'
        if index:
            wheels = f'[[tool.uv.index]]\nurl = "{index}"\ndefault = true\n'
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "pyproject.toml").write_text(
            f'[project]\nname = "{directory.name}"\nversion = "1"\nrequires-python = ">=3.8"\n'
            f'dependencies = ["{NAME}"]\n\n'
            f"{wheels}{uv}\n{policy}",
            encoding="utf-8",
        )
        self.give(directory)
        return directory

    def uv(
        self, *words: str, cwd: Path, check: bool = True, shim: bool = True, **environ: Any
    ) -> subprocess.CompletedProcess[str]:
        words = words if words[:1] == ("uvx",) else ("uv", *words)
        done = subprocess.run(
            words if self.uid is None else as_user(words, uid=self.uid),
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

    def environment(
        self, path: Path, cache: Path | None = None, *packages: str, mode: str = "hardlink"
    ) -> Path:
        """An environment with packages linked from `cache`, made by the real uv itself."""
        common = ("--cache-dir", str(cache or self.default_cache))
        self.plain("venv", *common, "-p", PYTHON, str(path), cwd=self.base)
        self.plain(
            "pip", "install", *common, "-p", str(path), "--link-mode", mode,
            "--no-index", "--find-links", str(self.wheels), *(packages or (NAME,)), cwd=self.base,
        )  # fmt: skip
        return path

    def linkpolicy(self, *words: str, cwd: Path | None = None, **environ: str) -> Done:
        """What it prints, and how it ends. `cwd` is a directory outside of every project."""
        with mock.patch.dict(os.environ, self.environ(shim=False, **environ), clear=True):
            return linkpolicy(*words, cwd=cwd or self.base)


def linkpolicy(*words: str, cwd: Path | str = ".") -> Done:
    """Run `linkpolicy` in this process, with the environment variables of this process."""
    here = os.getcwd()
    out, err = io.BytesIO(), io.BytesIO()
    printed = [io.TextIOWrapper(each, "utf-8", write_through=True) for each in (out, err)]
    with contextlib.redirect_stdout(printed[0]), contextlib.redirect_stderr(printed[1]):
        os.chdir(cwd)
        try:
            code = cli.main(words)
        except SystemExit as stopped:
            code = int(stopped.code or 0)
        finally:
            os.chdir(here)
    return Done(code, os.fsdecode(out.getvalue()), os.fsdecode(err.getvalue()))


def installed(environment: Path) -> Path:
    """The tiny package's directory below an environment, prefix or target."""
    (found,) = [path.parent for path in environment.rglob(f"{NAME}/__init__.py")]
    return found


def archived(cache: Path) -> list[Path]:
    """The module as it lies in a cache's archives."""
    return sorted(cache.glob(f"archive-v0/*/{NAME}/__init__.py"))


def files_below(directory: Path) -> Iterator[Path]:
    return (path for path in directory.rglob("*") if path.is_file() and not path.is_symlink())
