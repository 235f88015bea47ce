"""Make what is published, on one Linux machine: the sdist, and a wheel for each platform.

    python release/build.py --out DIR [--only PLATFORM_TAG]...

The wheels are built from the sdist, as whoever downloads it would. What builds them is in
requirements.txt, to the version; where this Python has something else, it is installed into an
environment of its own, from the package index. Two runs give the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import os
import runpy
import subprocess
import sys
import tarfile
import tempfile
import venv
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = Path(__file__).resolve().parent / "requirements.txt"
#: for `--only`, besides the tags
SDIST = "sdist"
#: variables that could change what is built
_FOREIGN = ("CC", "CFLAGS", "LDFLAGS", "SOURCE_DATE_EPOCH", "LINKPOLICY_BUILD_LAUNCHER")


def main() -> int:
    """Returns the exit code; prints the digest and the path of each file that was made."""
    platforms = {
        name: platform.tags
        for name, platform in runpy.run_path(str(ROOT / "hatch_build.py"))["PLATFORMS"].items()
    }
    options = _parsed(platforms)
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="linkpolicy-release-") as scratch:
        builder = Builder(Path(scratch), options.out.resolve())
        wanted = options.only or [SDIST, *(tags[0] for tags in platforms.values())]
        sdist = builder.sdist(keep=SDIST in wanted)
        made = [sdist] if SDIST in wanted else []
        made += [
            builder.wheel(name)
            for name, tags in platforms.items()
            if not {*tags}.isdisjoint(wanted)
        ]
    for path in made:
        print(hashlib.sha256(path.read_bytes()).hexdigest(), path.name, sep="  ")
    return 0


def _parsed(platforms: Mapping[str, tuple[str, ...]]) -> argparse.Namespace:
    known = [SDIST, *(tag for tags in platforms.values() for tag in tags)]
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="made where missing")
    parser.add_argument(
        "--only", metavar="PLATFORM_TAG", choices=known, action="append",
        help=f"one of {', '.join(known)}; may be repeated",
    )  # fmt: skip
    return parser.parse_args()


class Builder:
    """Calls the build backend in an environment where it has the versions that are pinned."""

    def __init__(self, scratch: Path, out: Path) -> None:
        self._scratch = scratch
        self._out = out
        self._python = _python(scratch)
        self._unpacked = scratch

    def sdist(self, *, keep: bool) -> Path:
        """The sdist, and `wheel` builds from it. `keep`: into the directory for what is made."""
        made = self._call("sdist", ROOT, self._out if keep else self._scratch, {})
        # Not `extractall`: since Python 3.11.4 it needs a filter, which it did not have before.
        with tarfile.open(made) as archive:
            top = archive.getnames()[0].partition("/")[0]
        subprocess.run(["tar", "-xf", made, "-C", self._scratch], check=True)
        self._unpacked = self._scratch / top
        return made

    def wheel(self, platform: str) -> Path:
        """The wheel for this one of the names in `hatch_build.PLATFORMS`."""
        return self._call("wheel", self._unpacked, self._out, {"LINKPOLICY_BUILD_FOR": platform})

    def _call(self, what: str, tree: Path, into: Path, variables: dict[str, str]) -> Path:
        plain = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
        code = f"from hatchling import build; print(build.build_{what}({str(into)!r}))"
        done = subprocess.run(
            [self._python, "-c", code],
            cwd=tree, env=plain | variables, stdout=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise SystemExit(done.returncode)
        return into / done.stdout.splitlines()[-1]


def _python(scratch: Path) -> str:
    """An interpreter that has what is pinned: this one, or one of a new environment."""
    if all(map(_is_here, REQUIREMENTS.read_text(encoding="utf-8").splitlines())):
        return sys.executable
    venv.create(scratch / "environment", with_pip=True)
    python = str(scratch / "environment/bin/python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", REQUIREMENTS], check=True)
    return python


def _is_here(line: str) -> bool:
    name, _, version = line.partition("==")
    if line.startswith("#"):
        return True
    try:
        return importlib.metadata.version(name) == version
    except importlib.metadata.PackageNotFoundError:
        return False


if __name__ == "__main__":
    sys.exit(main())
