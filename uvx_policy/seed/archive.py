"""Copy an unpacked wheel, if its RECORD proves every file of it."""

from __future__ import annotations

import errno
import os
import stat
from typing import NamedTuple

from uvx_policy.foreign_file import FLAGS, NO_FOLLOW
from uvx_policy.installed import hash as hashing
from uvx_policy.installed import record
from uvx_policy.installed.distributions import names_in
from uvx_policy.installed.hash import NO_HASH, Hash
from uvx_policy.seed.spared import BLOCK, Spared
from uvx_policy.state.files import write_all
from uvx_policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from typing_extensions import Self

    from uvx_policy.seed.held import Lent

_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | NO_FOLLOW
_CHUNK = 1 << 20
#: a full disk: never taken for "this file cannot be shared"
FULL = (errno.ENOSPC, errno.EDQUOT)
#: a RECORD has no hash for itself and its signatures
_WITHOUT_HASH = (record.NAME, "RECORD.jws", "RECORD.p7s")
#: digits of the sizes in a RECORD
_MOST_DIGITS = 20


class Unproven(Exception):
    """An archive that is not what its RECORD says, or of which that cannot be told.

    `paths`: files, or directories, of it; as long as they are the same nothing else comes of it.
    """

    def __init__(self, message: str, *paths: str) -> None:
        super().__init__(message)
        self.paths = paths


class Wanted(NamedTuple):
    """What a row of a RECORD says of a content, without padding; "" for nothing."""

    hash: str
    size: str

    @classmethod
    def of(cls, text: str, size: str) -> Self:
        """Of the columns of a row."""
        return cls(text.rstrip("="), size)


_NOTHING = Wanted("", "")


class Archive(Value):
    """An unpacked wheel, as it was seen."""

    path: str
    #: name of its `.dist-info`
    info: str
    #: paths below it, outermost first, with their permissions
    directories: tuple[tuple[str, int], ...]
    #: paths below it, and what the RECORD says of each
    files: tuple[tuple[str, Wanted], ...]
    #: what a copy takes at most
    room: int


def look_at(path: str) -> Archive:
    """What is in the archive at `path`, by its names and its RECORD. Raises `Unproven`."""
    infos = [name for name in names_in(path) if name.endswith(".dist-info")]
    if len(infos) != 1:
        raise Unproven(f"`{path}` does not hold exactly one distribution", path)
    listed = os.path.join(path, infos[0], record.NAME)
    try:
        rows = record.read_at(listed)
        problem = rows.problem(infos[0])
        if problem:
            raise Unproven(f"the RECORD of `{path}`: {problem}", listed)
        # Hashes are understood where they are compared, by several processes at once.
        known = {below: Wanted.of(text, size) for below, text, size in rows.whole if text}
        archive = _looked_at(path, infos[0], known)
    except OSError as error:
        because = f"`{path}` cannot be read: {error.strerror or error}"
        raise Unproven(because, error.filename or path, listed) from error
    missing = known.keys() - {below for below, _ in archive.files}
    for below in sorted(missing):
        if not below.endswith(record.BYTECODE):
            raise Unproven(f"`{path}` lacks `{below}`", os.path.join(path, below), listed)
    return archive


def copy(
    archive: Archive, target: str, *, lent: Lent | None = None, pause: Callable[[], None]
) -> Spared:
    """Make a copy at `target`, where nothing is: content, permissions and times of each file.

    `lent`: what environments have of it, which is not written again. `pause` is called after each
    file. Raises `Unproven`, and `OSError` when it cannot be written.
    """
    files = size = 0
    os.mkdir(target)
    for below, mode in archive.directories:
        os.mkdir(os.path.join(target, below))
        os.chmod(os.path.join(target, below), mode)
    listed = os.path.join(archive.path, archive.info, record.NAME)
    for below, wanted in archive.files:
        source, new = os.path.join(archive.path, below), os.path.join(target, below)
        taken = lent.bring(wanted, source, new) if lent and _is_known(wanted.hash) else None
        if taken is None:
            try:
                copy_file(source, new, wanted.hash)
            except Unproven as error:
                raise Unproven(str(error), *error.paths, listed) from error
        else:
            files, size = files + 1, size + taken
        pause()
    return Spared(files, size)


