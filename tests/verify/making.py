"""Trees to verify, made without any uv: a distribution is its files and a RECORD of them."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from uvx_policy.verify.engine import verify
from uvx_policy.verify.model import Finding, Tally, Tree

LIBRARY = f"lib/python3.{sys.version_info.minor}/site-packages"


def digest(content: bytes, algorithm: str = "sha256") -> str:
    """As a RECORD has it."""
    told = hashlib.new(algorithm, content).digest()
    return f"{algorithm}={base64.urlsafe_b64encode(told).rstrip(b'=').decode()}"


def environment(path: Path) -> Tree:
    """An empty environment; its one site directory."""
    site = path / LIBRARY
    site.mkdir(parents=True)
    (path / "bin").mkdir()
    (path / "pyvenv.cfg").write_text("home = /usr/bin\n")
    return Tree(path=str(site), kind="site", owner=str(path))


def archive(cache: Path, name: str = "abcdefghijklmnop") -> Tree:
    """An empty archive of a cache."""
    path = cache / "archive-v0" / name
    path.mkdir(parents=True)
    return Tree(path=str(path), kind="archive", owner=str(cache))


def distribution(
    tree: Tree,
    files: Mapping[str, bytes],
    *,
    name: str = "one",
    version: str = "1.0",
    algorithm: str = "sha256",
    installer: str = "uv",
    more_rows: Iterable[str] = (),
) -> Path:
    """Install files (by their paths in RECORD); the `.dist-info`."""
    site = Path(tree.path)
    directory = site / f"{name}-{version}.dist-info"
    directory.mkdir(parents=True)
    inside = f"{directory.name}/METADATA"
    text = io.StringIO()
    # Before Python 3.13 the writer leaves a carriage return without quotes.
    quoting = csv.QUOTE_ALL if any("\r" in path for path in files) else csv.QUOTE_MINIMAL
    rows = csv.writer(text, lineterminator="\n", quoting=quoting)
    for path, content in {**files, inside: f"Name: {name}\n".encode()}.items():
        where = site / path
        os.makedirs(os.path.normpath(where.parent), exist_ok=True)
        where.write_bytes(content)
        rows.writerow([path, digest(content, algorithm), len(content)])
    if tree.kind == "site":
        (directory / "INSTALLER").write_text(installer)
        rows.writerow([f"{directory.name}/INSTALLER", "", ""])
    rows.writerow([f"{directory.name}/RECORD", "", ""])
    told = text.getvalue().encode("utf-8", "surrogateescape")
    more = "".join(f"{row}\n" for row in more_rows).encode("utf-8", "surrogateescape")
    (directory / "RECORD").write_bytes(told + more)
    return directory


def found(
    *trees: Tree, tally: Tally | None = None, state: str = "", full: bool = False
) -> list[Finding]:
    """Verify them without other processes."""
    return list(verify(trees, state=state, full=full, tally=tally, workers=0))


def said(*trees: Tree) -> list[tuple[str, str]]:
    """State and path below the tree of each finding, in the order of the paths."""
    return sorted(
        (each.state, os.path.relpath(each.path, each.tree.path)) for each in found(*trees)
    )
