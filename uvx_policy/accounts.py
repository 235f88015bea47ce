"""Users and groups, as the system's databases have them. `Host` adds the witnesses."""

from __future__ import annotations

import os

from uvx_policy.value import Value


class Group(Value):
    """What the group database says of a group, and /etc/passwd of who is in it."""

    name: str
    #: names of those that are listed as its members
    members: tuple[str, ...]
    #: names of those whose primary group it is: local ones, and this user
    primary_of: tuple[str, ...]
    #: it is in /etc/group
    is_local: bool


def read_group(gid: int, *, uid: int, passwd: bytes, group: bytes) -> Group | None:
    """Look a group up for the user `uid`; `None` for none. The two files are given as read.

    A directory service is asked about a group that is not in the files only for a user who is not
    in them either: no other has a group there alone. It is never asked for all users.
    """
    try:
        import grp
        import pwd
    except ImportError:
        return None
    users = _lines(passwd)
    number = b"%d" % gid
    is_local = any(line[2:3] == [number] for line in _lines(group))
    if not is_local and any(line[2:3] == [b"%d" % uid] for line in users):
        return None
    try:
        told = grp.getgrgid(gid)
    except (KeyError, OverflowError):
        return None
    primary_of = {os.fsdecode(line[0]) for line in users if line[3:4] == [number]}
    me = account(uid)
    if me and pwd.getpwnam(me).pw_gid == gid:
        primary_of.add(me)
    return Group(
        name=told.gr_name,
        members=tuple(told.gr_mem),
        primary_of=tuple(sorted(primary_of)),
        is_local=is_local,
    )


def account(uid: int) -> str:
    """Name of the user of this number, "" for none."""
    try:
        import pwd

        return pwd.getpwuid(uid).pw_name
    except (ImportError, KeyError, OverflowError):
        return ""


def _lines(database: bytes) -> list[list[bytes]]:
    return [line.split(b":") for line in database.split(b"\n")]
