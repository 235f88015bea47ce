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

    `package` without versions is a path of what was built. Leaves witnesses of all that this holds
    for. Raises `Unreadable`.
    """
    known = facts.recall(state, _KIND, tuple(_key(host, source, package, versions)))
    if known is None:
        return None
    reason, *lines = known.split("\n")
    for path, before in zip(lines[::2], lines[1::2], strict=False):
        if _sight(host, path) != before:  # repaired, or changed once more
            return None
    return reason


def remember(
    host: Host,
    state: str,
    reason: str,
    paths: tuple[str, ...] = (),
    *,
    source: str,
    package: str,
    versions: tuple[str, ...],
) -> None:
    """Keep what was found out, as long as `paths` stay as they are. Raises `Unreadable`."""
    lines = [line for path in paths for line in (path, _sight(host, path))]
    known = "\n".join((reason.replace("\n", " "), *lines))
    facts.remember(state, _KIND, tuple(_key(host, source, package, versions)), known)


def _key(host: Host, source: str, package: str, versions: tuple[str, ...]) -> Iterator[str]:
    """The package, and all by which a download or a build would show."""
    yield from (source, package, *versions)
    if not versions:
        yield from _identity(host, os.path.join(source, package))
        return
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


def _sight(host: Host, path: str) -> str:
    """How a file, or a directory, of an archive looks."""
    status = host.link_status(path)
    if status is None:
        return "-"
    if status.kind == "directory":
        return " ".join(host.list_names(path))
    return f"{status.inode} {status.size} {status.mtime_ns} {status.ctime_ns}"
