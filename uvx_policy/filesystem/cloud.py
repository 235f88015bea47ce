"""Directories that a service copies to its servers: no place for a cache, nor for hard links."""

from __future__ import annotations

import os
import sys

from uvx_policy.errors import Unreadable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from uvx_policy.host import Host

#: names of such directories, in lower case
_NAMES = frozenset((
    "dropbox", "google drive", "googledrive", "my drive", "icloud drive", "iclouddrive",
    "mobile documents", "cloudstorage", "onedrive", "nextcloud", "owncloud", "pcloud drive",
    "pclouddrive", "box sync", "creative cloud files",
))  # fmt: skip
_STARTS = (
    "dropbox (", "dropbox - ", "onedrive - ", "onedrive-", "googledrive-", "google drive (",
)  # fmt: skip

#: what the client of OneDrive sets for all programs of a user that has signed in
_OF_ONEDRIVE = ("ONEDRIVE", "ONEDRIVECOMMERCIAL", "ONEDRIVECONSUMER")
#: winnt.h: IO_REPARSE_TAG_CLOUD to IO_REPARSE_TAG_CLOUD_F, which differ in one digit
_CLOUD_TAG, _ONE_OF_CLOUD = 0x9000001A, 0xFFFF0FFF


def why_in_cloud(host: Host, real: str) -> str:
    """Give the directory on the way to `real` that is copied to a cloud, as a reason, or "".

    On Windows the system and the clients say it; elsewhere only names do.
    """
    if host.platform == "win32":
        return why_in_sync_root(host, real)
    for name in real.split("/"):
        lower = name.lower()
        if lower in _NAMES or lower.startswith(_STARTS):
            return f"`{name}`, on the way to it, is copied to a cloud"
    return ""


def why_in_sync_root(
    host: Host,
    directory: str,
    *,
    registered: Callable[[Host], Iterator[tuple[str, str]]] | None = None,
    tag_of: Callable[[str], int] | None = None,
) -> str:
    """Why Windows says that a directory is copied to a cloud, "" where nothing says so.

    OneDrive refuses files with more than one name: opening such a placeholder fails with error 396
    (ERROR_CLOUD_FILE_INCOMPATIBLE_HARDLINKS; uv #9721, #17945). Evidence are the folders that
    services have registered with Windows, those that OneDrive names in variables, and directories
    that are placeholders themselves. Never raises.
    """
    path = _folded(directory)
    for name in _OF_ONEDRIVE:
        folder = host.environ.get(name, "")
        if folder and _is_within(path, _folded(folder)):
            return f"`{folder}` is copied to OneDrive (`{name}`)"
    for service, folder in (registered or _registered)(host):
        if _is_within(path, _folded(folder)):
            return f"`{folder}` is copied by `{service}`"
    try:
        for at in _upwards(directory):
            # Its attributes are a witness, and placeholders have one of their own.
            if host.link_status(at) is not None and _is_placeholder((tag_of or _tag_of)(at)):
                return f"`{at}` is a placeholder of a cloud service"
    except (OSError, Unreadable):
        pass
    return ""


def _upwards(path: str) -> Iterator[str]:
    """Give `path` and each directory above it."""
    drive, *names = path.replace("/", "\\").rstrip("\\").split("\\")
    for count in range(len(names), -1, -1):
        yield "\\".join((drive, *names[:count])) if count else f"{drive}\\"


def _registered(host: Host) -> Iterator[tuple[str, str]]:
    if sys.platform == "win32":
        from uvx_policy.replay.of_windows import registry_sight
        from uvx_policy.windows import sync_roots

        host.witnesses.add("g", sync_roots.KEY, registry_sight(sync_roots.KEY))
        return sync_roots.registered()
    return iter(())


def _tag_of(path: str) -> int:
    return getattr(os.lstat(path), "st_reparse_tag", 0)


def _is_placeholder(tag: int) -> bool:
    return tag & _ONE_OF_CLOUD == _CLOUD_TAG


def _folded(path: str) -> str:
    return path.replace("/", "\\").rstrip("\\").lower()


def _is_within(path: str, directory: str) -> bool:
    return path == directory or path.startswith(f"{directory}\\")
