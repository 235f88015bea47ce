"""Find the original of a file by the digest in its RECORD, without a network.

Nothing that is found is trusted: its bytes are hashed when it is found, and again when it is used.
So a candidate may be anything that happens to lie around: the same file in another cache or
environment, a member of a wheel that uv kept, a back-up of an editor, or what is left of the file
itself when something was appended to it.
"""

from __future__ import annotations

import contextlib
import os
import stat
import zipfile
import zlib
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from uvx_policy.foreign_file import pieces
from uvx_policy.installed import distributions as installed
from uvx_policy.installed import record
from uvx_policy.installed.hash import NO_HASH, Hash, of_pieces
from uvx_policy.value import Value
from uvx_policy.verify.elsewhere import Rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from uvx_policy.installed.finding import Finding
    from uvx_policy.installed.record import Row
    from uvx_policy.installed.tree import Index, Tree

_CHUNK = 1 << 20
_EXECUTABLE = 0o111
#: how scripts and compiled programs begin (ELF; Mach-O of either width)
_PROGRAMS = (b"#!", b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
#: what editors and `patch` call the file that they replaced
_BACK_UPS = ("{}~", "{}.orig", "{}.bak", ".{}.orig", ".{}~")
#: what reading a file raises that is no wheel, or half a one
_NO_WHEEL = (
    OSError, EOFError, KeyError, NotImplementedError, RuntimeError, ValueError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip


class Original(Value):
    """Bytes that had the right digest when they were found."""

    #: absolute path of a file, or of a wheel
    path: str
    #: name of the member where `path` is a wheel, "" where it is not
    member: str = ""
    #: so many bytes from the beginning of the file are it; `None`: all of it
    length: int | None = None
    #: is it marked as executable?
    executable: bool = False
    #: does it lie in an archive of a cache, to be linked from there?
    in_cache: bool = False

    def __str__(self) -> str:
        """For people: where it comes from."""
        if self.member:
            return f"{self.member} in {self.path}"
        if self.length is not None:
            return f"the first {self.length:,} bytes of {self.path}"
        return self.path


def chunks(original: Original) -> Iterator[bytes]:
    """Its bytes, some at a time. Raises `OSError` when they cannot be had (any more)."""
    if original.member:
        yield from _member_chunks(original)
        return
    yield from pieces(original.path, original.length)


class Originals:
    """Looks for originals, and remembers the RECORDs that it read."""

    def __init__(self, known: Index) -> None:
        self._known = known
        self._rows = Rows()
        self._more: list[Tree] = []
        self._wheels: dict[str, list[str]] | None = None
        #: (tree, name of its `.dist-info`, hash) -> files that have the content
        self._good: dict[tuple[str, str, Hash], list[Original]] = {}
        #: wheel -> hash -> members
        self._members: dict[str, dict[Hash, list[str]]] = {}

    def look_also_in(self, tree: Tree) -> None:
        """Look from now on first in this tree."""
        self._more.append(tree)

    def of(self, finding: Finding, wanted: Hash = NO_HASH) -> Original | None:
        """The file that should be there; `None` if it is not found. Never raises.

        `wanted`: its hash, where RECORD has none or a wrong one. Of a file that has but odd
        permissions: a copy with others, or else itself.
        """
        row = finding.row
        if row is None or not (wanted or row.hash).is_known:
            return None
        wanted = wanted or row.hash
        for candidate in self._candidates(finding, row, is_right=row.hash == wanted):
            with contextlib.suppress(OSError, ValueError):
                if finding.state == "mode" and os.path.samefile(candidate.path, finding.path):
                    continue
                if _is(candidate, wanted):
                    return candidate
        return _itself(finding) if finding.state == "mode" else None

    def _candidates(self, finding: Finding, row: Row, *, is_right: bool) -> Iterator[Original]:
        """Files that may be it; `is_right`: the row has its hash, and hence its size."""
        name = os.path.basename(finding.dist_info)
        size = row.size if is_right else None
        for trees in (self._more, self._known.archives_of(name), self._known.sites_of(name)):
            for tree in trees:
                paths = self._rows.paths(tree, name, row.hash) if row.hash else []
                if len(paths) > 1 and is_right:
                    yield from self._good_ones(tree, name, row, paths)
                else:
                    paths = paths or [record.located(tree.path, row.path)]
                    yield from _there(tree, paths, size)
        yield from _beside(finding, size)
        for wheel in self._wheels_of(finding, name):
            for member in self._members_of(wheel).get(row.hash, ()):
                yield Original(path=wheel, member=member, executable=_is_marked(wheel, member))

    def _good_ones(self, tree: Tree, name: str, row: Row, paths: list[str]) -> list[Original]:
        """Two of the many files with one hash; looked for once, for all that need one.

        Two: of a file with odd permissions it must be another one.
        """
        key = (tree.path, name, row.hash)
        if key not in self._good:
            right = (each for each in _there(tree, paths, row.size) if _is(each, row.hash))
            self._good[key] = list(islice(right, 2))
        return self._good[key]

    def _members_of(self, wheel: str) -> dict[Hash, list[str]]:
        if wheel not in self._members:
            found: dict[Hash, list[str]] = {}
            for row in _record_of_wheel(wheel):
                if row.hash:
                    found.setdefault(row.hash, []).append(row.path)
            self._members[wheel] = found
        return self._members[wheel]

    def _wheels_of(self, finding: Finding, name: str) -> Iterator[str]:
        """Give wheels of this name and version: those that uv built and kept, and a local one."""
        if self._wheels is None:
            self._wheels = {}
            for cache in self._known.caches:
                for wheel in _kept_wheels(cache):
                    start = "-".join(os.path.basename(wheel).split("-")[:2])
                    self._wheels.setdefault(start.lower(), []).append(wheel)
        yield from self._wheels.get(name.removesuffix(".dist-info").lower(), ())
        url = urlsplit(installed.at(finding.dist_info).direct_url)
        if url.scheme == "file" and url.path.endswith(".whl"):
            yield unquote(url.path)


def _itself(finding: Finding) -> Original | None:
    """The file itself; whether it shall be executed is told by how it begins."""
    try:
        executable = bool(os.stat(finding.path).st_mode & _EXECUTABLE)
        begin = next(chunks(Original(path=finding.path)), b"")
    except OSError:
        return None
    return Original(path=finding.path, executable=executable and begin.startswith(_PROGRAMS))


def _there(tree: Tree, paths: Iterable[str], size: int | None) -> Iterator[Original]:
    """The files among these, of this size."""
    for path in paths:
        with contextlib.suppress(OSError, ValueError):
            told = os.stat(path)
            if stat.S_ISREG(told.st_mode) and size in (None, told.st_size):
                executable = bool(told.st_mode & _EXECUTABLE)
                yield Original(path=path, executable=executable, in_cache=tree.kind == "archive")


def _is(candidate: Original, wanted: Hash) -> bool:
    """Has it the content? Never raises."""
    try:
        return of_pieces(chunks(candidate), wanted.algorithm) == wanted
    except (OSError, ValueError):
        return False


def _beside(finding: Finding, size: int | None) -> Iterator[Original]:
    """What an edit leaves: back-ups, or all of the old bytes when it appended some."""
    told = installed.status_of(finding.path)
    executable = told is not None and bool(told.st_mode & _EXECUTABLE)
    if told is not None and size is not None and told.st_size > size:
        yield Original(path=finding.path, length=size, executable=executable)
    directory, name = os.path.split(finding.path)
    for pattern in _BACK_UPS:
        path = os.path.join(directory, pattern.format(name))
        if os.path.isfile(path):
            yield Original(path=path, executable=executable)


def _kept_wheels(cache: str) -> Iterator[str]:
    """Wheels that uv built: `sdists-v9/index/<index>/<name>/<version>/<id>/<wheel>`."""
    try:
        buckets = [name for name in os.listdir(cache) if name.startswith("sdists-v")]
    except OSError:
        return
    waiting = [os.path.join(cache, bucket) for bucket in sorted(buckets)]
    while waiting:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.name.endswith(".whl") and entry.is_file(follow_symlinks=False):
                    yield entry.path
                # `src` is an unpacked sdist: many files, no wheel of uv's.
                elif entry.is_dir(follow_symlinks=False) and entry.name not in ("src", ".git"):
                    waiting.append(entry.path)


def _record_of_wheel(wheel: str) -> Iterable[Row]:
    try:
        with zipfile.ZipFile(wheel) as archive:
            for entry in archive.infolist():
                if entry.filename.endswith(".dist-info/RECORD") and entry.filename.count("/") == 1:
                    if entry.file_size > record.MOST:
                        return ()
                    return record.RecordFile(archive.read(entry))
    except _NO_WHEEL:
        pass
    return ()


def _is_marked(wheel: str, member: str) -> bool:
    try:
        with zipfile.ZipFile(wheel) as archive:
            return bool(archive.getinfo(member).external_attr >> 16 & _EXECUTABLE)
    except _NO_WHEEL:
        return False


def _member_chunks(original: Original) -> Iterator[bytes]:
    try:
        with zipfile.ZipFile(original.path) as archive, archive.open(original.member) as stream:
            while chunk := stream.read(_CHUNK):
                yield chunk
    except _NO_WHEEL as error:
        raise OSError(f"`{original.path}` is damaged: {error}") from error
