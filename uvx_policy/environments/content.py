"""Is the content of installed files what the RECORD says? Reads every byte of what it is asked for.

The RECORD is the list of files that a wheel brings along, with their hashes (PyPA specification
"Recording installed projects"). uv compares it with nothing once a wheel is unpacked.
"""

from __future__ import annotations

import base64
import os
import stat
from itertools import islice
from typing import TYPE_CHECKING, Literal, TypeAlias

from uvx_policy.environments import installed
from uvx_policy.record import Record

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from uvx_policy.environments.installed import Distribution, Row

#: "gone": the file is missing; "unreadable": what it holds cannot be told
What: TypeAlias = Literal["changed", "gone", "unreadable"]

_CHUNK = 1 << 20
#: rows that one thread takes at once
_BATCH = 64


class Difference(Record):
    """One file that is not what the RECORD of its distribution says."""

    #: absolute
    path: str
    #: as in the name of its `.dist-info`
    distribution: str
    what: What = "changed"


def differences(site: str, *, only: Collection[str] | None = None) -> Iterator[Difference]:
    """Compare files below `site` (a site directory or an archive of a cache) with their RECORD.

    `only`: absolute paths; `None` for every file that has a hash. Files that no RECORD names are
    nobody's, and are passed over. Never raises: what cannot be read is a difference.
    """
    # Not above: the doctor imports this module also when there is nothing to compare.
    from concurrent.futures import ThreadPoolExecutor

    todo = _todo(site, None if only is None else frozenset(only))
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as threads:
        # In rounds, so that memory does not grow with the environment.
        while batches := list(islice(_batches(todo), 4 * (os.cpu_count() or 1))):
            for found in threads.map(_compare, batches):
                yield from found


def _todo(site: str, only: frozenset[str] | None) -> Iterator[tuple[str, str, Row]]:
    """Give the absolute path, the distribution and the row of each file to look at."""
    for distribution in installed.distributions(site):
        if only is not None and not _mentions(distribution, only):
            continue
        try:
            for row in installed.record_rows(distribution):
                path = os.path.normpath(os.path.join(site, row.path))
                if row.digest and not row.problem and (only is None or path in only):
                    yield path, distribution.name, row
        except OSError:
            yield from ()


def _mentions(distribution: Distribution, only: Iterable[str]) -> bool:
    """Tell quickly whether the RECORD can have a row for one of these paths."""
    try:
        with open(distribution.record, "rb") as stream:
            content = stream.read()
    except (OSError, ValueError):
        return False
    # By the last name alone: a quoted path, or one with `..`, is written in another way.
    return any(os.fsencode(os.path.basename(path).split('"')[0]) in content for path in only)


def _batches(
    todo: Iterator[tuple[str, str, Row]],
) -> Iterator[list[tuple[str, str, Row]]]:
    while batch := list(islice(todo, _BATCH)):
        yield batch


def _compare(batch: list[tuple[str, str, Row]]) -> list[Difference]:
    found = []
    for path, distribution, row in batch:
        what = _judge(path, row)
        if what is not None:
            found.append(Difference(path=path, distribution=distribution, what=what))
    return found


def _judge(path: str, row: Row) -> What | None:
    import hashlib

    try:
        hashing = hashlib.new(row.algorithm, usedforsecurity=False)
    except ValueError:  # an algorithm that this Python does not know: nothing can be said
        return None
    flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    try:
        # O_NONBLOCK: a FIFO of that name must not hang us.
        handle = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                return "changed"
            while chunk := os.read(handle, _CHUNK):
                hashing.update(chunk)
        finally:
            os.close(handle)
    except (FileNotFoundError, NotADirectoryError):
        return "gone"
    except (OSError, ValueError):
        return "unreadable"
    digest = base64.urlsafe_b64encode(hashing.digest()).rstrip(b"=").decode("ascii")
    return None if digest == row.digest.rstrip("=") else "changed"
