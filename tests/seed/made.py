"""A cache as uv lays it out, made by hand."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

SHELF = "wheels-v6/index/0123456789abcdef"


def hashed(content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"sha256={digest}"


def add(cache: Path, package: str, version: str = "1.0", *, size: int = 10) -> Path:
    """A wheel with one module; its archive."""
    archive = cache / "archive-v0" / f"id-of-{package}-{version}"
    info = f"{package}-{version}.dist-info"
    files = {
        f"{package}/__init__.py": package.encode() * size,
        f"{info}/METADATA": b"Metadata-Version: 2.1\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\n",
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


def names(cache: Path) -> set[str]:
    """All that is in a cache, but for its lock and its directories."""
    return {
        str(path.relative_to(cache))
        for path in cache.rglob("*")
        if path.name != ".lock" and (path.is_symlink() or not path.is_dir())
    }
