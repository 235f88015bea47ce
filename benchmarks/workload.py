"""Environments of real packages with the same files many times, and what may not happen to them."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import struct
import sys
from typing import TYPE_CHECKING, NamedTuple

from benchmarks import harness

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: below a device, as `copied` puts them
ENVIRONMENTS, CACHE = "w", "cache"
#: beside them in the directory of `install`: what is installed in each
REQUIREMENTS = "requirements"

#: what people have: much that is the same, some of it in another version
PACKAGES = {
    "a": ("numpy", "pandas", "scipy", "matplotlib", "scikit-learn"),
    "b": ("numpy", "pandas", "jupyterlab"),
    "c": ("django", "ruff", "black", "pydantic"),
    "d": ("numpy", "pandas", "scipy", "matplotlib", "scikit-learn", "ruff", "black"),
    "e": ("jupyterlab", "ruff", "pydantic", "django"),
    "f": ("numpy<2", "pandas<2.2", "matplotlib<3.9", "jupyterlab"),
}
FEW_PACKAGES = {
    "a": ("rich", "click"),
    "b": ("rich", "attrs"),
    "c": ("rich<14", "click", "attrs"),
}
#: this one is compiled: its bytecode must stay valid
_COMPILED = "a"
_CHUNK = 1 << 20


class File(NamedTuple):
    """What has to be as it was."""

    digest: str
    mode: int
    #: bytecode that is not of the source beside it: some wheels bring such
    is_stale: bool


class Checked(NamedTuple):
    """What a run did to the files, but share them."""

    missing: int
    #: other bytes than before, but the source's time in valid bytecode
    changed: int
    mode: int
    extra: int
    #: bytecode that was valid before, and that Python would compile again now
    stale: int

    def __str__(self) -> str:
        told = (f"{count} {name}" for name, count in self._asdict().items() if count)
        return ", ".join(told) or "-"


def install(directory: str, packages: Mapping[str, Sequence[str]], *, uv: str, home: str) -> None:
    """Make the environments and the cache in `directory`, each file a copy of its own.

    Nothing of an earlier run is used but what is in that cache. Raises `BenchmarkError`.
    """
    environ = {
        **harness.scratch_environ(home),
        "UV_CACHE_DIR": os.path.join(directory, CACHE),
        "UV_LINK_MODE": "copy",
    }
    for name, wanted in packages.items():
        environment = os.path.join(directory, ENVIRONMENTS, name, ".venv")
        python = os.path.join(environment, "bin", "python")
        for words in (
            ["venv", "--quiet", "--python", sys.executable, environment],
            ["pip", "install", "--quiet", "--python", python, *wanted],
        ):
            harness.Call([uv, *words], environ, directory).output()
        frozen = harness.Call([uv, "pip", "freeze", "--python", python], environ, directory)
        os.makedirs(os.path.join(directory, REQUIREMENTS), exist_ok=True)
        with open(os.path.join(directory, REQUIREMENTS, name), "x", encoding="utf-8") as stream:
            stream.write(frozen.output())
    compiled = os.path.join(directory, ENVIRONMENTS, _COMPILED, ".venv")
    words = [os.path.join(compiled, "bin", "python"), "-m", "compileall", "-q", f"{compiled}/lib"]
    # Packages have test data that does not compile.
    harness.Call(["/bin/sh", "-c", '"$@"; :', "sh", *words], environ, directory).output()


def environments(device: str) -> list[str]:
    """Paths of the environments there."""
    parent = os.path.join(device, ENVIRONMENTS)
    return [os.path.join(parent, name, ".venv") for name in sorted(os.listdir(parent))]


# What may not happen ------------------------------------------------------------------------------


def _files(device: str) -> Iterator[str]:
    for name in (ENVIRONMENTS, CACHE):
        for where, _, names in os.walk(os.path.join(device, name)):
            for each in names:
                yield os.path.join(where, each)


def manifest(device: str) -> dict[str, File]:
    """All files, by their path on the device."""
    digests: dict[int, str] = {}
    told = {}
    for path in _files(device):
        status = os.lstat(path)
        if stat.S_ISREG(status.st_mode):
            if status.st_ino not in digests:
                digests[status.st_ino] = _digest(path)
            digest = digests[status.st_ino]
        else:
            digest = os.readlink(path)
        is_stale = path.endswith(".pyc") and _is_stale(path)
        told[os.path.relpath(path, device)] = File(digest, stat.S_IMODE(status.st_mode), is_stale)
    return told


def _digest(path: str) -> str:
    """Of all but the source's time in bytecode: that one `stale` looks at."""
    hashing = hashlib.sha256()
    with open(path, "rb", buffering=0) as stream:
        first = stream.read(_CHUNK)
        hashing.update(first[:8] + first[12:] if path.endswith(".pyc") else first)
        while content := stream.read(_CHUNK):
            hashing.update(content)
    return hashing.hexdigest()


def check(device: str, before: Mapping[str, File], *, only: str = "") -> Checked:
    """Compare what is below `only` with what `manifest` told before."""
    expected = {path: file for path, file in before.items() if path.startswith(only)}
    now = {path: file for path, file in manifest(device).items() if path.startswith(only)}
    both = expected.keys() & now.keys()
    return Checked(
        missing=len(expected.keys() - now.keys()),
        changed=sum(expected[path].digest != now[path].digest for path in both),
        mode=sum(expected[path].mode != now[path].mode for path in both),
        extra=len(now.keys() - expected.keys()),
        stale=sum(now[path].is_stale and not expected[path].is_stale for path in both),
    )


def _is_stale(path: str) -> bool:
    directory, name = os.path.split(path)
    source = os.path.join(os.path.dirname(directory), f"{name.split('.')[0]}.py")
    with open(path, "rb") as stream:
        flags, when, size = struct.unpack("<4xLLL", stream.read(16))
    try:
        status = os.stat(source)
    except OSError:
        return False
    now = (int(status.st_mtime) & 0xFFFFFFFF, status.st_size & 0xFFFFFFFF)
    return flags == 0 and (when, size) != now


def read_all(directory: str) -> None:
    """Let the kernel know all files and what is in them."""
    for where, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(where, name)
            if not os.path.islink(path):
                with open(path, "rb", buffering=0) as stream:
                    while stream.read(_CHUNK):
                        pass


def copied(directory: str, device: str) -> None:
    """Copy what `install` made to a device, times and modes included."""
    for name in (ENVIRONMENTS, CACHE):
        words = ["cp", "-a", "--reflink=never", os.path.join(directory, name), device]
        harness.Call([shutil.which("cp") or "cp", *words[1:]], os.environ, device).output()
