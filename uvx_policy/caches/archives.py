"""The unpacked wheels of one cache: `archive-v0/<id>`, which all versions of uv share.

Everything that takes `until` (of `time.monotonic`) looks at a few things in any case and then only
as long; what it did not get to it does not know.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from itertools import count
from time import monotonic
from typing import TYPE_CHECKING

from uvx_policy.installed.tree import archives

if TYPE_CHECKING:
    from collections.abc import Iterator

#: the buckets whose symbolic links lead to archives; the number behind is uv's
_LINKING_BUCKETS = ("wheels-v", "sdists-v", "environments-v")
#: archives, links or directories that are looked at however long it takes
_AT_LEAST = 20
#: and files of them, which takes about 5 ms: a single archive may have 30,000
_FILES_AT_LEAST = 1000
#: files after which the time is looked at again
_FILES_AT_ONCE = 100


def distributions_in(caches: tuple[str, ...], *, until: float) -> dict[str, str]:
    """Map each name of a `.dist-info` in these caches to an archive that has it. Never raises."""
    found: dict[str, str] = {}
    for cache in caches:
        for number, archive in enumerate(archives(cache)):
            if _is_enough(number, until):
                return found
            for name in _names(archive):
                if name.endswith(".dist-info"):
                    found.setdefault(name, archive)
    return found


def find_inode(
    cache: str, wanted: os.stat_result, *, below_site: str, script: str, until: float
) -> str:
    """Find the file of an archive that is the same as an installed one, "" when there is none.

    `below_site`: its path below the site directory, "" when it lies elsewhere; `script`: its name
    where it lies in the environment's `bin`. Never raises.
    """
    try:
        if os.lstat(cache).st_dev != wanted.st_dev:
            return ""
    except OSError:
        return ""
    for number, archive in enumerate(archives(cache)):
        if _is_enough(number, until):
            return ""
        candidates = [os.path.join(archive, below_site)] if below_site else []
        for name in _names(archive):
            if name.endswith(".data"):
                data = os.path.join(archive, name)
                candidates += [
                    os.path.join(data, kind, below_site or script)
                    for kind in (("purelib", "platlib") if below_site else ("scripts",))
                ]
        for path in candidates:
            if _is_same(path, wanted):
                return path
    return ""


def touched(cache: str, *, until: float) -> Iterator[tuple[str, list[str]]]:
    """Give each archive with the files in it whose time of change is later than their unpacking.

    uv unpacks beside and renames the directory in the end: its ctime is when that was done. A hard
    link changes the ctime of a file and not its mtime. Archives that are environments (of tools and
    scripts) are passed over: programs write into those. Ends with an empty archive name when the
    time was over too early. Never raises.
    """
    files = 0
    for number, archive in enumerate(archives(cache)):
        if _is_enough(number, until):
            yield "", []
            return
        try:
            done = os.lstat(archive).st_ctime
            if os.path.lexists(os.path.join(archive, "pyvenv.cfg")):
                continue
        except OSError:
            continue
        late = []
        in_time = True
        for path, told in _files(archive):
            if told.st_mtime > done:
                late.append(path)
            files += 1
            if files >= _FILES_AT_LEAST and not files % _FILES_AT_ONCE and monotonic() > until:
                in_time = False
                break
        if late:
            yield archive, late
        if not in_time:
            yield "", []
            return


def _files(directory: str) -> Iterator[tuple[str, os.stat_result]]:
    waiting = [directory]
    while waiting:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if entry.name != "__pycache__":
                        waiting.append(entry.path)
                elif entry.is_file(follow_symlinks=False) and not entry.name.endswith(".pyc"):
                    yield entry.path, entry.stat(follow_symlinks=False)


def links_into_other_caches(cache: str, *, until: float) -> Iterator[tuple[str, str]]:
    """Give each link of a cache that leads into an archive of another cache, with its text.

    uv up to 0.11.16 writes absolute links; a cache that was copied or moved still has the old ones.
    Never raises.
    """
    own = os.path.join(os.path.realpath(cache), "")
    for bucket in _names(cache):
        if not bucket.startswith(_LINKING_BUCKETS):
            continue
        for number, link in enumerate(_symbolic_links(os.path.join(cache, bucket))):
            if _is_enough(number, until):
                return
            try:
                text = os.readlink(link)
            except OSError:
                continue
            if not os.path.isabs(text) or os.path.basename(os.path.dirname(text)) != "archive-v0":
                continue
            # The cache itself may be known by another path, through a symbolic link.
            there = os.path.join(os.path.realpath(os.path.dirname(os.path.dirname(text))), "")
            if there != own:
                yield link, text


def _symbolic_links(directory: str) -> Iterator[str]:
    waiting = [directory]
    while waiting:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_symlink():
                    yield entry.path
                # What an sdist was unpacked into holds no links of uv's.
                elif entry.is_dir(follow_symlinks=False) and entry.name != "src":
                    waiting.append(entry.path)


def referenced(cache: str) -> frozenset[str]:
    """Names of the archives that a wheel, an sdist or an environment of this cache leads to.

    The others stay until `uv cache prune`, and are never installed again. Never raises.
    """
    if sys.platform == "win32":  # text files instead of links there
        return frozenset(os.path.basename(archive) for archive in archives(cache))
    found = set()
    for bucket in _names(cache):
        if bucket.startswith(_LINKING_BUCKETS):
            for link in _symbolic_links(os.path.join(cache, bucket)):
                with contextlib.suppress(OSError):
                    found.add(os.path.basename(os.readlink(link)))
    return frozenset(found)


def has_linked_files(cache: str, *, until: float) -> bool:
    """Tell whether a file that was unpacked has a name outside: an environment is linked from here.

    One file of each archive is looked at, and no clone can be told. Never raises.
    """
    for number, archive in enumerate(archives(cache)):
        if _is_enough(number, until):
            return False
        for name in _names(archive):
            if name.endswith(".dist-info"):
                with contextlib.suppress(OSError):
                    if os.lstat(os.path.join(archive, name, "METADATA")).st_nlink > 1:
                        return True
    return False


def bytes_of(cache: str, *, until: float) -> tuple[int, bool]:
    """Bytes of the files that are unpacked in a cache, and whether that is all. Never raises."""
    total = 0
    for number, archive in enumerate(archives(cache)):
        if _is_enough(number, until):
            return total, False
        total += sum(told.st_blocks * 512 for _, told in _files(archive))
    return total, True


def foreign(cache: str, uid: int, *, until: float) -> Iterator[tuple[str, int]]:
    """Give what belongs to another user than `uid`, with that user: not below what is foreign.

    Every bucket, archive and package, but not what is in an archive: one uv unpacked all of it.
    Never raises.
    """
    unpacked = os.path.join(cache, "archive-v0")
    waiting = [(cache, 0)]
    for number in count():
        if not waiting or _is_enough(number, until):
            return
        directory, depth = waiting.pop(0)
        try:
            with os.scandir(directory) as entries:
                for entry in entries:
                    told = entry.stat(follow_symlinks=False)
                    if told.st_uid != uid:
                        yield entry.path, told.st_uid
                    elif stat.S_ISDIR(told.st_mode) and depth < _DEEP and directory != unpacked:
                        waiting.append((entry.path, depth + 1))
        except OSError:
            continue


#: below the cache: bucket, index, package, version
_DEEP = 3


def _is_enough(number: int, until: float) -> bool:
    return number >= _AT_LEAST and monotonic() > until


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []


def _is_same(path: str, wanted: os.stat_result) -> bool:
    try:
        told = os.lstat(path)
    except (OSError, ValueError):
        return False
    return (told.st_dev, told.st_ino) == (wanted.st_dev, wanted.st_ino)
