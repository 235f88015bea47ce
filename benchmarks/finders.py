"""Programs that find duplicate files and share them: what `linkpolicy reclaim` is compared with."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, NamedTuple

from benchmarks import peers

if TYPE_CHECKING:
    from collections.abc import Sequence

#: where duplicates can share their blocks, and are files of their own for everything else
CLONING = ("btrfs", "xfs")
LINKING = ("ext4",)


class Finder(NamedTuple):
    """One program, one way to use it. The directories follow its words."""

    name: str
    words: Sequence[str]
    #: kinds of file systems that this way is for
    kinds: Sequence[str]
    #: Debian's package that has it, "" when there is none
    package: str
    #: where else it can be got
    how: str = ""


FINDERS = (
    Finder("jdupes -L", ("jdupes", "-q", "-r", "-L"), LINKING, "jdupes"),
    # Files of one content have other times in each environment: -t, or it would share nothing.
    Finder("hardlink", ("hardlink", "-q", "-t"), LINKING, "util-linux"),
    Finder(
        "rdfind",
        ("rdfind", "-makehardlinks", "true", "-makeresultsfile", "false"),
        LINKING,
        "rdfind",
    ),
    Finder("jdupes -B", ("jdupes", "-q", "-r", "-B"), CLONING, "jdupes"),
    Finder(
        "hardlink --reflink",
        ("hardlink", "-q", "-t", "--reflink=always"),
        CLONING,
        "util-linux",
    ),
    Finder("duperemove", ("duperemove", "-q", "-d", "-h", "-r"), CLONING, "duperemove"),
    Finder("oans", ("oans", "-q", "-d", "-r"), CLONING, "", "in no registry; its own releases"),
)


def found(kind: str, installed: str | None) -> dict[Finder, str]:
    """Those for this kind of file system; each one's program, or "" where there is none."""
    return {
        finder: peers.find(finder.words[0], installed) or ""
        for finder in FINDERS
        if kind in finder.kinds
    }


def why_not(finder: Finder) -> str:
    """Tell why there are no figures of it, for people."""
    how = finder.how or f"--install-peers, or apt-get install {finder.package}"
    return f"not run: not on PATH ({how})"


def install(directory: str) -> None:
    """Download into `directory` (made) what Debian has of them, unless it is there."""
    for finder in FINDERS:
        if finder.package and peers.find(finder.words[0], directory) is None:
            peers.from_debian(finder.package, directory)


def versions(installed: str | None) -> dict[str, str]:
    """What the programs that were found say of their version."""
    told = {}
    for program in sorted({finder.words[0] for finder in FINDERS}):
        path = peers.find(program, installed)
        if path:
            told[program] = _version(path)
    return told


def _version(path: str) -> str:
    """The first word of what it says that begins with a digit or v and a digit."""
    done = subprocess.run(
        [path, "--version"], capture_output=True, text=True, errors="replace", check=False
    )
    words = (done.stdout + done.stderr).split()
    numbers = (word.strip(",()") for word in words)
    return next((word for word in numbers if word.lstrip("v")[:1].isdigit()), "?")
