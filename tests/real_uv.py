"""Real uv binaries, from the package index, one directory for each version.

`LINKPOLICY_TEST_UVS` may name a directory that holds `<version>/uv` already; otherwise they are
kept in `.test-uv/` beside the checkout's pyproject.toml (git ignores it).
"""

from __future__ import annotations

import fcntl
import functools
import itertools
import os
import stat
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

#: the versions that the project promises to work with, oldest first; "newest" is the index's latest
SUPPORTED = ("0.5.23", "0.8.15", "0.9.30", "0.10.12", "newest")


def chosen(
    *thresholds: tuple[int, ...], since: tuple[int, ...] = (0,), until: tuple[int, ...] = (99,)
) -> Iterator[tuple[str, tuple[pytest.MarkDecorator, ...]]]:
    """Each supported version from `since` to before `until`, and the marks of a test with it.

    Every run has the oldest, the newest, and between them those that one of the `thresholds`, the
    versions from which on uv or linkpolicy behaves differently, parts from a neighbor. The others
    run only under `-m exhaustive`.
    """
    known = {version: numbers(version) for version in SUPPORTED}
    within = [version for version in SUPPORTED if since <= known[version] < until]
    parted = {within[0], within[-1]}
    for older, newer in itertools.pairwise(within):
        if any(known[older] < each <= known[newer] for each in thresholds):
            parted |= {older, newer}
    for version in within:
        yield version, () if version in parted else (pytest.mark.exhaustive,)


def each(
    *thresholds: tuple[int, ...], since: tuple[int, ...] = (0,), until: tuple[int, ...] = (99,)
) -> list[object]:
    """Supported versions as parameters: see `chosen`."""
    several = chosen(*thresholds, since=since, until=until)
    return [pytest.param(version, marks=marks) for version, marks in several]


def each_with(*values: object, thresholds: tuple[tuple[int, ...], ...] = ()) -> list[object]:
    """Parameters that are these and, at the end, a supported version: see `chosen`."""
    several = chosen(*thresholds)
    return [pytest.param(*values, version, marks=marks) for version, marks in several]


def numbers(version: str) -> tuple[int, ...]:
    """Of a supported version; "newest" is more than every threshold."""
    return (98,) if version == "newest" else tuple(map(int, version.split(".")))


def store() -> Path:
    """Directory that holds the binaries."""
    named = os.environ.get("LINKPOLICY_TEST_UVS")
    return Path(named) if named else Path(__file__).resolve().parent.parent / ".test-uv"


@functools.cache
def provide(version: str) -> Path:
    """Path of the directory with `uv` and `uvx` of `version`, downloaded when it is not there."""
    directory = store() / version
    if (directory / "uv").exists():
        return directory
    store().mkdir(parents=True, exist_ok=True)
    with (store() / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (directory / "uv").exists():
            _unpack(version, directory)
    return directory


@functools.cache
def package(version: str) -> Path:
    """Path of the wheel of `version`, downloaded when it is not there."""
    directory = store() / "packages" / version
    directory.mkdir(parents=True, exist_ok=True)
    with (store() / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not [*directory.glob("uv-*.whl")]:
            with tempfile.TemporaryDirectory(dir=store()) as scratch:
                wheel = _download(version, scratch)
                wheel.rename(directory / wheel.name)
    (wheel,) = directory.glob("uv-*.whl")
    return wheel


def _download(version: str, scratch: str) -> Path:
    requirement = "uv" if version == "newest" else f"uv=={version}"
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:",
         "--disable-pip-version-check", "--dest", scratch, requirement],
        check=True,
    )  # fmt: skip
    (wheel,) = Path(scratch).glob("uv-*.whl")
    return wheel


def _unpack(version: str, directory: Path) -> None:
    with tempfile.TemporaryDirectory(dir=store()) as scratch:
        wheel = _download(version, scratch)
        ready = Path(scratch) / "ready"
        ready.mkdir()
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if ".data/scripts/" in name:
                    program = ready / Path(name).name
                    program.write_bytes(archive.read(name))
                    program.chmod(
                        program.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH
                    )
        ready.rename(directory)
