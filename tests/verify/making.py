"""Trees to verify, made without any uv: a distribution is its files and a RECORD of them."""

from __future__ import annotations

import base64
import contextlib
import csv
import hashlib
import io
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from uvx_policy.installed import record
from uvx_policy.installed.distributions import distributions
from uvx_policy.installed.finding import Finding
from uvx_policy.installed.tree import Index, Tree
from uvx_policy.verify.contradictions import Contradiction, contradiction_of
from uvx_policy.verify.elsewhere import with_places
from uvx_policy.verify.engine import verify
from uvx_policy.verify.tally import Tally

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
    if any("\r" in path for path in files):
        rows = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    else:
        rows = csv.writer(text, lineterminator="\n")
    for path, content in {**files, inside: f"Name: {name}\n".encode()}.items():
        where = site / path
        os.makedirs(os.path.normpath(where.parent), exist_ok=True)
        where.write_bytes(content)
        rows.writerow([path, digest(content, algorithm), len(content)])
    if tree.kind == "site":
        (directory / "INSTALLER").write_text(installer)
    (directory / "WHEEL").write_text(installer)
    rows.writerow([f"{directory.name}/WHEEL", "", ""])
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


FILES = {"one/a.py": b"original", "one/b.py": b"original too"}


def linked(source: Tree, tree: Tree) -> None:
    """Install everything of an archive by hard links, but for the RECORD."""
    for path in Path(source.path).rglob("*"):
        where = Path(tree.path) / path.relative_to(source.path)
        if path.is_dir():
            where.mkdir(parents=True, exist_ok=True)
        elif path.name == "RECORD":
            shutil.copy(path, where)
        else:
            where.hardlink_to(path)


class Machine:
    """A cache with one archive, and environments that were linked from it.

    No `World`: no uv makes what these tests need, wrong hashes and odd names in a RECORD.
    """

    def __init__(self, base: Path) -> None:
        self.cache = base / "cache"
        self.archive = archive(self.cache)
        distribution(self.archive, FILES)
        self.first = environment(base / "first")
        self.second = environment(base / "second")
        linked(self.archive, self.first)
        linked(self.archive, self.second)

    @property
    def index(self) -> Index:
        return Index([str(self.cache)], [self.first.owner, self.second.owner])

    def places(self, tree: Tree, index: Index | None = None) -> list[tuple[str, str, str]]:
        """How, owner and path of each place of the one finding."""
        (told,) = with_places(found(tree), index or self.index)
        return [(each.how, each.tree.owner, each.path) for each in told.elsewhere]

    def unknown(self, tree: Tree, index: Index | None = None) -> int:
        (told,) = with_places(found(tree), index or self.index)
        return told.unknown_names


def at(tree: Tree, path: str = "one/a.py") -> str:
    return f"{tree.path}/{path}"


def edit(tree: Tree, path: str = "one/a.py", content: bytes = b"edited") -> None:
    Path(at(tree, path)).write_bytes(content)


def contradictions(tree: Tree, index: Index) -> Iterator[Contradiction]:
    """Give each distribution of a tree whose RECORD was changed. Never raises."""
    for distribution in distributions(tree.path):
        with contextlib.suppress(OSError):
            found = contradiction_of(tree, distribution, record.read(distribution), index)
            if found is not None:
                yield found
