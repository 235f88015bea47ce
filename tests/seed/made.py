"""A cache as uv lays it out, made by hand."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

SHELF = "wheels-v6/index/0123456789abcdef"


def hashed(content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"sha256={digest}"


def add(
    cache: Path,
    package: str,
    version: str = "1.0",
    *requires: str,
    size: int = 10,
    tag: str = "py3-none-any",
) -> Path:
    """A wheel with one module; its archive."""
    archive = cache / "archive-v0" / f"id-of-{package}-{version}"
    if tag != "py3-none-any":
        archive = archive.with_name(f"{archive.name}-{tag}")
    fields = "".join(f"Requires-Dist: {each}\n" for each in requires)
    info = f"{package.replace('-', '_')}-{version}.dist-info"
    files = {
        f"{package}/__init__.py": package.encode() * size,
        f"{info}/METADATA": f"Metadata-Version: 2.1\n{fields}".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\n",
    }
    rows = [f"{path},{hashed(content)},{len(content)}" for path, content in files.items()]
    files[f"{info}/RECORD"] = "".join(f"{row}\n" for row in [*rows, f"{info}/RECORD,,"]).encode()
    for path, content in files.items():
        (archive / path).parent.mkdir(parents=True, exist_ok=True)
        (archive / path).write_bytes(content)
    shelf = cache / SHELF / package
    shelf.mkdir(parents=True, exist_ok=True)
    (shelf / f"{version}-{tag}.http").write_text(f"... {archive.name} ...")
    (shelf / f"{version}-{tag}").symlink_to(f"../../../../archive-v0/{archive.name}")
    return archive


def describe(cache: Path, package: str, version: str, *requires: str) -> Path:
    """What uv keeps of the metadata of a wheel: MessagePack."""
    rows = (package, version)
    content = b"\x96" + b"".join(map(_packed, rows)) + bytes([0x90 + len(requires)])
    content += b"".join(map(_packed, requires)) + b"\xc0\x90\xc2"
    path = cache / SHELF / package / f"{version}-py3-none-any.msgpack"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def _packed(text: str) -> bytes:
    content = text.encode()
    head = [0xA0 + len(content)] if len(content) < 32 else [0xD9, len(content)]
    return bytes(head) + content


def names(cache: Path) -> set[str]:
    """All that is in a cache, but for its lock and its directories."""
    return {
        str(path.relative_to(cache))
        for path in cache.rglob("*")
        if path.name != ".lock" and (path.is_symlink() or not path.is_dir())
    }
