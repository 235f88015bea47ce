"""A cache as uv lays it out, made by hand."""

from __future__ import annotations

import base64
import hashlib
import shutil
from pathlib import Path

SHELF = "wheels-v6/index/0123456789abcdef"


def hashed(content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"sha256={digest}"


def add(
    cache: Path,
    package: str,
    version: str = "1.0",
    *,
    size: int = 10,
    more: dict[str, bytes] | None = None,
) -> Path:
    """A wheel with one module, and more files; its archive."""
    archive = cache / "archive-v0" / f"id-of-{package}-{version}"
    info = f"{package}-{version}.dist-info"
    files = {
        f"{package}/__init__.py": package.encode() * size,
        f"{info}/METADATA": b"Metadata-Version: 2.1\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\n",
        **(more or {}),
    }
    rows = [f"{path},{hashed(content)},{len(content)}" for path, content in files.items()]
    files[f"{info}/RECORD"] = "".join(f"{row}\n" for row in [*rows, f"{info}/RECORD,,"]).encode()
    for path, content in files.items():
        (archive / path).parent.mkdir(parents=True, exist_ok=True)
        (archive / path).write_bytes(content)
    shelf = cache / SHELF / package
    shelf.mkdir(parents=True, exist_ok=True)
    (shelf / f"{version}-py3-none-any.http").write_text(f"... {archive.name} ...")
    (shelf / f"{version}-py3-none-any").symlink_to(f"../../../../archive-v0/{archive.name}")
    return archive


def install(
    environment: Path,
    archive: Path,
    *,
    elsewhere: dict[str, str] | None = None,
    edited: dict[str, bytes] | None = None,
) -> Path:
    """What is in an archive, as uv copies it into an environment; its site directory.

    `elsewhere`: path in the archive -> in the site directory, of what has its place elsewhere;
    `edited`: path there -> what it holds instead.
    """
    site = environment / "lib/python3.11/site-packages"
    site.mkdir(parents=True, exist_ok=True)
    (environment / "pyvenv.cfg").touch()
    (info,) = archive.glob("*.dist-info")
    rows = ["INSTALLER,,"]
    for row in (info / "RECORD").read_text().splitlines():
        path, rest = row.split(",", 1)
        to = (elsewhere or {}).get(path, path)
        content = (edited or {}).get(to)
        if content is not None:
            rest = f"{hashed(content)},{len(content)}"
        rows.append(f"{to},{rest}")
        (site / to).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(archive / path, site / to)
        shutil.copymode(archive / path, site / to)
        if content is not None:
            (site / to).write_bytes(content)
    (site / info.name / "RECORD").write_text("".join(f"{row}\n" for row in rows))
    return site


def names(cache: Path) -> set[str]:
    """All that is in a cache, but for its lock and its directories."""
    return {
        str(path.relative_to(cache))
        for path in cache.rglob("*")
        if path.name != ".lock" and (path.is_symlink() or not path.is_dir())
    }
