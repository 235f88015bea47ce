"""Who besides root and this user may change what lies in a directory: mode, groups, access list.

Of a cache this is whoever may decide what gets installed; of a directory above a cache, whoever may
put another cache in its place.
"""

from __future__ import annotations

from uvx_policy.filesystem import of_windows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from uvx_policy.host import Host
    from uvx_policy.model import Status

_GROUP_MAY_WRITE = 0o020
_EVERYBODY_MAY_WRITE = 0o002
_STICKY = 0o1000

# linux/posix_acl.h, posix_acl_xattr.h: a version, then entries of tag, permissions and id
_USER, _GROUP_OF_DIRECTORY, _GROUP = 0x02, 0x04, 0x08
_HEAD, _ENTRY = 4, 8
_WRITE = 2
_ROOTS_GROUP = 0


def who_may_exchange(host: Host, path: str, status: Status) -> str:
    """Who else may rename or remove what lies in the directory `path`; "" for nobody.

    Its owner aside, whom `status` names. In a sticky directory only the owners of its entries may.
    Raises `Unreadable`.
    """
    if host.platform == "win32":
        return of_windows.who_may_exchange(host, path)
    return "" if status.mode & _STICKY else who_may_write(host, path, status)


def who_may_write(host: Host, path: str, status: Status) -> str:
    """Who else may make something in the directory `path`, as "the group `dev`"; "" for nobody.

    Its owner aside, whom `status` names. Raises `Unreadable`.
    """
    if host.platform == "win32":
        return of_windows.who_may_write(host, path)
    if status.mode & _EVERYBODY_MAY_WRITE:
        return "everybody"
    # With an access list these bits are its mask: without them it lets nobody else write either.
    if not status.mode & _GROUP_MAY_WRITE:
        return ""
    entries = list(_entries(host.access_list(path)))
    for tag, permissions, number in entries or [(_GROUP_OF_DIRECTORY, _WRITE, 0)]:
        if not permissions & _WRITE:
            continue
        if tag == _USER and number not in (0, host.uid):
            return f"user {number}"
        gid = {_GROUP_OF_DIRECTORY: status.gid, _GROUP: number}.get(tag)
        if gid is not None and not _is_private(host, gid):
            group = host.group(gid)
            return f"the group `{group.name}`" if group else f"group {gid}"
    return ""


def _entries(access_list: bytes) -> list[tuple[int, int, int]]:
    """Tag, permissions and id of each."""

    def number(start: int, size: int) -> int:
        return int.from_bytes(access_list[start : start + size], "little")

    return [
        (number(at, 2), number(at + 2, 2), number(at + 4, 4))
        for at in range(_HEAD, len(access_list), _ENTRY)
    ]


def _is_private(host: Host, gid: int) -> bool:
    """Tell whether nobody but root and this user is in the group, as far as can be told.

    Distributions that give each user a group of the same name let the umask be 002. A group without
    members may be that of many: of some only the directory service knows who is in them.
    """
    group = host.group(gid)
    if group is None:
        return False
    me = host.account(host.uid)
    ours = {"root", me} - {""}
    if not ours.issuperset(group.members):
        return False
    # Red Hat has accounts of the system in it, and OpenShift the one user that there is.
    if gid == _ROOTS_GROUP:
        return True
    if not ours.issuperset(group.primary_of):
        return False
    named = bool(me) and group.name == me
    return named or (group.is_local and bool(group.members) and me not in group.primary_of)
