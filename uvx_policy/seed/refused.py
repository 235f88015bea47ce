"""What was found not to be passed on from one cache to another, remembered until it changes.

To find that out again costs as much as to copy it, on each call.
"""

from __future__ import annotations

import os

from uvx_policy.state import facts
from uvx_policy.uv import locked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from uvx_policy.host import Host

_KIND = "seed"


def recall(
    host: Host, state: str, *, source: str, package: str, versions: tuple[str, ...]
) -> str | None:
    """Why the package is not passed on, "" for what is not really there; `None`: it may be.

    Leaves witnesses of all that this holds for. Raises `Unreadable`.
    """
    return facts.recall(state, _KIND, tuple(_key(host, source, package, versions)))


def remember(
    host: Host, state: str, reason: str, *, source: str, package: str, versions: tuple[str, ...]
) -> None:
    """Keep what was found out. Raises `Unreadable`."""
    facts.remember(state, _KIND, tuple(_key(host, source, package, versions)), reason)


def _key(host: Host, source: str, package: str, versions: tuple[str, ...]) -> Iterator[str]:
    """The package, and all by which a download or a build would show."""
    yield from (source, package, *versions)
    for _, _, shelf in locked.shelves(host.list_names, source, locked.DISTRIBUTIONS):
        directory = os.path.join(shelf, package)
        for name in host.list_names(directory):
            if locked.version_of(name, package) in versions:
                yield from _identity(host, os.path.join(directory, name))


def _identity(host: Host, path: str) -> Iterator[str]:
    status = host.status(path)
    if status is not None and status.kind == "directory":
        for revision in host.list_names(path):
            yield revision
            if host.kind(os.path.join(path, revision)) == "directory":
                yield from host.list_names(os.path.join(path, revision))
    elif status is not None:
        yield f"{path} {status.inode} {status.mtime_ns} {status.ctime_ns}"
