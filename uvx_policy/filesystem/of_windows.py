"""Whether a directory of Windows may hold a cache: its access list, its owner, and its drive."""

from __future__ import annotations

import sys

from uvx_policy.errors import Unreadable
from uvx_policy.windows.descriptor import (
    CHANGES_CONTENT,
    EXCHANGES_ENTRIES,
    EXCHANGES_ITSELF,
    Descriptor,
    is_trusted,
    parse,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from uvx_policy.host import Host


def who_may_write(host: Host, directory: str) -> str:
    """Who besides this user and administrators may change what lies in it; "" for nobody.

    Raises `Unreadable`.
    """
    return _described(host, directory).others(CHANGES_CONTENT, user=host.user)


def who_may_exchange(host: Host, directory: str) -> str:
    """Who besides these may rename or remove what lies in it; "" for nobody. Raises `Unreadable`.

    Not who may make something there: the root of a drive lets every user do that.
    """
    return _described(host, directory).others(EXCHANGES_ENTRIES, user=host.user)


def is_own(host: Host, path: str) -> bool:
    """Is this user the owner? Raises `Unreadable`."""
    return bool(host.user) and _described(host, path).owner == host.user


def why_open_to_others(host: Host, directory: str) -> str:
    """Why another user may put another directory in the place of this one, "" when nobody may.

    Raises `Unreadable`.
    """
    for path in above(directory):
        if host.link_status(path) is None:
            break
        described = _described(host, path)
        # An owner may change the access list whatever it says.
        if not is_trusted(described.owner, host.user):
            return f"`{path}`, on the way to it, belongs to `{described.owner}`"
        rights = EXCHANGES_ENTRIES
        if not path.endswith("\\"):  # nobody exchanges the root of a drive
            rights |= EXCHANGES_ITSELF
        who = described.others(rights, user=host.user)
        if who:
            return f"`{path}`, on the way to it, is writable by {who}"
    return ""


def above(directory: str) -> Iterator[str]:
    r"""Give the directories above `C:\a\b`, the root of the drive first."""
    drive, *names = directory.rstrip("\\").split("\\")
    yield f"{drive}\\"
    for count in range(1, len(names)):
        yield "\\".join((drive, *names[:count]))


def make_private_directory(path: str) -> None:
    """Make a directory for this user alone; fine when it is there. Raises `OSError`."""
    if sys.platform == "win32":
        from uvx_policy.windows import security

        try:  # noqa: SIM105 (contextlib is slow to import)
            security.make_private_directory(path)
        except FileExistsError:  # this moment; who has made it is seen afterwards
            pass


def why_unfit(host: Host, existing: str) -> str:
    """Why a cache is not put on the drive of an existing directory, "" for a local, lasting one."""
    if host.file_system(existing) is None:  # the witness of what follows
        return "its file system is not known"
    if sys.platform == "win32":
        from uvx_policy.windows import drives

        return drives.why_unfit(existing)
    return ""


def _described(host: Host, path: str) -> Descriptor:
    try:
        return parse(host.access_list(path))
    except ValueError as error:
        raise Unreadable(path, str(error)) from error
