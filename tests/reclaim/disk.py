"""A cache and environments on one file system, made by hand, and what `reclaim` makes of them.

No `World`: no uv makes wrong digests, poisoned archives and RECORDs that leave the environment.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests import filesystems
from tests.filesystems import FileSystems, extents, flush
from tests.uv.world import Done, linkpolicy
from tests.verify.making import archive, distribution, environment
from uvx_policy.installed.tree import Tree
from uvx_policy.reclaim.volume import Volume
from uvx_policy.replace.shop import PREFIX

#: more than btrfs keeps among its metadata
FILES = {f"one/{name}.py": f"{name} = {name * 3_000!r}\n".encode() for name in "abc"}
#: ns; what was unpacked into the cache, and what was copied into environments
UNPACKED, COPIED = 1_600_000_000_123_456_789, 1_700_000_000_987_654_321


class Known(NamedTuple):
    """What must not change of a path."""

    mode: int
    #: content of a file, target of a link
    content: bytes
    mtime_ns: int


class Disk:
    """`disk.cache` is uv's cache; environments lie beside it."""

    def __init__(self, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.base = base
        #: of a file that `reclaim` has worked on: names of one inode, or extents of one another
        self.method = "dedupe" if filesystems.clone_errno(base, base) == 0 else "hardlink"
        self.cache = base / "cache"
        self.cache.mkdir()
        for name in ("CACHEDIR.TAG", ".lock"):
            (self.cache / name).touch()
        monkeypatch.setenv("UV_CACHE_DIR", str(self.cache))

    def archive(
        self, files: Mapping[str, bytes] = FILES, *, package: str = "one", algorithm: str = "sha256"
    ) -> Tree:
        """A wheel that lies unpacked in the cache."""
        tree = archive(self.cache, f"archive-of-{package}")
        distribution(tree, files, name=package, algorithm=algorithm)
        _date(Path(tree.path), UNPACKED)
        return tree

    def environment(
        self,
        name: str,
        files: Mapping[str, bytes] = FILES,
        *,
        package: str = "one",
        algorithm: str = "sha256",
        more_rows: Iterable[str] = (),
    ) -> Tree:
        """An environment into which a wheel was copied."""
        tree = environment(self.base / name)
        distribution(tree, files, name=package, algorithm=algorithm, more_rows=more_rows)
        _date(Path(tree.path), COPIED)
        return tree

    def reclaim(self, *words: str, expect: int | None = 0, cwd: Path | None = None) -> Done:
        """`linkpolicy reclaim --yes --json` of all that is on the disk; `expect`: exit code."""
        self._flush()
        roots = () if any(word.startswith("/") for word in words) else (str(self.base),)
        done = linkpolicy("reclaim", "--yes", "--json", *words, *roots, cwd=cwd or self.base)
        assert expect in (None, done.code), (done.code, done.out, done.err)
        return done

    # What is on the disk -------------------------------------------------------------------------

    def paths(self) -> list[Path]:
        """Everything, but for uv's locks and what we remember."""
        return sorted(
            path
            for path in self.base.rglob("*")
            if path.name != ".lock" and ".local" not in path.relative_to(self.base).parts
        )

    def known(self) -> dict[Path, Known]:
        """Of everything that is not a directory."""
        return {
            path: Known(status.st_mode, content_of(path, status.st_mode), status.st_mtime_ns)
            for path in self.paths()
            for status in [path.lstat()]
            if not stat.S_ISDIR(status.st_mode)
        }

    def sharing(self) -> set[frozenset[str]]:
        """Files that are one, by inode or by extents: sets of at least two paths below the disk."""
        self._flush()
        groups: dict[object, set[str]] = {}
        for path in self.paths():
            status = path.lstat()
            is_file = stat.S_ISREG(status.st_mode) and status.st_size
            if is_file and ".dist-info/" not in self.below(path):  # for btrfs they are too small
                groups.setdefault(self._place_of(path, status), set()).add(self.below(path))
        return {frozenset(group) for group in groups.values() if len(group) > 1}

    @property
    def per_environment(self) -> int:
        """How many files of `FILES` and its METADATA an environment can share."""
        # METADATA is so small that btrfs keeps it inline.
        return len(FILES) + (Path(self.base).parent.name.split("-")[-1] != "btrfs")

    def below(self, path: Path) -> str:
        return str(path.relative_to(self.base))

    def leftovers(self) -> list[Path]:
        return [path for path in self.base.rglob("*") if path.name.startswith(PREFIX)]

    def _flush(self) -> None:
        """What has no place on the disk yet shares no extents."""
        if self.method == "dedupe":
            flush(self.base)

    def _place_of(self, path: Path, status: os.stat_result) -> object:
        if self.method == "dedupe":
            placed = tuple((each.physical, each.length) for each in extents(path))
            if any(physical for physical, _ in placed):
                return placed
        return status.st_dev, status.st_ino


def content_of(path: Path, mode: int) -> bytes:
    if stat.S_ISLNK(mode):
        return os.fsencode(os.readlink(path))
    return path.read_bytes() if stat.S_ISREG(mode) else b""


def unchanged(disk: Disk, before: dict[Path, Known]) -> None:
    """Content and mode of everything are as before; times too, but those of hard links.

    A name that became one of another inode has that one's time.
    """
    after = disk.known()
    assert after.keys() == before.keys()
    new = {path for path in after if after[path] != before[path]}
    for path in new:
        assert after[path][:2] == before[path][:2], path
        assert disk.method == "hardlink", path
        assert path.lstat().st_nlink > 1, path
        others = {row.mtime_ns for row in before.values() if row[:2] == after[path][:2]}
        assert after[path].mtime_ns in others, path


def left(done: Done) -> dict[str, set[str]]:
    """Reason -> paths."""
    return {row["reason"]: set(row["paths"]) for row in done.json["left"]}


def counts(done: Done, key: str) -> int:
    """Of all devices together."""
    return sum(row[key] for row in done.json["devices"])


@contextlib.contextmanager
def without_leases(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As on NFS."""
    real = fcntl.fcntl

    def refused(handle: int, command: int, *words: Any) -> object:
        if command == fcntl.F_SETLEASE:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return real(handle, command, *words)

    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "fcntl", refused)
        yield


def _date(directory: Path, time: int) -> None:
    for path in directory.rglob("*"):
        if path.is_file():
            os.utime(path, ns=(time, time))


def site(tree: Tree) -> Path:
    return Path(tree.path)


def by_clones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `reclaim` work as on APFS, wherever there are clones."""
    monkeypatch.setattr(Volume, "_can_dedupe", lambda _: False)
    monkeypatch.setattr(Volume, "_can_clone", lambda _: True)


@pytest.fixture(params=["ext4", "btrfs", "xfs"])
def disk(request: pytest.FixtureRequest, fs: FileSystems, monkeypatch: pytest.MonkeyPatch) -> Disk:
    """Hard links, and two that share extents."""
    return Disk(getattr(fs, request.param), monkeypatch)


@pytest.fixture
def ext4(fs: FileSystems, monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(fs.ext4, monkeypatch)


@pytest.fixture
def btrfs(fs: FileSystems, monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(fs.btrfs, monkeypatch)