def _is_known(text: str) -> bool:
    try:
        return Hash.parse(text).is_known
    except ValueError:
        return False


def copy_file(source: str, target: str, hash_text: str = "") -> None:
    """Copy a regular file to where nothing is. Raises `OSError`, and `Unproven` by its hash."""
    try:
        expected = Hash.parse(hash_text)
    except ValueError as error:
        raise Unproven(f"of `{source}` its RECORD has {error}", source) from error
    if expected and not expected.is_known:
        raise Unproven(f"the hash of `{source}` cannot be computed", source)
    try:
        handle = os.open(source, FLAGS | NO_FOLLOW)
    except OSError as error:
        raise Unproven(f"`{source}` cannot be read: {error.strerror}", source) from error
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise Unproven(f"`{source}` is not a file", source)
        new = os.open(target, _NEW, 0o600)
        try:
            digest = _copy(handle, new, status, expected.algorithm)
            os.fchmod(new, status.st_mode & 0o777)
            os.utime(new, ns=(status.st_atime_ns, status.st_mtime_ns))
        finally:
            os.close(new)
    finally:
        os.close(handle)
    if digest != expected:
        raise Unproven(f"`{source}` is not what its RECORD says", source)


def _copy(source: int, new: int, status: os.stat_result, algorithm: str) -> Hash:
    """Copy all bytes, and hash them unless `algorithm` is "". Raises `OSError`."""
    if os.fstat(new).st_dev == status.st_dev and _shared(source, new, status.st_size):
        # Of what was written: the source may change while it is read.
        return hashing.of_handle(new, algorithm) if algorithm else NO_HASH
    if algorithm:
        return hashing.of_pieces(_passed_on(source, new, status.st_size), algorithm)
    for _ in _passed_on(source, new, status.st_size):
        pass
    return NO_HASH


def _passed_on(source: int, new: int, size: int) -> Iterator[bytes]:
    """The bytes of one file, as they are written to the other."""
    # To ask for far more than there is takes longer than to hash it.
    while piece := os.read(source, min(size + 1, _CHUNK)):
        write_all(new, piece)
        yield piece


def _shared(source: int, new: int, size: int) -> bool:
    """Copy within a file system, which may share the blocks; `False` when it cannot be done so."""
    if not hasattr(os, "copy_file_range"):
        return False
    done = 0
    try:
        while done < size:
            count = os.copy_file_range(source, new, size - done, done, done)
            if not count:
                break
            done += count
    except OSError as error:
        if error.errno in FULL:
            raise
        os.ftruncate(new, 0)
        return False
    return True


def _looked_at(path: str, info: str, known: dict[str, Wanted]) -> Archive:
    """Raises `Unproven`, and `OSError` when something cannot be listed."""
    without = {f"{info}/{name}" for name in _WITHOUT_HASH}
    directories: list[tuple[str, int]] = []
    files: list[tuple[str, Wanted]] = []
    room = BLOCK
    waiting = [""]
    while waiting:
        above = waiting.pop()
        with os.scandir(os.path.join(path, above)) as entries:
            for entry in entries:
                below = f"{above}/{entry.name}" if above else entry.name
                if entry.is_dir(follow_symlinks=False):
                    mode = stat.S_IMODE(entry.stat(follow_symlinks=False).st_mode)
                    directories.append((below, mode | stat.S_IRWXU))
                    waiting.append(below)
                    room += BLOCK
                    continue
                wanted = known.get(below, _NOTHING)
                if not wanted.hash and below not in without:
                    if below.endswith(record.BYTECODE):
                        continue
                    because = f"the RECORD of `{path}` has no hash for `{below}`"
                    listed = os.path.join(path, info, record.NAME)
                    raise Unproven(because, entry.path, listed)
                files.append((below, wanted))
                size = wanted.size
                # A size that is wrong comes with a wrong hash.
                is_size = size.isdecimal() and len(size) < _MOST_DIGITS
                room += (int(size) if is_size else entry.stat().st_size) + BLOCK
    return Archive(
        path=path, info=info, directories=tuple(directories), files=tuple(files), room=room
    )
